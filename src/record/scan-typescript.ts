import { isUtf8 } from 'node:buffer'
import { ACCEPT_MASK, DEAD, START } from './paths/automaton.ts'
import type { Automaton } from './paths/automaton.ts'
import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  DOT,
  LINE_FEED,
  LOWER_A,
  LOWER_E,
  LOWER_F,
  LOWER_L,
  LOWER_N,
  LOWER_R,
  LOWER_S,
  LOWER_T,
  LOWER_U,
  MINUS,
  NINE,
  OPEN_ARRAY,
  OPEN_OBJECT,
  PLUS,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
  ZERO,
} from './json/ascii.ts'
import { MIN_WATCHED_BYTES } from './paths/needles.ts'
import type { Needles } from './paths/needles.ts'
import { isLongInteger, MIN_TRAIT_BYTES, Trait, traitsIn } from './paths/traits.ts'
import type { KeyTable } from './paths/key-table.ts'
import { isPlainNumber } from './json/number.ts'
import {
  defaultLimits,
  LineFault,
  fillColumns,
  HIT_STRIDE,
  ValueKind,
  MAX_HITS,
  MAX_RECORDS,
  numberLines,
  RECORD_STRIDE,
} from './record-index.ts'
import type { RecordIndex, ScanTask } from './record-index.ts'

/** By byte: 1 if the byte stands for itself in a string. */
const PLAIN = new Uint8Array(256).fill(1, SPACE)
PLAIN[QUOTE] = 0
PLAIN[BACKSLASH] = 0

/** By byte: 1 if it may follow a backslash, except `u`. */
const ESCAPE = new Uint8Array(256)
for (const byte of Buffer.from('"\\/bfnrt')) ESCAPE[byte] = 1

/**
 * Work space for results, which are copied out at their final size. A scan that needs more
 * allocates more, and does not keep it.
 */
const recordSpace = new Uint32Array((MAX_RECORDS + 1) * RECORD_STRIDE)
const hitSpace = new Uint32Array(MAX_HITS * HIT_STRIDE)
let frameSpace = new Int32Array(2 * defaultLimits.maxDepth)

/**
 * The scanner in TypeScript: the reference for the scanner in WebAssembly, and its fallback. With
 * `complete`, a record that overflows the automaton is a faulty record; without, the scan stops
 * before it.
 */
export function scanLines(task: ScanTask, automaton: Automaton, complete = false): RecordIndex {
  const { bytes, limits, utf8, maxRecords, maxHits } = task
  const scanner = new LineScanner(bytes, automaton, limits.maxDepth)
  let records = recordSpace
  let count = 0
  let lines = 0
  let at = 0
  while (at < bytes.length && count < maxRecords) {
    const line = at
    const start = skipSpace(bytes, at)
    if (bytes[start] === LINE_FEED) {
      at = start + 1
      lines++
      continue
    }
    const firstHit = scanner.hitCount
    const end = scanner.scan(start)
    let fault = scanner.fault
    at = bytes.indexOf(LINE_FEED, end)
    let lineEnd = at
    while (bytes[lineEnd - 1] === RETURN) lineEnd--
    if (lineEnd - line > limits.maxLine) fault = LineFault.length
    else if (!utf8 && !isUtf8(bytes.subarray(line, at))) fault = LineFault.utf8
    else if (automaton.full && complete) fault = LineFault.complex
    if ((scanner.hitCount > maxHits && count > 0) || (automaton.full && !complete)) {
      at = line
      scanner.hitCount = firstHit
      break
    }
    const record = RECORD_STRIDE * count++
    if (record + RECORD_STRIDE === records.length) records = doubled(records)
    records[record + 2] = firstHit
    records[record + 3] = fault
    if (fault === LineFault.none) {
      records[record] = start
      records[record + 1] = end
    } else {
      scanner.hitCount = firstHit
      records[record] = line
      records[record + 1] = lineEnd
    }
    at++
    lines++
  }

  const sentinel = RECORD_STRIDE * count
  records.set([at, at, scanner.hitCount, LineFault.none], sentinel)
  const index: RecordIndex = {
    count,
    pathCount: automaton.pathCount,
    records: records.slice(0, sentinel + RECORD_STRIDE),
    hits: scanner.hits.slice(0, scanner.hitCount * HIT_STRIDE),
    columns: new Uint32Array(count * automaton.pathCount),
    accepts: automaton.accepts,
    scanned: at,
    lines,
    lineNumbers: undefined,
  }
  if (lines > count) index.lineNumbers = numberLines(bytes, index)
  fillColumns(index, automaton.plain)
  return index
}

