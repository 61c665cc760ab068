import type { Readable, Transform } from 'node:stream'
import { pipeline as connect } from 'node:stream/promises'
import { join } from 'node:path'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError } from '../errors.ts'
import type { SluiceError } from '../errors.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { Report } from '../observe/report.ts'
import type { RunInput } from './run-input.ts'
import { sink, source, transform } from './streams/stages.ts'
import type { SinkWritable } from './streams/stages.ts'
import type { RunSettings } from './streams/wiring.ts'

export interface RunOptions {
  readonly pipeline: CheckedPipeline
  /** Folder that holds a folder for each pipeline's state. Default: the run has no state. */
  readonly stateFolder?: string
  readonly follow: boolean
  /** Nothing is appended to the input any more. Default: false. */
  readonly final?: boolean | undefined
  /** Continue with the next input when one of several inputs cannot be read, or not to its end. */
  readonly keepGoing?: boolean | undefined
  /** Where the batches come from. Default: the pipeline's source. */
  readonly input?: RunInput | undefined
  /** See `RunSettings.openDelivery`. */
  readonly openDelivery?: RunSettings['openDelivery']
  /** See `RunSettings.shared`. */
  readonly shared?: RunSettings['shared']
  /** See `RunSettings.threads`. */
  readonly threads?: RunSettings['threads']
  /** The replica that this process is. Default: it collects all tenants. */
  readonly replica?: RunSettings['replica']
  /** Asks for a clean end: what was read is committed and published. */
  readonly stop: AbortSignal
  readonly events: RunEvents
  /** See `RunSettings.control`. */
  readonly control?: RunSettings['control']
  /** See `RunSettings.intake`. */
  readonly intake?: RunSettings['intake']
  /** See `RunSettings.clock`. */
  readonly clock?: RunSettings['clock']
  /** See `RunSettings.exchange`. */
  readonly exchange?: RunSettings['exchange']
}

export interface RunResult {
  readonly report: Report
  /** Why the run failed; everything read before it is committed. */
  readonly error?: SluiceError
}

/** The streams of a checked pipeline, from its source to its sink. */
export interface Wired {
  readonly source: Readable
  readonly transforms: readonly Transform[]
  readonly sink: SinkWritable
}

/** Makes the streams of a checked pipeline. Nothing begins before they are connected. */
export function wirePipeline(options: RunOptions): Wired {
  const { pipeline, stateFolder, input, stop, events, follow, final, keepGoing } = options
  const transforms = input?.runsStages === true ? [] : pipeline.transforms
  return {
    source: source(pipeline.source, {
      pipeline,
      input,
      openDelivery: options.openDelivery,
      replica: options.replica,
      shared: options.shared,
      threads: options.threads,
      follow,
      final,
      keepGoing,
      signal: stop,
      events,
      control: options.control,
      intake: options.intake,
      clock: options.clock,
      exchange: options.exchange,
    }),
    transforms: transforms.map((one) => transform(one)),
    sink: sink(pipeline.sinks[0], { ...(stateFolder !== undefined && { state: join(stateFolder, pipeline.name) }) }),
  }
}

/**
 * Runs a checked pipeline until its source has ended, failed or was asked to stop, and all that was
 * committed is published.
 * @throws SluiceError when the run cannot begin (state, components); later failures come back in
 *   the result.
 */
export async function runPipeline(options: RunOptions): Promise<RunResult> {
  const { source: first, transforms, sink: last } = wirePipeline(options)
  let failure: SluiceError | undefined
  try {
    await connect([first, ...transforms, last])
  } catch (error) {
    failure = asSluiceError(error, 'INTERNAL', `pipeline ${options.pipeline.name} failed`)
  }
  const report = last.report()
  if (report === undefined) throw failure ?? new Error('the pipeline was never opened')
  return failure && failure.code !== 'SINK_CLOSED' ? { report, error: failure } : { report }
}
