import { MINUTE } from '../time.ts'
import { formatBytes, formatCount, formatSpan } from './report.ts'
import type { Log } from './log.ts'

/** What was read so far, counted where chunks leave the source. */
export interface Flow {
  records: number
  bytes: number
  /** Inputs that end within a record, which is left for the next run. */
  unfinished: number
  /** Event times of each source partition, in milliseconds since 1970, if the source knows them. */
  readonly times: Map<string, TimeSpan>
}

interface TimeSpan {
  /** Where this run began to read. */
  readonly from: number
  readonly readUpTo: number
}

export function startFlow(): Flow {
  return { records: 0, bytes: 0, unfinished: 0, times: new Map() }
}

/** Milliseconds between two lines of progress, on a terminal and in a log. */
export const LIVE_INTERVAL = 250
export const LOG_INTERVAL = 10_000

/**
 * Shows the progress of a run: a live line on a terminal, otherwise a log line every 10 seconds.
 * @param total expected number of bytes, if known
 * @returns a function that stops it
 */
export function showProgress(flow: Flow, log: Log, total: number | undefined): () => void {
  const started = performance.now()
  let last = { records: 0, bytes: 0, at: started }
  const tick = () => {
    const now = performance.now()
    const seconds = (now - last.at) / 1000
    const rate = { records: (flow.records - last.records) / seconds, bytes: (flow.bytes - last.bytes) / seconds }
    const mean = flow.bytes / ((now - started) / 1000)
    last = { records: flow.records, bytes: flow.bytes, at: now }
    const parts = [
      `${formatCount(flow.records)} records`,
      `${formatCount(Math.round(rate.records))} records/s`,
      `${(rate.bytes / 1e6).toFixed(1)} MB/s`,
    ]
    if (total !== undefined && total > 0) parts.push(remaining(flow.bytes, total, mean))
    if (flow.times.size > 0) parts.push(describeTimes([...flow.times.values()], Date.now()))
    const line = parts.join('  ')
    if (log.live) log.status(line)
    else log.note(line)
  }
  const timer = setInterval(tick, log.live ? LIVE_INTERVAL : LOG_INTERVAL)
  timer.unref()
  return () => {
    clearInterval(timer)
    log.status('')
  }
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
