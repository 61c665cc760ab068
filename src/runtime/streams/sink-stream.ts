import { finished, Writable } from 'node:stream'
import type { Readable } from 'node:stream'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { hideInError } from '../../observe/hide-in-error.ts'
import type { Report } from '../../observe/report.ts'
import { within } from '../await-component.ts'
import { afterTheEnd, endedUnopened, noOpening, notABatch, secondSink, secondSource } from './refusals.ts'
import { catchWriters } from './readers.ts'
import { passOn, reply } from './reply.ts'
import { wiringIn } from './wiring.ts'
import type { OpenPipeline, SinkSettings, Wiring } from './wiring.ts'

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
  #wiring: Wiring | undefined
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

  override _write(chunk: unknown, _encoding: BufferEncoding, onDone: Done): void {
    const done = catchWriters(this, onDone)
    const run = this.#run
    const inner = this.#inner
    if (run === undefined || inner === undefined) return void reply(() => this.#open(chunk), done, asFailure)
    if (!run.isBatch(chunk)) return done(notABatch(this.#name, chunk))
    const second = wiringIn(chunk)
    if (second !== undefined) return done(second.refuse(secondSource(this.#name)))
    if (run.end) return done(afterTheEnd(this.#name))
    if (chunk.end) run.end = chunk.end
    passOn(inner, chunk, done)
  }

  override _final(done: Done): void {
    const [run, inner] = [this.#run, this.#inner]
    if (run === undefined || inner === undefined) return done(endedUnopened(this.#name))
    finished(inner, { readable: false }, (error) => done(error ?? run.failure()))
    inner.end()
  }

  override _destroy(reason: Error | null, done: Done): void {
    if (this.#wiring) this.#wiring.isClosing = true
    if (reason) void this.#wiring?.abandon(reason)
    const report = (closeError: Error | null, failure?: Error | null): void => {
      this.#wiring?.close()
      const error = closeError ?? failure
      done(error instanceof SluiceError ? hideInError(error) : error)
    }
    void reply(() => this.#close(reason), report, asFailure)
  }

  /** The first chunk: the pipeline is complete, and can be opened. */
  async #open(chunk: unknown): Promise<void> {
    const wiring = wiringIn(chunk)
    if (wiring === undefined) throw noOpening(this.#name, chunk)
    if (!wiring.arrive(this.#from)) throw secondSink(this.#name)
    this.#wiring = wiring
    wiring.join(this, this.#from)
    try {
      this.#opening = this.#openRun(wiring)
      const run = await this.#opening
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

  async #openRun(wiring: Wiring): Promise<OpenPipeline> {
    const { openRun } = await import('./open-run.ts')
    this.#run = await openRun(wiring, this.#settings)
    await this.#run.createStages()
    return this.#run
  }

  /** Returns why the pipeline has failed, if it has. */
  async #close(reason: Error | null): Promise<Error | null> {
    if (this.#opening) await Promise.allSettled([within(OPEN_TIMEOUT, 'the start', this.#opening)])
    const run = this.#run
    if (run === undefined) return reason
    if (this.#inner !== undefined) await closed(this.#inner, reason)
    const failure = await run.close(reason ?? this.#wiring?.failure ?? null)
    // Destroyed without a reason, it reports none: the stream that has failed does.
    return failure === this.#wiring?.failure ? reason : failure
  }
}

/** Milliseconds that a start which is under way has to end, when the stream is destroyed. */
const OPEN_TIMEOUT = 15_000

function asFailure(reason: unknown): SluiceError {
  return asSluiceError(reason, 'INTERNAL', 'the pipeline failed')
}

async function closed(stream: Writable, reason: Error | null): Promise<void> {
  if (stream.closed) return
  const closing = new Promise((resolve) => stream.once('close', resolve))
  stream.destroy(reason ?? undefined)
  await closing
}
