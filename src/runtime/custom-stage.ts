import type { FunctionTransform } from '../component.ts'
import { SluiceError } from '../errors.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { writeJson } from '../record/json/json-text.ts'
import { rebuild } from '../record/rebuild.ts'
import type { ScanLimits } from '../record/scan.ts'
import type { LineChange, NewLine } from '../record/reuse-lines.ts'
import { Rejection } from '../record/author/record.ts'
import type { Record } from '../record/author/record.ts'
import {
  isRecord,
  objectChange,
  recordChange,
  recordLine,
  recordView,
  UNCHANGED,
} from '../record/author/record-view.ts'
import { describeFailure, NotAnOutcome } from './failure.ts'
import { isPlainObject } from './plain-object.ts'

export interface FunctionStage {
  /** Name of the stage: the reason of dropped records, and the stage of rejected ones. */
  readonly stage: string
  /** How many promises may be pending at once. */
  readonly concurrency?: number
  /** `stop` lets the first failure on a record end the run; otherwise it rejects the record. */
  readonly onError?: 'reject' | 'stop'
}

/**
 * Calls a function for each live record of a batch, in order, and then `flush`. Returns the batch
 * itself if no line has changed. If the function throws for a record, or returns something that is
 * not an outcome, the record is rejected with TRANSFORM_FAILED. The detail names the kind of error
 * and its place in the author's code, never its message, which may hold content.
 * @throws SluiceError TRANSFORM_FAILED when `flush` fails, or the function with `onError: stop`
 */
export async function runFunction(
  batch: Batch,
  transform: FunctionTransform,
  options: FunctionStage,
): Promise<Batch[]> {
  const outcomes = await callFunction(batch, transform, options)
  return applyOutcomes(batch, { outcomes, flushed: await flush(transform, batch.limits, options.stage) }, options.stage)
}

/** What a function made of a record. */
export type RecordOutcome =
  /** The lines that replace the record: one or several. */
  | { readonly kind: 'lines'; readonly lines: readonly LineChange[] }
  | { readonly kind: 'dropped' }
  | { readonly kind: 'rejected'; readonly code: string; readonly detail: string | undefined }

/** What a transform made of a batch. */
export interface BatchOutcome {
  /** One for each live record, in order. */
  readonly outcomes: readonly RecordOutcome[]
  /** Lines that `flush` returned. */
  readonly flushed: readonly Buffer[]
}

/** The record's own line, unchanged. */
export const SAME: RecordOutcome = { kind: 'lines', lines: [UNCHANGED] }
export const DROPPED: RecordOutcome = { kind: 'dropped' }

/**
 * Calls the function for each live record, and returns what it made of each, in order. The batch stays
 * as it is.
 * @throws SluiceError TRANSFORM_FAILED with `onError: stop`, for the first record that failed
 */
export async function callFunction(
  batch: Batch,
  { transform }: Pick<FunctionTransform, 'transform'>,
  options: FunctionStage,
): Promise<RecordOutcome[]> {
  const { concurrency = 16 } = options
  const outcomes: RecordOutcome[] = []
  const pending = new Set<Promise<void>>()
  const failures: { readonly record: number; readonly error: unknown }[] = []
  // An outcome is made of a result at once: what the function made on its way there can be collected.
  const end = (call: Call, make: () => RecordOutcome): void => {
    try {
      outcomes[call.at] = make()
    } catch (error) {
      failures.push({ record: call.record, error })
    }
  }
  for (let record = 0; record < batch.count && failures.length === 0; record++) {
    if (batch.states[record] !== RecordState.live) continue
    if (pending.size >= concurrency) await Promise.race(pending)
    const call: Call = { at: outcomes.push(DROPPED) - 1, record, view: recordView(batch, record) }
    let result: unknown
    try {
      result = transform(call.view)
    } catch (error) {
      end(call, () => failureOf(error, options))
      continue
    }
    if (!isPromiseLike(result)) {
      end(call, () => outcomeOf(batch, call, result, options))
      continue
    }
    const waiting = Promise.resolve(result)
      .then(
        (value: unknown) => end(call, () => outcomeOf(batch, call, value, options)),
        (error: unknown) => end(call, () => failureOf(error, options)),
      )
      .finally(() => pending.delete(waiting))
    pending.add(waiting)
  }
  await Promise.all(pending)
  const [first] = failures.toSorted((one, other) => one.record - other.record)
  if (first !== undefined) throw first.error
  return outcomes
}

