import { isUtf8 } from 'node:buffer'
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  LINE_FEED,
  LOWER_U,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from '../json/ascii.ts'
import type { RejectCode } from '../../errors.ts'

interface GuardOptions {
  /** Longest key, string or number in bytes. */
  readonly maxText: number
  readonly maxDepth: number
  /** Receives the text of the document in parts. */
  readonly feed: (text: string) => void
  /** Called after the text before a place that the parser does not get as it is. */
  readonly mark: (code: RejectCode) => void
}

/**
 * Stands in front of a parser that is not made for hostile input, and finds where a document ends.
 * The memory of the parser then does not depend on the document: a long text is cut, a deep value is
 * replaced by `null`, bytes that are not UTF-8 by U+FFFD, and each such place is marked. What
 * remains is JSON if the document is.
 */
export class DocumentGuard {
  readonly #options: GuardOptions
  #depth = 0
  #inString = false
  /** 1 after a backslash; one more than the hexadecimal digits that an escape still needs. */
  #escape = 0
  /** Bytes of the current text. */
  #textBytes = 0
  /** The rest of the current text is dropped. */
  #isCut = false
  #bytes: Buffer = EMPTY
  /** The first byte that the parser has not got yet. Undefined while bytes are dropped. */
  #start: number | undefined = 0
  /** The first bytes of a character whose end was not seen yet. */
  #partial: Buffer = EMPTY

  constructor(options: GuardOptions) {
    this.#options = options
  }

  get isOpen(): boolean {
    return this.#depth > 0
  }

  reset(): void {
    this.#depth = 0
    this.#inString = false
    this.#escape = 0
    this.#textBytes = 0
    this.#isCut = false
    this.#partial = EMPTY
    this.#start = 0
  }

  /** Returns the end of the document, or of `bytes` if the document continues after them. */
  push(bytes: Buffer): number {
    this.#bytes = bytes
    if (this.#start !== undefined) this.#start = 0
    let at = 0
    while (at < bytes.length) {
      if (at - (this.#start ?? at) >= WINDOW) this.#flush(at)
      const byte = bytes[at]
      if (this.#inString) at = this.#readString(at)
      else if (byte === QUOTE) {
        this.#inString = true
        this.#textBytes = 0
        at++
      } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.#open(at++)
      else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
        this.#close(at++)
        if (this.#depth === 0) break
      } else if (SEPARATORS.includes(byte)) this.#endText(at++)
      else {
        if (++this.#textBytes > this.#options.maxText) this.#cut(at, '0')
        at++
      }
    }
    this.#flush(at)
    return at
  }

  /** Reads on in a string, up to its end, an escape or the end of the window. */
  #readString(from: number): number {
    const bytes = this.#bytes
    const byte = bytes[from]
    if (this.#escape === 1 || (this.#escape > 1 && isHex(byte))) {
      this.#escape = this.#escape === 1 ? (byte === LOWER_U ? 5 : 0) : this.#escape === 2 ? 0 : this.#escape - 1
      this.#textBytes++
      return from + 1
    }
    this.#escape = 0
    if (byte === QUOTE) {
      this.#endText(from)
      this.#inString = false
      return from + 1
    }
    const room = this.#options.maxText - this.#textBytes
    // Not within a character.
    if (room <= 0 && (byte < 0x80 || byte >= 0xc0)) this.#cut(from, '')
    if (byte === BACKSLASH) this.#escape = 1
    let at = from + 1
    if (this.#escape === 0) {
      const end = Math.min(
        bytes.length,
        from + (this.#start === undefined ? WINDOW : Math.max(1, Math.min(room, WINDOW))),
      )
      while (at < end && bytes[at] !== QUOTE && bytes[at] !== BACKSLASH) at++
    }
    this.#textBytes += at - from
    return at
  }

  #open(at: number): void {
    if (this.#depth++ === this.#options.maxDepth) {
      this.#drop(at)
      this.#options.mark('TOO_DEEP')
      this.#options.feed('null')
    }
    this.#textBytes = 0
  }

  #close(at: number): void {
    this.#endText(at)
    if (--this.#depth === this.#options.maxDepth) this.#start = at + 1
    // A parser that throws loses what it found in the same text: the records before the damage.
    else this.#flush(at + 1)
  }

  /** @param end Completes what remains of the text. */
  #cut(at: number, end: string): void {
    if (this.#start === undefined) return
    this.#drop(at)
    this.#isCut = true
    this.#options.mark('TOO_LONG')
    if (end !== '') this.#options.feed(end)
  }

  #endText(at: number): void {
    if (this.#isCut) this.#start = at
    this.#isCut = false
    this.#textBytes = 0
  }

  #drop(at: number): void {
    this.#flush(at)
    this.#start = undefined
  }

  #flush(end: number): void {
    if (this.#start === undefined) return
    if (end > this.#start) this.#feed(this.#bytes.subarray(this.#start, end))
    this.#start = end
  }

  #feed(bytes: Buffer): void {
    const whole = this.#partial.length === 0 ? bytes : Buffer.concat([this.#partial, bytes])
    const end = whole.length - partialBytes(whole)
    this.#partial = end === whole.length ? EMPTY : Buffer.from(whole.subarray(end))
    const text = whole.subarray(0, end)
    if (isUtf8(text)) this.#options.feed(text.toString())
    else this.#feedInvalid(text)
  }

  /** Characters of several bytes have no ASCII bytes: each run of other bytes is valid by itself. */
  #feedInvalid(bytes: Buffer): void {
    const { feed, mark } = this.#options
    let start = 0
    for (let at = 0; at < bytes.length; at++) {
      if (bytes[at] < 0x80) continue
      let end = at + 1
      while (end < bytes.length && bytes[end] >= 0x80) end++
      if (!isUtf8(bytes.subarray(at, end))) {
        feed(bytes.toString('utf8', start, at))
        mark('INVALID_UTF8')
        start = at
      }
      at = end
    }
    feed(bytes.toString('utf8', start))
  }
}

/** The parser gets so many bytes at a time: its tokens take many times as much memory. */
const WINDOW = 64 * 1024

const EMPTY: Buffer = Buffer.alloc(0)
const SEPARATORS = Buffer.from([COMMA, COLON, SPACE, LINE_FEED, RETURN, TAB])

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}

/** Bytes at the end that begin a character and do not complete it. */
function partialBytes(bytes: Buffer): number {
  for (let back = 1; back <= 3 && back <= bytes.length; back++) {
    const byte = bytes[bytes.length - back]
    if (byte < 0x80) return 0
    if (byte < 0xc0) continue
    const needed = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
    return needed > back ? back : 0
  }
  return 0
}
