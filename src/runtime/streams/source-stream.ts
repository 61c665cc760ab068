import { Readable } from 'node:stream'
import type { SluiceError } from '../../errors.ts'
import { asSluiceError } from '../../errors.ts'
import type { Batch } from '../../record/batch.ts'
import { neverArrived } from './refusals.ts'
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

  constructor(part: SourcePart, settings: RunSettings) {
    super({ objectMode: true, highWaterMark: 1 })
    registerStage(this)
    this.#stop = settings.stop
    if (this.#stop.aborted) this.#onStop()
    else this.#stop.addEventListener('abort', this.#onStop, { once: true })
    this.#batches = this.#read(part, settings)
  }

  override _read(): void {
    this.#batches.next().then(
      ({ done, value }) => this.push(done === true ? null : value),
      (error: unknown) => this.destroy(asSluiceError(error, 'SOURCE_FAILED', 'the source failed')),
    )
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#stop.removeEventListener('abort', this.#onStop)
    this.#reading.abort(error ?? new Error('the stream is closed'))
    this.#wiring?.fail(asSluiceError(error ?? new Error('the source was closed'), 'SOURCE_FAILED', 'the source failed'))
    // Not awaited: a source that ignores its signal would wait for a read that never ends.
    void this.#batches.return().catch(() => undefined)
    done(error)
  }

  async *#read(part: SourcePart, settings: RunSettings): AsyncGenerator<Batch, void> {
    const { openWiring } = await import('./open-run.ts')
    const { wiring, opening } = openWiring(part, settings)
    this.#wiring = wiring
    yield opening
    await arrival(wiring)
    const run = await wiring.opened
    yield* await run.read(this.#reading.signal)
  }
}

/** Milliseconds that the opening batch may take to the sink: it passes every stream at once. */
const ARRIVAL_TIMEOUT = 60_000

/** @throws SluiceError CONFIG_INVALID if a stream of the program keeps the opening batch */
async function arrival(wiring: Wiring): Promise<void> {
  let giveUp: (error: SluiceError) => void = () => undefined
  const late = new Promise<never>((_resolve, reject) => (giveUp = reject))
  const timer = setTimeout(() => giveUp(neverArrived(ARRIVAL_TIMEOUT / 1000)), ARRIVAL_TIMEOUT)
  // The timer does not keep a process alive that has nothing else to do.
  timer.unref()
  const onIdle = (): void => giveUp(neverArrived(undefined))
  process.once('beforeExit', onIdle)
  try {
    await Promise.race([wiring.arrived, wiring.opened, late])
  } finally {
    clearTimeout(timer)
    process.off('beforeExit', onIdle)
  }
}
