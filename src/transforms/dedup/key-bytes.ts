import { canonicalNumber } from '../../record/json/number.ts'

/**
 * The dedup keys of a batch as bytes, one after another. Keys are built from values, not from
 * spellings. Each part has a type and a length, so different keys never have the same bytes. One
 * object serves all batches: call `clear`, then add the parts of each key and `close` the key, or
 * `undo` its parts.
 */
export class KeyBytes {
  /** The end of each key. */
  ends = new Uint32Array(1024)
  /** Number of closed keys. */
  count = 0
  #bytes = Buffer.allocUnsafeSlow(64 * 1024)
  #view = viewOf(this.#bytes)
  #length = 0

  get bytes(): Buffer {
    return this.#bytes
  }

  clear(): void {
    this.#length = 0
    this.count = 0
    // Do not keep the memory of one unusually large batch.
    if (this.#bytes.length > MAX_KEPT) this.#resize(MAX_KEPT)
  }

  close(): void {
    if (this.count === this.ends.length) {
      const larger = new Uint32Array(2 * this.count)
      larger.set(this.ends)
      this.ends = larger
    }
    this.ends[this.count++] = this.#length
  }

  undo(): void {
    this.#length = this.count === 0 ? 0 : this.ends[this.count - 1]
  }

  /** Adds a string in UTF-8: for a string without escapes, the bytes of its spelling. */
  addUtf8(source: Buffer, start: number, end: number): void {
    const at = this.#begin(PART.string, end - start)
    // A short loop is faster than Buffer.copy.
    if (end - start > 64) source.copy(this.#bytes, at, start, end)
    else for (let offset = 0; offset < end - start; offset++) this.#bytes[at + offset] = source[start + offset]
  }

  /**
   * Adds a string with lone surrogates. UTF-8 cannot represent them and would make them all equal.
   */
  addSurrogates(text: string): void {
    this.#add(PART.surrogates, Buffer.from(text, 'utf16le'))
  }

  addInstant(milliseconds: number, nanoseconds: number): void {
    const at = this.#begin(PART.instant, 12)
    this.#view.setFloat64(at, milliseconds, true)
    this.#view.setUint32(at + 8, nanoseconds, true)
  }

  /** @param text a JSON number. */
  addNumber(text: string): void {
    this.#add(PART.number, Buffer.from(canonicalNumber(text)))
  }

  addBoolean(value: boolean): void {
    this.#begin(value ? PART.true : PART.false, 0)
  }

  /** Adds an object or array as spelled. */
  addJson(json: Buffer): void {
    this.#add(PART.json, json)
  }

  #add(type: number, content: Buffer): void {
    const at = this.#begin(type, content.length)
    content.copy(this.#bytes, at)
  }

  #begin(type: number, length: number): number {
    const start = this.#length
    const at = start + HEAD_BYTES
    if (at + length > this.#bytes.length) this.#resize(2 * (at + length))
    this.#bytes[start] = type
    this.#view.setUint32(start + 1, length, true)
    this.#length = at + length
    return at
  }

  #resize(length: number): void {
    const resized = Buffer.allocUnsafeSlow(length)
    this.#bytes.copy(resized, 0, 0, this.#length)
    this.#bytes = resized
    this.#view = viewOf(resized)
  }
}

/** Part of every digest on disk: never change the meaning of a number. */
const PART = { string: 1, surrogates: 2, instant: 3, number: 4, true: 5, false: 6, json: 7 } as const
const HEAD_BYTES = 5
const MAX_KEPT = 1 << 20

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
