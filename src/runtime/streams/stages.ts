import { resolve } from 'node:path'
import type { Readable, Transform, Writable } from 'node:stream'
import type { SinkDeclaration, SourceDeclaration, TransformDeclaration } from '../../component.ts'
import type { CheckedComponent } from '../../config/pipeline.ts'
import type { WrittenComponent } from '../../config/written.ts'
import { RunEvents } from '../../observe/bus/run-events.ts'
import type { Report } from '../../observe/report.ts'
import { anySignal } from '../../signals.ts'
import type { PipelineOptions, SinkConfig, SourceConfig, TransformConfig } from './config.ts'
import { SinkStream } from './sink-stream.ts'
import { SourceStream } from './source-stream.ts'
import { TransformStream } from './transform-stream.ts'
import { isWritten } from './wiring.ts'
import type { Part, RunSettings } from './wiring.ts'

/** A sink as a stream, with the report of the pipeline that it ends. */
export interface SinkWritable extends Writable {
  /**
   * What the pipeline has done so far; complete when the stream is closed, also after a failure.
   * Undefined until the pipeline is checked and open.
   */
  report(): Report | undefined
}

/** What a pipeline that was checked before brings with it. */
type CheckedOptions = Partial<
  Pick<
    RunSettings,
    | 'pipeline'
    | 'input'
    | 'openDelivery'
    | 'replica'
    | 'shared'
    | 'threads'
    | 'events'
    | 'control'
    | 'intake'
    | 'clock'
    | 'exchange'
    | 'closing'
  >
>

/**
 * The source of a pipeline: a stream of batches, for `pipeline` of `node:stream/promises`. It begins to
 * read when the sink has checked and opened the pipeline, at the positions that the last run has
 * committed. All problems of the configuration reject the pipeline with one CONFIG_INVALID.
 */
export function source(
  config: SourceConfig | CheckedComponent<SourceDeclaration>,
  options: PipelineOptions & CheckedOptions = {},
): Readable {
  return new SourceStream(partOf(config), {
    pipeline: options.pipeline,
    input: options.input,
    openDelivery: options.openDelivery,
    replica: options.replica,
    shared: options.shared,
    threads: options.threads,
    events: options.events ?? new RunEvents(),
    control: options.control,
    intake: options.intake,
    clock: options.clock,
    exchange: options.exchange,
    closing: options.closing,
    log: options.log,
    limits: options.limits,
    allowRepeats: options.allowRepeats,
    folder: resolve(options.folder ?? ''),
    follow: options.follow ?? false,
    final: options.final ?? false,
    keepGoing: options.keepGoing ?? false,
    // A signal of this pipeline: a program may share its own among many, and each listener counts there.
    stop: anySignal(...(options.signal ? [options.signal] : [])),
  })
}

/** A transform of a pipeline: a stream of batches in and out. */
export function transform(config: TransformConfig | CheckedComponent<TransformDeclaration>): Transform {
  const part = partOf<TransformDeclaration>(config)
  return new TransformStream(part, `transform ${nameOf(part)}`)
}

/**
 * The sink of a pipeline: a stream that takes batches. It finishes when all records are committed and
 * published. It fails when the source has failed, after everything that was read is committed.
 * @param options `state` as in the configuration, for a sink that was checked before
 */
export function sink(
  config: SinkConfig | CheckedComponent<SinkDeclaration>,
  options: { readonly state?: string } = {},
): SinkWritable {
  const part = partOf<SinkDeclaration>(config)
  const place = `sink ${nameOf(part)}`
  if (!isWritten(part)) return new SinkStream({ part, state: options.state, rejects: undefined }, place)
  const { state, rejects, ...own } = part.options
  return new SinkStream({ part: { ...part, options: own }, state, rejects }, place)
}

function partOf<Declared>(config: unknown): Part<Declared> {
  if (typeof config === 'function') return { type: config, options: {} }
  if (typeof config !== 'object' || config === null) return { type: undefined, options: {} }
  if (isChecked<Declared>(config)) return config
  if ('create' in config && 'kind' in config) return { type: config, options: {} }
  const { type, ...options }: { readonly [option: string]: unknown } = { ...config }
  return { type, options }
}

function isChecked<Declared>(config: object): config is CheckedComponent<Declared> {
  return 'declaration' in config && 'stage' in config
}

/** For messages, before the pipeline is checked. */
function nameOf(part: Part<{ readonly type: string }>): string {
  if (!isWritten(part)) return part.stage
  const { type }: WrittenComponent = part
  if (typeof type === 'string') return type
  if (typeof type === 'function') return type.name
  return typeof type === 'object' && type !== null && 'type' in type && typeof type.type === 'string' ? type.type : ''
}
