import { finished, Writable } from 'node:stream'
import type { Readable } from 'node:stream'
import { asSluiceError } from '../../errors.ts'
import type { Report } from '../../observe/report.ts'
import { endedUnopened, noOpening, notABatch, secondSink, secondSource } from './refusals.ts'
import type { Run } from './open-run.ts'
import { wiringIn } from './wiring.ts'
import type { SinkPart } from './wiring.ts'

/** The sink of a pipeline, and what belongs to it. */
export interface SinkSettings {
  readonly part: SinkPart
  /** The pipeline's own state folder, as it is written. Required for an object sink. */
  readonly state: unknown
  /** The dead-letter queue, as it is written. A pipeline that was checked before has its own. */
  readonly rejects: unknown
}

type Done = (error?: Error | null) => void

/**
 * The sink of a pipeline as a stream. It finishes when the source has ended and everything is
 * committed and published. It fails when the source has failed, after everything good is committed.
 * It closes, also after a failure, when all that the pipeline has opened is closed.
 */
export class SinkStream extends Writable {
  readonly #settings: SinkSettings
  readonly #name: string
  #from: Readable | undefined
  #opening: Promise<Run> | undefined
  #run: Run | undefined
  #inner: Writable | undefined

  /** @param name For messages, until the pipeline is open: `sink s3`. */
  constructor(settings: SinkSettings, name: string) {
    super({ objectMode: true, highWaterMark: 1 })
    this.#settings = settings
    this.#name = name
    this.on('pipe', (from: Readable) => (this.#from = from))
  }

  /**
   * What the run has done so far; complete when the stream is closed, also after a failure.
   * Undefined until the pipeline is open.
   */
  report(): Report | undefined {
    return this.#run?.report()
  }

  override _write(chunk: unknown, _encoding: BufferEncoding, done: Done): void {
    const run = this.#run
    if (run === undefined) return this.#open(chunk, done)
    if (!run.isBatch(chunk)) return done(notABatch(this.#name, chunk))
    if (wiringIn(chunk)) return done(secondSource(this.#name))
    if (chunk.end) run.end = chunk.end
    this.#inner?.write(chunk, done)
  }

  override _final(done: Done): void {
    const [run, inner] = [this.#run, this.#inner]
    if (run === undefined || inner === undefined) return done(endedUnopened(this.#name))
    finished(inner, { readable: false }, (error) => done(error ?? run.failure()))
    inner.end()
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#close(error).then(done, (closeError: unknown) =>
      done(asSluiceError(closeError, 'INTERNAL', 'closing failed')),
    )
  }

  #open(chunk: unknown, done: Done): void {
    const wiring = wiringIn(chunk)
    if (wiring === undefined) return done(noOpening(this.#name, chunk))
    if (!wiring.arrive(this.#from)) return done(secondSink(this.#name))
    this.#opening = import('./open-run.ts').then(({ openRun }) => openRun(wiring, this.#settings))
    this.#opening.then(
      (run) => {
        this.#run = run
        if (this.destroyed) return done()
        this.#inner = run.writable()
        this.#inner.on('error', (error) => this.destroy(error))
        wiring.open(run)
        done()
      },
      (error: unknown) => {
        const failure = asSluiceError(error, 'INTERNAL', 'the pipeline could not be opened')
        wiring.fail(failure)
        done(failure)
      },
    )
  }

  async #close(error: Error | null): Promise<Error | null> {
    const run = await this.#opening?.catch(() => undefined)
    if (run === undefined) return error
    if (this.#inner !== undefined) await closed(this.#inner, error)
    return run.close(error)
  }
}

async function closed(stream: Writable, error: Error | null): Promise<void> {
  if (stream.closed) return
  const closing = new Promise((resolve) => stream.once('close', resolve))
  stream.destroy(error ?? undefined)
  await closing
}
