/*
 * The commit protocol for the results of shards, in the one process that owns the state.
 *
 * An executor gives a result: objects that no reader sees, and the dedup keys that it wants to add
 * (`shard-delivery.ts`). `offer` looks all keys up: in the index, and among those that other shards
 * have reserved (`reservations.ts`).
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
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Source, SourcePart } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import { PipelineSecrets } from '../../observe/pipeline-secrets.ts'
import type { Json } from '../../record/json/json.ts'
import type { CommitOptions } from '../commit-options.ts'
import { Committer } from '../committer.ts'
import type { CommitParts } from '../committer.ts'
import type { Delivery } from '../delivery.ts'
import { outboxFolder } from '../open-epoch.ts'
import { OutboxSpace } from '../outbox/outbox-space.ts'
import { SerialQueue } from '../serial-queue.ts'
import type { LeaveOutFile, ObjectRow, PartitionRow, ShardRow } from '../state/rows.ts'
import { commitResult } from './commit-result.ts'
import { decodeKeys, encodeKeys } from './day-keys.ts'
import { KeyJudge } from './key-judge.ts'
import type { Judged } from './key-judge.ts'
import { digestIn, LeaveOutFiles, shardIn } from './leave-out-files.ts'
import { PlanProgress } from './plan-progress.ts'
import type { PartitionParts } from './plan-progress.ts'
import { Reservations } from './reservations.ts'
import { ShardOrder } from './shard-order.ts'
import type { DayKeys, Shard, ShardResult, ShardRun, ShardTask } from './shard.ts'
import { objectLabel } from './shard-delivery.ts'
import { sweepStaged } from './sweep-staged.ts'
import { cannotMakeAgain, replaceGone } from './republish.ts'
import { unfinishedRun } from './unfinished-run.ts'

export interface ShardCommitOptions extends CommitOptions {
  /** See `Source`. */
  readonly positionAfter?: Source['positionAfter']
  /** Removes what a result has staged: it will not be committed. Must not throw. */
  discard(result: ShardResult): Promise<void>
  /** Called when something has happened to a shard. */
  readonly observe?: ((event: ShardEvent) => void) | undefined
  /**
   * Called when everything is published, and no execution is needed any more. The state still has the
   * run: after a crash it is called again.
   */
  readonly ending?: (() => Promise<void>) | undefined
  /** At the end, remove what dead workers have staged at the store; at a start, what came after the end. */
  readonly sweeps?: boolean
}

export type ShardEvent =
  | { readonly kind: 'committed'; readonly shard: number; readonly result: ShardResult }
  /** Executed again. `overlap`: other shards, or earlier runs, have some of its records. `gone`: the store has removed what was staged. */
  | { readonly kind: 'again'; readonly shard: number; readonly reason: 'overlap' | 'gone' }
  /** Until these shards are committed. */
  | { readonly kind: 'waits'; readonly shard: number; readonly for: readonly number[] }
  | { readonly kind: 'failed'; readonly shard: number; readonly error: SluiceError }

/**
 * What became of a result. `again`: the shard is executed again, `next` gives the task. `waits`: it is
 * kept until other shards are committed. `discarded`: another result of the shard came first.
 */
