import type { ShardRow } from '../../state/rows.ts'
import type { StateReader } from '../../state/state-reader.ts'
import { PlanProgress } from './plan-progress.ts'
import { ShardOrder } from './shard-order.ts'
import type { ShardRun } from '../shard.ts'

/** Shards of a plan, and their bytes. */
interface PlanCounts {
  readonly done: number
  readonly doneBytes: number
  readonly failed: readonly number[]
}

/** The plan of the unfinished run, and how far it is. In memory: the state has all but `failed` and `order`. */
export class ShardPlan {
  readonly run: ShardRun
  readonly progress: PlanProgress
  readonly order: ShardOrder
  readonly #isLive: (shard: number) => boolean
  /** 1 for each shard that is committed. */
  readonly #done: Uint8Array
  #doneCount: number
  #doneBytes = 0
  /** Shards that have failed in this process. */
  readonly #failed = new Set<number>()
  /** Staged objects that are committed and not published, by shard. */
  readonly #staged = new Map<number, number>()

  /** @param isLive true for a shard that is under way */
  constructor(run: ShardRun, state: StateReader, isLive: (shard: number) => boolean) {
    this.run = run
    this.#isLive = isLive
    this.#done = new Uint8Array(run.shards)
    const large: ShardRow[] = []
    this.progress = new PlanProgress(this.#load(state, large))
    this.#doneCount = this.#done.reduce((sum, one) => sum + one, 0)
    for (const { shard } of state.objects()) if (shard !== undefined) this.addStaged(shard, 1)
    const first = large.toSorted((one, other) => other.bytes - one.bytes).map(({ number }) => number)
    this.order = new ShardOrder(run.shards, first, (shard) => this.#isOpen(shard))
  }

  isDone(shard: number): boolean {
    return this.#done[shard] === 1
  }

  /** True if all shards are committed. */
  get isComplete(): boolean {
    return this.#doneCount === this.run.shards
  }

  /** Call this when a shard is committed. */
  committed(shard: number, bytes: number): void {
    this.progress.done(shard)
    this.#done[shard] = 1
    this.#doneCount++
    this.#doneBytes += bytes
    this.#failed.delete(shard)
  }

  /** The shard is not executed again by this process. */
  failed(shard: number): void {
    this.#failed.add(shard)
  }

  /** Objects of a shard were committed that are staged. */
  addStaged(shard: number, objects: number): void {
    this.#staged.set(shard, (this.#staged.get(shard) ?? 0) + objects)
  }

  /** An object of a shard is published. True if it was the last one that was staged. */
  published(shard: number): boolean {
    const left = this.#staged.get(shard)
    if (left === undefined) return false
    this.#staged.set(shard, left - 1)
    if (left > 1) return false
    this.#staged.delete(shard)
    return true
  }

  /** True while staged objects are committed and not published. */
  get hasStaged(): boolean {
    return this.#staged.size > 0
  }

  counts(): PlanCounts {
    return { done: this.#doneCount, doneBytes: this.#doneBytes, failed: [...this.#failed] }
  }

  #isOpen(shard: number): boolean {
    return this.#done[shard] === 0 && !this.#isLive(shard) && !this.#failed.has(shard)
  }

  /** One row at a time is in memory. */
  *#load(state: StateReader, large: ShardRow[]): Generator<ShardRow, void> {
    const { bytes, shards } = this.run
    for (const row of state.shards()) {
      if (row.bytes > (LARGE * bytes) / shards) large.push(row)
      if (row.status === 'done') {
        this.#done[row.number] = 1
        this.#doneBytes += row.bytes
      }
      yield row
    }
  }
}

/**
 * A shard of so many times the mean is begun first: one compressed file of many gigabytes would
 * otherwise keep one worker busy at the end, when the others are done.
 */
const LARGE = 2
