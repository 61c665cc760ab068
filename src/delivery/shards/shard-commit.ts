/*
 * The commit protocol for the results of shards, in the one process that owns the state.
 *
 * An executor gives a result: objects that no reader sees, and the dedup keys that it wants to add
 * (`shard-delivery.ts`). `offer` looks all keys up: in the index, and among those that other shards
 * have reserved (`results/reservations.ts`).
 *
 * - **None is taken**: the result is committed as one epoch, by the same steps as any other
 *   (`committer.ts`). The transaction also asserts that the shard is not done, marks it, and stores the
 *   positions of the source partitions that are complete.
 * - **Some are taken**: the shard reserves the others, and is executed again with those to leave out.
 *   Its next result cannot be in conflict.
 * - **It has left out keys that another shard has only reserved**: it waits until that shard is
 *   committed. If that shard fails, nobody writes them: it is executed again with fewer to leave out.
 * - **The shard is done, or the result was made with another list**: the result is discarded.
 *
 * Only the state, the files that its rows name, and lists of keys to leave out are durable. After a
 * restart nothing is reserved, and every result is judged from the beginning.
 *
 * What is staged at a store can be removed by the store. If the publisher finds it gone, the committed
 * shard is executed once more, with the list of its committed execution: it must make the same objects.
 *
 * `shard-tasks.ts` gives out the shards, `results/result-decider.ts` decides on the results,
 * `results/republish.ts` makes again what is gone, `run-end.ts` publishes and ends the run. What they
 * share: the plan (`plan/plan-store.ts`), the shards under way (`live-shards.ts`), and the queue that
 * runs their operations one after the other (`commit-queue.ts`).
 */
import { SluiceError } from '../../errors.ts'
import { PipelineSecrets } from '../../observe/pipeline-secrets.ts'
import type { Json } from '../../record/json/json.ts'
import { Committer } from '../committer.ts'
import type { CommitParts } from '../committer.ts'
import type { Delivery } from '../delivery.ts'
import { CommitQueue } from './commit-queue.ts'
import { LeaveOutFiles, shardIn } from './results/leave-out-files.ts'
import { LiveShards } from './live-shards.ts'
import { PlanPositions } from './plan/plan-positions.ts'
import { PlanStore } from './plan/plan-store.ts'
import { Republisher } from './results/republish.ts'
import { ResultDecider } from './results/result-decider.ts'
import type { Offered } from './results/result-decider.ts'
import { RunEnd } from './run-end.ts'
import type { ShardCommitOptions } from './shard-commit-options.ts'
import type { ShardCommitParts } from './shard-commit-parts.ts'
import { ShardTasks } from './shard-tasks.ts'
import type { Shard, ShardResult, ShardRun, ShardTask } from './shard.ts'
import { OTHER_SELECTION, unfinishedRun } from './unfinished-run.ts'

/** Shards by what became of them. `open`: not executed, or executed in vain. */
export interface ShardCounts {
  readonly shards: number
  readonly bytes: number
  readonly done: number
  readonly doneBytes: number
  /** Executions under way, and results that wait. */
  readonly executing: number
  readonly waiting: number
  readonly failed: readonly number[]
}

/** See the comment at the top. */
export class ShardCommit {
  readonly hashKey: Buffer
  /** Part of object names. */
  readonly generation: string
  readonly #parts: ShardCommitParts
  readonly #tasks: ShardTasks
  readonly #republisher: Republisher
  readonly #decider: ResultDecider
  readonly #runEnd: RunEnd
  #isClosing = false

  constructor(parts: CommitParts, options: ShardCommitOptions) {
    const { state, files, now } = parts
    const { folder, secrets = new PipelineSecrets(), positionAfter } = options
    this.hashKey = state.hashKey
    this.generation = state.generation
    const queue = new CommitQueue((failure) => this.#publishIfDiskIsFull(failure))
    const shards = new LiveShards(() => queue.notify())
    this.#parts = {
      ...parts,
      options,
      queue,
      committer: new Committer(parts, {
        failed: (error) => queue.fail(error),
        gone: (row) => this.#republisher.gone(row),
        retired: (row) => this.#republisher.retired(row),
      }),
      lists: new LeaveOutFiles(folder, files),
      plans: new PlanStore({ state, now, isLive: (shard) => shards.has(shard) }),
      positions: new PlanPositions({ state, secrets, positionAfter }),
      shards,
    }
    this.#tasks = new ShardTasks(this.#parts)
    this.#republisher = new Republisher(this.#parts)
    this.#decider = new ResultDecider(this.#parts, this.#republisher)
    this.#runEnd = new RunEnd(this.#parts)
  }

