import { COMMA, OPEN_ARRAY, OPEN_OBJECT } from './json/ascii.ts'
import { skipSpace, skipSpaceBack } from './json/walk.ts'
import { HIT_STRIDE } from './record-index.ts'
import { Tokens } from './tokens.ts'

/** The edit of a hit is one number: one of these, or `FIRST_TOKEN` + the number of a token. */
export const Edit = { keep: 0, delete: 1, /** Inside a value that is deleted or replaced. */ shadowed: 2 } as const
export const FIRST_TOKEN = 3

/**
 * Numbers per range of records: start and end of its bytes, its first hit, and the hit after its
 * last.
 */
export const RANGE_STRIDE = 4

/**
 * Bytes with pending edits. A token for a range without bytes is new members (or elements) at the end
 * of an object (or array): it has no comma of its own.
 */
export interface Edited {
  readonly bytes: Buffer
  /** As in `RecordIndex`, in document order. */
  readonly hits: Uint32Array
  /** One edit per hit. */
  readonly edits: Uint32Array
  /** JSON text of each token; `FIRST_TOKEN` is the first. */
  readonly tokens: Tokens
}

/**
 * A replacement for the value in `[start, end)`. `key` is the start of its member (in an array, of
 * the element). Without `json` the whole member is deleted. New members have an empty range, see
 * `Edited`.
 */
export interface Patch {
  readonly key: number
  readonly start: number
  readonly end: number
  readonly json: Buffer | undefined
}

/** True if a hit in `[first, last)` is edited. */
export function isChanged(edits: Uint32Array, first: number, last: number): boolean {
  for (let hit = first; hit < last; hit++) if (edits[hit] !== Edit.keep) return true
  return false
}

/** Upper bound for the bytes that the edits in `[first, last)` add. */
export function growthOf({ edits, tokens }: Edited, first: number, last: number): number {
  let growth = 0
  for (let hit = first; hit < last; hit++) {
    // One byte for a comma.
    if (edits[hit] >= FIRST_TOKEN) growth += tokens.lengthOf(edits[hit] - FIRST_TOKEN) + 1
  }
  return growth
}

/**
 * Writes the bytes in `[from, to)`, with the edits of the hits in `[first, last)`, to `out` at
 * `position`. Returns the position after the written bytes. A deleted member takes one comma with
 * it: the comma after it, or the comma before it if it is the last member that remains. All other
 * spacing stays.
 */
export function writeEdited(
  { bytes, hits, edits, tokens }: Edited,
  [from, to]: readonly [number, number],
  [first, last]: readonly [number, number],
  out: Buffer,
  position: number,
): number {
  let copied = from
  let written = position
  const copyUpTo = (end: number): void => {
    copyBytes(bytes, copied, end, out, written)
    written += end - copied
  }

  for (let hit = first; hit < last; hit++) {
    const edit = edits[hit]
    if (edit === Edit.keep || edit === Edit.shadowed) continue
    const start = hits[HIT_STRIDE * hit + 2]
    // Inside a value that was replaced or deleted.
    if (start < copied) continue
    if (edit !== Edit.delete) {
      copyUpTo(start)
      copied = hits[HIT_STRIDE * hit + 3]
      if (copied === start && !isOpening(out[skipSpaceBack(out, written - 1)])) out[written++] = COMMA
      const text = tokens.starts[edit - FIRST_TOKEN]
      const length = tokens.lengthOf(edit - FIRST_TOKEN)
      copyBytes(tokens.bytes, text, text + length, out, written)
      written += length
      continue
    }
    // Delete neighbouring deleted members in one step, so that the commas around them belong to
    // members that stay.
    const key = hits[HIT_STRIDE * hit + 1]
    let end = hits[HIT_STRIDE * hit + 3]
    let next = skipSpace(bytes, end)
    while (bytes[next] === COMMA) {
      const neighbour = findDeleted(hits, edits, hit + 1, last, skipSpace(bytes, next + 1))
      if (neighbour < 0) break
      hit = neighbour
      end = hits[HIT_STRIDE * hit + 3]
      next = skipSpace(bytes, end)
    }
    if (bytes[next] === COMMA) {
      copyUpTo(key)
      copied = skipSpace(bytes, next + 1)
    } else {
      const before = skipSpaceBack(bytes, key - 1)
      copyUpTo(bytes[before] === COMMA ? before : key)
      copied = end
    }
  }
  copyUpTo(to)
  return written
}

function isOpening(byte: number): boolean {
  return byte === OPEN_OBJECT || byte === OPEN_ARRAY
}

/** Up to this many bytes, a loop is faster than a call of Buffer.copy. */
const MAX_LOOP_BYTES = 32

function copyBytes(source: Buffer, start: number, end: number, out: Buffer, position: number): void {
  if (end - start > MAX_LOOP_BYTES) source.copy(out, position, start, end)
  else for (let at = start; at < end; at++) out[position + at - start] = source[at]
}

/**
 * Returns the bytes in `[from, to)` with the patches applied. Patches are in document order and do
 * not overlap.
 */
export function applyPatches(bytes: Buffer, from: number, to: number, patches: readonly Patch[]): Buffer {
  const hits = new Uint32Array(patches.length * HIT_STRIDE)
  const edits = new Uint32Array(patches.length)
  const tokens = new Tokens()
  for (const [number, { key, start, end, json }] of patches.entries()) {
    hits.set([0, key, start, end], number * HIT_STRIDE)
    edits[number] = json === undefined ? Edit.delete : FIRST_TOKEN + tokens.add(json)
  }
  const edited: Edited = { bytes, hits, edits, tokens }
  const out = Buffer.allocUnsafeSlow(to - from + growthOf(edited, 0, patches.length))
  return out.subarray(0, writeEdited(edited, [from, to], [0, patches.length], out, 0))
}

/** The deleted hit whose member begins at `key`, or -1. */
function findDeleted(hits: Uint32Array, edits: Uint32Array, first: number, last: number, key: number): number {
  let hit = first
  while (hit < last && hits[HIT_STRIDE * hit + 1] < key) hit++
  return hit < last && hits[HIT_STRIDE * hit + 1] === key && edits[hit] === Edit.delete ? hit : -1
}
