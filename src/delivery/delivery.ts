import type { Writable } from 'node:stream'
import type { Report } from '../observe/report.ts'
import type { Json } from '../record/json/json.ts'
import type { LocalRejectsRow } from './state/rows.ts'

/** The end of a pipeline: takes its batches, and knows what is committed. One per run. */
export interface Delivery {
  /** Secret of the dedup digests. Undefined for a stream sink, which has no state. */
  readonly hashKey: Buffer | undefined
  /** The committed position of a source partition; undefined if nothing is committed. */
  position(partition: string): Json | undefined
  /** The committed rejects in the state folder, the oldest first. Undefined for a stream sink. */
  localRejects?(): readonly LocalRejectsRow[]
  /**
   * The pipeline's last stream; call it once. It finishes when the source's end has arrived and
   * everything is delivered. Otherwise it fails.
   */
  writable(): Writable
  /** What this run has delivered. After `close`, as it was at that time. */
  totals(): Omit<
    Report,
    'pipeline' | 'outcome' | 'error' | 'unfinished' | 'rules' | 'counts' | 'bytesIn' | 'startedAt' | 'seconds'
  >
  /** Gives up batches that are not delivered yet, and closes the sinks. */
  close(): Promise<void>
}

/**
 * The delivery to an object sink: durable, with a state. One per state folder at a time. See
 * `commit.ts`.
 */
export interface Commit extends Delivery {
  /** Constant for the life of the state. */
  readonly hashKey: Buffer
  position(partition?: string): Json | undefined
  localRejects(): readonly LocalRejectsRow[]
}
