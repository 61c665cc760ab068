import type { EpochCommit, Events, StateOpen } from '../bus/events.ts'
import { WorkSums } from '../bus/work-sums.ts'
import { ClockSkew } from '../clock-skew.ts'
import { BoundedNames } from './bounded-names.ts'
import { CommittedCounts } from './committed-counts.ts'
import type { Labels, MetricRegistry } from './registry.ts'
import type { CounterName, GaugeName } from './table.ts'
import { WORK_COUNTERS, writeWork } from './work-counters.ts'

/** Reject codes, drop reasons and the like: of the configuration, but custom code may make up codes. */
const MOST_NAMES = 100

/** Takes the messages of one pipeline. See `METRICS` for what they become. */
export class PipelineMetrics {
  readonly #registry: MetricRegistry
  readonly #pipeline: string
  readonly #counts = new CommittedCounts()
  readonly #work = new WorkSums()
  readonly #partitions: BoundedNames
  readonly #reasons = new BoundedNames(MOST_NAMES)
  readonly #codes = new BoundedNames(MOST_NAMES)
  /** That have an outbox, or had one. */
  readonly #sinks = new Set<string>()
  /** Event times in milliseconds, by source partition. */
  readonly #readUpTo = new Map<string, number>()
  readonly #clockSkew = new ClockSkew()

  /** @param partitions how many have time series of their own */
  constructor(
    registry: MetricRegistry,
    { pipeline, partitions }: { readonly pipeline: string; readonly partitions: number },
  ) {
    this.#registry = registry
    this.#pipeline = pipeline
    this.#partitions = new BoundedNames(partitions)
  }

  started(): void {
    this.#set('sluice_run_active', 1)
    this.#set('sluice_run_start_timestamp_seconds', Date.now() / 1000)
  }

  ended(): void {
    this.#set('sluice_run_active', 0)
  }

  stateOpened(message: StateOpen): void {
    this.#counts.open(message)
    this.#set('sluice_last_commit_timestamp_seconds', inSeconds(message.committedAt))
    this.#readUpTo.clear()
    this.#takeContent(message)
    this.#add('sluice_commits_total', {}, 0)
  }

  committed(message: EpochCommit): void {
    this.#counts.add(message)
    this.#add('sluice_commits_total', {})
    this.#registry.observe('sluice_commit_seconds', this.#own(), message.milliseconds / 1000)
    this.#set('sluice_last_commit_timestamp_seconds', inSeconds(message.committedAt))
    this.#takeContent(message)
  }

  published({ sink, bytes, milliseconds, outbox }: Events['sluice:object:publish']): void {
    this.#add('sluice_sink_objects_total', { sink })
    this.#add('sluice_sink_bytes_total', { sink }, bytes)
    this.#registry.observe('sluice_object_bytes', this.#own({ sink }), bytes)
    this.#registry.observe('sluice_publish_seconds', this.#own({ sink }), milliseconds / 1000)
    this.#set('sluice_last_publish_timestamp_seconds', Date.now() / 1000, { sink })
    this.#takeOutbox(outbox)
  }

  publishFailed({ sink, code }: Events['sluice:object:retry']): void {
    this.#add('sluice_publish_retries_total', { sink, code })
  }

  requestSent(request: Events['sluice:source:request']): void {
    this.#add('sluice_source_requests_total', { status: String(request.status ?? 'none') })
    this.#registry.observe('sluice_source_request_seconds', this.#own(), request.milliseconds / 1000)
    this.#clockSkew.take(request)
  }

  requestFailed({ code }: Events['sluice:source:retry']): void {
    this.#add('sluice_source_retries_total', { code })
  }

  waited({ wait }: Events['sluice:source:wait']): void {
    this.#add('sluice_source_rate_limit_waits_total', {})
    this.#add('sluice_source_rate_limit_wait_seconds_total', {}, wait / 1000)
  }

  storeAnswered(request: Events['sluice:store:request']): void {
    const { stage, operation, status, milliseconds } = request
    this.#add('sluice_store_requests_total', { stage, operation, status: String(status ?? 'none') })
    this.#registry.observe('sluice_store_request_seconds', this.#own({ operation }), milliseconds / 1000)
    this.#clockSkew.take(request)
  }

