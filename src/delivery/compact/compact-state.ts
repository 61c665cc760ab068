/*
 * `sluice state compact`: gives back the space that a state no longer needs. The caller owns the state.
 *
 * Each step is one that a run does, too, or a transaction of its own, so a crash leaves a state that is complete, and
 * the next command continues:
 *
 * - files that no row names, sockets of dead owners, and unfinished copies are deleted;
 * - files of rejects are written without those that were replayed, and small ones merged;
 * - dedup buckets that have expired are deleted, as the next commit would do it;
 * - with a cutoff, old published objects leave the history and are counted;
 * - the database is replaced by a copy without free pages, which also closes the state.
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { realFiles } from '../../files.ts'
import { DedupIndex, dedupFolder } from '../dedup/dedup-index.ts'
import { outboxFolder } from '../open-epoch.ts'
import { rejectsFolder } from '../rejects/local-rejects.ts'
import { atOnce, mergeLimits, mergeRejects } from '../rejects/merge-rejects.ts'
import type { MergeLimits } from '../rejects/merge-rejects.ts'
import { lastEpochOf, remaining } from '../rejects/reject-numbers.ts'
import { SourceProgress } from '../source-progress.ts'
import { isHeld } from '../state/owner-lock.ts'
import { TEMPORARY } from '../state/replace-database.ts'
import type { HistoryRow, LocalRejectsRow } from '../state/rows.ts'
import type { State } from '../state/state.ts'
import { databaseFolder } from '../state/state-reader.ts'
import { measure, namesIn } from './measure.ts'
import type { Sizes } from './measure.ts'

export interface CompactOptions {
  readonly state: State
  /** Of the state. */
  readonly folder: string
  /** Of the local rejects, in bytes. */
  readonly rejectBytes: number
  /** How long dedup keys are kept, in milliseconds. Undefined: for ever. */
  readonly within: number | undefined
  /** Objects that were published before, in milliseconds since 1970, leave the history. Default: none. */
  readonly keepFrom?: number | undefined
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface Compaction {
  readonly before: Sizes
  readonly after: Sizes
  /** Published objects that left the history. */
  readonly forgotten: number
  /** Files and sockets that belonged to nothing. */
  readonly leftovers: number
}

/** Compacts a state and closes it. @throws SluiceError STATE_DAMAGED, DISK_FULL, DISK_FAILED */
export async function compactState(options: CompactOptions): Promise<Compaction> {
  const { state, folder, keepFrom, at } = options
  const before = await measure(folder)
  const leftovers = await removeLeftovers(options)
  await compactRejects(options)
  await removeExpired(options)
  const forgotten = keepFrom === undefined ? 0 : await forget(state, keepFrom)
  if (forgotten > 0) {
    const what = `forgot ${forgotten} objects that were published before ${new Date(keepFrom ?? 0).toISOString()}`
    await state.note({ at, action: 'compact', what })
  }
  await state.closeCompacted()
  return { before, after: await measure(folder), forgotten, leftovers }
}

async function removeLeftovers({ state, folder }: CompactOptions): Promise<number> {
  let removed = 0
  const remove = async (path: string): Promise<void> => {
    await rm(path, { recursive: true, force: true })
    removed++
  }
  for (const name of await namesIn(folder)) {
    if (/^owner-\w+\.sock$/.test(name) && !(await isHeld(folder, { pid: 0, socket: name }))) {
      await remove(join(folder, name))
    }
  }
  const databases = databaseFolder(folder)
  for (const name of await namesIn(databases)) if (name.startsWith(TEMPORARY)) await remove(join(databases, name))
  const named = [
    { folder: outboxFolder(folder), files: state.objects().flatMap(({ file }) => file ?? []) },
    { folder: rejectsFolder(folder), files: state.localRejects().map(({ file }) => file) },
    { folder: dedupFolder(folder), files: state.dedupBuckets().map(({ name }) => name) },
  ]
  for (const { folder: path, files } of named) {
    const known = new Set(files)
    for (const name of await namesIn(path)) if (!known.has(name)) await remove(join(path, name))
  }
  return removed
}

/** First what was replayed, then the small files, until none are left that follow each other. */
async function compactRejects({ state, folder, rejectBytes }: CompactOptions): Promise<void> {
  const place = { folder: rejectsFolder(folder), files: realFiles }
  const replace = async (sources: readonly LocalRejectsRow[]): Promise<void> => {
    const merged = await mergeRejects(sources, place)
    await realFiles.fsyncFolder(place.folder)
    await state.replaceRejects(sources, merged)
    for (const { file } of sources) await realFiles.unlink(join(place.folder, file))
  }
  for (const row of state.localRejects()) if (remaining(row) < (row.lines ?? row.records)) await replace([row])
  const limits = mergeLimits(rejectBytes)
  for (let from = 0; ;) {
    const rows = state.localRejects().filter(({ epoch }) => epoch >= from)
    const sources = smallFiles(rows, limits)
    if (sources.length === 0) return
    if (sources.length > 1) await replace(sources)
    from = lastEpochOf(sources[sources.length - 1]) + 1
  }
}

/** The next small files that follow each other, as many as are merged at once. */
function smallFiles(rows: readonly LocalRejectsRow[], { small, bytes: most }: MergeLimits): readonly LocalRejectsRow[] {
  const first = rows.findIndex(({ bytes }) => bytes < small)
  if (first < 0) return []
  const end = rows.findIndex(({ bytes }, at) => at > first && bytes >= small)
  return atOnce(rows.slice(first, end < 0 ? undefined : end), most)
}

/** An unfinished parallel backfill may still ask for all keys. */
async function removeExpired({ state, folder, within }: CompactOptions): Promise<void> {
  if (within === undefined || state.shardRun) return
  const rows = state.dedupBuckets()
  const place = { folder: dedupFolder(folder), files: realFiles }
  const index = new DedupIndex({ ...place, rows, stage: 'dedup', memory: Infinity, within })
  const expired = index.expired(new SourceProgress(state.partitions()).oldestEventTime())
  if (expired.length === 0) return
  await state.removeDedupBuckets(expired)
  await index.committed([], expired)
}

/**
 * Forgets the objects of all epochs before the first one that was published later. Returns their number. Not
 * those of epochs with objects that wait.
 */
async function forget(state: State, cutoff: number): Promise<number> {
  const waiting = Math.min(...state.objects().map(({ epoch }) => epoch))
  let before = Math.min(state.nextEpoch, waiting)
  for (const { epoch, publishedAt } of state.historyRows()) {
    if (publishedAt < cutoff) continue
    before = Math.min(before, epoch)
    break
  }
  let forgotten = 0
  for (;;) {
    const rows = firstRows(state, before)
    if (rows.length === 0) return forgotten
    await state.forget(rows, before)
    forgotten += rows.length
  }
}

function firstRows(state: State, before: number): HistoryRow[] {
  const rows: HistoryRow[] = []
  for (const row of state.historyRows()) {
    if (row.epoch >= before || rows.length === AT_ONCE) break
    rows.push(row)
  }
  return rows
}

/** Rows of one transaction. */
const AT_ONCE = 1000
