import { realFiles } from '../files.ts'
import { ObjectCommit } from './commit.ts'
import type { CommitParts } from './committer.ts'
import type { CommitOptions } from './commit-options.ts'
import type { Commit } from './delivery.ts'
import { DedupIndex, dedupFolder } from './dedup/dedup-index.ts'
import { outboxTargets } from './open-epoch.ts'
import { LocalRejects, rejectsFolder } from './rejects/local-rejects.ts'
import { mergeLimits } from './rejects/merge-rejects.ts'
import { unfinishedRun } from './shards/unfinished-run.ts'
import { State } from './state/state.ts'
import { keepPrivate } from './state/keep-private.ts'

/**
 * Opens a pipeline's state folder and recovers what an earlier process left in it: files that no
 * row names are deleted, bucket files are truncated to their committed length, committed objects
 * are published.
 * @throws SluiceError STATE_IN_USE, STATE_MISMATCH, STATE_DAMAGED, OUTBOX_LOST, DISK_FULL,
 *   DISK_FAILED, FOLDER_UNSAFE, UNSUPPORTED; SHARDS_UNFINISHED if the state has a parallel backfill
 */
export async function openCommit(options: CommitOptions): Promise<Commit> {
  return withCommitParts(options, async (parts) => {
    const { shardRun } = parts.state
    if (shardRun) throw unfinishedRun(options.pipeline, shardRun)
    const commit = new ObjectCommit(parts)
    await commit.recover()
    return commit
  })
}

/** Opens a state folder with all that commits need. If `open` throws, the state is closed. */
export async function withCommitParts<T>(options: CommitOptions, open: (parts: CommitParts) => Promise<T>): Promise<T> {
  const { folder, pipeline, keys, dedup, files = realFiles, openDatabase, replica, control, now = Date.now } = options
  const targets = outboxTargets(options)
  await keepPrivate(folder, options.note)
  const { note } = options
  const state = await State.open({ folder, files, pipeline, keys, replica, control, openDatabase, note })
  try {
    for (const change of await state.updateCode(keys.code))
      options.note('dedup.code-changed', { change, paths: keys.dedup?.key.join(', ') ?? '' })
    const index =
      dedup &&
      (await DedupIndex.open({
        ...dedup,
        within: dedup.within,
        folder: dedupFolder(folder),
        files,
        rows: state.dedupBuckets(),
      }))
    const budget = options.localRejectBytes ?? Infinity
    const localRejects = await LocalRejects.open({
      folder: rejectsFolder(folder),
      files,
      rows: state.localRejects(),
      budget,
      // A replay reads the files of the rows while it commits.
      merge: options.replay ? undefined : mergeLimits(budget, options.mergeRejectFiles),
    })
    return await open({ options, files, state, index, localRejects, targets, now })
  } catch (error) {
    await state.close()
    throw error
  }
}
