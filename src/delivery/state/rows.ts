import type { JsonObject, Json } from '../../record/json/json.ts'
import type { Fingerprint } from './fingerprint.ts'

/**
 * A committed file that is not published yet. It has everything that its upload needs except
 * credentials, so that a later edit of the YAML cannot send the object elsewhere.
 */
export interface ObjectRow {
  readonly epoch: number
  /** Number of the file in its epoch, over all sinks, from 0. */
  readonly part: number
  /** Of the sink that the object is for. */
  readonly role: Role
  /** Name of the sink that the object is for, see `sinkNameOf`. */
  readonly sink?: string
  /** Type of the component that can publish the object. */
  readonly type: string
  /** Name of the file in the outbox. Absent if the object is staged at the store. */
  readonly file?: string
  /**
   * Where the bytes are if they are not in the outbox: the handle of `ObjectSink.stage`. `null`: what
   * was staged does not exist any more, and the shard is executed again.
   */
  readonly staged?: Json
  /** The shard of the unfinished parallel backfill that the object comes from. */
  readonly shard?: number
  readonly key: string
  readonly destination: JsonObject
  readonly bytes: number
  readonly records: number
  readonly sha256: string
  readonly compression: 'none' | 'gzip' | 'zstd'
  /**
   * Saved by an earlier attempt, for example the ids of multipart uploads that the next attempt must
   * abort.
   */
  readonly resumeToken?: Json
}

type Role = 'sink' | 'rejects'

/** The name of the sink of a pipeline file with `sink` in place of `sinks`. */
export const ONLY_SINK = 'sink'

/** The name of the `rejects` sink. No other sink may have it. */
export const REJECTS = 'rejects'

/** The name of the sink that an object is for. Rows of `ONLY_SINK` and `REJECTS` do not have it. */
export function sinkNameOf({ role, sink = ONLY_SINK }: Pick<ObjectRow, 'role' | 'sink'>): string {
  return role === 'rejects' ? REJECTS : sink
}

/** How a row names its sink, see `sinkNameOf`. */
export function sinkRowOf(name: string): Pick<ObjectRow, 'role' | 'sink'> {
  if (name === REJECTS) return { role: 'rejects' }
  return { role: 'sink', ...(name !== ONLY_SINK && { sink: name }) }
}

/** A published object. Never changed; removed only by `sluice state compact --keep`, see `ForgottenRow`. */
export interface HistoryRow extends Omit<ObjectRow, 'file' | 'staged' | 'shard' | 'resumeToken'> {
  /** Milliseconds since 1970. */
  readonly publishedAt: number
}

/** Published objects whose rows were removed. */
export interface ForgottenRow {
  /** All objects of earlier epochs. */
  readonly before: number
  /** By the name of the sink. */
  readonly sinks: Readonly<{ [name: string]: ObjectCount }>
}

export interface ObjectCount {
  readonly objects: number
  readonly records: number
  readonly bytes: number
}

/** A destination of a sink, below the constant part of its keys, that was tried and works. */
export interface ConnectedRow extends Pick<ObjectRow, 'role' | 'sink'> {
  readonly destination: JsonObject
}

/** Result of the conditional-put probe of a store, see `ConditionalPutProbe`. */
export interface StoreRow {
  readonly name: string
  /** Absent when the probe could not find out. */
  readonly refusesOverwrite?: boolean
}

export interface PartitionRow {
  readonly partition: string
  readonly position: Json
  /**
   * The oldest event time (milliseconds since 1970) that the partition can still yield; absent if
   * never reported.
   */
  readonly lowWatermark?: number
}

/** Counts of rejects over the whole life of the state. */
export interface RejectCounts {
  /** Rejects that were deleted because the budget was exceeded. */
  readonly evicted: number
  /** Rejects that were replayed. */
  readonly replayed: number
  /** Rejects that were copied to the `rejects` sink. */
  readonly copied: number
}

/** A dedup bucket: `length` bytes of its file are committed, and `crc` is their CRC-32. */
export interface DedupBucketRow {
  readonly name: string
  readonly length: number
  readonly crc: number
  /**
   * The bucket never expires: it has keys of a source without low watermarks, for example an
   * archive.
   */
  readonly permanent?: true
}

