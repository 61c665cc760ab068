import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SluiceError } from '../../errors.ts'
import { plural } from '../../observe/report.ts'
import { placeOf } from './redirect.ts'
import { SinkPublisher } from './sink-publisher.ts'
import type { PublishingSink } from './sink-publisher.ts'
import { noTarget, targetOf } from './target-of.ts'
import type { Files } from '../../files.ts'
import type { State } from '../state/state.ts'
import { ONLY_SINK, REJECTS, sinkNameOf } from '../state/rows.ts'
import type { ObjectRow } from '../state/rows.ts'
import type { RunEvents } from '../../observe/bus/run-events.ts'
import type { Events } from '../../observe/bus/events.ts'
import type { Note } from '../../observe/messages/table.ts'
import type { DrainTimeouts } from '../commit-options.ts'

export interface PublisherOptions {
  /** The outbox. */
  readonly folder: string
  readonly files: Files
  readonly state: State
  readonly pipeline: string
  /** See `targetOf`. */
  readonly sinks: readonly PublishingSink[]
  /** Budget of the outbox of each sink in bytes, by its name; of `REJECTS` too. */
  readonly budgets: ReadonlyMap<string, number>
  readonly now: () => number
  readonly note: Note
  readonly events?: RunEvents | undefined
  /**
   * How long `stop` still publishes for the other sinks when one has refused an object, in
   * milliseconds.
   */
  readonly patience: number
  /** Called with an error that stops the run: the store refused an object, or the state failed. */
  readonly failed: (error: Error) => void
  /**
   * Called when what was staged for a row does not exist any more. The row waits until `replace`.
   * Without it, such a row stops the run.
   */
  readonly gone?: ((row: ObjectRow) => void) | undefined
  /** Called when an object is published and its row is in the history. */
  readonly retired?: ((row: ObjectRow) => void) | undefined
}

type Outbox = Events['sluice:object:publish']['outbox']

/**
 * Publishes committed objects, several at once and in any order, for each sink on its own. When an
 * object is visible, its row moves to the history and then its file is deleted. Retries while the store
 * is unavailable, as long as the run lives.
 */
