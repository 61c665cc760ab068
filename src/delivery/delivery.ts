import type { Writable } from 'node:stream'
import type { Report } from '../observe/report.ts'
import type { Json } from '../record/json/json.ts'
import type { LocalRejectsRow } from './state/rows.ts'

/** The far end of a pipeline: takes batches, knows what is committed. */
export interface Delivery {
  /** Key of the digests; undefined where nothing is remembered. */
  readonly hashKey: Buffer | undefined
  position(partition: string): Json | undefined
  /** Undefined where nothing is kept. */
  localRejects?(): readonly LocalRejectsRow[]
  writable(): Writable
  totals(): Omit<Report, 'pipeline' | 'outcome' | 'error' | 'bytesIn' | 'startedAt' | 'seconds'>
  close(): Promise<void>
}