/**
 * Scans one line per call. It does not loop over the lines itself: V8 would enter such a long loop
 * in the interpreter for each batch. No rule of the grammar accepts a line feed, so no read goes
 * beyond the line.
 */
class LineScanner {
  hits = hitSpace
  hitCount = 0
  /** `LineFault` of the last line. */
  fault: number = LineFault.none
  readonly #bytes: Buffer
  readonly #automaton: Automaton
  readonly #table: KeyTable
  readonly #needles: Needles | undefined
  readonly #traits: number
  readonly #maxDepth: number
  /** Two numbers per open container: its state << 1 | 1 if it is an object, and its hit or -1. */
  readonly #frames: Int32Array

  constructor(bytes: Buffer, automaton: Automaton, maxDepth: number) {
    this.#bytes = bytes
    this.#automaton = automaton
    this.#table = automaton.table
    this.#needles = automaton.needles
    this.#traits = automaton.traits
    this.#maxDepth = maxDepth
    if (frameSpace.length < 2 * maxDepth) frameSpace = new Int32Array(2 * maxDepth)
    this.#frames = frameSpace
  }

  /**
   * Scans the value at `start`, which must be the only value of its line. Returns the end of the
   * value, or a position within a faulty line.
   */
  scan(start: number): number {
    const bytes = this.#bytes
    const table = this.#table
    const needles = this.#needles
    const traits = this.#traits
    const frames = this.#frames
    const maxDepth = this.#maxDepth
    let hits = this.hits
    let hitCount = this.hitCount
    let fault: number = LineFault.syntax
    let at = start
    let byte = bytes[at]
    let depth = 0
    let state = DEAD
    let isObject = false
    let transition = byte === OPEN_OBJECT ? START << 16 : DEAD
    let key = at

    // One iteration per value. Every `break` is a fault, except the one at the end.
    values: for (;;) {
      if (isObject) {
        if (byte !== QUOTE) break
        key = at
        const close = skipString(bytes, at)
        if (close === 0) break
        at = close < 0 ? -close : close
        transition = state === DEAD ? DEAD : table.lookup(bytes, state, key + 1, at - 1)
        byte = bytes[at]
        if (byte <= SPACE) byte = bytes[(at = skipSpace(bytes, at))]
        if (byte !== COLON) break
        byte = bytes[++at]
        if (byte <= SPACE) byte = bytes[(at = skipSpace(bytes, at))]
      } else if (depth > 0) {
        key = at
        transition = state === DEAD ? DEAD : this.#automaton.stepElement(state)
      }

      let accept = transition & ACCEPT_MASK
      let hit = -1
      if (accept !== 0) {
        hit = HIT_STRIDE * hitCount++
        if (hit === hits.length) hits = this.hits = doubled(hits)
        hits[hit + 1] = key
        hits[hit + 2] = at
      }

      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
        if (depth === maxDepth) {
          fault = LineFault.depth
          break
        }
        frames[2 * depth] = (state << 1) | (isObject ? 1 : 0)
        frames[2 * depth + 1] = hit
        depth++
        state = transition >> 16
        isObject = byte === OPEN_OBJECT
        if (hit >= 0) hits[hit] = accept | ((isObject ? ValueKind.object : ValueKind.array) << 16)
        byte = bytes[++at]
        if (byte <= SPACE) byte = bytes[(at = skipSpace(bytes, at))]
        if (byte !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) continue
      } else {
        let kind: number
        if (byte === QUOTE) {
          const close = skipString(bytes, at)
          if (close === 0) break
          kind = close < 0 ? ValueKind.escaped : ValueKind.string
          const end = close < 0 ? -close : close
          const isLong = needles !== undefined && end - 2 - at >= MIN_WATCHED_BYTES
          if (isLong && needles.isWatched(bytes, at + 1, end - 1, close < 0)) {
            accept = this.#automaton.watchedSet(accept)
          }
          if (traits !== 0 && end - 2 - at >= MIN_TRAIT_BYTES && traitsIn(bytes, at + 1, end - 1, traits) !== 0) {
            accept = this.#automaton.traitSet(accept)
          }
          if (hit < 0 && accept !== 0) {
            hit = HIT_STRIDE * hitCount++
            if (hit === hits.length) hits = this.hits = doubled(hits)
            hits[hit + 1] = key
            hits[hit + 2] = at
          }
          at = end
        } else if (byte === LOWER_T) {
          if (bytes[at + 1] !== LOWER_R || bytes[at + 2] !== LOWER_U || bytes[at + 3] !== LOWER_E) break
          kind = ValueKind.true
          at += 4
        } else if (byte === LOWER_F) {
          if (bytes[at + 1] !== LOWER_A || bytes[at + 2] !== LOWER_L || bytes[at + 3] !== LOWER_S) break
          if (bytes[at + 4] !== LOWER_E) break
          kind = ValueKind.false
          at += 5
        } else if (byte === LOWER_N) {
          if (bytes[at + 1] !== LOWER_U || bytes[at + 2] !== LOWER_L || bytes[at + 3] !== LOWER_L) break
          kind = ValueKind.null
          at += 4
        } else {
          const close = skipNumber(bytes, at)
          if (close === 0) break
          if ((traits & Trait.digits) !== 0 && isLongInteger(bytes, at, close)) {
            accept = this.#automaton.traitSet(accept)
            if (hit < 0) {
              hit = HIT_STRIDE * hitCount++
              if (hit === hits.length) hits = this.hits = doubled(hits)
              hits[hit + 1] = key
              hits[hit + 2] = at
            }
          }
          kind = hit < 0 || isPlainNumber(bytes, at, close) ? ValueKind.number : ValueKind.unusual
          at = close
        }
        if (hit >= 0) {
          hits[hit] = accept | (kind << 16)
          hits[hit + 3] = at
        }
        byte = bytes[at]
        if (byte <= SPACE && depth > 0) byte = bytes[(at = skipSpace(bytes, at))]
      }

      // After a value: close the containers that end here, up to the next value.
      while (depth > 0) {
        if (byte === COMMA) {
          byte = bytes[++at]
          if (byte <= SPACE) byte = bytes[(at = skipSpace(bytes, at))]
          continue values
        }
        if (byte !== (isObject ? CLOSE_OBJECT : CLOSE_ARRAY)) break values
        at++
        depth--
        const opened = frames[2 * depth + 1]
        if (opened >= 0) hits[opened + 3] = at
        state = frames[2 * depth] >> 1
        isObject = (frames[2 * depth] & 1) !== 0
        byte = bytes[at]
        if (byte <= SPACE && depth > 0) byte = bytes[(at = skipSpace(bytes, at))]
      }
      if (bytes[skipSpace(bytes, at)] === LINE_FEED)
        fault = bytes[start] === OPEN_OBJECT ? LineFault.none : LineFault.notObject
      break
    }
    this.hitCount = hitCount
    this.fault = fault
    return at
  }
}

