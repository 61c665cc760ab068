import type { Report } from '../report.ts'

/**
 * What a run publishes on `node:diagnostics_channel`: the name of each channel, and its messages.
 * docs/events.md lists them. A later version may add channels and members; removing or changing one is
 * a breaking change. Messages are plain data without record content and without secrets. Times that a
 * member does not describe otherwise are milliseconds, moments are milliseconds since 1970.
 */
export interface Events {
  'sluice:run:start': RunStart
  'sluice:run:note': RunNote
  'sluice:run:work': RunWork
  'sluice:run:end': RunEnd
  'sluice:state:open': StateOpen
  'sluice:source:open': SourceOpen
  'sluice:source:chunk': SourceChunk
  'sluice:source:window': SourceWindow
  'sluice:source:page': SourcePage
  'sluice:source:request': SourceRequest
  'sluice:source:retry': SourceRetry
  'sluice:source:wait': SourceWait
  'sluice:store:request': StoreRequest
  'sluice:stage:batch': StageBatch
  'sluice:delivery:batch': DeliveryBatch
  'sluice:delivery:reject': DeliveryReject
  'sluice:delivery:late': DeliveryLate
  'sluice:epoch:open': EpochOpen
  'sluice:epoch:commit': EpochCommit
  'sluice:object:publish': ObjectPublish
  'sluice:object:retry': ObjectRetry
  'sluice:outbox:full': OutboxFull
  'sluice:outbox:free': OutboxFree
  'sluice:shard:plan': ShardPlan
  'sluice:shard:change': ShardChange
  'sluice:shard:progress': ShardProgress
  'sluice:shard:work': ShardWork
}

export type EventName = keyof Events

/** In each message: several pipelines may run in one process. */
export interface OfRun {
  /** Name of the pipeline. Empty in a note before a pipeline of streams is checked. */
  readonly pipeline: string
  /** Identifies the run: random, and new in each run. */
  readonly run: string
}

/** A run begins: its pipeline is checked. The messages of objects that an earlier run left follow. */
export interface RunStart extends OfRun {
  /** Version of the shapes of all messages. */
  readonly version: 1
  readonly source: StageName
  readonly transforms: readonly StageName[]
  readonly sinks: readonly SinkName[]
}

interface StageName {
  /** As in messages and reports: the type, or the type and a number. */
  readonly stage: string
  readonly type: string
}

interface SinkName extends StageName {
  /** As in `Report.sinks`. The dead-letter queue's own sink is `rejects`. */
  readonly sink: string
}

/**
 * A line of the log that no other message of the bus says. The log also has lines for retries, published
 * objects and others, which it makes of their messages.
 */
export interface RunNote extends OfRun {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error'
  /** As in docs/log.md: `rule.unmatched`. `component.note` is a line of custom code. */
  readonly code: string
  /** The stage that it is about, if it is about one. */
  readonly stage?: string | undefined
  /** The text, with the facts that belong into it. */
  readonly message: string
  readonly facts: { readonly [name: string]: string | number | boolean }
}

/** A run is over, and everything is closed. The last message of the run. */
export interface RunEnd extends OfRun {
  readonly outcome: Report['outcome']
  /** Why it failed. */
  readonly code?: string | undefined
  /** The same, for people. */
  readonly reason?: string | undefined
  readonly seconds: number
  /** Undefined if the state or the sinks could not be opened. */
  readonly report?: Report | undefined
}

/**
 * The state of a pipeline is open: what earlier runs have left in it. Later messages say what changes. A
 * stream sink has no state.
 */
export interface StateOpen extends OfRun, StateContent {
  /** Counts of all runs of the state, as in `sluice:epoch:commit`: added to them, they stay complete. */
  readonly totals: CommittedCounts & {
    /** Records by sink; `rejects` has the copies of rejects. */
    readonly sinks: { readonly [sink: string]: number }
  }
  /** The time of the last commit; undefined before the first. */
  readonly committedAt?: number | undefined
  /** Source partitions with a position, of those that the pipeline reads now. */
  readonly partitions: readonly CommittedPartition[]
}

/** What the state holds. */
interface StateContent {
  /** Objects that are committed and not published, by sink; `rejects` has the copies of rejects. */
  readonly outboxes: readonly OutboxContent[]
  /** Undefined without a `dedup`. */
  readonly dedup?: DedupContent | undefined
  /** The dead-letter queue in the state folder. */
  readonly deadLetters: DeadLetters
}

