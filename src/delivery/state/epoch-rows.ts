import { SluiceError } from '../../errors.ts'
import { addTally } from '../tally.ts'
import type { Database } from './database.ts'
import type { HistoryRow, LocalRejectsRow, ObjectRow, PartitionRow, RejectCounts } from './rows.ts'
import { putShardDone } from './shard-rows.ts'
import type { EpochChange } from './state-changes.ts'
import { partitionKey } from './state-reader.ts'
import type { StateReader } from './state-reader.ts'
import { put } from './transact.ts'

/** Writes everything that one epoch changes. Inside a transaction only, as all functions of this file. */
export function putEpoch(db: Database, state: StateReader, change: EpochChange): void {
  if (change.epoch !== state.nextEpoch) {
    throw new SluiceError('INTERNAL', `epoch ${change.epoch} cannot be committed, the next epoch is ${state.nextEpoch}`)
  }
  if (change.shard) putShardDone(db, state, change.shard)
  put(db, 'epoch', change.epoch + 1)
  put(db, 'committedAt', change.committedAt)
  mergePartitions(db, state, change.partitions)
  for (const row of change.objects) put(db, ['object', row.epoch, row.part], row)
  for (const row of change.dedupBuckets) put(db, ['dedupBucket', row.name], row)
  for (const name of change.expired) db.removeSync(['dedupBucket', name])
  put(db, 'tally', addTally(state.tally, change.tally))
  putRejects(db, state, change)
}

/** Fields that are absent keep their value. */
export function mergePartitions(db: Database, state: StateReader, partitions: readonly PartitionRow[]): void {
  for (const row of partitions) {
    put(db, partitionKey(row.partition), { ...state.partition(row.partition), ...row })
  }
}

/** Replaces rows of objects that are not published. No-op for those that are. */
export function replaceObjects(db: Database, rows: readonly ObjectRow[]): void {
  for (const row of rows) if (db.get(['object', row.epoch, row.part])) put(db, ['object', row.epoch, row.part], row)
}

/** Moves the row of a published object to the history. */
export function putPublished(db: Database, row: ObjectRow, publishedAt: number): void {
  const { file: _file, staged: _staged, shard: _shard, resumeToken: _token, ...published } = row
  put(db, ['history', row.epoch, row.part], { ...published, publishedAt } satisfies HistoryRow)
  db.removeSync(['object', row.epoch, row.part])
}

/** Removes rows of rejects, and adds others. A merged file takes the place of its first one. */
export function putRejectFiles(
  db: Database,
  removed: readonly LocalRejectsRow[],
  added: readonly LocalRejectsRow[],
): void {
  for (const { epoch } of removed) db.removeSync(['localRejects', epoch])
  for (const row of added) put(db, ['localRejects', row.epoch], row)
}

function putRejects(db: Database, state: StateReader, { localRejects, objects }: EpochChange): void {
  putRejectFiles(db, localRejects.removed, localRejects.rows)
  const copies = objects.filter(({ role }) => role === 'rejects')
  const { evicted, replayed, copied } = state.rejectCounts
  put(db, 'rejectCounts', {
    evicted: evicted + localRejects.evicted,
    replayed: replayed + localRejects.replayed,
    copied: copied + copies.reduce((sum, { records }) => sum + records, 0),
  } satisfies RejectCounts)
}
