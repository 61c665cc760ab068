import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  LINE_FEED,
  LOWER_F,
  LOWER_N,
  LOWER_T,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
} from './bytes'
import { isUtf8, stepElement } from './host'
import { beginColumns, fillColumns } from './columns'
import {
  afterKey,
  findKey,
  foundEntry,
  foundTransition,
  guessAt,
  inside,
  isKeyOf,
  tableAt,
  textLength,
  transitionOf,
} from './keys'
import { ACCEPTS, ENTRIES, FRAMES, FRAME_BYTES, GUESSES, HITS, HIT_BYTES, INPUT, RECORDS, RECORD_BYTES } from './layout'
import { findLineFeed, isPlainNumber, skipEscape, skipNumber, skipSpace, stringStops } from './text'

const START: u32 = 1
const ACCEPT_MASK: u32 = 0xffff

/** `Kind` of scan.ts. */
const STRING: u32 = 1
const OBJECT: u32 = 3
const ARRAY: u32 = 4
const TRUE: u32 = 5
const FALSE: u32 = 6
const NULL: u32 = 7
const NUMBER: u32 = 8
const UNUSUAL: u32 = 9

/** `Fault` of scan.ts. */
const NONE: u32 = 0
const NOT_OBJECT: u32 = 1
const SYNTAX: u32 = 2
const TOO_DEEP: u32 = 3
const TOO_LONG: u32 = 4
const NOT_UTF8: u32 = 5
const DUPLICATE_KEYS: u32 = 0x100
/** No fault: the record does not go into this index any more. */
const FULL: u32 = 255

/** Of the index so far, and of the window that was scanned last. */
export let count: u32 = 0
export let hitCount: u32 = 0
export let lines: u32 = 0
/** The first byte of the window that was not covered, as an offset into the window. */
export let covered: u32 = 0

let maxRecords: u32 = 0
let maxLine: usize = 0
let utf8: bool = false
let hitsEnd: usize = 0
let framesEnd: usize = 0
let automaton: usize = 0

/** Position of byte 0 of all bytes, were they in the memory. */
let origin: usize = 0
let position: usize = 0
let nextHit: usize = 0

/** Begins an index. */
export function begin(table: usize, records: u32, hits: usize, maxDepth: usize, longest: usize, allUtf8: bool, paths: usize): void {
  count = 0
  hitCount = 0
  lines = 0
  maxRecords = records
  maxLine = longest
  utf8 = allUtf8
  hitsEnd = HITS + hits * HIT_BYTES
  framesEnd = FRAMES + FRAME_BYTES * maxDepth
  automaton = tableAt(table)
  nextHit = HITS
  beginColumns(automaton + ACCEPTS, paths)
}

/** Goes on with the whole lines in `INPUT`, which are at `offset` of all bytes. Stops early where the index or the automaton is full. */
export function scanWindow(length: usize, offset: usize): void {
  const end = INPUT + length
  origin = INPUT - offset
  let at = INPUT
  while (at < end && count < maxRecords) {
    const line = at
    const start = skipSpace(at)
    if (load<u8>(start) == LINE_FEED) {
      at = start + 1
      lines++
      continue
    }
    const firstHit = nextHit
    let fault = scanValue(start)
    if (fault == FULL) {
      nextHit = firstHit
      break
    }
    const valueEnd = position
    at = findLineFeed(valueEnd)
    let lineEnd = at
    while (load<u8>(lineEnd - 1) == RETURN) lineEnd--
    if (lineEnd - line > maxLine) fault = TOO_LONG
    else if (!utf8 && !isUtf8(line - origin, at - origin)) fault = NOT_UTF8
    const record = RECORDS + <usize>count * RECORD_BYTES
    count++
    store<u32>(record, <u32>((firstHit - HITS) / HIT_BYTES), 8)
    store<u32>(record, fault, 12)
    if (fault == NONE) {
      store<u32>(record, <u32>(start - origin))
      store<u32>(record, <u32>(valueEnd - origin), 4)
    } else {
      nextHit = firstHit
      store<u32>(record, <u32>(line - origin))
      store<u32>(record, <u32>(lineEnd - origin), 4)
    }
    at++
    lines++
    if (fillColumns(firstHit, nextHit)) store<u32>(record, fault | DUPLICATE_KEYS, 12)
  }
  hitCount = <u32>((nextHit - HITS) / HIT_BYTES)
  covered = <u32>(at - INPUT)
}

