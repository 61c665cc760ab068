import type { Json } from '../../record/json/json.ts'
import type { Tally } from '../tally.ts'
import type {
  DedupBucketRow,
  ExportRow,
  LeaveOutFile,
  LocalRejectsChange,
  LocalRejectsRow,
  MovedRow,
  ObjectRow,
  PartitionRow,
  ReplicaRow,
} from './rows.ts'

/** Sets a source partition back. Without `to` it is read from its beginning. */
export interface Rewind {
  readonly partition: string
  readonly to?: PartitionRow | undefined
}

/** What `sluice state redirect` changes, in one transaction. */
export interface Redirect {
  /** Rows with their new type and destination. */
  readonly moved: readonly ObjectRow[]
  /** Rows whose objects are visible at the old destination. */
  readonly published: readonly ObjectRow[]
  /** In words. */
  readonly what: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A shard whose result an epoch commits. */
export interface ShardDone {
  /** Of the run. */
  readonly run: string
  readonly number: number
  /** See `StateReader.shardEnds`. */
  readonly ends: readonly (Json | null)[]
  readonly leaveOut?: LeaveOutFile | undefined
}

/** What `sluice state export` changes, in one transaction. */
export interface Move {
  readonly row: ExportRow
  readonly moved: readonly MovedRow[]
  /** What the state belongs to from now on; undefined if it is given away as a whole. */
  readonly replica?: ReplicaRow | undefined
  /** In words. */
  readonly what: string
}

/** What `sluice state import` changes, in one transaction. */
export interface Receipt {
  /** The export; undefined if one is given up as lost. */
  readonly row?: ExportRow | undefined
  readonly partitions: readonly PartitionRow[]
  readonly dedupBuckets: readonly DedupBucketRow[]
  readonly replica?: ReplicaRow | undefined
  /** In words. */
  readonly what: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What the export of a whole state has, apart from what every export has and from `State.restoreRows`. */
export interface Restored {
  /** Of the state that was exported. */
  readonly format: number
  readonly localRejects: readonly LocalRejectsRow[]
}

/** Everything that one epoch changes, in one transaction. */
export interface EpochChange {
  readonly epoch: number
  /** Milliseconds since 1970. */
  readonly committedAt: number
  /** Merged into the stored rows: absent fields keep their value. */
  readonly partitions: readonly PartitionRow[]
  readonly objects: readonly ObjectRow[]
  readonly dedupBuckets: readonly DedupBucketRow[]
  /** Names of dedup buckets to delete. */
  readonly expired: readonly string[]
  readonly tally: Tally
  readonly localRejects: LocalRejectsChange
  readonly shard?: ShardDone | undefined
}
