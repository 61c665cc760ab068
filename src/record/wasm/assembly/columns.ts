import { HIT_BYTES } from './constants'
import { ACCEPT_BYTES, ACCEPT_COUNT, COLUMNS, HITS, MANY, MAX_CELLS, TOO_MANY } from './layout'

/** False if the columns of the index do not fit `COLUMNS`. */
export let columnsFit: bool = true

let accepts: usize = 0
let rowBytes: usize = 0
let row: usize = 0

export function beginColumns(sets: usize, paths: usize): void {
  columnsFit = true
  accepts = sets
  rowBytes = 4 * paths
  row = COLUMNS
}

/**
 * Fills the row of the next record from its hits. True if a path without wildcards occurs twice.
 */
export function fillColumns(firstHit: usize, hitsEnd: usize): bool {
  const end = row + rowBytes
  if (end > COLUMNS + 4 * MAX_CELLS) {
    columnsFit = false
    return false
  }
  // May write beyond the row: the next row is not filled yet.
  for (let cell = row; cell < end; cell += 16) v128.store(cell, i64x2.splat(0))
  let twice: u32 = 0
  for (let hit = firstHit; hit < hitsEnd; hit += HIT_BYTES) {
    const accept: usize = load<u16>(hit)
    const set = accepts + accept * ACCEPT_BYTES
    if (accept >= ACCEPT_COUNT || load<u16>(set) == TOO_MANY) {
      columnsFit = false
      return false
    }
    const number = <u32>((hit - HITS) / HIT_BYTES) + 1
    const last = set + 2 * load<u16>(set)
    for (let path = set + 2; path <= last; path += 2) {
      const id: u32 = load<u16>(path)
      const cell = row + 4 * <usize>(id & (MANY - 1))
      if (id < MANY) twice |= load<u32>(cell)
      store<u32>(cell, number)
    }
  }
  row = end
  return twice != 0
}
