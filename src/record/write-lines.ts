import { LINE_FEED } from './json/ascii.ts'
import { growthOf, RANGE_STRIDE, writeEdited } from './edits.ts'
import type { Edited } from './edits.ts'
import { fastScanner } from './fast-scanner.ts'
import type { Inserts } from './inserts.ts'
import { RECORD_STRIDE } from './record-index.ts'
import { WasmWriter } from './wasm/writer.ts'

/** A range of several records is at most this long. */
const MERGED_BYTES = 64 * 1024

/**
 * Writes the records in `list`, in that order, with their edits, one line each. Uses the
 * WebAssembly module if it is loaded; the TypeScript code writes the same bytes.
 * @param records as in `RecordIndex`.
 * @param allocate provides the memory, at least as many bytes as requested. The result is a view of
 * it.
 */
export function writeLines(
  edited: Edited,
  records: Uint32Array,
  list: ArrayLike<number>,
  allocate: (bytes: number) => Buffer,
  inserts?: Inserts,
): Buffer {
  const found = findRanges(records, list)
  const { edited: all, ranges } = inserts?.merge(edited, found, records, list) ?? { edited, ranges: found }
  const out = allocate(sizeOf(all, ranges))
  const length = fastWriter()?.write(all, ranges, out) ?? writeRanges(all, ranges, out)
  return out.subarray(0, length)
}

/**
 * Merges neighbouring records, with only a line feed between them, into ranges that are written as
 * one. `RANGE_STRIDE` numbers per range.
 */
export function findRanges(records: Uint32Array, list: ArrayLike<number>): Uint32Array {
  const ranges = new Uint32Array(RANGE_STRIDE * list.length)
  let length = 0
  for (let at = 0; at < list.length; at++) {
    const first = list[at]
    const start = records[RECORD_STRIDE * first]
    let last = first
    while (at + 1 < list.length && list[at + 1] === last + 1) {
      const next = RECORD_STRIDE * (last + 1)
      if (records[next] !== records[next - RECORD_STRIDE + 1] + 1 || records[next + 1] - start > MERGED_BYTES) break
      last++
      at++
    }
    ranges[length++] = start
    ranges[length++] = records[RECORD_STRIDE * last + 1]
    ranges[length++] = records[RECORD_STRIDE * first + 2]
    ranges[length++] = records[RECORD_STRIDE * (last + 1) + 2]
  }
  return ranges.subarray(0, length)
}

/**
 * An upper bound for the output size. It inspects each hit only if the estimate by the longest
 * token would exceed 1.5 times the input.
 */
export function sizeOf(edited: Edited, ranges: Uint32Array): number {
  let size = 0
  let hits = 0
  for (let range = 0; range < ranges.length; range += RANGE_STRIDE) {
    size += ranges[range + 1] - ranges[range] + 1
    hits += ranges[range + 3] - ranges[range + 2]
  }
  const most = hits * (edited.tokens.longest + 1)
  if (most <= size / 2) return size + most
  for (let range = 0; range < ranges.length; range += RANGE_STRIDE)
    size += growthOf(edited, ranges[range + 2], ranges[range + 3])
  return size
}

/** Returns the number of bytes written. */
export function writeRanges(edited: Edited, ranges: Uint32Array, out: Buffer): number {
  let position = 0
  for (let range = 0; range < ranges.length; range += RANGE_STRIDE) {
    position = writeEdited(
      edited,
      [ranges[range], ranges[range + 1]],
      [ranges[range + 2], ranges[range + 3]],
      out,
      position,
    )
    out[position++] = LINE_FEED
  }
  return position
}

let writer: WasmWriter | undefined

function fastWriter(): WasmWriter | undefined {
  const scanner = fastScanner(0)
  if (scanner === undefined) return undefined
  return (writer ??= new WasmWriter(scanner.module))
}
