import type {
  BatchTransform,
  DuplexTransform,
  FunctionTransform,
  RuleMatches,
  Transform,
  TransformContext,
} from '../component.ts'
import { isCustom } from '../config/component-name.ts'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { StageCounts } from '../observe/report.ts'
import type { Batch } from '../record/batch.ts'
import { Paths } from '../record/paths/path.ts'
import type { Path, Questions } from '../record/paths/path.ts'
import { awaitComponent, CLOSE_TIMEOUT, within } from './await-component.ts'
import { runFunction, type FunctionStage } from './custom-stage.ts'
import type { TransformThreadData } from './parallel/transform-thread.ts'
import type { TransformThreads } from './parallel/transform-threads.ts'
import { runDuplex } from './duplex-stage.ts'
import { NewMembers } from './new-members.ts'
import type { Bring } from './new-members.ts'
import { observeStage } from './observe-stage.ts'
import { tapStage } from './tap/taps.ts'
import type { Taps } from './tap/taps.ts'

/** One transform of a pipeline, ready to run. */
export interface Stage {
  readonly name: string
  readonly type: string
  /** How many batches may be under way at once. Default: 1. */
  readonly lookahead?: number
  /** Usually the same batch, changed in place; several when it grew too large. */
  run(batch: Batch): Batch[] | Promise<Batch[]>
  /** See `BatchTransform.ruleMatches`. */
  ruleMatches?(): readonly RuleMatches[]
  /** See `BatchTransform.counts`. */
  counts?(): StageCounts['counts']
  /** Waits for a call that is under way. */
  close(): Promise<void>
}

/** How many values a rule of a stage has matched. */
export interface StageRule extends RuleMatches {
  readonly stage: string
}

/**
 * Built-in transforms that runs of one pipeline share, one run after the other: what they compile, and
 * what V8 makes of that, is kept. Custom ones are made for each run, since they may be closed with it.
 */
export class SharedTransforms {
  readonly paths = new Paths()
  readonly #made = new Map<string, MadeTransform>()

  get(stage: string): MadeTransform | undefined {
    return this.#made.get(stage)
  }

  add(stage: string, made: MadeTransform): void {
    if (typeof made[0] === 'object' && !('close' in made[0])) this.#made.set(stage, made)
  }
}

/** A transform, and what it asked when it was made. */
type MadeTransform = readonly [Transform, Questions]

interface BuildOptions {
  readonly paths: Paths
  /** Its paths are `paths`. */
  readonly shared?: SharedTransforms | undefined
  /** Key of the digests; from the state, so that they mean the same in every run. */
  readonly hashKey: Buffer | undefined
  /** Added to the context of every transform. */
  readonly context?: Partial<TransformContext> | undefined
  /** True: custom transforms with `parallel` above 1 run in threads. Otherwise they run in this one. */
  readonly threads?: boolean
  /** Where the batches of each stage can be looked at. Default: nowhere. */
  readonly taps?: Taps | undefined
  /** What the run publishes: its log, and the batches of each stage. Default: nothing. */
  readonly events?: RunEvents | undefined
}

/**
 * Makes the transforms of a pipeline, in order. If one of them cannot be made, the others are closed.
 * @throws SluiceError COMPONENT_LOAD_FAILED when a component's `create` throws
 */
export async function buildStages(pipeline: TransformsOf, options: BuildOptions): Promise<Stage[]> {
  const newMembers = new NewMembers(options.paths)
  const stages: Stage[] = []
  try {
    await addStages(stages, pipeline, { ...options, newMembers })
  } catch (error) {
    await Promise.allSettled(closeStages(stages))
    throw error
  }
  const { events, taps } = options
  const tapped = taps ? stages.map((stage, position) => tapStage(stage, position, taps)) : stages
  // Observed from outside: the time of a stage includes that of its taps.
  const observed = events ? tapped.map((stage, position) => observeStage(stage, position, events)) : tapped
  return stages.length === 0 ? [] : withDelivery(observed, newMembers)
}

type TransformsOf = Pick<CheckedPipeline, 'name' | 'folder' | 'transforms'>

