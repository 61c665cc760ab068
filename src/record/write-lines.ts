import { LINE_FEED } from './json/ascii.ts'
import { growthOf, RUN_STRIDE, writeEdited } from './edits.ts'
import type { Edited } from './edits.ts'
import { fastScanner } from './fast-scanner.ts'
import { RECORD_STRIDE } from './record-index.ts'
import { WasmWriter } from './wasm/writer.ts'

/** A run is not longer than this when it is more than one record. */
const RUN_BYTES = 64 * 1024

/**
 * The records of a list, in its order, with their edits, one line each, in one Buffer. In WebAssembly where that runs, otherwise in TypeScript; the
 * same bytes.
 * @param records as in `RecordIndex`.
 * @param allocate gives the memory, at least so many bytes.
 */
export function writeLines(
  edited: Edited,
  records: Uint32Array,
  list: ArrayLike<number>,
  allocate: (bytes: number) => Buffer,
): Buffer {
  const runs = findRuns(records, list)
  const out = allocate(sizeOf(edited, runs))
  const length = fastWriter()?.write(edited, runs, out) ?? writeRuns(edited, runs, out)
  return out.subarray(0, length)
}

/** Records that stand next to each other, with nothing but a line feed between them, are written as one. */
export function findRuns(records: Uint32Array, list: ArrayLike<number>): Uint32Array {
  const runs = new Uint32Array(RUN_STRIDE * list.length)
  let length = 0
  for (let at = 0; at < list.length; at++) {
    const first = list[at]
    const start = records[RECORD_STRIDE * first]
    let last = first
    while (at + 1 < list.length && list[at + 1] === last + 1) {
      const next = RECORD_STRIDE * (last + 1)
      if (records[next] !== records[next - RECORD_STRIDE + 1] + 1 || records[next + 1] - start > RUN_BYTES) break
      last++
      at++
    }
    runs[length++] = start
    runs[length++] = records[RECORD_STRIDE * last + 1]
    runs[length++] = records[RECORD_STRIDE * first + 2]
    runs[length++] = records[RECORD_STRIDE * (last + 1) + 2]
  }
  return runs.subarray(0, length)
}

/** Room that is enough for the runs: what they need at most, or up to half as much again where that is told without a look at each hit. */
export function sizeOf(edited: Edited, runs: Uint32Array): number {
  let size = 0
  let hits = 0
  for (let run = 0; run < runs.length; run += RUN_STRIDE) {
    size += runs[run + 1] - runs[run] + 1
    hits += runs[run + 3] - runs[run + 2]
  }
  const longest = edited.tokens.reduce((length, token) => Math.max(length, token.length), 0)
  if (hits * longest <= size / 2) return size + hits * longest
  for (let run = 0; run < runs.length; run += RUN_STRIDE) size += growthOf(edited, runs[run + 2], runs[run + 3])
  return size
}

/** Returns the length of what was written. */
export function writeRuns(edited: Edited, runs: Uint32Array, out: Buffer): number {
  let position = 0
  for (let run = 0; run < runs.length; run += RUN_STRIDE) {
    position = writeEdited(edited, [runs[run], runs[run + 1]], [runs[run + 2], runs[run + 3]], out, position)
    out[position++] = LINE_FEED
  }
  return position
}

let writer: WasmWriter | undefined

function fastWriter(): WasmWriter | undefined {
  const scanner = fastScanner()
  if (scanner === undefined) return undefined
  return (writer ??= new WasmWriter(scanner.module))
}
