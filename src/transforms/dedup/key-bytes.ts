import { canonicalNumber } from '../../record/json/number.ts'

/**
 * Keys as bytes, one behind the other: of values, not of spellings. Each part has its type and length in front, so that no two keys have the same bytes.
 * One object serves all batches: `clear`, then for each key add its parts and `close` it, or `undo` what was added.
 */
export class KeyBytes {
  /** Where each key ends. */
  ends = new Uint32Array(1024)
  /** Number of keys that are closed. */
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
    // The keys of one odd batch are not worth their memory.
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

  /** A string by its UTF-8, which is its spelling where nothing is escaped. */
  addUtf8(source: Buffer, start: number, end: number): void {
    const at = this.#begin(PART.string, end - start)
    // Buffer.copy costs more than a short loop.
    if (end - start > 64) source.copy(this.#bytes, at, start, end)
    else for (let offset = 0; offset < end - start; offset++) this.#bytes[at + offset] = source[start + offset]
  }

  /** A string with lone surrogates: it has no UTF-8, where all of them would be alike. */
  addSurrogates(text: string): void {
    this.#add(PART.surrogates, Buffer.from(text, 'utf16le'))
  }

  addInstant(milliseconds: number, nanoseconds: number): void {
    const at = this.#begin(PART.instant, 12)
    this.#view.setFloat64(at, milliseconds, true)
    this.#view.setUint32(at + 8, nanoseconds, true)
  }

  /** @param text a number as JSON spells it. */
  addNumber(text: string): void {
    this.#add(PART.number, Buffer.from(canonicalNumber(text)))
  }

  addBoolean(value: boolean): void {
    this.#begin(value ? PART.true : PART.false, 0)
  }

  /** An object or array, as it is spelled. */
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

/** Written into every digest on disk: numbers are never given a new meaning. */
const PART = { string: 1, surrogates: 2, instant: 3, number: 4, true: 5, false: 6, json: 7 } as const
const HEAD_BYTES = 5
const MAX_KEPT = 1 << 20

function viewOf(bytes: Buffer): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
}
