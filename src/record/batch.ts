import type { Json } from './json.ts'
import type { Path, Paths } from './path.ts'
import type { RecordIndex, ScanLimits } from './scan.ts'

/** What a record of a batch is at this moment. Dropped and rejected records stay in place; rejected ones travel on, so that redaction reaches them. */
export const State = { live: 0, dropped: 1, rejected: 2 } as const

/** An edit of a hit: one number. From `FIRST_TOKEN` on it is a token's number. */
export const Edit = { keep: 0, delete: 1, /** Inside a value that is deleted or replaced. */ shadowed: 2 } as const
export const FIRST_TOKEN = 3

/** Where a batch's lines come from, for messages and rejects. */
export interface Origin {
  /** A file, or the request and page of an API. */
  readonly name: string
  /** Number of the first line, from 1. For an API: the element's number in the response. */
  readonly line: number
}

export interface Reject {
  /** The record's number in the batch; -1 when its bytes are not in the batch (a line beyond the limit). */
  record: number
  readonly code: string
  /** Name of the stage that refused it. */
  readonly stage: string
  /** Never a record's content: a schema pointer and rule, an error's message made by us, or the author's own words. */
  readonly detail?: string
  readonly origin: string
  readonly line: number
  /** Length of the line in bytes as it was read. */
  readonly length: number
  /** SHA-256 of the line as it was read, in hex; only for lines that do not parse. */
  readonly digest?: string
}

/** How a source ended. It travels in the last, empty batch of a run. */
export type End = { readonly kind: 'done' | 'interrupted' } | { readonly kind: 'failed'; readonly error: Error }

export interface Tallies {
  /** Records counted at the source's door, rejected lines included. */
  read: number
  /** Records that stages made beyond the ones they got. */
  added: number
  /** Dropped on purpose, by reason. */
  dropped: Map<string, number>
}

/**
 * What `dedup` found: 4 numbers a record, 96 bits of key and 32 of content, and the bucket (day number of the record's time
 * since 1970, or `NO_BUCKET`). The sink settles who was first.
 */
export interface Digests {
  readonly stage: string
  readonly keys: Uint32Array
  readonly buckets: Int32Array
}
export const NO_BUCKET = -0x80000000

/**
 * One stream chunk: whole NDJSON lines of one source partition in one Buffer, the index of its records, and all that must
 * commit with them. Stages change it in place and pass it on in order.
 *
 * Per batch `tallies.read + tallies.added = live + dropped + rejected` holds at every stage border.
 */
export interface Batch {
  readonly partition: string
  /** Numbers the batches of a partition from 0, without gaps; given at the source's door. */
  readonly number: number
  /** True on all but the last piece of a batch that a stage has split. No epoch ends between pieces. */
  readonly continues: boolean
  /** Present only where reading can truly resume behind this batch. */
  readonly position: Json | undefined
  readonly origin: Origin
  readonly end: End | undefined
  readonly tallies: Tallies
  readonly rejects: Reject[]
  digests: Digests | undefined
  /** Source bytes that this batch stands for, for progress. */
  readonly sourceBytes: number
  /** The oldest event time (milliseconds since 1970) that the partition can still yield behind this batch; undefined when unknown. */
  readonly horizon: number | undefined

  readonly paths: Paths
  readonly limits: ScanLimits
  readonly bytes: Buffer
  readonly index: RecordIndex
  /** Number of records in the batch, dead ones included. */
  readonly count: number
  readonly live: number
  /** `State` of each record. */
  readonly states: Uint8Array
  /** `Edit` or token of each hit. */
  readonly edits: Uint32Array

  /** Line number of a record at its origin. */
  lineOf(record: number): number
  /** Records made from one have the same group: they settle together. */
  groupOf(record: number): number

  drop(record: number, reason: string): void
  reject(record: number, code: string, stage: string, detail?: string): void

  /** The hit of a plain path, or -1: absent, deleted or shadowed. Scans again when the path is newer than the index. */
  hit(record: number, path: Path): number
  /** Kind of a hit's value as it now stands, edits included. */
  kind(hit: number): number
  /** A hit's value as JSON text, edits included (inside it, too). */
  raw(hit: number): Buffer
  /** A hit's value as text: strings decoded, numbers as spelled, other values as JSON. Edits included. */
  text(hit: number): string
  /** The whole record, parsed, edits included. The only door to JSON.parse. */
  value(record: number): unknown

  /** A number for a replacement's JSON text, to be put into `edits`. */
  token(json: Buffer): number
  /** Replaces (a token's number) or deletes a hit; whatever lies inside it becomes shadowed. */
  edit(hit: number, edit: number): void
  /** The record's bytes as they now stand, without the line feed. */
  line(record: number): Buffer
  /** The live records (or those of a list, in its order) as they now stand, one line each, in one Buffer. */
  assemble(records?: Uint32Array): Buffer
}
