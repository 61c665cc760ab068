import type { CheckedPipeline } from '../../config/pipeline.ts'
import { SluiceError } from '../../errors.ts'
import type { Note } from '../../observe/log.ts'
import { hideSecrets } from '../../observe/secrets.ts'
import { createSource } from '../../runtime/source-input.ts'
import { findDedup } from '../../config/pipeline.ts'
import { anySignal } from '../../signals.ts'
import { standIn } from '../whole/stand-ins.ts'
import { turns } from '../whole/virtual-clock.ts'
import { clean } from './clean.ts'
import type { CleanPage } from './clean.ts'
import { recordExchanges } from './record-exchanges.ts'
import { RecordingClock } from './recording-clock.ts'

export interface Recording {
  /** RFC 3339: the time at which the run began. */
  readonly now: string
  /** Variables that the test needs, without secrets. */
  readonly env: { readonly [name: string]: string }
  readonly pages: readonly CleanPage[]
  /** True if the source would have requested more. */
  readonly isCut: boolean
  /** What was removed, in words. */
  readonly removed: readonly string[]
}

export interface RecordOptions {
  readonly pipeline: CheckedPipeline
  /** Number of requests. */
  readonly pages: number
  /** What the pipeline file inserts: names of variables, and paths of files with their contents. */
  readonly inserted: readonly { readonly name: string; readonly value: string }[]
  readonly signal: AbortSignal
  readonly note: Note
}

/**
 * Reads the source from its beginning, without a state and without writing anything, and records its
 * first requests.
 * @throws SluiceError as the source does
 */
export async function recordPipeline({ pipeline, pages, inserted, signal, note }: RecordOptions): Promise<Recording> {
  const { declaration } = pipeline.source
  if (!RECORDABLE.has(declaration.type))
    throw new SluiceError('UNSUPPORTED', `the source ${pipeline.source.stage} cannot be recorded`, {
      hint: 'requests of http and jumpcloud can; for files, write a test with files: or input:',
    })
  const clock = new RecordingClock()
  const stop = new AbortController()
  let isCut = false
  const recorder = recordExchanges(pages, () => {
    isCut = true
    void turns(1).then(() => stop.abort(new Error('the recording is complete')))
  })
  const source = await createSource(pipeline)
  const chunks = source.read({
    position: () => undefined,
    signal: anySignal(signal, stop.signal),
    follow: false,
    maxLine: pipeline.limits.maxLine,
    time: findDedup(pipeline)?.settings.time,
    note,
    inputFailed: ({ error }) => {
      throw error
    },
    clock,
    exchange: recorder.layer,
  })
  try {
    for await (const _chunk of chunks) signal.throwIfAborted()
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
  signal.throwIfAborted()
  if (recorder.exchanges.length === 0)
    throw new SluiceError('SOURCE_FAILED', 'the source sent no request: nothing is due', {
      hint: 'read from an earlier time, for example --set source.window.since=1d',
    })
  const { env, known } = valuesOf(inserted)
  const { pages: recorded, removed } = await clean(recorder.exchanges, known)
  return { now: new Date(clock.start).toISOString(), env, pages: recorded, isCut, removed }
}

const RECORDABLE: ReadonlySet<string> = new Set(['http', 'jumpcloud'])

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
