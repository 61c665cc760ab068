import { hideSecrets } from '../../observe/secrets.ts'
import { isList, isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import redact from '../../transforms/redact.ts'
import { isSecretName } from '../../transforms/redact/names.ts'
import type { SeenRequest } from '../whole/match-request.ts'
import { dryRun } from '../dry-run.ts'
import type { Recorded } from './record-exchanges.ts'

/** A page without secrets, as a test has it. */
export interface CleanPage {
  readonly request: {
    readonly method: string
    readonly host: string
    readonly path: string
    readonly query?: { readonly [name: string]: string }
    readonly body?: Json
  }
  readonly status: number
  readonly headers: { readonly [name: string]: string | readonly string[] }
  /** JSON, or text. */
  readonly body: Json | undefined
}

export interface Cleaned {
  readonly pages: readonly CleanPage[]
  /** What was removed, in words. Never a value. */
  readonly removed: readonly string[]
}

/**
 * Removes what is secret: the headers of requests; headers of responses, but those that a source reads;
 * the secrets of the configuration; and in bodies, what the preset `secrets` of `redact` finds. A value
 * that a later request repeats, such as a cursor, has the same replacement there.
 * @param known Values of the configuration, and what a test has in their place.
 */
export async function clean(exchanges: readonly Recorded[], known: ReadonlyMap<string, string>): Promise<Cleaned> {
  const replaced = new Replacements(known)
  const bodies: (Json | undefined)[] = []
  for (const { body } of exchanges) bodies.push(await cleanBody(body, replaced))
  const dropped = new Set<string>()
  const sent = new Set<string>()
  const pages = exchanges.map(({ request, status, headers }, i) => {
    for (const name of Object.keys(request.headers)) if (!PLAIN.has(name)) sent.add(name)
    return {
      request: cleanRequest(request, replaced),
      status,
      headers: cleanHeaders(headers, replaced, dropped),
      body: bodies[i] === undefined ? undefined : mapTexts(bodies[i], (text) => replaced.in(text)),
    }
  })
  return {
    pages,
    removed: [
      ...list('request headers', sent),
      ...list('response headers', dropped),
      ...removedFrom('bodies', replaced),
    ],
  }
}

/** The same for lines that a source has yielded. */
export async function cleanLines(
  lines: readonly string[],
  known: ReadonlyMap<string, string>,
): Promise<{ readonly input: { readonly lines: readonly string[] }; readonly removed: readonly string[] }> {
  const replaced = new Replacements(known)
  const cleaned: string[] = []
  for (const line of lines) cleaned.push(await cleanLine(line, replaced))
  return { input: { lines: cleaned.map((line) => replaced.in(line)) }, removed: removedFrom('records', replaced) }
}

function removedFrom(where: string, replaced: Replacements): string[] {
  return [
    ...list('values of the configuration, now', replaced.used),
    ...(replaced.found > 0 ? [`secrets in ${where}, by their names or their form: ${replaced.found}`] : []),
  ]
}

function list(what: string, names: Iterable<string>): string[] {
  const all = [...names].toSorted()
  return all.length > 0 ? [`${what}: ${all.join(', ')}`] : []
}

/** Request headers that no source configures. */
const PLAIN: ReadonlySet<string> = new Set(['accept', 'accept-encoding', 'content-type', 'user-agent'])

/** What a value is replaced by, wherever it is. */
class Replacements {
  readonly #values = new Map<string, string>()
  /** Stand-ins that were needed. */
  readonly used = new Set<string>()
  /** Number of secrets that were found in bodies. */
  found = 0

  constructor(known: ReadonlyMap<string, string>) {
    for (const [value, standIn] of known) this.#values.set(value, standIn)
  }

  /** Replaces a value from now on. Returns its replacement. */
  add(value: string): string {
    const existing = this.#values.get(value)
    if (existing !== undefined) return existing
    const replacement = `redacted-${++this.found}`
    this.#values.set(value, replacement)
    return replacement
  }

  in(text: string): string {
    let result = text
    for (const [value, replacement] of this.#values) {
      if (value.length < SHORTEST && result !== value) continue
      for (const spelling of [value, encodeURIComponent(value)]) {
        if (!result.includes(spelling)) continue
        result = result.replaceAll(spelling, replacement)
        if (!replacement.startsWith('redacted-')) this.used.add(replacement)
      }
    }
    // What only the run knows: access tokens.
    return hideSecrets(result)
  }
}

/** A shorter value is replaced where it stands alone. */
const SHORTEST = 6

function cleanRequest({ method, host, path, query, body }: SeenRequest, replaced: Replacements): CleanPage['request'] {
  // A parameter that is a credential itself is left out: the test does not compare it.
  const parameters = [...query].filter(([name]) => !isSecretName(name) || isCursor(name))
  return {
    method,
    host: replaced.in(host),
    path: replaced.in(path),
    ...(parameters.length > 0 && {
      query: Object.fromEntries(parameters.map(([name, value]) => [name, replaced.in(value)])),
    }),
    ...(body !== undefined && { body: withoutCredentials(mapTexts(body, (text) => replaced.in(text))) }),
  }
}

/** The parameters of a token request. Assertions differ each time, too. */
function withoutCredentials(body: Json): Json {
  if (!isObject(body)) return body
  return Object.fromEntries(Object.entries(body).filter(([name]) => !CREDENTIALS.test(name)))
}

const CREDENTIALS = /^(client_secret|client_assertion|assertion|refresh_token|password|client_id)$/

/** `page_token`, `next_token`: named like a secret, but what a page is found by. */
function isCursor(name: string): boolean {
  return /page|next|cursor|after|continu/i.test(name)
}

function cleanHeaders(
  headers: Recorded['headers'],
  replaced: Replacements,
  dropped: Set<string>,
): CleanPage['headers'] {
  const kept: [string, string | readonly string[]][] = []
  for (const [name, value] of Object.entries(headers)) {
    if (FRAMING.has(name)) continue
    if (!KEPT.test(name) || isSecretName(name)) {
      dropped.add(name)
      continue
    }
    kept.push([name, typeof value === 'string' ? replaced.in(value) : value.map((one) => replaced.in(one))])
  }
  // The server of a test would add the time.
  if (!kept.some(([name]) => name === 'date')) kept.push(['date', ''])
  return Object.fromEntries(kept)
}

/** Of the connection, not of the response. */
const FRAMING: ReadonlySet<string> = new Set([
  'content-encoding',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
])

/** Headers by which a source plans, pages and waits. */
const KEPT = /^(date|content-type|link|retry-after|x-.*|.*rate-?limit.*)$/

async function cleanBody(text: string, replaced: Replacements): Promise<Json | undefined> {
  if (text === '') return undefined
  try {
    const value: Json = JSON.parse(text)
    return await redactJson(value, replaced)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  const lines = text.split('\n')
  const cleaned = await Promise.all(lines.map((line) => cleanLine(line, replaced)))
  return cleaned.join('\n')
}

/** A line that is no object stays as it is, and so do the spelling and the numbers of one without secrets. */
async function cleanLine(line: string, replaced: Replacements): Promise<string> {
  if (!isJsonObject(line)) return line
  const value: Json = JSON.parse(line)
  const cleaned = JSON.stringify(await redactJson(value, replaced))
  return cleaned === JSON.stringify(value) ? line : cleaned
}

function isJsonObject(line: string): boolean {
  try {
    const value: Json = JSON.parse(line)
    return isObject(value)
  } catch {
    return false
  }
}

async function redactJson(value: Json, replaced: Replacements): Promise<Json> {
  const line = Buffer.from(`${JSON.stringify({ body: value })}\n`)
  const { output } = await dryRun(REDACTING, line)
  const found: { body: Json } = JSON.parse(output[0] ?? 'null') ?? { body: null }
  return merge(value, found.body, replaced)
}

const REDACTING = {
  name: 'recording',
  folder: '',
  transforms: [{ declaration: redact, config: { preset: 'secrets', rules: [] }, stage: 'redact' }],
  limits: { maxDepth: 1000, maxLine: 64 << 20 },
}

/** The redacted value. What is replaced as a whole gets a replacement of its own. */
function merge(original: Json, redacted: Json, replaced: Replacements): Json {
  if (isObject(original) && isObject(redacted))
    return Object.fromEntries(
      Object.entries(original).flatMap(([key, value]) =>
        Object.hasOwn(redacted, key) ? [[key, merge(value, redacted[key] ?? null, replaced)]] : [],
      ),
    )
  if (isList(original) && isList(redacted) && original.length === redacted.length)
    return original.map((value, i) => merge(value, redacted[i] ?? null, replaced))
  if (JSON.stringify(original) === JSON.stringify(redacted)) return original
  if (typeof original === 'string' && redacted === '[redacted]') return replaced.add(original)
  replaced.found++
  return redacted
}

function mapTexts(value: Json, change: (text: string) => string): Json {
  if (typeof value === 'string') return change(value)
  if (isList(value)) return value.map((item) => mapTexts(item, change))
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [change(key), mapTexts(member, change)]))
}
