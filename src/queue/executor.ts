import { setTimeout as sleep } from 'node:timers/promises'
import { FlowProducer, Queue } from 'bullmq'
import type { Job } from 'bullmq'
import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'
import type { Executor, ShardProgress } from '../shards/executor.ts'
import { receivedError } from '../runtime/sent-error.ts'
import type { SentError } from '../runtime/sent-error.ts'
import { SECOND } from '../time.ts'
import { BlobStore, partsOf } from './blob-store.ts'
import type { Connection } from './connection.ts'
import { Fleet } from './fleet.ts'
import { removeRun } from './remove-run.ts'
import { Roster } from './roster.ts'
import { jobIdOf, leaveOutBlob, parentIdOf, purpose, queueOf, resultBlob, RUNS } from './protocol.ts'
import type { ResultRef, RunHead, SealedData, SealedTask } from './protocol.ts'
import type { Seal } from './seal.ts'

export interface QueueExecutorOptions {
  readonly connection: Connection
  readonly seal: Seal
  /** `ShardRun.id` */
  readonly run: string
  /** Name of the pipeline, for people who look at the queue. */
  readonly pipeline: string
  readonly head: RunHead
  readonly note: Note
  /** Removes what the objects of a result have staged. */
  readonly discardStaged: (result: ShardResult) => Promise<void>
  /** Called at the end of `close`. */
  readonly closed?: () => Promise<void>
}

/** Milliseconds between two looks at the jobs that have ended, which is one command. */
const POLL = 100
/** Milliseconds between two looks at everything else: jobs that are gone, workers, progress. */
const SURVEY = 2 * SECOND
/** Results that were refused before the shard fails: somebody else writes to this Redis. */
const MAX_FORGED = 3

interface Waiting {
  readonly task: ShardTask
  readonly observe: ((progress: ShardProgress) => void) | undefined
  readonly resolve: (result: ShardResult) => void
  readonly reject: (error: unknown) => void
  isCollecting: boolean
  forged: number
}

/**
 * Has shards executed on other machines, by way of Redis. Redis is no state: a job that is gone from it
 * is enqueued again, a result that is gone is made again, and what waits there when the coordinator dies
 * is found by the next one, since the id of a job is that of its execution.
 */
export class QueueExecutor implements Executor {
  readonly #options: QueueExecutorOptions
  readonly #queue: Queue<SealedData, ResultRef>
  readonly #flow: FlowProducer
  readonly #blobs: BlobStore
  readonly #fleet: Fleet
  readonly #waiting = new Map<string, Waiting>()
  /** Where the results came from, until they are committed or discarded. */
  readonly #collected = new WeakMap<ShardResult, { readonly task: ShardTask; readonly ref: ResultRef }>()
  /** Removals from Redis under way: the commit does not wait for them. */
  readonly #removing = new Set<Promise<void>>()
  readonly #closing = new AbortController()
  #sealedHead: Promise<string> | undefined
  #watching: Promise<void> | undefined

  constructor(options: QueueExecutorOptions) {
    const { connection, run, seal } = options
    const shared = { connection: connection.client, prefix: connection.address.prefix, skipVersionCheck: true }
    this.#options = options
    this.#queue = new Queue(queueOf(run), shared)
    this.#flow = new FlowProducer(shared)
    // The connection reports its errors.
    this.#queue.on('error', () => {})
    this.#flow.on('error', () => {})
    this.#blobs = new BlobStore(connection, seal)
    this.#fleet = new Fleet(options)
  }

  /** Shards in Redis at once: enough for every worker to find the next one, and little to hold. */
  get capacity(): number {
    return this.#fleet.capacity
  }

