import type { InputFailure, ReadOptions, Source, SourceDeclaration, SourceEvent } from '../component.ts'
import type { Chunk } from '../record/chunk.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { ExchangeLayer } from '../network/exchange.ts'
import type { Batch, End } from '../record/batch.ts'
import { endBatch, openBatches } from '../record/open-batches.ts'
import type { Json } from '../record/json/json.ts'
import type { Paths } from '../record/paths/path.ts'
import type { ScanLimits } from '../record/scan.ts'
import type { Clock } from '../clock.ts'
import { awaitComponent } from './await-component.ts'
import { FairTurn } from './fair-turn.ts'
import type { Intake } from './intake.ts'
import { checkTenant } from './tenants.ts'

interface SourceStageOptions {
  readonly source: Source
  /**
   * Prefix of source partition names: one state serves several sources (a collector and a
   * backfill).
   */
  readonly type: string
  readonly declaration?: Pick<SourceDeclaration, 'describePosition'>
  /** Event time at which a source partition without a position begins, if known. */
  readonly since?: number | undefined
  /** See `ReadOptions.tenants`. */
  readonly tenants?: ReadonlySet<string> | undefined
  readonly paths: Paths
  readonly limits: ScanLimits
  readonly follow: boolean
  readonly final?: boolean
  /** Record path of the event time, if it is known. */
  readonly time?: string | undefined
  /** The committed position of a source partition, by its full name. */
  position(partition: string): Json | undefined
  readonly note: ReadOptions['note']
  /** See `ReadOptions.inputFailed`. Default: it throws the error. */
  readonly inputFailed?: (failure: InputFailure) => void
  /** Asks the source to stop. Chunks that it has yielded are still delivered. */
  readonly stop: AbortSignal
  readonly intake: Intake
  /** Gets what the source announces, with the full name of the source partition. */
  readonly announce?: (event: SourceEvent) => void
  /** See `ReadOptions`. */
  readonly clock?: Clock | undefined
  readonly exchange?: ExchangeLayer | undefined
}

/**
 * Ingests a source: chunks become numbered batches. The end of the source, its failure and its
 * interruption follow the last good batch in a batch of their own: the sink commits first, then the
 * run ends.
 */
export async function* readBatches(options: SourceStageOptions): AsyncGenerator<Batch, void> {
  const { type, paths, limits } = options
  const numbers = new Map<string, number>()
  const take = takeWith(options)
  let chunks: AsyncIterator<unknown> | undefined
  const readNext = () => {
    chunks ??= startReading(options)
    return awaitComponent(`the next chunk of source ${type}`, chunks.next())
  }
  const reading = stoppable(readNext, options.stop)
  const fair = new FairTurn()
  let end: End = { kind: 'done' }
  try {
    while (true) {
      const started = options.intake.isObserved ? performance.now() : undefined
      const next = await reading.next()
      const milliseconds = started === undefined ? undefined : performance.now() - started
      if (next === 'stopped') {
        end = { kind: 'interrupted' }
        break
      }
      if (next.done === true) {
        if (options.stop.aborted) end = { kind: 'interrupted' }
        break
      }
      const chunk = next.value
      checkChunk(chunk, type)
      if (options.tenants) checkTenant(type, chunk.partition ?? '', options.tenants)
      const partition = `${type}:${chunk.partition ?? ''}`
      const number = numbers.get(partition) ?? 0
      const batches = openBatches(chunk, { partition, number, paths, limits })
      numbers.set(partition, number + 1)
      take(partition, { chunk, batches, milliseconds })
      for (const batch of batches) {
        const turn = fair.take()
        if (turn) await turn
        yield batch
      }
    }
  } catch (error) {
    end = options.stop.aborted
      ? { kind: 'interrupted' }
      : { kind: 'failed', error: asSluiceError(error, 'SOURCE_FAILED', `source ${type} failed`) }
  } finally {
    fair.end()
    reading.close()
    // Not awaited: the return of a source that ignores its signal would wait for a read that never
    // ends.
    void Promise.resolve(chunks)
      .then((started) => started?.return?.())
      .catch(() => {})
  }
  yield endBatch({ ...end, batches: numbers }, { paths, limits })
}

