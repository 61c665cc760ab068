import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { Queue } from 'bullmq'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'
import { plural } from '../observe/report.ts'
import { anySignal } from '../signals.ts'
import { MINUTE, SECOND } from '../time.ts'
import type { Connection } from './connection.ts'
import { purpose, PROTOCOL, RUNS } from './protocol.ts'
import type { RunContent, RunHead, SealedData } from './protocol.ts'
import { HEARTBEAT, Roster } from './roster.ts'
import type { Seal } from './seal.ts'
import { ServedRun } from './served-run.ts'
import type { ShardRunner } from './served-run.ts'

export interface QueueWorkerOptions {
  readonly connection: Connection
  readonly seal: Seal
  /** Shards at once. */
  readonly concurrency: number
  /** Among the workers, see `workerName`. */
  readonly name: string
  /** Milliseconds that the lock of a shard lasts without renewal: how long a dead worker keeps it. */
  readonly lock: number
  /** Version of Sluice. */
  readonly version: string
  readonly note: Note
  /**
   * Makes what executes the shards of a run. @throws SluiceError if this worker must not: its
   * configuration differs, for example
   */
  readonly prepare: (content: RunContent, run: string) => Promise<ShardRunner>
}

/** Milliseconds between two looks for a shard, when there was none. */
const IDLE = 200
/** Milliseconds between two looks for new runs. */
const LOOK = SECOND

/**
 * Takes shards of all runs in a queue, and executes them. A run that this worker cannot execute is refused
 * once, with the reason, and its shards are left to others.
 */
export class QueueWorker {
  readonly #options: QueueWorkerOptions
  readonly #runs: Queue<SealedData>
  readonly #roster: Roster
  /** By id of the BullMQ job. */
  readonly #served = new Map<string, ServedRun>()
  /** The sealed heads of the runs that are served or refused: a run that gets another one is looked at again. */
  readonly #heads = new Map<string, string>()
  /** Shards in a thread, and shards that are not over. */
  readonly #busy = new Set<Promise<void>>()
  readonly #executing = new Set<Promise<void>>()
  #done = 0

  constructor(options: QueueWorkerOptions) {
    const { connection, seal } = options
    const { prefix } = connection.address
    this.#options = options
    this.#runs = new Queue(RUNS, { connection: connection.client, prefix, skipVersionCheck: true })
    // The connection reports its errors.
    this.#runs.on('error', () => {})
    this.#roster = new Roster(connection, seal)
  }

