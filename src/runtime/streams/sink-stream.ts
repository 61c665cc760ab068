import { finished, Writable } from 'node:stream'
import type { Readable } from 'node:stream'
import { asSluiceError } from '../../errors.ts'
import type { SluiceError } from '../../errors.ts'
import type { Report } from '../../observe/report.ts'
import { endedUnopened, noOpening, notABatch, secondSink, secondSource } from './refusals.ts'
import { reply } from './reply.ts'
import { wiringIn } from './wiring.ts'
import type { OpenPipeline, SinkSettings } from './wiring.ts'

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
  #opening: Promise<OpenPipeline> | undefined
  #run: OpenPipeline | undefined
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
    if (run === undefined) return void reply(this.#open(chunk), done, asFailure)
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
    void reply(this.#close(error), (closeError, failure) => done(closeError ?? failure), asFailure)
  }

  /** The first chunk: the pipeline is complete, and can be opened. */
  async #open(chunk: unknown): Promise<void> {
    const wiring = wiringIn(chunk)
    if (wiring === undefined) throw noOpening(this.#name, chunk)
    if (!wiring.arrive(this.#from)) throw secondSink(this.#name)
    try {
      this.#opening = import('./open-run.ts').then(({ openRun }) => openRun(wiring, this.#settings))
      const run = await this.#opening
      this.#run = run
      if (this.destroyed) return
      this.#inner = run.writable()
      this.#inner.on('error', (error) => this.destroy(error))
      wiring.open(run)
    } catch (error) {
      const failure = asFailure(error)
      wiring.fail(failure)
      throw failure
    }
  }

  /** Returns why the pipeline has failed, if it has. */
  async #close(reason: Error | null): Promise<Error | null> {
    const opening = await Promise.allSettled([this.#opening])
    const run = opening[0].status === 'fulfilled' ? opening[0].value : undefined
    if (run === undefined) return reason
    if (this.#inner !== undefined) await closed(this.#inner, reason)
    return run.close(reason)
  }
}

function asFailure(reason: unknown): SluiceError {
  return asSluiceError(reason, 'INTERNAL', 'the pipeline failed')
}

async function closed(stream: Writable, reason: Error | null): Promise<void> {
  if (stream.closed) return
  const closing = new Promise((resolve) => stream.once('close', resolve))
  stream.destroy(reason ?? undefined)
  await closing
}
