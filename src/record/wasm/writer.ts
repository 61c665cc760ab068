import { RUN_STRIDE } from '../edits.ts'
import type { Edited } from '../edits.ts'
import { HIT_STRIDE } from '../record-index.ts'
import type { ScannerModule } from './module.ts'
import { WINDOW } from './scanner.ts'

/** The edits of `assembly/edits.ts`, in the memory of a scanner between its scans. */
export class WasmWriter {
  readonly #module: ScannerModule
  readonly #bytes: Uint8Array
  readonly #numbers: Uint32Array

  constructor(module: ScannerModule) {
    this.#module = module
    this.#bytes = new Uint8Array(module.memory.buffer)
    this.#numbers = new Uint32Array(module.memory.buffer)
  }

  /** Writes runs to `out`, which has room for them. Returns the length of what was written; undefined for what goes beyond the fixed memory. */
  write(edited: Edited, runs: Uint32Array, out: Buffer): number | undefined {
    if (!this.#putTokens(edited.tokens)) return undefined
    const { OUTPUT } = this.#module
    let position = 0
    for (let run = 0; run < runs.length;) {
      const end = this.#endOfChunk(runs, run)
      const length = this.#writeChunk(edited, runs.subarray(run, end))
      if (length === 0) return undefined
      out.set(this.#bytes.subarray(OUTPUT.value, OUTPUT.value + length), position)
      position += length
      run = end
    }
    return position
  }

  #putTokens(tokens: readonly Buffer[]): boolean {
    const { TOKENS, TOKENS_BYTES } = this.#module
    const end = TOKENS.value + TOKENS_BYTES.value
    let entry = TOKENS.value / 4
    let text = TOKENS.value + 8 * tokens.length
    for (const token of tokens) {
      if (text + token.length > end) return false
      this.#numbers[entry++] = text
      this.#numbers[entry++] = token.length
      this.#bytes.set(token, text)
      text += token.length
    }
    return true
  }

  /** Runs that stand in a window behind each other, at least one. */
  #endOfChunk(runs: Uint32Array, first: number): number {
    const { MAX_RECORDS } = this.#module
    const most = Math.min(runs.length, first + RUN_STRIDE * MAX_RECORDS.value)
    let end = first + RUN_STRIDE
    while (end < most && runs[end] > runs[end - RUN_STRIDE + 1] && runs[end + 1] - runs[first] <= WINDOW)
      end += RUN_STRIDE
    return end
  }

  /** 0 when it does not fit. */
  #writeChunk({ bytes, hits, edits }: Edited, runs: Uint32Array): number {
    const { INPUT, INPUT_BYTES, RECORDS, HITS, MAX_HITS, COLUMNS } = this.#module
    const start = runs[0]
    const end = runs[runs.length - 3]
    const firstHit = runs[2]
    const lastHit = runs[runs.length - 1]
    if (end - start > INPUT_BYTES.value || lastHit - firstHit > MAX_HITS.value) return 0
    this.#bytes.set(bytes.subarray(start, end), INPUT.value)
    this.#numbers.set(runs, RECORDS.value / 4)
    this.#numbers.set(hits.subarray(HIT_STRIDE * firstHit, HIT_STRIDE * lastHit), HITS.value / 4)
    this.#numbers.set(edits.subarray(firstHit, lastHit), COLUMNS.value / 4)
    return this.#module.writeRuns(runs.length / RUN_STRIDE, start, firstHit)
  }
}