function startReading({ source, type, limits, ...options }: SourceStageOptions): AsyncIterator<unknown> {
  const read: AsyncIterable<Chunk> | undefined = source.read({
    position: (partition = '') => options.position(`${type}:${partition}`),
    tenants: options.tenants,
    signal: options.stop,
    follow: options.follow,
    final: options.final ?? false,
    maxLine: limits.maxLine,
    time: options.time,
    note: options.note,
    inputFailed: options.inputFailed ?? rethrow,
    clock: options.clock,
    announce: (event) => options.announce?.({ ...event, partition: `${type}:${event.partition}` }),
    exchange: options.exchange,
  })
  if (typeof read?.[Symbol.asyncIterator] === 'function') return read[Symbol.asyncIterator]()
  throw new SluiceError('SOURCE_FAILED', `read of source ${type} returned no async iterable`, {
    hint: 'declare it as `async *read(options) { ... }`',
  })
}

/** Custom code may yield anything. What is wrong here would fail in the commit, as an error of the disk. */
function checkChunk(chunk: unknown, type: string): asserts chunk is Chunk {
  const fail = (what: string): never => {
    throw new SluiceError('SOURCE_FAILED', `source ${type} yielded ${what}`, {
      hint: 'yield chunks such as `{ records: [{ id: 1 }], position: 1 }`',
    })
  }
  if (typeof chunk !== 'object' || chunk === null) return fail('a value that is not a chunk')
  const { records, bytes, position }: { readonly [key: string]: unknown } = { ...chunk }
  if (records !== undefined && !Array.isArray(records)) fail('a chunk whose `records` are not an array')
  if (bytes !== undefined && !(bytes instanceof Uint8Array)) fail('a chunk whose `bytes` are not a Buffer')
  try {
    JSON.stringify(position)
  } catch {
    fail('a `position` that is not JSON')
  }
}

function rethrow({ error }: InputFailure): never {
  throw error
}

interface TakenChunk {
  readonly chunk: Chunk
  readonly batches: readonly Batch[]
  /** How long the run waited for it. */
  readonly milliseconds: number | undefined
}

/** Counts chunks. The event time from which a source partition is read is known before its first chunk. */
function takeWith(options: SourceStageOptions) {
  const { intake, since, declaration } = options
  const timeAt = (at: Json | undefined) => (at === undefined ? undefined : declaration?.describePosition?.(at).readUpTo)
  const readFrom = new Map<string, number | undefined>()
  return (partition: string, { chunk, batches, milliseconds }: TakenChunk): void => {
    if (!readFrom.has(partition)) readFrom.set(partition, timeAt(options.position(partition)) ?? since)
    const { sourceBytes, bytes = '', unfinished = false, lowWatermark } = chunk
    const records = batches.reduce((sum, { tallies }) => sum + tallies.read, 0)
    const taken = { partition, records, bytes: sourceBytes ?? bytes.length, unfinished, lowWatermark, milliseconds }
    intake.add(taken, () => ({
      readFrom: readFrom.get(partition),
      readUpTo: timeAt(chunk.position),
    }))
  }
}

/**
 * The next chunk, or `stopped` as soon as the signal aborts. One listener for all chunks:
 * `Promise.race` would leave a reaction for each.
 */
function stoppable<T>(next: () => Promise<T>, stop: AbortSignal) {
  let finish: ((result: 'stopped') => void) | undefined
  const onAbort = () => finish?.('stopped')
  stop.addEventListener('abort', onAbort, { once: true })
  return {
    next(): Promise<T | 'stopped'> {
      if (stop.aborted) return Promise.resolve('stopped')
      return new Promise((resolve, reject) => {
        finish = resolve
        next().then(resolve, reject)
      })
    },
    close: () => stop.removeEventListener('abort', onAbort),
  }
}
