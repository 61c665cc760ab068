import type { Duplex } from 'node:stream'
import type { DuplexTransform } from '../component.ts'
import { SluiceError } from '../errors.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { writeJson } from '../record/json/json-text.ts'
import { rebuild } from '../record/rebuild.ts'
import type { NewLine } from '../record/reuse-lines.ts'
import { recordView } from '../record/author/record-view.ts'
import { describeFailure, NotAnOutcome } from './failure.ts'
import { isPlainObject } from './plain-object.ts'

export interface DuplexStage {
  readonly stage: string
  /** Milliseconds without a record taken or given after which the stream counts as stalled. */
  readonly deadline?: number
}

/**
 * Runs the live records of a batch, as frozen objects, through a stream of its own: made, fed,
 * ended and drained. An object that comes out as it went in keeps its bytes and its dedup digest.
 * Any other output has no digest, so `dedup` comes after such a stage. Outputs take the places of
 * the inputs in order: missing ones count as dropped, extra ones as added.
 * @throws SluiceError TRANSFORM_FAILED when the stream fails, stalls, or yields something that is
 *   not a record
 */
export async function runDuplex(
  batch: Batch,
  transform: DuplexTransform,
  { stage, deadline = 60_000 }: DuplexStage,
): Promise<Batch[]> {
  const inputs = new Map<unknown, number>()
  for (let record = 0; record < batch.count; record++) {
    if (batch.states[record] === RecordState.live) inputs.set(recordView(batch, record).value, record)
  }
  const outputs = await drain(transform, inputs.keys(), stage, deadline)
  const places = [...inputs.values()]
  if (outputs.length === places.length && outputs.every((output, at) => inputs.get(output) === places[at]))
    return [batch]

  const seen = new Set<unknown>()
  const lines = outputs.map((output, at): NewLine => {
    const from = places[at] ?? batch.count
    const record = inputs.get(output)
    const bytes = record === from ? undefined : lineOf(batch, output, record, stage)
    // The author yields it twice on purpose: the second one must not count as a duplicate of the
    // first.
    const digestOf = record === undefined || seen.has(output) ? batch.count : record
    seen.add(output)
    return { bytes, from, digestOf }
  })
  for (const record of places.slice(outputs.length)) batch.drop(record, stage)
  return rebuild(batch, lines, stage)
}

async function drain(
  transform: DuplexTransform,
  inputs: Iterable<unknown>,
  stage: string,
  deadline: number,
): Promise<unknown[]> {
  let stream: Duplex | undefined
  let late = false
  const timer = setTimeout(() => {
    late = true
    stream?.destroy()
  }, deadline)
  try {
    stream = transform.duplex()
    // This listener stays: an error after the end must not crash the process.
    stream.on('error', () => {})
    const [outputs] = await Promise.all([read(stream, timer), feed(stream, inputs, timer)])
    return outputs
  } catch (error) {
    if (late) {
      throw new SluiceError('TRANSFORM_FAILED', `stage ${stage}: its stream stalled for ${deadline / 1000} s`)
    }
    throw failed(stage, error)
  } finally {
    clearTimeout(timer)
    stream?.destroy()
  }
}

/**
 * One record at a time: the author's code then runs inside `write`, and its errors are caught here.
 * `pipeline` would miss them.
 */
async function feed(stream: Duplex, inputs: Iterable<unknown>, timer: NodeJS.Timeout): Promise<void> {
  for (const input of inputs) {
    await new Promise<void>((resolve, reject) => {
      stream.write(input, (error) => (error ? reject(error) : resolve()))
    })
    timer.refresh()
  }
  stream.end()
}

async function read(stream: Duplex, timer: NodeJS.Timeout): Promise<unknown[]> {
  const outputs: unknown[] = []
  for await (const output of stream) {
    timer.refresh()
    outputs.push(output)
  }
  return outputs
}

/** The line of an output: that of its input where it is one, otherwise a new one. */
function lineOf(batch: Batch, output: unknown, record: number | undefined, stage: string): Buffer {
  return record === undefined ? writeOutput(output, batch.limits.maxDepth, stage) : batch.line(record)
}

function writeOutput(output: unknown, maxDepth: number, stage: string): Buffer {
  try {
    if (isPlainObject(output)) return writeJson(output, maxDepth)
    throw new NotAnOutcome(output)
  } catch (error) {
    throw failed(stage, error)
  }
}

function failed(stage: string, error: unknown): SluiceError {
  return new SluiceError('TRANSFORM_FAILED', `stage ${stage}: ${describeFailure(error)}`, { cause: error })
}
