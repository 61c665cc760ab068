import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Attempt, ObjectSink, OutboxFile } from '../../component.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { Files } from '../../files.ts'
import type { State } from '../state/state.ts'
import type { Role } from '../state/rows.ts'
import type { ObjectRow } from '../state/rows.ts'
import type { Note } from '../../observe/log.ts'

export interface PublisherOptions {
  /** The outbox. */
  readonly folder: string
  readonly files: Files
  readonly state: State
  /** A row is published by the sink of its role and type; where there is none, by one of its type. */
  readonly sinks: readonly { readonly role: Role; readonly type: string; readonly sink: ObjectSink }[]
  readonly now: () => number
  readonly note: Note
  /** What stops the run: a refusal of the store or a failure of the state. */
  readonly failed: (error: Error) => void
}

/**
 * Makes committed objects visible, several at once and in any order, and retires them: first the row goes to the history, then the file is
 * deleted. What the store does not take for the moment is tried again for as long as the run lives.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #limit = pLimit(CONCURRENCY)
  readonly #stop = new AbortController()
  readonly #waiting = new Set<ObjectRow>()
  readonly #bytes = { sink: 0, rejects: 0 }
  readonly #listeners = new Set<() => void>()
  readonly #running = new Set<Promise<void>>()
  /** Those that were tried, see `TwinTest`. */
  readonly #stores: Set<string>
  /** How many objects the store did not take at their last attempt. */
  #troubled = 0
  #lastError: SluiceError | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#stores = new Set(options.state.stores().map(({ name }) => name))
  }

  /**
   * Takes up what an earlier process has committed and not published.
   * @throws SluiceError OUTBOX_LOST, STATE_DAMAGED, STATE_MISMATCH
   */
  async recover(): Promise<void> {
    const { folder, files, state, note } = this.#options
    await files.makeFolder(folder)
    const rows = state.objects()
    const named = new Set(rows.map((row) => row.file))
    for (const name of await files.readdir(folder)) if (!named.has(name)) await files.unlink(join(folder, name))
    for (const row of rows) if (await this.#isThere(row)) this.add([row])
    if (this.#waiting.size > 0) note('publishing what an earlier run has committed', { objects: this.#waiting.size })
  }

  add(rows: readonly ObjectRow[]): void {
    for (const row of rows) {
      this.#waiting.add(row)
      this.#bytes[row.role] += row.bytes
      const running = this.#limit(() => this.#publish(row)).finally(() => this.#running.delete(running))
      this.#running.add(running)
    }
  }

  /** What is committed and not published. */
  bytes(role: Role): number {
    return this.#bytes[role]
  }

  /** Resolves when an object was retired, or nothing more will be; at once when the signal aborts. */
  async changed(signal?: AbortSignal): Promise<void> {
    if (this.#stop.signal.aborted || signal?.aborted) return
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        this.#listeners.delete(settle)
        signal?.removeEventListener('abort', settle)
        resolve()
      }
      this.#listeners.add(settle)
      signal?.addEventListener('abort', settle)
    })
  }

  /**
   * Resolves when all is published. Waits for as long as objects get published or none fails, and then for `done` milliseconds; when there is a
   * hurry, or the run is asked to end meanwhile, for `interrupted` milliseconds in all.
   * @throws SluiceError SINK_UNAVAILABLE: what is not published is kept.
   */
  async drain(
    { done, interrupted }: { readonly done: number; readonly interrupted: number },
    { hurry, stopping }: { hurry: boolean; stopping?: AbortSignal | undefined },
  ): Promise<void> {
    let hurried = hurry
    let deadline = performance.now() + (hurried ? interrupted : done)
    while (this.#waiting.size > 0 && !this.#stop.signal.aborted) {
      const before = this.#waiting.size
      await this.#changedWithin(Math.max(1, deadline - performance.now()), hurried ? undefined : stopping)
      const now = performance.now()
      if (!hurried && stopping?.aborted) {
        hurried = true
        deadline = now + interrupted
      } else if (!hurried && (this.#waiting.size < before || this.#troubled === 0)) deadline = now + done
      else if (now >= deadline) break
    }
    if (this.#waiting.size === 0) return
    throw new SluiceError(
      'SINK_UNAVAILABLE',
      `${this.#waiting.size} committed objects are not published${this.#lastError ? ` (${this.#lastError.message})` : ''}; they are kept, and the next run publishes them`,
      { cause: this.#lastError },
    )
  }

  /** Gives up what is under way; the rows stay. */
  async stop(): Promise<void> {
    this.#stop.abort()
    this.#wake()
    await Promise.all(this.#running)
  }

  async #isThere(row: ObjectRow): Promise<boolean> {
    const { folder, files } = this.#options
    const sink = this.#sink(row)
    const size = await files.size(join(folder, row.file))
    if (size === row.bytes) return true
    if (size !== undefined) {
      throw new SluiceError('STATE_DAMAGED', `${join(folder, row.file)} has ${size} bytes, ${row.bytes} are committed`)
    }
    if (await sink.exists?.(row.destination, this.#stop.signal)) {
      await this.#retire(row)
      return false
    }
    throw new SluiceError(
      'OUTBOX_LOST',
      `${join(folder, row.file)} is gone and ${row.key} cannot be proved visible (${row.records} records): restore the file, or move ${dirname(folder)} away to start anew`,
    )
  }

  #sink(row: ObjectRow): ObjectSink {
    const able = this.#options.sinks.filter(({ type }) => type === row.type)
    const found = able.find(({ role }) => role === row.role) ?? able[0]
    if (found) return found.sink
    throw new SluiceError(
      'STATE_MISMATCH',
      `${row.key} is committed for the sink ${row.type} and not published, but the pipeline has no such sink any more: run it once as it was`,
    )
  }

  async #publish(row: ObjectRow): Promise<void> {
    try {
      const attempt = this.#attemptOf(row)
      await this.#untilVisible(row, attempt)
      await this.#testStore(row, attempt)
      if (!this.#stop.signal.aborted) await this.#retire(row)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      this.#options.failed(asSluiceError(error, 'SINK_FAILED', `${row.key} could not be published`))
    }
  }

  #attemptOf(row: ObjectRow): Attempt {
    const { state } = this.#options
    let resumeToken = row.resumeToken
    return {
      get resumeToken() {
        return resumeToken
      },
      async saveResumeToken(value) {
        resumeToken = value
        await state.saveResumeToken(row, value)
      },
    }
  }

  async #untilVisible(row: ObjectRow, attempt: Attempt): Promise<void> {
    const { note } = this.#options
    const { signal } = this.#stop
    for (let failures = 0; !signal.aborted;) {
      try {
        await this.#attempt(row, attempt)
        if (failures > 0) this.#troubled--
        return
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof SluiceError) || !error.retryable) throw error
        if (failures === 0) this.#troubled++
        this.#lastError = error
        const pause = pauseBehind(++failures)
        note('an object could not be published; it will be tried again', {
          key: row.key,
          reason: error.message,
          failures,
          pause: Math.round(pause),
        })
        await delay(pause, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  async #attempt(row: ObjectRow, attempt: Attempt): Promise<void> {
    const limit = AbortSignal.timeout(LONGEST_ATTEMPT)
    const signal = AbortSignal.any([this.#stop.signal, limit])
    try {
      await this.#sink(row).publish(this.#fileOf(row), row.destination, signal, attempt)
    } catch (error) {
      if (!limit.aborted) throw error
      throw new SluiceError('SINK_UNAVAILABLE', `no answer within ${LONGEST_ATTEMPT / 60_000} minutes`, {
        cause: error,
      })
    }
  }

  /** Finds out, with the first object of a store, whether it refuses to replace one that is there. A failure leaves that to the next run. */
  async #testStore(row: ObjectRow, attempt: Attempt): Promise<void> {
    const { state, note } = this.#options
    const { conditionalPutProbe } = this.#sink(row)
    if (!conditionalPutProbe || this.#stop.signal.aborted) return
    const file = this.#fileOf(row)
    const name = conditionalPutProbe.store(file, row.destination)
    if (this.#stores.has(name)) return
    this.#stores.add(name)
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(LONGEST_TEST)])
    const [result] = await Promise.allSettled([conditionalPutProbe.isRefused(file, row.destination, signal, attempt)])
    if (result.status === 'rejected') return
    await state.keepStore({ name, refusesOverwrite: result.value })
    if (result.value) return
    note('the store ignores If-None-Match: it replaces an object that is there when it is put again', { store: name })
  }

  #fileOf({ file, bytes, records, sha256, compression }: ObjectRow): OutboxFile {
    return { path: join(this.#options.folder, file), bytes, records, sha256, compression }
  }

  async #retire(row: ObjectRow): Promise<void> {
    const { state, files, folder, now } = this.#options
    await state.retire(row, now())
    await files.unlink(join(folder, row.file))
    if (this.#waiting.delete(row)) this.#bytes[row.role] -= row.bytes
    this.#wake()
  }

  async #changedWithin(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const timer = new AbortController()
    await Promise.race([
      this.changed(signal),
      delay(milliseconds, undefined, { signal: timer.signal }).catch(() => undefined),
    ])
    timer.abort()
  }

  #wake(): void {
    for (const listener of this.#listeners) listener()
  }
}

/** Objects that are uploaded at once. */
const CONCURRENCY = 4
/** Milliseconds; the largest object at 2 Mbit/s. */
const LONGEST_ATTEMPT = 15 * 60_000
/** Milliseconds. Nothing depends on a test, so nothing waits long for one. */
const LONGEST_TEST = 15_000
const LONGEST_PAUSE = 60_000

/** Exponential with full jitter: many collectors that lost one store do not come back as one. */
function pauseBehind(failures: number): number {
  return Math.random() * Math.min(LONGEST_PAUSE, 500 * 2 ** Math.min(failures, 10))
}
