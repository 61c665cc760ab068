/*
 * What this process must not write. Secrets enter here where they are found: in fields and inserted
 * values of a pipeline file, in the environment, in responses with tokens. The writers (`output.ts`,
 * `log.ts`, the report, the state, the dead-letter queue) hide them at the end, whatever path they
 * took to get there: a message, a hint, a stack, the error of a server that quotes the request.
 *
 * The list belongs to the process, as standard output does: what one pipeline must not write, none may
 * write. Secrets of the environment stay for ever. Those of a pipeline stay while it is in use
 * (`pipeline-secrets.ts`), and like those that a run learns, such as access tokens, until there are
 * many newer ones: an error may be printed after the run.
 */
import { plainForm, quickTestOf, shortestSpelling, spellingsOf } from './spellings.ts'
import type { MayContain } from './spellings.ts'

/** How certain it is that a value is secret. */
export type SecretKind =
  /** Declared as secret, read from a file, or received as a credential. Hidden from 4 characters on. */
  | 'certain'
  /**
   * Inserted from the environment where a credential may be. Hidden from 8 characters on, since it
   * may also be a short word such as `prod`.
   */
  | 'possible'

interface Secret {
  readonly value: string
  readonly kind: SecretKind
  /** Where it came from, for `sealSecrets`: `env.API_KEY`. */
  readonly name: string | undefined
  readonly pattern: RegExp | undefined
  /** Characters of the shortest text that can contain it. */
  readonly minLength: number
  readonly mayBeIn: MayContain
  /** Never forgotten. */
  readonly isPermanent: boolean
}

const secrets = new Map<string, Secret>()
/** How many pipelines use a secret. */
const holders = new Map<string, number>()
/** Secrets that a run has learned, or that no pipeline uses any more; the oldest first. */
const learned: string[] = []

/** Tokens are renewed for as long as the process runs. Older ones have expired. */
const MAX_LEARNED = 200

/**
 * Hides a value from now on in everything that the process writes. Of a value with several lines
 * each line is hidden too. `name` says where it came from.
 */
export function addSecret(value: string, { kind = 'certain', name }: { kind?: SecretKind; name?: string } = {}): void {
  for (const text of textsOf(value)) add(text, { kind, name: text === value ? name : undefined, isPermanent: true })
}

/** Hides a value of a pipeline, as `addSecret` does. Call `dropSecret` when the pipeline is over. */
export function holdSecret(value: string, kind: SecretKind): void {
  for (const text of textsOf(value)) {
    add(text, { kind, name: undefined, isPermanent: false })
    holders.set(text, (holders.get(text) ?? 0) + 1)
  }
}

export function dropSecret(value: string): void {
  for (const text of textsOf(value)) {
    const others = (holders.get(text) ?? 0) - 1
    if (others > 0) holders.set(text, others)
    else {
      holders.delete(text)
      forgetLater(text)
    }
  }
}

/**
 * Hides a credential that a run has received, such as an access token. Forgets the oldest of very
 * many.
 */
export function learnSecret(value: string): void {
  if (secrets.has(value)) return
  for (const text of textsOf(value)) {
    add(text, { kind: 'certain', name: undefined, isPermanent: false })
    forgetLater(text)
  }
}

function forgetLater(value: string): void {
  learned.push(value)
  if (learned.length <= MAX_LEARNED) return
  const oldest = learned.shift() ?? ''
  if (secrets.get(oldest)?.isPermanent === true || holders.has(oldest) || learned.includes(oldest)) return
  secrets.delete(oldest)
  recent.clear()
}

function add(value: string, found: Pick<Secret, 'kind' | 'name' | 'isPermanent'>): void {
  const known = secrets.get(value)
  const isPermanent = known?.isPermanent === true || found.isPermanent
  const name = known?.name ?? found.name
  if (known !== undefined && (known.kind === 'certain' || found.kind === 'possible')) {
    secrets.set(value, { ...known, name, isPermanent })
    return
  }
  recent.clear()
  const isLong = value.includes('\n') && value.length > LONG
  const pattern = isLong ? undefined : patternOf(value, found.kind)
  secrets.set(value, {
    value,
    kind: found.kind,
    name,
    pattern,
    minLength: shortestSpelling(value),
    mayBeIn: quickTestOf(value),
    isPermanent,
  })
}

