import { join } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { outboxFolder } from '../open-epoch.ts'
import type { PartitionRow } from '../state/rows.ts'
import type { ShardCommitParts } from './shard-commit-parts.ts'
import { objectLabel } from './shard-delivery.ts'
import type { ShardRun } from './shard.ts'
import { sweepStaged } from './sweep-staged.ts'
import { unfinishedRun } from './unfinished-run.ts'

/** Publishes what a run has committed, ends it, and removes what its executions have left. */
export class RunEnd {
  readonly #parts: ShardCommitParts

  constructor(parts: ShardCommitParts) {
    this.#parts = parts
  }

  /** See `ShardCommit.finish`. */
  async finish(isInterrupted: boolean): Promise<boolean> {
    const isPublished = await this.#publish(isInterrupted)
    return isPublished && (isInterrupted || this.#parts.plans.current?.order.hasOpen !== true)
  }

  /** See `ShardCommit.cancel`. */
  async cancel(force: boolean): Promise<{ readonly readAgain: number }> {
    const { options, plans, positions } = this.#parts
    const plan = plans.current
    if (!plan) return { readAgain: 0 }
    const begun = positions.begun(plan)
    const readAgain = begun.reduce((sum, { later }) => sum + later, 0)
    if (readAgain > 0 && !options.dedup && !force) throw wouldRepeat(options.pipeline, readAgain)
    if (!(await this.#publish(false))) throw unfinishedRun(options.pipeline, plan.run)
    if (plans.current) await this.#end(begun.flatMap((partition) => positions.rowsOf(partition)))
    return { readAgain }
  }

  /** Removes what dead executions have staged at the store. */
  async sweep(): Promise<void> {
    const { state, options, targets } = this.#parts
    const { pipeline } = options
    if (options.sweeps === true) await sweepStaged(targets, { pipeline, generation: state.generation })
  }

  /** False if a shard has to be executed again. */
  async #publish(isInterrupted: boolean): Promise<boolean> {
    const { queue, committer, plans, shards } = this.#parts
    await queue.idle()
    queue.throwIfFailed()
    const isComplete = plans.current?.isComplete ?? true
    if (isComplete && plans.current?.hasStaged === false) await this.#end()
    const drained = committer.drain(isInterrupted)
    drained.catch(() => undefined)
    await Promise.race(isInterrupted ? [drained] : [drained, queue.until(() => shards.hasAgain)])
    queue.throwIfFailed()
    if (shards.hasAgain) return false
    if (isComplete && plans.current) await this.#end()
    return true
  }

  async #end(partitions: readonly PartitionRow[] = []): Promise<void> {
    const { options, plans, lists } = this.#parts
    const plan = plans.current
    if (!plan) return
    await options.ending?.()
    // Before the run ends: otherwise nobody would do it after a crash.
    await this.sweep()
    await plans.end(partitions)
    await lists.recover(() => false)
    await this.#deleteLeftovers(plan.run)
  }

  /** Files of executions in this process that died. */
  async #deleteLeftovers(run: ShardRun): Promise<void> {
    const { state, files, options } = this.#parts
    const folder = outboxFolder(options.folder)
    const named = new Set(state.objects().map(({ file }) => file))
    for (const name of await files.readdir(folder)) {
      if (name.startsWith(objectLabel(run.number)) && !named.has(name)) await files.unlink(join(folder, name))
    }
  }
}

function wouldRepeat(pipeline: string, shards: number): SluiceError {
  const what = shards === 1 ? '1 committed shard' : `${shards} committed shards`
  return new SluiceError(
    'SHARDS_UNFINISHED',
    `a later backfill of ${pipeline} would read the inputs of ${what} again, and write their records again: the pipeline has no dedup`,
    {
      hint: `finish the backfill: start it again with the same paths and options; or add --force to accept repeated records`,
    },
  )
}
