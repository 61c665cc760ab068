import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { SluiceError } from '../../errors.ts'
import { realFiles } from '../../files.ts'
import { addToBucket, DedupIndex, dedupFolder } from '../dedup/dedup-index.ts'
import { ENTRY_BYTES } from '../dedup/dedup-table.ts'
import { differences, takeFingerprint } from '../state/fingerprint.ts'
import { checkFormat } from '../state/formats.ts'
import type { KeyDefinition } from '../state/fingerprint.ts'
import { outboxFolder } from '../open-epoch.ts'
import { rejectsFolder } from '../rejects/local-rejects.ts'
import type { DedupBucketRow, ExportRow, MovedRow, PartitionRow, ReplicaRow } from '../state/rows.ts'
import type { State } from '../state/state.ts'
import { interrupted, newReplicaRow } from './check-replica.ts'
import type { RunningReplica } from './check-replica.ts'
import { keyCheckOf } from './export-file.ts'
import type {
  BucketSection,
  ExportContent,
  ExportedRow,
  ExportHeader,
  ExportReader,
  Placed,
  Section,
} from './export-file.ts'
import { metaOf, storedReplica } from './export-state.ts'
import { ALONE, nameOf, ownerOf } from './replica.ts'

export interface ImportOptions {
  readonly state: State
  /** Of the state. */
  readonly folder: string
  readonly keys: KeyDefinition
  /** Milliseconds since 1970. */
  readonly at: number
}

export interface Imported {
  /** Already done by an earlier import. */
  readonly isRepeated: boolean
  readonly tenants: number
  /** New in this state. */
  readonly dedupKeys: number
}

/**
 * Takes from an export of a replica the tenants that belong to this one, in one transaction. Whatever
 * happens before, the state is as it was. The same export again changes nothing.
 * @throws SluiceError EXPORT_INVALID, STATE_MISMATCH
 */
export async function importMove(reader: ExportReader, options: ImportOptions): Promise<Imported> {
  const { state, at } = options
  const { header, path } = reader
  const { pipeline } = metaOf(state)
  const replica = storedReplica(state)
  if (metaOf(state).importing !== undefined) throw interrupted(pipeline)
  checkOrigin(reader, pipeline)
  checkMove(reader, replica)
  if (state.imports().some(({ id }) => id === header.id)) return { isRepeated: true, tenants: 0, dedupKeys: 0 }
  const content = await checkContent(reader, options)
  const own = content.tenants.filter(({ tenant }) => ownerOf(pipeline, tenant, replica.count) === replica.number)
  const partitions = partitionsOf(own)
  const taken = partitions.find(({ partition }) => state.partition(partition))
  if (taken) {
    throw new SluiceError(
      'STATE_MISMATCH',
      `${path} has ${taken.partition}, which this replica collects already: nothing was imported from it`,
      {
        hint: 'this state was begun without the export (`--without`); it can continue as it is',
      },
    )
  }
  // A tenant without a position may have dedup keys of an archive.
  const { rows, added } = own.length > 0 ? await addKeys(reader, content, options) : { rows: [], added: 0 }
  const sender = header.from?.number ?? 0
  await state.receive({
    row: rowOf(header),
    partitions,
    dedupBuckets: rows,
    replica: withoutSenders(replica, [sender]),
    what: `${own.length} of ${content.tenants.length} tenants of ${nameOf(header.from ?? ALONE)}`,
    at,
  })
  return { isRepeated: false, tenants: own.length, dedupKeys: added }
}

/** Lets a replica take tenants again that was removed when there were fewer. */
export async function reviveReplica(
  running: RunningReplica | undefined,
  { state, at }: Pick<ImportOptions, 'state' | 'at'>,
): Promise<void> {
  const { number, count } = storedReplica(state)
  if (running === undefined || number <= count) return
  const replica = newReplicaRow(running, { pipeline: metaOf(state).pipeline, isImport: true })
  const what = `${nameOf(running)}, which was removed, takes tenants again`
  await state.receive({ partitions: [], dedupBuckets: [], replica, what, at })
}

/** Gives up exports that are lost: their tenants start from the beginning. */
export async function importWithout(
  senders: readonly number[],
  { state, at }: Pick<ImportOptions, 'state' | 'at'>,
): Promise<void> {
  const replica = storedReplica(state)
  const unknown = senders.find((sender) => !replica.awaits?.includes(sender))
  if (unknown !== undefined) {
    throw new SluiceError('USAGE', `${nameOf(replica)} does not wait for the export of replica ${unknown}`, {
      hint: replica.awaits ? `it waits for ${replica.awaits.join(', ')}` : 'it waits for none',
    })
  }
  const what = `without the export of replica ${senders.join(', ')}`
  await state.receive({ partitions: [], dedupBuckets: [], replica: withoutSenders(replica, senders), what, at })
}

