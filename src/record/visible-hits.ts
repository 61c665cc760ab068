import { OPEN_OBJECT } from './json/ascii.ts'
import { eachMember, readName } from './json/walk.ts'
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
 * Only objects around the hits are looked at, and of these only members after a hit have to be
 * compared. So it needs no flag of the scanner, which knows duplicates of plain paths only.
 */
export function visibleHits(record: HitRecord, found: readonly number[]): number[] {
  const visible: number[] = []
  collect(record, record.start, found, visible)
  return visible
}

/** A member or element that is a hit or contains hits. */
interface Holder {
  readonly value: number
  readonly found: readonly number[]
}

function collect(record: HitRecord, start: number, found: readonly number[], visible: number[]): void {
  const { bytes, hits } = record
  const isObject = bytes[start] === OPEN_OBJECT
  const holders = new Map<string | number, Holder>()
  let next = 0
  eachMember(bytes, start, (key, value, end) => {
    const first = next
    while (next < found.length && hits[HIT_STRIDE * found[next] + 2] < end) next++
    if (next === first && (holders.size === 0 || !isObject)) return
    const name = isObject ? readName(bytes, key) : key
    if (next > first) {
      // Last in the order of the map, too.
      holders.delete(name)
      holders.set(name, { value, found: found.slice(first, next) })
    } else if (holders.has(name) && !record.isDeleted(value)) holders.delete(name)
  })
  for (const { value, found: inside } of holders.values()) {
    const isHit = hits[HIT_STRIDE * inside[0] + 2] === value
    if (isHit) visible.push(inside[0])
    if (!isHit || inside.length > 1) collect(record, value, isHit ? inside.slice(1) : inside, visible)
  }
}
