import type { ObjectSink } from '../component.ts'
import type { ObjectCompression } from '../compression/compress.ts'
import type { Files } from '../files.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { Note } from '../observe/messages/table.ts'
import type { PipelineSecrets } from '../observe/pipeline-secrets.ts'
import type { Paths } from '../record/paths/path.ts'
import type { ControlRequests } from './control/control-requests.ts'
import type { Roll } from './outbox/outbox.ts'
import type { UnparsedLines } from './rejects/reject-line.ts'
import type { Routes } from './routes/routes.ts'
import type { Replay } from './rejects/replay.ts'
import type { RunningReplica } from './replicas/check-replica.ts'
import type { Database } from './state/database.ts'
import type { KeyDefinition } from './state/fingerprint.ts'
import type { PartitionRow } from './state/rows.ts'

/** An object sink and its `objectFields`. */
export interface ObjectTarget {
  /** Identifies the sink in the state: `ONLY_SINK`, `REJECTS`, or its name in the pipeline file. */
  readonly name: string
  /** Name of the stage, for messages. */
  readonly stage: string
  /**
   * Type of the component. Only a sink of the same type may publish objects that were committed for
   * this sink.
   */
  readonly type: string
  readonly sink: ObjectSink
  /** See `parseKeyTemplate`. */
  readonly key: string
  readonly compression: ObjectCompression
  readonly compressionLevel?: number | undefined
  readonly roll: Roll
  readonly outbox: { readonly maxBytes: number }
}

export interface CommitOptions {
  /** The pipeline's own state folder; created if absent. */
  readonly folder: string
  readonly pipeline: string
  /** Another one than in earlier runs fails with STATE_MISMATCH. */
  readonly keys: KeyDefinition
  /** See `StateOptions`. */
  readonly replica?: RunningReplica | undefined
  /** The paths of the pipeline: object keys are made from record values. */
  readonly paths: Paths
  /** At least one. */
  readonly sinks: readonly ObjectTarget[]
  /** Which sinks get a record. Default: all of them. */
  readonly routes?: Routes | undefined
  /** Gets a copy of every reject. */
  readonly rejects?: ObjectTarget | undefined
  /**
   * Budget in bytes of `<folder>/rejects`; the oldest rejects are deleted when it is exceeded.
   * Default: no limit.
   */
  readonly localRejectBytes?: number | undefined
  /** Number of small files of rejects that are merged. Default: 64. */
  readonly mergeRejectFiles?: number | undefined
  /** Default: `digest`. */
  readonly unparsed?: UnparsedLines | undefined
  readonly dedup?: DedupOptions | undefined
  /** The batches come from rejects, not from the source. */
  readonly replay?: Replay | undefined
  /** Seals positions, which may hold a link with a key. Default: only the secrets of the process. */
  readonly secrets?: PipelineSecrets | undefined
  readonly note: Note
  /** What the run publishes. Default: nothing. */
  readonly events?: RunEvents | undefined
  /** See `StateOptions`. */
  readonly control?: ControlRequests | undefined
  /** The event time up to which a committed position has read, for messages. */
  readonly readUpTo?: ((row: PartitionRow) => number | undefined) | undefined
  /** False for a source partition that the pipeline does not read any more. Default: it reads all. */
  readonly reads?: ((partition: string) => boolean) | undefined
  /**
   * Aborted when the run is asked to end: batches that are under way are then committed even if the
   * outbox is full.
   */
  readonly stopping?: AbortSignal
  /**
   * How long the end of a run waits for a store that is unavailable, in milliseconds. `done`: since
   * the last published object (2 minutes); `interrupted`: in all (20 seconds).
   */
  readonly drainTimeouts?: DrainTimeouts
  /** Milliseconds that the first commit waits for a sink that is tried. Default: 10 seconds. */
  readonly connectTimeout?: number
  /**
   * The memory of a batch is released when the batch is written. False if custom code may keep
   * references to it.
   */
  readonly releasesBatches?: boolean
  /** Bytes of lines that wait in memory, over all key partitions. Default: 32 MiB. */
  readonly bufferBytes?: number
  readonly files?: Files
  readonly openDatabase?: (folder: string) => Database | Promise<Database>
  readonly now?: () => number
}

export interface DrainTimeouts {
  readonly done: number
  readonly interrupted: number
}

interface DedupOptions {
  /** Name of the stage, for messages. */
  readonly stage: string
  /** Milliseconds. Undefined: dedup keys are kept for ever. */
  readonly within?: number | undefined
  /** Budget of the index in bytes. */
  readonly memory: number
}
