import { createHash } from 'node:crypto'
import type { Json } from '../../record/json/json.ts'

/** So many bytes of the start of a file tell it from another one in its place. */
export const HEAD_BYTES = 4096

/** How far a file was read. The partition it belongs to names the file, see `fileKey`. */
export type FilePosition = Fingerprint & {
  /** Size of the file when it was looked at. */
  readonly bytes: number
  readonly format: 'ndjson' | 'array'
  /** A `Mark` in the inflated content. */
  readonly offset: number
  readonly line: number
  readonly open: boolean
  /** All of those bytes were read, and nothing was wrong with them. */
  readonly done: boolean
}

/** Digest of the file's first `headBytes` bytes. A file that was shorter than `HEAD_BYTES` when it was looked at may grow. */
type Fingerprint = {
  readonly head: string
  readonly headBytes: number
}

export function fingerprint(head: Buffer): Fingerprint {
  return { head: digest(head), headBytes: head.length }
}

/** The position, when it was left in this very file; undefined when the file is another one by now, or was cut. */
export function matchPosition(position: Json | undefined, head: Buffer, bytes: number): FilePosition | undefined {
  if (!isFilePosition(position)) return undefined
  const same = position.bytes <= bytes && position.headBytes <= head.length
  return same && digest(head.subarray(0, position.headBytes)) === position.head ? position : undefined
}

function digest(head: Buffer): string {
  return createHash('sha256').update(head).digest('hex').slice(0, 16)
}

/** A state may hold what another version or another source has left. */
function isFilePosition(position: unknown): position is FilePosition {
  if (typeof position !== 'object' || position === null) return false
  const { head, format, open, done, ...numbers }: { readonly [key: string]: unknown } = { ...position }
  return (
    typeof head === 'string' &&
    (format === 'ndjson' || format === 'array') &&
    typeof open === 'boolean' &&
    typeof done === 'boolean' &&
    ['headBytes', 'bytes', 'offset', 'line'].every((key) => Number.isInteger(numbers[key]))
  )
}
