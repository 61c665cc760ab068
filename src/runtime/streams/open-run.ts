import { resolve } from 'node:path'
import type { Writable } from 'node:stream'
import { checkWritten } from '../../config/written.ts'
import type { CheckedPipeline } from '../../config/pipeline.ts'
import type { Delivery } from '../../delivery/delivery.ts'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { DamagedInput, Report } from '../../observe/report.ts'
import { Batch } from '../../record/batch.ts'
import type { End } from '../../record/batch.ts'
import { emptyBatch } from '../../record/open-batches.ts'
import { Paths } from '../../record/paths/path.ts'
import { defaultLimits } from '../../record/scan.ts'
import { CLOSE_TIMEOUT, within } from '../await-component.ts'
import { Intake } from '../intake.ts'
import { openDelivery } from '../open-delivery.ts'
import { controlRun } from '../control-run.ts'
import type { RunControl } from '../control-run.ts'
import type { RunInput } from '../run-input.ts'
import { describeError, hideInReport, inputsDamaged, noteUnmatched } from '../run-report.ts'
import { sourceInput } from '../source-input.ts'
import { openTraces } from '../../observe/traces/open-traces.ts'
import { publishEnd, publishStart } from '../publish-run.ts'
import { tapHandler } from '../tap/tap-handler.ts'
import { Taps } from '../tap/taps.ts'
import { buildStages, closeStages, countsOf, ruleMatchesOf } from '../transform-stages.ts'
import type { Stage } from '../transform-stages.ts'
import { isWritten, setWiring, Wiring } from './wiring.ts'
import type { OpenPipeline, Part, RunSettings, SinkSettings, SourcePart } from './wiring.ts'
import type { WrittenComponent } from '../../config/written.ts'

/** The wiring of a pipeline that begins with this source, and the batch that carries it. */
export function openWiring(source: SourcePart, settings: RunSettings): { wiring: Wiring; opening: Batch } {
  const paths = settings.shared?.paths ?? new Paths()
  const wiring = new Wiring({ settings, paths, intake: settings.intake ?? new Intake(settings.events), source })
  const opening = emptyBatch({ paths, limits: defaultLimits })
  setWiring(opening, wiring)
  return { wiring, opening }
}

/**
 * Checks the pipeline that the opening batch has passed, and opens its delivery.
 * @throws SluiceError as of the check, of the state and of the sinks
 */
export async function openRun(wiring: Wiring, sink: SinkSettings): Promise<OpenPipeline> {
  const { settings } = wiring
  const startedAt = new Date()
  const stateFolder = stateFolderOf(sink.state, settings.folder)
  const pipeline = settings.pipeline ?? (await checkParts(wiring, sink, stateFolder))
  if (stateFolder !== undefined) await own(stateFolder, wiring)
  pipeline.secrets.hold()
  settings.events.pipeline = pipeline.name
  const taps = new Taps()
  const { events, stop } = settings
  const controlled = controlRun({ events, stop, control: settings.control, tap: tapHandler(pipeline, taps) })
  await openTraces()
  publishStart(events, pipeline)
  try {
    // A stream sink has no state.
    return await openParts(wiring, { pipeline, stateFolder: stateFolder ?? '', startedAt, controlled, taps })
  } catch (error) {
    const { code, message } = asSluiceError(error, 'INTERNAL', `pipeline ${pipeline.name} failed`)
    const seconds = secondsSince(startedAt)
    events.publish('sluice:run:end', { outcome: 'failed', code, reason: message, seconds })
    controlled.close()
    pipeline.secrets.drop()
    throw error
  }
}

async function openParts(
  wiring: Wiring,
  parts: Pick<RunParts, 'pipeline' | 'stateFolder' | 'startedAt' | 'controlled' | 'taps'>,
): Promise<Run> {
  const { settings, paths } = wiring
  const { pipeline, stateFolder, controlled } = parts
  const damaged: DamagedInput[] = []
  const input = settings.input ?? sourceInput(pipeline, settings, damaged)
  input.check?.(stateFolder)
  const open = settings.openDelivery ?? openDelivery
  const delivery = await open({
    pipeline,
    paths,
    stateFolder,
    stopping: settings.stop,
    events: settings.events,
    note: settings.events.note,
    keepsBatches: !wiring.isDirect,
    control: controlled.control,
    commit: input.commit,
  })
  return new Run({ ...parts, wiring, input, delivery, damaged })
}

/**
 * The pipelines of this process by their state folders. `pipeline` may reject before its sink is closed:
 * who runs it again must wait, and not fail with STATE_IN_USE.
 */
const owners = new Map<string, Wiring>()

async function own(stateFolder: string, wiring: Wiring): Promise<void> {
  for (let owner = owners.get(stateFolder); owner?.isClosing; owner = owners.get(stateFolder)) await owner.closed
  // Another pipeline of this process owns it: the state will refuse this one.
  if (owners.has(stateFolder)) return
  owners.set(stateFolder, wiring)
  void wiring.closed.then(() => owners.delete(stateFolder))
}

