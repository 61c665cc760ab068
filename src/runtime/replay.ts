import { formatRejectId } from '../delivery/rejects/reject-id.ts'
import { parseDedupKey, recordOf } from '../delivery/rejects/reject-line.ts'
import type { LocalReject } from '../delivery/rejects/local-rejects-reader.ts'
import { readRows } from '../delivery/rejects/local-rejects-reader.ts'
import type { LocalRejectsRow } from '../delivery/state/rows.ts'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Note } from '../observe/log.ts'
import type { Flow } from '../observe/progress.ts'
import type { Batch, DedupKey, End, Replay } from '../record/batch.ts'
import { INGEST_STAGE, endBatch, openBatches } from '../record/open-batches.ts'
import type { Paths } from '../record/paths/path.ts'
import type { ScanLimits } from '../record/scan.ts'
import { readCorrected } from './corrected-rejects.ts'
import { throughAll } from './transform-stages.ts'
import type { Stage } from './transform-stages.ts'

/** A reject that goes through stages again. */
export interface Replayed {
  readonly replay: Replay
  /** The first of the stages that it goes through. */
  readonly from: number
  /** What `dedup` found, where that stands before them. */
  readonly dedupKey?: DedupKey | undefined
  readonly origin: string
  readonly line: number
  readonly record: Buffer
}

interface PlanOptions {
  readonly pipeline: CheckedPipeline
  /** The pipeline's state folder, which is ours. */
  readonly folder: string
  readonly rows: readonly LocalRejectsRow[]
  /** Of mended rejects. Without them all that are kept go as they are. */
  readonly files: readonly string[] | undefined
  readonly note: Note
}

/**
 * Looks at everything before the first record goes. Rejects that are not kept any more are passed
 * over: they were replayed before.
 * @throws SluiceError USAGE for lines that are no mended rejects, STATE_MISMATCH where the pipeline
 *   has changed too much, FILE_NOT_FOUND
 */
export async function planReplay(options: PlanOptions): Promise<AsyncIterable<Replayed>> {
  return options.files === undefined ? planLocal(options) : planCorrected(options, options.files)
}

interface BatchOptions {
  readonly rejects: AsyncIterable<Replayed>
  readonly stages: readonly Stage[]
  readonly paths: Paths
  readonly limits: ScanLimits
  readonly note: Note
  readonly stop: AbortSignal
  readonly flow: Flow
}

/**
 * Each record in a batch of its own, as it comes out of the stages; the end travels behind the last
 * one.
 */
export async function* replayBatches(options: BatchOptions): AsyncGenerator<Batch, void> {
  const { rejects, stages, paths, limits, note, stop, flow } = options
  let end: End = { kind: 'done' }
  let number = 0
  try {
    for await (const { replay, from, dedupKey, origin, line, record } of rejects) {
      if (stop.aborted) {
        end = { kind: 'interrupted' }
        break
      }
      const chunk = { bytes: record, origin: { name: origin, line } }
      const [batch] = openBatches(chunk, { partition: PARTITION, number, paths, limits, replay })
      const [fault] = batch.rejects
      if (fault) {
        // Nothing but its digest would be left of it.
        note('a reject stays: it is beyond the limits', { id: formatRejectId(replay.id), code: fault.code })
        continue
      }
      number++
      if (dedupKey) batch.digests = { keys: dedupKey.key, buckets: Int32Array.of(dedupKey.bucket) }
      flow.records++
      flow.bytes += record.length
      yield* await throughAll(stages.slice(from), [batch])
    }
  } catch (error) {
    end = { kind: 'failed', error: asSluiceError(error, 'INTERNAL', 'the replay failed') }
  }
  yield endBatch(end, { paths, limits })
}

/** Not that of a source: those are named by its type and a colon. */
const PARTITION = 'rejects'

async function planLocal({ pipeline, folder, rows, note }: PlanOptions): Promise<AsyncIterable<Replayed>> {
  const refusals = new Map<string, number>()
  let unparsed = 0
  for await (const reject of readRows(folder, rows)) {
    const entry = entryOf(reject, pipeline)
    if (recordOf(reject.json) === undefined) unparsed++
    else if (typeof entry === 'string') refusals.set(entry, (refusals.get(entry) ?? 0) + 1)
  }
  refuseAll(refusals)
  if (unparsed > 0) note('rejects without a record stay: they need mending', { rejects: unparsed })
  return replayLocal(readRows(folder, rows), pipeline)
}

