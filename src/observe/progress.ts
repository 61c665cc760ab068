import { describeTimes, ReadTimes } from './read-times.ts'
import { formatBytes, formatCount } from './report.ts'
import type { Events } from './bus/events.ts'
import type { RunEvents } from './bus/run-events.ts'
import { listen } from './bus/subscribe.ts'
import type { Log } from './log.ts'
import { lineOf } from './messages/line.ts'

/** Milliseconds between two lines of progress. */
export const LOG_INTERVAL = 10_000

/**
 * Logs the progress of a run every 10 seconds from when reading begins until the run ends.
 * @returns a function that ends it
 */
export function showProgress(events: RunEvents, log: Log): () => void {
  const { run } = events
  const times = new ReadTimes()
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
      const read = times.at(Date.now())
      if (read) parts.push(describeTimes(read, Date.now()))
      const summary = parts.join('  ')
      const facts = {
        summary,
        records,
        bytes,
        recordsPerSecond: Math.round(rate.records),
        bytesPerSecond: Math.round(rate.bytes),
        totalBytes: total,
        readUpTo: read && new Date(read.readUpToAt).toISOString(),
      }
      log.line(lineOf('run.progress', facts), events)
    }
    timer = setInterval(tick, LOG_INTERVAL).unref()
  }
  const take = ({ sources }: Events['sluice:run:work']): void => {
    for (const source of sources) {
      records += source.records
      bytes += source.bytes
      times.take(source)
    }
  }
  const stops = [
    listen('sluice:source:open', { run }, ({ totalBytes }) => start(totalBytes)),
    listen('sluice:run:work', { run }, take),
    listen('sluice:run:end', { run }, () => end()),
  ]
  const end = (): void => {
    for (const stop of stops) stop()
    clearInterval(timer)
  }
  return end
}

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
