import { Edit, FIRST_TOKEN, RANGE_STRIDE } from './edits.ts'
import type { Edited } from './edits.ts'
import { HIT_STRIDE, RECORD_STRIDE } from './record-index.ts'
import type { Tokens } from './tokens.ts'

/**
 * New members of a batch's records: an edit for a place without bytes, at the end of an object. They
 * are no hits, so no stage sees them before the lines are written.
 */
export class Inserts {
  /** By record: 1 + number of its first insert in document order, 0 for none. */
  readonly #first: Uint32Array
  #next: Uint32Array
  #at: Uint32Array
  #edits: Uint32Array
  #count = 0

  constructor(count: number) {
    this.#first = new Uint32Array(count)
    this.#next = new Uint32Array(2 * count)
    this.#at = new Uint32Array(2 * count)
    this.#edits = new Uint32Array(2 * count)
  }

  /**
   * Adds members to a record. Of several inserts at the same place the first one comes first.
   * @param at the end of the last member in the bytes, or of the brace if there is no member
   */
  add(record: number, at: number, edit: number): void {
    let before = 0
    let after = this.#first[record]
    while (after !== 0 && this.#at[after - 1] <= at) {
      before = after
      after = this.#next[after - 1]
    }
    if (this.#count === this.#next.length) this.#grow()
    this.#next[this.#count] = after
    this.#at[this.#count] = at
    this.#edits[this.#count] = edit
    const number = ++this.#count
    if (before === 0) this.#first[record] = number
    else this.#next[before - 1] = number
  }

  has(record: number): boolean {
    return this.#first[record] !== 0
  }

  /** An upper bound for the bytes that the inserts add to a record. */
  growthOf(record: number, tokens: Tokens): number {
    let growth = 0
    for (let insert = this.#first[record]; insert !== 0; insert = this.#next[insert - 1])
      growth += tokens.lengthOf(this.#edits[insert - 1] - FIRST_TOKEN) + 1
    return growth
  }

  /**
   * Merges the inserts into the edits of records, which the ranges cover in this order. Only hits
   * with an edit remain: writing needs no others.
   * @param list the records of all ranges
   * @returns the ranges refer to the new hits. Valid until the next call.
   */
  merge(
    { bytes, hits, edits, tokens }: Edited,
    ranges: Uint32Array,
    records: Uint32Array,
    list: ArrayLike<number>,
  ): { readonly edited: Edited; readonly ranges: Uint32Array } {
    const most = countHits(ranges) + this.#count
    if (hitSpace.length < HIT_STRIDE * most) hitSpace = new Uint32Array(2 * HIT_STRIDE * most)
    if (editSpace.length < most) editSpace = new Uint32Array(2 * most)
    const newHits = hitSpace
    const newEdits = editSpace
    const newRanges = ranges.slice()
    let count = 0
    let next = 0
    for (let range = 0; range < ranges.length; range += RANGE_STRIDE) {
      newRanges[range + 2] = count
      const end = ranges[range + 1]
      let more = true
      while (more) {
        const record = list[next++]
        let hit = records[RECORD_STRIDE * record + 2]
        const last = records[RECORD_STRIDE * (record + 1) + 2]
        for (let insert = this.#first[record]; insert !== 0; insert = this.#next[insert - 1]) {
          const at = this.#at[insert - 1]
          for (; hit < last && hits[HIT_STRIDE * hit + 2] < at; hit++) if (isWritten(edits[hit])) keep(hit)
          newEdits[count] = this.#edits[insert - 1]
          newHits[HIT_STRIDE * count + 1] = at
          newHits[HIT_STRIDE * count + 2] = at
          newHits[HIT_STRIDE * count + 3] = at
          count++
        }
        for (; hit < last; hit++) if (isWritten(edits[hit])) keep(hit)
        more = records[RECORD_STRIDE * record + 1] < end
      }
      newRanges[range + 3] = count
    }
    return {
      edited: { bytes, hits: newHits.subarray(0, HIT_STRIDE * count), edits: newEdits, tokens },
      ranges: newRanges,
    }

    function keep(hit: number): void {
      newEdits[count] = edits[hit]
      const from = HIT_STRIDE * hit
      const to = HIT_STRIDE * count++
      newHits[to + 1] = hits[from + 1]
      newHits[to + 2] = hits[from + 2]
      newHits[to + 3] = hits[from + 3]
    }
  }

  #grow(): void {
    this.#next = doubled(this.#next)
    this.#at = doubled(this.#at)
    this.#edits = doubled(this.#edits)
  }
}

function doubled(numbers: Uint32Array): Uint32Array {
  const larger = new Uint32Array(2 * numbers.length)
  larger.set(numbers)
  return larger
}

/** Used again for each batch: new memory for the hits costs more than the merge. */
let hitSpace = new Uint32Array(0)
let editSpace = new Uint32Array(0)

function isWritten(edit: number): boolean {
  return edit !== Edit.keep && edit !== Edit.shadowed
}

function countHits(ranges: Uint32Array): number {
  let hits = 0
  for (let range = 0; range < ranges.length; range += RANGE_STRIDE) hits += ranges[range + 3] - ranges[range + 2]
  return hits
}
