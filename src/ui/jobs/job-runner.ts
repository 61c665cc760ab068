import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { SluiceError } from '../../errors.ts'
import { EXTENSION } from '../../package.ts'
import { receivedError } from '../../runtime/sent-error.ts'
import type { JobAnswer, JobRequest } from './job-process.ts'
import type { Jobs } from './jobs.ts'

interface Waiting {
  readonly request: JobRequest
  readonly milliseconds: number
  readonly resolve: (result: unknown) => void
  readonly reject: (error: SluiceError) => void
}

/**
 * Does jobs in a process of its own, one after the other: those may take long, and run custom code that never ends
 * or ends its process. The server, and a run in the same process, are not held up. No thread: LMDB would share
 * what it reads with a run of this process.
 */
export class JobRunner {
  readonly #waiting: Waiting[] = []
  #current: Waiting | undefined
  #timer: NodeJS.Timeout | undefined
  #process: ChildProcess | undefined
  #jobs = 0

  /**
   * Does a job.
   * @param milliseconds the longest that it may take; then its process ends
   * @throws SluiceError of the job; TRANSFORM_FAILED if it takes longer, WORKER_LOST if the process dies
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
    const child = this.#process
    const hasEnded = child === undefined || child.exitCode !== null || child.signalCode !== null
    const exit = hasEnded ? undefined : once(child, 'exit')
    // Nothing else may keep this process alive until then.
    child?.ref()
    for (const { reject } of this.#waiting.splice(0)) reject(closed())
    this.#fail(closed())
    await exit
  }

  #next(): void {
    if (this.#current !== undefined) return
    const next = this.#waiting.shift()
    if (next === undefined) return
    this.#current = next
    // Custom code that was loaded again and again stays in the memory of its process.
    if (this.#jobs++ % MOST_JOBS === 0) this.#end()
    this.#process ??= this.#start()
    this.#timer = setTimeout(() => this.#fail(tooLong(next)), next.milliseconds)
    this.#process.send(next.request)
  }

  #start(): ChildProcess {
    const child = fork(fileURLToPath(new URL(`./job-process${EXTENSION}`, import.meta.url)), [], {
      execArgv: [],
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    // The server ends the process.
    child.unref()
    child.channel?.unref()
    child.on('message', (answer: JobAnswer) => {
      if (child !== this.#process) return
      const current = this.#finish()
      if (answer.kind === 'done') current?.resolve(answer.result)
      else current?.reject(receivedError(answer.error))
      this.#next()
    })
    const lose = (reason: string): void => {
      if (child === this.#process)
        this.#fail(
          new SluiceError('WORKER_LOST', `the process that does it has died: ${reason}`, {
            hint: 'custom code of the pipeline ends the process, or it ran out of memory',
          }),
        )
    }
    child.on('error', (error) => lose(error.message))
    child.on('exit', (status, signal) => lose(signal ?? `it ended with status ${status}`))
    return child
  }

  /** Rejects the job that is under way, and ends the process. */
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
    const child = this.#process
    this.#process = undefined
    child?.kill('SIGKILL')
  }
}

/** Jobs that a process does. */
const MOST_JOBS = 500

function closed(): SluiceError {
  return new SluiceError('INTERRUPTED', 'the page is closing')
}

function tooLong({ milliseconds }: Waiting): SluiceError {
  return new SluiceError('TRANSFORM_FAILED', `it has not ended within ${milliseconds / 1000} seconds`, {
    hint: 'custom code of the pipeline may never return; with fewer records it takes less time',
  })
}
