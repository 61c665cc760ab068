import type { StatusSnapshot } from '../observe/status/snapshot.ts'

/** A point of each chart. */
export interface Sample {
  /** Milliseconds since 1970. */
  readonly at: number
  readonly recordsPerSecond: number
  readonly bytesPerSecond: number
  /** Of the source partition that is furthest behind; null where none knows event times. */
  readonly freshnessSeconds: number | null
  /** How far what is read, committed or not, is behind the present; null where the source knows no event times. */
  readonly latenessSeconds: number | null
  /** In the outboxes. */
  readonly waitingBytes: number
  /** Committed in the run so far. */
  readonly rejected: number
  /** The same by code, the most frequent codes. */
  readonly rejects: { readonly [code: string]: number }
}

/** A sample and what only alerts ask for. */
export interface AlertSample extends Sample {
  readonly pid: number
  readonly run: string
  /** Committed in the run so far. */
  readonly read: number
  /** Objects published in the run so far, by sink. */
  readonly published: { readonly [sink: string]: number }
  /** Requests to the API in the run so far, and those that failed. */
  readonly requests: number
  readonly failedRequests: number
}

/** What a snapshot adds to the charts, in the server and in the page. */
export function sampleOf({ takenAt, read, freshness, sinks, ledger, rejects }: StatusSnapshot): Sample {
  return {
    at: takenAt,
    recordsPerSecond: read.recordsPerSecond,
    bytesPerSecond: read.bytesPerSecond,
    freshnessSeconds: freshness.behind[0]?.seconds ?? null,
    latenessSeconds: read.readUpToAt === undefined ? null : Math.max(0, takenAt - read.readUpToAt) / 1000,
    waitingBytes: sinks.reduce((sum, { waiting }) => sum + waiting.bytes, 0),
    rejected: ledger.rejected,
    rejects,
  }
}

/** What a snapshot adds to the history of the server. */
export function alertSampleOf(snapshot: StatusSnapshot): AlertSample {
  const { pid, run, ledger, sinks, requests } = snapshot
  const published = Object.fromEntries(sinks.map((one) => [one.sink, one.published.objects]))
  return {
    ...sampleOf(snapshot),
    pid,
    run,
    read: ledger.read,
    published,
    requests: requests?.count ?? 0,
    failedRequests: requests?.failed ?? 0,
  }
}
