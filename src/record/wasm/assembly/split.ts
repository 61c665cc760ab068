import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  LINE_FEED,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from './constants'
import { INPUT, OUTPUT } from './layout'

/**
 * Splits JSON arrays into elements. The search covers 64 bytes at a time, with one bit per byte in
 * 64-bit numbers: quotes, bytes in strings, brackets outside of strings. Most blocks hold no
 * bracket that could end the element, and take the same time whatever they contain.
 */

/** Number of elements that `splitElements` wrote, and the bytes of their lines. */
export let elements: u32 = 0
export let written: u32 = 0
/**
 * The element that the window ends in: its open brackets (0 if the window ends in none), whether
 * the window ends in a string, and whether it ends after an unescaped backslash.
 */
export let openDepth: i32 = 0
export let openString: bool = false
export let openEscape: bool = false
/** Start of that element, if `splitElements` found it. */
export let openStart: u32 = 0

/** Bytes per block. Reads and writes go beyond an end by less than this. */
const BLOCK: usize = 64
const ALL: u64 = 0xffffffffffffffff
/** Brackets and braces differ in this bit only. */
const BRACE: u8 = 0x20

/**
 * Results in place of a position: the end is beyond the window; TypeScript must split this element.
 */
const NOWHERE: usize = 0
const UNUSUAL: usize = 1

/**
 * Splits the window in `INPUT` into elements, from `start` on, where an element begins, and writes
 * their lines to `OUTPUT`. `ArraySplitter` of array-splitter.ts is the reference. Returns the end
 * of the last element. After it comes the element that the window ends in, or a place that
 * TypeScript must handle: anything but objects and arrays and the text between them, an element of
 * more than `longest` bytes, or a backslash outside of strings.
 */
export function splitElements(start: usize, length: usize, inArray: bool, longest: usize): usize {
  const end = closeWindow(length)
  let at = INPUT + start
  let lastEnd = at
  let out = OUTPUT
  elements = 0
  openDepth = 0
  while (load<u8>(at) == OPEN_OBJECT || (inArray && load<u8>(at) == OPEN_ARRAY)) {
    openString = false
    openEscape = false
    const elementEnd = findEnd(at, end, out)
    if (elementEnd == NOWHERE) openStart = <u32>(at - INPUT)
    if (elementEnd <= UNUSUAL || elementEnd - at > longest) break
    const lineEnd = hasLineFeed ? minify(at, elementEnd, out) : out + (elementEnd - at)
    if (lineEnd == UNUSUAL) break
    store<u8>(lineEnd, <u8>LINE_FEED)
    out = lineEnd + 1
    elements++
    lastEnd = elementEnd
    at = skipBetween(elementEnd, end)
    if (inArray) {
      if (load<u8>(at) != COMMA) break
      at = skipBetween(at + 1, end)
    }
  }
  written = <u32>(out - OUTPUT)
  return lastEnd - INPUT
}

/**
 * Continues with the element that the previous window ended in. Returns the end of the element; the
 * length of the window and a new state if it does not end in this window either; 0 if TypeScript
 * must split it.
 */
export function splitOpenElement(length: usize, depth: i32, inString: bool, escaped: bool): usize {
  const end = closeWindow(length)
  openDepth = depth
  openString = inString
  openEscape = escaped
  const elementEnd = findEnd(INPUT, end, OUTPUT)
  if (elementEnd == UNUSUAL) return 0
  return elementEnd == NOWHERE ? length : elementEnd - INPUT
}

/** Fills the rest of the last block with spaces, which neither begin nor end anything. */
function closeWindow(length: usize): usize {
  const end = INPUT + length
  for (let at = end; at < end + BLOCK; at += 16) v128.store(at, i8x16.splat(<i8>SPACE))
  return end
}

/**
 * The position of the first byte that is not whitespace (line feeds are whitespace here); the end
 * of the window or a little beyond it if no such byte follows.
 */
@inline
function skipBetween(start: usize, end: usize): usize {
  let at = start
  while (at < end && isSpace(load<u8>(at))) at++
  return at
}

@inline
function isSpace(byte: u32): bool {
  return byte == SPACE || byte == LINE_FEED || byte == RETURN || byte == TAB
}

/** The element that ended last contains a line feed. */
let hasLineFeed: bool = false

/**
 * Finds the end of the element from `start` on, in the state `openDepth`, `openString`,
 * `openEscape`. Sets the state at the end of the window if the element does not end. Copies the
 * bytes it passes to `out`.
 */
