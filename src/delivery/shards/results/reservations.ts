import { DedupTable, ENTRY_WORDS } from '../../dedup/dedup-table.ts'
import { wordsOf } from '../day-keys.ts'
import type { DayKeys } from '../shard.ts'

/**
 * Dedup keys that shards will write and have not committed: a shard whose result was in conflict keeps
 * its other keys, so that its next result cannot be. In memory only: after a restart, nothing is
 * reserved, and a result is looked up again in any case.
 *
 * Shards are in the order of their first conflict. A shard waits for earlier ones only, and takes keys
 * from later ones. So no two wait for each other, and the first one always gets ahead.
 */
export class Reservations {
  /** Keys, with places of `#owners` and `#contents` in place of contents. */
  #tables = new Map<number, DedupTable>()
  #owners = new Int32Array(FIRST)
  #contents = new Uint32Array(FIRST)
  #length = 0
  /** Keys of shards that have reserved any, by shard. */
  readonly #kept = new Map<number, number>()
  /** The place of each shard in the order. */
  readonly #order = new Map<number, number>()
  #next = 0

  /** The place of a shard in the order; a shard without one is after all others. */
  orderOf(shard: number): number {
    return this.#order.get(shard) ?? Infinity
  }

  /**
   * Looks up all entries of a day. Calls `found` for each one that this shard must leave to another:
   * with its place in `entries`, the content that the other one will write, and the other one.
   */
  lookUp(
    entries: Uint32Array,
    day: number,
    shard: number,
    found: (at: number, content: number, owner: number) => void,
  ): void {
    const table = this.#tables.get(day)
    if (!table) return
    const order = this.orderOf(shard)
    let ahead = 0
    for (let at = 0; at < entries.length; at += ENTRY_WORDS) {
      for (const end = Math.min(entries.length, at + AHEAD); ahead < end; ahead += ENTRY_WORDS) {
        table.prefetch(entries, ahead)
      }
      const place = table.find(entries, at)
      if (place < 0) continue
      const owner = this.#owners[place]
      const isEarlier = (this.#order.get(owner) ?? Infinity) < order
      if (owner !== shard && isEarlier) found(at, this.#contents[place], owner)
    }
  }

  /** Reserves keys for a shard. Later shards lose them. */
  add(keys: readonly DayKeys[], shard: number): void {
    if (!this.#order.has(shard)) this.#order.set(shard, this.#next++)
    let added = 0
    for (const { day, entries } of keys) {
      const words = wordsOf(entries)
      for (let at = 0; at < words.length; at += ENTRY_WORDS) this.#put(words, at, day, shard)
      added += words.length / ENTRY_WORDS
    }
    this.#kept.set(shard, (this.#kept.get(shard) ?? 0) + added)
  }

  /** Gives up what a shard has reserved: it is committed, or has failed. */
  release(shard: number): void {
    this.#order.delete(shard)
    this.#kept.delete(shard)
    const kept = [...this.#kept.values()].reduce((sum, count) => sum + count, 0)
    if (kept === 0 || this.#length - kept > Math.max(FIRST, kept)) this.#forgetReleased()
  }

  #put(entries: Uint32Array, at: number, day: number, shard: number): void {
    let table = this.#tables.get(day)
    if (!table) this.#tables.set(day, (table = new DedupTable()))
    let place = table.find(entries, at)
    if (place < 0) {
      place = this.#length++
      if (place === this.#owners.length) this.#grow()
      scratch[0] = entries[at]
      scratch[1] = entries[at + 1]
      scratch[2] = entries[at + 2]
      scratch[3] = place
      table.add(scratch, 0)
    }
    this.#owners[place] = shard
    this.#contents[place] = entries[at + 3]
  }

  #grow(): void {
    const owners = new Int32Array(2 * this.#owners.length)
    owners.set(this.#owners)
    this.#owners = owners
    const contents = new Uint32Array(2 * this.#contents.length)
    contents.set(this.#contents)
    this.#contents = contents
  }

  /** Makes the tables again, with the keys of shards that still reserve them. */
  #forgetReleased(): void {
    const [tables, owners, contents] = [this.#tables, this.#owners, this.#contents]
    this.#tables = new Map()
    this.#owners = new Int32Array(FIRST)
    this.#contents = new Uint32Array(FIRST)
    this.#length = 0
    if (this.#order.size === 0) return
    const entry = new Uint32Array(ENTRY_WORDS)
    for (const [day, table] of tables) {
      for (const entries of table.pending()) {
        for (let at = 0; at < entries.length; at += ENTRY_WORDS) {
          const place = entries[at + 3]
          if (!this.#order.has(owners[place])) continue
          entry[0] = entries[at]
          entry[1] = entries[at + 1]
          entry[2] = entries[at + 2]
          entry[3] = contents[place]
          this.#put(entry, 0, day, owners[place])
        }
      }
    }
  }
}

/** Words of the entries that are prefetched before they are used. */
const AHEAD = 32 * ENTRY_WORDS
/** Places at first. */
const FIRST = 1 << 16
const scratch = new Uint32Array(ENTRY_WORDS)
