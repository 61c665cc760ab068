import type { Job } from 'bullmq'
import { SluiceError } from '../errors.ts'
import type { Connection } from './connection.ts'

/**
 * Holds the lock of a job while a shard is executed. BullMQ gives the job to another worker when the lock
 * has not been renewed in time: this process was stopped, or Redis was away. The execution is then given
 * up, and if it ends all the same, its result is refused: the lock is the fence.
 */
export class Lease {
  readonly #connection: Connection
  readonly #job: Job
  readonly #token: string
  readonly #lost = new AbortController()
  readonly #timer: NodeJS.Timeout
  #isRenewing = false

  /** @param duration Milliseconds that the lock lasts without renewal. */
  constructor(connection: Connection, job: Job, { token, duration }: { token: string; duration: number }) {
    this.#connection = connection
    this.#job = job
    this.#token = token
    this.#timer = setInterval(() => {
      if (!this.#isRenewing) void this.#renew(duration)
    }, duration / 3)
  }

  /** Aborts when the lock is lost: another worker has the shard, or the run was cancelled. */
  get lost(): AbortSignal {
    return this.#lost.signal
  }

  end(): void {
    clearInterval(this.#timer)
  }

  async #renew(duration: number): Promise<void> {
    this.#isRenewing = true
    try {
      const isRenewed = await this.#connection.call(() => this.#job.extendLock(this.#token, duration))
      if (isRenewed !== 1) this.#lost.abort(lostLock())
    } catch (error) {
      this.#lost.abort(error)
    } finally {
      this.#isRenewing = false
    }
  }
}

function lostLock(): SluiceError {
  return new SluiceError('WORKER_LOST', 'another worker has the shard, or its run was cancelled')
}
