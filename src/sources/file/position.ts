import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import type { Static } from 'typebox'
import { Value } from 'typebox/value'
import type { Json } from '../../record/json.ts'

/** So many bytes of the start of a file tell it from another one in its place. */
export const HEAD_BYTES = 4096

const FilePosition = Type.Object({
  /** Digest of the file's first `headBytes` bytes. A file that was shorter than `HEAD_BYTES` when it was looked at may grow. */
  head: Type.String(),
  headBytes: Type.Integer(),
  /** Size of the file when it was looked at. */
  bytes: Type.Integer(),
  format: Type.Union([Type.Literal('ndjson'), Type.Literal('array')]),
  /** A `Mark` in the inflated content. */
  offset: Type.Integer(),
  line: Type.Integer(),
  open: Type.Boolean(),
  /** All of those bytes were read, and nothing was wrong with them. */
  done: Type.Boolean(),
})

/** How far a file was read. The partition it belongs to names the file, see `fileKey`. */
export type FilePosition = Static<typeof FilePosition>

type Fingerprint = Pick<FilePosition, 'head' | 'headBytes'>

export function fingerprint(head: Buffer): Fingerprint {
  return { head: digest(head), headBytes: head.length }
}

/** The position, when it was left in this very file; undefined when the file is another one by now, or was cut. */
export function matchPosition(position: Json | undefined, head: Buffer, bytes: number): FilePosition | undefined {
  if (!Value.Check(FilePosition, position)) return undefined
  const same = position.bytes <= bytes && position.headBytes <= head.length
  return same && digest(head.subarray(0, position.headBytes)) === position.head ? position : undefined
}

function digest(head: Buffer): string {
  return createHash('sha256').update(head).digest('hex').slice(0, 16)
}
