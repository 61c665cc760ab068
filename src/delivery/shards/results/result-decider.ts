import type { SluiceError } from '../../../errors.ts'
import { commitResult } from './commit-result.ts'
import { decodeKeys, encodeKeys } from '../day-keys.ts'
import { KeyJudge } from './key-judge.ts'
import type { Judged } from './key-judge.ts'
import { digestIn } from './leave-out-files.ts'
import type { LiveShard } from '../live-shards.ts'
import { cannotMakeAgain } from './republish.ts'
import type { Republisher } from './republish.ts'
import { Reservations } from './reservations.ts'
import type { ShardCommitParts } from '../shard-commit-parts.ts'
import type { ShardPlan } from '../plan/shard-plan.ts'
import type { ShardResult } from '../shard.ts'

/**
 * What became of a result. `again`: the shard is executed again, `next` gives the task. `waits`: it is
 * kept until other shards are committed. `discarded`: another result of the shard came first.
 */
export type Offered = 'committed' | 'again' | 'waits' | 'discarded'

/**
 * Decides what becomes of a result, see the comment in `shard-commit.ts`. The caller runs its methods one
 * after the other.
 */
export class ResultDecider {
  readonly #parts: ShardCommitParts
  readonly #republisher: Republisher
  readonly #reservations = new Reservations()
  readonly #judge: KeyJudge

  constructor(parts: ShardCommitParts, republisher: Republisher) {
    this.#parts = parts
    this.#republisher = republisher
    this.#judge = new KeyJudge(parts.index, this.#reservations)
  }

  async decide(result: ShardResult): Promise<Offered> {
    const { options, plans, lists, shards } = this.#parts
    const plan = plans.current
    if (plan?.run.id !== result.run || !(result.shard < plan.run.shards)) return this.#discard(result)
    if (plans.isDone(result.shard)) return this.#republisher.republish(result)
    const live = shards.of(result.shard)
    if (live.waiting) return this.#discard(result)
    if (!(await this.#hasList(live, result))) {
      shards.executeAgain(result.shard)
      return this.#discard(result)
    }
    const own = await this.#judge.judge(result.keys, result.shard)
    if (!own.hasTaken && live.leavesOutCommitted) return this.#commit(plan, result, live)
    const leftOut = live.list ? decodeKeys(await lists.read(live.list)) : []
    const left = await this.#judge.judge(leftOut, result.shard)
    if (own.hasTaken || left.hasFree) return this.#conflict(result, live, own, left)
    if (left.owners.size === 0) return this.#commit(plan, result, live)
    live.waiting = { result, for: left.owners }
    options.observe?.({ kind: 'waits', shard: result.shard, for: [...left.owners] })
    return 'waits'
  }

  /** The shard cannot be executed. What it has reserved is free. */
  async failed(shard: number, error: SluiceError): Promise<void> {
    const { state, options, plans, shards } = this.#parts
    const row = state.shard(shard)
    const plan = plans.current
    const live = shards.of(shard)
    shards.ended(shard)
    if (!row || !plan || live.waiting) return
    if (row.status === 'done') {
      if (live.gone.length > 0) throw cannotMakeAgain(live.gone, error.message)
      return
    }
    const { code, message } = error
    await state.saveShard({ ...row, status: 'failed', error: { code, message } })
    plan.failed(shard)
    options.observe?.({ kind: 'failed', shard, error })
    await this.#release(shard)
  }

  /** True if the result was made with the current list. A list of an earlier process is found by its digest. */
  async #hasList(live: LiveShard, { shard, run, leftOut }: ShardResult): Promise<boolean> {
    if (!live.list && leftOut !== undefined) live.list = await this.#parts.lists.find(run, shard, leftOut)
    return leftOut === (live.list && digestIn(live.list.file))
  }

  /** The shard is executed again: it leaves out what others have, and keeps the rest. */
  async #conflict(result: ShardResult, live: LiveShard, own: Judged, left: Judged): Promise<Offered> {
    const { options, lists, shards } = this.#parts
    const { shard, run } = result
    this.#reservations.add([...own.free(), ...left.free()], shard)
    const list = encodeKeys([...own.taken(), ...left.taken()])
    const old = live.list
    live.leavesOutCommitted = false
    live.list = list.length > 0 ? await lists.write(run, shard, list) : undefined
    if (old && old.file !== live.list?.file) await lists.remove(old.file)
    await options.discard(result)
    shards.executeWithNewList(shard)
    options.observe?.({ kind: 'again', shard, reason: 'overlap' })
    return 'again'
  }

  async #commit(plan: ShardPlan, result: ShardResult, live: LiveShard): Promise<Offered> {
    const { state, options, committer, lists, positions, shards } = this.#parts
    const { shard } = result
    const { partitions, ends } = positions.after(plan, result)
    await commitResult(this.#parts, committer, { run: plan.run, result, partitions, ends, list: live.list })
    plan.committed(shard, state.shard(shard)?.bytes ?? 0)
    const staged = result.objects.filter(({ file }) => file === undefined).length
    if (staged > 0) plan.addStaged(shard, staged)
    else if (live.list) await lists.remove(live.list.file)
    shards.delete(shard)
    plan.order.committed(shard, result.keys)
    options.observe?.({ kind: 'committed', shard, result })
    await this.#release(shard)
    return 'committed'
  }

  /** What a shard has reserved is written now, or never: decides on the results that waited for it. */
  async #release(shard: number): Promise<void> {
    const { plans, shards } = this.#parts
    this.#reservations.release(shard)
    const ready = shards.stopWaitingFor(shard)
    ready.sort((one, other) => this.#reservations.orderOf(one) - this.#reservations.orderOf(other))
    for (const number of ready) {
      const live = shards.of(number)
      const { waiting } = live
      const isFailed = !plans.isDone(shard)
      if (!waiting || (waiting.for.size > 0 && !isFailed)) continue
      live.waiting = undefined
      await this.decide(waiting.result)
    }
  }

  async #discard(result: ShardResult): Promise<Offered> {
    await this.#parts.options.discard(result)
    return 'discarded'
  }
}
