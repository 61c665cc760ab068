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
  SluiceRejectsFull: 0.8,
  SluiceSourceFailing: 0.5,
  SluiceClockSkew: 60,
} as const

/** The minutes that those alerts look back. */
export const WINDOWS = {
  SluiceFreshness: 30,
  SluiceRejectsRising: 30,
  SluiceRestarting: 30,
  SluiceSourceFailing: 15,
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
  const { snapshot } = looked
  const starts = restartsOf(samplesOf('SluiceRestarting', looked))
  const restarts: Alert[] =
    starts < THRESHOLDS.SluiceRestarting
      ? []
      : [
          {
            alert: 'SluiceRestarting',
            text: `its process started ${plural(starts, 'time')} within ${WINDOWS.SluiceRestarting} minutes`,
          },
        ]
  return snapshot === undefined ? restarts : [...alertsOfRun({ ...looked, snapshot }), ...restarts]
}

function alertsOfRun(looked: Looked & { readonly snapshot: StatusSnapshot }): Alert[] {
  const { snapshot, samples, committedAt, now } = looked
  const { freshness, sinks, dedup, read, deadLetters, clockAheadSeconds = 0 } = snapshot
  const alerts: Alert[] = []
  const add = (alert: keyof typeof THRESHOLDS, text: string): void => void alerts.push({ alert, text })
  const [worst] = freshness.behind
  if (worst !== undefined && worst.seconds > THRESHOLDS.SluiceFreshness && !catchesUp(worst.seconds, looked))
    add(
      'SluiceFreshness',
      `${worst.partition.replace(/:$/, '')} is ${formatSpan(worst.seconds * SECOND)} behind the present`,
    )
  const since = committedAt ?? snapshot.startedAt
  if (read.recordsPerSecond > 0 && now - since > THRESHOLDS.SluiceNoCommit * SECOND)
    add('SluiceNoCommit', `the last commit was ${formatSpan(now - since)} ago`)
  const recent = samplesOf('SluiceRejectsRising', looked)
  const rejected = increaseOf(recent, (sample) => sample.rejected)
  if (rejected > THRESHOLDS.SluiceRejectsRising && rejected > REJECTED_SHARE * increaseOf(recent, (one) => one.read))
    add('SluiceRejectsRising', `${plural(rejected, 'record')} rejected within ${WINDOWS.SluiceRejectsRising} minutes`)
  if (deadLetters?.maxBytes !== undefined && deadLetters.bytes / deadLetters.maxBytes > THRESHOLDS.SluiceRejectsFull)
    add(
      'SluiceRejectsFull',
      `the dead-letter queue takes ${formatBytes(deadLetters.bytes)} of ${formatBytes(deadLetters.maxBytes)}`,
    )
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
  const asked = samplesOf('SluiceSourceFailing', looked)
  const [requests, failed] = [increaseOf(asked, (one) => one.requests), increaseOf(asked, (one) => one.failedRequests)]
  if (failed > THRESHOLDS.SluiceSourceFailing * requests)
    add(
      'SluiceSourceFailing',
      `${failed} of ${plural(requests, 'request')} failed within ${WINDOWS.SluiceSourceFailing} minutes`,
    )
  if (Math.abs(clockAheadSeconds) > THRESHOLDS.SluiceClockSkew)
    add(
      'SluiceClockSkew',
      `the clock here and that of the source or the store differ by ${formatSpan(Math.abs(clockAheadSeconds) * SECOND)}`,
    )
  return alerts
}

/** Those that an alert looks back on. */
function samplesOf(
  alert: keyof typeof WINDOWS,
  { samples, now }: Pick<Looked, 'samples' | 'now'>,
): readonly AlertSample[] {
  const first = samples.findIndex(({ at }) => at >= now - WINDOWS[alert] * MINUTE)
  return first === -1 ? [] : samples.slice(first)
}

/** It would be a minute closer to the present at the end of a window. It counts as that until a minute is known. */
function catchesUp(seconds: number, looked: Looked): boolean {
  const before = samplesOf('SluiceFreshness', looked).find(({ freshnessSeconds }) => freshnessSeconds !== null)
  const age = looked.now - (before?.at ?? looked.now)
  if (before?.freshnessSeconds === undefined || before.freshnessSeconds === null || age < MINUTE) return true
  return ((seconds - before.freshnessSeconds) * WINDOWS.SluiceFreshness * MINUTE) / age <= -60
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
