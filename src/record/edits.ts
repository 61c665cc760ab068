import { COMMA } from './json/ascii.ts'
import { skipSpace, skipSpaceBack } from './json/walk.ts'
import { HIT_STRIDE } from './record-index.ts'

/** An edit of a hit: one number. From `FIRST_TOKEN` on it is a token's number. */
export const Edit = { keep: 0, delete: 1, /** Inside a value that is deleted or replaced. */ shadowed: 2 } as const
export const FIRST_TOKEN = 3

/** Numbers of a run of lines: start and end of its bytes, its first hit and the one behind its last. */
export const RANGE_STRIDE = 4

/** Bytes and what is to change in them. */
export interface Edited {
  readonly bytes: Buffer
  /** As in `RecordIndex`, in document order. */
  readonly hits: Uint32Array
  /** One for each hit. */
  readonly edits: Uint32Array
  /** JSON text of each token, `FIRST_TOKEN` being the first. */
  readonly tokens: readonly Buffer[]
}

/** A change to a stretch of JSON: `key` is where the member begins (in an array, the element). No JSON means that the member goes. */
export interface Splice {
  readonly key: number
  readonly start: number
  readonly end: number
  readonly json: Buffer | undefined
}

/** True when one of the hits from `first` to before `last` is changed. */
export function isChanged(edits: Uint32Array, first: number, last: number): boolean {
  for (let hit = first; hit < last; hit++) if (edits[hit] !== Edit.keep) return true
  return false
}

/** Room that the edits of some hits need at most beyond the bytes that they change. */
export function growthOf({ edits, tokens }: Edited, first: number, last: number): number {
  let growth = 0
  for (let hit = first; hit < last; hit++) {
    if (edits[hit] >= FIRST_TOKEN) growth += tokens[edits[hit] - FIRST_TOKEN].length
  }
  return growth
}

/**
 * Writes the bytes in `[from, to)` with the edits of the hits from `first` to before `last` to `out`; returns the position behind them.
 * A deleted member takes one comma with it, the one behind it or, where nothing is left behind it, the one before. Other spacing stays.
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
      const token = tokens[edit - FIRST_TOKEN]
      copyBytes(token, 0, token.length, out, written)
      written += token.length
      copied = hits[HIT_STRIDE * hit + 3]
      continue
    }
    // Neighbours that go together are settled together, so that the bytes before and behind them belong to survivors.
    const key = hits[HIT_STRIDE * hit + 1]
    let end = hits[HIT_STRIDE * hit + 3]
    let behind = skipSpace(bytes, end)
    while (bytes[behind] === COMMA) {
      const neighbour = findDeleted(hits, edits, hit + 1, last, skipSpace(bytes, behind + 1))
      if (neighbour < 0) break
      hit = neighbour
      end = hits[HIT_STRIDE * hit + 3]
      behind = skipSpace(bytes, end)
    }
    if (bytes[behind] === COMMA) {
      copyUpTo(key)
      copied = skipSpace(bytes, behind + 1)
    } else {
      const before = skipSpaceBack(bytes, key - 1)
      copyUpTo(bytes[before] === COMMA ? before : key)
      copied = end
    }
  }
  copyUpTo(to)
  return written
}

/** What a call of Buffer.copy costs at least, in bytes copied one by one. */
const WORTH_A_CALL = 32

function copyBytes(source: Buffer, start: number, end: number, out: Buffer, position: number): void {
  if (end - start > WORTH_A_CALL) source.copy(out, position, start, end)
  else for (let at = start; at < end; at++) out[position + at - start] = source[at]
}

/** The bytes in `[from, to)` with the splices applied, which are in document order and do not overlap. */
export function spliceBytes(bytes: Buffer, from: number, to: number, splices: readonly Splice[]): Buffer {
  const hits = new Uint32Array(splices.length * HIT_STRIDE)
  const edits = new Uint32Array(splices.length)
  const tokens: Buffer[] = []
  for (const [number, { key, start, end, json }] of splices.entries()) {
    hits.set([0, key, start, end], number * HIT_STRIDE)
    edits[number] = json === undefined ? Edit.delete : FIRST_TOKEN + tokens.push(json) - 1
  }
  const edited: Edited = { bytes, hits, edits, tokens }
  const out = Buffer.allocUnsafeSlow(to - from + growthOf(edited, 0, splices.length))
  return out.subarray(0, writeEdited(edited, [from, to], [0, splices.length], out, 0))
}

/** The deleted hit whose member begins at `key`, or -1. */
function findDeleted(hits: Uint32Array, edits: Uint32Array, first: number, last: number, key: number): number {
  let hit = first
  while (hit < last && hits[HIT_STRIDE * hit + 1] < key) hit++
  return hit < last && hits[HIT_STRIDE * hit + 1] === key && edits[hit] === Edit.delete ? hit : -1
}
