import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { Attempt, ObjectFacts, ObjectSink } from '../../component.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { Files } from '../../files.ts'
import type { Events } from '../../observe/bus/events.ts'
import type { RunEvents } from '../../observe/bus/run-events.ts'
import type { Note } from '../../observe/messages/table.ts'
import { plural } from '../../observe/report.ts'
import type { Json } from '../../record/json/json.ts'
import { anySignal } from '../../signals.ts'
import { REJECTS } from '../state/rows.ts'
import type { ObjectRow } from '../state/rows.ts'
import type { State } from '../state/state.ts'

/** A sink that publishes objects. */
export interface PublishingSink {
  /** See `ObjectTarget`. */
  readonly name: string
  readonly type: string
  readonly sink: ObjectSink
}

interface SinkPublisherOptions {
  /** The outbox. */
  readonly folder: string
  readonly files: Files
  readonly state: State
  readonly now: () => number
  readonly note: Note
  readonly events?: RunEvents | undefined
  /** Names of the stores that were probed, of all sinks; see `ConditionalPutProbe`. */
  readonly probed: Set<string>
  /** Aborts attempts that are under way. */
  readonly stop: AbortSignal
  /** Called with an error that stops the run. */
  readonly failed: (row: ObjectRow, error: SluiceError) => void
  /** See `PublisherOptions`. */
  readonly gone?: ((row: ObjectRow) => void) | undefined
  /** Called when an object is published, its row is in the history, and its file is deleted. */
  readonly retired: (row: ObjectRow) => void
  /** What waits for a sink, for messages. */
  readonly outbox: (sink: string) => Events['sluice:object:publish']['outbox']
}

/** What it has taken so far to publish an object, in this run. */
interface Work {
  attempts: number
  /** An earlier process may have published it. */
  readonly isRecovered: boolean
  /** By `performance.now()`. */
  readonly started: number
}

/**
 * Publishes the objects of one sink, several at once and in any order. A sink that is away does not hold
 * the uploads of others.
 */
export class SinkPublisher {
  readonly target: PublishingSink
  /** Number of objects whose last attempt failed. */
  failing = 0
  lastError: SluiceError | undefined
  /** It has refused an object for good: nothing more is sent to it. */
  hasRefused = false
  readonly #options: SinkPublisherOptions
  readonly #stop: AbortSignal
  readonly #limit = pLimit(CONCURRENCY)

  constructor(target: PublishingSink, options: SinkPublisherOptions) {
    this.target = target
    this.#options = options
    this.#stop = options.stop
  }

