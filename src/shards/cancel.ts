import { asSluiceError } from '../errors.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import type { ShardRun } from '../delivery/shards/shard.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { createSource } from '../runtime/source-input.ts'
import { openCommitOf } from './open-commit-of.ts'

interface CancelOptions {
  /** Its source is of the type that the backfill reads. */
  readonly pipeline: CheckedPipeline
  readonly stateFolder: string
  /** Also if records are then written again, because nothing deduplicates them. */
  readonly force: boolean
  readonly stop: AbortSignal
  readonly events: RunEvents
}

interface Cancelled {
  /** Undefined if there was no unfinished backfill. */
  readonly run: ShardRun | undefined
  /** Committed shards whose inputs a later backfill reads again. */
  readonly readAgain: number
}

/**
 * Gives up a parallel backfill that is not finished. What is committed stays, and is published before.
 * @throws SluiceError SHARDS_UNFINISHED without `force`, and as of a run
 */
export async function cancelShards(options: CancelOptions): Promise<Cancelled> {
  const { pipeline, force } = options
  const source = await createSource(pipeline)
  const commit = await openCommitOf({ ...options, source, discard: () => Promise.resolve(), sweeps: true })
  try {
    const { run } = commit
    return { run, ...(await commit.cancel({ force })) }
  } catch (error) {
    throw asSluiceError(error, 'INTERNAL', `the backfill of ${pipeline.name} could not be cancelled`)
  } finally {
    await commit.close()
  }
}
