import type { CheckedPipeline } from '../../config/pipeline.ts'
import { isCustom } from '../../config/component-name.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { ExchangeLayer } from '../../network/exchange.ts'
import { hideSecrets } from '../../observe/secrets.ts'
import type { Chunk } from '../../record/chunk.ts'
import { createSource } from '../../runtime/source-input.ts'
import { findDedup } from '../../config/pipeline.ts'
import { anySignal } from '../../signals.ts'
import { standIn } from '../whole/stand-ins.ts'
import { turns } from '../whole/virtual-clock.ts'
import { clean, cleanLines } from './clean.ts'
import type { CleanPage } from './clean.ts'
import { recordExchanges } from './record-exchanges.ts'
import { RecordingClock } from './recording-clock.ts'
import type { ReadOptions } from '../../component.ts'

export interface Recording {
  /** RFC 3339: the time at which the run began. */
  readonly now: string
  /** Variables that the test needs, without secrets. */
  readonly env: { readonly [name: string]: string }
  /** Requests of the source, with their responses; or the lines that it has yielded. */
  readonly input: { readonly pages: readonly CleanPage[] } | { readonly lines: readonly string[] }
  /** True if the source would have requested more. */
  readonly isCut: boolean
  /** What was removed, in words. */
  readonly removed: readonly string[]
}

export interface RecordOptions {
  readonly pipeline: CheckedPipeline
  /** What to record: so many requests, or so many records. */
  readonly most: { readonly pages: number } | { readonly records: number }
  /** What the pipeline file inserts: names of variables, and paths of files with their contents. */
  readonly inserted: readonly { readonly name: string; readonly value: string }[]
  readonly signal: AbortSignal
  readonly note: ReadOptions['note']
}

/**
 * Reads the source from its beginning, without a state and without writing anything, and records its
 * first requests, or its first records.
 * @throws SluiceError as the source does
 */
export async function recordPipeline({ most, inserted, ...options }: RecordOptions): Promise<Recording> {
  const { env, known } = valuesOf(inserted)
  const clock = new RecordingClock()
  const now = new Date(clock.start).toISOString()
  if ('records' in most) {
    const lines = await readLines({ ...options, clock }, most.records)
    return { now, env, ...(await cleanLines(lines, known)), isCut: false }
  }
  const { exchanges, isCut } = await readExchanges({ ...options, clock }, most.pages)
  const { pages, removed } = await clean(exchanges, known)
  return { now, env, input: { pages }, isCut, removed }
}

interface Reading extends Pick<RecordOptions, 'pipeline' | 'signal' | 'note'> {
  readonly clock: RecordingClock
}

async function readExchanges(reading: Reading, most: number) {
  const { source } = reading.pipeline
  const isOwn = isCustom(source.declaration.type)
  if (!isOwn && !REQUESTING.has(source.declaration.type))
    throw new SluiceError('UNSUPPORTED', `the requests of the source ${source.stage} cannot be recorded`, {
      hint: RECORDS_HINT,
    })
  const stop = new AbortController()
  let isCut = false
  const recorder = recordExchanges(most, () => {
    isCut = true
    void turns(1).then(() => stop.abort(new Error('the recording is complete')))
  })
  let chunks = 0
  try {
    for await (const _chunk of chunksOf(reading, anySignal(reading.signal, stop.signal), recorder.layer)) {
      reading.signal.throwIfAborted()
      // It might never end.
      if (isOwn && recorder.exchanges.length === 0 && ++chunks > most) break
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
  reading.signal.throwIfAborted()
  if (recorder.exchanges.length > 0) return { exchanges: recorder.exchanges, isCut }
  if (isOwn)
    throw new SluiceError('UNSUPPORTED', `the source ${source.stage} sends no request through options.exchange`, {
      hint: RECORDS_HINT,
    })
  throw new SluiceError('SOURCE_FAILED', 'the source sent no request: nothing is due', {
    hint: 'read from an earlier time, for example --set source.window.since=1d',
  })
}

/** Sources whose requests can be recorded, besides those of custom code. */
const REQUESTING: ReadonlySet<string> = new Set(['http', 'jumpcloud'])

const RECORDS_HINT = 'use --records 20: a test with the first records, which replace the source'

/** The first lines of the source, without the line feed. */
async function readLines(reading: Reading, most: number): Promise<string[]> {
  const lines: string[] = []
  for await (const { bytes, records = [] } of chunksOf(reading, reading.signal)) {
    reading.signal.throwIfAborted()
    lines.push(...records.map((record) => JSON.stringify(record)))
    if (bytes)
      lines.push(
        ...Buffer.from(bytes)
          .toString()
          .split('\n')
          .filter((line) => line.trim() !== ''),
      )
    if (lines.length >= most) break
  }
  reading.signal.throwIfAborted()
  if (lines.length > 0) return lines.slice(0, most)
  throw new SluiceError('SOURCE_FAILED', 'the source has yielded no record', {
    hint: 'read from an earlier time, for example --set source.since=30d, or name input that has records',
  })
}

async function* chunksOf(
  { pipeline, note, clock }: Reading,
  signal: AbortSignal,
  exchange?: ExchangeLayer,
): AsyncGenerator<Chunk> {
  const source = await createSource(pipeline)
  const chunks = source.read({
    position: () => undefined,
    signal,
    follow: false,
    final: true,
    maxLine: pipeline.limits.maxLine,
    time: findDedup(pipeline)?.settings.time,
    note,
    inputFailed: ({ error }) => {
      throw error
    },
    clock,
    exchange,
  })
  try {
    yield* chunks
  } catch (error) {
    throw signal.aborted ? error : asSluiceError(error, 'SOURCE_FAILED', `source ${pipeline.source.stage} failed`)
  }
}

/** A value that messages may show is one that a test may have. Others have stand-ins. */
function valuesOf(inserted: RecordOptions['inserted']) {
  const env: { [name: string]: string } = {}
  const known = new Map<string, string>()
  for (const { name, value } of inserted) {
    if (value === '') continue
    if (hideSecrets(value) === value) env[name] = value
    else for (const line of value.split('\n')) if (line !== '') known.set(line, standIn(name))
  }
  // Longer values first: one may contain another.
  return { env, known: new Map([...known].toSorted(([a], [b]) => b.length - a.length)) }
}
