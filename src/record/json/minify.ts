import { BACKSLASH, LINE_FEED, QUOTE, RETURN, SPACE, TAB } from './ascii.ts'

/**
 * Removes the whitespace between the tokens of one JSON value, so that it fits on one line. Strings
 * keep their bytes. Invalid JSON does not become valid: a space remains where two literals would
 * merge into one.
 * @param into memory for the result, at least as long as the value; may be the value's own memory.
 */
export function minify(json: Buffer, into: Buffer = Buffer.allocUnsafe(json.length)): Buffer {
  return new Minifier().push(json, into)
}

/** `minify` for a value that arrives in parts. */
export class Minifier {
  #inString = false
  /** The next byte follows an unescaped backslash. */
  #escaped = false
  #lastKind = STRUCTURE
  #spaced = false

  /**
   * Takes the next part, and returns the next bytes of the result.
   * @param into memory for them: a byte more than the part, or the part's own memory if it is the
   *   first one.
   */
  push(json: Buffer, into: Buffer): Buffer {
    const length = json.length
    let lastKind = this.#lastKind
    let spaced = this.#spaced
    let written = 0
    let at = 0
    if (this.#inString) {
      at = this.#endOfText(json, 0)
      written = json.copy(into, 0, 0, at)
    }
    while (at < length) {
      const byte = json[at++]
      const kind = KINDS[byte]
      if (kind === WHITESPACE) {
        while (at < length && KINDS[json[at]] === WHITESPACE) at++
        spaced = true
        continue
      }
      if (spaced && lastKind === LITERAL && kind === LITERAL) into[written++] = SPACE
      spaced = false
      lastKind = kind
      into[written++] = byte
      if (kind !== STRING) continue
      this.#inString = true
      const end = this.#endOfText(json, at)
      while (at < end) into[written++] = json[at++]
    }
    this.#lastKind = lastKind
    this.#spaced = spaced
    return into.subarray(0, written)
  }

  /** The end of the string, or of the part if the string continues in the next one. */
  #endOfText(json: Buffer, start: number): number {
    const length = json.length
    let at = this.#escaped ? start + 1 : start
    this.#escaped = false
    while (at < length) {
      const byte = json[at++]
      if (byte === QUOTE) {
        this.#inString = false
        return at
      }
      if (byte !== BACKSLASH) continue
      if (at === length) this.#escaped = true
      at++
    }
    return length
  }
}

const LITERAL = 0
const STRUCTURE = 1
const WHITESPACE = 2
const STRING = 3

/** The class of each byte outside of strings. */
const KINDS = new Uint8Array(256).fill(LITERAL)
for (const byte of Buffer.from('{}[]:,')) KINDS[byte] = STRUCTURE
for (const byte of [SPACE, TAB, RETURN, LINE_FEED]) KINDS[byte] = WHITESPACE
KINDS[QUOTE] = STRING
