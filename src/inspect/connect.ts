import type { ObjectSink, SinkDeclaration, StreamSink, ConnectionCheck } from '../component.ts'
import type { CheckedComponent, CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError } from '../errors.ts'

/** What was tried of which component. */
export interface ConnectTrial extends ConnectionCheck {
  /** `source`, `sink` or `rejects`. */
  readonly part: 'source' | 'sink' | 'rejects'
}

/** Tries everything outside of this machine that a run of the pipeline will need, and changes nothing there. */
export async function* connectPipeline(pipeline: CheckedPipeline, signal: AbortSignal): AsyncGenerator<ConnectTrial> {
  const context = { pipeline: pipeline.name, folder: pipeline.folder }
  const { declaration, config, stage } = pipeline.source
  try {
    const source = await declaration.create(config, { ...context, stage })
    for await (const trial of source.connect?.(signal) ?? []) yield { part: 'source', ...trial }
  } catch (error) {
    yield { part: 'source', what: 'to begin', error: asSluiceError(error, 'SOURCE_FAILED', 'the source failed') }
  }
  yield* connectSink('sink', pipeline.sink, context, signal)
  if (pipeline.rejects) yield* connectSink('rejects', pipeline.rejects, context, signal)
}

async function* connectSink(
  part: 'sink' | 'rejects',
  { declaration, config, stage }: CheckedComponent<SinkDeclaration>,
  context: { readonly pipeline: string; readonly folder: string },
  signal: AbortSignal,
): AsyncGenerator<ConnectTrial> {
  let sink: ObjectSink | StreamSink | undefined
  try {
    sink = await declaration.create(config, { ...context, stage })
    if (!('connect' in sink) || sink.connect === undefined) return
    const key = 'key' in config && typeof config['key'] === 'string' ? config['key'] : ''
    for await (const trial of sink.connect(fixedPart(key), signal)) yield { part, ...trial }
  } catch (error) {
    yield { part, what: 'to begin', error: asSluiceError(error, 'SINK_FAILED', 'the sink failed') }
  } finally {
    if (sink !== undefined && 'close' in sink) await sink.close?.()
  }
}

/** The whole segments before the first that differs from record to record. */
function fixedPart(template: string): string {
  const fixed = template.split('{')[0] ?? ''
  return fixed === template ? `${template}/` : fixed.slice(0, fixed.lastIndexOf('/') + 1)
}
