import { Queue, Worker } from 'bullmq'
import type { Job } from 'bullmq'
import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'
import type { ShardProgress } from '../shards/executor.ts'
import { sentError } from '../runtime/sent-error.ts'
import { anySignal } from '../signals.ts'
import { SECOND } from '../time.ts'
import { BlobStore } from './blob-store.ts'
import type { Connection } from './connection.ts'
import { Lease } from './lease.ts'
import { leaveOutBlob, purpose, queueOf, resultBlob } from './protocol.ts'
import type { ResultRef, SealedData, SealedTask } from './protocol.ts'
import type { Seal } from './seal.ts'

/** Executes the shards of one run. */
export interface ShardRunner {
  /**
   * Executes a shard, and stages its objects at the store.
   * @param executed Called before the first object is staged: the next shard can be executed.
   */
  execute(
    task: ShardTask,
    signal: AbortSignal,
    observe: (progress: ShardProgress) => void,
    executed: () => void,
  ): Promise<ShardResult>
  /** Removes what a result has staged: it came too late. */
  discard(result: ShardResult): Promise<void>
  close(): Promise<void>
}

export interface ServedRunOptions {
  readonly connection: Connection
  readonly seal: Seal
  readonly name: string
  readonly lock: number
  readonly note: Note
  readonly run: string
  readonly runner: ShardRunner
  /** True while Redis has the run. */
  readonly isPresent: () => Promise<boolean>
}

/**
 * Times that a shard may lose its worker before it fails: not so few that machines which come and go end
 * a run, not so many that a shard which kills its workers kills all of them.
 */
const MAX_STALLED = 5

interface Taken {
  readonly executed: Promise<void>
  readonly done: Promise<void>
}

/** A run that a worker takes shards of. */
export class ServedRun {
  readonly #options: ServedRunOptions
  readonly #worker: Worker<SealedData, ResultRef>
  readonly #queue: Queue<SealedData, ResultRef>
  readonly #blobs: BlobStore
  readonly #active = new Set<Promise<void>>()

