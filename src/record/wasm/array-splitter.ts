import type { ScannerModule } from './module.ts'

/** So many bytes are copied in at a time. What is cut of them is well below the size of a run. */
const WINDOW = 64 * 1024

/** Numbers of the module have a sign. */
const MAX_INTEGER = 0x7fffffff

/** What was found in a window. Places are those of the chunk. */
export interface CutElements {
  readonly count: number
  /** The elements, each with its line feed; the memory is the module's, until the next call. */
  readonly lines: Buffer
  /** The place behind the last element; where the search began when there is none. */
  readonly end: number
  /** Where the element begins that the window ends in, if it does. */
  readonly openStart: number | undefined
}

/** An element that is not whole: its open brackets, 0 when there is no such element; and what the next byte of it follows. */
export interface OpenState {
  readonly depth: number
  readonly inString: boolean
  /** A backslash that is not escaped itself. */
  readonly escaped: boolean
}

/** The search for elements of `assembly/cut.ts`, in the memory of a scanner between its scans. */
export class WasmArraySplitter {
  readonly #module: ScannerModule
  readonly #memory: Buffer
  readonly #windowBytes: number
  #windowStart = 0
  #windowEnd = 0

  constructor(module: ScannerModule, windowBytes = WINDOW) {
    this.#module = module
    this.#memory = Buffer.from(module.memory.buffer)
    this.#windowBytes = windowBytes
  }

  /** Where the window in the memory ends. */
  get windowEnd(): number {
    return this.#windowEnd
  }

  /** Of the element that the window ends in. */
  get state(): OpenState {
    const { openDepth, openString, openEscape } = this.#module
    return { depth: openDepth.value, inString: openString.value === 1, escaped: openEscape.value === 1 }
  }

  /** Before each chunk, whose places are asked for in their order: the window that is there is of another one. */
  begin(): void {
    this.#windowStart = 0
    this.#windowEnd = 0
  }

  /** As many elements as can be had at once from `at` on, where one begins. None: it is left to TypeScript, unless `openStart` says that it is open. */
  cutElements(chunk: Buffer, at: number, inArray: boolean, maxLine: number): CutElements {
    if (at >= this.#windowEnd) this.#load(chunk, at)
    const { OUTPUT, elements, written, openDepth, openStart } = this.#module
    const start = this.#windowStart
    const length = this.#windowEnd - start
    const end = start + this.#module.cutElements(at - start, length, inArray, Math.min(maxLine, MAX_INTEGER))
    return {
      count: elements.value,
      lines: this.#memory.subarray(OUTPUT.value, OUTPUT.value + written.value),
      end,
      openStart: openDepth.value > 0 ? start + openStart.value : undefined,
    }
  }

  /**
   * The place behind an element that was open where the chunk or window before ended, which is that of the window when `state` says that it is still
   * open. Undefined: it is left to TypeScript.
   */
  endOfOpen(chunk: Buffer, at: number, { depth, inString, escaped }: OpenState): number | undefined {
    this.#load(chunk, at)
    const end = this.#module.cutOpenElement(this.#windowEnd - at, depth, inString, escaped)
    return end === 0 ? undefined : at + end
  }

  #load(chunk: Buffer, at: number): void {
    this.#windowStart = at
    this.#windowEnd = Math.min(chunk.length, at + this.#windowBytes)
    this.#memory.set(chunk.subarray(at, this.#windowEnd), this.#module.INPUT.value)
  }
}
