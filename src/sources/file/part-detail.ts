import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { SourcePart } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import { readAt } from './opened-file.ts'
import { HEAD_BYTES, isFilePosition } from './position.ts'
import type { FilePosition, Fingerprint } from './position.ts'

/** What identifies a part of a file, and where it begins and ends. */
export type PartDetail = Fingerprint & {
  /** Size of the file when it was planned. */
  readonly size: number
  /** Bytes of the file before the end of the part. */
  readonly end: number
  /** Digest of the last bytes before `end`, if the head does not contain them. */
  readonly tail?: string
  /** The committed position at which the part begins. Undefined: the start of the file, or `start`. */
  readonly from?: FilePosition
  /** Set for lines cut out of a plain NDJSON file: bytes before the part, which is the start of a line. */
  readonly start?: number
}

/** True for a part of a file whose other parts may be read by others. */
export function isRange({ start, end, size }: PartDetail): boolean {
  return start !== undefined || end < size
}

/** @throws SluiceError STATE_MISMATCH for a plan of another version or another source. */
export function detailOf({ input, detail }: SourcePart): PartDetail {
  if (isPartDetail(detail)) return detail
  throw new SluiceError('STATE_MISMATCH', `the plan of "${input}" is of another version of Sluice`, {
    hint: 'finish the backfill with the version that planned it, or end it with `sluice runs cancel PIPELINE` and start it again',
  })
}

function isPartDetail(detail: Json): detail is PartDetail {
  if (!isObject(detail)) return false
  const { head, tail, from, start, ...numbers }: { readonly [key: string]: unknown } = { ...detail }
  return (
    typeof head === 'string' &&
    (tail === undefined || typeof tail === 'string') &&
    (from === undefined || isFilePosition(from)) &&
    (start === undefined || Number.isInteger(start)) &&
    ['headBytes', 'size', 'end'].every((key) => Number.isInteger(numbers[key]))
  )
}

/** Notices a change that leaves the head of the file as it is. Undefined if the head has these bytes. */
export async function tailDigest(file: FileHandle, end: number): Promise<string | undefined> {
  if (end <= HEAD_BYTES) return undefined
  return digestTail(await readAt(file, end - TAIL_BYTES, TAIL_BYTES))
}

export function digestTail(tail: Buffer): string {
  return createHash('sha256').update(tail).digest('hex').slice(0, 16)
}

/** At most `HEAD_BYTES`: shorter files have no tail. */
export const TAIL_BYTES = 4096