/** A value, and its lines if it has several. */
function textsOf(value: string): string[] {
  if (value === '') return []
  if (!value.includes('\n')) return [value]
  const lines = value.split(/\r?\n/).map((line) => line.trim())
  return [value, ...lines.filter((line) => line.length >= MIN_PART && !line.startsWith('-----'))]
}

/** Forgets all. For a process that runs several commands, one after another. */
export function forgetSecrets(): void {
  secrets.clear()
  holders.clear()
  recent.clear()
  passing.clear()
  learned.length = 0
}

/**
 * Replaces every secret by `***`, in any of its usual spellings: as it is, percent-encoded, escaped
 * as in JSON or HTML, in base64 (also as a part of more), or in hex. `more` are further secrets of
 * this text.
 */
export function hideSecrets(text: string, more: readonly string[] = []): string {
  if (more.length > 0) return cover(text, [...secrets.values(), ...more.map(certain)], () => '***')
  const known = recent.get(text)
  if (known !== undefined) return known
  const hidden = cover(text, secrets.values(), () => '***')
  if (recent.size >= MAX_RECENT) recent.clear()
  if (text.length <= MAX_RECENT_LENGTH) recent.set(text, hidden)
  return hidden
}

/** Results of `hideSecrets`: the details of many rejects are the same. */
const recent = new Map<string, string>()
const MAX_RECENT = 500
const MAX_RECENT_LENGTH = 500

/** Replaces every secret by as many asterisks, so that columns stay right. */
export function maskSecrets(text: string): string {
  return cover(text, secrets.values(), (length) => '*'.repeat(length))
}

/** Applies `hideSecrets` to every text in a JSON value, keys included. */
export function hideInJson(value: unknown): unknown {
  if (typeof value === 'string') return hideSecrets(value)
  if (Array.isArray(value)) return value.map(hideInJson)
  if (typeof value !== 'object' || value === null || 'toJSON' in value) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [hideSecrets(key), hideInJson(member)]))
}

/** A secret of one text. An API that is away refuses thousands of requests with the same ones. */
function certain(value: string): Secret {
  const known = passing.get(value)
  if (known !== undefined) return known
  if (passing.size >= MAX_PASSING) passing.clear()
  const secret: Secret = {
    value,
    kind: 'certain',
    name: undefined,
    pattern: value.length < MIN_LENGTH.certain ? undefined : patternOf(value, 'certain'),
    minLength: shortestSpelling(value),
    mayBeIn: quickTestOf(value),
    isPermanent: false,
  }
  passing.set(value, secret)
  return secret
}

/** Compiling the expression of a secret takes a millisecond. */
const passing = new Map<string, Secret>()
const MAX_PASSING = 500

interface Range {
  readonly start: number
  end: number
}

/** Covers overlapping occurrences as one, so that no end of a secret stays visible. */
function cover(text: string, hidden: Iterable<Secret>, replacement: (length: number) => string): string {
  const found: Range[] = []
  const plain = plainForm(text)
  for (const { pattern, minLength, mayBeIn } of hidden) {
    if (pattern === undefined || text.length < minLength || !mayBeIn(plain)) continue
    // `matchAll` would compile the expression again.
    pattern.lastIndex = 0
    for (let match = pattern.exec(text); match !== null; match = pattern.exec(text))
      found.push({ start: match.index, end: pattern.lastIndex })
  }
  if (found.length === 0) return text
  const ranges: Range[] = []
  for (const { start, end } of found.toSorted((a, b) => a.start - b.start)) {
    const last = ranges.at(-1)
    if (last !== undefined && start < last.end) last.end = Math.max(last.end, end)
    else ranges.push({ start, end })
  }
  let at = 0
  let covered = ''
  for (const { start, end } of ranges) {
    covered += text.slice(at, start) + replacement(end - start)
    at = end
  }
  return covered + text.slice(at)
}

