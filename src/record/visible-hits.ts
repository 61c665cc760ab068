import { CLOSE_ARRAY, CLOSE_OBJECT, COMMA, OPEN_ARRAY, OPEN_OBJECT } from './json/ascii.ts'
import { readName, skipSpace, skipString, skipValue } from './json/walk.ts'
import { HIT_STRIDE } from './record-index.ts'

/** A record with hits in it. */
export interface HitRecord {
  readonly bytes: Buffer
  /** Where the record begins in `bytes`. */
  readonly start: number
  /** As in `RecordIndex`. */
  readonly hits: Uint32Array
  /** Whether the member whose value begins here is deleted. */
  isDeleted(start: number): boolean
}

/**
 * Returns those of the hits that JSON.parse would keep: of duplicate keys the last one wins, at
 * every level around a value. A deleted member hides nothing. `found` is in document order.
 *
 * One pass over the record, which ends at the last hit and the objects around it. It needs no flag
 * of the scanner, which knows duplicates of plain paths only.
 */
export function visibleHits(record: HitRecord, found: readonly number[]): number[] {
  const walk = new Walk(record, found)
  walk.visit(record.start)
  return walk.visible.filter((hit) => hit !== HIDDEN)
}

const HIDDEN = -1

class Walk {
  /** The hits so far; `HIDDEN` for those in a member that a later one replaces. */
  readonly visible: number[] = []
  readonly #record: HitRecord
  readonly #found: readonly number[]
  #next = 0

  constructor(record: HitRecord, found: readonly number[]) {
    this.#record = record
    this.#found = found
  }

  /** Visits the value that begins here. Returns its end. */
  visit(start: number): number {
    const { bytes, hits } = this.#record
    if (this.#next < this.#found.length && hits[HIT_STRIDE * this.#found[this.#next] + 2] === start) {
      this.visible.push(this.#found[this.#next++])
    }
    const isContainer = bytes[start] === OPEN_OBJECT || bytes[start] === OPEN_ARRAY
    return isContainer && this.#next < this.#found.length ? this.#visitInside(start) : skipValue(bytes, start)
  }

  #visitInside(start: number): number {
    const { bytes } = this.#record
    const isObject = bytes[start] === OPEN_OBJECT
    /** Where the hits of a member begin and end in `visible`, by its name. */
    const members = new Map<string, readonly [number, number]>()
    let at = skipSpace(bytes, start + 1)
    while (bytes[at] !== CLOSE_OBJECT && bytes[at] !== CLOSE_ARRAY) {
      const key = at
      if (isObject) at = skipSpace(bytes, skipSpace(bytes, skipString(bytes, at)) + 1)
      const first = this.visible.length
      const value = at
      at = skipSpace(bytes, this.visit(at))
      if (isObject) this.#replace(members, key, value, first)
      if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1)
    }
    return at + 1
  }

  /** Hides an earlier member of the same name. */
  #replace(members: Map<string, readonly [number, number]>, key: number, value: number, first: number): void {
    const end = this.visible.length
    if (first === end && members.size === 0) return
    const name = readName(this.#record.bytes, key)
    const before = members.get(name)
    if (before !== undefined && !(first === end && this.#record.isDeleted(value))) {
      this.visible.fill(HIDDEN, ...before)
      members.delete(name)
    }
    if (first < end) members.set(name, [first, end])
  }
}