function findEnd(start: usize, end: usize, out: usize): usize {
  let depth = openDepth
  let feeds = i64x2.splat(0)
  let to = out
  let at = start
  inside = openString ? ALL : 0
  carried = openEscape ? 1 : 0
  openDepth = 0
  while (at < end) {
    const a = v128.load(at)
    const b = v128.load(at, 16)
    const c = v128.load(at, 32)
    const d = v128.load(at, 48)
    v128.store(to, a)
    v128.store(to, b, 16)
    v128.store(to, c, 32)
    v128.store(to, d, 48)
    const strings = stringsOf(a, b, c, d)
    if (strayBackslash) return UNUSUAL
    const brace = i8x16.splat(BRACE)
    const e = v128.or(a, brace)
    const f = v128.or(b, brace)
    const g = v128.or(c, brace)
    const h = v128.or(d, brace)
    const opens = bitsOf(e, f, g, h, OPEN_OBJECT) & ~strings
    const closes = bitsOf(e, f, g, h, CLOSE_OBJECT) & ~strings
    const closing = <i32>popcnt(closes)
    if (closing >= depth && closing > 0) {
      let rest = closes
      for (let closed = 1; rest != 0; closed++) {
        const before = (rest - 1) & ~rest
        if (depth + <i32>popcnt(opens & before) == closed) {
          hasLineFeed = v128.any_true(feeds) || (bitsOf(a, b, c, d, LINE_FEED) & before) != 0
          return at + <usize>ctz(rest) + 1
        }
        rest &= rest - 1
      }
    }
    depth += <i32>popcnt(opens) - closing
    const feed = i8x16.splat(<i8>LINE_FEED)
    feeds = v128.or(feeds, v128.or(v128.or(i8x16.eq(a, feed), i8x16.eq(b, feed)), v128.or(i8x16.eq(c, feed), i8x16.eq(d, feed))))
    at += BLOCK
    to += BLOCK
  }
  openDepth = depth
  openString = inside != 0
  const beyond = <u64>(at - end)
  openEscape = ((beyond == 0 ? carried : escapes >> (<u64>BLOCK - beyond)) & 1) != 0
  return NOWHERE
}

/**
 * Writes the element to `out` without whitespace, as `json/minify.ts` does, and returns the end of
 * the output. `UNUSUAL` for a line feed within a string. Call `findEnd` on the element first.
 */
function minify(start: usize, end: usize, out: usize): usize {
  let to = out
  let endedInSpace = false
  inside = 0
  carried = 0
  for (let at = start; at < end; at += BLOCK) {
    const a = v128.load(at)
    const b = v128.load(at, 16)
    const c = v128.load(at, 32)
    const d = v128.load(at, 48)
    const own = end - at < BLOCK ? (<u64>1 << <u64>(end - at)) - 1 : ALL
    const strings = stringsOf(a, b, c, d)
    const feeds = bitsOf(a, b, c, d, LINE_FEED)
    if ((feeds & strings & own) != 0) return UNUSUAL
    const spaces = feeds | bitsOf(a, b, c, d, SPACE) | bitsOf(a, b, c, d, RETURN) | bitsOf(a, b, c, d, TAB)
    let kept = own & (strings | ~spaces)
    const endsInSpace = kept >> 63 == 0
    let from = at
    while (kept != 0) {
      const gap = ctz(kept)
      kept >>= gap
      from += <usize>gap
      if ((gap != 0 || endedInSpace) && isLiteral(to - 1) && isLiteral(from)) {
        store<u8>(to, <u8>SPACE)
        to++
      }
      const length: usize = kept == ALL ? BLOCK : <usize>ctz(~kept)
      v128.store(to, v128.load(from))
      for (let more: usize = 16; more < length; more += 16) v128.store(to + more, v128.load(from + more))
      kept = length == BLOCK ? 0 : kept >> <u64>length
      from += length
      to += length
    }
    endedInSpace = endsInSpace
  }
  return to
}

/**
 * For a byte outside of strings and whitespace: true if it merges with a literal next to it into
 * one token.
 */
@inline
function isLiteral(at: usize): bool {
  const byte: u32 = load<u8>(at)
  if (byte == COLON || byte == COMMA || byte == QUOTE) return false
  return byte != OPEN_OBJECT && byte != CLOSE_OBJECT && byte != OPEN_ARRAY && byte != CLOSE_ARRAY
}

/** All bits when the next block begins within a string. */
let inside: u64 = 0
/** 1 when the first byte of the next block is escaped. */
let carried: u64 = 0
/**
 * The escaped bytes of the last block, under the assumption that all its backslashes are in
 * strings.
 */
let escapes: u64 = 0
/** A backslash is outside of strings. The masks after it are then meaningless. */
let strayBackslash: bool = false

/**
 * The bytes of the next block that are in strings, including each opening quote and excluding each
 * closing one.
 */
@inline
function stringsOf(a: v128, b: v128, c: v128, d: v128): u64 {
  const backslashes = bitsOf(a, b, c, d, BACKSLASH)
  let strings = bitsOf(a, b, c, d, QUOTE)
  escapes = carried
  if ((backslashes | carried) != 0) {
    findEscapes(backslashes)
    strings &= ~escapes
  }
  // Each bit becomes the parity of all up to it: a quote begins a string, the next one ends it.
  strings ^= strings << 1
  strings ^= strings << 2
  strings ^= strings << 4
  strings ^= strings << 8
  strings ^= strings << 16
  strings ^= strings << 32
  strings ^= inside
  inside = <u64>(<i64>strings >> 63)
  strayBackslash = (backslashes & ~strings) != 0
  return strings
}

function findEscapes(backslashes: u64): void {
  let rest = backslashes & ~carried
  carried = 0
  while (rest != 0) {
    const first = rest & (0 - rest)
    escapes |= first << 1
    carried = first >> 63
    rest &= ~(first | (first << 1))
  }
}

/** One bit for each byte that equals `byte`. */
@inline
function bitsOf(a: v128, b: v128, c: v128, d: v128, byte: u32): u64 {
  const all = i8x16.splat(<i8>byte)
  const low = <u32>i8x16.bitmask(i8x16.eq(a, all)) | (<u32>i8x16.bitmask(i8x16.eq(b, all)) << 16)
  const high = <u32>i8x16.bitmask(i8x16.eq(c, all)) | (<u32>i8x16.bitmask(i8x16.eq(d, all)) << 16)
  return <u64>low | (<u64>high << 32)
}
