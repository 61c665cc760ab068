import { Readable } from 'node:stream'
import type { Writable } from 'node:stream'
import { SluiceError } from '../errors.ts'
import type { Batch } from '../record/batch.ts'
import { emptyBatch } from '../record/open-batches.ts'
import type { RunInput } from '../runtime/run-input.ts'
import { ByteBatches } from './byte-batches.ts'
import type { Part, WriteOptions } from './byte-batches.ts'
import { Outlet } from './outlet.ts'

type Answer = 'published' | 'refused' | 'ended'
type OpenOptions = Parameters<RunInput['open']>[0]

/** Calls reject with this error when the run has ended. Why it has ended is known there. */
export const runIsOver = new SluiceError('SINK_CLOSED', 'the run has ended')

/**
 * The input of a run whose records a program writes. Each call waits until the pipeline has room, and
 * rejects when the run has failed. The batches have no position.
 */
export class ByteInput implements RunInput {
  readonly #written: WriteOptions
  readonly #outlet = new Outlet()
  readonly #opened: Promise<ByteBatches>
  #resolveOpened: (batches: ByteBatches) => void = () => undefined
  #rejectOpened: (error: Error) => void = () => undefined
  readonly #commits = new Set<(answer: Answer) => void>()
  #options: OpenOptions | undefined
  #counted = 0

  constructor({ format, lowWatermark }: WriteOptions = {}) {
    this.#written = { ...(format && { format }), ...(lowWatermark && { lowWatermark }) }
    this.#opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve
      this.#rejectOpened = reject
    })
    // Nobody may be waiting for it.
    this.#opened.catch(() => undefined)
  }

  open(options: OpenOptions): ReturnType<RunInput['open']> {
    this.#options = options
    const { paths, limits, stop } = options
    const batches = this.#outlet.attach(
      new Readable({ objectMode: true, highWaterMark: 1, read: () => this.#outlet.resume() }),
    )
    stop.addEventListener('abort', () => this.#outlet.fail(runIsOver), { once: true })
    this.#resolveOpened(new ByteBatches({ ...this.#written, partition: PARTITION, origin: 'input', paths, limits }))
    return Promise.resolve({ batches, extent: undefined })
  }

  /** Resolves when the pipeline has taken all lines that are complete. */
  async write(parts: readonly Part[]): Promise<void> {
    const batches = await this.#opened
    for (const batch of batches.push(parts)) await this.#give(batches, batch)
    this.#count(batches, 0)
  }

  /**
   * Commits all lines that were written. Resolves when they are published.
   * @throws SluiceError UNSUPPORTED if the sink is a stream, SINK_CLOSED if the run ends before
   */
  async publish(): Promise<void> {
    await this.#opened
    const batch = this.#empty()
    const answered = new Promise<Answer>((resolve) => {
      const answer = (result: Answer): void => {
        this.#commits.delete(answer)
        resolve(result)
      }
      this.#commits.add(answer)
      batch.commit = {
        committed: (published) => void published.then((isPublished) => answer(isPublished ? 'published' : 'ended')),
        refused: () => answer('refused'),
      }
    })
    await this.#outlet.give(batch)
    const answer = await answered
    if (answer === 'refused') throw isStream()
    if (answer === 'ended') throw runIsOver
  }

  /** Ends the input. The run ends when everything is delivered. */
  async end(): Promise<void> {
    const batches = await this.#opened
    for (const batch of batches.end()) await this.#give(batches, batch)
    await this.#outlet.give(this.#empty({ kind: 'done' }))
    this.#outlet.end()
  }

  /** The run is over: every call rejects. */
  fail(error: Error): void {
    this.#rejectOpened(error)
    this.#outlet.fail(error)
  }

  /** Everything is closed: no commit is answered any more. */
  close(): void {
    for (const answer of this.#commits) answer('ended')
  }

  async #give(batches: ByteBatches, batch: Batch): Promise<void> {
    this.#count(batches, batch.tallies.read)
    await this.#outlet.give(batch)
  }

  /** Counts records, and the bytes that came since the last call. */
  #count(batches: ByteBatches, records: number): void {
    const bytes = batches.bytes - this.#counted
    this.#counted = batches.bytes
    if (records > 0 || bytes > 0) this.#options?.intake.add({ partition: PARTITION, records, bytes })
  }

  #empty(end?: Parameters<typeof emptyBatch>[1]): Batch {
    if (this.#options === undefined) throw new Error('the input is not open')
    return emptyBatch(this.#options, end)
  }
}

/**
 * Begins an operation when a stream has taken everything that was written before, and before it ends:
 * the end may be under way already.
 */
export async function afterWrites(stream: Writable, operation: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    stream.write('', (error) => (error ? reject(error) : resolve(operation())))
  })
}

/** Bytes that wait in front of a pipeline: small writes become one batch. */
export const INPUT_BYTES = 256 * 1024

/** Never the partition of a source: those have the source's type and a colon. */
const PARTITION = 'written'

function isStream(): SluiceError {
  return new SluiceError(
    'UNSUPPORTED',
    'commit() needs a sink with a state, and the sink of this pipeline is a stream',
    {
      hint: 'what it has received is certain when the stream has finished',
    },
  )
}
