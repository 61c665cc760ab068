import { AT_SIGN, BACKSLASH, LOWER_U, QUOTE, SLASH, ZERO } from '../json/ascii.ts'

/**
 * A fixed list of short ASCII texts that the scanner searches in string values, all at once. It
 * reports the strings that hold one, and strings whose escapes may hide one: those that spell a
 * quote, a slash or ASCII. A text that `needsAt` counts only in strings with an `@`, and so do
 * other escapes.
 *
 * Most strings are times, identifiers and addresses. They have none of the `telling` bytes, of which
 * each needle has one, and are not searched.
 *
 * A needle is found by one pair of neighbouring bytes that is rare in ordinary text: the search
 * tests pairs, and compares the whole needle only where its pair occurs. The scanner in WebAssembly
 * tests 16 pairs at a time with the tables in `nibbles`; this file is the reference.
 */
export class Needles {
  readonly list: readonly Needle[]
  /**
   * Two tables of 16 bytes, by the low and by the high half of a byte. The bits that are set in both
   * are the roles of the byte: the pairs are in four groups, bits 0 to 3 say of which groups it may
   * be the first byte, bits 4 to 7 of which it may be the second.
   */
  readonly nibbles: Uint8Array
  /**
   * The same for the telling bytes, to which quote, backslash, control bytes and all bytes that are
   * not ASCII belong. Any bit says so.
   */
  readonly tellingNibbles: Uint8Array
  /** By `slotOf` of a pair: 1 + number of its first needle, 0 for none. `Needle.next` continues. */
  readonly first = new Uint8Array(256)
  /** By pair, as a little-endian number: 1 if a needle is found by it. */
  readonly pairs = new Uint8Array(1 << 16)

  /** By byte: not 0 if it is telling. */
  readonly #telling: Uint8Array

  /**
   * `groups` has the pairs by which the needles are found, in at most four groups. A group also lets
   * pairs through that combine halves of its bytes: put pairs of similar bytes together.
   * `telling` is ASCII; a needle without a telling byte counts only in strings that have one.
   * @throws Error for a needle without a pair or of more than 16 bytes, or for too many.
   */
  constructor(texts: readonly string[], groups: readonly (readonly string[])[], telling: string, needsAt?: string) {
    const list: Needle[] = []
    const pairs = groups.flat()
    for (const text of new Set(texts)) {
      const bytes = Buffer.from(text, 'latin1')
      if (bytes.length > MAX_NEEDLE_BYTES || list.length === MAX_NEEDLES) throw new Error(`needle ${text}`)
      const at = pairOf(text, pairs)
      const slot = slotOf(bytes[at - 1], bytes[at])
      list.push({ bytes, at, next: this.first[slot], needsAt: text === needsAt })
      this.first[slot] = list.length
      this.pairs[bytes[at - 1] | (bytes[at] << 8)] = 1
    }
    this.list = list
    this.nibbles = nibblesOf(groups)
    this.tellingNibbles = tellingNibblesOf(telling)
    this.#telling = new Uint8Array(256)
    for (let byte = 0; byte < 256; byte++)
      this.#telling[byte] = this.tellingNibbles[byte & 15] & this.tellingNibbles[16 + (byte >> 4)]
  }

  /** Whether the scanner reports the string in `[start, end)`, without its quotes. */
  isWatched(bytes: Buffer, start: number, end: number, isEscaped: boolean): boolean {
    if (!this.#isTelling(bytes, start, end)) return false
    let onlyWithAt = isEscaped
    for (let at = start + 1; at < end; at++) {
      if (this.pairs[bytes[at - 1] | (bytes[at] << 8)] === 0) continue
      const found = this.#findAt(bytes, start, end, at)
      if (found === FOUND) return true
      if (found === FOUND_WITHOUT_AT) onlyWithAt = true
    }
    return (onlyWithAt && hasAt(bytes, start, end)) || (isEscaped && hidesAscii(bytes, start, end))
  }

  #isTelling(bytes: Buffer, start: number, end: number): boolean {
    for (let at = start; at < end; at++) if (this.#telling[bytes[at]] !== 0) return true
    return false
  }

  #findAt(bytes: Buffer, start: number, end: number, pair: number): number {
    let found = NOTHING
    for (
      let number = this.first[slotOf(bytes[pair - 1], bytes[pair])];
      number > 0;
      number = this.list[number - 1].next
    ) {
      const needle = this.list[number - 1]
      const from = pair - needle.at
      const to = from + needle.bytes.length
      if (from < start || to > end) continue
      let same = 0
      while (from + same < to && bytes[from + same] === needle.bytes[same]) same++
      if (from + same !== to) continue
      if (!needle.needsAt) return FOUND
      found = FOUND_WITHOUT_AT
    }
    return found
  }
}

const NOTHING = 0
const FOUND = 1
const FOUND_WITHOUT_AT = 2

interface Needle {
  readonly bytes: Buffer
  /** Offset of the second byte of its pair. */
  readonly at: number
  /** 1 + number of the next needle in the same slot, 0 for none. */
  readonly next: number
  /** It counts only in strings with an `@`. */
  readonly needsAt: boolean
}

/** Strings shorter than this are not searched. */
export const MIN_WATCHED_BYTES = 12
const MAX_NEEDLE_BYTES = 16
export const MAX_NEEDLES = 255
const MAX_GROUPS = 4

function slotOf(first: number, second: number): number {
  return (first * 7 + second) & 0xff
}

function hasAt(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] === AT_SIGN) return true
  return false
}

/** Whether an escape spells a quote, a slash or an ASCII character. */
function hidesAscii(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    if (bytes[at] !== BACKSLASH) continue
    at++
    if (bytes[at] === QUOTE || bytes[at] === SLASH || (bytes[at] === LOWER_U && bytes[at + 1] === ZERO)) return true
  }
  return false
}

/** The roles of the bytes of all pairs, see `Needles.nibbles`. */
function nibblesOf(groups: readonly (readonly string[])[]): Uint8Array {
  const nibbles = new Uint8Array(32)
  for (const [number, pairs] of groups.entries()) {
    for (const pair of pairs) {
      for (const [place, byte] of Buffer.from(pair, 'latin1').entries()) {
        const role = 1 << (number + place * MAX_GROUPS)
        nibbles[byte & 15] |= role
        nibbles[16 + (byte >> 4)] |= role
      }
    }
  }
  return nibbles
}

/** A bit for each of the eight rows of ASCII; the first two rows are control bytes. See `tellingNibbles`. */
function tellingNibblesOf(telling: string): Uint8Array {
  const nibbles = new Uint8Array(32).fill(1, 16)
  for (let half = 0; half < 16; half++) {
    nibbles[half] = 0b11
    if (half < 8) nibbles[16 + half] = 1 << half
  }
  for (const byte of Buffer.from(`"\\${telling}`, 'latin1')) nibbles[byte & 15] |= 1 << (byte >> 4)
  return nibbles
}

/** The offset of the second byte of a needle's pair. */
function pairOf(needle: string, pairs: readonly string[]): number {
  const pair = pairs.find((one) => needle.includes(one))
  if (pair === undefined) throw new Error(`no pair for ${needle}`)
  return needle.indexOf(pair) + 1
}
