import { MINUTE } from '../time.ts'
import { formatBytes, formatCount, formatSpan } from './report.ts'
import type { SourceChunk } from './bus/events.ts'
import type { RunEvents } from './bus/run-events.ts'
import { listen } from './bus/subscribe.ts'
import type { Log } from './log.ts'
import { lineOf } from './messages/line.ts'

interface TimeSpan {
  /** Where this run began to read. */
  readonly from: number
  readonly readUpTo: number
}

/** Milliseconds between two lines of progress, on a terminal and in a log. */
export const LIVE_INTERVAL = 250
export const LOG_INTERVAL = 10_000

/**
 * Shows the progress of a run from when reading begins until the run ends: a live line on a terminal,
 * otherwise a log line every 10 seconds.
 * @returns a function that ends it
 */
export function showProgress(events: RunEvents, log: Log): () => void {
  const { run } = events
  const times = new Map<string, TimeSpan>()
  let [records, bytes] = [0, 0]
  let timer: NodeJS.Timeout | undefined
  const start = (total: number | undefined): void => {
    const started = performance.now()
    let last = { records, bytes, at: started }
    const tick = (): void => {
      const now = performance.now()
      const seconds = (now - last.at) / 1000
      const rate = { records: (records - last.records) / seconds, bytes: (bytes - last.bytes) / seconds }
      const mean = bytes / ((now - started) / 1000)
      last = { records, bytes, at: now }
      const parts = [
        `${formatCount(records)} records`,
        `${formatCount(Math.round(rate.records))} records/s`,
        `${(rate.bytes / 1e6).toFixed(1)} MB/s`,
      ]
      if (total !== undefined && total > 0) parts.push(remaining(bytes, total, mean))
      if (times.size > 0) parts.push(describeTimes([...times.values()], Date.now()))
      const summary = parts.join('  ')
      if (log.live) return log.status(summary)
      const readUpTo = times.size === 0 ? undefined : Math.min(...[...times.values()].map((span) => span.readUpTo))
      const facts = {
        summary,
        records,
        bytes,
        recordsPerSecond: Math.round(rate.records),
        bytesPerSecond: Math.round(rate.bytes),
        totalBytes: total,
        readUpTo: readUpTo === undefined ? undefined : new Date(readUpTo).toISOString(),
      }
      log.line(lineOf('run.progress', facts), events)
    }
    timer = setInterval(tick, log.live ? LIVE_INTERVAL : LOG_INTERVAL).unref()
  }
  const take = ({ partition, readFrom, readUpTo, ...chunk }: SourceChunk): void => {
    records += chunk.records
    bytes += chunk.bytes
    if (readUpTo === undefined) return
    times.set(partition, { from: times.get(partition)?.from ?? readFrom ?? readUpTo, readUpTo })
  }
  const stops = [
    listen('sluice:source:open', { run }, ({ totalBytes }) => start(totalBytes)),
    listen('sluice:source:chunk', { run }, take),
    listen('sluice:run:end', { run }, () => end()),
  ]
  const end = (): void => {
    for (const stop of stops) stop()
    clearInterval(timer)
    log.status('')
  }
  return end
}

/**
 * `reading 2026-09-12, 14 % of 90 d`; `read up to 2026-09-12 10:25 UTC` once little is left. With
 * several source partitions: the date of the last one, and the share of all.
 */
function describeTimes(spans: readonly TimeSpan[], now: number): string {
  const readUpTo = Math.min(...spans.map((span) => span.readUpTo))
  const total = spans.reduce((sum, { from }) => sum + Math.max(0, now - from), 0)
  const done = spans.reduce((sum, span) => sum + Math.max(0, span.readUpTo - span.from), 0)
  const [day, time] = new Date(readUpTo).toISOString().split('T')
  if (now - readUpTo < CAUGHT_UP || total <= 0) return `read up to ${day} ${time.slice(0, 5)} UTC`
  const span = formatSpan(now - Math.min(...spans.map(({ from }) => from)))
  return `reading ${day}, ${Math.min(99, Math.round((100 * done) / total))} % of ${span}`
}

/** A source that is closer to the present than this has caught up: more than the usual lag. */
const CAUGHT_UP = 15 * MINUTE

function remaining(done: number, total: number, bytesPerSecond: number): string {
  const share = `${Math.min(100, Math.floor((100 * done) / total))} % of ${formatBytes(total)}`
  if (bytesPerSecond <= 0) return share
  return `${share}, ${roundedDuration((total - done) / bytesPerSecond)} left`
}

/** `12 s`, `3 min`, `1.5 h` */
export function roundedDuration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.ceil(seconds))} s`
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}
