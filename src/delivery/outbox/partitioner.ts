import { createHash } from 'node:crypto'
import { formatTime } from '../../fields/key-template.ts'
import type { KeyTemplate, TimeFormat } from '../../fields/key-template.ts'
import { Edit } from '../../record/batch.ts'
import type { Batch } from '../../record/batch.ts'
import { parseInstant, parseInstantText } from '../../record/json/instant.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { LineFault, HIT_STRIDE, ValueKind } from '../../record/scan.ts'
import { DAY, HOUR, MINUTE } from '../../time.ts'

/** Replaces an absent value in a key. */
const UNKNOWN = 'unknown'

/** Replaces all values in the key of the file that takes the records of further key partitions. */
const OTHER = '__other'

/**
 * Returns the key partition of a record: the object's key without its last segment and the slash
 * before it.
 */
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

/** The constant folders at the start of all keys, with a `/` at the end, or nothing. */
export function fixedFolder(template: KeyTemplate, pipeline: string): string {
  const prefix = fixedPrefix(template, pipeline)
  const isConstant = template.parts.every(({ kind }) => kind === 'literal' || kind === 'pipeline')
  if (isConstant) return prefix === '' || prefix.endsWith('/') ? prefix : `${prefix}/`
  return prefix.slice(0, prefix.lastIndexOf('/') + 1)
}

/** The longest common prefix of all keys of a template. */
export function fixedPrefix({ parts }: KeyTemplate, pipeline: string): string {
  let prefix = ''
  for (const part of parts) {
    if (part.kind === 'literal') prefix += part.text
    else if (part.kind === 'pipeline') prefix += encodeSegment(pipeline)
    else break
  }
  return prefix
}

/** All placeholders of one path, so that its value is read once per record. */
interface Field {
  readonly path: Path
  /** Indexes of the template parts that are the plain value. */
  readonly plain: readonly number[]
  readonly times: readonly { readonly part: number; readonly format: TimeFormat }[]
  /** Milliseconds: all formats give the same text within one unit. */
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

/** Builds a key only if a field differs from the previous record. */
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

/** Returns a function that updates the parts and returns true if they have changed. */
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
  if (kind === ValueKind.string && batch.edits[hit] === Edit.keep) {
    const { hits } = batch.index
    return parseInstant(batch.bytes, hits[hit * HIT_STRIDE + 2] + 1, hits[hit * HIT_STRIDE + 3] - 1)
  }
  return isScalarText(kind) ? parseInstantText(batch.text(hit)) : NaN
}

/** A string or a number. */
function isScalarText(kind: number): boolean {
  return (
    kind === ValueKind.string || kind === ValueKind.escaped || kind === ValueKind.number || kind === ValueKind.unusual
  )
}

function scalarOf(batch: Batch, record: number, path: Path): string | undefined {
  const hit = findHit(batch, record, path)
  if (hit < 0) return undefined
  const kind = batch.kind(hit)
  return kind === ValueKind.object || kind === ValueKind.array || kind === ValueKind.null ? undefined : batch.text(hit)
}

/** A line that does not parse has no fields, even if the scanner found hits before the error. */
function findHit(batch: Batch, record: number, path: Path): number {
  return record < 0 || batch.fault(record) !== LineFault.none ? -1 : batch.hit(record, path)
}

/** Longest value in a key, in bytes of its encoded form. */
const MAX_VALUE = 100
/** A longer value is truncated to this length, and a hash of the whole value is appended. */
const TRUNCATED_VALUE = 80

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
      return `${truncate(encoded)}-${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
  }
  return encoded
}

const safe = /^[A-Za-z0-9._=@+-]$/

/** Does not split an encoded byte. */
function truncate(encoded: string): string {
  return encoded.slice(0, TRUNCATED_VALUE).replace(/%[0-9A-F]?$/, '')
}

/** Clears its cache when it has many values, because an attacker may choose them. */
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