  worked(work: Events['sluice:run:work'] | Events['sluice:shard:work']): void {
    this.#work.add(work, (partition) => this.#partitions.labelOf(partition))
  }

  /** Writes what is known of the state, and what changes with the clock. The metrics were cleared before. */
  refresh(): void {
    this.#writeCounts()
    writeWork(this.#work.sums, (name, labels, value) => this.#add(name, labels, value))
    const now = Date.now()
    const oldest = new Map<string, number>()
    for (const [partition, time] of this.#readUpTo) {
      const label = this.#partitions.labelOf(partition)
      oldest.set(label, Math.min(oldest.get(label) ?? Infinity, time))
    }
    for (const [partition, time] of oldest) {
      this.#set('sluice_source_read_up_to_timestamp_seconds', time / 1000, { partition })
      this.#set('sluice_freshness_seconds', (now - time) / 1000, { partition })
    }
    this.#set('sluice_clock_skew_seconds', this.#clockSkew.seconds)
  }

  #writeCounts(): void {
    const { totals } = this.#counts
    if (totals === undefined) return
    this.#add('sluice_records_read_total', {}, totals.read)
    this.#add('sluice_records_added_total', {}, totals.added)
    this.#add('sluice_records_written_total', {}, totals.written)
    this.#add('sluice_records_duplicate_total', {}, totals.duplicate)
    for (const [reason, count] of Object.entries(totals.dropped))
      this.#add('sluice_records_dropped_total', { reason: this.#reasons.labelOf(reason) }, count)
    for (const [code, count] of Object.entries(totals.rejects))
      this.#add('sluice_records_rejected_total', { code: this.#codes.labelOf(code) }, count)
    for (const [sink, count] of Object.entries(totals.sinks)) this.#add('sluice_sink_records_total', { sink }, count)
    this.#registry.lateness.setCounts(this.#pipeline, totals.late)
  }

  #takeContent({ partitions, outboxes, dedup, deadLetters }: StateOpen | EpochCommit): void {
    for (const { partition, readUpTo } of partitions)
      if (readUpTo !== undefined) this.#readUpTo.set(partition, readUpTo)
    for (const outbox of outboxes) this.#takeOutbox(outbox)
    // The pipeline had another sink before it was reloaded.
    const sinks = new Set(outboxes.map(({ sink }) => sink))
    for (const sink of this.#sinks) if (!sinks.has(sink)) this.#takeOutbox({ sink, objects: 0, bytes: 0, maxBytes: 0 })
    this.#set('sluice_dedup_keys', dedup?.keys)
    this.#set('sluice_dedup_memory_bytes', dedup?.bytes)
    this.#set('sluice_dedup_max_memory_bytes', dedup?.maxBytes)
    this.#set('sluice_rejects_bytes', deadLetters.bytes)
    this.#set('sluice_rejects_max_bytes', deadLetters.maxBytes)
  }

  #takeOutbox({ sink, objects, bytes, maxBytes }: StateOpen['outboxes'][number]): void {
    this.#sinks.add(sink)
    this.#set('sluice_outbox_objects', objects, { sink })
    this.#set('sluice_outbox_bytes', bytes, { sink })
    this.#set('sluice_outbox_max_bytes', maxBytes, { sink })
  }

  #add(name: CounterName, labels: Labels, value = 1): void {
    this.#registry.add(name, this.#own(labels), value)
  }

  #set(name: GaugeName, value: number | undefined, labels: Labels = {}): void {
    this.#registry.set(name, this.#own(labels), value)
  }

  #own(labels: Labels = {}): Labels {
    return { pipeline: this.#pipeline, ...labels }
  }
}

function inSeconds(milliseconds: number | undefined): number | undefined {
  return milliseconds === undefined ? undefined : milliseconds / 1000
}

/** Of the table, what `refresh` writes: it is cleared before. */
export const REFRESHED: readonly (CounterName | GaugeName)[] = [
  'sluice_records_read_total',
  'sluice_records_added_total',
  'sluice_records_written_total',
  'sluice_records_duplicate_total',
  'sluice_records_dropped_total',
  'sluice_records_rejected_total',
  'sluice_sink_records_total',
  'sluice_source_read_up_to_timestamp_seconds',
  'sluice_freshness_seconds',
  ...WORK_COUNTERS,
]
