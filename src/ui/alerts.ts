import type { StatusSnapshot } from '../observe/status/snapshot.ts'
import { formatBytes, formatSpan } from '../observe/report.ts'
import type { PipelineRow } from './api.ts'

type Alert = PipelineRow['alerts'][number]

/** The thresholds of deploy/prometheus/alerts.yaml that one look can decide: shares of a budget, and seconds. */
export const THRESHOLDS = {
  SluiceFreshness: 3600,
  SluiceNoCommit: 1800,
  SluiceOutboxFilling: 0.5,
  SluiceDedupMemory: 0.8,
} as const

interface Looked {
  readonly snapshot: StatusSnapshot
  /** Seconds behind the present a minute ago; null if nothing is known of then. */
  readonly freshnessBefore: number | null
  readonly committedAt: number | undefined
  readonly now: number
}

/**
 * The alerts that a run would raise if it stays as it is. Those that need the history of a metric, such as
 * rising rejects, are left to Prometheus.
 */
export function alertsOf({ snapshot, freshnessBefore, committedAt, now }: Looked): Alert[] {
  const { freshness, sinks, dedup, read } = snapshot
  const alerts: Alert[] = []
  const add = (alert: keyof typeof THRESHOLDS, text: string): void => void alerts.push({ alert, text })
  const [worst] = freshness.behind
  const catchesUp = worst !== undefined && freshnessBefore !== null && worst.seconds < freshnessBefore
  if (worst !== undefined && !catchesUp && worst.seconds > THRESHOLDS.SluiceFreshness)
    add('SluiceFreshness', `${worst.partition} is ${formatSpan(worst.seconds * 1000)} behind the present`)
  const since = committedAt ?? snapshot.startedAt
  if (read.recordsPerSecond > 0 && now - since > THRESHOLDS.SluiceNoCommit * 1000)
    add('SluiceNoCommit', `the last commit was ${formatSpan(now - since)} ago`)
  for (const { sink, waiting, maxBytes } of sinks)
    if (maxBytes !== undefined && waiting.bytes / maxBytes > THRESHOLDS.SluiceOutboxFilling)
      add('SluiceOutboxFilling', `${formatBytes(waiting.bytes)} of ${formatBytes(maxBytes)} wait for ${sink}`)
  if (dedup !== undefined && dedup.bytes / dedup.maxBytes > THRESHOLDS.SluiceDedupMemory)
    add('SluiceDedupMemory', `the dedup keys take ${formatBytes(dedup.bytes)} of ${formatBytes(dedup.maxBytes)}`)
  return alerts
}