export class Publisher {
  readonly #options: PublisherOptions
  /** By the names of the sinks. */
  readonly #publishers: ReadonlyMap<string, SinkPublisher>
  readonly #stop = new AbortController()
  /** Committed rows that are not published. */
  readonly #unpublished = new Set<ObjectRow>()
  /** What waits, by the name of the sink; see `bytes`. */
  readonly #waiting = new Map<string, { readonly objects: number; readonly bytes: number }>()
  readonly #listeners = new Set<() => void>()
  readonly #running = new Set<Promise<void>>()
  #stopped: Promise<void> | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    const shared = {
      ...options,
      probed: new Set(options.state.stores().map(({ name }) => name)),
      stop: this.#stop.signal,
      failed: (row: ObjectRow, error: SluiceError) => this.#fail(row, error),
      retired: (row: ObjectRow) => this.#retired(row),
      outbox: (sink: string) => this.outbox(sink),
    }
    this.#publishers = new Map(options.sinks.map((target) => [target.name, new SinkPublisher(target, shared)]))
  }

  /**
   * Takes over the objects that an earlier process committed; see `recover`.
   * @throws SluiceError STATE_MISMATCH
   */
  load(): void {
    for (const row of this.#options.state.objects()) this.#take(row)
  }

  /**
   * Starts publishing the objects of `load`, and deletes files that no row names.
   * @throws SluiceError OUTBOX_LOST, STATE_DAMAGED
   */
  async recover(): Promise<void> {
    const { folder, files, note } = this.#options
    await files.makeFolder(folder)
    const rows = [...this.#unpublished]
    const named = new Set(rows.flatMap((row) => row.file ?? []))
    for (const name of await files.readdir(folder)) if (!named.has(name)) await files.unlink(join(folder, name))
    for (const row of rows) if (await this.#publisherOf(row).needsPublishing(row)) this.#start(row, true)
    if (this.#unpublished.size > 0) {
      const redirect = this.#redirectHint()
      note('object.recovering', {
        objects: this.#unpublished.size,
        ...(redirect !== undefined && { hint: redirect }),
      })
    }
  }

  add(rows: readonly ObjectRow[]): void {
    for (const row of rows) this.#add(row, false)
  }

  /** Publishes an object whose bytes were made again, in place of a row that was `gone`. */
  replace(row: ObjectRow): void {
    for (const old of this.#unpublished) {
      if (old.epoch === row.epoch && old.part === row.part) this.#remove(old)
    }
    this.#add(row, true)
  }

  #add(row: ObjectRow, isRecovered: boolean): void {
    this.#take(row)
    this.#start(row, isRecovered)
  }

  #take(row: ObjectRow): void {
    this.#unpublished.add(row)
    this.#count(row, 1)
  }

  #start(row: ObjectRow, isRecovered: boolean): void {
    const running = this.#publisherOf(row)
      .publish(row, isRecovered)
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Bytes in the outbox that are committed for a sink and not published. */
  bytes(sink: string): number {
    return this.#waiting.get(sink)?.bytes ?? 0
  }

  /** What is committed for a sink and not published. */
  outbox(sink: string): Outbox {
    return {
      sink,
      ...(this.#waiting.get(sink) ?? { objects: 0, bytes: 0 }),
      maxBytes: this.#options.budgets.get(sink) ?? 0,
    }
  }

  /** The same of all sinks; of `REJECTS` without a sink of that name only while copies wait. */
  outboxes(): Outbox[] {
    return [...this.#options.budgets.keys()]
      .map((sink) => this.outbox(sink))
      .filter(({ sink, objects }) => this.#publishers.has(sink) || objects > 0)
  }

  /** @param change 1 for an object that waits, -1 for one that does not wait any more */
  #count(row: ObjectRow, change: 1 | -1): void {
    const name = row.role === 'rejects' ? REJECTS : this.#publisherOf(row).target.name
    const { objects, bytes } = this.outbox(name)
    this.#waiting.set(name, { objects: objects + change, bytes: bytes + change * bytesInOutbox(row) })
  }

  /**
   * Resolves when the next object is published, when publishing stops, or when the signal aborts.
   */
  async changed(signal?: AbortSignal): Promise<void> {
    if (this.#stop.signal.aborted || signal?.aborted) return
    await new Promise<void>((resolve) => {
      const listener = (): void => {
        this.#listeners.delete(listener)
        signal?.removeEventListener('abort', listener)
        resolve()
      }
      this.#listeners.add(listener)
      signal?.addEventListener('abort', listener)
    })
  }

  /**
   * Resolves with true when every object that is committed now is published, with false when
   * publishing stops before. Waits as long as the store is unavailable.
   */
  async published(): Promise<boolean> {
    let rows = [...this.#unpublished]
    while (rows.length > 0) {
      if (this.#stop.signal.aborted) return false
      await this.changed()
      rows = rows.filter((row) => this.#unpublished.has(row))
    }
    return true
  }

  /**
   * Resolves when every object is published. Gives up after `done` milliseconds without a published
   * object while attempts fail. An interrupted run, also one that is interrupted meanwhile, gives
   * up after `interrupted` milliseconds in all.
   * @throws SluiceError SINK_UNAVAILABLE. Unpublished objects stay in the outbox.
   */
  async drain(
    { done, interrupted }: DrainTimeouts,
    { isInterrupted, stopping }: { readonly isInterrupted: boolean; readonly stopping?: AbortSignal | undefined },
  ): Promise<void> {
    let isHurried = isInterrupted
    let deadline = performance.now() + (isHurried ? interrupted : done)
    while (this.#unpublished.size > 0 && !this.#stop.signal.aborted) {
      const before = this.#unpublished.size
      await this.#changedWithin(Math.max(1, deadline - performance.now()), isHurried ? undefined : stopping)
      const now = performance.now()
      if (!isHurried && stopping?.aborted) {
        isHurried = true
        deadline = now + interrupted
      } else if (!isHurried && (this.#unpublished.size < before || !this.#isFailing)) deadline = now + done
      else if (now >= deadline) break
    }
    if (this.#unpublished.size === 0) return
    const late = new Set([...this.#unpublished].map((row) => this.#publisherOf(row)))
    const named = [...late].map(({ target }) => target.name).filter((name) => name !== ONLY_SINK)
    const lastError = [...late].find(({ lastError: error }) => error)?.lastError
    const waiting = `${plural(this.#unpublished.size, 'committed object')}${named.length > 0 ? ` for ${named.join(' and ')}` : ''}`
    const reason = lastError ? ` (${lastError.message})` : ''
    throw new SluiceError(
      'SINK_UNAVAILABLE',
      `${waiting} not published${reason}: safe in the outbox; the next run publishes them`,
      { cause: lastError, hint: this.#redirectHint() },
    )
  }

  get #isFailing(): boolean {
    return [...this.#publishers.values()].some(({ failing }) => failing > 0)
  }

  /**
   * Stops publishing and aborts attempts that are under way. The rows stay. Does not wait for ever
   * for a sink that ignores the signal: `publish` is idempotent, and the next run repeats it. If one
   * sink has refused an object, the committed objects of the others are published first.
   */
  stop(): Promise<void> {
    return (this.#stopped ??= this.#end())
  }

  async #end(): Promise<void> {
    await this.#publishForOthers()
    this.#stop.abort()
    this.#notify()
    const ended = new AbortController()
    const limit = delay(STOP_TIMEOUT, undefined, { signal: ended.signal, ref: false }).catch(() => undefined)
    await Promise.race([Promise.all(this.#running), limit])
    ended.abort()
  }

  /** Otherwise a sink that refuses at once would keep the others from publishing, start after start. */
  async #publishForOthers(): Promise<void> {
    const isRefused = (row: ObjectRow): boolean => this.#publisherOf(row).hasRefused
    const deadline = performance.now() + this.#options.patience
    if (![...this.#publishers.values()].some(({ hasRefused }) => hasRefused)) return
    while ([...this.#unpublished].some((row) => !isRefused(row))) {
      const left = deadline - performance.now()
      if (left <= 0) return
      await this.#changedWithin(left)
    }
  }

  #publisherOf(row: ObjectRow): SinkPublisher {
    const { sinks, pipeline } = this.#options
    const publisher = this.#publishers.get(targetOf(row, sinks)?.name ?? '')
    if (publisher) return publisher
    throw noTarget(row, sinks, pipeline)
  }

  #fail(row: ObjectRow, error: SluiceError): void {
    this.#notify()
    this.#options.failed(this.#refusal(row, error))
  }

  #retired(row: ObjectRow): void {
    this.#remove(row)
    this.#options.retired?.(row)
    this.#notify()
  }

  /** Says what waits, and where it could go instead. */
  #refusal(row: ObjectRow, error: SluiceError): SluiceError {
    if (error.code !== 'SINK_REFUSED' && error.code !== 'SINK_FAILED') return error
    const { state, pipeline } = this.#options
    const publisher = this.#publisherOf(row)
    const waiting = state.objects().filter((one) => this.#publisherOf(one) === publisher)
    const records = waiting.reduce((sum, one) => sum + one.records, 0)
    const verb = waiting.length === 1 ? 'waits' : 'wait'
    const discard = `discard them with \`sluice state reset ${pipeline} --force\``
    const elsewhere = this.#elsewhere(row)
    const hint =
      elsewhere === undefined
        ? `correct the cause and start again. If the destination is wrong, correct it in the pipeline file, then send them there with ${this.#redirect}, or ${discard}`
        : `they ${elsewhere}: send them there with ${this.#redirect}, or correct the cause and start again, or ${discard}`
    const what = `${plural(waiting.length, 'committed object')} with ${plural(records, 'record')} ${verb} in the outbox`
    return new SluiceError(error.code, `${error.message}; ${what}`, { cause: error, hint })
  }

  get #redirect(): string {
    return `\`sluice state redirect ${this.#options.pipeline}\``
  }

  /** In words, if the pipeline file names another place than the object was committed for. */
  #elsewhere(row: ObjectRow): string | undefined {
    const committed = placeOf(this.#publisherOf(row).target.sink, row.destination, row.key)
    const target = this.#publishers.get(sinkNameOf(row))?.target.sink
    const configured = target && placeOf(target, target.destination(row.key), row.key)
    if (configured === undefined || configured === committed) return undefined
    return `were committed for ${committed}, and the pipeline file now names ${configured}`
  }

  /** The way out for objects whose store stays away because it was never the right one. */
  #redirectHint(): string | undefined {
    const rows = [...this.#unpublished]
    const elsewhere = rows.flatMap((row) => this.#elsewhere(row) ?? [])
    if (elsewhere.length > 0) {
      return `${plural(elsewhere.length, 'object')} ${elsewhere[0]}: stop the run, and send them there with ${this.#redirect}`
    }
    if (rows.every((row) => this.#publisherOf(row).isKnown(row))) return undefined
    return `if the address is wrong, correct it in the pipeline file, then send what waits there with ${this.#redirect}`
  }

  #remove(row: ObjectRow): void {
    if (this.#unpublished.delete(row)) this.#count(row, -1)
  }

  async #changedWithin(milliseconds: number, signal?: AbortSignal): Promise<void> {
    const timer = new AbortController()
    await Promise.race([
      this.changed(signal),
      delay(milliseconds, undefined, { signal: timer.signal }).catch(() => undefined),
    ])
    timer.abort()
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }
}

function bytesInOutbox({ file, bytes }: ObjectRow): number {
  return file === undefined ? 0 : bytes
}

/** Milliseconds that a sink has to end an upload after its signal has aborted. */
const STOP_TIMEOUT = 10_000
