import { hideSecrets } from '../../../observe/secrets.ts'
import { isList, isObject } from '../../../record/json/json.ts'
import type { Json } from '../../../record/json/json.ts'
import { parseJson } from './json-values.ts'

/**
 * What the body of an error says, for a message: from the usual members of JSON (also RFC 6749, RFC
 * 9457), the title of an HTML page, or plain text. Nothing else is quoted, since bodies echo
 * requests. Empty if there is nothing to quote. Without secrets and control characters, and short.
 */
export function errorTextIn(body: string, contentType: string | undefined, secrets: readonly string[]): string {
  const value = parseJson(body)
  if (value !== undefined) return errorTextOf(value, secrets)
  const start = body.trimStart()
  if (start.startsWith('<')) return clean(/<title[^>]*>([^<]*)/i.exec(start)?.[1] ?? '', secrets)
  return contentType === undefined || /^text\/plain\b/i.test(contentType) ? clean(start, secrets) : ''
}

/** The same for a JSON value. */
function errorTextOf(value: Json | undefined, secrets: readonly string[]): string {
  return clean([...new Set(textsIn(value, 0))].join(': '), secrets)
}

/** Members that hold a message, in the order in which they are quoted. In lower case. */
const MEMBERS = [
  'code',
  'errorcode',
  'error',
  'type',
  'title',
  'errorsummary',
  'message',
  'errormessage',
  'msg',
  'error_description',
  'description',
  'detail',
  'reason',
  'fault',
  'faultstring',
  'errors',
]
/** Members that hold a word for programs: numbers and URLs are not quoted. */
const WORDS: ReadonlySet<string> = new Set(['code', 'errorcode', 'type'])
const DEEPEST = 4
/** Of a list of errors, so many are quoted. */
const MAX_LISTED = 3

function textsIn(value: Json | undefined, depth: number): string[] {
  if (typeof value === 'string') return value.trim() === '' ? [] : [value.trim()]
  if (depth > DEEPEST) return []
  if (isList(value)) return value.slice(0, MAX_LISTED).flatMap((item) => textsIn(item, depth + 1))
  if (!isObject(value)) return []
  const members = new Map(Object.entries(value).map(([name, member]) => [name.toLowerCase(), member]))
  return MEMBERS.flatMap((name) => {
    const texts = textsIn(members.get(name), depth + 1)
    return WORDS.has(name) ? texts.filter((text) => /^[A-Za-z][\w.-]*$/.test(text)) : texts
  })
}

const MAX_TEXT = 300

/** Hides secrets before it cuts, since a part of a secret would not be recognized. */
function clean(text: string, secrets: readonly string[]): string {
  const line = hideSecrets(text, secrets).replaceAll(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, ' ')
  const characters = Array.from(hideEncoded(hideSecrets(line, secrets).trim(), secrets))
  return characters.length <= MAX_TEXT ? characters.join('') : `${characters.slice(0, MAX_TEXT).join('')}...`
}

/**
 * Hides base64 of more than a secret, such as a whole request in which the secret is
 * percent-encoded. Looks no further than what is shown.
 */
function hideEncoded(text: string, secrets: readonly string[]): string {
  let shown = 0
  let end = 0
  return text.replaceAll(/[\w+/-]{16,}={0,2}/g, (run: string, start: number) => {
    shown += start - end
    end = start + run.length
    if (shown > 2 * MAX_TEXT) return run
    const decoded = Buffer.from(run, 'base64').toString()
    const hidden = hideSecrets(decoded, secrets) === decoded ? run : '***'
    shown += hidden.length
    return hidden
  })
}
