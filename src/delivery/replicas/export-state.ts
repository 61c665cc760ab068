import { randomBytes } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { SluiceError } from '../../errors.ts'
import { dedupFolder } from '../dedup/dedup-index.ts'
import { outboxFolder } from '../open-epoch.ts'
import { rejectsFolder } from '../rejects/local-rejects.ts'
import { unfinishedRun } from '../shards/unfinished-run.ts'
import type { ExportRow, Meta, MovedRow, ReplicaRow } from '../state/rows.ts'
import type { State } from '../state/state.ts'
import { givenAway, importMissing, interrupted } from './check-replica.ts'
import { bucketSection, EXPORT_VERSION, ExportWriter, keyCheckOf } from './export-file.ts'
import type { ExportedRow, ExportHeader } from './export-file.ts'
import { ALONE, nameOf, ownerOf, sendersTo } from './replica.ts'

interface ExportOptions {
  readonly state: State
  /** Of the state. */
  readonly folder: string
  /** Type of the pipeline's source. */
  readonly source: string
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface PlannedMove {
  readonly row: ExportRow
  readonly replica: ReplicaRow
  readonly moved: readonly MovedRow[]
  /** Tenants that stay. */
  readonly stays: number
  /** The move was made before: only its file is written again. */
  readonly isRepeated: boolean
}

/**
 * Which tenants leave a state when there are `count` replicas. Changes nothing.
 * @param tenants those that the source reads now; the state may know others
 * @throws SluiceError STATE_MOVED, IMPORT_MISSING, USAGE if the count does not change
 */
export function planMove(
  { state, source, at }: Omit<ExportOptions, 'folder'>,
  tenants: readonly string[],
  count: number,
): PlannedMove {
  const { pipeline, exported, importing } = metaOf(state)
  const replica = storedReplica(state)
  if (exported) throw givenAway(pipeline, exported.at)
  if (importing !== undefined) throw interrupted(pipeline)
  const known = new Map(tenants.map((tenant): [string, MovedRow] => [tenant, { tenant }]))
  for (const row of state.partitions()) {
    if (!row.partition.startsWith(`${source}:`)) continue
    const tenant = row.partition.slice(source.length + 1)
    known.set(tenant, { tenant, ...row })
  }
  const last = state.exports().findLast(({ to }) => to !== undefined)
  if (last?.to === count && replica.count === count) {
    const stays = [...known.keys()].filter((tenant) => ownerOf(pipeline, tenant, count) === replica.number).length
    return { row: last, replica, moved: state.moved(last.id), stays, isRepeated: true }
  }
  if (replica.awaits?.length) throw importMissing(replica, pipeline)
  if (replica.count === count)
    throw new SluiceError('USAGE', `there are ${count} already: this is ${nameOf(replica)}`, {
      hint: 'give the new number of replicas with --count',
    })
  if (replica.number > replica.count)
    throw new SluiceError('STATE_MOVED', `the tenants of this replica were moved to ${replica.count} before`, {
      hint: `write that export again with --count ${replica.count}`,
    })
  const { number, count: was } = replica
  const own = [...known.values()].filter(({ tenant }) => ownerOf(pipeline, tenant, was) === number)
  const moved = own.filter(({ tenant }) => ownerOf(pipeline, tenant, count) !== number)
  const row = { id: newId(), at, from: { number, count: was }, to: count }
  const awaits = number > count ? [] : sendersTo({ number, count }, was)
  const next = { number, count, was, ...(awaits.length > 0 && { awaits }) }
  return { row, replica: next, moved, stays: own.length - moved.length, isRepeated: false }
}

/** Writes the export of a move that the state has made. Its tenants belong to nobody until it is imported. */
export async function writeMove(
  { state, folder, source }: ExportOptions,
  { row, moved }: PlannedMove,
  path: string,
): Promise<void> {
  await write(path, headerOf(state, source, row), state, async (writer) => {
    for (const tenant of moved) await writer.tenant(tenant)
    if (moved.length > 0) await writeBuckets(writer, state, folder)
  })
}

/** Writes an export of everything. */
export async function writeWhole(
  { state, folder, source }: ExportOptions,
  row: ExportRow,
  path: string,
  { isCopy }: { readonly isCopy: boolean },
): Promise<void> {
  const hashKey = state.hashKey.toString('hex')
  const header: ExportHeader = { ...headerOf(state, source, row), hashKey, ...(isCopy && { isCopy }) }
  await write(path, header, state, async (writer) => {
    const { tally, rejectCounts, committedAt } = state
    const { replica } = metaOf(state)
    const { nextEpoch: epoch, shardRuns } = state
    await writer.row({ kind: 'totals', epoch, shardRuns, committedAt, tally, rejectCounts, replica })
    for (const partition of state.partitions()) await writer.tenant({ tenant: partition.partition, ...partition })
    for (const value of rowsOf(state)) await writer.row(value)
    await writeBuckets(writer, state, folder)
    for (const reject of state.localRejects()) {
      const { file: name, bytes } = reject
      await writer.section({ file: { name, bytes, row: reject } }, readFile(join(rejectsFolder(folder), name), bytes))
    }
    for (const { file: name, bytes } of state.objects()) {
      if (name === undefined) continue
      await writer.section({ outbox: { name, bytes } }, readFile(join(outboxFolder(folder), name), bytes))
    }
  })
}

/**
 * The export of everything: a new one, or the one by which the state was given away.
 * @throws SluiceError IMPORT_MISSING; SHARDS_UNFINISHED: the plan of a parallel backfill, and what its executors have
 *   staged, belong to this state
 */
export function planWhole(state: State, at: number): { readonly row: ExportRow; readonly isRepeated: boolean } {
  const { pipeline, exported, importing } = metaOf(state)
  if (exported) return { row: exported, isRepeated: true }
  if (importing !== undefined) throw interrupted(pipeline)
  if (state.shardRun) throw unfinishedRun(pipeline, state.shardRun)
  return { row: { id: newId(), at }, isRepeated: false }
}

function* rowsOf(state: State): Generator<ExportedRow, void> {
  for (const value of state.historyRows()) yield { kind: 'history', value }
  for (const value of state.objects()) yield { kind: 'object', value }
  if (state.forgotten.before > 0) yield { kind: 'forgotten', value: state.forgotten }
  for (const value of state.stores()) yield { kind: 'store', value }
  for (const value of state.changes()) yield { kind: 'change', value }
  for (const value of state.connections()) yield { kind: 'connected', value }
}

function newId(): string {
  return randomBytes(8).toString('hex')
}

export function metaOf(state: State): Meta {
  const { meta } = state
  if (meta) return meta
  throw new SluiceError('STATE_DAMAGED', 'the state is not initialized')
}

/** The replica that a state belongs to. */
export function storedReplica(state: State): ReplicaRow {
  return metaOf(state).replica ?? ALONE
}

function headerOf(state: State, source: string, { id, at, from, to }: ExportRow): ExportHeader {
  const { format, sluice, pipeline, salt, fingerprint } = metaOf(state)
  const moves = { ...(from && { from }), ...(to !== undefined && { to }) }
  const keyCheck = keyCheckOf(state.hashKey)
  const common = { type: 'sluice-state-export', version: EXPORT_VERSION, format, id, pipeline, source, at } as const
  return { ...common, ...(sluice !== undefined && { sluice }), ...moves, keyCheck, salt, fingerprint }
}

async function write(
  path: string,
  header: ExportHeader,
  state: State,
  content: (writer: ExportWriter) => Promise<void>,
): Promise<void> {
  const writer = await ExportWriter.open(path, header, state.hashKey)
  try {
    await content(writer)
    await writer.finish()
  } catch (error) {
    await writer.abandon()
    throw error
  }
}

/** All of them: an entry does not show which tenant it belongs to. */
async function writeBuckets(writer: ExportWriter, state: State, folder: string): Promise<void> {
  for (const row of state.dedupBuckets()) {
    const path = join(dedupFolder(folder), row.name)
    await writer.section({ bucket: bucketSection(row) }, readFile(path, row.length, row.crc))
  }
}

/** The committed bytes of a file of the state. */
async function* readFile(path: string, bytes: number, crc?: number): AsyncGenerator<Buffer, void> {
  let [found, sum] = [0, 0]
  if (bytes > 0) {
    for await (const part of createReadStream(path, {
      end: bytes - 1,
      highWaterMark: 1 << 20,
    }) as AsyncIterable<Buffer>) {
      found += part.length
      sum = crc32(part, sum)
      yield part
    }
  }
  if (found === bytes && (crc === undefined || sum === crc)) return
  throw new SluiceError('STATE_DAMAGED', `${path} is not what was committed: restore the whole state folder`)
}
