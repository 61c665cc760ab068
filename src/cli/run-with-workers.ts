import type { RunResult } from '../runtime/run.ts'
import { runPipeline } from '../runtime/run.ts'
import { chooseWorkers } from '../shards/choose-workers.ts'
import { coordinate } from '../shards/coordinate.ts'
import type { Job } from '../shards/job.ts'
import type { JobOptions } from './execute.ts'

/** Runs a backfill: by itself, or divided among threads. */
export async function runWithWorkers(
  options: JobOptions,
  job: Job,
  wishes: Pick<Parameters<typeof chooseWorkers>[1], 'workers' | 'shardBytes'>,
): Promise<RunResult> {
  const { pipeline, stateFolder, log } = options
  const chosen = await chooseWorkers(pipeline, { ...wishes, stateFolder, note: log.note })
  if (chosen.workers === 1 && !chosen.isUnfinished) return runPipeline(options)
  const { openThreads } = await import('../shards/threads.ts')
  const result = await coordinate({
    ...options,
    ...chosen,
    final: job.final,
    keepGoing: job.keepGoing,
    openExecutor: ({ fingerprint, hashKey, generation, outbox }) =>
      openThreads({
        workers: chosen.workers,
        job,
        fingerprint,
        hashKey,
        generation,
        folder: outbox,
        note: log.note,
      }),
  })
  return result ?? runPipeline(options)
}
