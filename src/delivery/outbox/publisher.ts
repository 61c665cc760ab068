import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Attempt, ObjectFacts, ObjectSink } from '../../component.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import { plural } from '../../observe/report.ts'
import { placeOf } from './redirect.ts'
import { noTarget, targetOf } from './target-of.ts'
import type { Files } from '../../files.ts'
import type { Json } from '../../record/json/json.ts'
import type { State } from '../state/state.ts'
import { ONLY_SINK, REJECTS, sinkNameOf } from '../state/rows.ts'
import type { ObjectRow } from '../state/rows.ts'
import type { Note } from '../../observe/log.ts'
import type { DrainTimeouts } from '../commit-options.ts'

export interface PublisherOptions {
  /** The outbox. */
  readonly folder: string
  readonly files: Files
  readonly state: State
  readonly pipeline: string
  /** See `targetOf`. */
  readonly sinks: readonly PublishingSink[]
  readonly now: () => number
  readonly note: Note
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

interface PublishingSink {
  readonly name: string
  readonly type: string
  readonly sink: ObjectSink
}

/** What the publisher knows of one sink. */
class Lane {
  readonly target: PublishingSink
  /** A sink that is away does not hold the uploads of others. */
  readonly limit = pLimit(CONCURRENCY)
  /** Number of objects whose last attempt failed. */
  failing = 0
  lastError: SluiceError | undefined
  /** It has refused an object for good: nothing more is sent to it. */
  hasRefused = false

  constructor(target: PublishingSink) {
    this.target = target
  }
}

/**
 * Publishes committed objects, several at once and in any order, for each sink on its own. When an
 * object is visible, its row moves to the history and then its file is deleted. Retries while the store
 * is unavailable, as long as the run lives.
 */
export class Publisher {
  readonly #options: PublisherOptions
  readonly #lanes: ReadonlyMap<string, Lane>
  readonly #stop = new AbortController()
  /** Committed rows that are not published. */
  readonly #unpublished = new Set<ObjectRow>()
  /** Bytes in the outbox by the name of the sink, see `bytes`. */
  readonly #bytes = new Map<string, number>()
  readonly #listeners = new Set<() => void>()
  readonly #running = new Set<Promise<void>>()
  /** Names of the stores that were probed, see `ConditionalPutProbe`. */
  readonly #probed: Set<string>
  #stopped: Promise<void> | undefined

  constructor(options: PublisherOptions) {
    this.#options = options
    this.#lanes = new Map(options.sinks.map((target) => [target.name, new Lane(target)]))
    this.#probed = new Set(options.state.stores().map(({ name }) => name))
  }

