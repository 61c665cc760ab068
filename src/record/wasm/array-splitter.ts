import type { ScannerModule } from './module.ts'

/**
 * Bytes that are copied into the module at a time; much less than a chunk, as
 * `ChunkBuilder.addLines` requires.
 */
const WINDOW = 64 * 1024

/** The largest number that the module takes: its integers are signed. */
const MAX_INTEGER = 0x7fffffff

/** The elements found in a window. Offsets are relative to the input. */
export interface ElementLines {
  readonly count: number
  /**
   * The elements, each with its line feed. A view of the module's memory, valid until the next
   * call.
   */
  readonly lines: Buffer
  /** End of the last element; the start of the search if none was found. */
  readonly end: number
  /** Start of the element that the window ends in, if it ends in one. */
  readonly openStart: number | undefined
}

/** The state of the parser within an open element. */
export interface OpenState {
  /** Open brackets; 0 if no element is open. */
  readonly depth: number
  readonly inString: boolean
  /** The next byte follows an unescaped backslash. */
  readonly escaped: boolean
}

/**
 * Calls `assembly/split.ts`, which finds the elements of arrays. It uses the scanner's memory
 * between two scans.
 */
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

  /** Where the current window ends in the input. */
  get windowEnd(): number {
    return this.#windowEnd
  }

  /** The state within the element that the window ends in. */
  get state(): OpenState {
    const { openDepth, openString, openEscape } = this.#module
    return { depth: openDepth.value, inString: openString.value === 1, escaped: openEscape.value === 1 }
  }

  /**
   * Call before each new input: the loaded window belongs to the previous one. Then ask for
   * ascending offsets.
   */
  begin(): void {
    this.#windowStart = 0
    this.#windowEnd = 0
  }

  /**
   * Splits as many elements as possible, from `at` on, where an element begins. If it finds none
   * and `openStart` is undefined, TypeScript must split this element.
   */
  splitElements(input: Buffer, at: number, inArray: boolean, maxLine: number): ElementLines {
    if (at >= this.#windowEnd) this.#load(input, at)
    const { OUTPUT, elements, written, openDepth, openStart } = this.#module
    const start = this.#windowStart
    const length = this.#windowEnd - start
    const end = start + this.#module.splitElements(at - start, length, inArray, Math.min(maxLine, MAX_INTEGER))
    return {
      count: elements.value,
      lines: this.#memory.subarray(OUTPUT.value, OUTPUT.value + written.value),
      end,
      openStart: openDepth.value > 0 ? start + openStart.value : undefined,
    }
  }

  /**
   * Finds the end of an element that was open at the end of the previous input or window. Returns
   * the end of the window if the element is still open (see `state`), and undefined if TypeScript
   * must split it.
   */
  endOfOpen(input: Buffer, at: number, { depth, inString, escaped }: OpenState): number | undefined {
    this.#load(input, at)
    const end = this.#module.splitOpenElement(this.#windowEnd - at, depth, inString, escaped)
    return end === 0 ? undefined : at + end
  }

  #load(input: Buffer, at: number): void {
    this.#windowStart = at
    this.#windowEnd = Math.min(input.length, at + this.#windowBytes)
    this.#memory.set(input.subarray(at, this.#windowEnd), this.#module.INPUT.value)
  }
}