/** The outbox of a sink. */
interface OutboxContent {
  readonly sink: string
  readonly objects: number
  /** On the local disk: what a worker has staged at the store takes none. */
  readonly bytes: number
  /** The budget, at which reading stops. */
  readonly maxBytes: number
}

interface DedupContent {
  /** Committed keys, and marks of rejects. */
  readonly keys: number
  /** Of the keys in memory. */
  readonly bytes: number
  /** The budget, at which the run stops. */
  readonly maxBytes: number
}

interface DeadLetters {
  /** Without those that were replayed. */
  readonly records: number
  readonly bytes: number
  /** The budget, at which the oldest are deleted; undefined without one. */
  readonly maxBytes?: number | undefined
}

/** A source partition whose position is committed. */
interface CommittedPartition {
  readonly partition: string
  /** Event times, if the source knows them. */
  readonly readUpTo?: number | undefined
  readonly lowWatermark?: number | undefined
}

/** Reading begins. */
export interface SourceOpen extends OfRun {
  /** Bytes to read, if that is known. */
  readonly totalBytes?: number | undefined
  /** Event time at which a source partition without a position begins, if that is known. */
  readonly since?: number | undefined
}

/** A chunk was read. The sums over a run are `Report.read` and `Report.bytesIn`. */
export interface SourceChunk extends OfRun {
  /** As in the state: `jumpcloud:acme`. `written` and `rejects` are not from the source of the pipeline. */
  readonly partition: string
  /** Lines that do not parse included. */
  readonly records: number
  /** Before decompression. */
  readonly bytes: number
  /** True if the input ends within a record, which is left for the next run. */
  readonly unfinished: boolean
  /** How long the pipeline waited for it; undefined for records that a program writes. */
  readonly milliseconds?: number | undefined
  /** Event time at which this run began to read the partition, if the source knows it. */
  readonly readFrom?: number | undefined
  /** Event time up to which the partition is read, if the source knows it. Not committed yet. */
  readonly readUpTo?: number | undefined
  /** The oldest event time that the partition can still yield, if the source knows it. */
  readonly lowWatermark?: number | undefined
}

/** A source of time windows opens, completes or abandons a window. */
export interface SourceWindow extends OfRun {
  /** As in `sluice:source:chunk`. */
  readonly partition: string
  readonly state: 'open' | 'complete' | 'abandoned'
  /** First event time; undefined for a query without a time range. */
  readonly start?: number | undefined
  /** Last event time. */
  readonly end?: number | undefined
  /** The window includes the look-back. */
  readonly isLookBack: boolean
  /** Complete pages so far. */
  readonly pages: number
  /** Records of the complete pages. */
  readonly records: number
}

/** A page of an HTTP API was read to its end. */
export interface SourcePage extends OfRun {
  /** As in `sluice:source:chunk`. */
  readonly partition: string
  /** Number of the page within its window, from 1. */
  readonly page: number
  readonly records: number
  /** Of the response body, as it came. */
  readonly bytes: number
  readonly method: string
  /** Scheme, host and port. */
  readonly origin: string
  readonly status: number
  /** From the request to the end of the page, waits for later stages included. */
  readonly milliseconds: number
}

/**
 * A request of a source to an HTTP API, or to the endpoint of its access tokens, has ended: its response
 * is read, or it has failed.
 */
export interface SourceRequest extends OfRun {
  readonly method: string
  /** Scheme, host and port. Paths and queries may hold keys. */
  readonly origin: string
  /** Undefined without a response. */
  readonly status?: number | undefined
  /** `2xx` to `5xx`; `none` without a response. */
  readonly statusClass: string
  /** Of the response body, as it came. */
  readonly bytes: number
  /** From the request to the end of the response. */
  readonly milliseconds: number
  /** From the request to the headers of the response; undefined without a response. */
  readonly headersAfter?: number | undefined
  /**
   * How far our clock is ahead of the `date` of the response; negative if it is slow. Whole seconds, 0 up
   * to one. Undefined without a `date`.
   */
  readonly clockAhead?: number | undefined
}

/** A request of a source has failed and is sent again after a wait. */
export interface SourceRetry extends OfRun {
  /** As in `sluice:source:chunk`. */
  readonly partition: string
  /** An error code of Sluice. */
  readonly code: string
  readonly status?: number | undefined
  /** What has failed, for people. */
  readonly message?: string | undefined
  /** The attempt that has failed, from 1. */
  readonly attempt: number
  /** How many there are at most. */
  readonly attempts: number
  /** Until the next attempt. */
  readonly wait: number
  /** Who decides how long: `backoff` is ours. */
  readonly reason: 'backoff' | 'retry-after'
}