async function* replayLocal(rejects: AsyncIterable<LocalReject>, pipeline: CheckedPipeline): AsyncGenerator<Replayed> {
  for await (const reject of rejects) {
    const record = recordOf(reject.json)
    if (record !== undefined) yield replayed(reject, pipeline, Buffer.from(record))
  }
}

async function planCorrected(options: PlanOptions, files: readonly string[]): Promise<AsyncIterable<Replayed>> {
  const { pipeline, folder, rows } = options
  const problems: string[] = []
  const wanted = new Map<string, string>()
  const note = (place: string, why: string): void => void problems.push(`${place}: ${why}`)
  for await (const { id, place } of readCorrected(files, pipeline.limits, note)) {
    const name = formatRejectId(id)
    const before = wanted.get(name)
    if (before !== undefined) note(place, `${name} stands in ${before}, too`)
    wanted.set(name, place)
  }
  if (problems.length > 0) throw notCorrected(problems)

  const facts = new Map<string, LocalReject>()
  const refusals = new Map<string, number>()
  for await (const reject of readRows(folder, rows)) {
    const name = formatRejectId(reject.id)
    if (!wanted.has(name)) continue
    const entry = entryOf(reject, pipeline)
    if (typeof entry === 'string') refusals.set(entry, (refusals.get(entry) ?? 0) + 1)
    facts.set(name, { ...reject, json: '' })
  }
  refuseAll(refusals)
  const gone = wanted.size - facts.size
  if (gone > 0)
    options.note('rejects are not there any more: replayed before, or deleted for want of space', { rejects: gone })
  return replayCorrected(files, pipeline, facts)
}

async function* replayCorrected(
  files: readonly string[],
  pipeline: CheckedPipeline,
  facts: Map<string, LocalReject>,
): AsyncGenerator<Replayed> {
  for await (const { id, record } of readCorrected(files, pipeline.limits, refuse)) {
    const reject = facts.get(formatRejectId(id))
    // Once: the file may have changed since it was looked at.
    facts.delete(formatRejectId(id))
    if (reject) yield replayed(reject, pipeline, record)
  }
}

function refuse(place: string, why: string): never {
  throw notCorrected([`${place}: ${why}`])
}

function replayed(reject: LocalReject, pipeline: CheckedPipeline, record: Buffer): Replayed {
  const entry = entryOf(reject, pipeline)
  if (typeof entry === 'string') throw new SluiceError('INTERNAL', entry)
  const { id, part = false, origin, line } = reject
  return { replay: { id, part }, ...entry, origin, line, record }
}

/** Where a reject goes back in, or why it cannot. */
function entryOf(
  { stage, dedupKey }: LocalReject,
  pipeline: CheckedPipeline,
): Pick<Replayed, 'from' | 'dedupKey'> | string {
  if (stage === INGEST_STAGE) return { from: 0 }
  const from = pipeline.transforms.findIndex((transform) => transform.stage === stage)
  if (from < 0) return `the pipeline has no stage ${stage} any more`
  const dedup = findDedup(pipeline)
  if (!dedup || dedup.index >= from) return { from }
  const known = dedupKey === undefined ? undefined : parseDedupKey(dedupKey)
  if (!known && dedup.settings.requiresKey) return `${dedup.stage} did not stand before ${stage} then`
  return { from, dedupKey: known }
}

function refuseAll(refusals: ReadonlyMap<string, number>): void {
  if (refusals.size === 0) return
  const all = [...refusals].map(([why, count]) => `${why} (${count} ${count === 1 ? 'reject' : 'rejects'})`)
  throw new SluiceError('STATE_MISMATCH', `rejects cannot go back to where they were refused: ${all.join(', ')}`, {
    hint: 'replay them with the stages as they were, or mend and name the others alone with --file; nothing was replayed',
  })
}

function notCorrected(problems: readonly string[]): SluiceError {
  const more = problems.length > SHOWN ? [`and ${problems.length - SHOWN} more`] : []
  return new SluiceError('USAGE', 'these lines are no mended rejects; nothing was replayed', {
    hint: [...problems.slice(0, SHOWN), ...more].join('\n  '),
  })
}

/** Problems that are told one by one. */
const SHOWN = 20