/** Drops and rejects records, and returns the batches with the new lines. */
export function applyOutcomes(batch: Batch, { outcomes, flushed }: BatchOutcome, stage: string): Batch[] {
  const lines: NewLine[] = []
  let isChanged = flushed.length > 0
  let next = 0
  const { count } = batch
  for (let from = 0; from < count; from++) {
    if (batch.states[from] !== RecordState.live) continue
    const outcome = outcomes[next++]
    if (outcome.kind === 'dropped') batch.drop(from, stage)
    else if (outcome.kind === 'rejected') batch.reject(from, outcome.code, stage, outcome.detail)
    else {
      if (outcome !== SAME) isChanged = true
      for (const { bytes, members } of outcome.lines) lines.push({ bytes, members, from })
    }
  }
  if (!isChanged) return [batch]
  for (const bytes of flushed) lines.push({ bytes, from: count })
  return rebuild(batch, lines, stage)
}

/** A call of the function. */
interface Call {
  /** Number of its outcome. */
  readonly at: number
  readonly record: number
  readonly view: Record
}

function outcomeOf(batch: Batch, { record, view }: Call, result: unknown, options: FunctionStage): RecordOutcome {
  if (result === null || (Array.isArray(result) && result.length === 0)) return DROPPED
  if (result instanceof Rejection) return { kind: 'rejected', code: result.code, detail: result.detail }
  try {
    const lines = Array.isArray(result)
      ? result.map((item) => changeBy(item, view, batch, record))
      : [changeBy(result, view, batch, record)]
    return lines.length === 1 && isSame(lines[0], batch, record) ? SAME : { kind: 'lines', lines }
  } catch (error) {
    return failureOf(error, options)
  }
}

/** @throws SluiceError TRANSFORM_FAILED with `onError: stop` */
function failureOf(error: unknown, { stage, onError }: FunctionStage): RecordOutcome {
  const failure = describeFailure(error)
  if (onError === 'stop') {
    throw new SluiceError('TRANSFORM_FAILED', `stage ${stage}: ${failure}`, { cause: error })
  }
  return { kind: 'rejected', code: 'TRANSFORM_FAILED', detail: failure }
}

function changeBy(outcome: unknown, view: Record, batch: Batch, record: number): LineChange {
  if (isRecord(outcome)) return recordChange(outcome, batch, record)
  if (isPlainObject(outcome)) return objectChange(view, outcome, batch, record)
  throw new NotAnOutcome(outcome)
}

function isSame({ bytes, members }: LineChange, batch: Batch, record: number): boolean {
  return members === undefined && (bytes === undefined || bytes.equals(batch.line(record)))
}

/** What the transform held back. @throws SluiceError TRANSFORM_FAILED */
export async function flush(
  transform: FunctionTransform,
  { maxDepth }: Pick<ScanLimits, 'maxDepth'>,
  stage: string,
): Promise<Buffer[]> {
  if (transform.flush === undefined) return []
  try {
    const outcome: unknown = await transform.flush()
    if (outcome === null || outcome === undefined) return []
    return (Array.isArray(outcome) ? outcome : [outcome]).map((item: unknown) => {
      if (isRecord(item)) return recordLine(item)
      if (isPlainObject(item)) return writeJson(item, maxDepth)
      throw new NotAnOutcome(item)
    })
  } catch (error) {
    throw new SluiceError('TRANSFORM_FAILED', `flush of stage ${stage}: ${describeFailure(error)}`, { cause: error })
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
