import { createHash } from 'node:crypto'
import type { Json } from '../../record/json/json.ts'
import { isContentPosition } from '../content/position.ts'
import type { ContentPosition } from '../content/position.ts'

/** Number of leading bytes that identify a file. */
export const HEAD_BYTES = 4096

/** How far a file was read. Its source partition identifies the file, see `fileKey`. */
export type FilePosition = Fingerprint &
  ContentPosition & {
    /** Size of the file at the time of the position. */
    readonly bytes: number
    /** All of those bytes were read, without an error. */
    readonly done: boolean
  }

/** Digest of the first `headBytes` bytes: fewer than `HEAD_BYTES` if the file was shorter. */
export type Fingerprint = {
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
  if (!isContentPosition(position)) return false
  const { head, done, ...numbers }: { readonly [key: string]: unknown } = { ...position }
  const hasNumbers = ['headBytes', 'bytes'].every((key) => Number.isInteger(numbers[key]))
  return typeof head === 'string' && typeof done === 'boolean' && hasNumbers
}
