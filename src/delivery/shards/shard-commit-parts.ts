import type { CommitParts, Committer } from '../committer.ts'
import type { CommitQueue } from './commit-queue.ts'
import type { LeaveOutFiles } from './results/leave-out-files.ts'
import type { LiveShards } from './live-shards.ts'
import type { PlanPositions } from './plan/plan-positions.ts'
import type { PlanStore } from './plan/plan-store.ts'
import type { ShardCommitOptions } from './shard-commit-options.ts'

/** What the steps of the commit of shards share. `ShardCommit` makes it. */
export interface ShardCommitParts extends CommitParts {
  readonly options: ShardCommitOptions
  readonly queue: CommitQueue
  readonly committer: Committer
  readonly lists: LeaveOutFiles
  readonly plans: PlanStore
  readonly positions: PlanPositions
  readonly shards: LiveShards
}
