import { formatBytes, formatCount } from './report.ts'
import type { Log } from './log.ts'

/** Records and bytes read so far, counted where chunks leave the source. */
export interface Flow {
  records: number
  bytes: number
}

const LIVE_INTERVAL = 250
const LOG_INTERVAL = 10_000

/**
 * Shows the progress of a run: a live line on a terminal, otherwise a log line every 10 seconds.
 * @param total expected number of bytes, if known
 * @returns a function that stops it
 */
export function showProgress(flow: Flow, log: Log, total: number | undefined): () => void {
  const started = performance.now()
  let last = { ...flow, at: started }
  const tick = () => {
    const now = performance.now()
    const seconds = (now - last.at) / 1000
    const rate = { records: (flow.records - last.records) / seconds, bytes: (flow.bytes - last.bytes) / seconds }
    const mean = flow.bytes / ((now - started) / 1000)
    last = { ...flow, at: now }
    const parts = [
      `${formatCount(flow.records)} records`,
      `${formatCount(Math.round(rate.records))} records/s`,
      `${(rate.bytes / 1e6).toFixed(1)} MB/s`,
    ]
    if (total !== undefined && total > 0) parts.push(remaining(flow.bytes, total, mean))
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

function remaining(done: number, total: number, bytesPerSecond: number): string {
  const share = `${Math.min(100, Math.floor((100 * done) / total))} % of ${formatBytes(total)}`
  if (bytesPerSecond <= 0) return share
  return `${share}, ${roundedDuration((total - done) / bytesPerSecond)} left`
}

function roundedDuration(seconds: number): string {
  if (seconds < 60) return `${Math.max(0, Math.ceil(seconds))} s`
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`
  return `${(seconds / 3600).toFixed(1)} h`
}