interface RunParts {
  readonly wiring: Wiring
  readonly pipeline: CheckedPipeline
  readonly stateFolder: string
  readonly input: RunInput
  readonly delivery: Delivery
  /** Filled with the inputs that fail. */
  readonly damaged: DamagedInput[]
  readonly startedAt: Date
  readonly controlled: RunControl
  readonly taps: Taps
}

class Run implements OpenPipeline {
  stages: readonly Stage[] = []
  end: End | undefined
  readonly #parts: RunParts
  #error: SluiceError | undefined
  #seconds: number | undefined

  constructor(parts: RunParts) {
    this.#parts = parts
  }

  async createStages(): Promise<void> {
    const { pipeline, wiring, delivery, input, taps } = this.#parts
    this.stages = await buildStages(pipeline, {
      paths: wiring.paths,
      shared: wiring.settings.shared,
      hashKey: delivery.hashKey,
      context: input.context,
      taps,
      events: wiring.settings.events,
      threads: wiring.settings.threads ?? true,
    })
  }

  isBatch(chunk: unknown): chunk is Batch {
    return chunk instanceof Batch
  }

  writable(): Writable {
    return this.#parts.delivery.writable()
  }

  async read(stop: AbortSignal): Promise<AsyncIterable<Batch>> {
    const { wiring, pipeline, input, stateFolder, delivery } = this.#parts
    const { settings, paths, intake } = wiring
    const { events } = settings
    const { batches, extent } = await input.open({
      stateFolder,
      delivery,
      stages: this.stages,
      paths,
      limits: pipeline.limits,
      intake,
      events,
      stop,
    })
    events.publish('sluice:source:open', { totalBytes: extent?.bytes, since: extent?.since })
    return batches
  }

  failure(): SluiceError | null {
    const { damaged } = this.#parts
    if (this.end === undefined) {
      return new SluiceError('LEDGER_MISMATCH', "the stream ended without the source's end: a stage returned early")
    }
    if (this.end.kind === 'failed') return asSluiceError(this.end.error, 'SOURCE_FAILED', 'the source failed')
    return this.end.kind === 'done' && damaged.length > 0 ? inputsDamaged(damaged.length) : null
  }

  async close(reason: Error | null): Promise<Error | null> {
    const { pipeline, input, delivery, wiring } = this.#parts
    wiring.settings.closing?.()
    const closed = await Promise.allSettled([
      ...closeStages(this.stages),
      within(CLOSE_TIMEOUT, `close of sink ${pipeline.sinks.map(({ stage }) => stage).join(', ')}`, delivery.close()),
    ])
    const failed = closed.find((result) => result.status === 'rejected')
    const failure = reason ?? (failed ? asSluiceError(failed.reason, 'INTERNAL', 'closing failed') : null)
    this.#error = failure === null ? undefined : asSluiceError(failure, 'INTERNAL', `pipeline ${pipeline.name} failed`)
    this.#seconds = secondsSince(this.#parts.startedAt)
    pipeline.secrets.drop()
    if (delivery.totals().read > 0 && input.isWhole !== false)
      noteUnmatched(ruleMatchesOf(this.stages), wiring.settings.events.note)
    publishEnd(wiring.settings.events, this.report())
    this.#parts.controlled.close()
    return failure
  }

  report(): Report {
    const { pipeline, delivery, damaged, wiring, startedAt } = this.#parts
    const isClosed = this.#error?.code === 'SINK_CLOSED'
    const failure = isClosed ? undefined : this.#error
    return hideInReport({
      pipeline: pipeline.name,
      outcome: isClosed ? 'closed' : this.#outcome(failure),
      ...(failure && { error: describeError(failure) }),
      ...(damaged.length > 0 && { damaged }),
      ...delivery.totals(),
      rules: ruleMatchesOf(this.stages),
      counts: countsOf(this.stages),
      unfinished: wiring.intake.unfinished,
      bytesIn: wiring.intake.bytes,
      startedAt: startedAt.toISOString(),
      seconds: this.#seconds ?? secondsSince(startedAt),
    })
  }

  #outcome(failure: SluiceError | undefined): Report['outcome'] {
    if (failure?.code === 'INPUTS_DAMAGED') return 'incomplete'
    return failure ? 'failed' : (this.end?.kind ?? 'done')
  }
}

function checkParts(
  { settings, source, transforms }: Wiring,
  sink: SinkSettings,
  state: string | undefined,
): Promise<CheckedPipeline> {
  const { folder, limits, allowRepeats } = settings
  return checkWritten({
    source: written(source),
    transforms: transforms.map(written),
    sink: written(sink.part),
    rejects: sink.rejects,
    state,
    folder,
    limits,
    allowRepeats,
  })
}

function written(part: Part<unknown>): WrittenComponent {
  if (isWritten(part)) return part
  throw new SluiceError('INTERNAL', `stage ${part.stage} is checked, but the pipeline is not`)
}

function stateFolderOf(state: unknown, folder: string): string | undefined {
  if (state === undefined) return undefined
  if (typeof state === 'string' && state !== '') return resolve(folder, state)
  throw new SluiceError('CONFIG_INVALID', 'state of the sink must be the path of a folder', {
    hint: "for example state: '.sluice/audit'",
  })
}

function secondsSince(start: Date): number {
  return (Date.now() - start.getTime()) / 1000
}
