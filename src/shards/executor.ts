import type { ShardResult, ShardTask } from '../delivery/shards/shard.ts'

/**
 * Runs shards somewhere: in threads of this process, or on other machines. An executor has no state:
 * what it makes is invisible until the coordinator has committed the result.
 */
export interface Executor {
  /**
   * How many shards it can work on at once. It may change while machines come and go: read it again
   * after each result.
   */
  readonly capacity: number
  /**
   * Executes a shard once. Called for several shards at a time. When the signal aborts, the execution
   * is given up within a second, and it throws `signal.reason`.
   * @param observe Gets what this execution has read so far, now and then.
   * @throws SluiceError WORKER_LOST if the worker died, and another one may succeed; else what the
   *   execution threw, which will be the same again unless `retryable` is set
   */
  execute(task: ShardTask, signal: AbortSignal, observe?: (progress: ShardProgress) => void): Promise<ShardResult>
  /** The result is committed: what else there is of it is not needed any more. Does not throw. */
  committed?(result: ShardResult): void
  /**
   * Every shard is committed and published: ends executions that are still under way. Called again if
   * the coordinator dies before the state has forgotten the run. Does not throw.
   */
  ending?(): Promise<void>
  /** Removes what a result has staged, which will not be committed. Idempotent. */
  discard(result: ShardResult): Promise<void>
  /** Ends the workers that this executor has started. Executions under way fail. */
  close(): Promise<void>
}

export interface ShardProgress {
  /** Names the worker for people: `1`, `host-7/1`. */
  readonly worker: string
  readonly records: number
  /** As stored. */
  readonly bytes: number
}