/** Scans the value that begins here, which should be all of its line. Leaves the position behind it, or one within a faulty line. */
function scanValue(start: usize): u32 {
  const zero = origin
  const elements = automaton
  const guesses = automaton + GUESSES
  let at = start
  let hit = nextHit
  let frame = FRAMES
  let history: u32 = 0
  let state: u32 = 0
  let isObject = false
  let key = at
  let byte: u32 = load<u8>(at)
  let transition: u32 = byte == OPEN_OBJECT ? START << 16 : 0

  while (true) {
    if (isObject) {
      key = at
      const slot = guessAt(guesses, history)
      const guess: usize = load<u32>(slot)
      if (isKeyOf(guess, state, at)) {
        at += textLength(guess)
        transition = transitionOf(guess)
        history = afterKey(history, guess)
      } else {
        if (byte != QUOTE) return fail(at, SYNTAX)
        const behind = findKey(automaton + ENTRIES, state, at, zero)
        if (behind == 0) return fail(at, SYNTAX)
        if (foundTransition < 0) return FULL
        transition = foundTransition
        if (foundEntry != 0) {
          store<u32>(slot, <u32>foundEntry)
          history = afterKey(history, foundEntry)
        }
        at = behind
      }
      at = skipSpace(at)
      if (load<u8>(at) != COLON) return fail(at, SYNTAX)
      at = skipSpace(at + 1)
      byte = load<u8>(at)
    } else if (frame != FRAMES) {
      key = at
      transition = load<u32>(elements + (<usize>state << 2))
      if (<i32>transition < 0) {
        transition = stepElement(state)
        if (<i32>transition < 0) return FULL
        store<u32>(elements + (<usize>state << 2), transition)
      }
    }

    const accept = transition & ACCEPT_MASK
    let own: usize = 0
    if (accept != 0) {
      if (hit == hitsEnd) return FULL
      own = hit
      hit += HIT_BYTES
      store<u32>(own, <u32>(key - zero), 4)
      store<u32>(own, <u32>(at - zero), 8)
    }

    if (byte == QUOTE) {
      let kind = STRING
      let behind = at + 1
      while (true) {
        const stops = stringStops(behind)
        if (stops == 0) {
          behind += 16
          continue
        }
        behind += ctz(stops)
        const stop = load<u8>(behind)
        if (stop == QUOTE) break
        if (stop != BACKSLASH) return fail(at, SYNTAX)
        kind = STRING + 1
        behind = skipEscape(behind)
        if (behind == 0) return fail(at, SYNTAX)
      }
      at = behind + 1
      if (own != 0) {
        store<u32>(own, accept | (kind << 16))
        store<u32>(own, <u32>(at - zero), 12)
      }
    } else if (byte == OPEN_OBJECT || byte == OPEN_ARRAY) {
      if (frame == framesEnd) return fail(at, TOO_DEEP)
      store<u32>(frame, (state << 1) | u32(isObject))
      store<u32>(frame, <u32>own, 4)
      store<u32>(frame, history, 8)
      frame += FRAME_BYTES
      history = inside(history)
      state = transition >>> 16
      isObject = byte == OPEN_OBJECT
      if (own != 0) store<u32>(own, accept | ((isObject ? OBJECT : ARRAY) << 16))
      at = skipSpace(at + 1)
      byte = load<u8>(at)
      if (byte != (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) continue
    } else {
      let kind = NUMBER
      let behind: usize
      if (byte == LOWER_T) {
        if (load<u32>(at) != 0x65757274) return fail(at, SYNTAX)
        kind = TRUE
        behind = at + 4
      } else if (byte == LOWER_F) {
        if (load<u32>(at, 1) != 0x65736c61) return fail(at, SYNTAX)
        kind = FALSE
        behind = at + 5
      } else if (byte == LOWER_N) {
        if (load<u32>(at) != 0x6c6c756e) return fail(at, SYNTAX)
        kind = NULL
        behind = at + 4
      } else {
        behind = skipNumber(at)
        if (behind == 0) return fail(at, SYNTAX)
        if (own != 0 && !isPlainNumber(at, behind)) kind = UNUSUAL
      }
      at = behind
      if (own != 0) {
        store<u32>(own, accept | (kind << 16))
        store<u32>(own, <u32>(at - zero), 12)
      }
    }

    // Behind a value: close what it ends, up to the next one.
    while (true) {
      if (frame == FRAMES) {
        position = at
        if (load<u8>(skipSpace(at)) != LINE_FEED) return SYNTAX
        if (load<u8>(start) != OPEN_OBJECT) return NOT_OBJECT
        nextHit = hit
        return NONE
      }
      at = skipSpace(at)
      byte = load<u8>(at)
      if (byte == COMMA) {
        at = skipSpace(at + 1)
        byte = load<u8>(at)
        break
      }
      if (byte != (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) return fail(at, SYNTAX)
      at++
      frame -= FRAME_BYTES
      history = load<u32>(frame, 8)
      const opened = load<u32>(frame)
      const closed: usize = load<u32>(frame, 4)
      if (closed != 0) store<u32>(closed, <u32>(at - zero), 12)
      state = opened >>> 1
      isObject = (opened & 1) != 0
    }
  }
}

@inline
function fail(at: usize, fault: u32): u32 {
  position = at
  return fault
}
