import type { EpochCommit } from '../bus/events.ts'
import type { FreshnessStatus } from './snapshot.ts'

/** Up to which event time each source partition is read, by its committed position. */
export class Freshness {
  readonly #readUpTo = new Map<string, number>()

  commit(partitions: EpochCommit['partitions']): void {
    for (const { partition, readUpTo } of partitions) {
      if (readUpTo === undefined) continue
      if (this.#readUpTo.size < MOST_PARTITIONS || this.#readUpTo.has(partition))
        this.#readUpTo.set(partition, readUpTo)
    }
  }

  snapshot(now: number): FreshnessStatus {
    const worst: { partition: string; readUpToAt: number; seconds: number }[] = []
    for (const [partition, readUpToAt] of this.#readUpTo) {
      if (worst.length === WORST && readUpToAt >= worst[WORST - 1].readUpToAt) continue
      worst.push({ partition, readUpToAt, seconds: Math.max(0, now - readUpToAt) / 1000 })
      worst.sort((a, b) => a.readUpToAt - b.readUpToAt)
      worst.length = Math.min(worst.length, WORST)
    }
    return { partitions: this.#readUpTo.size, behind: worst }
  }
}

const WORST = 5
/** A bound of memory; more are not watched. */
const MOST_PARTITIONS = 10_000
