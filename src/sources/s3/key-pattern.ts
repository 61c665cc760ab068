import { SluiceError } from '../../errors.ts'
import { DAY, HOUR, MINUTE } from '../../time.ts'
import { regexOf, textBefore, tokensOf } from './pattern-tokens.ts'
import type { DateUnit, Token } from './pattern-tokens.ts'

/** A path of the source: `s3://bucket/prefix`, `s3://bucket/logs/{yyyy}/{MM}/*.gz`. */
export interface KeyPattern {
  /** As configured. */
  readonly text: string
  readonly bucket: string
  /** All keys that match start with it. */
  readonly prefix: string
  /** It may name a single object, which is `prefix`. */
  readonly isExact: boolean
  matches(key: string): boolean
  /** The time that a key names, from its first instant to before the next one, in milliseconds since 1970. */
  timeOf(key: string): TimeSpan | undefined
  /** The pattern has placeholders of a date. */
  readonly isDated: boolean
  /** Set if keys below a folder are in the order of their dates, so that a part of them can be listed. */
  readonly dateFolders?: DateFolders
}

interface TimeSpan {
  readonly from: number
  readonly to: number
}

export interface DateFolders {
  /** Patterns of the names of folders, one for each level, down to the folder that holds the dates. */
  readonly levels: readonly Level[]
  /** What precedes the year in the folder of the dates. */
  readonly lead: string
  /** The start of all keys with a time at or after this one, relative to the folder: `dt=2026-11-28`. */
  start(time: number): string
}

interface Level {
  /** The name, if it has no wildcard. */
  readonly name?: string
  /** All names that match start with it. */
  readonly prefix: string
  matches(name: string): boolean
}

/** @throws SluiceError CONFIG_INVALID */
export function parseKeyPattern(text: string): KeyPattern {
  const [, bucket, rest = ''] = URL_FORM.exec(text) ?? []
  if (bucket === undefined) {
    throw invalid(text, 'is not an s3:// path', 'write s3://bucket/prefix/ or s3://bucket/prefix/*.gz')
  }
  if (/[*?[\]{}\\\s]/.test(bucket)) {
    throw invalid(text, 'has wildcards in the name of the bucket', 'name one bucket: s3://bucket/prefix/*.gz')
  }
  const written = tokensOf(rest, text)
  const isPlain = written.every(({ kind }) => kind === 'text')
  const prefix = textBefore(written)
  // A folder is everything below it, and so is a name without wildcards that is no key.
  const isFolder = rest === '' || rest.endsWith('/')
  const tokens: readonly Token[] = isFolder ? [...written, { kind: 'globstar', slash: false }] : written
  const regex = new RegExp(`^${regexOf(tokens)}${isPlain && !isFolder ? '(?:/.*)?' : ''}$`, 'su')
  const units = dateUnits(tokens, text)
  const dateFolders = units.length === 0 ? undefined : findDateFolders(tokens)
  return {
    text,
    bucket,
    prefix,
    isExact: isPlain && !isFolder,
    matches: (key) => regex.test(key),
    timeOf(key) {
      const groups = units.length === 0 ? undefined : regex.exec(key)?.groups
      return groups && timeSpan(groups)
    },
    isDated: units.length > 0,
    ...(dateFolders && { dateFolders }),
  }
}

/** A bucket may be the ARN of an access point, which has a slash. */
const URL_FORM = /^s3:\/\/(arn:[^/]+:accesspoint[:/][^/]+|[^/]+)(?:\/(.*))?$/s

function invalid(text: string, problem: string, hint: string): SluiceError {
  return new SluiceError('CONFIG_INVALID', `"${text}" ${problem}`, { hint })
}

const UNITS: readonly DateUnit[] = ['yyyy', 'MM', 'dd', 'HH', 'mm']

function dateUnits(tokens: readonly Token[], text: string): DateUnit[] {
  const used = new Set(tokens.flatMap((token) => (token.kind === 'date' ? [token.unit] : [])))
  const units = UNITS.filter((unit) => used.has(unit))
  const missing = UNITS.slice(0, units.length).find((unit) => !used.has(unit))
  if (missing === undefined) return units
  throw invalid(text, `has a date without {${missing}}`, 'write {yyyy}, {yyyy}/{MM}, {yyyy}/{MM}/{dd} or {yyyy-MM-dd}')
}

function timeSpan(groups: { readonly [unit: string]: string | undefined }): TimeSpan {
  const [year, month = 1, day = 1, hour = 0, minute = 0] = UNITS.map((unit) =>
    groups[unit] === undefined ? undefined : Number(groups[unit]),
  )
  const from = Date.UTC(year ?? 0, month - 1, day, hour, minute)
  if (groups['mm'] !== undefined) return { from, to: from + MINUTE }
  if (groups['HH'] !== undefined) return { from, to: from + HOUR }
  if (groups['dd'] !== undefined) return { from, to: from + DAY }
  return { from, to: groups['MM'] === undefined ? Date.UTC((year ?? 0) + 1) : Date.UTC(year ?? 0, month) }
}

/**
 * Keys are in the order of their dates if year, month, day and hour follow each other with nothing
 * but text between them, and no wildcard comes before the year in its folder.
 */
function findDateFolders(tokens: readonly Token[]): DateFolders | undefined {
  const year = tokens.findIndex((token) => token.kind === 'date')
  const levels = levelsOf(tokens.slice(0, year))
  const last = levels?.pop()
  if (levels === undefined || last === undefined || last.some(({ kind }) => kind !== 'text')) return undefined
  const parts: Token[] = []
  for (const token of tokens.slice(year)) {
    const isNext = token.kind === 'date' && token.unit === UNITS[parts.filter(({ kind }) => kind === 'date').length]
    if (!isNext && token.kind !== 'text') break
    parts.push(token)
  }
  while (parts.at(-1)?.kind === 'text') parts.pop()
  const lead = textBefore(last)
  return {
    levels: levels.map(toLevel),
    lead,
    start(time) {
      const iso = new Date(time).toISOString()
      const digits = { yyyy: [0, 4], MM: [5, 7], dd: [8, 10], HH: [11, 13], mm: [14, 16] } as const
      const spelled = parts.map((part) =>
        part.kind === 'date' ? iso.slice(...digits[part.unit]) : part.kind === 'text' ? part.text : '',
      )
      return lead + spelled.join('')
    },
  }
}

/** The tokens between slashes; undefined if a wildcard may match a slash. */
function levelsOf(tokens: readonly Token[]): Token[][] | undefined {
  const levels: Token[][] = [[]]
  for (const token of tokens) {
    if (token.kind === 'globstar' || (token.kind === 'choice' && regexOf([token]).includes('/'))) return undefined
    if (token.kind !== 'text') {
      levels.at(-1)?.push(token)
      continue
    }
    for (const [at, text] of token.text.split('/').entries()) {
      if (at > 0) levels.push([])
      if (text !== '') levels.at(-1)?.push({ kind: 'text', text })
    }
  }
  return levels
}

function toLevel(tokens: readonly Token[]): Level {
  const prefix = textBefore(tokens)
  if (tokens.every(({ kind }) => kind === 'text')) return { name: prefix, prefix, matches: (name) => name === prefix }
  const regex = new RegExp(`^${regexOf(tokens)}$`, 'su')
  return { prefix, matches: (name) => regex.test(name) }
}
