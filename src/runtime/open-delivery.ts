import { openCommit } from '../delivery/open-commit.ts'
import type { objectFields } from '../fields/object-fields.ts'
import type { ControlRequests } from '../delivery/control/control-requests.ts'
import type { CommitOptions, ObjectTarget } from '../delivery/commit-options.ts'
import type { Config, ObjectSink, StreamSink } from '../component.ts'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedPipeline, CheckedSink } from '../config/pipeline.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import { othersIn } from '../files.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { Note } from '../observe/messages/table.ts'
import type { Paths } from '../record/paths/path.ts'
import { keyDefinitionOf } from './key-definition.ts'
import { openStreamDelivery } from '../delivery/stream.ts'
import type { Delivery } from '../delivery/delivery.ts'
import { routesOf } from './routes.ts'
import { awaitComponent, awaitMethods } from './await-component.ts'
import { REJECTS } from '../delivery/state/rows.ts'
import { observeStore } from './observe-store.ts'

export type OpenDelivery = (options: DeliveryOptions) => Promise<Delivery>

interface DeliveryOptions {
  readonly pipeline: CheckedPipeline
  readonly paths: Paths
  /** The pipeline's own. */
  readonly stateFolder: string
  readonly stopping: AbortSignal
  readonly events: RunEvents
  readonly control?: ControlRequests | undefined
  readonly note: Note
  /** A stream of the program may keep batches: their memory cannot be used again. */
  readonly keepsBatches: boolean
  /** Replaces options of the commit; ignored for a stream sink. */
  readonly commit?: Partial<CommitOptions> | undefined
}

/**
 * Opens the delivery of a pipeline: with epochs, outbox and state for an object sink, without state
 * for a stream sink.
 */
export async function openDelivery(options: DeliveryOptions): Promise<Delivery> {
  const { pipeline, note, events } = options
  const [{ declaration }] = pipeline.sinks
  if (declaration.delivers === 'objects') return openCommit(await commitOptions(options))
  const sink = await createSink(pipeline, { ...pipeline.sinks[0], events })
  if (!('write' in sink)) throw new SluiceError('INTERNAL', `${pipeline.sinks[0].stage} does not write a stream`)
  const reusesOutput = declaration.reusesBuffers === true
  return openStreamDelivery({ sink, events, note, releasesBatches: releasesBatches(options), reusesOutput })
}

/**
 * The options of the commit of a pipeline with object sinks. Creates the sinks: whoever gets the
 * options closes them.
 * @throws SluiceError UNSUPPORTED if the pipeline's sink is a stream
 */
export async function commitOptions(options: DeliveryOptions): Promise<CommitOptions> {
  const { pipeline } = options
  const targets = await openObjectSinks(pipeline, options.events)
  const sinks = targets.filter(({ name }) => name !== REJECTS)
  const rejects = targets.find(({ name }) => name === REJECTS)
  for (const { sink } of targets) await reportReaders(sink.folder, options.note)
  const dedup = findDedup(pipeline)
  return {
    folder: options.stateFolder,
    pipeline: pipeline.name,
    keys: await keyDefinitionOf(pipeline),
    paths: options.paths,
    sinks,
    routes: pipeline.routes && (await routesOf(pipeline.routes)),
    rejects,
    localRejectBytes: pipeline.rejectOptions.local,
    unparsed: pipeline.rejectOptions.unparsed,
    dedup: dedup && { stage: dedup.stage, within: dedup.settings.within, memory: dedup.settings.memory },
    secrets: pipeline.secrets,
    events: options.events,
    control: options.control,
    readUpTo: readUpTo(pipeline),
    reads: partitionsOf(pipeline),
    note: options.note,
    stopping: options.stopping,
    releasesBatches: releasesBatches(options),
    ...options.commit,
  }
}

