import type { RejectCode } from '../errors.ts'
import type { Json, JsonObject } from './json/json.ts'

/** Consecutive lines (or records) of one source partition. */
export interface Chunk {
  /**
   * The source partition: a tenant, a file, a shard, anything with a position of its own. Default:
   * `''`, the only one. Its name is stable over runs, and names the thing itself where it can be
   * renamed (a file's inode, not its path).
   */
  readonly partition?: string
  /**
   * Whole NDJSON lines, the last one with or without its line feed. The memory belongs to the
   * pipeline from the moment it is yielded: never change it, never use it again.
   */
  readonly bytes?: Buffer
  /** In place of `bytes`: records as objects. Never changed after they were yielded. */
  readonly records?: readonly JsonObject[]
  /**
   * Where reading resumes after this chunk. It is committed with the chunk's records, as JSON, and
   * comes back through `ReadOptions.position`. Leave it out when reading cannot resume here; the
   * position of an earlier chunk then stays in force.
   *
   * It must identify two things: the input (by its content or by an identity that a replaced input
   * does not share: an inode and a digest of the bytes already read, an ETag, a cursor with its
   * query), and the offset in it. An offset alone is a bug: when the input is replaced by another
   * one, or truncated, the source would skip records and report success. If the identity does not
   * match, read the input from its start and log it, or throw INPUT_CORRUPT.
   */
  readonly position?: Json
  /**
   * Name of the file or request, and the number of the first line (or element) in it, from 1. For
   * messages and rejects.
   */
  readonly origin?: { readonly name: string; readonly line: number }
  /** Lines after `bytes` or `records` that are longer than `maxLine`, or unusable. Each is rejected. */
  readonly skipped?: readonly SkippedLine[]
  /**
   * Set on the last chunk of an input that ends within a record: the record is left for the next
   * run. The report counts such inputs.
   */
  readonly unfinished?: boolean
  /**
   * Bytes of input that this chunk accounts for, compressed as they came; for progress. Default:
   * length of `bytes`.
   */
  readonly sourceBytes?: number
  /**
   * The low watermark: the oldest event time (milliseconds since 1970) that this partition can
   * still yield after this chunk. Dedup keys of older events are forgotten. Leave it out when it is
   * unknown: keys are then kept.
   */
  readonly lowWatermark?: number
  /** Set when this time range has been read before. */
  readonly reread?: Reread
}

/**
 * A new record with an event time before `before` arrived late; it was first seen at `at`. Both in
 * milliseconds since 1970.
 */
export interface Reread {
  readonly before: number
  readonly at: number
}

/** A line (or a record of a document) that cannot be kept. */
export interface SkippedLine {
  /** Default: `TOO_LONG`. */
  readonly code?: RejectCode
  /** Number of the line, from 1. */
  readonly line: number
  /** In bytes. */
  readonly length: number
  /** SHA-256 of the line in hex. */
  readonly digest: string
  /** Why it cannot be kept, and the way out, if that is known. Never content of a record. */
  readonly detail?: string
}