  /**
   * Works until it is asked to end.
   * @param drain Takes no more shards; returns when those under way are done.
   * @param abort Gives up those under way: they are executed elsewhere at once.
   * @throws SluiceError if Redis refuses this worker
   */
  async serve(drain: AbortSignal, abort: AbortSignal): Promise<void> {
    const failed = new AbortController()
    const beating = this.#beat(drain, failed).catch((error: unknown) => failed.abort(error))
    const end = anySignal(drain, abort, failed.signal)
    // Redis may be away: to give a shard back is a favour, its lock ends by itself.
    const giveUp = () => setTimeout(() => void this.#options.connection.close(), 2 * SECOND).unref()
    abort.addEventListener('abort', giveUp, { once: true })
    try {
      await this.#takeShards(end, anySignal(abort, failed.signal))
      if (this.#executing.size > 0)
        this.#options.note('worker.draining', { shards: plural(this.#executing.size, 'shard') })
      await Promise.all(this.#executing)
      if (failed.signal.aborted) throw failed.signal.reason
    } finally {
      failed.abort()
      await beating
      await this.#roster.leave(this.#options.name).catch(() => undefined)
      await Promise.all([...this.#served.values()].map((run) => run.close()))
      await this.#runs.close()
    }
  }

  async #takeShards(end: AbortSignal, abort: AbortSignal): Promise<void> {
    const { connection, concurrency } = this.#options
    let lookedAt = 0
    while (!end.aborted) {
      // Without a run there is nothing else to look at.
      if (this.#served.size === 0 || Date.now() - lookedAt > LOOK) {
        await connection.call(() => this.#lookForRuns())
        lookedAt = Date.now()
      }
      // While the objects of a shard are staged, its thread can execute the next one.
      const isFree = this.#busy.size < concurrency && this.#executing.size < 2 * concurrency
      if (isFree && (await this.#takeShard(abort))) continue
      const idle = sleep(IDLE, undefined, { signal: end }).catch(() => undefined)
      await Promise.race([idle, ...this.#busy, ...this.#executing])
    }
  }

  /** One shard, from the runs in turn. @returns true if there was one */
  async #takeShard(abort: AbortSignal): Promise<boolean> {
    for (const [id, run] of this.#served) {
      const taken = await run.take(`${this.#options.name}/${randomUUID()}`, abort)
      if (taken === undefined) continue
      // The next one is asked first next time.
      this.#served.delete(id)
      this.#served.set(id, run)
      this.#busy.add(taken.executed)
      void taken.executed.finally(() => this.#busy.delete(taken.executed))
      this.#executing.add(taken.done)
      void taken.done.finally(() => {
        this.#executing.delete(taken.done)
        this.#done++
      })
      return true
    }
    return false
  }

  async #lookForRuns(): Promise<void> {
    const jobs = await this.#runs.getJobs(['waiting', 'waiting-children'], 0, -1, true)
    const present = new Map(jobs.flatMap((job) => (job?.id === undefined ? [] : [[job.id, job.data]])))
    for (const [id, head] of this.#heads) {
      if (present.get(id)?.sealed === head) continue
      this.#heads.delete(id)
      this.#served
        .get(id)
        ?.close()
        .catch((error: unknown) => {
          this.#options.note('worker.run.unclosed', { id: id.replace(/^run-/, ''), reason: String(error) })
        })
      this.#served.delete(id)
    }
    for (const [id, data] of present) if (!this.#heads.has(id)) await this.#accept(id, data)
  }

  async #accept(id: string, { sealed }: SealedData): Promise<void> {
    const { connection, seal, name, lock, note } = this.#options
    const run = id.replace(/^run-/, '')
    this.#heads.set(id, sealed)
    try {
      const head = await seal.openJson<RunHead>(sealed, purpose.head(run))
      this.#checkVersion(head)
      const runner = await this.#options.prepare(head.content, run)
      const isPresent = async (): Promise<boolean> => (await this.#runs.getJob(id)) !== undefined
      this.#served.set(id, new ServedRun({ connection, seal, name, lock, note, run, runner, isPresent }))
      note('worker.serving', { id: run })
    } catch (thrown) {
      const error = asSluiceError(thrown, 'WORKERS_REFUSED', 'the run cannot be executed here')
      note('worker.refusing', { id: run, error: error.code, reason: error.message, hint: error.hint })
      await this.#roster.refuse(run, name, error)
    }
  }

  #checkVersion({ protocol, version }: Pick<RunHead, 'protocol' | 'version'>): void {
    const own = this.#options.version
    if (protocol === PROTOCOL && version === own) return
    throw new SluiceError('WORKERS_REFUSED', `it has Sluice ${own}, and the run was started with ${version}`, {
      hint: 'install the same version everywhere',
    })
  }

  /** Says that this worker is alive: to the coordinator often, in the log now and then. */
  async #beat(drain: AbortSignal, failed: AbortController): Promise<void> {
    const { connection, name, concurrency, note } = this.#options
    let saidAt = Date.now()
    for (;;) {
      const facts = { id: name, concurrency, running: this.#executing.size, isDraining: drain.aborted }
      await connection.call(() => this.#roster.announce(facts))
      if (Date.now() - saidAt >= MINUTE) {
        note('worker.alive', { running: facts.running, done: this.#done, runs: this.#served.size })
        saidAt = Date.now()
      }
      await sleep(HEARTBEAT, undefined, { signal: failed.signal })
    }
  }
}
