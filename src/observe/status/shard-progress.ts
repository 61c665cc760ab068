import type { OfRun, ShardChange, ShardPlan, ShardProgress } from '../bus/events.ts'
import type { ShardsStatus } from './snapshot.ts'

/** How far a parallel backfill is. */
export class ShardProgressSums {
  readonly #executions = new Map<number, ShardProgress>()
  #counts: Omit<ShardPlan, keyof OfRun> | undefined
  #started = 0
  #doneBefore = 0
  #samples: { at: number; bytes: number }[] = []

  plan(plan: ShardPlan): void {
    this.#counts = plan
    this.#started = performance.now()
    this.#doneBefore = plan.doneBytes
  }

  change({ state, shard, counts }: ShardChange): void {
    this.#counts = counts
    if (state === 'ended') this.#executions.delete(shard)
  }

  progress(progress: ShardProgress): void {
    this.#executions.set(progress.shard, progress)
  }

  /** Undefined if the input is not divided. */
  snapshot(): ShardsStatus | undefined {
    if (this.#counts === undefined) return undefined
    const { shards, done, doneBytes, executing, waiting, failed, bytes } = this.#counts
    const executions = [...this.#executions.values()]
    const partialBytes = executions.reduce((sum, execution) => sum + execution.bytes, 0)
    const read = doneBytes + partialBytes
    const at = performance.now()
    while (this.#samples.length > 1 && at - this.#samples[1].at >= WINDOW) this.#samples.shift()
    const before = this.#samples.at(0) ?? { at, bytes: read }
    if (this.#samples.length === 0 || at - (this.#samples.at(-1)?.at ?? 0) >= SPACING)
      this.#samples.push({ at, bytes: read })
    const seconds = (at - before.at) / 1000
    const mean = (read - this.#doneBefore) / ((at - this.#started) / 1000)
    return {
      shards,
      done,
      executing,
      waiting,
      failed,
      bytes,
      doneBytes,
      partialBytes,
      // An execution that is repeated starts from nothing.
      bytesPerSecond: seconds > 0 ? Math.max(0, read - before.bytes) / seconds : 0,
      ...(mean > 0 && { secondsLeft: Math.max(0, bytes - read) / mean }),
      executions: executions
        .slice(0, MOST_EXECUTIONS)
        .map(({ shard, worker, records, bytes: each }) => ({ shard, worker, records, bytes: each })),
    }
  }
}

/** Milliseconds, as for other rates. */
const WINDOW = 5_000
const SPACING = 200
const MOST_EXECUTIONS = 32
