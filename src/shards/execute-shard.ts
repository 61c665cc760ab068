import type { ReadOptions, Source, SourcePart } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { openShardDelivery } from '../delivery/shards/shard-delivery.ts'
import type { ShardDelivery } from '../delivery/shards/shard-delivery.ts'
import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'
import { SluiceError } from '../errors.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { plural } from '../observe/report.ts'
import type { DamagedInput } from '../observe/report.ts'
import type { Chunk } from '../record/chunk.ts'
import type { Json } from '../record/json/json.ts'
import type { Intake } from '../runtime/intake.ts'
import { commitOptions } from '../runtime/open-delivery.ts'
import { runPipeline } from '../runtime/run.ts'
import { sourceInput } from '../runtime/source-input.ts'
import type { SharedTransforms } from '../runtime/transform-stages.ts'
import { unqualified } from './qualified-parts.ts'
import { sumWork } from './shard-work.ts'

export interface ExecuteShardOptions {
  /** Secret of the dedup digests: that of the coordinator's state. */
  readonly hashKey: Buffer
  /** Of the coordinator's state; part of object names. */
  readonly generation: string
  /** Existing folder for the files of the objects. */
  readonly folder: string
  /** Of this thread: it executes one shard of the pipeline after the other. */
  readonly shared?: SharedTransforms
  /** See `TransformContext.files`. */
  readonly files?: ReadonlyMap<string, string>
  readonly final: boolean
  /** See `SourceInputOptions.keepGoing`. */
  readonly keepGoing: boolean
  /** Ends the execution within a second. */
  readonly signal: AbortSignal
  /** Of this execution: what it reads and logs is published here, in this thread. */
  readonly events: RunEvents
  /** Counts what is read. Default: one of its own. */
  readonly intake?: Intake
}

/**
 * Executes a shard: reads its parts through the pipeline's transforms, and writes the files of its
 * objects into a folder. The same task always gives the same records and objects, wherever and however
 * often it is executed. Nothing but the folder is changed.
 * @throws SluiceError as a run of the pipeline, or `signal.reason`
 */
export async function executeShard(
  pipeline: CheckedPipeline,
  task: ShardTask,
  options: ExecuteShardOptions,
): Promise<ShardResult> {
  const { hashKey, generation, folder, shared, files, final, keepGoing, signal, events, intake } = options
  const { bytes, number } = task.shard
  const { stage, declaration } = pipeline.source
  const parts = task.shard.parts.map((part) => unqualified(declaration.type, part))
  const damaged: DamagedInput[] = []
  const ends: (Json | undefined)[] = parts.map(() => undefined)
  const read = (source: Source, readOptions: ReadOptions) => readParts(source, { stage, parts, ends }, readOptions)
  const input = sourceInput(
    pipeline,
    { follow: false, final, keepGoing, events, part: { extent: { bytes }, read } },
    damaged,
  )
  let delivery: ShardDelivery | undefined
  const { work, end } = sumWork(events)
  const { report, error } = await runPipeline({
    pipeline,
    input: { ...input, context: { ...input.context, ...(files && { files }) } },
    async openDelivery(opening) {
      const commit = await commitOptions({ ...opening, note: () => undefined })
      delivery = await openShardDelivery({ commit, task, hashKey, generation, folder })
      return delivery
    },
    shared,
    // Each worker has its own thread or process.
    threads: false,
    follow: false,
    stop: signal,
    events,
    intake,
  }).finally(end)
  signal.throwIfAborted()
  if (error) throw error
  if (delivery === undefined) throw new SluiceError('INTERNAL', 'the delivery of a shard was never opened')
  const { rules, counts, bytesIn, unfinished } = report
  return {
    ...delivery.output(),
    run: task.run,
    shard: number,
    attempt: task.attempt,
    bytesIn,
    unfinished,
    rules,
    counts,
    ends,
    damaged,
    work: work(),
  }
}

/** The chunks of all parts. @param ends gets the last position of each part */
async function* readParts(
  source: Source,
  {
    stage,
    parts,
    ends,
  }: { readonly stage: string; readonly parts: readonly SourcePart[]; readonly ends: (Json | undefined)[] },
  options: ReadOptions,
): AsyncGenerator<Chunk, void> {
  if (!source.readParts) throw new SluiceError('UNSUPPORTED', 'the source cannot read parts of its input')
  const { signal } = options
  if (signal.aborted) return
  let count = 0
  for await (const chunks of source.readParts(parts, options)) {
    const part = parts.at(count)
    if (part === undefined) throw wrongCount(stage, parts, 'more')
    for await (const chunk of chunks) {
      if (chunk.position !== undefined && (chunk.partition ?? '') === part.partition) ends[count] = chunk.position
      yield chunk
    }
    if (signal.aborted) return
    count++
  }
  if (count < parts.length && !signal.aborted) throw wrongCount(stage, parts, `only ${count}`)
}

/** Otherwise input would be skipped, or the position of one part stored for another. */
function wrongCount(stage: string, parts: readonly SourcePart[], found: string): SluiceError {
  const what = `readParts of source ${stage} was asked for ${plural(parts.length, 'part')}, and yielded ${found}`
  return new SluiceError('SOURCE_FAILED', what, {
    hint: 'it must yield one iterable of chunks for each part; the contract suite of sluice/testing finds such mistakes',
  })
}
