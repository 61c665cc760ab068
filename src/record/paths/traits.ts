import {
  AT_SIGN,
  BACKSLASH,
  COLON,
  DOT,
  LOWER_U,
  MINUS,
  NINE,
  PERCENT,
  QUOTE,
  SLASH,
  SPACE,
  UPPER_A,
  UPPER_Z,
  ZERO,
} from '../json/ascii.ts'

/**
 * What the scanner can look for in string values besides needles, as bits. A trait says that a
 * detector of `redact` may find something in the string; the detector decides.
 */
export const Trait = {
  /** An `@`, or `%`, which may encode it. */
  at: 1,
  /** Three dots after a digit: an IPv4 address has them. */
  dots: 2,
  /** `::`, or six colons: an IPv6 address has them. */
  colons: 4,
  /** Five colons, five dashes, or two dots with four bytes between: a hardware address has them. */
  groups: 8,
  /** A run of 14 digits, dashes and blanks, or a number of 14 to 19 digits: a card number has them. */
  digits: 16,
  /** Two capital letters and two digits: the start of an IBAN. */
  account: 32,
} as const

/** Shorter strings have no trait: the shortest value that a detector finds is `::1`. */
export const MIN_TRAIT_BYTES = 3
/** Numbers of fewer or more digits have no trait. */
export const MIN_TRAIT_DIGITS = 14
export const MAX_TRAIT_DIGITS = 19

/**
 * Those of the traits that the string in `[start, end)`, without its quotes, has. All of them if escapes
 * may hide one: those that spell a quote, a slash or ASCII. The scanner in WebAssembly asks whether there
 * is any, and tests 16 bytes at a time (`wasm/assembly/traits.ts`); this is the reference.
 */
export function traitsIn(bytes: Buffer, start: number, end: number, traits: number): number {
  let found = 0
  let dots = 0
  let colons = 0
  let dashes = 0
  let run = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at]
    const isDigit = byte >= ZERO && byte <= NINE
    run = isDigit || byte === MINUS || byte === SPACE ? run + 1 : 0
    if (run === MIN_TRAIT_DIGITS) found |= Trait.digits
    if (byte === MINUS) dashes++
    else if (byte === COLON) {
      colons++
      if (at > start && bytes[at - 1] === COLON) found |= Trait.colons
    } else if (byte === DOT) {
      if (at > start && bytes[at - 1] >= ZERO && bytes[at - 1] <= NINE) dots++
      if (at - GROUP >= start && bytes[at - GROUP] === DOT) found |= Trait.groups
    } else if (byte === AT_SIGN || byte === PERCENT) found |= Trait.at
    else if (isDigit) {
      if ((traits & Trait.account) !== 0 && isAccount(bytes, start, at)) found |= Trait.account
    } else if (byte === BACKSLASH) {
      const letter = bytes[at + 1]
      if (letter === QUOTE || letter === SLASH || (letter === LOWER_U && bytes[at + 2] === ZERO)) return traits
      // Of two backslashes, the second begins no escape.
      if (letter === BACKSLASH) {
        at++
        run = 0
      }
    }
  }
  if (dots >= 3) found |= Trait.dots
  if (colons >= 6) found |= Trait.colons
  if (colons >= 5 || dashes >= 5) found |= Trait.groups
  return found & traits
}

/** Whether the number in `[start, end)` has `Trait.digits`: it is a long integer. */
export function isLongInteger(bytes: Buffer, start: number, end: number): boolean {
  if (end - start < MIN_TRAIT_DIGITS || end - start > MAX_TRAIT_DIGITS) return false
  for (let at = start; at < end; at++) if (!isDigitAt(bytes, at)) return false
  return true
}

/** From the first to the second dot of a hardware address such as `0011.2233.4455`. */
const GROUP = 5

/** Whether an IBAN may have begun three bytes before. */
function isAccount(bytes: Buffer, start: number, at: number): boolean {
  return at - 3 >= start && isUpper(bytes[at - 3]) && isUpper(bytes[at - 2]) && isDigitAt(bytes, at - 1)
}

function isUpper(byte: number): boolean {
  return byte >= UPPER_A && byte <= UPPER_Z
}

function isDigitAt(bytes: Buffer, at: number): boolean {
  return bytes[at] >= ZERO && bytes[at] <= NINE
}
