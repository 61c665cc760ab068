import { createHash } from 'node:crypto'
import { SluiceError } from '../../errors.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { parseInstant } from '../../record/json/instant.ts'
import { Paths } from '../../record/paths/path.ts'
import type { Path } from '../../record/paths/path.ts'
import { Fault, HIT_STRIDE, Kind } from '../../record/scan.ts'

/**
 * The key of an object without its last segment: literal text and
 * - `{record.<path>}`: a plain field's value;
 * - `{record.<path>:yyyy-MM-dd}`: a field that is an RFC 3339 time, in UTC (`yyyy`, `MM`, `dd`, `HH`, `mm`, with `-`, `_`, `.`, `T` or `/` between);
 * - `{now:...}`: the time at which the epoch was opened, written in the same way;
 * - `{pipeline}`: the pipeline's name.
 *
 * A value cannot leave its segment: what is not one of `A-Z a-z 0-9 . _ = @ + -` is percent-encoded, so are `.` and `..`, and a value of more
 * than 100 bytes is cut and closed with a part of its SHA-256. A field that is absent, no scalar or not a time gives `unknown`.
 */
export interface KeyTemplate {
  readonly text: string
  readonly parts: readonly KeyPart[]
}

type KeyPart =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'pipeline' }
  | { readonly kind: 'now'; readonly format: TimeFormat }
  | { readonly kind: 'record'; readonly path: string; readonly format: TimeFormat | undefined }

/** Calendar fields and the text between them. */
type TimeFormat = readonly string[]

/** What stands for a value that is not there. */
const UNKNOWN = 'unknown'
/** What stands for all values when an epoch has as many files as it may have. */
const OTHER = '__other'

/** @throws SluiceError CONFIG_INVALID or PATH_INVALID, with the offset at which the text goes wrong. */
export function parseKeyTemplate(text: string): KeyTemplate {
  const parts: KeyPart[] = []
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('{', at)
    const literal = text.slice(at, open < 0 ? text.length : open)
    if (literal !== '') parts.push({ kind: 'literal', text: checkLiteral(text, at, literal) })
    if (open < 0) break
    const close = endOfPlaceholder(text, open)
    parts.push(parsePlaceholder(text, open, text.slice(open + 1, close)))
    at = close + 1
  }
  checkSegments(text)
  return { text, parts }
}

/** The key of a record's object without its last segment and without a slash at its end. */
export type Partitioner = (batch: Batch, record: number) => string

export interface CompiledKey {
  /** One for an epoch: `{now}` stays what it is at `openedAt` (milliseconds since 1970). */
  partitioner(openedAt: number): Partitioner
  /** The key with every `{record.…}` replaced. */
  fallback(openedAt: number): string
}

export function compileKeyTemplate(
  template: KeyTemplate,
  { pipeline, paths }: { pipeline: string; paths: Paths },
): CompiledKey {
  const fields = groupFields(template, paths)
  const fixed = (openedAt: number): (string | undefined)[] =>
    template.parts.map((part) => {
      if (part.kind === 'literal') return part.text
      if (part.kind === 'pipeline') return encodeSegment(pipeline)
      return part.kind === 'now' ? formatTime(part.format, openedAt) : undefined
    })
  return {
    fallback: (openedAt) =>
      fixed(openedAt)
        .map((text) => text ?? OTHER)
        .join(''),
    partitioner: (openedAt) => createPartitioner(fixed(openedAt), fields),
  }
}

/** What all keys of a template begin with. */
export function fixedPrefix({ parts }: KeyTemplate, pipeline: string): string {
  let prefix = ''
  for (const part of parts) {
    if (part.kind === 'literal') prefix += part.text
    else if (part.kind === 'pipeline') prefix += encodeSegment(pipeline)
    else break
  }
  return prefix
}

function checkLiteral(text: string, at: number, literal: string): string {
  for (let i = 0; i < literal.length; i++) {
    const char = literal.charCodeAt(i)
    if (char === 0x7d) throw invalid(text, at + i, 'a } without its {')
    if (char < 0x20 || char === 0x7f || char === 0x5c) throw invalid(text, at + i, 'a character that keys cannot hold')
  }
  return literal
}

/** A key in brackets and quotes (`a["x}"]`) may hold any character. */
function endOfPlaceholder(text: string, open: number): number {
  let quoted = false
  for (let at = open + 1; at < text.length; at++) {
    if (quoted && text[at] === '\\') at++
    else if (text[at] === '"') quoted = !quoted
    else if (text[at] === '}' && !quoted) return at
  }
  throw invalid(text, open, 'a { without its }')
}

