import {
  BACKSLASH,
  DOT,
  LINE_FEED,
  LOWER_A,
  LOWER_E,
  LOWER_F,
  LOWER_N,
  LOWER_R,
  LOWER_T,
  LOWER_U,
  MINUS,
  PLUS,
  QUOTE,
  RETURN,
  SAFE_DIGITS,
  SAFE_ZEROS,
  SPACE,
  TAB,
  ZERO,
} from './constants'

/**
 * The position of the first byte at or after `start` that is not whitespace. A line feed is not
 * whitespace here.
 */
@inline
export function skipSpace(start: usize): usize {
  return load<u8>(start) > SPACE ? start : skipSpaces(start)
}

/** `skipSpace` for places where whitespace is likely. */
export function skipSpaces(start: usize): usize {
  let at = start
  while (true) {
    const byte: u32 = load<u8>(at)
    if (byte != SPACE && byte != TAB && byte != RETURN) return at
    at++
  }
}

/** The position of the first line feed at or after `start`. */
export function findLineFeed(start: usize): usize {
  let at = start
  while (true) {
    const found = i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(<i8>LINE_FEED)))
    if (found != 0) return at + ctz(found)
    at += 16
  }
}

/**
 * One bit per byte that ends the plain part of a string: quote, backslash or control byte. Flipping
 * bit 1 moves the quote next to the control bytes, so one comparison finds both.
 */
@inline
export function stopsIn(at: usize): i32 {
  const bytes = v128.load(at)
  const low = i8x16.le_u(v128.xor(bytes, i8x16.splat(0x02)), i8x16.splat(0x20))
  return i8x16.bitmask(v128.or(low, i8x16.eq(bytes, i8x16.splat(<i8>BACKSLASH))))
}

/** One bit per byte that is a quote, for 16 bytes. */
@inline
export function quotesIn(at: usize): i32 {
  return i8x16.bitmask(i8x16.eq(v128.load(at), i8x16.splat(<i8>QUOTE)))
}

/** The end of the string at `start`, 0 if it is not a valid string. */
export function skipString(start: usize): usize {
  const stop = firstStop(start + 1)
  if (load<u8>(stop) == QUOTE) return stop + 1
  const quote = skipEscapes(stop)
  return quote == 0 ? 0 : quote + 1
}

/** The closing quote of the string whose plain part ends at `stop`, 0 if the string is invalid. */
export function skipEscapes(stop: usize): usize {
  let at = stop
  while (load<u8>(at) == BACKSLASH) {
    at = skipEscape(at)
    if (at == 0) return 0
    at = firstStop(at)
  }
  return load<u8>(at) == QUOTE ? at : 0
}

@inline
function firstStop(start: usize): usize {
  let at = start
  while (true) {
    const stops = stopsIn(at)
    if (stops != 0) return at + ctz(stops)
    at += 16
  }
}

/** The end of the escape sequence at `at`, 0 if it is invalid. */
function skipEscape(at: usize): usize {
  const letter: u32 = load<u8>(at, 1)
  if (letter == LOWER_U) return isHex(at + 2) && isHex(at + 3) && isHex(at + 4) && isHex(at + 5) ? at + 6 : 0
  // " \ / b f n r t
  switch (letter) {
    case QUOTE:
    case BACKSLASH:
    case 0x2f:
    case 0x62:
    case LOWER_F:
    case LOWER_N:
    case LOWER_R:
    case LOWER_T:
      return at + 2
    default:
      return 0
  }
}

/** The end of the literal or number at `at`, whose first byte is `byte`; 0 if it is invalid. */
@inline
export function skipPlain(at: usize, byte: u32): usize {
  if (byte == LOWER_T) return load<u32>(at) == 0x65757274 ? at + 4 : 0
  if (byte == LOWER_F) return load<u32>(at, 1) == 0x65736c61 ? at + 5 : 0
  if (byte == LOWER_N) return load<u32>(at) == 0x6c6c756e ? at + 4 : 0
  return skipNumber(at)
}

/** The end of the number at `start`, 0 if it is invalid. */
@inline
function skipNumber(start: usize): usize {
  let at = start
  if (load<u8>(at) == MINUS) at++
  if (load<u8>(at) == ZERO) {
    at++
  } else {
    if (!isDigit(at)) return 0
    do at++
    while (isDigit(at))
  }
  const byte = load<u8>(at)
  return byte == DOT || (byte | 0x20) == LOWER_E ? skipFraction(at) : at
}

function skipFraction(start: usize): usize {
  let at = start
  if (load<u8>(at) == DOT) {
    at = skipDigits(at + 1)
    if (at == 0) return 0
  }
  if ((load<u8>(at) | 0x20) != LOWER_E) return at
  at++
  if (load<u8>(at) == PLUS || load<u8>(at) == MINUS) at++
  return skipDigits(at)
}

/** The end of the digits at `start`, 0 if there is no digit. */
function skipDigits(start: usize): usize {
  let at = start
  while (isDigit(at)) at++
  return at == start ? 0 : at
}

/** `isPlainNumber` of `src/record/json/number.ts`, which is the reference. */
export function isPlainNumber(start: usize, end: usize): bool {
  const negative = load<u8>(start) == MINUS
  const first = negative ? start + 1 : start
  let dot: usize = 0
  for (let at = first; at < end; at++) {
    if (load<u8>(at) == DOT) dot = at
    else if (!isDigit(at)) return false
  }
  if (dot == 0) return end - first <= SAFE_DIGITS && !(negative && load<u8>(first) == ZERO)
  if (end - first - 1 > SAFE_DIGITS || load<u8>(end - 1) == ZERO) return false
  if (load<u8>(first) != ZERO) return true
  let at = dot + 1
  while (load<u8>(at) == ZERO) at++
  return at - dot - 1 <= SAFE_ZEROS
}

@inline
function isDigit(at: usize): bool {
  return <u32>load<u8>(at) - ZERO <= 9
}

function isHex(at: usize): bool {
  return isDigit(at) || <u32>(load<u8>(at) | 0x20) - LOWER_A <= 5
}
