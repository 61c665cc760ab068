import type { JsonObject, Json } from './json/json.ts'

/** A run of consecutive lines of one partition. */
export interface Chunk {
  /** A tenant, a file, a shard: whatever has a position of its own. Default: the only one, ''. */
  readonly partition?: string
  /** Whole NDJSON lines, the last one with or without its line feed; or records as objects. Not changed after it was yielded. */
  readonly bytes?: Buffer
  readonly records?: readonly JsonObject[]
  /** Where reading can resume behind this chunk. Leave it out where it cannot. */
  readonly position?: Json
  /** Name of the file or request, and the number of the first line (or element) in it, from 1. */
  readonly origin?: { readonly name: string; readonly line: number }
  /** Lines behind `bytes` that are too long to be kept. */
  readonly skipped?: readonly SkippedLine[]
  /** Input bytes that this chunk stands for, compressed as they came; for progress. Default: length of `bytes`. */
  readonly sourceBytes?: number
  /** The oldest event time (milliseconds since 1970) that this partition can still yield behind this chunk; lets old dedup claims go. Leave it out when unknown. */
  readonly lowWatermark?: number
  /**
   * When this time has been read before: a new record with an event time before `before` has come late, and was first seen at `at` (both in
   * milliseconds since 1970).
   */
  readonly reread?: Reread
}

export interface Reread {
  readonly before: number
  readonly at: number
}

export interface SkippedLine {
  readonly line: number
  readonly length: number
  /** SHA-256 of the line in hex. */
  readonly digest: string
}