  async execute(
    task: ShardTask,
    signal: AbortSignal,
    observe?: (progress: ShardProgress) => void,
  ): Promise<ShardResult> {
    signal.throwIfAborted()
    const id = jobIdOf(task)
    await this.#enqueue(task)
    this.#watching ??= this.#watch()
    return new Promise<ShardResult>((resolve, reject) => {
      // The job stays: its result is collected when the same command runs again.
      const onAbort = () => this.#finish(id, (waiting) => waiting.reject(signal.reason))
      signal.addEventListener('abort', onAbort, { once: true })
      const end = () => signal.removeEventListener('abort', onAbort)
      this.#waiting.set(id, {
        task,
        observe,
        resolve: (result) => (end(), resolve(result)),
        reject: (error) => (end(), reject(error)),
        isCollecting: false,
        forged: 0,
      })
      if (signal.aborted) onAbort()
    })
  }

  committed(result: ShardResult): void {
    const removing = this.#forget(result)
      .catch(() => undefined)
      .finally(() => this.#removing.delete(removing))
    this.#removing.add(removing)
  }

  async discard(result: ShardResult): Promise<void> {
    await this.#options.discardStaged(result).catch(() => undefined)
    this.committed(result)
  }

  /** Removes the run and all that belongs to it from Redis. */
  async ending(): Promise<void> {
    const { connection, seal, run, note } = this.#options
    await Promise.all(this.#removing)
    await removeRun(connection, seal, run).catch((error: unknown) => {
      const { code, message } = asSluiceError(error, 'QUEUE_UNAVAILABLE', 'Redis failed')
      note('queue.run-left', { error: code, reason: message })
    })
  }

  async close(): Promise<void> {
    this.#closing.abort()
    for (const id of this.#waiting.keys())
      this.#finish(id, ({ reject }) => reject(new SluiceError('INTERNAL', 'the executor is closed')))
    await this.#watching
    await Promise.all(this.#removing)
    await Promise.all([this.#queue.close(), this.#flow.close()])
    await this.#options.closed?.()
  }

  async #forget(result: ShardResult): Promise<void> {
    const collected = this.#collected.get(result)
    if (collected === undefined) return
    this.#collected.delete(result)
    await this.#remove(collected.task, collected.ref)
  }

  /** No-op if the job is there. With its parent, which Redis may have lost. */
  async #enqueue(task: ShardTask): Promise<void> {
    const { connection, seal, run, pipeline } = this.#options
    const id = jobIdOf(task)
    const { prefix } = connection.address
    const sealedHead = await (this.#sealedHead ??= this.#openHead())
    const sealed = await seal.sealJson(await this.#describe(task, id), purpose.task(run, id))
    const child = {
      name: `shard ${task.shard.number}`,
      queueName: queueOf(run),
      prefix,
      data: { sealed },
      // A shard that is executed again holds others up.
      opts: { jobId: id, ignoreDependencyOnFailure: true, lifo: task.attempt > 1, ...KEPT },
    }
    const parent = {
      name: pipeline,
      queueName: RUNS,
      prefix,
      data: { sealed: sealedHead },
      opts: { jobId: parentIdOf(run), ...KEPT },
      children: [child],
    }
    await connection.call(() => this.#flow.add(parent))
  }

  /**
   * The sealed head of the run. If Redis has another one, the run is continued with a changed
   * configuration: it gets the new one, which all workers look at again.
   */
  async #openHead(): Promise<string> {
    const { connection, seal, run, head } = this.#options
    const { prefix } = connection.address
    const runs = new Queue<SealedData>(RUNS, { connection: connection.client, prefix, skipVersionCheck: true })
    runs.on('error', () => {})
    try {
      const job = await connection.call(() => runs.getJob(parentIdOf(run)))
      const known = job && (await seal.openJson<RunHead>(job.data.sealed, purpose.head(run)).catch(() => undefined))
      if (job && JSON.stringify(known) === JSON.stringify(head)) return job.data.sealed
      const sealed = await seal.sealJson(head, purpose.head(run))
      await connection.call(async () => job?.updateData({ sealed }))
      if (job) await connection.call(() => new Roster(connection, seal).forget(run))
      return sealed
    } finally {
      await runs.close()
    }
  }

  async #describe({ leaveOut, ...task }: ShardTask, id: string): Promise<SealedTask> {
    if (leaveOut === undefined) return { task }
    const parts = await this.#blobs.write(leaveOutBlob(task.run, id), leaveOut)
    return { task, leaveOut: { parts } }
  }

  async #watch(): Promise<void> {
    const { connection } = this.#options
    let surveyedAt = 0
    while (!this.#closing.signal.aborted) {
      try {
        if (this.#waiting.size > 0) await this.#collectEnded()
        if (Date.now() - surveyedAt > SURVEY) {
          await connection.call(() => this.#survey())
          surveyedAt = Date.now()
        }
      } catch (error) {
        // Redis is gone for good, or no worker takes the run: nothing can be executed any more.
        this.#failAll(error)
        return
      }
      await sleep(POLL, undefined, { signal: this.#closing.signal }).catch(() => undefined)
    }
  }

  async #collectEnded(): Promise<void> {
    const ended = await this.#options.connection.call(() => this.#queue.getRanges(['completed', 'failed'], 0, -1, true))
    for (const id of ended) {
      const waiting = this.#waiting.get(id)
      if (waiting === undefined || waiting.isCollecting) continue
      waiting.isCollecting = true
      void this.#collect(id, waiting)
        .catch((error: unknown) => this.#finish(id, ({ reject }) => reject(error)))
        .finally(() => (waiting.isCollecting = false))
    }
  }

  /** Takes the result of a job that has ended, or has the shard executed again if there is no usable one. */
  async #collect(id: string, waiting: Waiting): Promise<void> {
    const { connection, note } = this.#options
    const { task } = waiting
    const job = await connection.call(() => this.#queue.getJob(id))
    if (job === undefined) return this.#enqueue(task)
    if (await job.isFailed()) {
      const error = await this.#sentError(job)
      await this.#remove(task)
      return this.#finish(id, ({ reject }) => reject(error))
    }
    const ref = refOf(job.returnvalue)
    try {
      const result = await this.#blobs.read<ShardResult>(resultBlob(task, ref.fence), ref.parts)
      if (result !== undefined) {
        this.#collected.set(result, { task, ref })
        return this.#finish(id, ({ resolve }) => resolve(result))
      }
      note('queue.result-gone', { shard: task.shard.number })
    } catch (thrown) {
      const error = asSluiceError(thrown, 'QUEUE_FORGED', `the result of shard ${task.shard.number} cannot be read`)
      const isRefused = error.code === 'QUEUE_FORGED' || error.code === 'QUEUE_KEY_INVALID'
      if (!isRefused || ++waiting.forged >= MAX_FORGED) throw error
      note('queue.result-refused', { error: error.code, shard: task.shard.number })
    }
    await this.#remove(task, ref)
    await this.#enqueue(task)
  }

  async #sentError(job: Job<SealedData, ResultRef>): Promise<SluiceError> {
    const { run, seal } = this.#options
    const [code = '', sealed] = (job.failedReason ?? '').split(' ')
    if (!/^[A-Z_]+$/.test(code) || sealed === undefined)
      return new SluiceError('WORKER_LOST', `${job.stalledCounter} workers died while they executed the shard`)
    return receivedError(await seal.openJson<SentError>(sealed, purpose.failure(run, job.id ?? '')))
  }

  /** A job that is under way cannot be removed: it ends without a result, see `Lease`. */
  async #remove(task: ShardTask, ref?: ResultRef): Promise<void> {
    const { connection } = this.#options
    if (ref !== undefined) await this.#blobs.delete(resultBlob(task, ref.fence), ref.parts)
    if (task.leaveOut !== undefined)
      await this.#blobs.delete(leaveOutBlob(task.run, jobIdOf(task)), partsOf(task.leaveOut))
    await connection.call(() => this.#queue.remove(jobIdOf(task)))
  }

  async #survey(): Promise<void> {
    await this.#fleet.look(this.#waiting.size > 0)
    if (this.#waiting.size === 0) return
    const counts = await this.#queue.getJobCounts()
    const total = Object.values(counts).reduce((sum, count) => sum + count, 0)
    if (total < this.#waiting.size) await this.#enqueueLost()
    for (const job of await this.#queue.getJobs(['active'])) showProgress(job, this.#waiting.get(job.id ?? ''))
  }

  /** Redis was flushed, or restarted with less than it had. */
  async #enqueueLost(): Promise<void> {
    for (const [id, { task }] of this.#waiting) {
      if ((await this.#queue.getJobState(id)) === 'unknown') await this.#enqueue(task)
    }
  }

  #finish(id: string, end: (waiting: Waiting) => void): void {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (waiting !== undefined) end(waiting)
  }

  #failAll(error: unknown): void {
    for (const id of this.#waiting.keys()) this.#finish(id, ({ reject }) => reject(error))
    // Later executions fail too.
    this.#watching = undefined
  }
}

/** The coordinator removes jobs: it knows when a result is committed. */
const KEPT = { removeOnComplete: false, removeOnFail: false, attempts: 1 } as const

/** Anybody who can write to Redis can write this. */
function refOf(value: unknown): ResultRef {
  if (typeof value !== 'object' || value === null) return { fence: '', parts: 1 }
  return { fence: String(Reflect.get(value, 'fence')), parts: Number(Reflect.get(value, 'parts')) }
}

function showProgress({ progress, processedBy }: Job, waiting: Waiting | undefined): void {
  if (typeof progress !== 'object' || progress === null) return
  const [records, bytes] = ['records', 'bytes'].map((name) => Number(Reflect.get(progress, name)) || 0)
  waiting?.observe?.({ worker: processedBy ?? '?', records: records ?? 0, bytes: bytes ?? 0 })
}
