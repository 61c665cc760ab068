import { OutboxSpace } from '../outbox/outbox-space.ts'
import { encodeKeys } from './day-keys.ts'
import type { LiveShard } from './live-shards.ts'
import type { ShardCommitParts } from './shard-commit-parts.ts'
import type { ShardOrder } from './plan/shard-order.ts'
import type { ShardPlan } from './plan/shard-plan.ts'
import type { DayKeys, ShardTask } from './shard.ts'

/** Gives out the shards to execute: first those to execute again, then those that nobody has begun. */
export class ShardTasks {
  readonly #parts: ShardCommitParts
  readonly #space: OutboxSpace
  #isSpaceAwaited = false

  constructor(parts: ShardCommitParts) {
    const { options, committer } = parts
    const { publisher } = committer
    this.#parts = parts
    this.#space = new OutboxSpace({
      ...options,
      bytes: (sink) => publisher.bytes(sink),
      changed: () => publisher.changed(options.stopping),
    })
  }

  /** Undefined if there is none at this moment, see `CommitQueue.changed`. */
  async next(): Promise<ShardTask | undefined> {
    const { state, committer, queue, plans, shards, lists } = this.#parts
    queue.throwIfFailed()
    const plan = plans.current
    queue.see()
    if (plan === undefined) return undefined
    const again = shards.nextAgain((shard) => plans.isDone(shard))
    const begun = again === undefined ? this.#nextOpen(plan) : undefined
    const number = again ?? begun?.shard
    if (number === undefined) return undefined
    committer.connection.start()
    const { id, number: runNumber, createdAt } = plan.run
    const { live, attempt } = shards.begin(number)
    const shard = { number, parts: state.shardParts(number), bytes: state.shard(number)?.bytes ?? 0 }
    if (begun && begun.neighbours.length > 0) await this.#leaveOutCommitted(live, begun)
    const leaveOut = live.list && (await lists.read(live.list))
    return { run: id, runNumber, createdAt, shard, attempt, ...(leaveOut && { leaveOut }) }
  }

  /** A shard that nobody has begun. None while the outbox is full. */
  #nextOpen({ order }: ShardPlan): ReturnType<ShardOrder['next']> {
    if (!this.#space.isFull) return order.next(this.#parts.shards.size)
    if (order.hasOpen) this.#awaitSpace()
    return undefined
  }

  #awaitSpace(): void {
    const { queue } = this.#parts
    if (this.#isSpaceAwaited) return
    this.#isSpaceAwaited = true
    const waited = this.#space.wait(() => queue.throwIfFailed())
    const end = (): void => {
      this.#isSpaceAwaited = false
      queue.notify()
    }
    waited.then(end, end)
  }

  /** Committed keys stay in the index, so a result without them needs no second look at them. */
  async #leaveOutCommitted(live: LiveShard, { shard, neighbours }: { shard: number; neighbours: readonly DayKeys[] }) {
    const { queue, plans, lists } = this.#parts
    await queue.run(async () => {
      const run = plans.current?.run.id
      if (run === undefined || live.list) return
      live.list = await lists.write(run, shard, encodeKeys(neighbours))
      live.leavesOutCommitted = true
    })
  }
}
