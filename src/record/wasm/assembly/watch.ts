import { AT_SIGN, BACKSLASH, LOWER_U, QUOTE, SLASH, ZERO } from './constants'
import { watchedSet } from './host'
import { ACCEPT_COUNT, NEEDLES, NEEDLE_BYTES, NEEDLE_FIRST, NIBBLES, TELLING, WATCHED } from './layout'

/**
 * Fields of a needle: its pair, the offset of the second byte of the pair, its length, the next one,
 * whether it counts only in strings with an `@`, its text.
 */
const PAIR: usize = 0
const OFFSET: usize = 2
const LENGTH: usize = 3
const NEXT: usize = 4
const NEEDS_AT: usize = 5
const TEXT: usize = 16

/** Whether the string is watched if it has an `@`. */
let onlyWithAt: bool = false

/** For each of 16 bytes: the groups whose pairs it may begin (low half) or end (high half). */
@inline
function rolesAt(at: usize): v128 {
  const bytes = v128.load(at)
  return v128.and(
    i8x16.swizzle(v128.load(NIBBLES), v128.and(bytes, v128.load(NIBBLES + 32))),
    i8x16.swizzle(v128.load(NIBBLES + 16), v128.and(i16x8.shr_u(bytes, 4), v128.load(NIBBLES + 32))),
  )
}

/** One bit for each of 16 bytes that may end the pair of a needle; `before` are the roles of the 16 bytes before. */
@inline
function pairsIn(before: v128, roles: v128): u32 {
  const first = i8x16.shuffle(before, roles, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30)
  const pairs = v128.and(v128.and(i16x8.shl(first, 4), v128.load(NIBBLES + 48)), roles)
  return i8x16.bitmask(i8x16.eq(pairs, i8x16.splat(0))) ^ 0xffff
}

/** One bit for each of 16 bytes that is telling or ends the plain part of a string, see `Needles`. */
@inline
export function tellingIn(at: usize): u32 {
  const bytes = v128.load(at)
  const low = i8x16.swizzle(v128.load(TELLING), v128.and(bytes, v128.load(NIBBLES + 32)))
  const high = i8x16.swizzle(v128.load(TELLING + 16), v128.and(i16x8.shr_u(bytes, 4), v128.load(NIBBLES + 32)))
  return i8x16.bitmask(i8x16.eq(v128.and(low, high), i8x16.splat(0))) ^ 0xffff
}

/** Whether the string in `[start, end)` is watched. `src/record/paths/needles.ts` is the reference. */
export function isWatched(start: usize, end: usize, isEscaped: bool): bool {
  onlyWithAt = isEscaped
  let before = i8x16.splat(0)
  for (let at = start; at < end; at += 16) {
    const roles = rolesAt(at)
    const pairs = pairsIn(before, roles)
    if (pairs != 0 && isNeedleIn(pairs, start, end, at)) return true
    before = roles
  }
  return (onlyWithAt && hasAt(start, end)) || (isEscaped && hidesAscii(start, end))
}

function hasAt(start: usize, end: usize): bool {
  for (let at = start; at < end; at += 16) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(<i8>AT_SIGN)))
    if (found != 0) return at + ctz(found) < end
  }
  return false
}

/** Whether an escape spells a quote, a slash or an ASCII character. */
export function hidesAscii(start: usize, end: usize): bool {
  for (let at = start; at < end; at++) {
    if (load<u8>(at) != BACKSLASH) continue
    at++
    const letter: u32 = load<u8>(at)
    if (letter == QUOTE || letter == SLASH || (letter == LOWER_U && load<u8>(at, 1) == ZERO)) return true
  }
  return false
}

/** Compares the needles at the pairs that end in the 16 bytes from `at` on. */
function isNeedleIn(pairs: u32, start: usize, end: usize, at: usize): bool {
  let bits = pairs
  while (bits != 0) {
    const pair = at + <usize>ctz(bits)
    if (pair >= end) return false
    bits &= bits - 1
    const first: u32 = load<u8>(pair - 1)
    const second: u32 = load<u8>(pair)
    let number: usize = load<u8>(NEEDLE_FIRST + <usize>((first * 7 + second) & 0xff))
    while (number != 0) {
      const needle = NEEDLES + number * NEEDLE_BYTES
      if (load<u16>(needle, PAIR) == (first | (second << 8))) {
        const from = pair - <usize>load<u8>(needle, OFFSET)
        const length: usize = load<u8>(needle, LENGTH)
        const all: u32 = (1 << <u32>length) - 1
        const equal: u32 = i8x16.bitmask(i8x16.eq(v128.load(from), v128.load(needle, TEXT)))
        if (from >= start && from + length <= end && (equal & all) == all) {
          if (load<u8>(needle, NEEDS_AT) == 0) return true
          onlyWithAt = true
        }
      }
      number = load<u8>(needle, NEXT)
    }
  }
  return false
}

/**
 * The accept set of a value with a needle, or with a trait, whose paths are those of `accept`; -1 if
 * the automaton is full.
 */
export function watchedOf(table: usize, accept: u32, isTrait: bool): i32 {
  if (accept >= <u32>ACCEPT_COUNT) return watchedSet(accept, isTrait)
  const place = table + WATCHED + (isTrait ? ACCEPT_COUNT * 4 : 0) + (<usize>accept << 2)
  const known = load<i32>(place)
  if (known != 0) return known
  const set = watchedSet(accept, isTrait)
  if (set > 0) store<i32>(place, set)
  return set
}
