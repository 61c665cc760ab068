import type { ShardCounts } from '../delivery/shards/shard-commit.ts'
import type { ShardEvent } from '../delivery/shards/shard-commit-options.ts'
import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'
import type { SluiceError } from '../errors.ts'
import type { OfRun, ShardChange } from '../observe/bus/events.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { DispatchObserver } from './dispatch.ts'
import type { ShardProgress } from './executor.ts'

/** Publishes what happens to the shards of a parallel backfill. */
export class ShardEvents implements DispatchObserver {
  readonly #events: RunEvents
  readonly #counts: () => ShardCounts

  constructor(events: RunEvents, counts: () => ShardCounts) {
    this.#events = events
    this.#counts = counts
    if (events.wants('sluice:shard:plan')) events.publish('sluice:shard:plan', this.#now())
  }

  started({ shard, attempt }: ShardTask): void {
    this.#publish({ shard: shard.number, state: 'started', attempt, bytes: shard.bytes })
  }

  progress({ shard }: ShardTask, progress: ShardProgress): void {
    this.#events.publish('sluice:shard:progress', { shard: shard.number, ...progress })
  }

  ended({ shard, attempt }: ShardTask): void {
    this.#publish({ shard: shard.number, state: 'ended', attempt })
  }

  executed({ shard, attempt }: ShardTask, { tally, bytesIn, work }: ShardResult): void {
    if (work) this.#events.publish('sluice:shard:work', { shard: shard.number, ...work })
    const { read, written, duplicate, rejected } = tally
    const made = { read, written, duplicate, rejected }
    this.#publish({ shard: shard.number, state: 'executed', attempt, bytes: bytesIn, tally: made })
  }

  failedOnce({ shard, attempt }: ShardTask, { code, message }: SluiceError): void {
    this.#publish({ shard: shard.number, state: 'retried', attempt, code, reason: message })
  }

  /** Takes what the commit has to say. */
  observe(event: ShardEvent): void {
    const { shard } = event
    if (event.kind === 'committed') this.#publish({ shard, state: 'committed' })
    else if (event.kind === 'waits') this.#publish({ shard, state: 'waiting', others: event.for })
    else if (event.kind === 'again') this.#publish({ shard, state: 'again', reason: event.reason })
    else this.#publish({ shard, state: 'failed', code: event.error.code, reason: event.error.message })
  }

  #publish(change: Omit<ShardChange, keyof OfRun | 'counts'>): void {
    if (this.#events.wants('sluice:shard:change'))
      this.#events.publish('sluice:shard:change', { ...change, counts: this.#now() })
  }

  #now(): ShardChange['counts'] {
    const counts = this.#counts()
    return { ...counts, failed: counts.failed.length }
  }
}
