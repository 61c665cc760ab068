import { Worker } from 'node:worker_threads'
import { SluiceError } from '../../errors.ts'
import { EXTENSION } from '../../package.ts'
import { receivedError } from '../../runtime/sent-error.ts'
import type { JobAnswer, JobRequest } from './job-thread.ts'
import type { Jobs } from './jobs.ts'

interface Waiting {
  readonly request: JobRequest
  readonly milliseconds: number
  readonly resolve: (result: unknown) => void
  readonly reject: (error: SluiceError) => void
}

/**
 * Does jobs in a thread, one after the other: those may take long, and run custom code that never ends. The
 * server, and a run in the same process, are not held up.
 */
export class JobRunner {
  readonly #waiting: Waiting[] = []
  #current: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  #worker: Worker | undefined
  #jobs = 0

  /**
   * Does a job.
   * @param milliseconds the longest that it may take; then its thread ends
   * @throws SluiceError of the job; TRANSFORM_FAILED if it takes longer, WORKER_LOST if the thread dies
   */
  do<Name extends keyof Jobs>(
    job: Name,
    argument: Parameters<Jobs[Name]>[0],
    milliseconds: number,
  ): ReturnType<Jobs[Name]>
  do(job: keyof Jobs, argument: unknown, milliseconds: number): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request: { job, argument }, milliseconds, resolve, reject })
      this.#next()
    })
  }

  async close(): Promise<void> {
    const worker = this.#worker
    for (const { reject } of this.#waiting.splice(0)) reject(closed())
    this.#fail(closed())
    await worker?.terminate()
  }

  #next(): void {
    if (this.#current !== undefined) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#current = next
    // Custom code that was loaded again and again stays in the memory of its thread.
    if (this.#jobs++ % MOST_JOBS === 0) this.#end()
    this.#worker ??= this.#start()
    this.#timer = setTimeout(() => this.#fail(tooLong(next)), next.milliseconds)
    this.#worker.postMessage(next.request, [])
  }

  #start(): Worker {
    const worker = new Worker(new URL(`./job-thread${EXTENSION}`, import.meta.url))
    // The server ends the process.
    worker.unref()
    worker.on('message', (answer: JobAnswer) => {
      if (worker !== this.#worker) return
      const current = this.#finish()
      if (answer.kind === 'done') current?.resolve(answer.result)
      else current?.reject(receivedError(answer.error))
      this.#next()
    })
    const lose = (reason: string): void => {
      if (worker === this.#worker) this.#fail(new SluiceError('WORKER_LOST', `the thread has died: ${reason}`))
    }
    worker.on('error', () => lose('code of the project has failed outside of what it was asked for'))
    worker.on('exit', (status) => lose(`it ended with status ${status}`))
    return worker
  }

  /** Rejects the job that is under way, and ends the thread. */
  #fail(error: SluiceError): void {
    const current = this.#finish()
    this.#end()
    current?.reject(error)
    this.#next()
  }

  #finish(): Waiting | undefined {
    clearTimeout(this.#timer)
    const current = this.#current
    this.#current = undefined
    return current
  }

  #end(): void {
    const worker = this.#worker
    this.#worker = undefined
    void worker?.terminate()
  }
}

/** Jobs that a thread does. */
const MOST_JOBS = 500

function closed(): SluiceError {
  return new SluiceError('INTERRUPTED', 'the page is closing')
}

function tooLong({ milliseconds }: Waiting): SluiceError {
  return new SluiceError('TRANSFORM_FAILED', `it has not ended within ${milliseconds / 1000} seconds`, {
    hint: 'a custom transform may never return; with fewer samples it takes less time',
  })
}