/** A file of rejects in the state folder: those of one epoch, or of several whose files were merged. */
export interface LocalRejectsRow {
  /** The first one. */
  readonly epoch: number
  readonly file: string
  readonly bytes: number
  /** Number of rejects, with those that were replayed. */
  readonly records: number
  readonly sha256: string
  /** When it was committed, in milliseconds since 1970. Absent: by an older Sluice, or see `parts`. */
  readonly committedAt?: number
  /** Replayed rejects: their number, and a bit for each reject, in base64. See `reject-numbers.ts`. */
  readonly replayed?: { readonly records: number; readonly bits: string }
  /** Of a merged file: its epochs, in their order. */
  readonly parts?: readonly RejectsPart[]
  /** Lines of a file that was rewritten: it lacks rejects that were replayed before. */
  readonly lines?: number
  /** How often files were merged into this one, or rewritten. A part of its name. */
  readonly edition?: number
}

/** The rejects of one epoch in a merged file. */
export interface RejectsPart {
  readonly epoch: number
  readonly records: number
  /** See `LocalRejectsRow`. */
  readonly committedAt?: number
}

/** How one commit changes the local rejects. */
export interface LocalRejectsChange {
  /** New rows, rows with newly replayed rejects, and rows of merged files. */
  readonly rows: readonly LocalRejectsRow[]
  /** Rows to delete before, with their files. */
  readonly removed: readonly LocalRejectsRow[]
  /** Rejects that are deleted because the budget is exceeded. */
  readonly evicted: number
  readonly replayed: number
  /** The folder has a new file name and must be synced before the commit. */
  readonly created: boolean
}

/**
 * A shard of the unfinished parallel backfill. Its parts, and the positions at their ends, have rows
 * of their own.
 */
export interface ShardRow {
  /** From 0, in reading order. */
  readonly number: number
  readonly bytes: number
  /** Source partition of the first part, and of the last. */
  readonly partitions: readonly [string, string]
  /** `failed`: executions have failed, and the next start tries again. */
  readonly status: 'open' | 'done' | 'failed'
  /** Why it failed, for people. */
  readonly error?: { readonly code: string; readonly message: string }
  /** The file of the dedup keys that the committed execution has left out. */
  readonly leaveOut?: LeaveOutFile
}

/** A file in `<state folder>/shards`. */
export interface LeaveOutFile {
  readonly file: string
  readonly bytes: number
  readonly crc: number
}

/** What a person changed with `sluice state`, or a newer Sluice. Never changed and never removed. */
export interface ChangeRow {
  readonly number: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly action: 'accept' | 'compact' | 'export' | 'import' | 'migrate' | 'redirect' | 'rewind'
  /** In words. */
  readonly what: string
}

export interface Meta {
  /** Version of everything in the state folder, see `formats.ts`. */
  readonly format: number
  /** The version of Sluice that wrote the format first. Absent before format 6. */
  readonly sluice?: string
  readonly pipeline: string
  readonly generation: string
  readonly hashKey: string
  /** Of the digests in the fingerprint. */
  readonly salt: string
  readonly fingerprint: Fingerprint
  /** The replica that the state belongs to. Absent: the only one. */
  readonly replica?: ReplicaRow
  /** The export of a whole state that is being imported into this one. Nothing may run before. */
  readonly importing?: string
  /** The state was exported as a whole: another one continues its work. */
  readonly exported?: ExportRow
}

/** See `replicas/replica.ts`. With a number above the count, all tenants were moved elsewhere. */
export interface ReplicaRow {
  /** From 1. */
  readonly number: number
  readonly count: number
  /** The count before it was changed; absent if it never was. */
  readonly was?: number
  /** Numbers of the earlier replicas whose exports are not imported yet. Nothing is collected before. */
  readonly awaits?: readonly number[]
}

/** An export, made or imported. */
export interface ExportRow {
  /** Random, in hex. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
  /** The replica that it was made by, and the new count; absent for a whole state. */
  readonly from?: Pick<ReplicaRow, 'number' | 'count'>
  readonly to?: number
}

/** A tenant that was exported, as it was. Kept, so that its export can be written again. */
export interface MovedRow extends Partial<PartitionRow> {
  readonly tenant: string
}
