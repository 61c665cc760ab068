import { SluiceError } from '../../errors.ts'
import { DedupTable, ENTRY_WORDS, Found } from '../dedup/dedup-table.ts'
import type { DedupKeys } from '../dedup/deduplicate.ts'
import { decodeKeys, KeyList, wordsOf } from './day-keys.ts'
import type { DayKeys } from './shard.ts'

/**
 * The dedup keys of one execution of a shard: those that it must leave out, and those that it adds.
 * As in the index of a state, a record is looked up among the keys of its day only.
 */
export class ShardKeys implements DedupKeys {
  readonly #tables = new Map<number, DedupTable>()
  readonly #added = new KeyList()

  /** @param leaveOut see `encodeKeys` */
  constructor(leaveOut: Uint8Array | undefined) {
    for (const { day, entries } of leaveOut ? decodeKeys(leaveOut) : []) {
      const words = wordsOf(entries)
      const table = this.#table(day, words.length / ENTRY_WORDS)
      for (let at = 0; at < words.length; at += ENTRY_WORDS) table.add(words, at)
    }
  }

  prefetch(entries: Uint32Array, at: number, day: number): void {
    this.#tables.get(day)?.prefetch(entries, at)
  }

  add(entries: Uint32Array, at: number, day: number): number {
    const found = (this.#tables.get(day) ?? this.#table(day)).add(entries, at)
    if (found === Found.new) this.#added.add(entries, at, day)
    return found
  }

  /** The keys that were added. */
  added(): DayKeys[] {
    return this.#added.keys()
  }

  /** @throws SluiceError DEDUP_MEMORY if the keys take more memory than the budget */
  checkMemory({ stage, memory }: { readonly stage: string; readonly memory: number }): void {
    const bytes = [...this.#tables.values()].reduce((sum, table) => sum + table.bytes, this.#added.bytes)
    if (bytes <= memory) return
    throw new SluiceError(
      'DEDUP_MEMORY',
      `the dedup keys of one shard need more than the ${Math.round(memory / (1 << 20))} MiB of ${stage}: raise its \`memory\``,
      {
        hint: 'start the same command again with more; or cancel the backfill with `sluice runs cancel`, and start it again with a smaller --shard-size',
      },
    )
  }

  #table(day: number, expected = 0): DedupTable {
    const table = this.#tables.get(day) ?? new DedupTable(expected)
    this.#tables.set(day, table)
    return table
  }
}
