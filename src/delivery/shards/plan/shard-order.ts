import { ENTRY_BYTES } from '../../dedup/dedup-table.ts'
import type { DayKeys } from '../shard.ts'

/** A shard to begin. */
interface Begun {
  readonly shard: number
  /** Committed keys that its records may repeat. */
  readonly neighbours: readonly DayKeys[]
}

/**
 * The order in which the shards of a plan are begun.
 *
 * Records are repeated near each other most of all, so on both sides of a border between two shards. A
 * shard is therefore begun when the one before it is committed, if possible, and leaves its last keys
 * out from the start: otherwise it would have to be executed twice. Each worker follows such a chain.
 * A new chain begins in the middle of the longest row of shards that nobody has begun.
 */
export class ShardOrder {
  readonly #shards: number
  readonly #isOpen: (shard: number) => boolean
  /** Shards to begin before all others. */
  readonly #first: number[]
  /** The last keys of the shard before, by the shard that continues a chain. */
  readonly #chains = new Map<number, readonly DayKeys[]>()
  /** All shards before it were begun. */
  #cursor = 0

  /** @param isOpen true for a shard that nobody has begun */
  constructor(shards: number, first: readonly number[], isOpen: (shard: number) => boolean) {
    this.#shards = shards
    this.#first = [...first]
    this.#isOpen = isOpen
  }

  /** True if there are shards that nobody has begun. */
  get hasOpen(): boolean {
    while (this.#cursor < this.#shards && !this.#isOpen(this.#cursor)) this.#cursor++
    return this.#cursor < this.#shards
  }

  /** The next shard, which counts as begun. @param begun number of shards that are under way */
  next(begun: number): Begun | undefined {
    for (let first = this.#first.shift(); first !== undefined; first = this.#first.shift()) {
      if (this.#isOpen(first)) return this.#take(first)
    }
    for (const shard of this.#chains.keys()) {
      if (this.#isOpen(shard)) return this.#take(shard)
      this.#chains.delete(shard)
    }
    if (!this.hasOpen) return undefined
    return this.#take(begun < MAX_CHAINS ? this.#startOfChain() : this.#cursor)
  }

  /** @param keys of the records that it has written, in order of arrival */
  committed(shard: number, keys: readonly DayKeys[]): void {
    const next = shard + 1
    if (keys.length === 0 || this.#chains.size >= MAX_CHAINS || next >= this.#shards || !this.#isOpen(next)) return
    // A copy: the memory of all keys can be freed.
    const last = keys.map(({ day, entries }) => ({ day, entries: entries.slice(-NEAR * ENTRY_BYTES) }))
    this.#chains.set(next, last)
  }

  #take(shard: number): Begun {
    const neighbours = this.#chains.get(shard) ?? []
    this.#chains.delete(shard)
    return { shard, neighbours }
  }

  #startOfChain(): number {
    let [best, length] = [this.#cursor, 0]
    for (let start = this.#cursor; start < this.#shards; start++) {
      let end = start
      while (end < this.#shards && this.#isOpen(end)) end++
      if (end - start > length) [best, length] = [start, end - start]
      start = end
    }
    // The shard before the row is under way: it is about to continue into the first half.
    return best === 0 ? best : best + (length >> 1)
  }
}

/** More executions at once are those of a queue, which are all begun before the first one is committed. */
const MAX_CHAINS = 16
/** Keys of each day that count as near: 1 MiB. */
const NEAR = 65_536