async function addStages(
  stages: Stage[],
  pipeline: TransformsOf,
  {
    paths,
    shared,
    hashKey,
    context: added,
    threads = false,
    events,
    newMembers,
  }: BuildOptions & { newMembers: NewMembers },
): Promise<void> {
  const dedup = findDedup(pipeline)
  /** Threads start while the transforms after them are created. */
  const starting: Promise<void>[] = []
  for (const { declaration, config, stage } of pipeline.transforms) {
    const ending = new AbortController()
    const note = events?.noteOf(stage)
    const context = {
      pipeline: pipeline.name,
      folder: pipeline.folder,
      stage,
      paths,
      path: (text: string): Path => paths.add(text),
      signal: ending.signal,
      ...(note && { note }),
      ...(hashKey && { hashKey }),
      ...added,
    }
    try {
      const { parallel } = config
      if (threads && isCustom(declaration.type) && typeof parallel === 'number' && parallel > 1) {
        const data: TransformThreadData = {
          type: declaration.type,
          config,
          pipeline: pipeline.name,
          stage,
          folder: pipeline.folder,
          root: process.cwd(),
          hashKey,
          isRedacted: added?.isRedacted,
          ...failureOptions(config),
        }
        const bring = newMembers.before(READS_ALL)
        const { started, ...made } = await parallelStage(data, { count: parallel, bring, note })
        stages.push(made)
        starting.push(started)
        continue
      }
      const create = () =>
        awaitComponent(`create of transform ${stage}`, Promise.resolve(declaration.create(config, context)))
      const made = shared?.get(stage) ?? (await paths.collect(create))
      const [transform, asked] = made
      if (!isCustom(declaration.type)) shared?.add(stage, made)
      const rebuilds = isCustom(declaration.type) || !('batch' in transform) || transform.rebuilds === true
      const bring = newMembers.before({ ...asked, readsAll: asked.readsAll || rebuilds })
      newMembers.add(declaration.shape?.(config).writes ?? [])
      const number = stages.push(
        toStage(transform, { stage, type: declaration.type, bring, ending, ...failureOptions(config) }),
      )
      if (isUntied(transform) && dedup && dedup.index + 1 < number) throw afterDedup(stage, dedup.stage)
    } catch (error) {
      throw asSluiceError(error, 'COMPONENT_LOAD_FAILED', `transform ${stage} could not be created`)
    }
  }
  await Promise.all(starting)
}

/** Closes all stages, and waits for none of them without a limit. */
export function closeStages(stages: readonly Stage[]): Promise<void>[] {
  return stages.map((stage) => within(CLOSE_TIMEOUT, `close of transform ${stage.name}`, stage.close()))
}

/** Runs batches in memory through stages, without a stream. */
export async function throughAll(stages: readonly Stage[], opened: readonly Batch[]): Promise<Batch[]> {
  let batches = [...opened]
  for (const stage of stages) {
    const results: Batch[] = []
    for (const batch of batches) results.push(...(await stage.run(batch)))
    batches = results
  }
  return batches
}

function isUntied(transform: Transform): boolean {
  return 'duplex' in transform || ('isUntied' in transform && transform.isUntied === true)
}

/** Records that are not tied to their input would have no dedup key. */
function afterDedup(stage: string, dedup: string): SluiceError {
  return new SluiceError(
    'CONFIG_INVALID',
    `transform ${stage} is after ${dedup}, but its output is not tied to its input`,
    {
      hint: `its output has no dedup key: move ${dedup} after ${stage}`,
    },
  )
}

/** The matches of each rule of each stage so far. */
export function ruleMatchesOf(stages: readonly Stage[]): StageRule[] {
  return stages.flatMap((stage) => (stage.ruleMatches?.() ?? []).map((found) => ({ stage: stage.name, ...found })))
}

/** What each stage has counted so far. */
export function countsOf(stages: readonly Stage[]): StageCounts[] {
  return stages.flatMap((stage) => (stage.counts ? [{ stage: stage.name, counts: stage.counts() }] : []))
}

/**
 * `onError` and `concurrency`, which every custom transform understands; built-ins have no use for
 * them.
 */
function failureOptions({ onError, concurrency }: { readonly [key: string]: unknown }): Omit<FunctionStage, 'stage'> {
  return {
    onError: onError === 'stop' ? 'stop' : 'reject',
    ...(typeof concurrency === 'number' && { concurrency }),
  }
}

/** Custom code may read and write any member. */
const READS_ALL: Questions = { paths: new Set(), readsAll: true }

