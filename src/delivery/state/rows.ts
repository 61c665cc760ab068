import type { JsonObject, Json } from '../../record/json/json.ts'

/** A file that is committed and not yet published; all that its upload needs, but for credentials. */
export interface ObjectRow {
  readonly epoch: number
  /** Counts the files of an epoch over all sinks, from 0. */
  readonly part: number
  /** `sink` or `rejects`: what the object is of. */
  readonly role: Role
  /** The component that can publish it. */
  readonly type: string
  /** Its name in the outbox. */
  readonly file: string
  readonly key: string
  readonly destination: JsonObject
  readonly bytes: number
  readonly records: number
  readonly sha256: string
  readonly compression: 'none' | 'gzip' | 'zstd'
  /** What a failed attempt has left at the store, for the next one to clear away. */
  readonly resumeToken?: Json
}

export type Role = 'sink' | 'rejects'

/** An object that was made visible. Never changed and never removed. */
export interface HistoryRow extends Omit<ObjectRow, 'file' | 'resumeToken'> {
  /** Milliseconds since 1970. */
  readonly publishedAt: number
}

/** What was found out about a store, see `TwinTest`. */
export interface StoreRow {
  readonly name: string
  readonly refusesOverwrite: boolean
}

export interface PartitionRow {
  readonly partition: string
  readonly position: Json
  /** The oldest event time (milliseconds since 1970) that can still come from there; absent when it was never told. */
  readonly lowWatermark?: number
}

/** What became of rejects besides those that are kept in the state folder. */
export interface RejectCounts {
  /** Records that went for want of space. */
  readonly evicted: number
  /** Records that went through the stages again. */
  readonly replayed: number
  /** Records that were copied to the sink of the rejects. */
  readonly copied: number
}

/** What the state knows of a bucket: `length` bytes of its file are committed, and this is their CRC-32. */
export interface DedupBucketRow {
  readonly name: string
  readonly length: number
  readonly crc: number
  /** It has claims of a source that does not tell its progress, an archive for example: they are never forgotten. */
  readonly permanent?: true
}

/** Rejects of one epoch that are kept in the state folder, as the state knows them. */
export interface LocalRejectsRow {
  readonly epoch: number
  readonly file: string
  readonly bytes: number
  readonly records: number
  readonly sha256: string
  /** Those that were replayed: how many, and a bit for each line, in base64. They are in the file, and forgotten. */
  readonly replayed?: { readonly records: number; readonly bits: string }
}

/** What a commit changes. */
export interface LocalRejectsChange {
  /** Rows that are new, or have more that was replayed. */
  readonly rows: readonly LocalRejectsRow[]
  /** Rows that go, with their files. */
  readonly gone: readonly LocalRejectsRow[]
  /** Records that go for want of space, and that were replayed. */
  readonly evicted: number
  readonly replayed: number
  /** The folder has a new name. */
  readonly created: boolean
}

export interface Meta {
  readonly format: number
  readonly pipeline: string
  readonly generation: string
  readonly hashKey: string
  readonly fingerprint: JsonObject
}