/** The position of the first byte that is not whitespace. */
function skipSpace(bytes: Buffer, at: number): number {
  let byte = bytes[at]
  while (byte === SPACE || byte === TAB || byte === RETURN) byte = bytes[++at]
  return at
}

/** The end of the string at `start`, negative if it has escapes, 0 if it is not a valid string. */
function skipString(bytes: Buffer, start: number): number {
  let at = start + 1
  let byte: number
  let escaped = false
  for (;;) {
    // Four bytes per iteration make the whole scan 20 % faster.
    while (
      PLAIN[(byte = bytes[at])] === 1 &&
      PLAIN[(byte = bytes[++at])] === 1 &&
      PLAIN[(byte = bytes[++at])] === 1 &&
      PLAIN[(byte = bytes[++at])] === 1
    ) {
      at++
    }
    if (byte === QUOTE) return escaped ? -at - 1 : at + 1
    if (byte !== BACKSLASH) return 0
    escaped = true
    const letter = bytes[at + 1]
    if (letter === LOWER_U) {
      if (!isHex(bytes[at + 2]) || !isHex(bytes[at + 3]) || !isHex(bytes[at + 4]) || !isHex(bytes[at + 5])) return 0
      at += 6
    } else {
      if (ESCAPE[letter] !== 1) return 0
      at += 2
    }
  }
}

/** The end of the number at `start`, 0 if it is not a valid number. */
function skipNumber(bytes: Buffer, start: number): number {
  let at = start
  if (bytes[at] === MINUS) at++
  if (bytes[at] === ZERO) at++
  else if ((at = skipDigits(bytes, at)) === 0) return 0
  if (bytes[at] === DOT && (at = skipDigits(bytes, at + 1)) === 0) return 0
  if ((bytes[at] | 0x20) !== LOWER_E) return at
  at++
  if (bytes[at] === PLUS || bytes[at] === MINUS) at++
  return skipDigits(bytes, at)
}

/** The end of the digits at `start`, 0 if there is no digit. */
function skipDigits(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] >= ZERO && bytes[at] <= NINE) at++
  return at === start ? 0 : at
}

function isHex(byte: number): boolean {
  return (byte >= ZERO && byte <= NINE) || ((byte | 0x20) >= LOWER_A && (byte | 0x20) <= LOWER_F)
}

function doubled(space: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * space.length)
  larger.set(space)
  return larger
}