  /**
   * False if the file of a row is gone because its object is published.
   * @throws SluiceError OUTBOX_LOST, STATE_DAMAGED
   */
  async needsPublishing(row: ObjectRow): Promise<boolean> {
    const { folder, files } = this.#options
    if (row.file === undefined) return true
    const path = join(folder, row.file)
    const size = await files.size(path)
    if (size === row.bytes) return true
    if (size !== undefined) {
      throw new SluiceError('STATE_DAMAGED', `${path} has ${size} bytes, ${row.bytes} are committed`)
    }
    if (await this.target.sink.exists?.(row.destination, this.#stop, row.bytes)) {
      await this.#retire(row, { attempts: 0, isRecovered: true, started: performance.now() })
      return false
    }
    throw new SluiceError(
      'OUTBOX_LOST',
      `${path} is missing, and ${row.key} cannot be shown to be published (${row.records} records): restore the file, or move ${dirname(folder)} away to start over`,
    )
  }

  /** Never rejects. @param isRecovered an earlier process may have published it */
  async publish(row: ObjectRow, isRecovered: boolean): Promise<void> {
    await this.#limit(() => this.#publish(row, isRecovered))
  }

  async #publish(row: ObjectRow, isRecovered: boolean): Promise<void> {
    if (this.hasRefused || this.#stop.aborted) return
    const work = { attempts: 0, isRecovered, started: performance.now() }
    try {
      if ((await this.#untilVisible(row, work)) === 'gone') return this.#reportGone(row)
      await this.#probeStore(row)
      if (!this.#stop.aborted) await this.#retire(row, work)
    } catch (error) {
      if (this.#stop.aborted) return
      const failure = asSluiceError(error, 'SINK_FAILED', `${row.key} could not be published`)
      this.hasRefused ||= failure.code === 'SINK_REFUSED' || failure.code === 'SINK_FAILED'
      this.#options.failed(row, failure)
    }
  }

  /** Carries notes from one attempt for an object to the next. */
  #attemptsFor(row: ObjectRow, isRecovered: boolean): { -readonly [name in keyof Attempt]: Attempt[name] } {
    const { state } = this.#options
    const attempt = {
      isRepeated: isRecovered,
      storeIsKnown: this.isKnown(row),
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

  async #untilVisible(row: ObjectRow, work: Work): Promise<'published' | 'gone'> {
    const { events } = this.#options
    const signal = this.#stop
    const attempt = this.#attemptsFor(row, work.isRecovered)
    for (let failures = 0; !signal.aborted;) {
      work.attempts++
      try {
        const outcome = await this.#attempt(row, attempt)
        if (failures > 0) this.failing--
        return outcome
      } catch (error) {
        if (signal.aborted) break
        if (!(error instanceof SluiceError) || !error.retryable) throw error
        attempt.isRepeated = true
        if (failures === 0) this.failing++
        this.lastError = error
        const pause = pauseAfter(++failures)
        events?.publish('sluice:object:retry', {
          sink: this.#sinkOf(row),
          key: row.key,
          code: error.code,
          reason: error.message,
          attempt: failures,
          wait: pause,
        })
        await delay(pause, undefined, { signal }).catch(() => undefined)
      }
    }
    return 'published'
  }

  async #attempt(row: ObjectRow, attempt: Attempt): Promise<'published' | 'gone'> {
    const timeout = AbortSignal.timeout(ATTEMPT_TIMEOUT)
    const signal = anySignal(this.#stop, timeout)
    const { file, staged, destination } = row
    const facts = factsOf(row)
    const { sink } = this.target
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
    const { conditionalPutProbe } = this.target.sink
    if (!conditionalPutProbe || this.#stop.aborted) return
    const facts = factsOf(row)
    const store = conditionalPutProbe.store(facts, row.destination)
    if (this.#options.probed.has(store)) return
    this.#options.probed.add(store)
    const signal = anySignal(this.#stop, AbortSignal.timeout(PROBE_TIMEOUT))
    const [probe] = await Promise.allSettled([conditionalPutProbe.run(facts, row.destination, signal)])
    if (probe.status === 'rejected') {
      const { message } = asSluiceError(probe.reason, 'SINK_FAILED', 'the conditional-put probe failed')
      note('store.probe.failed', { store, reason: message })
      return
    }
    const { note: reason, ...result } = probe.value
    await state.saveStore({ name: store, ...result })
    if (result.refusesOverwrite === false) {
      note('store.overwrites', { store })
    }
    if (reason !== undefined) note('store.probe', { store, reason })
  }

  /** A store that was probed has taken an object. Small and large ones may have names of their own. */
  isKnown(row: ObjectRow): boolean {
    const { conditionalPutProbe } = this.target.sink
    if (!conditionalPutProbe) return true
    const sizes = [0, Infinity].map((bytes) => ({ ...factsOf(row), bytes }))
    return sizes.some((facts) => this.#options.probed.has(conditionalPutProbe.store(facts, row.destination)))
  }

  /** Copies of rejects may go through the sink of records, if the configuration has changed. */
  #sinkOf(row: ObjectRow): string {
    return row.role === 'rejects' ? REJECTS : this.target.name
  }

  async #retire(row: ObjectRow, { attempts, isRecovered, started }: Work): Promise<void> {
    const { state, files, folder, now, events } = this.#options
    await state.retire(row, now())
    if (row.file !== undefined) await files.unlink(join(folder, row.file))
    this.#options.retired(row)
    if (events?.wants('sluice:object:publish') !== true) return
    const { key, epoch, records, bytes } = row
    const milliseconds = performance.now() - started
    const sink = this.#sinkOf(row)
    const facts = { key, epoch, records, bytes, attempts, isRecovered, milliseconds }
    events.publish('sluice:object:publish', { sink, ...facts, outbox: this.#options.outbox(sink) })
  }
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
/** Milliseconds between two attempts. */
const MAX_PAUSE = 60_000

/**
 * Exponential backoff with full jitter: collectors that lost the same store do not all return at
 * the same moment.
 */
function pauseAfter(failures: number): number {
  return Math.random() * Math.min(MAX_PAUSE, 500 * 2 ** Math.min(failures, 10))
}
