import { withCommitParts } from '../open-commit.ts'
import { ShardCommit } from './shard-commit.ts'
import type { ShardCommitOptions } from './shard-commit-options.ts'

/**
 * Opens a pipeline's state folder for a parallel backfill, and recovers what an earlier process left in
 * it, as `openCommit` does. An unfinished backfill continues.
 * @throws SluiceError STATE_IN_USE, STATE_MISMATCH, STATE_DAMAGED, OUTBOX_LOST, DISK_FULL,
 *   DISK_FAILED, FOLDER_UNSAFE, UNSUPPORTED
 */
export async function openShardCommit(options: ShardCommitOptions): Promise<ShardCommit> {
  return withCommitParts(options, async (parts) => {
    const commit = new ShardCommit(parts, options)
    await commit.recover()
    return commit
  })
}
