import { randomBytes } from 'node:crypto'
import type { PartitionRow } from '../../state/rows.ts'
import type { State } from '../../state/state.ts'
import { ShardPlan } from './shard-plan.ts'
import type { Shard, ShardRun } from '../shard.ts'

interface PlanStoreOptions {
  readonly state: State
  readonly now: () => number
  /** True for a shard that is under way. */
  readonly isLive: (shard: number) => boolean
}

/** The plan of the unfinished run: stores it, loads it, ends it. */
export class PlanStore {
  readonly #options: PlanStoreOptions
  #plan: ShardPlan | undefined

  constructor(options: PlanStoreOptions) {
    this.#options = options
  }

  /** Undefined if there is no unfinished run. */
  get current(): ShardPlan | undefined {
    return this.#plan
  }

  /** True if the shard is committed. */
  isDone(shard: number): boolean {
    return this.#plan?.isDone(shard) === true
  }

  counts(): ReturnType<ShardPlan['counts']> {
    return this.#plan?.counts() ?? { done: 0, doneBytes: 0, failed: [] }
  }

  /** Loads the plan of a run from the state. */
  load(run: ShardRun): void {
    const { state, isLive } = this.#options
    this.#plan = new ShardPlan(run, state, isLive)
  }

  /** Stores a plan and loads it. The run counts when all of its shards are stored. Undefined if there are none. */
  async store(source: string, shards: AsyncIterable<Omit<Shard, 'number'>>): Promise<ShardRun | undefined> {
    const { state, now } = this.#options
    let [count, bytes] = [0, 0]
    let waiting: Shard[] = []
    for await (const shard of shards) {
      if (shard.parts.length === 0) continue
      waiting.push({ ...shard, number: count++ })
      bytes += shard.bytes
      if (waiting.reduce((sum, { parts }) => sum + parts.length, 0) < STORED_PARTS) continue
      await state.addShards(waiting)
      waiting = []
    }
    if (count === 0) return undefined
    if (waiting.length > 0) await state.addShards(waiting)
    const id = randomBytes(4).toString('hex')
    const run: ShardRun = { id, number: state.shardRuns + 1, createdAt: now(), shards: count, bytes, source }
    await state.startShardRun(run)
    this.load(run)
    return run
  }

  /** Ends the run in the state. @param partitions see `State.endShardRun` */
  async end(partitions: readonly PartitionRow[]): Promise<void> {
    await this.#options.state.endShardRun(partitions)
    this.#plan = undefined
  }
}

/** Parts that one transaction of a plan stores. */
const STORED_PARTS = 2000
