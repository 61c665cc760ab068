import { join } from 'node:path'
import type { Writable } from 'node:stream'
import { openCommit } from '../commit/commit.ts'
import type { DedupOptions, ObjectTarget } from '../commit/commit.ts'
import type { ObjectSink, SinkDeclaration, StreamSink } from '../component.ts'
import type { CheckedComponent, CheckedPipeline } from '../config/pipeline.ts'
import { asSluiceError } from '../errors.ts'
import type { Report } from '../observe/report.ts'
import type { Json, JsonObject } from '../record/json.ts'
import type { Paths } from '../record/path.ts'
import { openStreamDelivery } from './stream-delivery.ts'

/** The far end of a pipeline: takes batches, knows what is committed. */
export interface Delivery {
  /** Key of the digests; undefined where nothing is remembered. */
  readonly hashKey: Buffer | undefined
  position(partition: string): Json | undefined
  writable(): Writable
  totals(): Omit<Report, 'pipeline' | 'outcome' | 'error' | 'bytesIn' | 'startedAt' | 'seconds'>
  close(): Promise<void>
}

interface DeliveryOptions {
  readonly pipeline: CheckedPipeline
  readonly paths: Paths
  readonly stateFolder: string
  readonly stopping: AbortSignal
  note(message: string, facts?: { readonly [name: string]: string | number | boolean }): void
}

/** Opens the sink of a pipeline: object sinks behind epochs and a state, stream sinks as they are. */
export async function openDelivery(options: DeliveryOptions): Promise<Delivery> {
  const { pipeline, note } = options
  const sink = await createSink(pipeline, pipeline.sink)
  if ('write' in sink) return openStreamDelivery({ sink, note })
  const rejects = pipeline.rejects && (await createSink(pipeline, pipeline.rejects))
  const dedup = pipeline.transforms.find(({ declaration }) => declaration.type === 'dedup')
  return openCommit({
    folder: join(options.stateFolder, pipeline.name),
    pipeline: pipeline.name,
    fingerprint: fingerprintOf(pipeline),
    paths: options.paths,
    sink: target(pipeline.sink, sink),
    ...(pipeline.rejects && rejects && { rejects: target(pipeline.rejects, rejects as ObjectSink) }),
    ...(dedup && { dedup: { stage: dedup.stage, ...dedup.config } as unknown as DedupOptions }),
    note,
    stopping: options.stopping,
  })
}

async function createSink(
  pipeline: CheckedPipeline,
  { declaration, config, stage }: CheckedComponent<SinkDeclaration>,
): Promise<ObjectSink | StreamSink> {
  try {
    return await declaration.create(config as never, { pipeline: pipeline.name, stage, folder: pipeline.folder })
  } catch (error) {
    throw asSluiceError(error, 'COMPONENT_LOAD_FAILED', `sink ${stage} could not be created`)
  }
}

/** The fields that every object sink has, `objectFields`, are checked like all others; here they go to the commit. */
function target(
  { declaration, config, stage }: CheckedComponent<SinkDeclaration>,
  sink: ObjectSink | StreamSink,
): ObjectTarget {
  return { ...(config as unknown as ObjectTarget), stage, type: declaration.type, sink: sink as ObjectSink }
}

/** What gives claims of earlier runs their meaning: with another key an old event would not be known again. */
function fingerprintOf({ transforms }: CheckedPipeline): JsonObject {
  const dedup = transforms.find(({ declaration }) => declaration.type === 'dedup')
  if (dedup === undefined) return {}
  const { key, time = null } = dedup.config as { key: string | string[]; time?: string }
  return { dedup: { key: [key].flat(), time } }
}
