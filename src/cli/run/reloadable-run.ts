import { setMaxListeners } from 'node:events'
import { isDeepStrictEqual } from 'node:util'
import { findDedup } from '../../config/pipeline.ts'
import type { CheckedPipeline } from '../../config/pipeline.ts'
import { holdOwnership } from '../../delivery/state/owner-lock.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { RunEvents } from '../../observe/bus/run-events.ts'
import { listen } from '../../observe/bus/subscribe.ts'
import type { Report } from '../../observe/report.ts'
import { sumReports } from '../../observe/sum-reports.ts'
import { keyDefinitionOf } from '../../runtime/key-definition.ts'
import type { RunResult } from '../../runtime/run.ts'
import { anySignal } from '../../signals.ts'

interface ReloadableOptions {
  readonly pipeline: CheckedPipeline
  /** The pipeline's own state folder. */
  readonly folder: string
  /** Ends the pipeline. */
  readonly stop: AbortSignal
  /** Loads and checks the files again. @throws SluiceError CONFIG_INVALID */
  readonly load: () => Promise<CheckedPipeline>
  /** Runs a configuration until it has ended or is asked to stop. */
  readonly run: (
    pipeline: CheckedPipeline,
    run: { readonly stop: AbortSignal; readonly events: RunEvents },
  ) => Promise<RunResult>
  /** Of the first run. */
  readonly events: RunEvents
  /** Those of the next run, shown from now on in the place of the last ones. */
  readonly nextEvents: () => RunEvents
}

export interface Reloaded {
  /** The last commit of the old configuration; undefined if this process has not committed. */
  readonly epoch: number | undefined
}

/** A configuration that waits for the end of the one before it. */
interface Swap {
  readonly pipeline: CheckedPipeline
  readonly done: (reloaded: Reloaded) => void
  readonly failed: (error: SluiceError) => void
}

/**
 * A pipeline whose configuration can be replaced while it runs. The old run stops at a commit, and the
 * new one begins at the committed positions: every record passes either the old stages or the new
 * ones. The state stays ours in between. If the new configuration cannot be opened, the old one
 * continues.
 */
export class ReloadableRun {
  readonly #options: ReloadableOptions
  #pipeline: CheckedPipeline
  #events: RunEvents
  #next: Swap | undefined
  #turn = new AbortController()
  #epoch: number | undefined
  #isOver = false
  /** Reloads run one after another. */
  #reloading: Promise<unknown> = Promise.resolve()

  constructor(options: ReloadableOptions) {
    this.#options = options
    this.#pipeline = options.pipeline
    this.#events = options.events
  }

  /** The configuration in use. */
  get pipeline(): CheckedPipeline {
    return this.#pipeline
  }

  /** Runs it to its end, under one configuration after another. The report is that of all of them. */
  async run(): Promise<RunResult> {
    const { folder, pipeline } = this.#options
    const release = holdOwnership(folder)
    const forget = listen('sluice:epoch:commit', { pipeline: pipeline.name }, ({ epoch }) => (this.#epoch = epoch))
    try {
      return await this.#runAll()
    } finally {
      this.#isOver = true
      forget()
      await release()
    }
  }

  /**
   * Replaces the configuration by what the files contain now.
   * @throws SluiceError why the old one stays in use
   */
  reload(): Promise<Reloaded> {
    const reloaded = this.#reloading.then(() => this.#reload())
    this.#reloading = reloaded.catch(() => undefined)
    return reloaded
  }

  async #runAll(): Promise<RunResult> {
    let total: Report | undefined
    let swap: Swap | undefined
    let old = this.#pipeline
    for (;;) {
      const { result, error, isOpen } = await this.#runOnce(swap)
      if (result) total = total ? sumReports(total, result.report) : result.report
      const failure = error ?? result?.error
      if (swap && !isOpen && failure) {
        swap.failed(failure)
        swap = undefined
        this.#begin(old)
        continue
      }
      const next = this.#takeNext(result)
      if (next === undefined) {
        swap?.failed(over())
        if (total === undefined || error !== undefined) throw error ?? over()
        return { ...result, report: total }
      }
      old = this.#pipeline
      swap = next
      this.#begin(next.pipeline)
    }
  }

  #begin(pipeline: CheckedPipeline): void {
    this.#pipeline = pipeline
    this.#events = this.#options.nextEvents()
  }

  async #runOnce(swap: Swap | undefined): Promise<Ended> {
    const { stop, run } = this.#options
    this.#turn = new AbortController()
    setMaxListeners(0, this.#turn.signal)
    const events = this.#events
    let isOpen = false
    const forget = listen('sluice:source:open', { run: events.run }, () => {
      isOpen = true
      if (swap) events.note('run.reloaded', { epoch: this.#epoch })
      swap?.done({ epoch: this.#epoch })
    })
    try {
      return { result: await run(this.#pipeline, { stop: anySignal(stop, this.#turn.signal), events }), isOpen }
    } catch (error) {
      return { error: asSluiceError(error, 'INTERNAL', `pipeline ${this.#pipeline.name} failed`), isOpen }
    } finally {
      forget()
    }
  }

  /** What runs next, if the last run has ended for it. What is not published stays in the outbox. */
  #takeNext(result: RunResult | undefined): Swap | undefined {
    const next = this.#next
    this.#next = undefined
    const hasMadeRoom = result?.report.outcome === 'interrupted' || result?.error?.code === 'SINK_UNAVAILABLE'
    if (next !== undefined && hasMadeRoom && !this.#options.stop.aborted) return next
    next?.failed(result?.error ?? over())
    return undefined
  }

  async #reload(): Promise<Reloaded> {
    if (this.#isOver || this.#options.stop.aborted) throw over()
    const pipeline = await this.#options.load()
    try {
      await checkSwap(this.#pipeline, pipeline)
      if (this.#isOver || this.#options.stop.aborted) throw over()
      return await new Promise<Reloaded>((done, failed) => {
        this.#next = { pipeline, done, failed }
        this.#turn.abort(new Error('the configuration is reloaded'))
      })
    } catch (error) {
      pipeline.secrets.drop()
      throw error
    }
  }
}

interface Ended {
  /** Undefined if the run could not begin. */
  readonly result?: RunResult
  readonly error?: SluiceError
  /** The source was opened. */
  readonly isOpen: boolean
}

function over(): SluiceError {
  return new SluiceError('NOT_RUNNING', 'the run has ended, or is about to')
}

/** @throws SluiceError if the new configuration cannot continue where the old one is */
export async function checkSwap(old: CheckedPipeline, next: CheckedPipeline): Promise<void> {
  const stream = [...old.sinks, ...next.sinks].find(({ declaration }) => declaration.delivers === 'stream')
  if (stream !== undefined)
    throw new SluiceError('UNSUPPORTED', `the sink ${stream.stage} has no state: nobody knows where to continue`, {
      hint: 'stop the run and start it again',
    })
  if (old.source.declaration.type === 'file' && old.source.config['path'] === '-')
    throw new SluiceError('UNSUPPORTED', 'standard input cannot be read again from where it was', {
      hint: 'stop the run and start it again',
    })
  const [{ code: _old, ...before }, { code: _next, ...after }] = [
    await keyDefinitionOf(old),
    await keyDefinitionOf(next),
  ]
  if (isDeepStrictEqual(before, after)) return
  const stage = findDedup(next)?.stage ?? 'dedup'
  throw new SluiceError('STATE_MISMATCH', `${stage} would make its keys in another way than the records so far`, {
    hint: 'undo the change; or stop the run, accept the repeats with `sluice state accept`, and start it again',
  })
}
