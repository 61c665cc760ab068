import { setTimeout as sleep } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { SluiceError, systemCode } from '../../errors.ts'
import type { TransformContext } from '../../component.ts'
import type { Batch } from '../../record/batch.ts'
import { EXTENSION } from '../../package.ts'
import { applyOutcomes } from '../custom-stage.ts'
import { describeFailure } from '../failure.ts'
import { receivedError } from '../sent-error.ts'
import { readOutcome } from './outcome-message.ts'
import type { OutcomeMessage } from './outcome-message.ts'
import type { ThreadReport, ThreadRequest, TransformThreadData } from './transform-thread.ts'

export interface TransformThreadsOptions {
  /** Number of threads. */
  readonly count: number
  readonly data: TransformThreadData
  readonly note: TransformContext['note']
}

/** Batches that a thread has at most: the one that it works on, and the next, so that it does not wait for it. */
const REQUESTS = 2

/** A custom transform in several threads, each with an instance of its own. */
export interface TransformThreads {
  /** Resolves when all instances are created. @throws SluiceError COMPONENT_LOAD_FAILED */
  readonly started: Promise<void>
  /** Several batches may be under way; each waits for a thread that takes it. */
  run(batch: Batch): Promise<Batch[]>
  /** Closes the instances and ends the threads, also those that have not started or do not end by themselves. */
  close(): Promise<void>
}

/** Starts the threads. They take batches at once, and must be closed even if one does not start. */
export function startTransformThreads({ count, data, note }: TransformThreadsOptions): TransformThreads {
  const { stage } = data
  const threads = Array.from({ length: count }, () => new TransformThread(data, note))
  const waiting: ((thread: TransformThread) => void)[] = []
  const ask = async (thread: TransformThread, batch: Batch): Promise<OutcomeMessage | undefined> => {
    try {
      return await thread.run(batch)
    } finally {
      waiting.shift()?.(thread)
    }
  }
  const askAny = (batch: Batch): Promise<OutcomeMessage | undefined> => {
    const [least] = threads.toSorted((one, other) => one.requests - other.requests)
    if (least.requests < REQUESTS) return ask(least, batch)
    return new Promise((resolve) => waiting.push((thread) => resolve(ask(thread, batch))))
  }
  return {
    started: Promise.all(threads.map((thread) => thread.started)).then(() => undefined),
    async run(batch) {
      const outcome = await askAny(batch)
      if (outcome === undefined) throw new SluiceError('INTERNAL', `a thread of ${stage} answered without an outcome`)
      return applyOutcomes(batch, readOutcome(outcome), stage)
    },
    async close() {
      const closed = await Promise.allSettled(threads.map((thread) => thread.close()))
      await Promise.allSettled(threads.map((thread) => thread.end()))
      const failed = closed.find((result) => result.status === 'rejected')
      if (failed) throw failed.reason
    },
  }
}

/** One thread, which answers its requests in their order. */
class TransformThread {
  /** Resolves when the component is loaded and created. */
  readonly started: Promise<void>
  readonly #worker: Worker
  readonly #stage: string
  readonly #requests: { resolve(outcome: OutcomeMessage | undefined): void; reject(error: unknown): void }[] = []
  /** Resolves when the last request is answered. */
  #last: Promise<unknown> | undefined
  #lost: SluiceError | undefined

  constructor(data: TransformThreadData, note: TransformContext['note']) {
    this.#stage = data.stage
    this.#worker = new Worker(new URL(`./transform-thread${EXTENSION}`, import.meta.url), {
      workerData: data,
    })
    this.#worker.on('message', (report: ThreadReport) => {
      if (report.kind === 'note') return note?.(report.message, report.facts)
      const request = this.#requests.shift()
      if (report.kind === 'done') request?.resolve(report.outcome)
      else request?.reject(receivedError(report.error))
    })
    this.#worker.on('error', (error) => this.#lose(reasonOf(error), error))
    this.#worker.on('exit', (status) => this.#lose(`it ended with status ${status}`))
    this.started = this.#answered().then(() => undefined)
    // Its failure is known to whoever waits, and others may fail first.
    this.started.catch(() => undefined)
  }

  /** Number of those that are not answered. */
  get requests(): number {
    return this.#requests.length
  }

  /** The batch keeps its memory: the thread gets a copy of the live lines. */
  run(batch: Batch): Promise<OutcomeMessage | undefined> {
    const lines = batch.assemble()
    const request: ThreadRequest = { kind: 'batch', lines, limits: batch.limits }
    return this.#ask(request, lines.buffer instanceof ArrayBuffer ? [lines.buffer] : [])
  }

  /** Closes the instance. One that is still at work after a second is not asked. */
  async close(): Promise<void> {
    if (this.requests > 0) await Promise.race([this.#last, sleep(1000, undefined, { ref: false })])
    if (this.requests > 0 || this.#lost !== undefined) return
    await this.#ask({ kind: 'close' }, [])
  }

  async end(): Promise<void> {
    this.#lost ??= new SluiceError('INTERRUPTED', 'the run is over')
    this.#rejectAll(this.#lost)
    await this.#worker.terminate()
  }

  #ask(request: ThreadRequest, handedOver: ArrayBuffer[]): Promise<OutcomeMessage | undefined> {
    const answered = this.#answered()
    if (this.#lost === undefined) this.#worker.postMessage(request, handedOver)
    return answered
  }

  #answered(): Promise<OutcomeMessage | undefined> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost)
    const answered = new Promise<OutcomeMessage | undefined>((resolve, reject) => {
      this.#requests.push({ resolve, reject })
    })
    this.#last = answered.catch(() => undefined)
    return answered
  }

  #lose(reason: string, cause?: unknown): void {
    this.#lost ??= new SluiceError('WORKER_LOST', `a thread of stage ${this.#stage} died: ${reason}`, {
      hint: 'nothing of its batch is committed, and the next run reads it again; without parallel the error is easier to find',
      cause,
    })
    this.#rejectAll(this.#lost)
  }

  #rejectAll(error: SluiceError): void {
    for (const request of this.#requests.splice(0)) request.reject(error)
  }
}

/** Never a message: it may hold content of a record. */
function reasonOf(error: unknown): string {
  return systemCode(error) === 'ERR_WORKER_OUT_OF_MEMORY' ? 'it ran out of memory' : describeFailure(error)
}