export type Offered = 'committed' | 'again' | 'waits' | 'discarded'

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
  readonly #parts: CommitParts
  readonly #options: ShardCommitOptions
  readonly #queue = new SerialQueue((failure) => this.#publishIfDiskIsFull(failure))
  readonly #committer: Committer
  readonly #space: OutboxSpace
  readonly #secrets: PipelineSecrets
  readonly #reservations = new Reservations()
  readonly #judge: KeyJudge
  readonly #lists: LeaveOutFiles
  readonly #listeners = new Set<() => void>()
  readonly #live = new Map<number, LiveShard>()
  /** Shards to execute before those that nobody has begun. */
  readonly #again: number[] = []
  /** Number of the last execution of each shard. */
  readonly #attempts = new Map<number, number>()
  /** Counts what may change the answer of `next`. */
  #changes = 0
  /** `#changes` at the last call of `next` or `changed`. */
  #seen = 0
  #plan: Plan | undefined
  #isSpaceAwaited = false
  #isClosing = false

  constructor(parts: CommitParts, options: ShardCommitOptions) {
    const { state, files, index } = parts
    this.#parts = parts
    this.#options = options
    this.#secrets = options.secrets ?? new PipelineSecrets()
    this.hashKey = state.hashKey
    this.generation = state.generation
    this.#lists = new LeaveOutFiles(options.folder, files)
    this.#judge = new KeyJudge(index, this.#reservations)
    const callbacks = {
      failed: (error: Error) => this.#fail(error),
      gone: (row: ObjectRow) => this.#isGone(row),
      retired: (row: ObjectRow) => this.#isRetired(row),
    }
    this.#committer = new Committer(parts, callbacks)
    const { publisher } = this.#committer
    this.#space = new OutboxSpace({
      ...options,
      bytes: (role) => publisher.bytes(role),
      changed: () => publisher.changed(options.stopping),
    })
  }

  /** Continues the run that the state has, if it has one. */
  async recover(): Promise<void> {
    const { state } = this.#parts
    const run = state.shardRun
    if (run) this.#load(run)
    else {
      await state.removeShards()
      // A worker that died when the last run had just ended.
      if (state.shardRuns > 0) await this.#sweep()
    }
    const waiting = new Set(state.objects().map(({ shard }) => shard))
    await this.#lists.recover((file) => {
      const named = shardIn(file)
      if (named.run !== run?.id) return false
      const row = state.shard(named.shard)
      return row !== undefined && (row.status === 'done' ? waiting.has(row.number) : true)
    })
    await this.#committer.publisher.recover()
  }

  /** The run that is not finished. */
  get run(): ShardRun | undefined {
    return this.#plan?.run
  }

  /** The committed position of a source partition, where a plan begins. */
  position(partition: string): Json | undefined {
    return this.#secrets.unseal(this.#parts.state.partition(partition)?.position)
  }

  /**
   * Continues the run of the state, or stores a plan and begins one. Undefined if the plan has no shards.
   * @param source see `ShardRun`
   * @param shards called if there is no run; one shard at a time is in memory.
   * @throws SluiceError SHARDS_UNFINISHED if the state has the run of another source
   */
  async begin(source: string, shards: () => AsyncIterable<Omit<Shard, 'number'>>): Promise<ShardRun | undefined> {
    const { run } = this
    if (run && run.source !== source) throw unfinishedRun(this.#options.pipeline, run)
    return run ?? this.#storePlan(source, shards())
  }

  /** The next shard to execute; undefined if there is none at this moment, see `changed`. */
  async next(): Promise<ShardTask | undefined> {
    this.#queue.throwIfFailed()
    const plan = this.#plan
    this.#seen = this.#changes
    if (plan === undefined) return undefined
    const again = this.#nextAgain()
    const begun = again === undefined ? this.#nextOpen(plan) : undefined
    const number = again ?? begun?.shard
    if (number === undefined) return undefined
    this.#committer.connection.start()
    const { state } = this.#parts
    const { id, number: runNumber, createdAt } = plan.run
    const live = this.#liveOf(number)
    live.executing++
    const attempt = (this.#attempts.get(number) ?? 0) + 1
    this.#attempts.set(number, attempt)
    const shard = { number, parts: state.shardParts(number), bytes: state.shard(number)?.bytes ?? 0 }
    if (begun && begun.neighbours.length > 0) await this.#leaveOutCommitted(live, begun)
    const leaveOut = live.list && (await this.#lists.read(live.list))
    return { run: id, runNumber, createdAt, shard, attempt, ...(leaveOut && { leaveOut }) }
  }

  /**
   * Resolves when `next` may have another answer than at the last call of `next` or `changed`.
   * @throws SluiceError if the commit has failed
   */
  async changed(): Promise<void> {
    this.#queue.throwIfFailed()
    if (this.#changes === this.#seen) await new Promise<void>((resolve) => this.#listeners.add(resolve))
    this.#queue.throwIfFailed()
    this.#seen = this.#changes
  }

  /** Takes the result of an execution. It then belongs to the commit, which discards what it does not need. */
  async offer(result: ShardResult): Promise<Offered> {
    let offered: Offered = 'discarded'
    await this.#serially(async () => {
      const live = this.#live.get(result.shard)
      if (live && live.executing > 0) live.executing--
      offered = await this.#decide(result)
    })
    return offered
  }

  /** An execution has ended without a result: the shard is executed again. */
  retry(shard: number): void {
    const live = this.#live.get(shard)
    if (!live) return
    if (live.executing > 0) live.executing--
    this.#executeAgain(shard)
  }

  /** A shard cannot be executed. The others continue, and the next start tries it again. */
  async fail(shard: number, error: SluiceError): Promise<void> {
    await this.#serially(async () => {
      const { state } = this.#parts
      const row = state.shard(shard)
      const live = this.#liveOf(shard)
      if (live.executing > 0) live.executing--
      if (!row || !this.#plan || live.waiting) return
      if (row.status === 'done') {
        if (live.gone.length > 0) throw cannotMakeAgain(live.gone, error.message)
        return
      }
      const { code, message } = error
      await state.saveShard({ ...row, status: 'failed', error: { code, message } })
      this.#plan.failed.add(shard)
      this.#observe({ kind: 'failed', shard, error })
      await this.#release(shard)
    })
  }

  counts(): ShardCounts {
    const { run, doneCount: done = 0, doneBytes = 0, failed = [] } = this.#plan ?? {}
    const live = [...this.#live.values()]
    return {
      shards: run?.shards ?? 0,
      bytes: run?.bytes ?? 0,
      done,
      doneBytes,
      executing: live.reduce((sum, { executing }) => sum + executing, 0),
      waiting: live.filter(({ waiting }) => waiting).length,
      failed: [...failed],
    }
  }

  /**
   * Publishes what is committed, and ends the run if all shards are done. Call it when nothing is
   * executed any more. False if there are shards to execute after all: the outbox was full before, or
   * the store has removed what was staged.
   * @throws SluiceError SINK_UNAVAILABLE; the same command then goes on
   */
  async settle({ isInterrupted = false }: { readonly isInterrupted?: boolean } = {}): Promise<boolean> {
    const isPublished = await this.#publish(isInterrupted)
    return isPublished && (isInterrupted || this.#plan?.order.hasOpen !== true)
  }

  /** False if a shard has to be executed again. */
  async #publish(isInterrupted: boolean): Promise<boolean> {
    await this.#queue.idle()
    this.#queue.throwIfFailed()
    const isDone = this.#plan?.doneCount === this.#plan?.run.shards
    if (isDone && this.#plan?.staged.size === 0) await this.#end()
    const drained = this.#committer.drain(isInterrupted)
    drained.catch(() => undefined)
    await Promise.race(isInterrupted ? [drained] : [drained, this.#whenAgain()])
    this.#queue.throwIfFailed()
    if (this.#again.length > 0) return false
    if (isDone && this.#plan) await this.#end()
    return true
  }

  /**
   * Gives up the run. What is committed stays, and is published first. Positions move as far as all
   * parts before are committed. Returns how many committed shards a later run reads again.
   * @param force also if it then writes their records again, because nothing deduplicates them
   * @throws SluiceError SHARDS_UNFINISHED without `force`; SINK_UNAVAILABLE
   */
  async cancel({ force = false }: { readonly force?: boolean } = {}): Promise<{ readonly readAgain: number }> {
    const plan = this.#plan
    if (!plan) return { readAgain: 0 }
    const { options } = this.#parts
    const begun = [...plan.progress.begun((shard) => this.#isDone(shard), this.#readShard)]
    const readAgain = begun.reduce((sum, { later }) => sum + later, 0)
    if (readAgain > 0 && !options.dedup && !force) throw wouldRepeat(options.pipeline, readAgain)
    if (!(await this.#publish(false))) throw unfinishedRun(options.pipeline, plan.run)
    if (this.#plan) await this.#end(begun.flatMap((partition) => this.#rowsOf(partition)))
    return { readAgain }
  }

  totals(): ReturnType<Delivery['totals']> {
    return this.#committer.totals()
  }

  /** Gives up results that wait, and closes state and sinks. What is committed is safe. */
  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    this.#queue.fail(new SluiceError('INTERNAL', 'the commit is closed'))
    this.#notify()
    await this.#committer.stop()
    await this.#queue.idle()
    await this.#committer.close()
  }

  async #storePlan(source: string, shards: AsyncIterable<Omit<Shard, 'number'>>): Promise<ShardRun | undefined> {
    const { state, now } = this.#parts
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
    this.#load(run)
    return run
  }

  #load(run: ShardRun): void {
    const { state } = this.#parts
    const done = new Uint8Array(run.shards)
    let doneBytes = 0
    const large: ShardRow[] = []
    const rows = function* () {
      for (const row of state.shards()) {
        if (row.bytes > (LARGE * run.bytes) / run.shards) large.push(row)
        if (row.status === 'done') {
          done[row.number] = 1
          doneBytes += row.bytes
        }
        yield row
      }
    }
    const progress = new PlanProgress(rows())
    const staged = new Map<number, number>()
    for (const { shard } of state.objects()) if (shard !== undefined) staged.set(shard, (staged.get(shard) ?? 0) + 1)
    this.#plan = {
      run,
      progress,
      done,
      doneCount: done.reduce((sum, one) => sum + one, 0),
      doneBytes,
      failed: new Set(),
      staged,
      order: new ShardOrder(
        run.shards,
        large.toSorted((one, other) => other.bytes - one.bytes).map(({ number }) => number),
        (shard) => this.#plan !== undefined && this.#isOpen(this.#plan, shard),
      ),
    }
  }

  /** Committed keys stay in the index, so a result without them needs no second look at them. */
  async #leaveOutCommitted(live: LiveShard, { shard, neighbours }: { shard: number; neighbours: readonly DayKeys[] }) {
    await this.#serially(async () => {
      const run = this.#plan?.run.id
      if (run === undefined || live.list) return
      live.list = await this.#lists.write(run, shard, encodeKeys(neighbours))
      live.leavesOutCommitted = true
    })
  }

  /** A shard whose result is in the meantime not needed any more is left out. */
  #nextAgain(): number | undefined {
    for (;;) {
      const shard = this.#again.shift()
      if (shard === undefined || !this.#isDone(shard) || this.#liveOf(shard).gone.length > 0) return shard
    }
  }

  /** A shard that nobody has begun. None while the outbox is full. */
  #nextOpen({ order }: Plan): ReturnType<ShardOrder['next']> {
    if (!this.#space.isFull) return order.next(this.#live.size)
    if (order.hasOpen) this.#awaitSpace()
    return undefined
  }

  #isOpen({ done, failed }: Plan, shard: number): boolean {
    return done[shard] === 0 && !this.#live.has(shard) && !failed.has(shard)
  }

  #awaitSpace(): void {
    if (this.#isSpaceAwaited) return
    this.#isSpaceAwaited = true
    const waited = this.#space.wait(() => this.#queue.throwIfFailed())
    const end = (): void => {
      this.#isSpaceAwaited = false
      this.#notify()
    }
    waited.then(end, end)
  }

  /** Decides what becomes of a result. See the comment at the top. */
  async #decide(result: ShardResult): Promise<Offered> {
    const plan = this.#plan
    if (plan?.run.id !== result.run || !(result.shard < plan.run.shards)) return this.#discard(result)
    if (this.#isDone(result.shard)) return this.#republish(result)
    const live = this.#liveOf(result.shard)
    if (live.waiting) return this.#discard(result)
    if (!(await this.#hasList(live, result))) {
      this.#executeAgain(result.shard)
      return this.#discard(result)
    }
    const own = await this.#judge.judge(result.keys, result.shard)
    if (!own.hasTaken && live.leavesOutCommitted) return this.#commit(plan, result, live)
    const leftOut = live.list ? decodeKeys(await this.#lists.read(live.list)) : []
    const left = await this.#judge.judge(leftOut, result.shard)
    if (own.hasTaken || left.hasFree) return this.#conflict(result, live, own, left)
    if (left.owners.size === 0) return this.#commit(plan, result, live)
    live.waiting = { result, for: left.owners }
    this.#observe({ kind: 'waits', shard: result.shard, for: [...left.owners] })
    return 'waits'
  }

  /** True if the result was made with the current list. A list of an earlier process is found by its digest. */
  async #hasList(live: LiveShard, { shard, run, leftOut }: ShardResult): Promise<boolean> {
    if (!live.list && leftOut !== undefined) live.list = await this.#lists.find(run, shard, leftOut)
    return leftOut === (live.list && digestIn(live.list.file))
  }

  /** The shard is executed again: it leaves out what others have, and keeps the rest. */
  async #conflict(result: ShardResult, live: LiveShard, own: Judged, left: Judged): Promise<Offered> {
    const { shard, run } = result
    this.#reservations.add([...own.free(), ...left.free()], shard)
    const list = encodeKeys([...own.taken(), ...left.taken()])
    const old = live.list
    live.leavesOutCommitted = false
    live.list = list.length > 0 ? await this.#lists.write(run, shard, list) : undefined
    if (old && old.file !== live.list?.file) await this.#lists.remove(old.file)
    await this.#options.discard(result)
    if (!this.#again.includes(shard)) this.#again.push(shard)
    this.#observe({ kind: 'again', shard, reason: 'overlap' })
    return 'again'
  }

  async #commit(plan: Plan, result: ShardResult, live: LiveShard): Promise<Offered> {
    const { shard } = result
    const { run, progress } = plan
    const read = (number: number) =>
      number === shard ? { parts: this.#partsOf(shard), ends: result.ends } : this.#readShard(number)
    const complete = progress.completedBy(shard, read)
    const partitions = [...this.#sealed(result.positions), ...complete.flatMap((partition) => this.#rowsOf(partition))]
    const ends = progress.reachesBeyond(shard) ? this.#secrets.seal(result.ends.map((end) => end ?? null)) : []
    await commitResult(this.#parts, this.#committer, { run, result, partitions, ends, list: live.list })
    progress.done(shard)
    plan.done[shard] = 1
    plan.doneCount++
    plan.doneBytes += this.#parts.state.shard(shard)?.bytes ?? 0
    plan.failed.delete(shard)
    const staged = result.objects.filter(({ file }) => file === undefined).length
    if (staged > 0) plan.staged.set(shard, (plan.staged.get(shard) ?? 0) + staged)
    else if (live.list) await this.#lists.remove(live.list.file)
    this.#live.delete(shard)
    plan.order.committed(shard, result.keys)
    this.#observe({ kind: 'committed', shard, result })
    await this.#release(shard)
    return 'committed'
  }

  /** What a shard has reserved is written now, or never: decides on the results that waited for it. */
  async #release(shard: number): Promise<void> {
    this.#reservations.release(shard)
    const ready: number[] = []
    for (const [number, { waiting }] of this.#live) if (waiting?.for.delete(shard) === true) ready.push(number)
    ready.sort((one, other) => this.#reservations.orderOf(one) - this.#reservations.orderOf(other))
    for (const number of ready) {
      const live = this.#liveOf(number)
      const { waiting } = live
      const isFailed = !this.#isDone(shard)
      if (!waiting || (waiting.for.size > 0 && !isFailed)) continue
      live.waiting = undefined
      await this.#decide(waiting.result)
    }
  }

  /** A committed shard whose staged objects are gone was executed once more. */
  async #republish(result: ShardResult): Promise<Offered> {
    const { state, files, options } = this.#parts
    const row = state.shard(result.shard)
    const live = this.#liveOf(result.shard)
    const leftOut = row?.leaveOut && digestIn(row.leaveOut.file)
    const gone = live.gone.splice(0)
    if (gone.length === 0 || result.leftOut !== leftOut) {
      live.gone.push(...gone)
      if (gone.length > 0) this.#executeAgain(result.shard)
      return this.#discard(result)
    }
    const { rows, unneeded } = replaceGone(gone, result)
    if (rows.some(({ file }) => file !== undefined)) await files.fsyncFolder(outboxFolder(options.folder))
    await state.replaceStaged(rows)
    for (const replaced of rows) this.#committer.publisher.replace(replaced)
    if (unneeded.length > 0) await this.#options.discard({ ...result, objects: unneeded })
    this.#observe({ kind: 'committed', shard: result.shard, result: { ...result, objects: [] } })
    return 'committed'
  }

  /** The store has removed what was staged for an object. */
  #isGone(row: ObjectRow): void {
    const { shard } = row
    const stored = shard === undefined ? undefined : this.#parts.state.shard(shard)
    if (shard === undefined || stored?.status !== 'done')
      return this.#fail(cannotMakeAgain([row], 'its shard is not known'))
    const live = this.#liveOf(shard)
    live.list = stored.leaveOut
    live.gone.push(row)
    if (live.gone.length === 1) this.#observe({ kind: 'again', shard, reason: 'gone' })
    this.#executeAgain(shard)
  }

  /** An object is published. When all of a shard are, its list is not needed any more. */
  #isRetired({ shard }: ObjectRow): void {
    const plan = this.#plan
    const left = shard === undefined ? undefined : plan?.staged.get(shard)
    if (!plan || shard === undefined || left === undefined) return
    plan.staged.set(shard, left - 1)
    if (left > 1) return
    plan.staged.delete(shard)
    this.#live.delete(shard)
    const list = this.#parts.state.shard(shard)?.leaveOut
    if (list) void this.#serially(() => this.#lists.remove(list.file)).catch(() => undefined)
  }

  async #end(partitions: readonly PartitionRow[] = []): Promise<void> {
    const plan = this.#plan
    if (!plan) return
    const { state } = this.#parts
    await this.#options.ending?.()
    // Before the run ends: otherwise nobody would do it after a crash.
    await this.#sweep()
    await state.endShardRun(partitions)
    this.#plan = undefined
    await this.#lists.recover(() => false)
    await this.#deleteLeftovers(plan.run)
  }

  async #sweep(): Promise<void> {
    const { state, options, targets } = this.#parts
    const { pipeline } = options
    if (this.#options.sweeps === true) await sweepStaged(targets, { pipeline, generation: state.generation })
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

  #rowsOf({ partition, parts, ends }: PartitionParts): PartitionRow[] {
    const { positionAfter } = this.#options
    if (parts.length === 0) return []
    const position = positionAfter ? positionAfter(parts, ends) : ends.at(-1)
    return position === undefined ? [] : this.#sealed([{ partition, position }])
  }

  #sealed(rows: readonly PartitionRow[]): PartitionRow[] {
    return rows.map((row) => ({ ...row, position: this.#secrets.seal(row.position) }))
  }

  readonly #readShard = (shard: number) => {
    const ends = this.#secrets.unseal(this.#parts.state.shardEnds(shard))
    return { parts: this.#partsOf(shard), ends }
  }

  #partsOf(shard: number): SourcePart[] {
    return this.#parts.state.shardParts(shard)
  }

  #liveOf(shard: number): LiveShard {
    const live = this.#live.get(shard) ?? { executing: 0, list: undefined, waiting: undefined, gone: [] }
    this.#live.set(shard, live)
    return live
  }

  #isDone(shard: number): boolean {
    return this.#plan?.done[shard] === 1
  }

  /** Unless an execution of the shard is under way, or its result waits. */
  #executeAgain(shard: number): void {
    const live = this.#liveOf(shard)
    if (live.executing > 0 || live.waiting || this.#again.includes(shard)) return
    this.#again.push(shard)
    this.#notify()
  }

  async #discard(result: ShardResult): Promise<Offered> {
    await this.#options.discard(result)
    return 'discarded'
  }

  async #serially(operation: () => Promise<void>): Promise<void> {
    try {
      await this.#queue.run(operation)
    } finally {
      this.#notify()
    }
  }

  #whenAgain(): Promise<void> {
    return new Promise((resolve) => {
      const listen = (): void => {
        if (this.#again.length > 0 || this.#queue.failure) resolve()
        else this.#listeners.add(listen)
      }
      listen()
    })
  }

  #observe(event: ShardEvent): void {
    this.#options.observe?.(event)
  }

  #notify(): void {
    this.#changes++
    const listeners = [...this.#listeners]
    this.#listeners.clear()
    for (const listener of listeners) listener()
  }

  /** Frees the space of committed files. Otherwise the next run would find the disk just as full. */
  async #publishIfDiskIsFull({ code }: SluiceError): Promise<void> {
    if (code !== 'DISK_FULL') return
    await Promise.allSettled([this.#committer.drain(this.#parts.options.stopping?.aborted === true)])
  }

  #fail(error: Error): void {
    this.#queue.fail(error)
    this.#notify()
  }
}

/** Parts that one transaction of a plan stores. */
const STORED_PARTS = 2000

/**
 * A shard of so many times the mean is begun first: one compressed file of many gigabytes would
 * otherwise keep one worker busy at the end, when the others are done.
 */
const LARGE = 2

/** The run, and how far it is. */
interface Plan {
  readonly run: ShardRun
  readonly progress: PlanProgress
  /** 1 for each shard that is committed. */
  readonly done: Uint8Array
  doneCount: number
  doneBytes: number
  /** Shards that have failed in this process. */
  readonly failed: Set<number>
  /** Staged objects that are committed and not published, by shard. */
  readonly staged: Map<number, number>
  readonly order: ShardOrder
}

/** A shard that this process has begun, or whose objects are gone. */
interface LiveShard {
  /** Executions under way. */
  executing: number
  /** What the next execution leaves out. */
  list: LeaveOutFile | undefined
  /** All keys of the list are committed. */
  leavesOutCommitted?: boolean
  /** A result, and the shards that have to be committed before it. */
  waiting: { readonly result: ShardResult; readonly for: Set<number> } | undefined
  /** Committed objects that were staged and are gone. */
  readonly gone: ObjectRow[]
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