/** A source waits before its next request. */
export interface SourceWait extends OfRun {
  /** As in `sluice:source:chunk`. */
  readonly partition: string
  readonly reason: 'rate-limit'
  readonly wait: number
}

/**
 * A request of a source or sink to S3, or for its credentials, has ended: its response has begun, or it
 * has failed. Each attempt is one.
 */
export interface StoreRequest extends OfRun {
  /** Name of the source or sink, as in `sluice:run:start`. */
  readonly stage: string
  /** Name of the sink, or `rejects`; undefined for the source. */
  readonly sink?: string | undefined
  /** `PutObject`, `UploadPart`, `AssumeRole`. */
  readonly operation: string
  /** Scheme, host and port. The host may contain the name of the S3 bucket. */
  readonly origin: string
  /** Undefined without a response. */
  readonly status?: number | undefined
  /** `2xx` to `5xx`; `none` without a response. */
  readonly statusClass: string
  /** Of the store (`SlowDown`), of the system (`ECONNREFUSED`), or ours; `aborted` if the run ended it. */
  readonly code?: string | undefined
  /** Of the body. */
  readonly bytesSent: number
  /** Of the body, as its headers announce it. */
  readonly bytesReceived: number
  /** From the request to the headers of the response. */
  readonly milliseconds: number
  /** The same request was sent before, and has failed. */
  readonly isRetry: boolean
  /** As in `sluice:source:request`. */
  readonly clockAhead?: number | undefined
}

/** What a transform has done with a batch, or with several. */
interface StageWork {
  /** Live records before: `recordsIn + added = recordsOut + dropped + rejected`. */
  readonly recordsIn: number
  /** Live records after. */
  readonly recordsOut: number
  readonly added: number
  readonly dropped: number
  readonly rejected: number
  /** Of the lines that the batch holds, dropped ones included. Edits are written out by the delivery. */
  readonly bytesIn: number
  readonly bytesOut: number
  /** Waits included: of custom code for its promises, with `parallel` for a thread. */
  readonly milliseconds: number
}

/** A batch has passed a transform. */
export interface StageBatch extends OfRun, StageName, StageWork {
  /** Place in the pipeline file, from 0. */
  readonly position: number
  /** As in `sluice:source:chunk`. */
  readonly partition: string
}

/** A batch was deduplicated and written to the outbox, or to a stream sink. Not committed yet. */
export interface DeliveryBatch extends OfRun {
  /** As in `sluice:source:chunk`. */
  readonly partition: string
  /** Live records on arrival. */
  readonly records: number
  readonly written: number
  readonly duplicate: number
  /** Of the batch in all: by the transforms before, and by routes. */
  readonly dropped: number
  /** Of the batch in all, without those that were rejected in an earlier run. */
  readonly rejected: number
  readonly milliseconds: number
}

/** Records of a batch were rejected. Not committed yet. */
export interface DeliveryReject extends OfRun {
  readonly code: string
  /** The stage that rejected them; `source` for lines that do not parse. */
  readonly stage: string
  readonly records: number
}

/** Written records of a batch arrived after their time had been read. Not committed yet. */
export interface DeliveryLate extends OfRun {
  /** As in `Report.late`: `15m` is at most 15 minutes. */
  readonly delay: string
  readonly records: number
}

/** An epoch begins with its first batch; in a parallel backfill, when the result of a shard is committed. */
export interface EpochOpen extends OfRun {
  readonly epoch: number
  /** Number of the shard that is committed, in a parallel backfill. */
  readonly shard?: number | undefined
}

/** Counts of committed records. */
interface CommittedCounts {
  readonly read: number
  /** Made by transforms. */
  readonly added: number
  /** What several sinks get counts once. */
  readonly written: number
  readonly duplicate: number
  /** Duplicates whose content differs from the record that was written. */
  readonly duplicateDiffers: number
  readonly rejected: number
  /** By reason. */
  readonly dropped: { readonly [reason: string]: number }
  /** By code. */
  readonly rejects: { readonly [code: string]: number }
  /** By delay, see `sluice:delivery:late`. */
  readonly late: { readonly [delay: string]: number }
}

/**
 * An epoch is committed. The sums over a run are those of its report:
 * `read + added = written + dropped + duplicate + rejected`.
 */
