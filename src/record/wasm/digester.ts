import { RECORD_STRIDE } from '../record-index.ts'
import type { ScannerModule } from './module.ts'
import { WINDOW } from './scanner.ts'

/** Words per SipHash-128. */
const WORDS = 4

/** Calls `assembly/digest.ts`. It uses the scanner's memory between two scans. */
export class WasmDigester {
  readonly #module: ScannerModule
  readonly #bytes: Uint8Array
  readonly #numbers: Uint32Array

  constructor(module: ScannerModule) {
    this.#module = module
    this.#bytes = new Uint8Array(module.memory.buffer)
    this.#numbers = new Uint32Array(module.memory.buffer)
  }

  /**
   * SipHash-128 of the messages from number `first` on; `ends` has the end of each. Writes 4 words
   * per message to its place in `output`. Returns the number of the first message that was not
   * hashed; `first` if that message is too long for the module.
   */
  hashMessages(
    key: readonly [bigint, bigint],
    messages: Uint8Array,
    ends: Uint32Array,
    first: number,
    count: number,
    output: Uint32Array,
  ): number {
    const { INPUT, RECORDS, COLUMNS, MAX_RECORDS } = this.#module
    const start = first === 0 ? 0 : ends[first - 1]
    const most = Math.min(count, first + MAX_RECORDS.value)
    const limits = RECORDS.value / 4
    let next = first
    for (; next < most && ends[next] - start <= WINDOW; next++)
      this.#numbers[limits + next - first] = ends[next] - start
    if (next === first) return first
    this.#bytes.set(messages.subarray(start, ends[next - 1]), INPUT.value)
    this.#module.hashMessages(next - first, ...key)
    const hashes = COLUMNS.value / 4
    output.set(this.#numbers.subarray(hashes, hashes + WORDS * (next - first)), WORDS * first)
    return next
  }

  /**
   * Content hashes of the records from number `first` on, each at its place in `output`. Returns
   * like `hashMessages`.
   */
  hashContents(bytes: Uint8Array, records: Uint32Array, first: number, count: number, output: Uint32Array): number {
    const { INPUT, RECORDS, COLUMNS, MAX_RECORDS } = this.#module
    const start = records[RECORD_STRIDE * first]
    const most = Math.min(count, first + MAX_RECORDS.value)
    let next = first
    while (next < most && records[RECORD_STRIDE * next + 1] - start <= WINDOW) next++
    if (next === first) return first
    this.#bytes.set(bytes.subarray(start, records[RECORD_STRIDE * (next - 1) + 1]), INPUT.value)
    this.#numbers.set(records.subarray(RECORD_STRIDE * first, RECORD_STRIDE * next), RECORDS.value / 4)
    this.#module.hashContents(next - first, start)
    const hashes = COLUMNS.value / 4
    output.set(this.#numbers.subarray(hashes, hashes + next - first), first)
    return next
  }
}
