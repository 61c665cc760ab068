import type { StatusSnapshot } from '../observe/status/snapshot.ts'

/** A point of each chart. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
  /** Of the source partition that is furthest behind; null where none knows event times. */
  readonly freshnessSeconds: number | null
  /** In the outboxes. */
  readonly waitingBytes: number
  /** Committed in the run so far. */
  readonly rejected: number
}

/** What a snapshot adds to the charts, in the server and in the page. */
export function sampleOf({ takenAt, read, freshness, sinks, ledger }: StatusSnapshot): Sample {
  return {
    at: takenAt,
    recordsPerSecond: read.recordsPerSecond,
    bytesPerSecond: read.bytesPerSecond,
    freshnessSeconds: freshness.behind[0]?.seconds ?? null,
    waitingBytes: sinks.reduce((sum, { waiting }) => sum + waiting.bytes, 0),
    rejected: ledger.rejected,
  }
}