/** The event time up to which a committed position has read, if the source knows it. */
function readUpTo({ source: { declaration } }: CheckedPipeline): CommitOptions['readUpTo'] {
  return ({ partition, position }) =>
    partition.startsWith(`${declaration.type}:`) ? declaration.describePosition?.(position).readUpTo : undefined
}

/** True for a source partition that the pipeline reads. Others are of tenants that it had once, or of an archive. */
function partitionsOf({ source: { declaration, config } }: CheckedPipeline): CommitOptions['reads'] {
  const prefix = `${declaration.type}:`
  let tenants: ReadonlySet<string> | undefined
  return (partition) => {
    if (declaration.tenants) tenants ??= new Set(declaration.tenants(config))
    return partition.startsWith(prefix) && tenants?.has(partition.slice(prefix.length)) !== false
  }
}

function releasesBatches({ pipeline, keepsBatches }: DeliveryOptions): boolean {
  return !keepsBatches && pipeline.transforms.every(({ declaration }) => declaration.reusesBuffers === true)
}

/**
 * The object sinks of a pipeline, `rejects` last. Close each of them.
 * @param events of the run that writes to them
 * @throws SluiceError UNSUPPORTED if the pipeline's sink is a stream
 */
export async function openObjectSinks(pipeline: CheckedPipeline, events?: RunEvents): Promise<ObjectTarget[]> {
  const { sinks, rejects } = pipeline
  const stream = sinks.find(({ declaration }) => declaration.delivers !== 'objects')
  if (stream) throw new SluiceError('UNSUPPORTED', `the sink ${stream.stage} is a stream and has no objects`)
  const opened: ObjectTarget[] = []
  for (const component of [...sinks, ...(rejects ? [{ ...rejects, name: REJECTS }] : [])]) {
    opened.push(targetOf(component, await createSink(pipeline, { ...component, events })))
  }
  return opened
}

/** The folder is the user's own, so its rights stay. New files in it are private all the same. */
async function reportReaders(folder: string | undefined, note: Note): Promise<void> {
  if (folder === undefined) return
  const problem = await othersIn(folder)
  if (problem !== undefined) note('sink.folder', { problem, folder })
}

/** @throws SluiceError COMPONENT_LOAD_FAILED, or the error of the sink's `create` */
async function createSink(
  pipeline: CheckedPipeline,
  { declaration, config, stage, name, events }: CheckedSink & { readonly events: RunEvents | undefined },
): Promise<ObjectSink | StreamSink> {
  try {
    const observeRequest = events && observeStore(events, { stage, sink: name })
    const context = { pipeline: pipeline.name, stage, folder: pipeline.folder, observeRequest }
    const sink = await awaitComponent(`create of sink ${stage}`, Promise.resolve(declaration.create(config, context)))
    requireMethods(sink, declaration.delivers === 'stream' ? ['write', 'flush'] : ['destination', 'publish'])
    return awaitMethods(`sink ${stage}`, sink)
  } catch (error) {
    throw asSluiceError(error, 'COMPONENT_LOAD_FAILED', `sink ${stage} could not be created`)
  }
}

/** Custom code without types: a missing method is found before anything is read. */
function requireMethods(sink: object, names: readonly string[]): void {
  const missing = names.filter((name) => typeof Reflect.get(sink, name) !== 'function')
  if (missing.length > 0) throw new TypeError(`its create returned an object without ${missing.join(' and ')}`)
}

/** The options of `objectFields` are for the commit; the others are the sink's own. */
function targetOf(component: CheckedSink, sink: ObjectSink | StreamSink): ObjectTarget {
  const { declaration, stage, name } = component
  if ('write' in sink) throw new SluiceError('INTERNAL', `${stage} does not publish objects`)
  return { ...configAs<Config<typeof objectFields>>(component), name, stage, type: declaration.type, sink }
}

/** Types a checked configuration as its declaration does: the check has converted it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters
function configAs<Fields>(component: { readonly config: unknown }): Fields {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  return component.config as Fields
}
