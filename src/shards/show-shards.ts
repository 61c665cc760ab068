import type { ShardCounts } from '../delivery/shards/shard-commit.ts'
import type { ShardEvent } from '../delivery/shards/shard-commit-options.ts'
import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'
import type { SluiceError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { LIVE_INTERVAL, LOG_INTERVAL, roundedDuration } from '../observe/progress.ts'
import { formatBytes, formatCount } from '../observe/report.ts'
import type { DispatchObserver } from './dispatch.ts'
import type { ShardProgress } from './executor.ts'

/**
 * Shows the progress of a parallel backfill: a live line on a terminal, otherwise a log line every 10
 * seconds; and what happens to single shards. A JSON log gets an event for each of these.
 */
export class ShardsShown implements DispatchObserver {
  readonly #log: Log
  readonly #counts: () => ShardCounts
  readonly #started = performance.now()
  readonly #timer: NodeJS.Timeout
  readonly #running = new Map<number, ShardProgress>()
  readonly #rates = new Map<string, number>()
  readonly #doneBefore: number
  #last: { bytes: number; at: number }

  constructor(log: Log, counts: () => ShardCounts) {
    this.#log = log
    this.#counts = counts
    this.#doneBefore = counts().doneBytes
    this.#last = { bytes: this.#doneBefore, at: this.#started }
    this.#timer = setInterval(() => this.#show(), log.live ? LIVE_INTERVAL : LOG_INTERVAL)
    this.#timer.unref()
  }

  /** Ends the live line. */
  stop(): void {
    clearInterval(this.#timer)
    this.#log.status('')
  }

  started({ shard, attempt }: ShardTask): void {
    this.#log.event?.('shard started', { shard: shard.number, attempt, bytes: shard.bytes })
  }

  progress({ shard }: ShardTask, progress: ShardProgress): void {
    const before = this.#running.get(shard.number)
    const read = Math.max(0, progress.bytes - (before?.bytes ?? 0))
    this.#rates.set(progress.worker, (this.#rates.get(progress.worker) ?? 0) + read)
    this.#running.set(shard.number, progress)
  }

  ended({ shard }: ShardTask): void {
    this.#running.delete(shard.number)
  }

  executed({ shard, attempt }: ShardTask, { tally, bytesIn }: ShardResult): void {
    const { read, written, duplicate, rejected } = tally
    this.#log.event?.('shard executed', { shard: shard.number, attempt, bytesIn, read, written, duplicate, rejected })
  }

  failedOnce({ shard, attempt }: ShardTask, { code, message }: SluiceError): void {
    this.#log.note('a shard is executed again', { shard: shard.number, attempt, code, reason: message })
  }

  /** Takes what the commit has to say. */
  readonly observe = (event: ShardEvent): void => {
    const { shard } = event
    if (event.kind === 'committed') this.#log.event?.('shard committed', { shard })
    else if (event.kind === 'waits')
      this.#log.event?.('shard waits for others', { shard, others: event.for.join(', ') })
    else if (event.kind === 'again') this.#log.event?.('shard is executed again', { shard, reason: event.reason })
    else {
      const { code, message } = event.error
      this.#log.note('a shard has failed', { shard, code, reason: message })
    }
  }

  #show(): void {
    const now = performance.now()
    const seconds = (now - this.#last.at) / 1000
    const { shards, done, doneBytes, executing, waiting, failed, bytes: total } = this.#counts()
    let bytes = doneBytes
    for (const progress of this.#running.values()) bytes += progress.bytes
    const rate = Math.max(0, bytes - this.#last.bytes) / seconds
    const workers = [...this.#rates].map(([worker, read]) => [worker, read / seconds] as const)
    this.#rates.clear()
    this.#last = { bytes, at: now }
    const mean = (bytes - this.#doneBefore) / ((now - this.#started) / 1000)
    const left = mean > 0 ? Math.max(0, total - bytes) / mean : undefined
    if (this.#log.event) {
      this.#log.event('progress', {
        shards,
        done,
        running: executing,
        waiting,
        failed: failed.length,
        bytes,
        totalBytes: total,
        bytesPerSecond: Math.round(rate),
        ...(left !== undefined && { secondsLeft: Math.round(left) }),
        ...Object.fromEntries(workers.map(([worker, each]) => [`worker ${worker}`, Math.round(each)])),
      })
      return
    }
    const line = [
      `${formatCount(done)} of ${formatCount(shards)} shards`,
      `${executing} running`,
      ...(failed.length > 0 ? [`${failed.length} failed`] : []),
      `${megabytes(rate)} MB/s${describeWorkers(workers)}`,
      `${Math.min(100, Math.floor((100 * bytes) / Math.max(1, total)))} % of ${formatBytes(total)}`,
      ...(left === undefined ? [] : [`${roundedDuration(left)} left`]),
    ].join('  ')
    if (this.#log.live) this.#log.status(line)
    else this.#log.note(line)
  }
}

/** ` (worker 1 40.1, worker 2 41.0)`; of many workers only how many there are. */
function describeWorkers(workers: readonly (readonly [string, number])[]): string {
  if (workers.length < 2) return ''
  if (workers.length > SHOWN_WORKERS) return ` (${workers.length} workers)`
  const each = workers.toSorted(([one], [other]) => one.localeCompare(other, 'en', { numeric: true }))
  return ` (${each.map(([worker, rate]) => `worker ${worker} ${megabytes(rate)}`).join(', ')})`
}

const SHOWN_WORKERS = 8

function megabytes(bytesPerSecond: number): string {
  return (bytesPerSecond / 1e6).toFixed(1)
}
