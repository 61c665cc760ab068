/*
 * `sluice rejects replay`: local rejects go through the stages again, as they are or corrected by
 * hand.
 *
 * A replay is an ordinary run with another input (`run-input.ts`) and with a `Replay` object that
 * this file shares with the commit. Each reject enters the stages at the stage that rejected it, in
 * a batch number of its own, and is registered in the `Replay` under that number. The commit looks
 * the number up and forgets the reject in the transaction that commits the records made from it. So
 * batches, stages, the record engine and the rest of the runtime know nothing of a replay; a
 * reject id in every batch would make all of them carry it along.
 *
 * Two facts leave this file besides the `Replay`. Transforms get `isRedacted` in their context,
 * because the record of a reject is already redacted. Local rejects have no budget during a replay,
 * because none may be deleted before it was replayed. After a `dedup` stage, a record keeps the
 * dedup key that was found then.
 */
import { ROUTES_STAGE } from '../delivery/routes/routes.ts'
import { formatRejectId } from '../delivery/rejects/reject-id.ts'
import { parseDedupKey, recordOf } from '../delivery/rejects/reject-line.ts'
import { readRows } from '../delivery/rejects/local-rejects-reader.ts'
import type { LocalReject } from '../delivery/rejects/local-rejects-reader.ts'
import { Replay } from '../delivery/rejects/replay.ts'
import type { ReplayedReject } from '../delivery/rejects/replay.ts'
import type { LocalRejectsRow } from '../delivery/state/rows.ts'
import { hasState, noState } from '../delivery/state/state-reader.ts'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'
import type { Batch, DedupKey, End } from '../record/batch.ts'
import { INGEST_STAGE, endBatch, openBatches } from '../record/open-batches.ts'
import type { Paths } from '../record/paths/path.ts'
import type { ScanLimits } from '../record/scan.ts'
import { readCorrected } from './corrected-rejects.ts'
import type { Intake } from './intake.ts'
import type { RunInput } from './run-input.ts'
import { throughAll } from './transform-stages.ts'
import type { Stage } from './transform-stages.ts'

interface ReplayOptions {
  readonly pipeline: CheckedPipeline
  /** Files of corrected rejects. Without files, every reject is replayed as it is. */
  readonly files: readonly string[] | undefined
}

/**
 * The input of a run that replays local rejects. Everything is checked before the first record
 * enters. Rejects that no longer exist are skipped: they were replayed before, or deleted.
 * @throws SluiceError from `open`: USAGE for lines that are not corrected rejects, STATE_MISMATCH
 *   if the pipeline has changed too much, FILE_NOT_FOUND
 */
export function replayInput({ pipeline, files }: ReplayOptions): RunInput {
  const replay = new Replay()
  return {
    commit: { replay, localRejectBytes: Infinity },
    context: { isRedacted: true },
    runsStages: true,
    check(stateFolder) {
      if (!hasState(stateFolder)) throw noState(stateFolder)
    },
    async open({ stateFolder, delivery, stages, paths, intake, events, stop }) {
      const { note } = events
      const rows = delivery.localRejects?.() ?? []
      const options = { pipeline, folder: stateFolder, rows, note }
      const rejects = files ? await planCorrected(options, files) : await planLocal(options)
      const { limits } = pipeline
      const batches = replayBatches({ rejects, replay, stages, paths, limits, note, stop, intake })
      return { batches, extent: undefined }
    },
  }
}

/** The record of a reject, ready to enter a stage. */
export interface Reentry extends ReplayedReject {
  /** Number of the first stage that the record enters. */
  readonly from: number
  /** The dedup key of the record, if it passed `dedup` before. */
  readonly dedupKey?: DedupKey | undefined
  readonly origin: string
  readonly line: number
  readonly record: Buffer
}

interface BatchOptions {
  readonly rejects: AsyncIterable<Reentry>
  readonly replay: Replay
  readonly stages: readonly Stage[]
  readonly paths: Paths
  readonly limits: ScanLimits
  readonly note: Note
  readonly stop: AbortSignal
  readonly intake: Intake
}

/**
 * Yields the batches that come out of the stages, one batch number per reject, then the batch with
 * the end.
 */
export async function* replayBatches(options: BatchOptions): AsyncGenerator<Batch, void> {
  const { rejects, replay, stages, paths, limits, note, stop, intake } = options
  let end: End = { kind: 'done' }
  let number = 0
  try {
    for await (const { id, isPart, from, dedupKey, origin, line, record } of rejects) {
      if (stop.aborted) {
        end = { kind: 'interrupted' }
        break
      }
      const chunk = { bytes: record, origin: { name: origin, line } }
      const [batch] = openBatches(chunk, { partition: PARTITION, number, paths, limits })
      const [fault] = batch.rejects
      if (fault) {
        // Rejected again as a line that does not parse, only its digest would remain.
        note('replay.skipped', { id: formatRejectId(id), reject: fault.code })
        continue
      }
      replay.register(number, { id, isPart })
      number++
      if (dedupKey) batch.digests = { keys: dedupKey.key, buckets: Int32Array.of(dedupKey.bucket) }
      intake.add({ partition: PARTITION, records: 1, bytes: record.length })
      yield* await throughAll(stages.slice(from), [batch])
    }
  } catch (error) {
    end = { kind: 'failed', error: asSluiceError(error, 'INTERNAL', 'the replay failed') }
  }
  yield endBatch({ ...end, batches: new Map([[PARTITION, number]]) }, { paths, limits })
}

