import {
  COMMA,
  EDIT_DELETE,
  EDIT_KEEP,
  EDIT_SHADOWED,
  FIRST_TOKEN,
  HIT_BYTES,
  LINE_FEED,
  OPEN_ARRAY,
  OPEN_OBJECT,
  RANGE_BYTES,
  RETURN,
  SPACE,
  TAB,
  TOKEN_BYTES,
} from './constants'
import { COLUMNS, HITS, INPUT, OUTPUT, OUTPUT_BYTES, RECORDS, TOKENS } from './layout'
import { skipSpace } from './text'

/**
 * Writes ranges of records with their edits to `OUTPUT`, each followed by a line feed.
 * `writeEdited` of `src/record/edits.ts` is the reference.
 *
 * `RECORDS` has the ranges: start, end, first hit, and the hit after the last. `INPUT` has the
 * bytes from `origin` on; `HITS` has the hits and `COLUMNS` their edits, both from `firstHit` on;
 * `TOKENS` has the tokens. Returns the number of bytes written, 0 if they do not fit.
 */
export function writeRanges(count: u32, origin: usize, firstHit: usize): usize {
  const zero = INPUT - origin
  let out = OUTPUT
  for (let number: usize = 0; number < count; number++) {
    const range = RECORDS + number * RANGE_BYTES
    const to = zero + load<u32>(range, 4)
    const last: usize = load<u32>(range, 12)
    let copied: usize = zero + load<u32>(range)
    for (let hit: usize = load<u32>(range, 8); hit < last; hit++) {
      const edit = load<u32>(COLUMNS + ((hit - firstHit) << 2))
      if (edit == EDIT_KEEP || edit == EDIT_SHADOWED) continue
      let place = HITS + (hit - firstHit) * HIT_BYTES
      const start = zero + load<u32>(place, 8)
      // Inside a value that was replaced or deleted.
      if (start < copied) continue
      if (edit != EDIT_DELETE) {
        const token = TOKENS + <usize>(edit - FIRST_TOKEN) * TOKEN_BYTES
        const length: usize = load<u32>(token, 4)
        if (out + (start - copied) + 1 + length > OUTPUT + OUTPUT_BYTES) return 0
        copy(copied, out, start - copied)
        out += start - copied
        copied = zero + load<u32>(place, 12)
        // New members at the end of an object.
        if (copied == start) {
          const before: u32 = load<u8>(skipSpaceBack(out - 1))
          if (before != OPEN_OBJECT && before != OPEN_ARRAY) {
            store<u8>(out, <u8>COMMA)
            out++
          }
        }
        copy(load<u32>(token), out, length)
        out += length
        continue
      }
      // Delete neighbouring deleted members in one step, so that the commas around them belong to
      // members that stay.
      const key = zero + load<u32>(place, 4)
      let end = zero + load<u32>(place, 12)
      let next = skipSpace(end)
      while (load<u8>(next) == COMMA) {
        const neighbour = findDeleted(hit + 1, last, firstHit, <u32>(skipSpace(next + 1) - zero))
        if (neighbour == 0) break
        hit = neighbour
        place = HITS + (hit - firstHit) * HIT_BYTES
        end = zero + load<u32>(place, 12)
        next = skipSpace(end)
      }
      let keptEnd = key
      if (load<u8>(next) == COMMA) {
        end = skipSpace(next + 1)
      } else {
        const before = skipSpaceBack(key - 1)
        if (load<u8>(before) == COMMA) keptEnd = before
      }
      if (out + (keptEnd - copied) > OUTPUT + OUTPUT_BYTES) return 0
      copy(copied, out, keptEnd - copied)
      out += keptEnd - copied
      copied = end
    }
    if (out + (to - copied) + 1 > OUTPUT + OUTPUT_BYTES) return 0
    copy(copied, out, to - copied)
    out += to - copied
    store<u8>(out, <u8>LINE_FEED)
    out++
  }
  return out - OUTPUT
}

/** Writes up to 15 bytes too many; the next write overwrites them. */
@inline
function copy(from: usize, to: usize, length: usize): void {
  for (let at: usize = 0; at < length; at += 16) v128.store(to + at, v128.load(from + at))
}

function skipSpaceBack(start: usize): usize {
  let at = start
  while (true) {
    const byte: u32 = load<u8>(at)
    if (byte != SPACE && byte != TAB && byte != RETURN) return at
    at--
  }
}

/** The deleted hit whose member begins at `key`, or 0. */
function findDeleted(first: usize, last: usize, firstHit: usize, key: u32): usize {
  let hit = first
  let place = HITS + (hit - firstHit) * HIT_BYTES
  while (hit < last && load<u32>(place, 4) < key) {
    hit++
    place += HIT_BYTES
  }
  if (hit == last || load<u32>(place, 4) != key) return 0
  return load<u32>(COLUMNS + ((hit - firstHit) << 2)) == EDIT_DELETE ? hit : 0
}
