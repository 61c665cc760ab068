import type { DedupIndex } from '../../dedup/dedup-index.ts'
import { ENTRY_WORDS } from '../../dedup/dedup-table.ts'
import { bytesOf, wordsOf } from '../day-keys.ts'
import type { Reservations } from './reservations.ts'
import type { DayKeys } from '../shard.ts'

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
    for (const one of judged.days) {
      await this.#index?.lookUp(one.words, one.day, (at, content) => one.take(at, content))
      this.#reservations.lookUp(one.words, one.day, shard, (at, content, owner) => {
        if (one.take(at, content)) judged.owners.add(owner)
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
  readonly days: readonly JudgedDay[]

  constructor(keys: readonly DayKeys[]) {
    this.days = keys.map((one) => new JudgedDay(one))
  }

  get hasTaken(): boolean {
    return this.days.some(({ taken }) => taken > 0)
  }

  get hasFree(): boolean {
    return this.days.some(({ taken, words }) => taken < words.length / ENTRY_WORDS)
  }

  /** The taken keys, with the contents of the records that have them. */
  taken(): DayKeys[] {
    return this.days.filter(({ taken }) => taken > 0).map((one) => one.select(1))
  }

  /** The other keys. */
  free(): DayKeys[] {
    return this.days.filter(({ taken, words }) => taken < words.length / ENTRY_WORDS).map((one) => one.select(0))
  }
}

class JudgedDay {
  readonly day: number
  readonly words: Uint32Array
  taken = 0
  /** 1 for each entry that is taken; empty while none is. */
  #marks = new Uint8Array()
  /** For each entry that is taken, the content of the record that has its key. */
  #contents = new Uint32Array()

  constructor({ day, entries }: DayKeys) {
    this.day = day
    this.words = wordsOf(entries)
  }

  /** Marks the entry at a place of `words`. False if it is marked. */
  take(at: number, content: number): boolean {
    const entry = at / ENTRY_WORDS
    if (this.taken === 0) {
      this.#marks = new Uint8Array(this.words.length / ENTRY_WORDS)
      this.#contents = new Uint32Array(this.words.length / ENTRY_WORDS)
    }
    if (this.#marks[entry] === 1) return false
    this.#marks[entry] = 1
    this.#contents[entry] = content
    this.taken++
    return true
  }

  /** The entries that are taken (1), with the contents that are known, or the others (0). */
  select(mark: 0 | 1): DayKeys {
    const { words } = this
    const count = mark === 1 ? this.taken : words.length / ENTRY_WORDS - this.taken
    const selected = new Uint32Array(count * ENTRY_WORDS)
    let to = 0
    for (let entry = 0; entry < words.length / ENTRY_WORDS; entry++) {
      if ((this.#marks[entry] ?? 0) !== mark) continue
      const at = entry * ENTRY_WORDS
      selected[to++] = words[at]
      selected[to++] = words[at + 1]
      selected[to++] = words[at + 2]
      selected[to++] = mark === 1 ? this.#contents[entry] : words[at + 3]
    }
    return { day: this.day, entries: bytesOf(selected) }
  }
}
