import type { OfRun, ShardChange, ShardPlan, ShardProgress } from '../observe/bus/events.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { listen } from '../observe/bus/subscribe.ts'
import type { Log } from '../observe/log.ts'
import { lineOf } from '../observe/messages/line.ts'
import { LOG_INTERVAL, roundedDuration } from '../observe/progress.ts'
import { formatBytes, formatCount } from '../observe/report.ts'

/**
 * Logs the progress of a parallel backfill every 10 seconds from its plan until the run ends.
 * @returns a function that ends it
 */
export function showShards(events: RunEvents, log: Log): () => void {
  const { run } = events
  let shown: ShardsShown | undefined
  const stops = [
    listen('sluice:shard:plan', { run }, (plan) => (shown = new ShardsShown(log, events, plan))),
    listen('sluice:shard:change', { run }, (change) => shown?.change(change)),
    listen('sluice:shard:progress', { run }, (progress) => shown?.progress(progress)),
    listen('sluice:run:end', { run }, () => end()),
  ]
  const end = (): void => {
    for (const stop of stops) stop()
    shown?.stop()
  }
  return end
}

class ShardsShown {
  readonly #log: Log
  readonly #of: OfRun
  readonly #started = performance.now()
  readonly #timer: NodeJS.Timeout
  readonly #running = new Map<number, ShardProgress>()
  readonly #rates = new Map<string, number>()
  readonly #doneBefore: number
  #counts: Omit<ShardPlan, keyof OfRun>
  #last: { bytes: number; at: number }

  constructor(log: Log, of: OfRun, plan: ShardPlan) {
    this.#log = log
    this.#of = of
    this.#counts = plan
    this.#doneBefore = plan.doneBytes
    this.#last = { bytes: this.#doneBefore, at: this.#started }
    this.#timer = setInterval(() => this.#show(), LOG_INTERVAL)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  progress(progress: ShardProgress): void {
    const before = this.#running.get(progress.shard)
    const read = Math.max(0, progress.bytes - (before?.bytes ?? 0))
    this.#rates.set(progress.worker, (this.#rates.get(progress.worker) ?? 0) + read)
    this.#running.set(progress.shard, progress)
  }

  change({ state, shard, counts }: ShardChange): void {
    this.#counts = counts
    if (state === 'ended') this.#running.delete(shard)
  }

  #show(): void {
    const now = performance.now()
    const seconds = (now - this.#last.at) / 1000
    const { shards, done, doneBytes, executing, waiting, failed, bytes: total } = this.#counts
    let bytes = doneBytes
    for (const progress of this.#running.values()) bytes += progress.bytes
    const rate = Math.max(0, bytes - this.#last.bytes) / seconds
    const workers = [...this.#rates].map(([worker, read]) => [worker, read / seconds] as const)
    this.#rates.clear()
    this.#last = { bytes, at: now }
    const mean = (bytes - this.#doneBefore) / ((now - this.#started) / 1000)
    const left = mean > 0 ? Math.max(0, total - bytes) / mean : undefined
    const summary = [
      `${formatCount(done)} of ${formatCount(shards)} shards`,
      `${executing} running`,
      ...(failed > 0 ? [`${failed} failed`] : []),
      `${megabytes(rate)} MB/s${describeWorkers(workers)}`,
      `${Math.min(100, Math.floor((100 * bytes) / Math.max(1, total)))} % of ${formatBytes(total)}`,
      ...(left === undefined ? [] : [`${roundedDuration(left)} left`]),
    ].join('  ')
    const facts = {
      summary,
      shards,
      done,
      running: executing,
      waiting,
      failed,
      bytes,
      totalBytes: total,
      bytesPerSecond: Math.round(rate),
      secondsLeft: left === undefined ? undefined : Math.round(left),
      workers: workers.map(([worker, each]) => `${worker}: ${Math.round(each)}`).join(', ') || undefined,
    }
    this.#log.line(lineOf('shards.progress', facts), this.#of)
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