/** Checks an export of everything before a state is created for it. @throws SluiceError EXPORT_INVALID, STATE_MISMATCH */
export async function checkWhole(
  reader: ExportReader,
  { pipeline, keys }: { readonly pipeline: string; readonly keys: KeyDefinition },
): Promise<ExportContent> {
  checkOrigin(reader, pipeline)
  const hashKey = Buffer.from(reader.header.hashKey ?? '', 'hex')
  const content = await reader.check(hashKey)
  await checkKeys(reader, keys)
  for (const { name } of [...content.files, ...content.outbox]) {
    if (!/^\w[\w.-]*$/.test(name)) throw new SluiceError('EXPORT_INVALID', `${reader.path} has an invalid file name`)
  }
  return content
}

/**
 * Fills a new state with an export of everything. Nothing else can use the state before the last transaction; after
 * a crash the same import begins again.
 */
export async function importWhole(
  reader: ExportReader,
  content: ExportContent,
  { state, folder, at }: Omit<ImportOptions, 'keys'>,
): Promise<Imported> {
  const { header } = reader
  if (state.imports().some(({ id }) => id === header.id)) return { isRepeated: true, tenants: 0, dedupKeys: 0 }
  if (metaOf(state).importing !== header.id) {
    throw new SluiceError(
      'STATE_MISMATCH',
      `${folder} has a state already, and an export of everything needs a folder of its own`,
      {
        hint: 'give another --state, or delete what is there with `sluice state reset`',
      },
    )
  }
  const buckets = await copyBuckets(reader, content.buckets, dedupFolder(folder))
  await copyFiles(reader, content.files, rejectsFolder(folder))
  await copyFiles(reader, content.outbox, outboxFolder(folder))
  await restoreRows(reader, state)
  const partitions = partitionsOf(content.tenants)
  const receipt = { row: rowOf(header), partitions, dedupBuckets: buckets, what: 'everything', at }
  await state.restore(receipt, { format: header.format, localRejects: content.files.map(({ row }) => row) })
  const bytes = buckets.reduce((sum, { length }) => sum + length, 0)
  return { isRepeated: false, tenants: partitions.length, dedupKeys: bytes / ENTRY_BYTES }
}

/** In transactions of some rows: there can be millions. */
async function restoreRows(reader: ExportReader, state: State): Promise<void> {
  let rows: ExportedRow[] = []
  for await (const row of reader.rows()) {
    rows.push(row)
    if (rows.length < AT_ONCE) continue
    await state.restoreRows(rows)
    rows = []
  }
  if (rows.length > 0) await state.restoreRows(rows)
}

const AT_ONCE = 1000

/** The state has no dedup keys yet: the buckets are copied as they are. */
async function copyBuckets(
  reader: ExportReader,
  buckets: readonly Placed<BucketSection>[],
  folder: string,
): Promise<DedupBucketRow[]> {
  for (const bucket of buckets) checkBucket(reader, bucket)
  await copyFiles(reader, buckets, folder)
  return buckets.map(({ name, bytes, crc, permanent }) => ({
    name,
    length: bytes,
    crc,
    ...(permanent && { permanent }),
  }))
}

async function copyFiles(
  reader: ExportReader,
  files: readonly (Placed<Section> & { readonly crc?: number })[],
  folder: string,
): Promise<void> {
  for (const file of files) {
    const crc = await copyFile(reader, file, folder)
    if (file.crc !== undefined && file.crc !== crc) throw changedMeanwhile(reader)
  }
  if (files.length > 0) await realFiles.fsyncFolder(folder)
}

function partitionsOf(tenants: readonly MovedRow[]): PartitionRow[] {
  return tenants.flatMap(({ partition, position, lowWatermark }): PartitionRow[] => {
    if (partition === undefined || position === undefined) return []
    return [{ partition, position, ...(lowWatermark !== undefined && { lowWatermark }) }]
  })
}

/** Returns the CRC-32 of the bytes. */
async function copyFile(reader: ExportReader, file: Placed<Section>, folder: string): Promise<number> {
  await realFiles.makeFolder(folder)
  const path = join(folder, file.name)
  await realFiles.unlink(path)
  const copy = await realFiles.open(path, 'wx')
  try {
    let [at, crc] = [0, 0]
    for await (const bytes of reader.bytes(file)) {
      await copy.write(bytes, at)
      at += bytes.length
      crc = crc32(bytes, crc)
    }
    await copy.fdatasync()
    return crc
  } finally {
    await copy.close()
  }
}

function rowOf({ id, at, from, to }: ExportHeader): ExportRow {
  return { id, at, ...(from && { from }), ...(to !== undefined && { to }) }
}

function withoutSenders({ awaits = [], ...rest }: ReplicaRow, senders: readonly number[]): ReplicaRow {
  const left = awaits.filter((sender) => !senders.includes(sender))
  return { ...rest, ...(left.length > 0 && { awaits: left }) }
}