async function parallelStage(
  data: TransformThreadData,
  { count, bring, note }: { readonly count: number; readonly bring: Bring; readonly note: TransformContext['note'] },
): Promise<Stage & Pick<TransformThreads, 'started'>> {
  const { startTransformThreads } = await import('./parallel/transform-threads.ts')
  const pool = startTransformThreads({ count, data, note })
  const started = awaitComponent(`create of transform ${data.stage}`, pool.started)
  // It is waited for when all transforms are created, unless one of them fails first.
  started.catch(() => undefined)
  return {
    started,
    name: data.stage,
    type: data.type,
    // In each thread one that it works on and one that waits, and one that waits for its turn to leave.
    lookahead: 3 * count,
    run: (batch) => {
      if (batch.count === 0) return [batch]
      bring(batch)
      return pool.run(batch)
    },
    close: () => pool.close(),
  }
}

interface StageParts extends FunctionStage {
  readonly type: string
  /** Brings new members into the bytes, if the stage may ask for one. */
  readonly bring: Bring
  /** Aborted when the stage is closed during a call. */
  readonly ending: AbortController
}

function toStage(transform: Transform, { type, bring, ending, ...options }: StageParts): Stage {
  const run = runner(transform, options)
  let running: Promise<Batch[]> | undefined
  let isRunning = false
  return {
    name: options.stage,
    type,
    run: (batch) => {
      if (batch.count === 0) return [batch]
      bring(batch)
      const made = run(batch)
      if (!(made instanceof Promise)) return made
      isRunning = true
      running = awaitComponent(`transform ${options.stage}`, made).finally(() => (isRunning = false))
      return running
    },
    ...(typeof transform === 'object' && 'batch' in transform && { ruleMatches: matchesSinceNow(transform) }),
    ...(typeof transform === 'object' &&
      'counts' in transform &&
      transform.counts && { counts: countsSinceNow(transform) }),
    close: async () => {
      if (isRunning) ending.abort(new SluiceError('INTERRUPTED', 'the run is over'))
      if (typeof transform !== 'object' || !('close' in transform)) return
      // A stream that is destroyed does not wait for the call that is under way.
      await running?.catch(() => undefined)
      await awaitComponent(`close of transform ${options.stage}`, Promise.resolve(transform.close?.()))
    },
  }
}

/** Before the first stage and after the last one, `newMembers` looks at what the delivery needs. */
function withDelivery(stages: readonly Stage[], newMembers: NewMembers): Stage[] {
  let isStarted = false
  const deliver = (batches: Batch[]): Batch[] => {
    for (const batch of batches) newMembers.deliver(batch)
    return batches
  }
  return stages.map((stage, at) => ({
    ...stage,
    run: (batch) => {
      if (!isStarted) newMembers.start()
      isStarted = true
      const made = stage.run(batch)
      if (at + 1 < stages.length) return made
      return made instanceof Promise ? made.then(deliver) : deliver(made)
    },
  }))
}

/** A shared transform counts on from run to run. */
function matchesSinceNow(transform: BatchTransform): () => RuleMatches[] {
  const before = (transform.ruleMatches?.() ?? []).map(({ matches }) => matches)
  return () =>
    (transform.ruleMatches?.() ?? []).map((found, at) => ({ ...found, matches: found.matches - (before[at] ?? 0) }))
}

/** As `matchesSinceNow`. */
function countsSinceNow(transform: BatchTransform): () => StageCounts['counts'] {
  const before = { ...transform.counts?.() }
  return () =>
    Object.fromEntries(
      Object.entries(transform.counts?.() ?? {}).map(([name, count]) => [name, count - (before[name] ?? 0)]),
    )
}

function runner(transform: Transform, options: FunctionStage): (batch: Batch) => Batch[] | Promise<Batch[]> {
  if (typeof transform === 'function') return (batch) => runFunction(batch, { transform }, options)
  if ('batch' in transform) {
    return (batch) => {
      const made = transform.batch(batch)
      return made instanceof Promise ? made.then((batches) => batches ?? [batch]) : (made ?? [batch])
    }
  }
  if ('duplex' in transform) return (batch) => runDuplex(batch, transform satisfies DuplexTransform, options)
  return (batch) => runFunction(batch, transform satisfies FunctionTransform, options)
}
