import type { TimesRead } from '../read-times.ts'
import type { Report } from '../report.ts'

/**
 * What a run does, as plain JSON: `sluice top --json` prints it, the live view draws it. Times are
 * milliseconds since 1970 where a name ends in `At`; rates and shares are those of the last seconds
 * (`windowSeconds`). Lists are bounded. New members may come; `version` rises if one is changed or removed.
 */
export interface StatusSnapshot {
  readonly version: 1
  readonly pipeline: string
  readonly run: string
  readonly pid: number
  readonly host: string
  readonly takenAt: number
  readonly startedAt: number
  /**
   * `starting`: opens the state and publishes what an earlier run left. `waiting`: every outbox must
   * have space again before more is read.
   */
  readonly state: 'starting' | 'reading' | 'waiting' | 'stopping' | 'ended'
  /** At the end of the run. */
  readonly outcome?: Report['outcome'] | undefined
  readonly code?: string | undefined
  /** Seconds over which rates and shares are measured; 0 before there are two measurements. */
  readonly windowSeconds: number
  /** What was read in this run, committed or not. */
  readonly read: ReadStatus
  /** The source, the transforms in their order, and the delivery. */
  readonly stages: readonly StageStatus[]
  /** The stage that the others wait for; absent while nothing is measured. */
  readonly bottleneck?: Bottleneck | undefined
  /** Committed in this run: `read + added = written + dropped + duplicate + rejected`. */
  readonly ledger: LedgerStatus
  /** Rejected records by code, the most frequent codes. */
  readonly rejects: { readonly [code: string]: number }
  readonly commits: {
    readonly count: number
    readonly lastAt?: number | undefined
    readonly lastMilliseconds?: number | undefined
  }
  readonly freshness: FreshnessStatus
  /** The dedup keys in memory, and their budget; absent without a `dedup`. */
  readonly dedup?: { readonly keys: number; readonly bytes: number; readonly maxBytes: number } | undefined
  /** The dead-letter queue in the state folder; `maxBytes`: at which the oldest are deleted. Absent without a state. */
  readonly deadLetters?:
    { readonly records: number; readonly bytes: number; readonly maxBytes?: number | undefined } | undefined
  /** To an HTTP API and for its tokens, in this run; absent before the first one. */
  readonly requests?: RequestsStatus | undefined
  /** How far our clock is ahead of that of the API or the store, in whole seconds; absent if none has sent its time. */
  readonly clockAheadSeconds?: number | undefined
  readonly sinks: readonly SinkStatus[]
  /** The last published objects, the latest first. */
  readonly objects: readonly PublishedObject[]
  /** The last lines of the log with the level `warn` or `error`, the latest first. */
  readonly notes: readonly StatusNote[]
  /** Of a parallel backfill. */
  readonly shards?: ShardsStatus | undefined
}

interface ReadStatus extends Partial<TimesRead> {
  readonly records: number
  /** As stored, before decompression. */
  readonly bytes: number
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
  /** If the source knows it. */
  readonly totalBytes?: number | undefined
  readonly secondsLeft?: number | undefined
}

export interface StageStatus {
  readonly stage: string
  readonly type: string
  readonly kind: 'source' | 'transform' | 'delivery'
  /** That have arrived; of the source, that were read. */
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
  /**
   * Share of the time that the stage took, 0 to 1, waits for its own work included. Of the source:
   * all the time in which no other stage was at work.
   */
  readonly share: number
}

export interface Bottleneck {
  readonly stage: string
  readonly reason: 'work' | 'network' | 'rate-limit' | 'retry' | 'outbox' | 'input'
  readonly share: number
}

export interface LedgerStatus {
  readonly read: number
  readonly added: number
  readonly written: number
  readonly dropped: number
  readonly duplicate: number
  readonly rejected: number
}

export interface FreshnessStatus {
  /** How many source partitions say up to which event time they are read. */
  readonly partitions: number
  /** The ones that are furthest behind, the worst first. Committed positions. */
  readonly behind: readonly { readonly partition: string; readonly readUpToAt: number; readonly seconds: number }[]
}

export interface RequestsStatus {
  readonly count: number
  /** Those without a response, or with another status than 2xx, 304 and 429. */
  readonly failed: number
}

export interface SinkStatus {
  readonly sink: string
  readonly type: string
  /** Committed in this run. */
  readonly records: number
  readonly objects: number
  readonly bytes: number
  /** Published in this run, those of earlier runs included. */
  readonly published: { readonly objects: number; readonly bytes: number }
  /** In the outbox. */
  readonly waiting: { readonly objects: number; readonly bytes: number }
  readonly isFull: boolean
  /** The budget of the outbox, at which reading stops. */
  readonly maxBytes?: number | undefined
  /** Since the last object was published: attempts that failed, and why the last one did. */
  readonly retries: number
  readonly code?: string | undefined
}

export interface PublishedObject {
  readonly at: number
  readonly sink: string
  readonly key: string
  readonly records: number
  readonly bytes: number
}

export interface StatusNote {
  readonly at: number
  readonly message: string
}

export interface ShardsStatus {
  readonly shards: number
  readonly done: number
  readonly executing: number
  readonly waiting: number
  readonly failed: number
  readonly bytes: number
  readonly doneBytes: number
  /** What was read of the shards that are executed now. */
  readonly partialBytes: number
  readonly bytesPerSecond: number
  readonly secondsLeft?: number | undefined
  /** Executions under way, as far as they report. */
  readonly executions: readonly {
    readonly shard: number
    readonly worker: string
    readonly records: number
    readonly bytes: number
  }[]
}
