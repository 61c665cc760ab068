import type { SourcePart } from '../../component.ts'
import type { Events, OfRun } from '../../observe/bus/events.ts'
import type { DamagedInput } from '../../observe/report.ts'
import type { Json } from '../../record/json/json.ts'
import type { ObjectRow } from '../state/rows.ts'
import type { Tally } from '../tally.ts'

/** One unit of parallel work. JSON, without secrets: it is stored, and sent to workers. */
export interface Shard {
  /** From 0, in reading order. */
  readonly number: number
  /** In reading order. Parts of one source partition are consecutive, over all shards of a plan. */
  readonly parts: readonly SourcePart[]
  /** Of all parts. */
  readonly bytes: number
}

/** A frozen plan that the state keeps until all of its shards are committed and published. */
export interface ShardRun {
  /** 8 random hex digits. */
  readonly id: string
  /** Number of the parallel backfill over the life of the state, from 1. Part of object names. */
  readonly number: number
  /** Milliseconds since 1970. Times in object keys come from it, so that each execution gives the same keys. */
  readonly createdAt: number
  /** Number of shards. */
  readonly shards: number
  /** Of all parts of all shards. */
  readonly bytes: number
  /** Digest of the source's configuration and inputs: a run with another one is refused. */
  readonly source: string
}

/** One execution of a shard, as an executor gets it. */
export interface ShardTask {
  /** `ShardRun.id` */
  readonly run: string
  /** `ShardRun.number` */
  readonly runNumber: number
  /** `ShardRun.createdAt` */
  readonly createdAt: number
  readonly shard: Shard
  /** From 1. Two executions of a shard that write into one folder never have the same. */
  readonly attempt: number
  /** Dedup keys that this execution must treat as duplicates, see `encodeKeys`. */
  readonly leaveOut?: Uint8Array
}

/**
 * An object whose bytes are final, and which no reader of the store sees. Its bytes are in `file`, a
 * name in the outbox of the coordinator, or `staged` at the store (the handle of `ObjectSink.stage`).
 */
export type StagedObject = Omit<ObjectRow, 'epoch' | 'resumeToken' | 'shard'>

/** Dedup keys of one day: keys of written records, and marks of rejects. No two are equal. */
export interface DayKeys {
  /** Days since 1970, or `NO_DEDUP_BUCKET`. */
  readonly day: number
  /** 16 bytes each: 96 bits of key, 32 of content. */
  readonly entries: Uint8Array
}

/** What the delivery of an executor knows of a shard when its source has ended. */
export interface ShardOutput {
  readonly objects: readonly StagedObject[]
  readonly keys: readonly DayKeys[]
  readonly tally: Tally
  /** Lines of the dead-letter queue, whose ids the coordinator fills in. */
  readonly rejects: Uint8Array
  /** With a `rejects` sink: the key partitions of these lines, for consecutive ones together. */
  readonly rejectKeys?: readonly { readonly key: string; readonly lines: number }[]
  /** Positions of source partitions that no part of the shard belongs to. */
  readonly positions: readonly { readonly partition: string; readonly position: Json }[]
  /** Digest of the leave-out list of the execution; absent if it had none. */
  readonly leftOut?: string
}

/** The result of one execution. */
export interface ShardResult extends ShardOutput {
  /** `ShardRun.id` */
  readonly run: string
  readonly shard: number
  readonly attempt: number
  /** Bytes that were read, as they are stored. */
  readonly bytesIn: number
  /** Inputs that end within a record. */
  readonly unfinished: number
  readonly rules: readonly { readonly stage: string; readonly rule: string; readonly matches: number }[]
  /** See `Report.counts`. */
  readonly counts?: readonly { readonly stage: string; readonly counts: { readonly [name: string]: number } }[]
  /** Causes of rejects of custom code, see `Report.error`. */
  readonly causes?: readonly string[]
  /** Position of the last chunk of each part; undefined where none had one. */
  readonly ends: readonly (Json | undefined)[]
  readonly damaged: readonly DamagedInput[]
  /** What the execution has published, in sums; absent in a result that an earlier version has made. */
  readonly work?: Omit<Events['sluice:shard:work'], keyof OfRun | 'shard'>
}
