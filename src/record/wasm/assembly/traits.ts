import {
  AT_SIGN,
  COLON,
  DOT,
  MAX_TRAIT_DIGITS,
  MINUS,
  MIN_TRAIT_DIGITS,
  NINE,
  PERCENT,
  SPACE,
  TRAIT_ACCOUNT,
  TRAIT_AT,
  TRAIT_COLONS,
  TRAIT_DIGITS,
  TRAIT_DOTS,
  TRAIT_GROUPS,
  UPPER_A,
  UPPER_Z,
  ZERO,
} from './constants'
import { hidesAscii } from './watch'

/**
 * Whether the string in `[start, end)` has one of the traits. `src/record/paths/traits.ts` is the
 * reference. The masks of 16 bytes are kept with those of the 16 bytes before in their low half.
 */
export function hasTrait(start: usize, end: usize, isEscaped: bool, traits: u32): bool {
  let dots: i32 = 0
  let colons: i32 = 0
  let dashes: i32 = 0
  let digit: u32 = 0
  let upper: u32 = 0
  let dot: u32 = 0
  let colon: u32 = 0
  let run: u32 = 0
  for (let at = start; at < end; at += 16) {
    const bytes = v128.load(at)
    const left = end - at
    const live: u32 = left < 16 ? (1 << <u32>left) - 1 : 0xffff
    const digits: u32 = within(bytes, <u8>ZERO, <u8>(NINE - ZERO)) & live
    digit = (digit >>> 16) | (digits << 16)
    if ((traits & TRAIT_AT) != 0 && ((is(bytes, <u8>AT_SIGN) | is(bytes, <u8>PERCENT)) & live) != 0) return true
    if ((traits & (TRAIT_DOTS | TRAIT_GROUPS)) != 0) {
      dot = (dot >>> 16) | ((is(bytes, <u8>DOT) & live) << 16)
      dots += popcnt((dot & (digit << 1)) >>> 16)
      if ((traits & TRAIT_GROUPS) != 0 && ((dot & (dot << 5)) >>> 16) != 0) return true
    }
    if ((traits & (TRAIT_COLONS | TRAIT_GROUPS)) != 0) {
      colon = (colon >>> 16) | ((is(bytes, <u8>COLON) & live) << 16)
      colons += popcnt(colon >>> 16)
      if ((traits & TRAIT_COLONS) != 0 && ((colon & (colon << 1)) >>> 16) != 0) return true
    }
    if ((traits & (TRAIT_DIGITS | TRAIT_GROUPS)) != 0) {
      const dash = is(bytes, <u8>MINUS) & live
      dashes += popcnt(dash)
      run = (run >>> 16) | ((digits | dash | (is(bytes, <u8>SPACE) & live)) << 16)
      if ((traits & TRAIT_DIGITS) != 0 && hasRun(run)) return true
    }
    if ((traits & TRAIT_ACCOUNT) != 0) {
      upper = (upper >>> 16) | ((within(bytes, <u8>UPPER_A, <u8>(UPPER_Z - UPPER_A)) & live) << 16)
      if ((upper & (upper >>> 1) & (digit >>> 2) & (digit >>> 3)) != 0) return true
    }
  }
  if ((traits & TRAIT_DOTS) != 0 && dots >= 3) return true
  if ((traits & TRAIT_COLONS) != 0 && colons >= 6) return true
  if ((traits & TRAIT_GROUPS) != 0 && (colons >= 5 || dashes >= 5)) return true
  return isEscaped && hidesAscii(start, end)
}

/**
 * A quick look that spares most strings `hasTrait`: false if no byte and no row of digits in
 * `[start, end)` can be part of a trait.
 */
@inline
export function mayHaveTrait(start: usize, end: usize, traits: u32): bool {
  if ((traits & TRAIT_ACCOUNT) != 0) return true
  const isLong = (traits & TRAIT_DIGITS) != 0 && end - start >= MIN_TRAIT_DIGITS
  let run: u32 = 0
  for (let at = start; at < end; at += 16) {
    const bytes = v128.load(at)
    const left = end - at
    const live: u32 = left < 16 ? (1 << <u32>left) - 1 : 0xffff
    const dash = i8x16.eq(bytes, i8x16.splat(<u8>MINUS))
    let hint = v128.or(
      v128.or(i8x16.eq(bytes, i8x16.splat(<u8>AT_SIGN)), i8x16.eq(bytes, i8x16.splat(<u8>PERCENT))),
      v128.or(i8x16.eq(bytes, i8x16.splat(<u8>DOT)), i8x16.eq(bytes, i8x16.splat(<u8>COLON))),
    )
    if ((traits & TRAIT_GROUPS) != 0) hint = v128.or(hint, dash)
    if ((<u32>i8x16.bitmask(hint) & live) != 0) return true
    if (isLong) {
      const digits = i8x16.le_u(i8x16.sub(bytes, i8x16.splat(<u8>ZERO)), i8x16.splat(<u8>(NINE - ZERO)))
      const part = v128.or(v128.or(digits, dash), i8x16.eq(bytes, i8x16.splat(<u8>SPACE)))
      run = (run >>> 16) | ((<u32>i8x16.bitmask(part) & live) << 16)
      if (hasRun(run)) return true
    }
  }
  return false
}

/** Whether the number in `[start, end)` is a long integer. */
export function isLongInteger(start: usize, end: usize): bool {
  const length = end - start
  if (length < MIN_TRAIT_DIGITS || length > MAX_TRAIT_DIGITS) return false
  for (let at = start; at < end; at++) if (<u32>load<u8>(at) - ZERO > NINE - ZERO) return false
  return true
}

/** One bit per byte that equals `byte`, for 16 bytes. */
@inline
function is(bytes: v128, byte: u8): u32 {
  return <u32>i8x16.bitmask(i8x16.eq(bytes, i8x16.splat(byte)))
}

/** One bit per byte from `first` to `first + range`, for 16 bytes. */
@inline
function within(bytes: v128, first: u8, range: u8): u32 {
  return <u32>i8x16.bitmask(i8x16.le_u(i8x16.sub(bytes, i8x16.splat(first)), i8x16.splat(range)))
}

/** Whether 14 neighbouring bits are set. */
@inline
function hasRun(bits: u32): bool {
  const two = bits & (bits >>> 1)
  const four = two & (two >>> 2)
  const eight = four & (four >>> 4)
  return (eight & (eight >>> 6)) != 0
}
