import { pipeline as streamPipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { join } from 'node:path'
import type { Source } from '../component.ts'
import { findDedup, type CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { showProgress, startFlow } from '../observe/progress.ts'
import type { Report } from '../observe/report.ts'
import type { Batch, End } from '../record/batch.ts'
import { Paths } from '../record/paths/path.ts'
import { openDelivery } from './open-delivery.ts'
import type { RunInput } from './run-input.ts'
import { readBatches } from './source-stage.ts'
import { buildStages, through, type Stage } from './transform-stages.ts'

export interface RunOptions {
  readonly pipeline: CheckedPipeline
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  readonly follow: boolean
  /** Put before the pipeline's own transforms; a backfill's time limits, for example. */
  readonly before?: (paths: Paths) => readonly Stage[]
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
  const { pipeline, log, stop, input = sourceInput(options) } = options
  const stateFolder = join(options.stateFolder, pipeline.name)
  input.check?.(stateFolder)
  const startedAt = new Date()
  const paths = new Paths()
  const flow = startFlow()
  const { note } = log
  const delivery = await openDelivery({
    pipeline,
    paths,
    stateFolder: options.stateFolder,
    stopping: stop,
    note,
    commit: input.commit,
  })
  let stages: Stage[] = []
  let end: End | undefined
  let failure: SluiceError | undefined
  try {
    stages = [
      ...(options.before?.(paths) ?? []),
      ...(await buildStages(pipeline, { paths, hashKey: delivery.hashKey, context: input.context })),
    ]
    const opened = await input.open({ stateFolder, delivery, stages, paths, flow, note, stop })
    const hideProgress = showProgress(flow, log, opened.extent?.bytes)
    try {
      await streamPipeline(
        Readable.from(opened.batches, { objectMode: true, highWaterMark: 1 }),
        (batches: AsyncIterable<Batch>) => throughStages(batches, opened.stages, (seen) => (end = seen)),
        delivery.writable(),
      )
    } finally {
      hideProgress()
    }
    if (end === undefined) throw new SluiceError('INTERNAL', 'the stream ended without the marker of its end')
    if (end.kind === 'failed') failure = asSluiceError(end.error, 'SOURCE_FAILED', 'the source failed')
  } catch (error) {
    failure = asSluiceError(error, 'INTERNAL', `pipeline ${pipeline.name} failed`)
  } finally {
    const closed = await Promise.allSettled([...stages.map((stage) => stage.close()), delivery.close()])
    for (const result of closed) {
      if (result.status === 'rejected') failure ??= asSluiceError(result.reason, 'INTERNAL', 'closing failed')
    }
  }

  const outcome = failure ? 'failed' : end?.kind === 'interrupted' ? 'interrupted' : 'done'
  const report: Report = {
    pipeline: pipeline.name,
    outcome,
    ...(failure && { error: { code: failure.code, message: failure.message } }),
    ...delivery.totals(),
    bytesIn: flow.bytes,
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
  }
  return failure ? { report, error: failure } : { report }
}

function sourceInput({ pipeline, follow }: RunOptions): RunInput {
  const { type } = pipeline.source.declaration
  return {
    async open({ delivery, stages, paths, flow, note, stop }) {
      const source = await createSource(pipeline)
      const extent = await source.total?.()
      const position = (partition: string) => delivery.position(partition)
      const limits = pipeline.limits
      const time = findDedup(pipeline)?.settings.time
      const { declaration } = pipeline.source
      const since = extent?.since
      const batches = readBatches({
        source,
        type,
        declaration,
        since,
        paths,
        limits,
        follow,
        time,
        position,
        note,
        stop,
        flow,
      })
      return { batches, stages, extent }
    },
  }
}

async function createSource(pipeline: CheckedPipeline): Promise<Source> {
  const { declaration, config, stage } = pipeline.source
  try {
    return await declaration.create(config, { pipeline: pipeline.name, stage, folder: pipeline.folder })
  } catch (error) {
    throw asSluiceError(error, 'COMPONENT_LOAD_FAILED', `source ${stage} could not be created`)
  }
}

/**
 * `pipeline` counts a stage that returns early as success: hence the explicit marker of the
 * source's end.
 */
async function* throughStages(
  batches: AsyncIterable<Batch>,
  stages: readonly Stage[],
  onEnd: (end: End) => void,
): AsyncGenerator<Batch, void> {
  const out = stages.reduce((input, stage) => through(stage, input), batches)
  for await (const batch of out) {
    if (batch.end) onEnd(batch.end)
    yield batch
  }
}
