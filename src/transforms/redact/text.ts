import { FORMS } from './forms.ts'
import { isSecretName } from './names.ts'

export const MASK = '[redacted]'

/**
 * Replaces the secrets in a text by `[redacted]` and keeps the rest: values of secret names
 * (`token=…`, `Password: …`, `"api_key":"…"`, `--secret …`), passwords in URLs, and secrets with a
 * known form. With `isId`, identifiers with a known form stay.
 *
 * Every expression takes linear time: repetitions are bounded, or begin only where their first
 * character cannot continue an earlier match.
 */
export function redactText(text: string, isId: boolean): string {
  let result = text
  for (const { needles, pattern, isSecret, isId: isIdForm } of FORMS) {
    if ((isId && isIdForm) || !needles.some((needle) => result.includes(needle))) continue
    result = result.replace(pattern, (match) => (isSecret === undefined || isSecret(match) ? MASK : match))
  }
  if (result.includes('://')) result = result.replace(USER_INFO, (_, start: string) => `${start}${MASK}@`)
  if (result.includes('-')) result = result.replace(OPTION, maskOption)
  if (result.includes('</')) result = result.replace(ELEMENT, maskElement)
  if (result.includes(' value=')) result = result.replace(ATTRIBUTES, maskAttributes)
  if (/%(?:25)*3D/i.test(result)) result = result.replace(ENCODED, maskEncoded)
  return /[=:]/.test(result) ? redactAssignments(result) : result
}

/** A password in the authority of a URL. */
const USER_INFO = /(:\/\/[^\s/@:?#"']{0,256}:)[^\s/?#"']{1,512}@/g
const OPTION = /(?<![\w-])(--?([A-Za-z][\w-]{1,40}) {1,4})("[^"]*"?|'[^']*'?|[^\s-]\S*)/g

function maskOption(option: string, start: string, name: string): string {
  return isSecretName(name) ? start + MASK : option
}

/** The text of an XML element without elements inside. */
const ELEMENT = /<([A-Za-z_][\w.:-]{0,63})((?:\s[^<>]{0,256})?>)[^<>]{1,4096}(?=<\/)/g

function maskElement(element: string, name: string, rest: string): string {
  return isSecretName(name) ? `<${name}${rest}${MASK}` : element
}

/** `key="ApiKey" value="…"` in XML. */
const ATTRIBUTES = /( (?:name|key)=["']([^"'<>]{1,64})["'] {1,4}value=["'])[^"'<>]+/g

function maskAttributes(attributes: string, start: string, name: string): string {
  return isSecretName(name) ? start + MASK : attributes
}

/** A parameter in a percent-encoded URL. */
const ENCODED =
  /(^|[^\w%.-]|%(?:25)*(?:3F|26|23|20|2C|7B))([A-Za-z][\w.-]{0,63})(%(?:25)*3D)((?!%(?:25)*(?:26|23))[^\s&"'<>])+/gi

function maskEncoded(parameter: string, before: string, name: string, equals: string): string {
  const isParameter = before.startsWith('%') && PARAMETER.test(name)
  return isSecretName(name) || isParameter ? before + name + equals + MASK : parameter
}

/** A name of one to three words, and what separates it from its value. */
const ASSIGNMENT =
  /(?<![\w$]|[\w:]:)(\\*["']?)([A-Za-z][\w.[\]-]{0,63}(?: [A-Za-z][\w-]{0,30}){0,2})\1[ \t]{0,4}(=>?|:(?!\/\/|:))[ \t\n]{0,8}/g
const VALUE = /\\+"[^"\\]*(?:\\+")?|"(?:[^"\\]|\\[^])*"?|'(?:[^'\\]|\\[^])*'?|[^\s&;"'<>#]+/y
/** The value of a header reaches to the end of its line. */
const HEADER_VALUE = /[^\r\n"']+/y
const HEADER = /^(?:proxy-)?authorization$|^(?:set-)?cookie$/i
/** Names of URL parameters that are secrets only there. */
const PARAMETER =
  /^(?:code|key|sig|signature|ticket|x-amz-(?:signature|credential)|x-goog-(?:signature|credential)|saml(?:request|response)|hmac|se_sig)$/i
/** Prose after a name: "Password: changed". */
const PROSE =
  /^["']?(?:true|false|null|none|nil|undefined|yes|no|on|off|ok|set|unset|not|changed?|expired?|expires|invalid|valid|required?|missing|incorrect|wrong|enabled?|disabled?|succe\w*|fail\w*|updated?|reset|created?|deleted?|removed?|revoked?|rotated?|empty|unknown|denied|accepted|\*+|\[redacted\])["',.;)\]}]*$/i

/** `token:software:totp` is a kind, `secret:read` a scope. */
const KIND = /^[a-z_*:.-]+$/
/** "tokens: 5" is a count. */
const PLURAL = /s$/i
const COUNT = /^\d{1,4}[,;.)\]}]*$/

function redactAssignments(text: string): string {
  let result = ''
  let copied = 0
  ASSIGNMENT.lastIndex = 0
  for (let found = ASSIGNMENT.exec(text); found !== null; found = ASSIGNMENT.exec(text)) {
    const [whole, , name, separator] = found
    const isParameter = /[?&#]/.test(text[found.index - 1] ?? '') && separator === '='
    if (!isSecretName(name) && !(isParameter && PARAMETER.test(name))) {
      // A value may contain further names.
      ASSIGNMENT.lastIndex = Math.max(found.index + whole.length, found.index + 1)
      continue
    }
    const start = found.index + whole.length
    const value = HEADER.test(name) && separator === ':' ? HEADER_VALUE : VALUE
    value.lastIndex = start
    const [match] = value.exec(text) ?? ['']
    ASSIGNMENT.lastIndex = Math.max(start + match.length, found.index + 1)
    if (separator === ':' && whole.endsWith(':') && KIND.test(match)) continue
    if (match === '' || PROSE.test(match) || (PLURAL.test(name) && COUNT.test(match))) continue
    const quote = /^(?:\\*["'])/.exec(match)?.[0] ?? ''
    const end = quote !== '' && match.length > 1 && match.endsWith(quote) ? quote : ''
    result += text.slice(copied, start) + quote + MASK + end
    copied = start + match.length
  }
  return copied === 0 ? text : result + text.slice(copied)
}
