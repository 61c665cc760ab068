import { Readable } from 'node:stream'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { hideInError } from '../../observe/hide-in-error.ts'
import type { Batch } from '../../record/batch.ts'
import { awaitUnlessIdle } from '../await-component.ts'
import { logTo } from './program-log.ts'
import { catchReaders, refuseBytes } from './readers.ts'
import { neverArrived } from './refusals.ts'
import { reply } from './reply.ts'
import { registerStage } from './wiring.ts'
import type { RunSettings, SourcePart, Wiring } from './wiring.ts'

/**
 * The source of a pipeline as a stream of batches: the opening batch, and when the pipeline is open,
 * batches from the committed positions on. The last batch says how the source ended.
 */
export class SourceStream extends Readable {
  readonly #batches: AsyncGenerator<Batch, void>
  readonly #reading = new AbortController()
  readonly #stop: AbortSignal
  readonly #onStop = (): void => this.#reading.abort(this.#stop.reason)
  #wiring: Wiring | undefined
  #stopLog: () => void = () => undefined

  constructor(part: SourcePart, settings: RunSettings) {
    super({ objectMode: true, highWaterMark: 1 })
    registerStage(this)
    catchReaders(this)
    refuseBytes(this)
    this.#stop = settings.stop
    if (this.#stop.aborted) this.#onStop()
    else this.#stop.addEventListener('abort', this.#onStop, { once: true })
    this.#batches = this.#read(part, settings)
  }

  override _read(): void {
    void reply(
      () => this.#batches.next(),
      (failure, next) => (failure ? this.destroy(failure) : this.push(next?.value ?? null)),
      asFailure,
    )
  }

  override _destroy(reason: Error | null, done: (error?: Error | null) => void): void {
    this.#stop.removeEventListener('abort', this.#onStop)
    this.#reading.abort(reason ?? new Error('the stream is closed'))
    // Otherwise the sink closes the pipeline, and may log until then.
    if (this.#wiring?.hasArrived !== true) this.#stopLog()
    this.#wiring?.fail(asFailure(reason ?? new Error('the stream was closed')))
    // Not awaited: a source that ignores its signal would wait for a read that never ends.
    void Promise.allSettled([this.#batches.return()])
    const shown = reason instanceof SluiceError ? hideInError(reason) : reason
    const wiring = this.#wiring
    if (reason === null || wiring === undefined) return done(shown)
    void reply(
      () => wiring.abandon(reason),
      () => done(shown),
      asFailure,
    )
  }

  async *#read(part: SourcePart, settings: RunSettings): AsyncGenerator<Batch, void> {
    const { openWiring } = await import('./open-run.ts')
    const { wiring, opening } = openWiring(part, settings)
    this.#wiring = wiring
    wiring.join(this, undefined)
    if (settings.log && !this.destroyed) {
      this.#stopLog = logTo(settings.log, settings.events, (error) => this.destroy(error))
      void wiring.closed.then(this.#stopLog)
    }
    yield opening
    await arrival(wiring)
    const run = await wiring.opened
    yield* await run.read(this.#reading.signal)
  }
}

function asFailure(reason: unknown): SluiceError {
  return asSluiceError(reason, 'SOURCE_FAILED', 'the source failed')
}

/** Milliseconds that the opening batch may take to the sink: it passes every stream at once. */
const ARRIVAL_TIMEOUT = 60_000

/** @throws SluiceError CONFIG_INVALID if a stream of the program keeps the opening batch */
async function arrival(wiring: Wiring): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(neverArrived(ARRIVAL_TIMEOUT / 1000)), ARRIVAL_TIMEOUT)
    // It does not keep a process alive that has nothing else to do.
    timer.unref()
  })
  try {
    await awaitUnlessIdle(Promise.race([wiring.arrived, wiring.opened, late]), () => neverArrived(undefined))
  } finally {
    clearTimeout(timer)
  }
}
