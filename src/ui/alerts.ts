import type { StatusSnapshot } from '../observe/status/snapshot.ts'
import { formatBytes, formatSpan, plural } from '../observe/report.ts'
import { MINUTE, SECOND } from '../time.ts'
import type { PipelineRow } from './api.ts'
import type { AlertSample } from './sample.ts'

type Alert = PipelineRow['alerts'][number]

/** The thresholds of deploy/prometheus/alerts.yaml: shares of a budget, seconds, and counts. */
export const THRESHOLDS = {
  SluiceFreshness: 3600,
  SluiceNoCommit: 1800,
  SluiceOutboxFilling: 0.5,
  SluiceDedupMemory: 0.8,
  SluiceRejectsRising: 10,
  SluicePublishFailing: 900,
  SluiceRestarting: 4,
} as const

/** Of SluiceRejectsRising too: the share of what was read. */
const REJECTED_SHARE = 0.01

interface Looked {
  /** Undefined if nothing runs. */
  readonly snapshot: StatusSnapshot | undefined
  /** The last hour, the oldest first. */
  readonly samples: readonly AlertSample[]
  readonly committedAt: number | undefined
  readonly now: number
}

/**
 * The alerts that a pipeline would raise if it stays as it is. Those that need more than the last hour of the
 * status of its runs are left to Prometheus.
 */
export function alertsOf(looked: Looked): Alert[] {
  const { snapshot, samples, now } = looked
  const starts = restartsOf(samplesSince(samples, now - 30 * MINUTE))
  const restarts: Alert[] =
    starts < THRESHOLDS.SluiceRestarting
      ? []
      : [{ alert: 'SluiceRestarting', text: `its process started ${plural(starts, 'time')} within 30 minutes` }]
  return snapshot === undefined ? restarts : [...alertsOfRun({ ...looked, snapshot }), ...restarts]
}

function alertsOfRun({ snapshot, samples, committedAt, now }: Looked & { readonly snapshot: StatusSnapshot }): Alert[] {
  const { freshness, sinks, dedup, read } = snapshot
  const alerts: Alert[] = []
  const add = (alert: keyof typeof THRESHOLDS, text: string): void => void alerts.push({ alert, text })
  const [worst] = freshness.behind
  if (worst !== undefined && worst.seconds > THRESHOLDS.SluiceFreshness && !catchesUp(worst.seconds, samples, now))
    add(
      'SluiceFreshness',
      `${worst.partition.replace(/:$/, '')} is ${formatSpan(worst.seconds * SECOND)} behind the present`,
    )
  const since = committedAt ?? snapshot.startedAt
  if (read.recordsPerSecond > 0 && now - since > THRESHOLDS.SluiceNoCommit * SECOND)
    add('SluiceNoCommit', `the last commit was ${formatSpan(now - since)} ago`)
  const half = samplesSince(samples, now - 30 * MINUTE)
  const rejected = increaseOf(half, (sample) => sample.rejected)
  if (rejected > THRESHOLDS.SluiceRejectsRising && rejected > REJECTED_SHARE * increaseOf(half, (one) => one.read))
    add('SluiceRejectsRising', `${plural(rejected, 'record')} rejected within 30 minutes`)
  for (const { sink, waiting, maxBytes, retries, published } of sinks) {
    if (maxBytes !== undefined && waiting.bytes / maxBytes > THRESHOLDS.SluiceOutboxFilling)
      add('SluiceOutboxFilling', `${formatBytes(waiting.bytes)} of ${formatBytes(maxBytes)} wait for ${sink}`)
    const before = samples.findLast(({ at }) => at <= now - THRESHOLDS.SluicePublishFailing * SECOND)
    const isStill = before?.run === snapshot.run && before.published[sink] === published.objects
    if (waiting.objects > 0 && retries > 0 && isStill)
      add('SluicePublishFailing', `${plural(waiting.objects, 'object')} cannot be published to ${sink}`)
  }
  if (dedup !== undefined && dedup.bytes / dedup.maxBytes > THRESHOLDS.SluiceDedupMemory)
    add('SluiceDedupMemory', `the dedup keys take ${formatBytes(dedup.bytes)} of ${formatBytes(dedup.maxBytes)}`)
  return alerts
}

function samplesSince(samples: readonly AlertSample[], start: number): readonly AlertSample[] {
  const first = samples.findIndex(({ at }) => at >= start)
  return first === -1 ? [] : samples.slice(first)
}

/** It would be a minute closer to the present in half an hour. It counts as that until a minute is known. */
function catchesUp(seconds: number, samples: readonly AlertSample[], now: number): boolean {
  const before = samplesSince(samples, now - 30 * MINUTE).find(({ freshnessSeconds }) => freshnessSeconds !== null)
  const age = now - (before?.at ?? now)
  if (before?.freshnessSeconds === undefined || before.freshnessSeconds === null || age < MINUTE) return true
  return ((seconds - before.freshnessSeconds) * 30 * MINUTE) / age <= -60
}

/** How much a count has grown. Each run counts from 0. */
function increaseOf(samples: readonly AlertSample[], countOf: (sample: AlertSample) => number): number {
  let sum = 0
  for (const [at, sample] of samples.entries()) {
    const before = at === 0 ? undefined : samples[at - 1]
    if (before !== undefined) sum += countOf(sample) - (before.run === sample.run ? countOf(before) : 0)
  }
  return sum
}

function restartsOf(samples: readonly AlertSample[]): number {
  return samples.filter(({ pid }, at) => at > 0 && pid !== samples[at - 1]?.pid).length
}
