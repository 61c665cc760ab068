import type { DedupIndex } from '../dedup/dedup-index.ts'
import { ENTRY_BYTES, ENTRY_WORDS } from '../dedup/dedup-table.ts'
import { KeyList, wordsOf } from './day-keys.ts'
import type { Reservations } from './reservations.ts'
import type { DayKeys } from './shard.ts'

/** Looks the dedup keys of results up: in the index, and among those that shards have reserved. */
export class KeyJudge {
  readonly #index: DedupIndex | undefined
  readonly #reservations: Reservations

  /** Without an index, the pipeline does not deduplicate, and no result has keys. */
  constructor(index: DedupIndex | undefined, reservations: Reservations) {
    this.#index = index
    this.#reservations = reservations
  }

  async judge(keys: readonly DayKeys[], shard: number): Promise<Judged> {
    const judged = new Judged(keys)
    for (const [number, { day, entries }] of keys.entries()) {
      const words = wordsOf(entries)
      await this.#index?.lookUp(words, day, (at, content) => judged.take(number, at, content))
      this.#reservations.lookUp(words, day, shard, (at, content, owner) => {
        if (judged.take(number, at, content)) judged.owners.add(owner)
      })
    }
    this.#index?.endLookUp()
    return judged
  }
}

/** Which keys of a list are taken, and by whom. */
export class Judged {
  /** Shards that have reserved keys of the list and are not committed. */
  readonly owners = new Set<number>()
  readonly #keys: readonly DayKeys[]
  readonly #taken = new KeyList()
  /** For each day a mark for each entry that is taken. */
  readonly #marks: (Uint8Array | undefined)[] = []
  #count = 0

  constructor(keys: readonly DayKeys[]) {
    this.#keys = keys
  }

  get hasTaken(): boolean {
    return this.#count > 0
  }

  get hasFree(): boolean {
    return this.#keys.reduce((sum, { entries }) => sum + entries.length / ENTRY_BYTES, 0) > this.#count
  }

  /** Marks an entry as taken. @param content of the record that has the key. False if it was marked before. */
  take(number: number, at: number, content: number): boolean {
    const { day, entries } = this.#keys[number]
    const marks = (this.#marks[number] ??= new Uint8Array(entries.length / ENTRY_BYTES))
    const place = at / ENTRY_WORDS
    if (marks[place] === 1) return false
    marks[place] = 1
    this.#count++
    scratch.set(wordsOf(entries).subarray(at, at + 3))
    scratch[3] = content
    this.#taken.add(scratch, 0, day)
    return true
  }

  /** The taken keys, with the contents of the records that have them. */
  taken(): DayKeys[] {
    return this.#taken.keys()
  }

  /** The other keys. */
  free(): DayKeys[] {
    const free = new KeyList()
    for (const [number, { day, entries }] of this.#keys.entries()) {
      const words = wordsOf(entries)
      const marks = this.#marks[number]
      for (let at = 0; at < words.length; at += ENTRY_WORDS) {
        if (marks?.[at / ENTRY_WORDS] !== 1) free.add(words, at, day)
      }
    }
    return free.keys()
  }
}

const scratch = new Uint32Array(ENTRY_WORDS)
