import type { FunctionTransform } from '../component.ts'
import { SluiceError } from '../errors.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { writeJson } from '../record/json/json-text.ts'
import { rebuild } from '../record/rebuild.ts'
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
  const calls = await callForEach(batch, transform, options.concurrency ?? 16)
  const results = calls.map((call) => ({ from: call.record, made: applyResult(batch, call, options) }))
  const flushed = await flush(batch, transform, options.stage)
  if (flushed.length === 0 && results.every(({ made }) => made === SAME || made === GONE)) return [batch]

  const lines: NewLine[] = []
  for (const { from, made } of results) {
    for (const { bytes, members } of made) lines.push({ bytes, members, from })
  }
  for (const bytes of flushed) lines.push({ bytes, from: batch.count })
  return rebuild(batch, lines, options.stage)
}

/** A call of the function, and its result. */
interface Call {
  readonly record: number
  readonly view: Record
  /** The returned value, or the thrown one. */
  result: unknown
  threw: boolean
}

/** The lines that replace a record. */
type Made = readonly LineChange[]
/** The record's own line, unchanged. */
const SAME: Made = [UNCHANGED]
/** No line: the record was dropped or rejected. */
const GONE: Made = []

async function callForEach(batch: Batch, { transform }: FunctionTransform, concurrency: number): Promise<Call[]> {
  const calls: Call[] = []
  const pending = new Set<Promise<void>>()
  for (let record = 0; record < batch.count; record++) {
    if (batch.states[record] !== RecordState.live) continue
    if (pending.size >= concurrency) await Promise.race(pending)
    const call: Call = { record, view: recordView(batch, record), result: undefined, threw: false }
    calls.push(call)
    try {
      call.result = transform(call.view)
    } catch (error) {
      call.result = error
      call.threw = true
    }
    if (call.threw || !isPromiseLike(call.result)) continue
    const waiting = waitFor(call, call.result).finally(() => pending.delete(waiting))
    pending.add(waiting)
  }
  await Promise.all(pending)
  return calls
}

async function waitFor(call: Call, promise: PromiseLike<unknown>): Promise<void> {
  try {
    call.result = await promise
  } catch (error) {
    call.result = error
    call.threw = true
  }
}

function applyResult(batch: Batch, { record, view, result, threw }: Call, { stage, onError }: FunctionStage): Made {
  if (!threw) {
    if (result === null || (Array.isArray(result) && result.length === 0)) {
      batch.drop(record, stage)
      return GONE
    }
    if (result instanceof Rejection) {
      batch.reject(record, result.code, stage, result.detail)
      return GONE
    }
  }
  try {
    if (threw) throw result
    const made = (Array.isArray(result) ? result : [result]).map((item) => changeBy(item, view, batch, record))
    return made.length === 1 && isSame(made[0], batch, record) ? SAME : made
  } catch (error) {
    const failure = describeFailure(error)
    if (onError === 'stop') {
      throw new SluiceError('TRANSFORM_FAILED', `stage ${stage}: ${failure}`, { cause: error })
    }
    batch.reject(record, 'TRANSFORM_FAILED', stage, failure)
    return GONE
  }
}

function changeBy(outcome: unknown, view: Record, batch: Batch, record: number): LineChange {
  if (isRecord(outcome)) return recordChange(outcome, batch, record)
  if (isPlainObject(outcome)) return objectChange(view, outcome, batch, record)
  throw new NotAnOutcome(outcome)
}

function isSame({ bytes, members }: LineChange, batch: Batch, record: number): boolean {
  return members === undefined && (bytes === undefined || bytes.equals(batch.line(record)))
}

async function flush(batch: Batch, transform: FunctionTransform, stage: string): Promise<Buffer[]> {
  if (transform.flush === undefined) return []
  try {
    const outcome: unknown = await transform.flush()
    if (outcome === null || outcome === undefined) return []
    return (Array.isArray(outcome) ? outcome : [outcome]).map((item: unknown) => {
      if (isRecord(item)) return recordLine(item)
      if (isPlainObject(item)) return writeJson(item, batch.limits.maxDepth)
      throw new NotAnOutcome(item)
    })
  } catch (error) {
    throw new SluiceError('TRANSFORM_FAILED', `flush of stage ${stage}: ${describeFailure(error)}`, { cause: error })
  }
}

function isPromiseLike(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function'
}
