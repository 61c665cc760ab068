import type { Writable } from 'node:stream'
import { pipeline as connect } from 'node:stream/promises'
import { asSluiceError, SluiceError } from '../errors.ts'
import { hideInError } from '../observe/hide-in-error.ts'
import type { Report } from '../observe/report.ts'
import { wirePipeline } from '../runtime/run.ts'
import type { RunOptions, Wired } from '../runtime/run.ts'

/** What a part is run with. */
export interface PartOptions extends RunOptions {
  /** Called once, when everything is closed. */
  readonly ended: () => void
}

/** A run of a pipeline that a program has opened. It begins at once. */
export class PartRun {
  /**
   * Resolves when everything that the run has started is closed: with its failure, or with undefined.
   * Never rejects.
   */
  readonly ended: Promise<SluiceError | undefined>
  #aborted: SluiceError | undefined
  #wired: Wired | undefined

  /** @param load Checks the pipeline. Gets a function that ends the run at once, with an error. */
  constructor(load: (fail: (error: SluiceError) => void) => Promise<PartOptions>) {
    this.ended = this.#run(load)
  }

  /**
   * What the run has done so far; complete when it has ended. Undefined until the pipeline is checked
   * and open.
   */
  report(): Report | undefined {
    return this.#wired?.sink.report()
  }

  /** Ends the run at once: what is not committed is given up. Resolves when everything is closed. */
  async abort(reason: SluiceError): Promise<void> {
    this.#fail(reason)
    await this.ended
  }

  #fail(reason: SluiceError): void {
    this.#aborted ??= reason
    this.#wired?.source.destroy(this.#aborted)
  }

  async #run(load: (fail: (error: SluiceError) => void) => Promise<PartOptions>): Promise<SluiceError | undefined> {
    let options: PartOptions | undefined
    try {
      options = await load((error) => this.#fail(error))
      if (this.#aborted) throw this.#aborted
      this.#wired = wirePipeline(options)
      const { source, transforms, sink } = this.#wired
      await connect([source, ...transforms, sink])
      return this.#aborted
    } catch (error) {
      if (this.#wired) await closed(this.#wired.sink)
      return hideInError(asSluiceError(this.#aborted ?? error, 'INTERNAL', 'the run failed'))
    } finally {
      options?.ended()
    }
  }
}

/** Without `once` of node:events, which rejects at an error. */
async function closed(stream: Writable): Promise<void> {
  if (stream.closed) return
  await new Promise<void>((resolve) => {
    stream.once('close', () => resolve())
  })
}

/**
 * Why a run ends whose stream was destroyed by the program. Without an error, the program wants no
 * more.
 */
export function destroyedBy(error: Error | null, code: 'SOURCE_FAILED' | 'SINK_FAILED'): SluiceError {
  if (error instanceof SluiceError) return error
  if (error === null || error.name === 'AbortError') {
    return new SluiceError('SINK_CLOSED', 'the stream was destroyed', { cause: error ?? undefined })
  }
  return new SluiceError(code, 'the stream was destroyed with an error; see `cause`', { cause: error })
}
