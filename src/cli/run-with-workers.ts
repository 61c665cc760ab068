import { join } from 'node:path'
import type { ShardRun } from '../delivery/shards/shard.ts'
import type { RunResult } from '../runtime/run.ts'
import { runPipeline } from '../runtime/run.ts'
import { chooseWorkers } from '../shards/choose-workers.ts'
import { coordinate } from '../shards/coordinate.ts'
import type { Job } from '../shards/job.ts'
import type { ReadSelection } from '../shards/plan.ts'
import type { JobOptions } from './run/execute.ts'
import { openQueue } from './queue-options.ts'

interface Wishes extends Pick<Parameters<typeof chooseWorkers>[1], 'workers' | 'shardBytes' | 'continues'> {
  /** Address of the queue whose workers execute the shards, in place of threads. */
  readonly queue: string | undefined
  /** Called with the state folder before the first shard of a divided backfill. */
  readonly began: (folder: string, run: ShardRun) => Promise<void>
}

/** Runs a backfill: by itself, or divided among threads or among the workers of a queue. */
export async function runWithWorkers(options: JobOptions, job: Job, wishes: Wishes): Promise<RunResult> {
  if (wishes.queue !== undefined) return runInQueue(options, job, { ...wishes, queue: wishes.queue })
  const { pipeline, stateFolder, events } = options
  const { workers, shardBytes, continues, began } = wishes
  const chosen = await chooseWorkers(pipeline, { workers, shardBytes, continues, stateFolder, note: events.note })
  if (chosen.workers === 1 && !chosen.isUnfinished) return runPipeline(options)
  const { openThreads } = await import('../shards/threads.ts')
  const result = await coordinate({
    ...options,
    ...chosen,
    ...selectionOf(job),
    keepGoing: job.keepGoing,
    async openExecutor({ run, fingerprint, hashKey, generation, outbox }) {
      await began(join(stateFolder, pipeline.name), run)
      const data = { job, fingerprint, hashKey, generation, folder: outbox }
      return openThreads({ ...data, workers: chosen.workers, line: (line) => events.line(line) })
    },
  })
  return result ?? runPipeline(options)
}

async function runInQueue(options: JobOptions, job: Job, wishes: Wishes & { queue: string }): Promise<RunResult> {
  const { pipeline, stateFolder, events } = options
  const { shardBytes: wanted, began } = wishes
  // What keeps it from several threads keeps it from several machines.
  const chooseOptions = { workers: MACHINES, shardBytes: wanted, stateFolder, note: events.note }
  const chosen = await chooseWorkers(pipeline, chooseOptions)
  const shardBytes = wanted ?? Math.max(LEAST_BYTES, chosen.shardBytes)
  const { openQueueExecutor } = await import('../queue/open-queue-executor.ts')
  const { connection, seal } = await openQueue(wishes.queue, events.note)
  try {
    const result = await coordinate({
      ...options,
      ...selectionOf(job),
      keepGoing: job.keepGoing,
      shardBytes,
      stages: true,
      async openExecutor(context) {
        await began(join(stateFolder, pipeline.name), context.run)
        return openQueueExecutor(context, { connection, seal, pipeline, job, note: events.note })
      },
    })
    return result ?? (await runPipeline(options))
  } finally {
    await connection.close()
  }
}

function selectionOf({ since, until, final }: Job): ReadSelection {
  return { since, until, final }
}

/** Workers that a plan is made for: how many there will be is not known. */
const MACHINES = 16
/** Of a shard: with less, the way there and back, and what each shard opens anew, count. */
const LEAST_BYTES = 64 << 20
