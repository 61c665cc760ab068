import type { Keys, Located, LocatedScalar, Location } from './yaml-location.ts'
import { nodeAt, problemAt } from './yaml-location.ts'
import type { SecretKind } from '../observe/secrets.ts'
import type { Problem } from './pipeline.ts'
import type { FieldSchema } from './schema.ts'
import { branchesOf, childSchemas } from './schema.ts'

/** Takes the secrets of a pipeline file. Hides them in all output from then on. */
export interface FoundSecrets {
  /** `name` says where the value came from: `env.API_KEY`. */
  add(value: string, found: { readonly kind: SecretKind; readonly name: string }): void
}

interface Scope {
  readonly owner: string
  /** Location of the component. */
  readonly location: Location
  readonly problems: Problem[]
  readonly secrets: FoundSecrets
}

interface Place {
  readonly node: Located | undefined
  readonly keys: Keys
  readonly scope: Scope
}

/**
 * Finds what is secret in a configuration. Certain are the values of fields declared as secret, and
 * passwords in URLs. Possible is every text that came from the environment or from `--set`, unless
 * its field is declared as plain, has a format or allows only certain words: an API key may be in a
 * header, a URL parameter, or an option of custom code. Warns about secrets in the pipeline file
 * and on the command line.
 */
export function collectSecrets(schemas: readonly FieldSchema[], value: unknown, place: Place): void {
  if (typeof value === 'string') return collectText(schemas.flatMap(branchesOf), value, place)
  if (value === null || typeof value !== 'object') return
  if (schemas.some(({ plain, format }) => plain === true || format !== undefined)) return
  const children: Iterable<[string | number, unknown]> = Array.isArray(value) ? value.entries() : Object.entries(value)
  for (const [key, child] of children) {
    const inner = schemas.flatMap((schema) => childSchemas(schema, key))
    collectSecrets(inner, child, { ...place, node: nodeAt(place.node, [key]), keys: [...place.keys, key] })
  }
}

function collectText(branches: readonly FieldSchema[], value: string, { node, keys, scope }: Place): void {
  const { secrets, owner } = scope
  if (node?.kind !== 'scalar' || node.missing === true) return
  if (branches.some(({ secret }) => secret === true)) refuseUnusable(node, value, keys, scope)
  if (value === '') return
  const name = [owner, ...keys].join('.')
  for (const password of passwordsIn(value)) secrets.add(password, { kind: 'certain', name: `${name}.password` })
  if (branches.some(({ secret }) => secret === true)) {
    const { inserted = [] } = node
    if (inserted.length > 0 && inserted.every(({ isWritten }) => isWritten)) return
    for (const one of inserted)
      if (one.text.length >= MIN_PART) secrets.add(one.text, { kind: 'certain', name: one.name })
    secrets.add(value, { kind: 'certain', name })
    warn(node, value, scope)
    return
  }
  if (branches.length > 0 && branches.every(isPlain)) return
  for (const { text, name: origin, isWritten } of insertionsOf(node, name)) {
    if (isWritten) continue
    for (const [i, part] of partsOf(text).entries())
      secrets.add(part, { kind: 'possible', name: i === 0 ? origin : `${origin}.${i}` })
  }
  if (!CREDENTIAL.test(String(keys.at(-1))) || value.includes('{') || node.inserted !== undefined) return
  secrets.add(value, { kind: 'possible', name })
  warn(node, value, scope)
}

/** Shorter parts of a secret, such as a `v1.` before it, are not secret on their own. */
const MIN_PART = 4

/** Headers and URL parameters that hold credentials by convention. */
const CREDENTIAL =
  /^((proxy-)?authorization|cookie|(x-)?(api|auth|access|secret)[-_]?(key|token)|(client[-_]?)?secret|password)$/i

function isPlain({ plain, format, enum: words, type, ...rest }: FieldSchema): boolean {
  return plain === true || format !== undefined || words !== undefined || 'const' in rest || type !== 'string'
}

/** `--set` counts as inserted text. */
function insertionsOf(node: LocatedScalar, name: string) {
  if (node.inserted !== undefined) return node.inserted
  return isOnCommandLine(node) ? [{ text: String(node.value), name: `set.${name}`, isWritten: false }] : []
}

function isOnCommandLine({ location }: LocatedScalar): boolean {
  return location.file === '--set'
}

/**
 * The parts of an inserted text that may be secret. Of a URL it is everything after the origin: an
 * engineer needs to see which host failed.
 */
function partsOf(text: string): string[] {
  if (!isUrl(text)) return [text]
  const { pathname, search, searchParams } = new URL(text)
  const rest = text.slice(text.indexOf('//') + 2).replace(/^[^/?#]*/, '')
  const segments = pathname.split('/').filter((segment) => segment.length >= MIN_TOKEN)
  return [rest, `${pathname}${search}`, ...searchParams.values(), ...segments].filter((part) => part.length > 1)
}

/** Segments of a path that are this long look like tokens. */
const MIN_TOKEN = 16

function passwordsIn(text: string): string[] {
  if (!text.includes('@') || !isUrl(text)) return []
  const { username, password } = new URL(text)
  // A user name alone is a token.
  const secret = password === '' ? username : password
  return [secret, decode(secret)].filter((part) => part.length >= MIN_PART)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function isUrl(text: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(text) && URL.canParse(text)
}

/**
 * A credential that no service can have issued: it was truncated, or copied with something around
 * it. Keys in PEM have several lines.
 */
function refuseUnusable(node: LocatedScalar, value: string, keys: Keys, { problems }: Scope): void {
  // Some APIs take a key as the user name, without a password.
  if (value === '' && node.inserted === undefined && keys.at(-1) === 'password') return
  const fault = faultOf(value)
  if (fault === undefined) return
  const hint = 'read it again from where it was issued; a line feed at the end of a file is removed'
  problems.push(problemAt(node.location, `the secret ${fault}`, { hint }))
}

function faultOf(value: string): string | undefined {
  if (value === '') return 'is empty'
  if (value.startsWith('-----BEGIN ')) return undefined
  if (value.trim() === '') return 'consists of blanks'
  if (/\p{Cc}/u.test(value)) return 'contains a control character, such as a tab or a line feed'
  return value === value.trim() ? undefined : 'begins or ends with a blank'
}

function warn(node: LocatedScalar, value: string, { location, problems }: Scope): void {
  const report = (message: string, hint: string) =>
    problems.push(problemAt(node.location, message, { hint, severity: 'warning' }))
  if (value.length < MIN_PART) {
    report(`a secret of ${value.length} characters cannot be hidden in messages`, `use one of at least 8 characters`)
  }
  const hint = 'read it from the environment or a file: ${env:NAME} or ${file:PATH}'
  if (node.inserted !== undefined) return
  if (isOnCommandLine(node))
    report('a secret on the command line: other users can see it in the list of processes', hint)
  else if (node.location.file === location.file) report('plaintext secret in the pipeline file', hint)
}