  /**
   * Starts publishing the objects that an earlier process committed, and deletes files that no row
   * names.
   * @throws SluiceError OUTBOX_LOST, STATE_DAMAGED, STATE_MISMATCH
   */
  async recover(): Promise<void> {
    const { folder, files, state, note } = this.#options
    await files.makeFolder(folder)
    const rows = state.objects()
    const named = new Set(rows.flatMap((row) => row.file ?? []))
    for (const name of await files.readdir(folder)) if (!named.has(name)) await files.unlink(join(folder, name))
    for (const row of rows) if (await this.#needsPublishing(row)) this.#add(row, true)
    if (this.#unpublished.size > 0) {
      const redirect = this.#redirectHint()
      note('publishing objects that an earlier run committed', {
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
    this.#unpublished.add(row)
    this.#count(row, bytesInOutbox(row))
    const { limit } = this.#lane(row)
    const running = limit(() => this.#publish(row, isRecovered)).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Bytes in the outbox that are committed for a sink and not published. */
  bytes(sink: string): number {
    return this.#bytes.get(sink) ?? 0
  }

  #count(row: ObjectRow, bytes: number): void {
    const name = row.role === 'rejects' ? REJECTS : this.#lane(row).target.name
    this.#bytes.set(name, this.bytes(name) + bytes)
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
    const lanes = new Set([...this.#unpublished].map((row) => this.#lane(row)))
    const named = [...lanes].map(({ target }) => target.name).filter((name) => name !== ONLY_SINK)
    const lastError = [...lanes].find((lane) => lane.lastError)?.lastError
    const waiting = `${plural(this.#unpublished.size, 'committed object')}${named.length > 0 ? ` for ${named.join(' and ')}` : ''}`
    const reason = lastError ? ` (${lastError.message})` : ''
    throw new SluiceError(
      'SINK_UNAVAILABLE',
      `${waiting} not published${reason}: safe in the outbox; the next run publishes them`,
      { cause: lastError, hint: this.#redirectHint() },
    )
  }

  get #isFailing(): boolean {
    return [...this.#lanes.values()].some(({ failing }) => failing > 0)
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
    const isRefused = (row: ObjectRow): boolean => this.#lane(row).hasRefused
    const deadline = performance.now() + this.#options.patience
    if (![...this.#lanes.values()].some(({ hasRefused }) => hasRefused)) return
    while ([...this.#unpublished].some((row) => !isRefused(row))) {
      const left = deadline - performance.now()
      if (left <= 0) return
      await this.#changedWithin(left)
    }
  }

  async #needsPublishing(row: ObjectRow): Promise<boolean> {
    const { folder, files } = this.#options
    const { sink } = this.#lane(row).target
    if (row.file === undefined) return true
    const path = join(folder, row.file)
    const size = await files.size(path)
    if (size === row.bytes) return true
    if (size !== undefined) {
      throw new SluiceError('STATE_DAMAGED', `${path} has ${size} bytes, ${row.bytes} are committed`)
    }
    if (await sink.exists?.(row.destination, this.#stop.signal, row.bytes)) {
      await this.#retire(row)
      return false
    }
    throw new SluiceError(
      'OUTBOX_LOST',
      `${path} is missing, and ${row.key} cannot be shown to be published (${row.records} records): restore the file, or move ${dirname(folder)} away to start over`,
    )
  }

  #lane(row: ObjectRow): Lane {
    const { sinks, pipeline } = this.#options
    const lane = this.#lanes.get(targetOf(row, sinks)?.name ?? '')
    if (lane) return lane
    throw noTarget(row, sinks, pipeline)
  }

  #sink(row: ObjectRow): ObjectSink {
    return this.#lane(row).target.sink
  }

  async #publish(row: ObjectRow, isRecovered: boolean): Promise<void> {
    const lane = this.#lane(row)
    if (lane.hasRefused) return
    try {
      if ((await this.#untilVisible(row, isRecovered)) === 'gone') return this.#reportGone(row)
      await this.#probeStore(row)
      if (!this.#stop.signal.aborted) await this.#retire(row)
    } catch (error) {
      if (this.#stop.signal.aborted) return
      lane.hasRefused = true
      this.#notify()
      this.#options.failed(this.#refusal(row, asSluiceError(error, 'SINK_FAILED', `${row.key} could not be published`)))
    }
  }

  /** Carries notes from one attempt for an object to the next. */
  #attemptsFor(row: ObjectRow, isRecovered: boolean): { -readonly [name in keyof Attempt]: Attempt[name] } {
    const { state } = this.#options
    const attempt = {
      isRepeated: isRecovered,
      storeIsKnown: this.#isKnown(row),
      resumeToken: row.resumeToken,
      async saveResumeToken(value: Json) {
        attempt.resumeToken = value
        await state.saveResumeToken(row, value)
      },
    }
    return attempt
  }

  #reportGone(row: ObjectRow): void {
    if (!this.#options.gone) throw goneForGood(row)
    this.#options.gone(row)
  }

  async #untilVisible(row: ObjectRow, isRecovered: boolean): Promise<'published' | 'gone'> {
    const { note } = this.#options
    const { signal } = this.#stop
    const lane = this.#lane(row)
    const attempt = this.#attemptsFor(row, isRecovered)
    for (let failures = 0; !signal.aborted;) {
      try {
        const outcome = await this.#attempt(row, attempt)
        if (failures > 0) lane.failing--
        return outcome
      } catch (error) {
        if (signal.aborted) break
        if (!(error instanceof SluiceError) || !error.retryable) throw error
        attempt.isRepeated = true
        if (failures === 0) lane.failing++
        lane.lastError = error
        const pause = pauseAfter(++failures)
        note('an object could not be published; retrying', {
          sink: lane.target.name,
          key: row.key,
          reason: error.message,
          failures,
          pause: Math.round(pause),
        })
        await delay(pause, undefined, { signal }).catch(() => undefined)
      }
    }
    return 'published'
  }

  async #attempt(row: ObjectRow, attempt: Attempt): Promise<'published' | 'gone'> {
    const timeout = AbortSignal.timeout(ATTEMPT_TIMEOUT)
    const signal = AbortSignal.any([this.#stop.signal, timeout])
    const { file, staged, destination } = row
    const facts = factsOf(row)
    const sink = this.#sink(row)
    try {
      if (file !== undefined) {
        await sink.publish({ ...facts, path: join(this.#options.folder, file) }, destination, signal, attempt)
        return 'published'
      }
      if (staged === undefined || staged === null) return 'gone'
      if (!sink.publishStaged) throw cannotPublish(row)
      return await sink.publishStaged(staged, facts, destination, signal, attempt)
    } catch (error) {
      if (!timeout.aborted) throw error
      throw new SluiceError('SINK_UNAVAILABLE', `no response within ${ATTEMPT_TIMEOUT / 60_000} minutes`, {
        cause: error,
      })
    }
  }

  /**
   * Probes, when a store has its first object, whether it refuses to replace objects. If the probe
   * fails, the next run repeats it. Nothing depends on the result.
   */
  async #probeStore(row: ObjectRow): Promise<void> {
    const { state, note } = this.#options
    const { conditionalPutProbe } = this.#sink(row)
    if (!conditionalPutProbe || this.#stop.signal.aborted) return
    const facts = factsOf(row)
    const store = conditionalPutProbe.store(facts, row.destination)
    if (this.#probed.has(store)) return
    this.#probed.add(store)
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(PROBE_TIMEOUT)])
    const [probe] = await Promise.allSettled([conditionalPutProbe.run(facts, row.destination, signal)])
    if (probe.status === 'rejected') {
      const { message } = asSluiceError(probe.reason, 'SINK_FAILED', 'the conditional-put probe failed')
      note('the conditional-put probe failed; the next run repeats it', { store, reason: message })
      return
    }
    const { note: reason, ...result } = probe.value
    await state.saveStore({ name: store, ...result })
    if (result.refusesOverwrite === false) {
      note('the store ignores If-None-Match: a repeated put replaces the object', { store })
    }
    if (reason !== undefined) note('the conditional-put probe of a store', { store, reason })
  }

  /** Says what waits, and where it could go instead. */
  #refusal(row: ObjectRow, error: SluiceError): SluiceError {
    if (error.code !== 'SINK_REFUSED' && error.code !== 'SINK_FAILED') return error
    const { state, pipeline } = this.#options
    const lane = this.#lane(row)
    const waiting = state.objects().filter((one) => this.#lane(one) === lane)
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
    const committed = placeOf(this.#sink(row), row.destination, row.key)
    const target = this.#lanes.get(sinkNameOf(row))?.target.sink
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
    if (rows.every((row) => this.#isKnown(row))) return undefined
    return `if the address is wrong, correct it in the pipeline file, then send what waits there with ${this.#redirect}`
  }

  /** A store that was probed has taken an object. Small and large ones may have names of their own. */
  #isKnown(row: ObjectRow): boolean {
    const { conditionalPutProbe } = this.#sink(row)
    if (!conditionalPutProbe) return true
    const sizes = [0, Infinity].map((bytes) => ({ ...factsOf(row), bytes }))
    return sizes.some((facts) => this.#probed.has(conditionalPutProbe.store(facts, row.destination)))
  }

  async #retire(row: ObjectRow): Promise<void> {
    const { state, files, folder, now } = this.#options
    await state.retire(row, now())
    if (row.file !== undefined) await files.unlink(join(folder, row.file))
    this.#remove(row)
    this.#options.retired?.(row)
    this.#notify()
  }

  #remove(row: ObjectRow): void {
    if (this.#unpublished.delete(row)) this.#count(row, -bytesInOutbox(row))
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

function factsOf({ file, bytes, records, sha256, compression }: ObjectRow): ObjectFacts {
  return { bytes, records, sha256, compression, ...(file === undefined && { isStaged: true }) }
}

function goneForGood({ key, records }: ObjectRow): SluiceError {
  return new SluiceError(
    'OUTBOX_LOST',
    `the store has removed the staged bytes of ${key} (${plural(records, 'record')}), and nothing can make them again`,
    { hint: 'finish the backfill with the command that began it' },
  )
}

function cannotPublish({ key, type }: ObjectRow): SluiceError {
  return new SluiceError('STATE_MISMATCH', `${key} is staged at the store, and the sink ${type} cannot publish it`, {
    hint: `run the pipeline once with the version of ${type} that staged it`,
  })
}

/** Objects that are uploaded at once. */
const CONCURRENCY = 4
/** Milliseconds: the largest object at 2 Mbit/s. */
const ATTEMPT_TIMEOUT = 15 * 60_000
/** Milliseconds. Nothing depends on a probe, so the publisher does not wait long for it. */
const PROBE_TIMEOUT = 15_000
/** Milliseconds that a sink has to end an upload after its signal has aborted. */
const STOP_TIMEOUT = 10_000
/** Milliseconds between two attempts. */
const MAX_PAUSE = 60_000

/**
 * Exponential backoff with full jitter: collectors that lost the same store do not all return at
 * the same moment.
 */
function pauseAfter(failures: number): number {
  return Math.random() * Math.min(MAX_PAUSE, 500 * 2 ** Math.min(failures, 10))
}
