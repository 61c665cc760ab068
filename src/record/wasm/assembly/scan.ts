import {
  ACCEPT_MASK,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  DUPLICATE_KEYS,
  FAULT_DEPTH,
  FAULT_LENGTH,
  FAULT_NONE,
  FAULT_NOT_OBJECT,
  FAULT_SYNTAX,
  FAULT_UTF8,
  HIT_BYTES,
  KIND_ARRAY,
  KIND_ESCAPED,
  KIND_FALSE,
  KIND_NULL,
  KIND_NUMBER,
  KIND_OBJECT,
  KIND_STRING,
  KIND_TRUE,
  KIND_UNUSUAL,
  LINE_FEED,
  LOWER_F,
  LOWER_N,
  LOWER_T,
  MIN_TRAIT_BYTES,
  MIN_WATCHED_BYTES,
  OPEN_OBJECT,
  QUOTE,
  RECORD_BYTES,
  RETURN,
  START,
  TRAIT_DIGITS,
} from './constants'
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
import { ACCEPTS, ENTRIES, FRAMES, FRAME_BYTES, GUESSES, HITS, INPUT, RECORDS } from './layout'
import { findLineFeed, isPlainNumber, quotesIn, skipEscapes, skipPlain, skipSpace, skipSpaces, skipString, stopsIn } from './text'
import { hasTrait, isLongInteger, mayHaveTrait } from './traits'
import { isWatched, tellingIn, watchedOf } from './watch'

/** Not a fault: the index or the automaton is full, and the record is not covered. */
const FULL: u32 = 255

/**
 * Fields of a frame: the closing byte of the container (0 at the top level), its state, its hit (0
 * for none), and the history of keys before it.
 */
const CLOSER: usize = 0
const STATE: usize = 4
const OWN: usize = 8
const HISTORY: usize = 12

/** The bits of a string that is shorter than `MIN_WATCHED_BYTES`. */
const SHORT: i32 = (1 << <i32>MIN_WATCHED_BYTES) - 1

/** `,"` as a little-endian number of two bytes. */
const COMMA_QUOTE: u32 = 0x222c

/** Totals of the index so far. */
export let count: u32 = 0
export let hitCount: u32 = 0
export let lines: u32 = 0
/** Number of bytes of the last window that are covered. */
export let covered: u32 = 0

let maxRecords: u32 = 0
let maxLine: usize = 0
let utf8: bool = false
let hitsEnd: usize = 0
let framesEnd: usize = 0
let automaton: usize = 0
let watches: bool = false
let traits: u32 = 0

/** Address that byte 0 of the input would have if the whole input were in memory. */
let origin: usize = 0
let position: usize = 0
let nextHit: usize = 0

/**
 * `scanValue` is compiled once for each: a type argument makes a copy without the searches, as fast as
 * if there were no search. (Inlining one body twice makes both slower.) Only their sign and size
 * count. `Trace` looks for traits, and for needles if `watches`.
 */
type Trace = i64
type Watch = i32
type DoNotWatch = u32

/** Starts an index. */
export function begin(table: usize, records: u32, hits: usize, maxDepth: usize, longest: usize, allUtf8: bool, paths: usize, isWatching: bool, traces: u32): void {
  count = 0
  hitCount = 0
  lines = 0
  maxRecords = records
  maxLine = longest
  utf8 = allUtf8
  hitsEnd = HITS + hits * HIT_BYTES
  framesEnd = FRAMES + FRAME_BYTES * maxDepth
  automaton = tableAt(table)
  watches = isWatching
  traits = traces
  nextHit = HITS
  beginColumns(automaton + ACCEPTS, paths)
}