  constructor(options: ServedRunOptions) {
    const { connection, seal, name, lock, run } = options
    this.#options = options
    this.#blobs = new BlobStore(connection, seal)
    const shared = { connection: connection.client, prefix: connection.address.prefix, skipVersionCheck: true }
    this.#queue = new Queue(queueOf(run), shared)
    this.#worker = new Worker(queueOf(run), null, {
      ...shared,
      autorun: false,
      name,
      lockDuration: lock,
      stalledInterval: lock / 2,
      maxStalledCount: MAX_STALLED,
    })
    // The connection reports its errors.
    this.#queue.on('error', () => {})
    this.#worker.on('error', () => {})
    void this.#worker.startStalledCheckTimer().catch(() => undefined)
  }

  /**
   * Takes a shard, if one waits. `executed` resolves before its objects are staged, `done` when the
   * shard is over; they never reject. @returns undefined if there is none
   * @param token Names this execution: the fence.
   */
  async take(token: string, abort: AbortSignal): Promise<Taken | undefined> {
    const { connection } = this.#options
    const job = await connection.call(() => this.#worker.getNextJob(token, { block: false }))
    if (job === undefined || job === null) return undefined
    let end: (() => void) | undefined
    const executed = new Promise<void>((resolve) => (end = resolve))
    const execution = this.#execute(job, { token, abort, isExecuted: () => end?.() }).catch((error: unknown) => {
      const { code, message } = asSluiceError(error, 'INTERNAL', 'the shard failed')
      this.#options.note('worker.shard.failed', { job: job.name, error: code, reason: message })
    })
    this.#active.add(execution)
    void execution.finally(() => {
      end?.()
      this.#active.delete(execution)
    })
    return { executed, done: execution }
  }

  async close(): Promise<void> {
    await Promise.all(this.#active)
    await this.#options.runner.close()
    await this.#worker.close()
    await this.#removeTraces().catch(() => undefined)
    await this.#queue.close()
  }

  /** What BullMQ keeps of a queue itself: a worker that comes late makes it again after the run is removed. */
  async #removeTraces(): Promise<void> {
    const { connection } = this.#options
    const counts = await connection.call(() => this.#queue.getJobCounts())
    if (Object.values(counts).some((count) => count > 0)) return
    const keys = ['meta', 'stalled-check'].map((key) => this.#queue.toKey(key))
    await connection.call(() => connection.client.del(...keys))
  }

  async #execute(
    job: Job<SealedData, ResultRef>,
    { token, abort, isExecuted }: { token: string; abort: AbortSignal; isExecuted: () => void },
  ): Promise<void> {
    const { connection, lock } = this.#options
    const lease = new Lease(connection, job, { token, duration: lock })
    const given = anySignal(abort, lease.lost)
    try {
      if (job.deferredFailure !== undefined) throw new SluiceError('WORKER_LOST', job.deferredFailure)
      const task = await this.#taskOf(job)
      const result = await this.#options.runner.execute(task, given, this.#observer(job), isExecuted)
      await this.#complete(job, { task, token, result, signal: given })
    } catch (error) {
      if (lease.lost.aborted) {
        this.#options.note('worker.shard.lost', { job: job.name, reason: String(lease.lost.reason.message) })
      } else if (abort.aborted) await connection.call(() => job.moveToWait(token)).catch(() => undefined)
      else await this.#fail(job, token, error)
    } finally {
      lease.end()
    }
  }

  async #taskOf(job: Job<SealedData>): Promise<ShardTask> {
    const { run, seal } = this.#options
    const id = job.id ?? ''
    const { task, leaveOut } = await seal.openJson<SealedTask>(job.data.sealed, purpose.task(run, id))
    if (leaveOut === undefined) return task
    const list = await this.#blobs.read<Uint8Array>(leaveOutBlob(run, id), leaveOut.parts)
    if (list === undefined)
      throw new SluiceError('QUEUE_UNAVAILABLE', 'the leave-out list of the shard is gone from Redis')
    return { ...task, leaveOut: list }
  }

  /** The result counts if this execution still has the lock when the job is completed. */
  async #complete(
    job: Job<SealedData, ResultRef>,
    { task, token, result, signal }: { task: ShardTask; token: string; result: ShardResult; signal: AbortSignal },
  ): Promise<void> {
    const { connection, runner } = this.#options
    let ref: ResultRef | undefined
    try {
      const parts = await this.#blobs.write(resultBlob(task, token), result)
      ref = { fence: token, parts }
      signal.throwIfAborted()
      const value = ref
      await connection.call(() => job.moveToCompleted(value, token, false))
    } catch (error) {
      if (ref !== undefined && (await this.#mayCount(job, token))) return
      if (ref !== undefined) await this.#blobs.delete(resultBlob(task, token), ref.parts).catch(() => undefined)
      await runner.discard(result).catch(() => undefined)
      throw error
    }
  }

  /**
   * True if the connection broke after Redis had completed the job with this result. The coordinator may
   * have committed it already, and removed the job: in doubt nothing is discarded. A run is removed when
   * everything that counts is published.
   */
  async #mayCount(job: Job, token: string): Promise<boolean> {
    const { connection, isPresent } = this.#options
    const now = await connection.call(() => this.#queue.getJob(job.id ?? ''))
    return now === undefined ? connection.call(isPresent) : now.returnvalue?.fence === token
  }

  async #fail(job: Job<SealedData, ResultRef>, token: string, thrown: unknown): Promise<void> {
    const { connection, seal, run, note } = this.#options
    const error = asSluiceError(thrown, 'INTERNAL', 'this is a bug in Sluice')
    note('worker.shard.failed', { job: job.name, error: error.code, reason: error.message })
    const sealed = await seal.sealJson(sentError(error), purpose.failure(run, job.id ?? ''))
    const failure = new Error(error.code === 'WORKER_LOST' ? 'WORKER_LOST' : `${error.code} ${sealed}`)
    // BullMQ keeps the stack, which may have names of files.
    failure.stack = ''
    await connection.call(() => job.moveToFailed(failure, token, false))
  }

  #observer(job: Job): (progress: ShardProgress) => void {
    let saidAt = Date.now()
    return ({ records, bytes }) => {
      if (Date.now() - saidAt < SECOND) return
      saidAt = Date.now()
      void job.updateProgress({ records, bytes }).catch(() => undefined)
    }
  }
}
