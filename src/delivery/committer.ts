import type { PartitionRow, ObjectRow } from './state/rows.ts'
import type { DedupIndex } from './dedup/dedup-index.ts'
import { dedupFolder } from './dedup/dedup-index.ts'
import type { Delivery } from './delivery.ts'
import { publishCommit } from './delivery-events.ts'
import { budgetsOf, contentOf, publishState } from './state-content.ts'
import { outboxFolder } from './open-epoch.ts'
import type { EpochParts } from './open-epoch.ts'
import { FirstConnection } from './outbox/first-connection.ts'
import { Publisher } from './outbox/publisher.ts'
import type { PublisherOptions } from './outbox/publisher.ts'
import type { LocalRejects } from './rejects/local-rejects.ts'
import { rejectsFolder } from './rejects/local-rejects.ts'
import type { ShardDone } from './state/state-changes.ts'
import { reportSinks } from './report-sinks.ts'
import { addTally, emptyTally } from './tally.ts'
import type { Tally } from './tally.ts'

export interface CommitParts extends EpochParts {
  readonly index: DedupIndex | undefined
  readonly localRejects: LocalRejects
}

/** An epoch whose files are complete and synced. */
export interface FinishedEpoch {
  readonly number: number
  readonly objects: readonly Omit<ObjectRow, 'epoch'>[]
  readonly partitions: readonly PartitionRow[]
  /** The oldest event time that a source partition can still yield. `-Infinity`: no dedup key ever expires. */
  readonly oldest: number
  readonly tally: Tally
  readonly shard?: ShardDone | undefined
}

/**
 * Makes epochs durable and publishes their objects: the steps of the comment in `commit.ts`, in their
 * order, for the batches of a source (`ObjectCommit`) and for the results of shards (`ShardCommit`).
 */
export class Committer {
  readonly publisher: Publisher
  readonly connection: FirstConnection
  readonly #parts: CommitParts
  readonly #firstEpoch: number
  #tally = emptyTally()
  #epochs = 0
  #totals: ReturnType<Delivery['totals']> | undefined

  constructor(parts: CommitParts, callbacks: Pick<PublisherOptions, 'failed' | 'gone' | 'retired'>) {
    const { options, files, state, targets, now } = parts
    const { pipeline, note, events, connectTimeout } = options
    this.#parts = parts
    this.#firstEpoch = state.nextEpoch
    const folder = outboxFolder(options.folder)
    const patience = (options.drainTimeouts ?? DRAIN_TIMEOUTS).interrupted
    this.publisher = new Publisher({
      folder,
      files,
      state,
      pipeline,
      sinks: targets,
      budgets: budgetsOf(options),
      patience,
      now,
      note,
      events,
      ...callbacks,
    })
    const refused = callbacks.failed
    this.connection = new FirstConnection({ state, targets, note, timeout: connectTimeout, refused })
  }

  /**
   * Steps 1 to 5, without the files of the outbox. Dedup keys that were added to the index, and rejects
   * that were added to the local ones, belong to the epoch.
   */
  async commit({ number, objects, partitions, oldest, tally, shard }: FinishedEpoch): Promise<void> {
    const { options, files, state, index, localRejects, now } = this.#parts
    const { events } = options
    const started = events?.wants('sluice:epoch:commit') === true ? performance.now() : undefined
    const committedAt = now()
    let milliseconds: number | undefined
    const rejectsChange = await localRejects.finish(committedAt)
    const dedup = (await index?.write({ permanent: oldest === -Infinity })) ?? { rows: [], created: false }
    if (objects.some(({ file }) => file !== undefined)) await files.fsyncFolder(outboxFolder(options.folder))
    if (rejectsChange.created) await files.fsyncFolder(rejectsFolder(options.folder))
    if (dedup.created) await files.fsyncFolder(dedupFolder(options.folder))

    const rows = objects.map((object) => ({ ...object, epoch: number }))
    if (partitions.length > 0 || tally.read + tally.added > 0 || shard) {
      const expired = index?.expired(oldest) ?? []
      const change = { epoch: number, committedAt, partitions, objects: rows, expired, tally, shard }
      await state.commit({ ...change, dedupBuckets: dedup.rows, localRejects: rejectsChange })
      this.#epochs++
      await localRejects.committed(rejectsChange)
      if (rejectsChange.evicted > 0) options.note('rejects.evicted', { records: rejectsChange.evicted })
      await index?.committed(dedup.rows, expired)
      if (started !== undefined) milliseconds = performance.now() - started
    }
    this.#tally = addTally(this.#tally, tally)
    this.publisher.add(rows)
    if (events === undefined || milliseconds === undefined) return
    const content = contentOf(this.#parts, this.publisher)
    publishCommit(events, { number, objects, partitions, tally, shard, options, committedAt, content, milliseconds })
  }

  /** Publishes what the state holds. */
  publishState(): void {
    publishState(this.#parts, this.publisher)
  }

  /** What this process has committed. After `close`, as it was at that time. */
  totals(): ReturnType<Delivery['totals']> {
    if (this.#totals) return this.#totals
    const { options, state } = this.#parts
    const objects = state.sinkObjects(this.#firstEpoch)
    const bytesOut = objects.reduce((sum, { bytes }) => sum + bytes, 0)
    const waiting = state.objects()
    const total = (what: 'records' | 'bytes') => waiting.reduce((sum, row) => sum + row[what], 0)
    const unpublished = { objects: waiting.length, records: total('records'), bytes: total('bytes') }
    const sinks = reportSinks(options.sinks, this.#tally, { objects, waiting })
    return { ...this.#tally, sinks, bytesOut, epochs: this.#epochs, objects, unpublished }
  }

  /** Waits for the store at the end of a run, see `Publisher.drain`. */
  drain(isInterrupted: boolean): Promise<void> {
    const { drainTimeouts = DRAIN_TIMEOUTS, stopping } = this.#parts.options
    return this.publisher.drain(drainTimeouts, { isInterrupted, stopping })
  }

  /** Ends requests that are under way. */
  async stop(): Promise<void> {
    this.connection.stop()
    await this.publisher.stop()
  }

  /** Call this after `stop`. */
  async close(): Promise<void> {
    const { localRejects, state, targets } = this.#parts
    await localRejects.abandon()
    this.#totals = this.totals()
    await state.close()
    for (const { sink } of targets) await sink.close?.()
  }
}

const DRAIN_TIMEOUTS = { done: 120_000, interrupted: 20_000 }
