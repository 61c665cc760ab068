import { LINE_FEED, RETURN, SPACE, TAB } from '../json/ascii.ts'
import { Minifier } from '../json/minify.ts'

/**
 * Shortens a line that exceeds the length limit as the input spells it. The limit holds for the
 * line as it is written, so white space that is not written does not count.
 */
export interface Shortener {
  /** Takes the next bytes of the line. Returns the next bytes of the shorter line. */
  push(bytes: Buffer): Buffer
  /** Bytes of the shorter line so far. */
  readonly length: number
  /** False if the line is written as the input spells it. */
  readonly isUsed: boolean
}

/** Removes the white space around a line of NDJSON, the carriage return of Windows included. */
export class BlankTrimmer implements Shortener {
  readonly isUsed = true
  readonly #maxLine: number
  #length = 0
  /** White space that is within the line if more text follows. */
  #held: Buffer[] = []
  #heldBytes = 0

  constructor(maxLine: number) {
    this.#maxLine = maxLine
  }

  get length(): number {
    return this.#length
  }

  push(bytes: Buffer): Buffer {
    let start = 0
    if (this.#length === 0) while (start < bytes.length && isBlank(bytes[start])) start++
    let end = bytes.length
    while (end > start && isBlank(bytes[end - 1])) end--
    const text = bytes.subarray(start, end)
    const shorter = text.length === 0 ? text : Buffer.concat([...this.#held, text])
    if (text.length > 0) {
      this.#length += this.#heldBytes + text.length
      this.#held = []
      this.#heldBytes = 0
    }
    if (this.#length > 0) this.#hold(bytes.subarray(end))
    return shorter
  }

  #hold(blanks: Buffer): void {
    this.#heldBytes += blanks.length
    // With more, the line is too long if text follows: then only the length counts.
    if (this.#heldBytes <= this.#maxLine) this.#held.push(Buffer.from(blanks))
  }
}

/** Minifies an array element, which is written so only if it contains a line feed. */
export class ElementMinifier implements Shortener {
  readonly #minifier = new Minifier()
  #length = 0
  #hasLineFeed = false

  get length(): number {
    return this.#length
  }

  get isUsed(): boolean {
    return this.#hasLineFeed
  }

  push(bytes: Buffer): Buffer {
    this.#hasLineFeed ||= bytes.includes(LINE_FEED)
    const shorter = this.#minifier.push(bytes, Buffer.allocUnsafe(bytes.length + 1))
    this.#length += shorter.length
    return shorter
  }
}

function isBlank(byte: number): boolean {
  return byte === SPACE || byte === TAB || byte === RETURN
}
