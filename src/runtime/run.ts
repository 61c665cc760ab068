import { pipeline as streamPipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import { join } from 'node:path'
import { hasState, noState } from '../delivery/state/state-reader.ts'
import type { Source } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { showProgress, type Flow } from '../observe/progress.ts'
import type { Report } from '../observe/report.ts'
import type { Batch, End } from '../record/batch.ts'
import { Paths } from '../record/paths/path.ts'
import { openDelivery } from './open-delivery.ts'
import { type Delivery } from '../delivery/delivery.ts'
import { planReplay, replayBatches } from './replay.ts'
import { readBatches } from './source-stage.ts'
import { buildStages, through, type Stage } from './transform-stages.ts'

export interface RunOptions {
  readonly pipeline: CheckedPipeline
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  readonly follow: boolean
  /** Put before the pipeline's own transforms; a backfill's time limits, for example. */
  readonly before?: (paths: Paths) => readonly Stage[]
  /**
   * In place of the source: kept rejects, or those of them that stand mended in files, in front of
   * the stage that refused them.
   */
  readonly replay?: { readonly files: readonly string[] | undefined }
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
  const { pipeline, replay, log, stop } = options
  const isReplay = replay !== undefined
  const folder = join(options.stateFolder, pipeline.name)
  if (isReplay && !hasState(folder)) throw noState(folder)
  const startedAt = new Date()
  const paths = new Paths()
  const flow: Flow = { records: 0, bytes: 0 }
  const { note } = log
  const delivery = await openDelivery({
    pipeline,
    paths,
    stateFolder: options.stateFolder,
    stopping: stop,
    note,
    isReplay,
  })
  let stages: Stage[] = []
  let end: End | undefined
  let failure: SluiceError | undefined
  try {
    stages = [
      ...(options.before?.(paths) ?? []),
      ...(await buildStages(pipeline, { paths, hashKey: delivery.hashKey, isReplay })),
    ]
    const { batches, ahead, bytes } = await openInput(options, { folder, delivery, paths, flow, stages })
    const hideProgress = showProgress(flow, log, bytes)
    try {
      await streamPipeline(
        Readable.from(batches, { objectMode: true, highWaterMark: 1 }),
        (input: AsyncIterable<Batch>) => throughStages(input, ahead, (seen) => (end = seen)),
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

interface Input {
  readonly batches: AsyncIterable<Batch>
  /** The stages that they have not been through. */
  readonly ahead: readonly Stage[]
  /** How much there is, where that is known. */
  readonly bytes: number | undefined
}

interface InputParts {
  readonly folder: string
  readonly delivery: Delivery
  readonly paths: Paths
  readonly flow: Flow
  readonly stages: readonly Stage[]
}

async function openInput(
  { pipeline, replay, follow, stop, log: { note } }: RunOptions,
  { folder, delivery, paths, flow, stages }: InputParts,
): Promise<Input> {
  const common = { paths, limits: pipeline.limits, note, stop, flow }
  if (replay) {
    const rows = delivery.localRejects?.() ?? []
    const rejects = await planReplay({ pipeline, folder, rows, files: replay.files, note })
    return { batches: replayBatches({ ...common, rejects, stages }), ahead: [], bytes: undefined }
  }
  const source = await createSource(pipeline)
  const total = await source.total?.()
  const { type } = pipeline.source.declaration
  const position = (partition: string) => delivery.position(partition)
  return { batches: readBatches({ ...common, source, type, follow, position }), ahead: stages, bytes: total?.bytes }
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
