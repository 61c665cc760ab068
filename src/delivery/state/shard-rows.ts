import { SluiceError } from '../../errors.ts'
import type { Shard, ShardRun } from '../shards/shard.ts'
import type { Database } from './database.ts'
import type { ShardRow } from './rows.ts'
import type { ShardDone } from './state-changes.ts'
import type { StateReader } from './state-reader.ts'
import { put } from './transact.ts'

/** Writes shards of a plan. Inside a transaction only, as all functions of this file. */
export function putShards(db: Database, shards: readonly Shard[]): void {
  for (const { number, parts, bytes } of shards) {
    const partitions = [parts[0].partition, parts[parts.length - 1].partition] as const
    put(db, ['shard', number], { number, bytes, partitions, status: 'open' } satisfies ShardRow)
    put(db, ['shardParts', number], parts)
  }
}

/** Completes a plan. */
export function putRun(db: Database, run: ShardRun): void {
  put(db, 'shardRun', run)
  put(db, 'shardRuns', run.number)
}

/** Marks a shard as committed. @throws SluiceError INTERNAL if it is committed, or of another run */
export function putShardDone(db: Database, state: StateReader, { run, number, ends, leaveOut }: ShardDone): void {
  const row = state.shard(number)
  if (state.shardRun?.id !== run || !row || row.status === 'done') {
    throw new SluiceError(
      'INTERNAL',
      `shard ${number} of ${run} cannot be committed: it is ${row?.status ?? 'unknown'}`,
    )
  }
  const { error: _error, ...rest } = row
  put(db, ['shard', number], { ...rest, status: 'done', ...(leaveOut && { leaveOut }) } satisfies ShardRow)
  put(db, ['shardEnds', number], ends)
}

/** Numbers of the first shards in the state, for `removeShards`. */
export function firstShards(state: StateReader): number[] {
  const numbers: number[] = []
  for (const { number } of state.shards()) if (numbers.push(number) === REMOVED_AT_ONCE) break
  return numbers
}

export function removeShards(db: Database, numbers: readonly number[]): void {
  for (const number of numbers) {
    for (const kind of ['shard', 'shardParts', 'shardEnds']) db.removeSync([kind, number])
  }
}

/** Shards whose rows one transaction removes. */
const REMOVED_AT_ONCE = 256