/** Never the partition of a source: those have the source's type and a colon. */
const PARTITION = 'rejects'

interface PlanOptions {
  readonly pipeline: CheckedPipeline
  /** The pipeline's state folder, which this process owns. */
  readonly folder: string
  readonly rows: readonly LocalRejectsRow[]
  readonly note: Note
}

async function planLocal({ pipeline, folder, rows, note }: PlanOptions): Promise<AsyncIterable<Reentry>> {
  const refusals = new Map<string, number>()
  let unparsed = 0
  for await (const reject of readRows(folder, rows)) {
    const entry = findEntry(reject, pipeline)
    if (recordOf(reject.json) === undefined) unparsed++
    else if (typeof entry === 'string') refusals.set(entry, (refusals.get(entry) ?? 0) + 1)
  }
  throwIfRefused(refusals)
  if (unparsed > 0) note('replay.unparsed', { rejects: unparsed })
  return replayLocal(readRows(folder, rows), pipeline)
}

async function* replayLocal(rejects: AsyncIterable<LocalReject>, pipeline: CheckedPipeline): AsyncGenerator<Reentry> {
  for await (const reject of rejects) {
    const record = recordOf(reject.json)
    if (record !== undefined) yield reentry(reject, pipeline, Buffer.from(record))
  }
}

async function planCorrected(options: PlanOptions, files: readonly string[]): Promise<AsyncIterable<Reentry>> {
  const { pipeline, folder, rows } = options
  const problems: string[] = []
  const places = new Map<string, string>()
  const addProblem = (place: string, problem: string): void => void problems.push(`${place}: ${problem}`)
  for await (const { id, place } of readCorrected(files, pipeline.limits, addProblem)) {
    const name = formatRejectId(id)
    const earlier = places.get(name)
    if (earlier !== undefined) addProblem(place, `${name} is also in ${earlier}`)
    places.set(name, place)
  }
  if (problems.length > 0) throw notCorrected(problems)

  const found = new Map<string, LocalReject>()
  const refusals = new Map<string, number>()
  for await (const reject of readRows(folder, rows)) {
    const name = formatRejectId(reject.id)
    if (!places.has(name)) continue
    const entry = findEntry(reject, pipeline)
    if (typeof entry === 'string') refusals.set(entry, (refusals.get(entry) ?? 0) + 1)
    found.set(name, { ...reject, json: '' })
  }
  throwIfRefused(refusals)
  const missing = places.size - found.size
  if (missing > 0) {
    options.note('replay.missing', { rejects: missing })
  }
  return replayCorrected(files, pipeline, found)
}

async function* replayCorrected(
  files: readonly string[],
  pipeline: CheckedPipeline,
  found: Map<string, LocalReject>,
): AsyncGenerator<Reentry> {
  for await (const { id, record } of readCorrected(files, pipeline.limits, throwProblem)) {
    const reject = found.get(formatRejectId(id))
    // Once, even if the file has changed since it was checked.
    found.delete(formatRejectId(id))
    if (reject) yield reentry(reject, pipeline, record)
  }
}

function throwProblem(place: string, problem: string): never {
  throw notCorrected([`${place}: ${problem}`])
}

/** @throws SluiceError INTERNAL if `findEntry` says that it cannot enter */
export function reentry(reject: LocalReject, pipeline: CheckedPipeline, record: Buffer): Reentry {
  const entry = findEntry(reject, pipeline)
  if (typeof entry === 'string') throw new SluiceError('INTERNAL', entry)
  const { id, part = false, origin, line } = reject
  return { id, isPart: part, ...entry, origin, line, record }
}

/** Where a reject enters the stages, or as text why it cannot. */
export function findEntry(
  { stage, dedupKey }: LocalReject,
  pipeline: CheckedPipeline,
): Pick<Reentry, 'from' | 'dedupKey'> | string {
  if (stage === INGEST_STAGE) return { from: 0 }
  const { transforms } = pipeline
  // Routes come after all transforms. A replay takes those of now.
  const from =
    stage === ROUTES_STAGE ? transforms.length : transforms.findIndex((transform) => transform.stage === stage)
  if (from < 0) return `the pipeline no longer has a stage ${stage}`
  const dedup = findDedup(pipeline)
  if (!dedup || dedup.index >= from) return { from }
  const known = dedupKey === undefined ? undefined : parseDedupKey(dedupKey)
  if (!known && dedup.settings.requiresKey) return `${dedup.stage} was not before ${stage} then`
  return { from, dedupKey: known }
}

function throwIfRefused(refusals: ReadonlyMap<string, number>): void {
  if (refusals.size === 0) return
  const all = [...refusals].map(([why, count]) => `${why} (${count} ${count === 1 ? 'reject' : 'rejects'})`)
  throw new SluiceError('STATE_MISMATCH', `rejects cannot enter the stages again: ${all.join(', ')}`, {
    hint: 'replay them with the earlier stages, or replay only the others with --file; nothing was replayed',
  })
}

function notCorrected(problems: readonly string[]): SluiceError {
  const more = problems.length > SHOWN_PROBLEMS ? [`and ${problems.length - SHOWN_PROBLEMS} more`] : []
  return new SluiceError('USAGE', 'some lines are not corrected rejects; nothing was replayed', {
    hint: [...problems.slice(0, SHOWN_PROBLEMS), ...more].join('\n  '),
  })
}

const SHOWN_PROBLEMS = 20
