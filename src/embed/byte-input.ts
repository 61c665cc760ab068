import { Readable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import type { Batch, CommitRequest } from '../record/batch.ts'
import { emptyBatch } from '../record/open-batches.ts'
import type { ScanLimits } from '../record/scan.ts'
import type { RunInput } from '../runtime/run-input.ts'
import { ByteBatches } from './byte-batches.ts'
import type { Part } from './byte-batches.ts'
import { Outlet } from './outlet.ts'

type OpenOptions = Parameters<RunInput['open']>[0]

/** Calls reject with this error when the run has ended. Why it has ended is known there. */
export const runIsOver = new SluiceError('SINK_CLOSED', 'the run has ended')

/**
 * The input of a run whose records a program writes. Each call waits until the pipeline has room, and
 * rejects when the run has failed. The batches have no position.
 */
export class ByteInput implements RunInput {
  readonly #outlet = new Outlet()
  readonly #opened: Promise<ByteBatches>
  #resolveOpened: (batches: ByteBatches) => void = () => undefined
  #rejectOpened: (error: Error) => void = () => undefined
  #limits: ScanLimits | undefined
  #options: OpenOptions | undefined

  constructor() {
    this.#opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve
      this.#rejectOpened = reject
    })
    // Nobody may be waiting for it.
    this.#opened.catch(() => undefined)
  }

  /** The limits of the pipeline, before the run opens the input. */
  set limits(limits: ScanLimits) {
    this.#limits = limits
  }

  open(options: OpenOptions): ReturnType<RunInput['open']> {
    this.#options = options
    const { paths, stop } = options
    const batches = this.#outlet.attach(
      new Readable({ objectMode: true, highWaterMark: 1, read: () => this.#outlet.resume() }),
    )
    stop.addEventListener('abort', () => this.#outlet.fail(runIsOver), { once: true })
    this.#resolveOpened(new ByteBatches({ partition: PARTITION, origin: 'input', paths, limits: this.#scanLimits }))
    return Promise.resolve({ batches, extent: undefined })
  }

  /** Resolves when the pipeline has taken all lines that are complete. */
  async write(parts: readonly Part[]): Promise<void> {
    const batches = await this.#opened
    const before = batches.bytes
    const lines = batches.push(parts)
    if (this.#options) this.#options.flow.bytes += batches.bytes - before
    for (const batch of lines) await this.#give(batch)
  }

  /** Asks for a commit of all lines that were written. */
  async requestCommit(request: CommitRequest): Promise<void> {
    await this.#opened
    const batch = this.#empty()
    batch.commit = request
    await this.#outlet.give(batch)
  }

  /** Ends the input. The run ends when everything is delivered. */
  async end(): Promise<void> {
    const batches = await this.#opened
    for (const batch of batches.end()) await this.#give(batch)
    await this.#outlet.give(this.#empty({ kind: 'done' }))
    this.#outlet.end()
  }

  /** The run is over: every call rejects. */
  fail(error: Error): void {
    this.#rejectOpened(error)
    this.#outlet.fail(error)
  }

  async #give(batch: Batch): Promise<void> {
    if (this.#options) this.#options.flow.records += batch.tallies.read
    await this.#outlet.give(batch)
  }

  #empty(end?: Parameters<typeof emptyBatch>[1]): Batch {
    if (this.#options === undefined) throw new Error('the input is not open')
    return emptyBatch({ paths: this.#options.paths, limits: this.#scanLimits }, end)
  }

  get #scanLimits(): ScanLimits {
    if (this.#limits === undefined) throw new Error('the input has no limits')
    return this.#limits
  }
}

/** Never the partition of a source: those have the source's type and a colon. */
const PARTITION = 'written'