/** Shorter secrets are hidden only where they stand alone: elsewhere no text would be readable. */
const MIN_LENGTH = { certain: 4, possible: 8 }
/** Shorter possible secrets are hidden only if they look like one: `v2x9`, not `prod`. */
const TOKEN = /^(?=.*[0-9])(?=.*[A-Za-z]).{4,}$/
/** Longer texts of several lines are hidden line by line only. */
const LONG = 256
/** Shorter lines of a secret are not hidden on their own. */
const MIN_PART = 8

function patternOf(value: string, kind: SecretKind): RegExp | undefined {
  const inWords = value.length >= MIN_LENGTH[kind]
  if (value.trim() === '' || (kind === 'possible' && !inWords && !TOKEN.test(value))) return undefined
  const spellings = spellingsOf(value)
  return new RegExp(inWords ? spellings : `(?<![A-Za-z0-9])(?:${spellings})(?![A-Za-z0-9])`, 'gi')
}

/** The names of secrets by their values, for example `env.API_KEY`. */
type SecretNames = ReadonlyMap<string, string>

/**
 * Replaces the secrets that have a name by that name, in every text of a JSON value that is stored
 * and used again, such as a link to the next page. See `unsealSecrets`. The names of a pipeline's own
 * secrets come from `PipelineSecrets`: two pipelines may use one name for two values.
 */
export function sealSecrets<Value>(value: Value, own: SecretNames = new Map()): Value {
  return mapTexts(value, (text) => {
    const escaped = text.replaceAll(MARK, `${MARK}${LITERAL}}`)
    let sealed = escaped
    const named = [...secrets.values()].toSorted((a, b) => b.value.length - a.value.length)
    for (const { value: secret, name, pattern } of named) {
      if (pattern === undefined) continue
      sealed = outsideMarks(sealed, (part) =>
        part.replaceAll(pattern, (found) => markOf(formOf(secret, found), own.get(secret) ?? name)),
      )
    }
    return sealed
  })
}

/** Puts the secrets back that `sealSecrets` has replaced. Leaves a name that is not known now. */
export function unsealSecrets<Value>(value: Value, own: SecretNames = new Map()): Value {
  return mapTexts(value, (text) =>
    text.replaceAll(SEAL, (seal, inside: string) => {
      if (inside === LITERAL) return MARK
      const [, form = '', name = ''] = /^(\w+):(.*)$/.exec(inside) ?? []
      const isNamed = (one: string | undefined): boolean => one !== undefined && encodeURIComponent(one) === name
      const [secret] =
        [...own].findLast(([, one]) => isNamed(one)) ?? [...secrets].find(([, one]) => isNamed(one.name)) ?? []
      const write = forms[form]
      return secret === undefined || write === undefined ? seal : write(secret)
    }),
  )
}

/** True if `unsealSecrets` did not find a secret of this text. */
export function isSealed(text: string): boolean {
  return text.includes(MARK)
}

const MARK = '{secret:'
const LITERAL = '-'
const SEAL = /\{secret:([^}]*)\}/g

function markOf(form: string, name = ''): string {
  return `${MARK}${form}:${encodeURIComponent(name)}}`
}

function outsideMarks(text: string, change: (part: string) => string): string {
  return text
    .split(/(\{secret:[^}]*\})/)
    .map((part, at) => (at % 2 === 0 ? change(part) : part))
    .join('')
}

/** How a secret can be written again. */
const forms: { readonly [form: string]: (secret: string) => string } = {
  plain: (secret) => secret,
  url: encodeURIComponent,
  form: (secret) => new URLSearchParams({ '': secret }).toString().slice(1),
  json: (secret) => JSON.stringify(secret).slice(1, -1),
  base64: (secret) => Buffer.from(secret).toString('base64'),
  base64url: (secret) => Buffer.from(secret).toString('base64url'),
}

function formOf(secret: string, found: string): string {
  const same = Object.entries(forms).find(([, write]) => write(secret).toLowerCase() === found.toLowerCase())
  return same?.[0] ?? 'url'
}

function mapTexts<Value>(value: Value, change: (text: string) => string): Value
function mapTexts(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === 'string') return change(value)
  if (Array.isArray(value)) return value.map((item: unknown) => mapTexts(item, change))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, mapTexts(member, change)]))
}
