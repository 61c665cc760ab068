import { RANGE_STRIDE } from '../edits.ts'
import type { Edited } from '../edits.ts'
import { HIT_STRIDE } from '../record-index.ts'
import type { Tokens } from '../tokens.ts'
import type { ScannerModule } from './module.ts'
import { WINDOW } from './scanner.ts'

/** Numbers of a token in the module's memory: start and length of its text. */
export const TOKEN_STRIDE = 2

/**
 * Calls `assembly/edits.ts`, which writes edited lines. It uses the scanner's memory between two
 * scans.
 */
export class WasmWriter {
  readonly #module: ScannerModule
  readonly #bytes: Uint8Array
  readonly #numbers: Uint32Array

  constructor(module: ScannerModule) {
    this.#module = module
    this.#bytes = new Uint8Array(module.memory.buffer)
    this.#numbers = new Uint32Array(module.memory.buffer)
  }

  /**
   * Writes ranges to `out`, which must be large enough. Returns the number of bytes written;
   * undefined if the input exceeds the fixed memory.
   */
  write(edited: Edited, ranges: Uint32Array, out: Buffer): number | undefined {
    if (!this.#putTokens(edited.tokens)) return undefined
    const { OUTPUT } = this.#module
    let position = 0
    for (let range = 0; range < ranges.length;) {
      const end = this.#endOfWindow(ranges, range)
      const length = this.#writeWindow(edited, ranges.subarray(range, end))
      if (length === 0) return undefined
      out.set(this.#bytes.subarray(OUTPUT.value, OUTPUT.value + length), position)
      position += length
      range = end
    }
    return position
  }

  #putTokens({ bytes, starts, count }: Tokens): boolean {
    const { TOKENS, TOKENS_BYTES } = this.#module
    const text = TOKENS.value + 4 * TOKEN_STRIDE * count
    if (text + starts[count] > TOKENS.value + TOKENS_BYTES.value) return false
    let entry = TOKENS.value / 4
    for (let token = 0; token < count; token++) {
      this.#numbers[entry++] = text + starts[token]
      this.#numbers[entry++] = starts[token + 1] - starts[token]
    }
    this.#bytes.set(bytes.subarray(0, starts[count]), text)
    return true
  }

  /** The end of the ascending ranges that fit one window, at least one range. */
  #endOfWindow(ranges: Uint32Array, first: number): number {
    const { MAX_RECORDS } = this.#module
    const most = Math.min(ranges.length, first + RANGE_STRIDE * MAX_RECORDS.value)
    let end = first + RANGE_STRIDE
    while (end < most && ranges[end] > ranges[end - RANGE_STRIDE + 1] && ranges[end + 1] - ranges[first] <= WINDOW)
      end += RANGE_STRIDE
    return end
  }

  /** Returns 0 if the ranges do not fit the memory. */
  #writeWindow({ bytes, hits, edits }: Edited, ranges: Uint32Array): number {
    const { INPUT, INPUT_BYTES, RECORDS, HITS, MAX_HITS, COLUMNS } = this.#module
    const start = ranges[0]
    const end = ranges[ranges.length - 3]
    const firstHit = ranges[2]
    const lastHit = ranges[ranges.length - 1]
    if (end - start > INPUT_BYTES.value || lastHit - firstHit > MAX_HITS.value) return 0
    this.#bytes.set(bytes.subarray(start, end), INPUT.value)
    this.#numbers.set(ranges, RECORDS.value / 4)
    this.#numbers.set(hits.subarray(HIT_STRIDE * firstHit, HIT_STRIDE * lastHit), HITS.value / 4)
    this.#numbers.set(edits.subarray(firstHit, lastHit), COLUMNS.value / 4)
    return this.#module.writeRanges(ranges.length / RANGE_STRIDE, start, firstHit)
  }
}
