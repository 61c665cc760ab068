import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Source } from '../component.ts'
import { isCustom } from '../config/component-name.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { hasState, readState } from '../delivery/state/state-reader.ts'
import { SluiceError } from '../errors.ts'
import type { Note } from '../observe/messages/table.ts'
import { createSource } from '../runtime/source-input.ts'

/** As the user wants it. */
export interface WorkerWishes {
  /** Default: as many as help. */
  readonly workers: number | undefined
  /** Default: by the size of the input, 128 MiB at most. */
  readonly shardBytes: number | undefined
  /** One worker continues a plan that was begun. Otherwise `workers: 1` asks for a run without a plan. */
  readonly continues?: boolean
}

interface ChooseOptions extends WorkerWishes {
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  readonly note: Note
}

export interface ChosenWorkers {
  readonly workers: number
  /** A plan that was begun is continued, also with one worker. */
  readonly isUnfinished: boolean
  /** Shards that make it worth to have several workers. */
  readonly fewestShards: number
  /** Bytes of a shard, as stored. */
  readonly shardBytes: number
}

/**
 * How many workers a backfill has. Without a wish: one for each core that helps, and one in all if the
 * pipeline or its input allows no more.
 * @throws SluiceError UNSUPPORTED if it is to have several, and cannot
 */
export async function chooseWorkers(pipeline: CheckedPipeline, options: ChooseOptions): Promise<ChosenWorkers> {
  const { workers: wanted, shardBytes: wantedBytes, continues = false, stateFolder, note } = options
  if (wanted === 1 && !continues) return ONE
  const isUnfinished = await hasBegun(join(stateFolder, pipeline.name))
  const workers = wanted ?? coresThatHelp(pipeline)
  if (workers === 1 && !isUnfinished) return ONE
  const source = await createSource(pipeline)
  // A bucket shows in the plan how much it has. Of what cannot be divided, standard input, no size is known.
  const total = source.total ? ((await source.total())?.bytes ?? 0) : Infinity
  const isWorthIt =
    total >= (wantedBytes === undefined ? WORTH_SHARDS : 2 * wantedBytes) || isUnfinished || wanted !== undefined
  const obstacle = obstacleIn(pipeline, source)
  if (obstacle && (isUnfinished || wanted !== undefined)) throw obstacle
  if (obstacle && isWorthIt && source.parts) note('backfill.one-worker', { reason: obstacle.message })
  if (obstacle || !isWorthIt) return ONE
  const shardBytes = wantedBytes ?? Math.min(SHARD_BYTES, Math.max(LEAST_BYTES, Math.ceil(total / (workers * WAVES))))
  return { workers, isUnfinished, fewestShards: isUnfinished || wanted !== undefined ? 1 : 2, shardBytes }
}

/** Of a shard, as stored: large enough for objects of a usual size, small enough to be done again. */
const SHARD_BYTES = 128 << 20
/** A smaller shard is over before its thread is warm. */
const LEAST_BYTES = 4 << 20
/** Shards for each worker, so that all of them end at about the same time. */
const WAVES = 4
/** With less input, threads take longer to start than they save. */
const WORTH_SHARDS = 64 << 20

const ONE: ChosenWorkers = { workers: 1, isUnfinished: false, fewestShards: 1, shardBytes: SHARD_BYTES }

/** More threads than this would wait for the disk, the store, or for the commit. */
const MOST_CORES = 8
/** Bytes of memory for each thread: its buffers, and the dedup keys of its shard. */
const MEMORY = 384 << 20

/** One worker with built-in transforms alone already uses about one and a half cores. */
const ENOUGH_FOR_ONE = 2

function coresThatHelp({ transforms }: CheckedPipeline): number {
  const isEnough = availableParallelism() <= ENOUGH_FOR_ONE
  return isEnough && !transforms.some(({ declaration }) => isCustom(declaration.type) || declaration.code !== undefined)
    ? 1
    : coresThatFit()
}

/** Threads that the cores and the memory of this machine allow. */
export function coresThatFit(): number {
  const memory = process.constrainedMemory()
  const fitting = memory > 0 && memory < Number.MAX_SAFE_INTEGER ? Math.floor(memory / MEMORY) : Infinity
  return Math.max(1, Math.min(availableParallelism(), MOST_CORES, fitting))
}

/** Why a pipeline cannot have several workers. */
function obstacleIn({ source: { declaration }, sinks, transforms }: CheckedPipeline, source: Source) {
  if (!source.parts) {
    return unsupported(`the source ${declaration.type} cannot be divided among workers`, 'use --workers 1')
  }
  const sink = sinks.find(({ declaration: { delivers } }) => delivers === 'stream')
  if (sink) {
    return unsupported(
      `the sink ${sink.stage} is a stream, which only one worker can write`,
      'use --workers 1, or a sink that publishes objects',
    )
  }
  const alone = transforms.find(({ declaration: { type, parallel } }) => isCustom(type) && parallel !== true)
  if (!alone) return undefined
  return unsupported(
    `the transform ${alone.declaration.type} does not declare \`parallel: true\``,
    'add it to its declaration if what happens to a record depends on that record alone; otherwise use --workers 1',
  )
}

function unsupported(message: string, hint: string): SluiceError {
  return new SluiceError('UNSUPPORTED', message, { hint })
}

/** True if the state has a parallel backfill that is not finished. */
async function hasBegun(folder: string): Promise<boolean> {
  return hasState(folder) && (await readState(folder, (state) => state.shardRun !== undefined))
}
