import type { InputExtent, InputFailure, ReadOptions, Source, SourceEvent } from '../component.ts'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError } from '../errors.ts'
import type { ExchangeLayer } from '../network/exchange.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { ALONE } from '../delivery/replicas/replica.ts'
import type { RunningReplica } from '../delivery/replicas/check-replica.ts'
import type { DamagedInput } from '../observe/report.ts'
import type { Chunk } from '../record/chunk.ts'
import type { Clock } from '../clock.ts'
import { awaitComponent } from './await-component.ts'
import { observeRequests } from './observe-requests.ts'
import { observeStore } from './observe-store.ts'
import type { RunInput } from './run-input.ts'
import { readBatches } from './source-stage.ts'
import { idleSource, selectTenants, tenantsOf } from './tenants.ts'

interface SourceInputOptions {
  readonly follow: boolean
  readonly final: boolean
  /** Continue with the next input when one of several inputs cannot be read, or not to its end. */
  readonly keepGoing: boolean
  readonly events: RunEvents
  /** Default: this process collects all tenants. */
  readonly replica?: RunningReplica | undefined
  /** See `ReadOptions`. The clock also dates the commits. */
  readonly clock?: Clock | undefined
  readonly exchange?: ExchangeLayer | undefined
  /** A part of the source is read in place of all of it. */
  readonly part?: {
    readonly extent: InputExtent
    read(source: Source, options: ReadOptions): AsyncIterable<Chunk>
  }
}

/**
 * The input of a run that reads the pipeline's source.
 * @param damaged Filled with the inputs that fail.
 */
export function sourceInput(
  pipeline: CheckedPipeline,
  { follow, final, keepGoing, events, replica, clock, exchange, part }: SourceInputOptions,
  damaged: DamagedInput[],
): RunInput {
  const { type } = pipeline.source.declaration
  const inputFailed = ({ input, line, error }: InputFailure): void => {
    if (!keepGoing) throw error
    const { code, message, hint } = error
    events.note('input.damaged', { input, error: code, reason: message })
    damaged.push({ input, code, message, ...(line !== undefined && { line }), ...(hint !== undefined && { hint }) })
  }
  const isDivided = replica !== undefined && replica.count > 1
  // The state of an archive's reader may be that of any replica.
  const collector = replica ?? (pipeline.source.declaration.tenants && ALONE)
  return {
    commit: { replica: collector, ...(clock && { now: () => clock.now() }) },
    check: () => void (isDivided && tenantsOf(pipeline)),
    isWhole: part === undefined,
    async open({ delivery, paths, intake, stop }) {
      const { note } = events
      const tenants = isDivided ? selectTenants(pipeline, replica, note) : undefined
      const source = tenants?.size === 0 ? idleSource : await createSource(pipeline, events)
      const total = part?.extent ?? source.total?.()
      const extent = await awaitComponent(`total of source ${type}`, Promise.resolve(total))
      const position = (partition: string) => delivery.position(partition)
      const limits = pipeline.limits
      const time = findDedup(pipeline)?.settings.time
      const { declaration } = pipeline.source
      const since = extent?.since
      const batches = readBatches({
        source: part ? { read: (options) => part.read(source, options) } : source,
        type,
        declaration,
        since,
        tenants,
        paths,
        limits,
        follow,
        final,
        time,
        position,
        note: events.noteOf(pipeline.source.stage),
        inputFailed,
        stop,
        intake,
        clock,
        announce: (event) => announce(events, event),
        exchange: observeRequests(events, exchange, clock),
      })
      return { batches, extent }
    },
  }
}

function announce(events: RunEvents, event: SourceEvent): void {
  if (event.type === 'window') events.publish('sluice:source:window', without(event))
  else if (event.type === 'page') events.publish('sluice:source:page', without(event))
  else if (event.type === 'retry') events.publish('sluice:source:retry', without(event))
  else if (event.type === 'wait') events.publish('sluice:source:wait', without(event))
}

function without<Event extends SourceEvent>({ type: _type, ...facts }: Event): Omit<Event, 'type'> {
  return facts
}

/**
 * @param events of the run that reads it
 * @throws SluiceError COMPONENT_LOAD_FAILED, or the error of the source's `create`
 */
export async function createSource(pipeline: CheckedPipeline, events?: RunEvents): Promise<Source> {
  const { declaration, config, stage } = pipeline.source
  try {
    const observeRequest = events && observeStore(events, { stage })
    const { name, folder, renewal } = pipeline
    const context = { pipeline: name, stage, folder, renewal, observeRequest }
    return await awaitComponent(`create of source ${stage}`, Promise.resolve(declaration.create(config, context)))
  } catch (error) {
    throw asSluiceError(error, 'COMPONENT_LOAD_FAILED', `source ${stage} could not be created`)
  }
}
