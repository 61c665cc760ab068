import type { ObjectSink, SinkDeclaration, StreamSink, ConnectionCheck } from '../component.ts'
import type { CheckedComponent, CheckedPipeline } from '../config/pipeline.ts'
import { fixedFolder } from '../delivery/outbox/partitioner.ts'
import { asSluiceError } from '../errors.ts'
import { parseKeyTemplate } from '../fields/key-template.ts'
import { anySignal } from '../signals.ts'
import { MINUTE } from '../time.ts'

/** A connection check, with the part of the pipeline that it belongs to. */
export interface PipelineConnectionCheck extends ConnectionCheck {
  /** `source`, `rejects`, `sink`, or the name of a sink. */
  readonly part: string
}

/** Checks every external system that a run of the pipeline needs. Leaves no traces there. */
export async function* checkConnections(
  pipeline: CheckedPipeline,
  signal: AbortSignal,
): AsyncGenerator<PipelineConnectionCheck> {
  const context = { pipeline: pipeline.name, folder: pipeline.folder }
  const { declaration, config, stage } = pipeline.source
  try {
    const source = await declaration.create(config, { ...context, stage })
    for await (const check of source.connect?.(signal) ?? []) yield { part: 'source', ...check }
  } catch (error) {
    yield { part: 'source', what: 'start', error: asSluiceError(error, 'SOURCE_FAILED', 'the source failed') }
  }
  for (const sink of pipeline.sinks) yield* checkSinkConnection(sink.name, sink, context, signal)
  if (pipeline.rejects) yield* checkSinkConnection('rejects', pipeline.rejects, context, signal)
}

async function* checkSinkConnection(
  part: string,
  { declaration, config, stage }: CheckedComponent<SinkDeclaration>,
  context: { readonly pipeline: string; readonly folder: string },
  signal: AbortSignal,
): AsyncGenerator<PipelineConnectionCheck> {
  let sink: ObjectSink | StreamSink | undefined
  try {
    sink = await declaration.create(config, { ...context, stage })
    if (!('connect' in sink) || sink.connect === undefined) return
    const key = 'key' in config && typeof config['key'] === 'string' ? config['key'] : ''
    const folder = fixedFolder(parseKeyTemplate(key), context.pipeline)
    const limited = anySignal(signal, AbortSignal.timeout(SINK_LIMIT))
    for await (const check of sink.connect(folder, limited)) yield { part, ...check }
  } catch (error) {
    yield { part, what: 'start', error: asSluiceError(error, 'SINK_FAILED', 'the sink failed') }
  } finally {
    if (sink !== undefined && 'close' in sink) await sink.close?.()
  }
}

/** A person waits for the check. In milliseconds; also the limit of a source's check. */
const SINK_LIMIT = MINUTE