/**
 * Scans the whole lines in `INPUT`, which begin at `offset` of the input. Stops early if the index
 * or the automaton is full.
 */
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
    let fault = traits != 0 ? scanValue<Trace>(start) : watches ? scanValue<Watch>(start) : scanValue<DoNotWatch>(start)
    if (fault == FULL) {
      nextHit = firstHit
      break
    }
    const valueEnd = position
    at = findLineFeed(valueEnd)
    let lineEnd = at
    while (load<u8>(lineEnd - 1) == RETURN) lineEnd--
    if (lineEnd - line > maxLine) fault = FAULT_LENGTH
    else if (!utf8 && !isUtf8(line - origin, at - origin)) fault = FAULT_UTF8
    const record = RECORDS + <usize>count * RECORD_BYTES
    count++
    store<u32>(record, <u32>((firstHit - HITS) / HIT_BYTES), 8)
    store<u32>(record, fault, 12)
    if (fault == FAULT_NONE) {
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

/**
 * Scans the value at `start`, which must be the only value of its line. Returns its fault, and sets
 * `position` to the end of the value, or to a position within a faulty line.
 */
function scanValue<Mode>(start: usize): u32 {
  const zero = origin
  const guesses = automaton + GUESSES
  let at = start
  let hit = nextHit
  let frame = FRAMES
  let history: u32 = 0
  if (!isOpening(load<u8>(start))) return scanScalar(start)
  store<u32>(FRAMES, 0, CLOSER)

  while (true) {
    const key = at
    let transition: u32
    if (load<u32>(frame, CLOSER) == CLOSE_OBJECT) {
      const slot = guessAt(guesses, history)
      const guess: usize = load<u32>(slot)
      if (isKeyOf(guess, load<u32>(frame, STATE), at)) {
        at += textLength(guess)
        transition = transitionOf(guess)
        history = afterKey(history, guess)
      } else {
        if (load<u8>(at) != QUOTE) return fail(at, FAULT_SYNTAX)
        const keyEnd = findKey(automaton + ENTRIES, load<u32>(frame, STATE), at, zero)
        if (keyEnd == 0) return fail(at, FAULT_SYNTAX)
        if (foundTransition < 0) return FULL
        at = keyEnd
        transition = foundTransition
        if (foundEntry != 0) {
          store<u32>(slot, <u32>foundEntry)
          history = afterKey(history, foundEntry)
        }
      }
      if (load<u8>(at) != COLON) {
        at = skipSpaces(at)
        if (load<u8>(at) != COLON) return fail(at, FAULT_SYNTAX)
      }
      at = skipSpace(at + 1)
    } else if (frame == FRAMES) {
      transition = load<u8>(at) == OPEN_OBJECT ? START << 16 : 0
    } else {
      const known = automaton + (<usize>load<u32>(frame, STATE) << 2)
      transition = load<u32>(known)
      if (<i32>transition < 0) {
        transition = stepElement(load<u32>(frame, STATE))
        if (<i32>transition < 0) return FULL
        store<u32>(known, transition)
      }
    }

    const byte: u32 = load<u8>(at)
    let accept = transition & ACCEPT_MASK
    let own: usize = 0
    if (accept != 0) {
      if (hit == hitsEnd) return FULL
      own = hit
      hit += HIT_BYTES
      store<u32>(own, <u32>(key - zero), 4)
      store<u32>(own, <u32>(at - zero), 8)
    }

    if (byte == QUOTE) {
      let kind = KIND_STRING
      let part = at + 1
      let stops = stopsIn(part)
      let suspect: u32 = 0
      if (isSigned<Mode>() && (sizeof<Mode>() == 4 || watches) && (stops & SHORT) == 0) {
        while (stops == 0) {
          suspect |= tellingIn(part)
          part += 16
          stops = stopsIn(part)
        }
        suspect |= tellingIn(part) & ((stops & -stops) - 1)
      } else {
        while (stops == 0) {
          part += 16
          stops = stopsIn(part)
        }
      }
      // The next member depends on this position, and the mask of quotes is ready before the mask
      // of stops.
      let quote = part + ctz(quotesIn(part))
      const stop = part + ctz(stops)
      if (quote != stop) {
        quote = skipEscapes(stop)
        if (quote == 0) return fail(at, FAULT_SYNTAX)
        kind = KIND_ESCAPED
        if (isSigned<Mode>()) suspect = 1
      }
      if (isSigned<Mode>()) {
        if (sizeof<Mode>() == 4 || watches) {
          if (suspect != 0 && quote - at > MIN_WATCHED_BYTES && isWatched(at + 1, quote, kind == KIND_ESCAPED)) {
            const watched = watchedOf(automaton, accept, false)
            if (watched < 0) return FULL
            accept = <u32>watched
          }
        }
        const isEscaped = kind == KIND_ESCAPED
        if (sizeof<Mode>() == 8 && quote - at > MIN_TRAIT_BYTES && (isEscaped || mayHaveTrait(at + 1, quote, traits)) && hasTrait(at + 1, quote, isEscaped, traits)) {
          const traced = watchedOf(automaton, accept, true)
          if (traced < 0) return FULL
          accept = <u32>traced
        }
        if (own == 0 && accept != 0) {
          if (hit == hitsEnd) return FULL
          own = hit
          hit += HIT_BYTES
          store<u32>(own, <u32>(key - zero), 4)
          store<u32>(own, <u32>(at - zero), 8)
        }
      }
      at = quote + 1
      if (own != 0) {
        store<u32>(own, accept | (kind << 16))
        store<u32>(own, <u32>(at - zero), 12)
      }
      // The bytes after most strings.
      if (load<u16>(at) == COMMA_QUOTE) {
        at++
        continue
      }
    } else if (isOpening(byte)) {
      if (frame == framesEnd) return fail(at, FAULT_DEPTH)
      frame += FRAME_BYTES
      const closer = byte + 2
      store<u32>(frame, closer, CLOSER)
      store<u32>(frame, transition >>> 16, STATE)
      store<u32>(frame, <u32>own, OWN)
      store<u32>(frame, history, HISTORY)
      history = inside(history)
      if (own != 0) store<u32>(own, accept | ((byte == OPEN_OBJECT ? KIND_OBJECT : KIND_ARRAY) << 16))
      at = skipSpace(at + 1)
      if (load<u8>(at) != closer) continue
    } else {
      const end = skipPlain(at, byte)
      if (end == 0) return fail(at, FAULT_SYNTAX)
      if (sizeof<Mode>() == 8 && (traits & TRAIT_DIGITS) != 0 && isLongInteger(at, end)) {
        const traced = watchedOf(automaton, accept, true)
        if (traced < 0) return FULL
        accept = <u32>traced
        if (own == 0) {
          if (hit == hitsEnd) return FULL
          own = hit
          hit += HIT_BYTES
          store<u32>(own, <u32>(key - zero), 4)
          store<u32>(own, <u32>(at - zero), 8)
        }
      }
      if (own != 0) {
        store<u32>(own, accept | (kindOfPlain(byte, at, end) << 16))
        store<u32>(own, <u32>(end - zero), 12)
      }
      at = end
    }

    // After a value: close the containers that end here, up to the next value.
    while (true) {
      at = skipSpace(at)
      const next: u32 = load<u8>(at)
      at++
      if (next == COMMA) {
        at = skipSpace(at)
        break
      }
      if (next != load<u32>(frame, CLOSER)) return fail(at - 1, FAULT_SYNTAX)
      const closed: usize = load<u32>(frame, OWN)
      if (closed != 0) store<u32>(closed, <u32>(at - zero), 12)
      history = load<u32>(frame, HISTORY)
      frame -= FRAME_BYTES
      if (frame == FRAMES) {
        position = at
        if (load<u8>(skipSpace(at)) != LINE_FEED) return FAULT_SYNTAX
        if (load<u8>(start) != OPEN_OBJECT) return FAULT_NOT_OBJECT
        nextHit = hit
        return FAULT_NONE
      }
    }
  }
}

/** `{` or `[`, which differ in one bit. The code of the closing byte is 2 higher. */
@inline
function isOpening(byte: u32): bool {
  return (byte | 0x20) == OPEN_OBJECT
}

/** Scans a line that does not begin with an object or array. */
function scanScalar(start: usize): u32 {
  position = start
  const byte: u32 = load<u8>(start)
  const end = byte == QUOTE ? skipString(start) : skipPlain(start, byte)
  return end != 0 && load<u8>(skipSpace(end)) == LINE_FEED ? FAULT_NOT_OBJECT : FAULT_SYNTAX
}

/** The kind of a literal or number. */
@inline
function kindOfPlain(byte: u32, start: usize, end: usize): u32 {
  if (byte == LOWER_T) return KIND_TRUE
  if (byte == LOWER_F) return KIND_FALSE
  if (byte == LOWER_N) return KIND_NULL
  return isPlainNumber(start, end) ? KIND_NUMBER : KIND_UNUSUAL
}

@inline
function fail(at: usize, fault: u32): u32 {
  position = at
  return fault
}
