import { pipeline as connect } from 'node:stream/promises'
import { join } from 'node:path'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError } from '../errors.ts'
import type { SluiceError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { showProgress } from '../observe/progress.ts'
import type { Report } from '../observe/report.ts'
import type { RunInput } from './run-input.ts'
import { sink, source, transform } from './streams/stages.ts'

export interface RunOptions {
  readonly pipeline: CheckedPipeline
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  readonly follow: boolean
  /** Nothing is appended to the input any more. Default: false. */
  readonly final?: boolean
  /** Continue with the next input when one of several inputs cannot be read, or not to its end. */
  readonly keepGoing?: boolean
  /** Where the batches come from. Default: the pipeline's source. */
  readonly input?: RunInput
  /** Asks for a clean end: what was read is committed and published. */
  readonly stop: AbortSignal
  readonly log: Log
}

export interface RunResult {
  readonly report: Report
  /** Why the run failed; everything read before it is committed. */
  readonly error?: SluiceError
}

/**
 * Runs a checked pipeline until its source has ended, failed or was asked to stop, and all that was
 * committed is published.
 * @throws SluiceError when the run cannot begin (state, components); later failures come back in
 *   the result.
 */
export async function runPipeline(options: RunOptions): Promise<RunResult> {
  const { pipeline, input, stop, log, follow, final, keepGoing } = options
  const first = source(pipeline.source, {
    pipeline,
    input,
    follow,
    final,
    keepGoing,
    signal: stop,
    log: log.note,
    observe: (flow, total) => showProgress(flow, log, total),
  })
  const transforms = input?.runsStages === true ? [] : pipeline.transforms
  const last = sink(pipeline.sink, { state: join(options.stateFolder, pipeline.name) })
  let failure: SluiceError | undefined
  try {
    await connect([first, ...transforms.map((one) => transform(one)), last])
  } catch (error) {
    failure = asSluiceError(error, 'INTERNAL', `pipeline ${pipeline.name} failed`)
  }
  const report = last.report()
  if (report === undefined) throw failure ?? new Error('the pipeline was never opened')
  return failure && failure.code !== 'SINK_CLOSED' ? { report, error: failure } : { report }
}