function checkOrigin({ header, path }: ExportReader, pipeline: string): void {
  if (header.pipeline !== pipeline) {
    throw new SluiceError(
      'STATE_MISMATCH',
      `${path} is an export of the pipeline ${header.pipeline}, not of ${pipeline}`,
    )
  }
  checkFormat(header, path)
}

function checkMove({ header, path }: ExportReader, replica: ReplicaRow): void {
  const { from, to } = header
  if (from === undefined || to === undefined) {
    throw new SluiceError(
      'STATE_MISMATCH',
      `${path} is an export of a whole state, and not of tenants for ${nameOf(replica)}`,
      {
        hint: 'tenants are exported with `sluice state export --count`',
      },
    )
  }
  if (to === replica.count && (replica.was ?? from.count) === from.count) return
  throw new SluiceError(
    'STATE_MISMATCH',
    `${path} moves tenants of ${from.count} replicas to ${to}, and this is ${nameOf(replica)}${replica.was === undefined ? '' : ` of formerly ${replica.was}`}`,
    {
      hint: 'import the exports that were made with the --count of this replica',
    },
  )
}

/** Checks all of the export before anything of it is used. */
async function checkContent(reader: ExportReader, { state, keys }: ImportOptions): Promise<ExportContent> {
  const { header, path } = reader
  if (header.keyCheck !== keyCheckOf(state.hashKey)) {
    throw new SluiceError(
      'STATE_MISMATCH',
      `${path} was made with another SLUICE_SHARD_KEY than this state: its dedup keys would match nothing`,
      {
        hint: 'all replicas of a pipeline need the same one, also those that are moved to',
      },
    )
  }
  const content = await reader.check(state.hashKey)
  await checkKeys(reader, keys)
  return content
}

/** The export has dedup keys that were made in the same way. */
async function checkKeys({ header, path }: ExportReader, keys: KeyDefinition): Promise<void> {
  const changed = differences(header.fingerprint, await takeFingerprint(keys, Buffer.from(header.salt, 'hex')))
  if (changed.length === 0) return
  throw new SluiceError(
    'STATE_MISMATCH',
    `${path} has dedup keys that were made in another way: ${changed.join(', ')}`,
    {
      hint: 'use the same pipeline file as the replica that made the export, and change it afterwards',
    },
  )
}

/** Writes the dedup keys of an export behind those of this state. They are valid when the rows are committed. */
async function addKeys(
  reader: ExportReader,
  { buckets }: ExportContent,
  { state, folder }: ImportOptions,
): Promise<{ rows: DedupBucketRow[]; added: number }> {
  const known = new Map(state.dedupBuckets().map((row) => [row.name, row]))
  const options = { folder: dedupFolder(folder), files: realFiles }
  // Removes what an interrupted import has left.
  await DedupIndex.open({ ...options, rows: [...known.values()], stage: 'dedup', memory: Infinity, within: undefined })
  const rows: DedupBucketRow[] = []
  let added = 0
  for (const bucket of buckets) {
    const { name, permanent } = bucket
    checkBucket(reader, bucket)
    const row = known.get(name) ?? { name, length: 0, crc: 0 }
    const changed = await addToBucket(row, entriesOf(reader, bucket), options)
    if (changed) added += (changed.length - row.length) / ENTRY_BYTES
    if (changed || (permanent && !row.permanent)) rows.push({ ...(changed ?? row), ...(permanent && { permanent }) })
  }
  if (rows.length > 0) await realFiles.fsyncFolder(options.folder)
  return { rows, added }
}

function checkBucket({ path }: ExportReader, { name, bytes }: BucketSection): void {
  if (/^[dp]\d*$/.test(name) && bytes % ENTRY_BYTES === 0) return
  throw new SluiceError('EXPORT_INVALID', `${path} has an invalid dedup bucket`)
}

async function* entriesOf(reader: ExportReader, bucket: Placed<BucketSection>): AsyncGenerator<Uint32Array, void> {
  let sum = 0
  let rest = Buffer.alloc(0)
  for await (const bytes of reader.bytes(bucket)) {
    sum = crc32(bytes, sum)
    const all = rest.length > 0 ? Buffer.concat([rest, bytes]) : bytes
    const whole = all.length - (all.length % ENTRY_BYTES)
    // A copy is aligned.
    yield new Uint32Array(Uint8Array.from(all.subarray(0, whole)).buffer)
    rest = Buffer.from(all.subarray(whole))
  }
  if (sum !== bucket.crc) throw changedMeanwhile(reader)
}

function changedMeanwhile({ path }: ExportReader): SluiceError {
  return new SluiceError('EXPORT_INVALID', `${path} has changed while it was imported`)
}
