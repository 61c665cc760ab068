import { pipeline as streamPipeline } from 'node:stream/promises'
import { Readable } from 'node:stream'
import type { Writable } from 'node:stream'
import { join } from 'node:path'
import type { InputFailure, Source } from '../component.ts'
import { findDedup, type CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import { showProgress, startFlow } from '../observe/progress.ts'
import { plural } from '../observe/report.ts'
import type { DamagedInput, Report } from '../observe/report.ts'
import type { Batch, End } from '../record/batch.ts'
import { Paths } from '../record/paths/path.ts'
import { awaitComponent, within } from './await-component.ts'
import { describeCauses } from './causes.ts'
import { openDelivery } from './open-delivery.ts'
import type { RunInput } from './run-input.ts'
import { readBatches } from './source-stage.ts'
import { buildStages, ruleMatchesOf, through, type Stage } from './transform-stages.ts'

export interface RunOptions {
  readonly pipeline: CheckedPipeline
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  readonly follow: boolean
  /** Nothing is appended to the input any more. Default: false. */
  readonly final?: boolean
  /** Continue with the next input when one of several inputs cannot be read, or not to its end. */
  readonly keepGoing?: boolean
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
  const damaged: DamagedInput[] = []
  const { pipeline, log, input = sourceInput(options, damaged) } = options
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
    stopping: options.stop,
    note,
    commit: input.commit,
  })
  const reading = abortWith(options.stop)
  let stages: Stage[] = []
  let end: End | { readonly kind: 'closed' } | undefined
  let failure: SluiceError | undefined
  try {
    stages = [
      ...(options.before?.(paths) ?? []),
      ...(await buildStages(pipeline, { paths, hashKey: delivery.hashKey, context: input.context })),
    ]
    const opened = await input.open({ stateFolder, delivery, stages, paths, flow, note, stop: reading.signal })
    const hideProgress = showProgress(flow, log, opened.extent?.bytes)
    try {
      const writable = delivery.writable()
      const stream = streamPipeline(
        Readable.from(opened.batches, { objectMode: true, highWaterMark: 1 }),
        (batches: AsyncIterable<Batch>) => throughStages(batches, opened.stages, (seen) => (end = seen)),
        writable,
      )
      await Promise.race([stream, failureOf(writable, () => reading.abort())])
    } finally {
      hideProgress()
    }
    if (end === undefined) throw new SluiceError('INTERNAL', 'the stream ended without the marker of its end')
    if (end.kind === 'failed') failure = asSluiceError(end.error, 'SOURCE_FAILED', 'the source failed')
  } catch (error) {
    failure = asSluiceError(error, 'INTERNAL', `pipeline ${pipeline.name} failed`)
  } finally {
    reading.abort()
    const closed = await Promise.allSettled([
      ...stages.map((stage) => within(CLOSE_TIMEOUT, `close of transform ${stage.name}`, stage.close())),
      within(CLOSE_TIMEOUT, `close of sink ${pipeline.sink.stage}`, delivery.close()),
    ])
    for (const result of closed) {
      if (result.status === 'rejected') failure ??= asSluiceError(result.reason, 'INTERNAL', 'closing failed')
    }
  }

  if (failure?.code === 'SINK_CLOSED') {
    failure = undefined
    end = { kind: 'closed' }
  }
  const outcome = failure ? 'failed' : (end?.kind ?? 'done')
  if (outcome === 'done' && damaged.length > 0) failure = inputsDamaged(damaged.length)
  const totals = delivery.totals()
  const rules = ruleMatchesOf(stages)
  if (totals.read > 0) {
    for (const { stage, rule, matches } of rules) {
      if (matches === 0) note('a rule matched nothing in this run; is its path misspelt?', { stage, rule })
    }
  }
  const report: Report = {
    pipeline: pipeline.name,
    outcome: failure && outcome === 'done' ? 'incomplete' : outcome,
    ...(failure && { error: describeError(failure) }),
    ...(damaged.length > 0 && { damaged }),
    ...totals,
    rules,
    unfinished: flow.unfinished,
    bytesIn: flow.bytes,
    startedAt: startedAt.toISOString(),
    seconds: (Date.now() - startedAt.getTime()) / 1000,
  }
  return failure ? { report, error: failure } : { report }
}

function describeError(failure: SluiceError): NonNullable<Report['error']> {
  const causes = describeCauses(failure)
  return { code: failure.code, message: failure.message, ...(causes.length > 0 && { causes }) }
}

function inputsDamaged(count: number): SluiceError {
  return new SluiceError(
    'INPUTS_DAMAGED',
    `${plural(count, 'input')} could not be read completely; all others were read`,
    {
      hint: 'they are listed above and in the report; repair them, or replace them by complete copies, and run the same command again',
    },
  )
}

/** Milliseconds that components have to end a call or to close once the run is over. */
const CLOSE_TIMEOUT = 15_000

/**
 * Aborts when `stop` does, and when the run ends for any other reason: a source that waits for
 * input would otherwise keep the process alive after a failure.
 */
function abortWith(stop: AbortSignal): { readonly signal: AbortSignal; abort(): void } {
  const controller = new AbortController()
  const onStop = (): void => controller.abort(stop.reason)
  if (stop.aborted) onStop()
  else stop.addEventListener('abort', onStop, { once: true })
  return {
    signal: controller.signal,
    abort() {
      stop.removeEventListener('abort', onStop)
      controller.abort(new Error('the run has ended'))
    },
  }
}

/**
 * Rejects when the stream has failed and a stage does not return from its call: `pipeline` alone
 * would wait for that stage for ever.
 */
async function failureOf(writable: Writable, onFailure: () => void): Promise<never> {
  const failure = await new Promise<Error>((resolve) => {
    writable.once('error', resolve)
  })
  onFailure()
  await new Promise((resolve) => setTimeout(resolve, CLOSE_TIMEOUT).unref())
  throw failure
}

/** @param damaged Filled with the inputs that fail. */
function sourceInput(
  { pipeline, follow, final = false, keepGoing, log }: RunOptions,
  damaged: DamagedInput[],
): RunInput {
  const { type } = pipeline.source.declaration
  const inputFailed = ({ input, line, error }: InputFailure): void => {
    if (keepGoing !== true) throw error
    const { code, message, hint } = error
    log.note('an input could not be read completely; continuing with the next one', { input, code, reason: message })
    damaged.push({ input, code, message, ...(line !== undefined && { line }), ...(hint !== undefined && { hint }) })
  }
  return {
    async open({ delivery, stages, paths, flow, note, stop }) {
      const source = await createSource(pipeline)
      const extent = await awaitComponent(`total of source ${type}`, Promise.resolve(source.total?.()))
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
        final,
        time,
        position,
        note,
        inputFailed,
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
    const context = { pipeline: pipeline.name, stage, folder: pipeline.folder }
    return await awaitComponent(`create of source ${stage}`, Promise.resolve(declaration.create(config, context)))
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
