import {
  COMMA,
  EDIT_DELETE,
  EDIT_KEEP,
  EDIT_SHADOWED,
  FIRST_TOKEN,
  HIT_BYTES,
  LINE_FEED,
  RANGE_BYTES,
  RETURN,
  SPACE,
  TAB,
  TOKEN_BYTES,
} from './constants'
import { COLUMNS, HITS, INPUT, OUTPUT, OUTPUT_BYTES, RECORDS, TOKENS } from './layout'
import { skipSpace } from './text'

/**
 * Writes ranges of records with their edits and a line feed behind each to `OUTPUT`, as `writeEdited` of edits.ts does, which is the one to read. The
 * ranges stand in `RECORDS`: start, end, first hit and the one behind the last. `INPUT` holds the bytes from `origin` on, `HITS` the hits and
 * `COLUMNS` their edits from `firstHit` on, `TOKENS` the tokens. Returns the length of what was written, 0 when it does not fit.
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
        if (out + (start - copied) + length > OUTPUT + OUTPUT_BYTES) return 0
        copy(copied, out, start - copied)
        out += start - copied
        copy(load<u32>(token), out, length)
        out += length
        copied = zero + load<u32>(place, 12)
        continue
      }
      // Neighbours that go together are settled together, so that the bytes before and behind them belong to survivors.
      const key = zero + load<u32>(place, 4)
      let end = zero + load<u32>(place, 12)
      let behind = skipSpace(end)
      while (load<u8>(behind) == COMMA) {
        const neighbour = findDeleted(hit + 1, last, firstHit, <u32>(skipSpace(behind + 1) - zero))
        if (neighbour == 0) break
        hit = neighbour
        place = HITS + (hit - firstHit) * HIT_BYTES
        end = zero + load<u32>(place, 12)
        behind = skipSpace(end)
      }
      let kept = key
      if (load<u8>(behind) == COMMA) {
        end = skipSpace(behind + 1)
      } else {
        const before = skipSpaceBack(key - 1)
        if (load<u8>(before) == COMMA) kept = before
      }
      if (out + (kept - copied) > OUTPUT + OUTPUT_BYTES) return 0
      copy(copied, out, kept - copied)
      out += kept - copied
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

/** Up to 15 bytes more are written: what comes next overwrites them. */
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
