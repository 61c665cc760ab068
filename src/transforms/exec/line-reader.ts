import { LINE_FEED } from '../../record/json/ascii.ts'

/**
 * Cuts the output of a program into lines. Of a line that is longer than `longest` bytes it keeps the
 * beginning only. Takes linear time, however the bytes come in.
 */
export class LineReader {
  readonly #longest: number
  readonly #take: (line: Buffer, length: number) => void
  #parts: Buffer[] = []
  #kept = 0
  #length = 0

  /** @param take Called for each line, without its line feed, and its length before it was cut. */
  constructor(longest: number, take: (line: Buffer, length: number) => void) {
    this.#longest = longest
    this.#take = take
  }

  push(bytes: Buffer): void {
    let at = 0
    for (let end = bytes.indexOf(LINE_FEED); end >= 0; end = bytes.indexOf(LINE_FEED, at)) {
      this.#keep(bytes.subarray(at, end))
      this.#finish()
      at = end + 1
    }
    if (at < bytes.length) this.#keep(bytes.subarray(at))
  }

  /** A last line needs no line feed. */
  end(): void {
    if (this.#length > 0) this.#finish()
  }

  #keep(bytes: Buffer): void {
    this.#length += bytes.length
    const room = this.#longest - this.#kept
    if (room <= 0 || bytes.length === 0) return
    const part = bytes.subarray(0, room)
    this.#parts.push(part)
    this.#kept += part.length
  }

  #finish(): void {
    const line = this.#parts.length === 1 ? this.#parts[0] : Buffer.concat(this.#parts)
    const length = this.#length
    this.#parts = []
    this.#kept = 0
    this.#length = 0
    this.#take(line, length)
  }
}
