import { acquireBuffer, CHUNK_BYTES, release } from './chunk-memory.ts'

/**
 * JSON texts that edits put into lines: one after the other in one Buffer, without an object per text.
 * A text is written in parts, and gets its number when it is complete.
 */
export class Tokens {
  #bytes: Buffer = NONE
  /** Where each text begins, and where the next one will. */
  #starts = NO_STARTS
  #count = 0
  #length = 0
  #longest = 0
  #lastAdded: Buffer | undefined

  /** The texts. Replaced when it grows; what was written stays in the old one too. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /** `count + 1` numbers or more: text `n` is in `[starts[n], starts[n + 1])` of `bytes`. */
  get starts(): Uint32Array {
    return this.#starts
  }

  get count(): number {
    return this.#count
  }

  /** Length of the longest text. */
  get longest(): number {
    return this.#longest
  }

  /** Adds a whole text. Returns its number; the same Buffer twice in a row has the same number. */
  add(json: Buffer): number {
    if (this.#lastAdded === json) return this.#count - 1
    this.write(json, 0, json.length)
    const number = this.end()
    this.#lastAdded = json
    return number
  }

  /** Writes a part of the next text. */
  write(source: Uint8Array, start: number, end: number): void {
    const length = end - start
    if (this.#length + length > this.#bytes.length) this.#grow(length)
    const bytes = this.#bytes
    const at = this.#length
    if (length > MAX_LOOP_BYTES) bytes.set(source.subarray(start, end), at)
    else for (let from = start; from < end; from++) bytes[at + from - start] = source[from]
    this.#length = at + length
  }

  writeByte(byte: number): void {
    if (this.#length === this.#bytes.length) this.#grow(1)
    this.#bytes[this.#length++] = byte
  }

  /** Completes the text. Returns its number. */
  end(): number {
    const number = this.#count++
    if (this.#count >= this.#starts.length) {
      const more = new Uint32Array(Math.max(FEW, 2 * this.#starts.length))
      more.set(this.#starts)
      this.#starts = more
    }
    this.#longest = Math.max(this.#longest, this.#length - this.#starts[number])
    this.#starts[this.#count] = this.#length
    this.#lastAdded = undefined
    return number
  }

  /** A view of a text. */
  text(number: number): Buffer {
    return this.#bytes.subarray(this.#starts[number], this.#starts[number + 1])
  }

  lengthOf(number: number): number {
    return this.#starts[number + 1] - this.#starts[number]
  }

  /** Returns the memory to its pool. Nothing reads the texts after that. */
  release(): void {
    release(this.#bytes)
  }

  #grow(length: number): void {
    const needed = this.#length + length
    const pooled = needed > FEW_BYTES && needed <= CHUNK_BYTES
    const bytes = pooled ? acquireBuffer() : Buffer.allocUnsafeSlow(Math.max(FEW_BYTES, 2 * needed))
    this.#bytes.copy(bytes, 0, 0, this.#length)
    this.#bytes = bytes
  }
}

const NONE = Buffer.alloc(0)
/** Most batches have none. */
const NO_STARTS = new Uint32Array(1)
const FEW = 64
/** Masks need no more. */
const FEW_BYTES = 1024
/** Up to this many bytes, a loop is faster than a call. */
const MAX_LOOP_BYTES = 32
