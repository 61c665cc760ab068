import type { ShardCommit } from '../delivery/shards/shard-commit.ts'
import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'
import { asSluiceError } from '../errors.ts'
import type { SluiceError } from '../errors.ts'
import type { Executor, ShardProgress } from './executor.ts'

export interface DispatchOptions {
  readonly commit: Pick<ShardCommit, 'next' | 'changed' | 'offer' | 'retry' | 'fail' | 'finish' | 'counts'>
  readonly executor: Executor
  /** True if the other shards are worked on after one has failed. */
  readonly keepGoing: boolean
  readonly observer: DispatchObserver
  /** Asks for an end: no shard is begun any more, and those under way have `PATIENCE` to end. */
  readonly stop: AbortSignal
}

export interface DispatchObserver {
  started(task: ShardTask): void
  progress(task: ShardTask, progress: ShardProgress): void
  /** The execution is over, in whatever way. */
  ended(task: ShardTask): void
  /** It is executed again. */
  failedOnce(task: ShardTask, error: SluiceError): void
  executed(task: ShardTask, result: ShardResult): void
}

/** Executions of a shard whose worker died, or that failed for another reason that may pass. */
const MAX_TRIES = 3
/** After so many failed shards, and none that is committed, the reason is not in a single shard. */
const MAX_FAILED_FIRST = 8
/** Milliseconds. As long again may be needed to publish what they give. */
const PATIENCE = 10_000

/**
 * Keeps the workers of an executor busy until every shard is committed or has failed and everything is
 * published, or until it is asked to stop.
 */
export class Dispatch {
  readonly #options: DispatchOptions
  readonly #abandon = new AbortController()
  readonly #tries = new Map<number, number>()
  #executing = 0
  #failed = 0
  #fatal: SluiceError | undefined
  #patience: NodeJS.Timeout | undefined
  #wake: () => void = () => undefined

  constructor(options: DispatchOptions) {
    this.#options = options
  }

  /**
   * @throws SluiceError that concerns the whole run: of the state, of the sink, of the configuration; or
   *   of the first shard that failed, without `keepGoing`. What is under way has `PATIENCE` to end.
   */
  async run(): Promise<void> {
    const { commit, stop } = this.#options
    const onStop = (): void => this.#end()
    if (stop.aborted) onStop()
    stop.addEventListener('abort', onStop, { once: true })
    try {
      for (;;) {
        const woken = new Promise<void>((resolve) => (this.#wake = resolve))
        await this.#start()
        if (this.#executing > 0) await (this.#isEnding ? woken : this.#changed(woken))
        else if (this.#isEnding) break
        else if (await commit.finish()) return
      }
      // What is committed is published, as after any other failure.
      await commit.finish({ isInterrupted: stop.aborted }).catch((error: unknown) => {
        this.#fail(asSluiceError(error, 'INTERNAL', 'publishing failed'))
      })
    } finally {
      stop.removeEventListener('abort', onStop)
      clearTimeout(this.#patience)
    }
    if (this.#fatal) throw this.#fatal
  }

  /** Resolves when an execution has ended, or the commit has something new. */
  async #changed(woken: Promise<void>): Promise<void> {
    try {
      await Promise.race([woken, this.#options.commit.changed()])
    } catch (error) {
      this.#fail(asSluiceError(error, 'INTERNAL', 'the commit failed'))
    }
  }

  /** Executions under way end, or are abandoned. */
  #end(): void {
    this.#patience ??= setTimeout(() => this.#abandon.abort(new Error('the run was stopped')), PATIENCE)
    this.#wake()
  }

  get #isEnding(): boolean {
    return this.#options.stop.aborted || this.#fatal !== undefined
  }

  async #start(): Promise<void> {
    const { commit, executor } = this.#options
    try {
      while (!this.#isEnding && this.#executing < executor.capacity) {
        const task = await commit.next()
        if (task === undefined) return
        this.#executing++
        void this.#work(task)
      }
    } catch (error) {
      this.#fail(asSluiceError(error, 'INTERNAL', 'the commit failed'))
    }
  }

  async #work(task: ShardTask): Promise<void> {
    try {
      const result = await this.#execute(task)
      if (result) await this.#options.commit.offer(result)
    } catch (error) {
      this.#fail(asSluiceError(error, 'INTERNAL', `the commit of shard ${task.shard.number} failed`))
    } finally {
      this.#executing--
      this.#wake()
    }
  }

  async #execute(task: ShardTask): Promise<ShardResult | undefined> {
    const { executor, observer } = this.#options
    observer.started(task)
    try {
      const observe = (progress: ShardProgress): void => observer.progress(task, progress)
      const result = await executor.execute(task, this.#abandon.signal, observe)
      observer.executed(task, result)
      return result
    } catch (error) {
      await this.#handle(task, asSluiceError(error, 'INTERNAL', `shard ${task.shard.number} failed`))
      return undefined
    } finally {
      observer.ended(task)
    }
  }

  /** An execution has failed. */
  async #handle(task: ShardTask, error: SluiceError): Promise<void> {
    const { commit, keepGoing, observer } = this.#options
    const { number } = task.shard
    if (this.#abandon.signal.aborted) return commit.retry(number)
    if (concernsTheRun(error)) return this.#fail(error)
    const tries = (this.#tries.get(number) ?? 0) + 1
    this.#tries.set(number, tries)
    if (error.retryable && tries < MAX_TRIES) {
      observer.failedOnce(task, error)
      return commit.retry(number)
    }
    this.#failed++
    await commit.fail(number, error)
    if (!keepGoing || (this.#failed >= MAX_FAILED_FIRST && commit.counts().done === 0)) this.#fail(error)
  }

  #fail(error: SluiceError): void {
    this.#fatal ??= error
    this.#end()
  }
}

/** A shard was too large for them; others may not be. */
const OF_ONE_SHARD: ReadonlySet<SluiceError['code']> = new Set(['DEDUP_MEMORY', 'SHARD_TOO_LARGE'])

/** Every other shard would fail in the same way. */
function concernsTheRun({ code, exit }: SluiceError): boolean {
  if (OF_ONE_SHARD.has(code)) return false
  return code === 'COMPONENT_STALLED' || [2, 4, 6, 8].includes(exit)
}