  /** Continues the run that the state has, if it has one. */
  async recover(): Promise<void> {
    const { state, committer, lists, plans } = this.#parts
    const run = state.shardRun
    if (run) plans.load(run)
    else {
      await state.removeShards()
      // A worker that died when the last run had just ended.
      if (state.shardRuns > 0) await this.#runEnd.sweep()
    }
    const waiting = new Set(state.objects().map(({ shard }) => shard))
    await lists.recover((file) => {
      const named = shardIn(file)
      if (named.run !== run?.id) return false
      const row = state.shard(named.shard)
      return row !== undefined && (row.status === 'done' ? waiting.has(row.number) : true)
    })
    committer.publisher.load()
    await committer.publisher.recover()
  }

  /** Publishes what the state holds. Call it once the run is known to begin. */
  publishState(): void {
    this.#parts.committer.publishState()
  }

  /** The run that is not finished. */
  get run(): ShardRun | undefined {
    return this.#parts.plans.current?.run
  }

  /** The committed position of a source partition, where a plan begins. */
  position(partition: string): Json | undefined {
    return this.#parts.positions.committed(partition)
  }

  /**
   * Continues the run of the state, or stores a plan and begins one. Undefined if the plan has no shards.
   * @param source see `ShardRun`
   * @param shards called if there is no run; one shard at a time is in memory.
   * @throws SluiceError SHARDS_UNFINISHED if the state has the run of another source
   */
  async begin(source: string, shards: () => AsyncIterable<Omit<Shard, 'number'>>): Promise<ShardRun | undefined> {
    const { options, plans } = this.#parts
    const { run } = this
    if (run && run.source !== source) throw unfinishedRun(options.pipeline, run, OTHER_SELECTION)
    return run ?? plans.store(source, shards())
  }

  /** The next shard to execute; undefined if there is none at this moment, see `changed`. */
  next(): Promise<ShardTask | undefined> {
    return this.#tasks.next()
  }

  /**
   * Resolves when `next` may have another answer than at the last call of `next` or `changed`.
   * @throws SluiceError if the commit has failed
   */
  changed(): Promise<void> {
    return this.#parts.queue.changed()
  }

  /** Takes the result of an execution. It then belongs to the commit, which discards what it does not need. */
  async offer(result: ShardResult): Promise<Offered> {
    let offered: Offered = 'discarded'
    await this.#parts.queue.run(async () => {
      this.#parts.shards.ended(result.shard)
      offered = await this.#decider.decide(result)
    })
    return offered
  }

  /** An execution has ended without a result: the shard is executed again. */
  retry(shard: number): void {
    const { shards } = this.#parts
    if (!shards.has(shard)) return
    shards.ended(shard)
    shards.executeAgain(shard)
  }

  /** A shard cannot be executed. The others continue, and the next start tries it again. */
  async fail(shard: number, error: SluiceError): Promise<void> {
    await this.#parts.queue.run(() => this.#decider.failed(shard, error))
  }

  counts(): ShardCounts {
    const { plans, shards } = this.#parts
    const { run } = this
    return { shards: run?.shards ?? 0, bytes: run?.bytes ?? 0, ...plans.counts(), ...shards.counts() }
  }

  /**
   * Publishes what is committed, and ends the run if all shards are done. Call it when nothing is
   * executed any more. False if there are shards to execute after all: the outbox was full before, or
   * the store has removed what was staged.
   * @throws SluiceError SINK_UNAVAILABLE; the same command then continues
   */
  async finish({ isInterrupted = false }: { readonly isInterrupted?: boolean } = {}): Promise<boolean> {
    return this.#runEnd.finish(isInterrupted)
  }

  /**
   * Gives up the run. What is committed stays, and is published first. Positions move as far as all
   * parts before are committed. Returns how many committed shards a later run reads again.
   * @param force also if it then writes their records again, because nothing deduplicates them
   * @throws SluiceError SHARDS_UNFINISHED without `force`; SINK_UNAVAILABLE
   */
  async cancel({ force = false }: { readonly force?: boolean } = {}): Promise<{ readonly readAgain: number }> {
    return this.#runEnd.cancel(force)
  }

  totals(): ReturnType<Delivery['totals']> {
    return this.#parts.committer.totals()
  }

  /** Gives up results that wait, and closes state and sinks. What is committed is safe. */
  async close(): Promise<void> {
    const { queue, committer } = this.#parts
    if (this.#isClosing) return
    this.#isClosing = true
    queue.fail(new SluiceError('INTERNAL', 'the commit is closed'))
    await committer.stop()
    await queue.idle()
    await committer.close()
  }

  /** Frees the space of committed files. Otherwise the next run would find the disk just as full. */
  async #publishIfDiskIsFull({ code }: SluiceError): Promise<void> {
    const { options, committer } = this.#parts
    if (code !== 'DISK_FULL') return
    await Promise.allSettled([committer.drain(options.stopping?.aborted === true)])
  }
}