export interface EpochCommit extends OfRun, CommittedCounts, StateContent {
  readonly epoch: number
  /** Number of the shard, in a parallel backfill. */
  readonly shard?: number | undefined
  /** As the state has it. */
  readonly committedAt: number
  /** Records, objects and bytes by sink, without those that got nothing. `rejects`: the copies of rejects. */
  readonly sinks: {
    readonly [sink: string]: { readonly records: number; readonly objects: number; readonly bytes: number }
  }
  /** Source partitions whose position was committed, with `readUpTo` and `lowWatermark` if they are known. */
  readonly partitions: readonly CommittedPartition[]
  /** Of the steps of the commit, without the files of the outbox. */
  readonly milliseconds: number
}

/** A committed object is published. */
export interface ObjectPublish extends OfRun {
  readonly sink: string
  readonly key: string
  readonly epoch: number
  readonly records: number
  readonly bytes: number
  /** Of this run. */
  readonly attempts: number
  /** An earlier run has committed it. */
  readonly isRecovered: boolean
  /** From the first attempt of this run, waits included. */
  readonly milliseconds: number
  /** The outbox of the sink, without the object. */
  readonly outbox: OutboxContent
}

/** An object could not be published; it is tried again after a wait. */
export interface ObjectRetry extends OfRun {
  readonly sink: string
  readonly key: string
  /** An error code of Sluice. */
  readonly code: string
  /** What has failed, for people. */
  readonly reason: string
  /** The attempt that has failed, from 1. There is no limit. */
  readonly attempt: number
  readonly wait: number
}

/** The outbox of a sink has reached its budget: reading stops. */
export interface OutboxFull extends OfRun {
  readonly sink: string
  readonly maxBytes: number
}

/** Every outbox has space again: reading continues. */
export interface OutboxFree extends OfRun {
  readonly sink: string
  /** Since it was full. */
  readonly milliseconds: number
}

/** The shards of a parallel backfill, by what became of them. */
interface ShardCounts {
  readonly shards: number
  /** To read, as stored. */
  readonly bytes: number
  readonly done: number
  readonly doneBytes: number
  /** Executions under way, and results that wait. */
  readonly executing: number
  readonly waiting: number
  readonly failed: number
}

/** The shards of a parallel backfill are planned, in this run or an earlier one. */
export interface ShardPlan extends OfRun, ShardCounts {}

/** Something has happened to a shard of a parallel backfill. */
export interface ShardChange extends OfRun {
  readonly shard: number
  /**
   * `ended`: an execution is over, in whatever way. `retried`: it has failed and is executed again.
   * `again`: its result could not be committed. `waiting`: for others that are committed first.
   */
  readonly state: 'started' | 'executed' | 'ended' | 'retried' | 'committed' | 'waiting' | 'again' | 'failed'
  readonly attempt?: number | undefined
  /** To read, as stored; once it is executed, what was read. */
  readonly bytes?: number | undefined
  /** What an execution has made, not committed yet. */
  readonly tally?:
    | { readonly read: number; readonly written: number; readonly duplicate: number; readonly rejected: number }
    | undefined
  /** Why it is executed again or has failed. */
  readonly code?: string | undefined
  readonly reason?: string | undefined
  readonly others?: readonly number[] | undefined
  /** Of all shards, now. */
  readonly counts: ShardCounts
}

/** What the execution of a shard has read so far. */
export interface ShardProgress extends OfRun {
  readonly shard: number
  /** A thread (`1`), or a machine and its thread (`host-7/1`). */
  readonly worker: string
  readonly records: number
  /** As stored. */
  readonly bytes: number
}

/** Sums of the chunks of a source partition. */
interface SourceSums {
  readonly partition: string
  readonly records: number
  readonly bytes: number
  readonly milliseconds: number
  /** As in `sluice:source:chunk`, of the first and the last chunk. */
  readonly readFrom?: number | undefined
  readonly readUpTo?: number | undefined
}

/** Sums of the batches that have passed a transform. */
interface StageSums extends StageWork {
  readonly stage: string
  readonly position: number
}

/**
 * What this thread has read, transformed and delivered since the last message of this kind. Published
 * several times a second while there is work, before each commit, and at the end of the run. It is enough for
 * sums and rates.
 */
export interface RunWork extends OfRun, Work {}

/**
 * An execution of a shard is over: the sums of what its thread, perhaps on another machine, has published.
 * Also of executions that are not committed. An execution that failed has none.
 */
export interface ShardWork extends OfRun, Work {
  readonly shard: number
}

interface Work {
  /** Sums of `sluice:source:chunk`, by source partition. */
  readonly sources: readonly SourceSums[]
  /** Sums of `sluice:stage:batch`, by stage. */
  readonly stages: readonly StageSums[]
  /** Sums of `sluice:delivery:batch`. */
  readonly delivery: { readonly records: number; readonly written: number; readonly milliseconds: number }
}
