import { createHash } from 'node:crypto'
import type { DocumentStart } from '../../record/lines/splitter.ts'
import type { Json } from '../../record/json/json.ts'

/** Number of leading bytes that identify a file. */
export const HEAD_BYTES = 4096

/** How far a file was read. Its source partition identifies the file, see `fileKey`. */
export type FilePosition = Fingerprint & {
  /** Size of the file at the time of the position. */
  readonly bytes: number
  readonly format: 'ndjson' | 'array'
  /** The paths of the records, if the content is documents around them. */
  readonly records?: string
  /** A `Boundary` in the decompressed content. */
  readonly offset: number
  readonly line: number
  readonly open: boolean
  readonly document?: DocumentStart & { readonly [key: string]: Json }
  /** All of those bytes were read, without an error. */
  readonly done: boolean
}

/** Digest of the first `headBytes` bytes: fewer than `HEAD_BYTES` if the file was shorter. */
type Fingerprint = {
  readonly head: string
  readonly headBytes: number
}

export function fingerprint(head: Buffer): Fingerprint {
  return { head: digest(head), headBytes: head.length }
}

/** The position if it belongs to this file; undefined if the file was replaced or truncated. */
export function matchPosition(position: Json | undefined, head: Buffer, bytes: number): FilePosition | undefined {
  if (!isFilePosition(position)) return undefined
  const same = position.bytes <= bytes && position.headBytes <= head.length
  return same && digest(head.subarray(0, position.headBytes)) === position.head ? position : undefined
}

function digest(head: Buffer): string {
  return createHash('sha256').update(head).digest('hex').slice(0, 16)
}

/** A state can contain positions of other versions and other sources. */
export function isFilePosition(position: unknown): position is FilePosition {
  if (typeof position !== 'object' || position === null) return false
  const { head, format, open, done, records, document, ...numbers }: { readonly [key: string]: unknown } = {
    ...position,
  }
  return (
    typeof head === 'string' &&
    (format === 'ndjson' || format === 'array') &&
    typeof open === 'boolean' &&
    typeof done === 'boolean' &&
    (records === undefined || typeof records === 'string') &&
    (document === undefined || isDocumentStart(document)) &&
    ['headBytes', 'bytes', 'offset', 'line'].every((key) => Number.isInteger(numbers[key]))
  )
}

function isDocumentStart(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const { offset, records }: { readonly [key: string]: unknown } = { ...value }
  return Number.isInteger(offset) && Number.isInteger(records)
}