function parsePlaceholder(text: string, open: number, inside: string): KeyPart {
  if (inside === 'pipeline') return { kind: 'pipeline' }
  if (inside.startsWith('now:')) return { kind: 'now', format: parseFormat(text, open + 5, inside.slice(4)) }
  if (inside === 'now') throw invalid(text, open, '{now} without a format; write {now:yyyy-MM-dd}')
  if (!inside.startsWith('record.')) {
    throw invalid(
      text,
      open,
      `the unknown placeholder {${inside}}; there are {record.<path>}, {record.<path>:yyyy-MM-dd}, {now:yyyy-MM-dd} and {pipeline}`,
    )
  }
  const colon = formatColon(inside)
  const path = inside.slice('record.'.length, colon)
  checkPath(text, open + 1 + 'record.'.length, path)
  const format = colon === inside.length ? undefined : parseFormat(text, open + 2 + colon, inside.slice(colon + 1))
  return { kind: 'record', path, format }
}

function checkPath(text: string, offset: number, path: string): void {
  try {
    if (new Paths().add(path).keys !== undefined) return
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const { code, message, hint, offset: within = 0, length } = error
    throw new SluiceError(code, message, {
      cause: error,
      offset: offset + within,
      ...(hint !== undefined && { hint }),
      ...(length !== undefined && { length }),
    })
  }
  throw invalid(text, offset, `the path ${path}, which can name more than one value`, path.length)
}

/** The colon before the format: the last one that is not quoted; the length when there is none. */
function formatColon(inside: string): number {
  const colon = inside.lastIndexOf(':')
  return colon < 0 || inside.indexOf('"', colon) >= 0 ? inside.length : colon
}

const calendar = ['yyyy', 'MM', 'dd', 'HH', 'mm']

function parseFormat(text: string, at: number, format: string): TimeFormat {
  const tokens = format.match(/yyyy|MM|dd|HH|mm|[-_.T/]|[A-Za-z]+|./gu) ?? []
  let offset = at
  for (const token of tokens) {
    if (!calendar.includes(token) && !/^[-_.T/]$/.test(token)) {
      throw invalid(
        text,
        offset,
        `${token} in a time format; there are ${calendar.join(', ')} with - _ . T or / between`,
      )
    }
    offset += token.length
  }
  if (!tokens.some((token) => calendar.includes(token))) throw invalid(text, at, 'an empty time format')
  return tokens
}

function checkSegments(text: string): void {
  if (text === '') return
  // What a placeholder gives is never empty and never a dot segment: one letter stands for it here, so that offsets of segments stay near.
  let at = 0
  for (const segment of text.replace(/\{[^}]*\}/g, (found) => 'x'.repeat(found.length)).split('/')) {
    if (segment === '') throw invalid(text, at, 'an empty segment; a key neither begins nor ends with /')
    if (segment === '.' || segment === '..') throw invalid(text, at, `the segment ${segment}`)
    at += segment.length + 1
  }
}

function invalid(text: string, offset: number, what: string, length = 1): SluiceError {
  return new SluiceError('CONFIG_INVALID', `the key template has ${what}`, {
    offset,
    length: Math.min(length, text.length - offset),
  })
}

/** The placeholders of one path, so that its value is read once a record. */
interface Field {
  readonly path: Path
  /** Indexes of the parts that show the value itself. */
  readonly plain: readonly number[]
  readonly times: readonly { readonly part: number; readonly format: TimeFormat }[]
  /** Milliseconds within which all the formats give the same text. */
  readonly unit: number
}

function groupFields(template: KeyTemplate, paths: Paths): Field[] {
  const fields = new Map<
    string,
    { path: Path; plain: number[]; times: { part: number; format: TimeFormat }[]; unit: number }
  >()
  for (const [index, part] of template.parts.entries()) {
    if (part.kind !== 'record') continue
    const field = fields.get(part.path) ?? { path: paths.add(part.path), plain: [], times: [], unit: DAY }
    fields.set(part.path, field)
    if (!part.format) {
      field.plain.push(index)
      continue
    }
    field.times.push({ part: index, format: part.format })
    field.unit = Math.min(field.unit, part.format.includes('mm') ? MINUTE : part.format.includes('HH') ? HOUR : DAY)
  }
  return [...fields.values()]
}

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** A key is only built when a field shows something else than in the record before. */
function createPartitioner(fixed: readonly (string | undefined)[], fields: readonly Field[]): Partitioner {
  const parts = fixed.map((part) => part ?? UNKNOWN)
  let key = parts.join('')
  const readers = fields.map((field) => createReader(field, parts))
  return (batch, record) => {
    let changed = false
    for (const read of readers) if (read(batch, record)) changed = true
    if (changed) key = parts.join('')
    return key
  }
}

