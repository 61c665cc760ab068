import type { Source } from '../../component.ts'
import type { SluiceError } from '../../errors.ts'
import type { CommitOptions } from '../commit-options.ts'
import type { ShardResult } from './shard.ts'

export interface ShardCommitOptions extends CommitOptions {
  /** See `Source`. */
  readonly positionAfter?: Source['positionAfter']
  /** Removes what a result has staged: it will not be committed. Must not throw. */
  discard(result: ShardResult): Promise<void>
  /** Called when something has happened to a shard. */
  readonly observe?: ((event: ShardEvent) => void) | undefined
  /**
   * Called when everything is published, and no execution is needed any more. The state still has the
   * run: after a crash it is called again.
   */
  readonly ending?: (() => Promise<void>) | undefined
  /** At the end, remove what dead workers have staged at the store; at a start, what came after the end. */
  readonly sweeps?: boolean
}

export type ShardEvent =
  | { readonly kind: 'committed'; readonly shard: number; readonly result: ShardResult }
  /** Executed again. `overlap`: other shards, or earlier runs, have some of its records. `gone`: the store has removed what was staged. */
  | { readonly kind: 'again'; readonly shard: number; readonly reason: 'overlap' | 'gone' }
  /** Until these shards are committed. */
  | { readonly kind: 'waits'; readonly shard: number; readonly for: readonly number[] }
  | { readonly kind: 'failed'; readonly shard: number; readonly error: SluiceError }
