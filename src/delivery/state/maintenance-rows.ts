import type { ExportedRow } from '../replicas/export-file.ts'
import type { Database } from './database.ts'
import { putPublished } from './epoch-rows.ts'
import { sinkNameOf } from './rows.ts'
import type { ChangeRow, ForgottenRow, HistoryRow, Meta, ObjectRow } from './rows.ts'
import type { Move, Receipt, Redirect, Restored, Rewind } from './state-changes.ts'
import { movedKey, partitionKey, storeKey } from './state-reader.ts'
import type { StateReader } from './state-reader.ts'
import { count } from '../tally.ts'
import { put } from './transact.ts'

/** Writes that a person has changed the state. Inside a transaction only, as all functions of this file. */
export function putChange(db: Database, state: StateReader, change: Omit<ChangeRow, 'number'>): void {
  const number = (state.changes().at(-1)?.number ?? 0) + 1
  put(db, ['change', number], { number, ...change } satisfies ChangeRow)
}

/** See `State.rewind`. */
export function putRewind(db: Database, state: StateReader, changes: readonly Rewind[], at: number): void {
  const what = changes.map(({ partition, to }) => `${partition} ${to ? 'to a time' : 'to the beginning'}`).join(', ')
  putChange(db, state, { at, action: 'rewind', what })
  for (const { partition, to } of changes) {
    if (to) put(db, partitionKey(partition), to)
    else db.removeSync(partitionKey(partition))
  }
}

/** See `State.redirect`. The records of an object that gets another sink move with it in the ledger. */
export function putRedirect(db: Database, state: StateReader, { moved, published, what, at }: Redirect): void {
  const { tally } = state
  for (const { resumeToken: _token, ...row } of moved) {
    const before: ObjectRow | undefined = db.get(['object', row.epoch, row.part])
    if (before && row.role === 'sink') {
      count(tally.sinks, sinkNameOf(before), -row.records)
      count(tally.sinks, sinkNameOf(row), row.records)
    }
    put(db, ['object', row.epoch, row.part], row)
  }
  put(db, 'tally', tally)
  for (const row of published) putPublished(db, row, at)
  putChange(db, state, { at, action: 'redirect', what })
}

/** Removes published objects from the history, and counts them. */
export function putForgotten(db: Database, state: StateReader, rows: readonly HistoryRow[], before: number): void {
  const sinks = { ...state.forgotten.sinks }
  for (const row of rows) {
    const { objects, records, bytes } = sinks[sinkNameOf(row)] ?? { objects: 0, records: 0, bytes: 0 }
    sinks[sinkNameOf(row)] = { objects: objects + 1, records: records + row.records, bytes: bytes + row.bytes }
    db.removeSync(['history', row.epoch, row.part])
  }
  put(db, 'forgotten', { before: Math.max(before, state.forgotten.before), sinks } satisfies ForgottenRow)
}

/** See `State.move`. */
export function putMove(db: Database, state: StateReader, meta: Meta, { row, moved, replica, what }: Move): void {
  put(db, 'meta', { ...meta, ...(replica ? { replica } : { exported: row }) } satisfies Meta)
  put(db, ['export', row.id], row)
  for (const tenant of moved) {
    put(db, movedKey(row.id, tenant.tenant), tenant)
    if (tenant.partition !== undefined) db.removeSync(partitionKey(tenant.partition))
  }
  putChange(db, state, { at: row.at, action: 'export', what })
}

/** See `State.receive`. */
export function putReceipt(
  db: Database,
  state: StateReader,
  meta: Meta,
  { row, partitions, dedupBuckets, replica, what, at }: Receipt,
): void {
  put(db, 'meta', { ...meta, ...(replica && { replica }) } satisfies Meta)
  if (row) put(db, ['import', row.id], row)
  for (const partition of partitions) put(db, partitionKey(partition.partition), partition)
  for (const bucket of dedupBuckets) put(db, ['dedupBucket', bucket.name], bucket)
  putChange(db, state, { at, action: 'import', what })
}

/** See `State.restore`. */
export function putRestored(
  db: Database,
  state: StateReader,
  meta: Meta,
  { row, partitions, dedupBuckets, what, at }: Receipt,
  { format, localRejects }: Restored,
): void {
  const { importing: _importing, ...rest } = meta
  put(db, 'meta', { ...rest, format } satisfies Meta)
  if (row) put(db, ['import', row.id], row)
  for (const partition of partitions) put(db, partitionKey(partition.partition), partition)
  for (const bucket of dedupBuckets) put(db, ['dedupBucket', bucket.name], bucket)
  for (const reject of localRejects) put(db, ['localRejects', reject.epoch], reject)
  putChange(db, state, { at, action: 'import', what })
}

/** See `State.restoreRows`. */
export function putRestoredRows(db: Database, meta: Meta, rows: readonly ExportedRow[]): void {
  for (const row of rows) putRestoredRow(db, meta, row)
}

function putRestoredRow(db: Database, meta: Meta, row: ExportedRow): void {
  if (row.kind === 'object') put(db, ['object', row.value.epoch, row.value.part], row.value)
  else if (row.kind === 'forgotten') put(db, 'forgotten', row.value)
  else if (row.kind === 'history') put(db, ['history', row.value.epoch, row.value.part], row.value)
  else if (row.kind === 'store') put(db, storeKey(row.value.name), row.value)
  else if (row.kind === 'connected') put(db, ['connected', sinkNameOf(row.value)], row.value)
  else if (row.kind === 'change') put(db, ['change', row.value.number], row.value)
  else {
    put(db, 'epoch', row.epoch)
    put(db, 'tally', row.tally)
    put(db, 'rejectCounts', row.rejectCounts)
    put(db, 'shardRuns', row.shardRuns)
    if (row.committedAt !== undefined) put(db, 'committedAt', row.committedAt)
    if (row.replica) put(db, 'meta', { ...meta, replica: row.replica } satisfies Meta)
  }
}