/** Returns true when the parts have changed. */
function createReader(field: Field, parts: string[]): (batch: Batch, record: number) => boolean {
  let period = NaN
  let value = UNKNOWN
  const readTime = (batch: Batch, record: number): boolean => {
    const next = Math.floor(instantOf(batch, record, field.path) / field.unit)
    if (Object.is(next, period)) return false
    period = next
    for (const { part, format } of field.times) {
      parts[part] = Number.isNaN(next) ? UNKNOWN : formatTime(format, next * field.unit)
    }
    return true
  }
  const encode = memo(encodeSegment)
  const readValue = (batch: Batch, record: number): boolean => {
    const text = scalarOf(batch, record, field.path)
    const next = text === undefined ? UNKNOWN : encode(text)
    if (next === value) return false
    value = next
    for (const part of field.plain) parts[part] = next
    return true
  }
  if (field.plain.length === 0) return readTime
  if (field.times.length === 0) return readValue
  return (batch, record) => {
    const timeChanged = readTime(batch, record)
    return readValue(batch, record) || timeChanged
  }
}

function instantOf(batch: Batch, record: number, path: Path): number {
  const hit = findHit(batch, record, path)
  if (hit < 0) return NaN
  const kind = batch.kind(hit)
  if (kind === Kind.string && batch.edits[hit] === Edit.keep) {
    const { hits } = batch.index
    return parseInstant(batch.bytes, hits[hit * HIT_STRIDE + 2] + 1, hits[hit * HIT_STRIDE + 3] - 1)
  }
  if (kind !== Kind.string && kind !== Kind.escaped) return NaN
  const text = Buffer.from(batch.text(hit))
  return parseInstant(text, 0, text.length)
}

function scalarOf(batch: Batch, record: number, path: Path): string | undefined {
  const hit = findHit(batch, record, path)
  if (hit < 0) return undefined
  const kind = batch.kind(hit)
  return kind === Kind.object || kind === Kind.array || kind === Kind.null ? undefined : batch.text(hit)
}

/** A line that does not parse has no fields, whatever the scanner found before it stopped. */
function findHit(batch: Batch, record: number, path: Path): number {
  return record < 0 || batch.fault(record) !== Fault.none ? -1 : batch.hit(record, path)
}

function formatTime(format: TimeFormat, time: number): string {
  const iso = new Date(time).toISOString()
  // Years outside 0000 to 9999 have a sign and six digits.
  const year = iso.indexOf('-', 1)
  return format
    .map((token) => {
      if (token === 'yyyy') return iso.slice(0, year)
      if (token === 'MM') return iso.slice(year + 1, year + 3)
      if (token === 'dd') return iso.slice(year + 4, year + 6)
      if (token === 'HH') return iso.slice(year + 7, year + 9)
      return token === 'mm' ? iso.slice(year + 10, year + 12) : token
    })
    .join('')
}

/** Longest value in a key, in bytes of its encoded form. */
const MAX_VALUE = 100
const CUT_VALUE = 80

function encodeSegment(value: string): string {
  if (value === '') return UNKNOWN
  if (value === '.' || value === '..') return value.replaceAll('.', '%2E')
  const bytes = Buffer.from(value)
  let encoded = ''
  for (const byte of bytes) {
    encoded += safe.test(String.fromCharCode(byte))
      ? String.fromCharCode(byte)
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
    if (encoded.length > MAX_VALUE)
      return `${cut(encoded)}-${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
  }
  return encoded
}

const safe = /^[A-Za-z0-9._=@+-]$/

/** Not within an encoded byte. */
function cut(encoded: string): string {
  return encoded.slice(0, CUT_VALUE).replace(/%[0-9A-F]?$/, '')
}

/** Forgets all when it has seen many values: attackers choose them. */
function memo(compute: (text: string) => string): (text: string) => string {
  const known = new Map<string, string>()
  return (text) => {
    const found = known.get(text)
    if (found !== undefined) return found
    if (known.size >= 1024) known.clear()
    const made = compute(text)
    known.set(text, made)
    return made
  }
}
