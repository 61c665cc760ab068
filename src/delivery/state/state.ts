/*
 * The small durable state of a pipeline: source positions, rows of unpublished and published
 * objects, dedup bucket lengths, rows of local rejects, tallies. It is an LMDB environment in
 * `<state folder>/state`. Large data is in files beside it (`outbox`, `dedup`, `rejects`), which
 * are valid as far as rows here name them.
 *
 * Every change is one transaction. It asserts that this process still owns the state, is rolled
 * back as a whole if it throws, and is on the disk when its promise resolves. One transaction
 * commits an epoch.
 *
 * One process owns a state at a time. The owner listens on a socket whose name it has recorded
 * (`owner-lock.ts`). The kernel closes the socket when the process ends in any way, so the next
 * process takes over a recorded owner that does not answer. Other processes may read at any time
 * (`state-reader.ts`): a reader sees one moment.
 *
 * The folder is synced at every start, because a process that was killed may have created the
 * database and not synced its name: a later power failure would delete it. On a full disk the next
 * start still needs a few pages, to take ownership and to retire what it publishes. Each start
 * leaves free pages for it.
 *
 * The fingerprint is the configuration that gives dedup keys their meaning, see `fingerprint.ts`. A
 * run with another fingerprint stops with STATE_MISMATCH, because it would not recognise events of
 * earlier runs, until a person accepts the change. Changes by a person leave a row.
 */
import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import { openDatabase } from './database.ts'
import type { Database, Key } from './database.ts'
import type { Files } from '../../files.ts'
import { codeDifferences, differences, takeFingerprint } from './fingerprint.ts'
import type { Fingerprint, KeyDefinition } from './fingerprint.ts'
import { keepPrivate } from './keep-private.ts'
import { removeStaleLock, isHeld, acquireOwnerLock } from './owner-lock.ts'
import type { Owner, OwnerLock } from './owner-lock.ts'
import {
  checkFormat,
  databaseFolder,
  formatOf,
  hasState,
  movedKey,
  noState,
  partitionKey,
  StateReader,
  storeKey,
} from './state-reader.ts'
import { HASH_KEY_BYTES } from '../../record/digest.ts'
import { checkReplica, newReplicaRow } from '../replicas/check-replica.ts'
import type { RunningReplica } from '../replicas/check-replica.ts'
import type { ExportedRow } from '../replicas/export-file.ts'
import { ALONE } from '../replicas/replica.ts'
import { addTally } from '../tally.ts'
import type { Tally } from '../tally.ts'
import type {
  ChangeRow,
  ConnectedRow,
  DedupBucketRow,
  ExportRow,
  HistoryRow,
  LeaveOutFile,
  LocalRejectsChange,
  LocalRejectsRow,
  Meta,
  MovedRow,
  ObjectRow,
  PartitionRow,
  RejectCounts,
  ReplicaRow,
  Role,
  ShardRow,
  StoreRow,
} from './rows.ts'
import type { Shard, ShardRun } from '../shards/shard.ts'
import { unfinishedRun } from '../shards/unfinished-run.ts'

/** Sets a source partition back. Without `to` it is read from its beginning. */
export interface Rewind {
  readonly partition: string
  readonly to?: PartitionRow | undefined
}

/** What `sluice state redirect` changes, in one transaction. */
export interface Redirect {
  /** Rows with their new type and destination. */
  readonly moved: readonly ObjectRow[]
  /** Rows whose objects are visible at the old destination. */
  readonly published: readonly ObjectRow[]
  /** In words. */
  readonly what: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** A shard whose result an epoch commits. */
export interface ShardDone {
  /** Of the run. */
  readonly run: string
  readonly number: number
  /** See `StateReader.shardEnds`. */
  readonly ends: readonly (Json | null)[]
  readonly leaveOut?: LeaveOutFile | undefined
}

/** What `sluice state export` changes, in one transaction. */
export interface Move {
  readonly row: ExportRow
  readonly moved: readonly MovedRow[]
  /** What the state belongs to from now on; undefined if it is given away as a whole. */
  readonly replica?: ReplicaRow | undefined
  /** In words. */
  readonly what: string
}

/** What `sluice state import` changes, in one transaction. */
export interface Receipt {
  /** The export; undefined if one is given up as lost. */
  readonly row?: ExportRow | undefined
  readonly partitions: readonly PartitionRow[]
  readonly dedupBuckets: readonly DedupBucketRow[]
  readonly replica?: ReplicaRow | undefined
  /** In words. */
  readonly what: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** What the export of a whole state has, apart from what every export has. */
export interface Restored {
  readonly rows: readonly ExportedRow[]
  readonly localRejects: readonly LocalRejectsRow[]
}

/** Everything that one epoch changes, in one transaction. */
export interface EpochChange {
  readonly epoch: number
  /** Milliseconds since 1970. */
  readonly committedAt: number
  /** Merged into the stored rows: absent fields keep their value. */
  readonly partitions: readonly PartitionRow[]
  readonly objects: readonly ObjectRow[]
  readonly dedupBuckets: readonly DedupBucketRow[]
  /** Names of dedup buckets to delete. */
  readonly expired: readonly string[]
  readonly tally: Tally
  readonly localRejects: LocalRejectsChange
  readonly shard?: ShardDone | undefined
}

export interface StateOptions {
  readonly folder: string
  readonly files: Files
  readonly pipeline: string
  /** A run with another one is refused, see the comment at the top. */
  readonly keys: KeyDefinition
  /**
   * The replica that will collect with the state. Default: none, nothing is collected of its own
   * accord, and the state may be that of any replica.
   */
  readonly replica?: RunningReplica | undefined
  /** The state may still wait for exports: it is opened to import them. Default: false. */
  readonly isImport?: boolean
  /** The export of a whole state that a new state is created for. */
  readonly importing?: { readonly id: string; readonly hashKey: string } | undefined
  /** Default: LMDB. */
  readonly openDatabase?: ((folder: string) => Database | Promise<Database>) | undefined
}

/**
 * A state that this process owns. See the comment at the top.
 * @throws SluiceError STATE_IN_USE, STATE_MISMATCH, STATE_DAMAGED; DISK_FULL or DISK_FAILED, after
 *   which the state must not be used again.
 */
export class State extends StateReader {
  /** Random, constant for the life of the state. Part of every object's name. */
  readonly generation: string
  /** Secret of the dedup digests, constant for the life of the state. */
  readonly hashKey: Buffer
  readonly #db: Database
  readonly #folder: string
  readonly #lock: OwnerLock

  static async open(options: StateOptions): Promise<State> {
    const folder = databaseFolder(options.folder)
    await options.files.makeFolder(folder)
    const db = await (options.openDatabase ?? openDatabase)(folder)
    let now: Fingerprint | undefined
    const take = async (salt: Buffer): Promise<Fingerprint> => (now ??= await takeFingerprint(options.keys, salt))
    return own(db, options.folder, async (stored) => {
      const meta = stored ?? (await create(db, options, take))
      checkFormat(meta)
      checkPipeline(meta, options)
      checkReplica(meta, options.replica, options)
      checkFingerprint(meta, options, await take(saltOf(meta)))
      // At every start: a process that was killed before this line left a database whose name is
      // not durable.
      await options.files.fsyncFolder(folder)
      return meta
    })
  }

  /**
   * Takes over an existing state, whatever its configuration: for maintenance, not for a run.
   * @throws SluiceError STATE_NOT_FOUND, STATE_IN_USE, STATE_MISMATCH, FOLDER_UNSAFE
   */
  static async openExisting(folder: string): Promise<State> {
    if (!hasState(folder)) throw noState(folder)
    await keepPrivate(folder)
    return own(await openDatabase(databaseFolder(folder)), folder, async (stored) => {
      if (!stored) throw noState(folder)
      checkFormat(stored)
      return stored
    })
  }

  constructor(db: Database, folder: string, lock: OwnerLock, meta: Meta) {
    super(db)
    this.#db = db
    this.#folder = folder
    this.#lock = lock
    this.generation = meta.generation
    this.hashKey = Buffer.from(meta.hashKey, 'hex')
  }

  async commit(change: EpochChange): Promise<void> {
    await this.#change((db) => {
      if (change.epoch !== this.nextEpoch) {
        throw new SluiceError(
          'INTERNAL',
          `epoch ${change.epoch} cannot be committed, the next epoch is ${this.nextEpoch}`,
        )
      }
      if (change.shard) this.#putShardDone(db, change.shard)
      put(db, 'epoch', change.epoch + 1)
      put(db, 'committedAt', change.committedAt)
      for (const row of change.partitions) {
        put(db, partitionKey(row.partition), { ...this.partition(row.partition), ...row })
      }
      for (const row of change.objects) put(db, ['object', row.epoch, row.part], row)
      for (const row of change.dedupBuckets) put(db, ['dedupBucket', row.name], row)
      for (const name of change.expired) db.removeSync(['dedupBucket', name])
      put(db, 'tally', addTally(this.tally, change.tally))
      this.#putRejects(db, change)
    })
  }

  /** How a key definition differs from the one in the state, in words. */
  async keyChanges(keys: KeyDefinition): Promise<string[]> {
    const { meta } = this
    return meta ? differences(meta.fingerprint, await takeFingerprint(keys, saltOf(meta))) : []
  }

  /** Takes over a changed key definition. @param at milliseconds since 1970 */
  async accept(keys: KeyDefinition, at: number): Promise<void> {
    const meta = this.#requireMeta()
    const fingerprint = await takeFingerprint(keys, saltOf(meta))
    const what = differences(meta.fingerprint, fingerprint).join(', ')
    await this.#change((db) => {
      put(db, 'meta', { ...meta, fingerprint } satisfies Meta)
      this.#putChange(db, { at, action: 'accept', what })
    })
  }

  /**
   * Remembers the custom code that makes dedup keys. Returns what has changed since the last run,
   * in words.
   */
  async updateCode(code: KeyDefinition['code']): Promise<string[]> {
    const meta = this.#requireMeta()
    const now = await takeFingerprint({ code }, saltOf(meta))
    const fingerprint = { ...meta.fingerprint, code: now.code }
    const changed = codeDifferences(meta.fingerprint, fingerprint)
    if (changed.length > 0) await this.#change((db) => put(db, 'meta', { ...meta, fingerprint } satisfies Meta))
    return changed
  }

  /** Stores shards of a plan. They count when `startShardRun` is committed. */
  async addShards(shards: readonly Shard[]): Promise<void> {
    await this.#change((db) => {
      for (const { number, parts, bytes } of shards) {
        const partitions = [parts[0].partition, parts[parts.length - 1].partition] as const
        put(db, ['shard', number], { number, bytes, partitions, status: 'open' } satisfies ShardRow)
        put(db, ['shardParts', number], parts)
      }
    })
  }

  /** Completes a plan. From now on, an older Sluice refuses the state. */
  async startShardRun(run: ShardRun): Promise<void> {
    const meta = this.#requireMeta()
    await this.#change((db) => {
      put(db, 'shardRun', run)
      put(db, 'shardRuns', run.number)
      put(db, 'meta', { ...meta, format: formatOf(meta, true) } satisfies Meta)
    })
  }

  /** Changes the status of a shard that is not committed. */
  async saveShard(row: ShardRow): Promise<void> {
    await this.#change((db) => put(db, ['shard', row.number], row))
  }

  /** Replaces the bytes of objects that were staged and do not exist any more. */
  async replaceStaged(rows: readonly ObjectRow[]): Promise<void> {
    await this.#change((db) => {
      for (const row of rows) if (db.get(['object', row.epoch, row.part])) put(db, ['object', row.epoch, row.part], row)
    })
  }

  /** Ends the parallel backfill. @param partitions positions that it has reached, if it is cancelled. */
  async endShardRun(partitions: readonly PartitionRow[] = []): Promise<void> {
    const meta = this.#requireMeta()
    await this.#change((db) => {
      for (const row of partitions) {
        put(db, partitionKey(row.partition), { ...this.partition(row.partition), ...row })
      }
      db.removeSync('shardRun')
      put(db, 'meta', { ...meta, format: formatOf(meta, false) } satisfies Meta)
    })
    await this.removeShards()
  }

  /** Removes the shards of a plan that has ended, or was never complete. */
  async removeShards(): Promise<void> {
    for (;;) {
      const numbers: number[] = []
      for (const { number } of this.shards()) if (numbers.push(number) === REMOVED_AT_ONCE) break
      if (numbers.length === 0) return
      await this.#change((db) => {
        for (const number of numbers) {
          for (const kind of ['shard', 'shardParts', 'shardEnds']) db.removeSync([kind, number])
        }
      })
    }
  }

  /** Stores the resume token of an attempt to publish the object. */
  async saveResumeToken({ epoch, part }: ObjectRow, resumeToken: Json): Promise<void> {
    await this.#change((db) => {
      const row: ObjectRow | undefined = db.get(['object', epoch, part])
      if (row) put(db, ['object', epoch, part], { ...row, resumeToken })
    })
  }

  /**
   * Deletes source positions, or sets them back. Dedup keys stay.
   * @throws SluiceError SHARDS_UNFINISHED: the plan of the parallel backfill begins at these positions
   */
  async rewind(changes: readonly Rewind[], at: number): Promise<void> {
    this.#requireNoShards()
    await this.#change((db) => {
      const what = changes
        .map(({ partition, to }) => `${partition} ${to ? 'to a time' : 'to the beginning'}`)
        .join(', ')
      this.#putChange(db, { at, action: 'rewind', what })
      for (const { partition, to } of changes) {
        if (to) put(db, partitionKey(partition), to)
        else db.removeSync(partitionKey(partition))
      }
    })
  }

  /** Remembers a destination that works. */
  async saveConnected(role: Role, destination: JsonObject): Promise<void> {
    await this.#change((db) => put(db, ['connected', role], { role, destination } satisfies ConnectedRow))
  }

  /**
   * Sends waiting objects to other destinations, and moves those that are published after all to
   * the history. Notes of unfinished uploads are forgotten: they belong to the old destination.
   */
  async redirect({ moved, published, what, at }: Redirect): Promise<void> {
    await this.#change((db) => {
      for (const { resumeToken: _token, ...row } of moved) put(db, ['object', row.epoch, row.part], row)
      for (const row of published) this.#putPublished(db, row, at)
      this.#putChange(db, { at, action: 'redirect', what })
    })
  }

  /**
   * Marks tenants as moved, or the whole state: from now on, this state does not collect them.
   * @throws SluiceError SHARDS_UNFINISHED: a parallel backfill would add dedup keys afterwards
   */
  async move({ row, moved, replica, what }: Move): Promise<void> {
    const meta = this.#requireMeta()
    this.#requireNoShards()
    await this.#change((db) => {
      put(db, 'meta', this.#withFormat({ ...meta, ...(replica ? { replica } : { exported: row }) }))
      put(db, ['export', row.id], row)
      for (const tenant of moved) {
        put(db, movedKey(row.id, tenant.tenant), tenant)
        if (tenant.partition !== undefined) db.removeSync(partitionKey(tenant.partition))
      }
      this.#putChange(db, { at: row.at, action: 'export', what })
    })
  }

  /**
   * Takes over what another state has exported, with the dedup buckets that hold its keys.
   * @throws SluiceError SHARDS_UNFINISHED
   */
  async receive({ row, partitions, dedupBuckets, replica, what, at }: Receipt): Promise<void> {
    const meta = this.#requireMeta()
    this.#requireNoShards()
    await this.#change((db) => {
      put(db, 'meta', this.#withFormat({ ...meta, ...(replica && { replica }) }))
      if (row) put(db, ['import', row.id], row)
      for (const partition of partitions) put(db, partitionKey(partition.partition), partition)
      for (const bucket of dedupBuckets) put(db, ['dedupBucket', bucket.name], bucket)
      this.#putChange(db, { at, action: 'import', what })
    })
  }

  /** Makes a new state what the exported one was, but for its generation: the objects of both have other names. */
  async restore({ row, partitions, dedupBuckets, what, at }: Receipt, { rows, localRejects }: Restored): Promise<void> {
    const { importing: _importing, ...meta } = this.#requireMeta()
    await this.#change((db) => {
      for (const one of rows) restoreRow(db, one)
      const replica = rows.find((one) => one.kind === 'totals')?.replica
      put(db, 'meta', this.#withFormat({ ...meta, ...(replica && { replica }) }))
      if (row) put(db, ['import', row.id], row)
      for (const partition of partitions) put(db, partitionKey(partition.partition), partition)
      for (const bucket of dedupBuckets) put(db, ['dedupBucket', bucket.name], bucket)
      for (const reject of localRejects) put(db, ['localRejects', reject.epoch], reject)
      this.#putChange(db, { at, action: 'import', what })
    })
  }

  /** Stores the result of a conditional-put probe. */
  async saveStore(row: StoreRow): Promise<void> {
    await this.#change((db) => put(db, storeKey(row.name), row))
  }

  /** Moves the row of a published object to the history. */
  async retire(row: ObjectRow, publishedAt: number): Promise<void> {
    await this.#change((db) => this.#putPublished(db, row, publishedAt))
  }

  /**
   * Releases the owner lock and closes the database. Writes nothing: the recorded owner no longer
   * answers.
   */
  async close(): Promise<void> {
    await this.#lock.close()
    await this.#db.close()
  }

  #requireNoShards(): void {
    const { shardRun, meta } = this
    if (shardRun) throw unfinishedRun(meta?.pipeline ?? '', shardRun)
  }

  #withFormat(meta: Meta): Meta {
    return { ...meta, format: formatOf(meta, this.shardRun !== undefined) }
  }

  #requireMeta(): Meta {
    const { meta } = this
    if (meta) return meta
    throw new SluiceError('STATE_DAMAGED', `${this.#folder} has a state that is not initialized`)
  }

  #putShardDone(db: Database, { run, number, ends, leaveOut }: ShardDone): void {
    const row = this.shard(number)
    if (this.shardRun?.id !== run || !row || row.status === 'done') {
      throw new SluiceError(
        'INTERNAL',
        `shard ${number} of ${run} cannot be committed: it is ${row?.status ?? 'unknown'}`,
      )
    }
    const { error: _error, ...rest } = row
    put(db, ['shard', number], { ...rest, status: 'done', ...(leaveOut && { leaveOut }) } satisfies ShardRow)
    put(db, ['shardEnds', number], ends)
  }

  #putChange(db: Database, change: Omit<ChangeRow, 'number'>): void {
    const number = (this.changes().at(-1)?.number ?? 0) + 1
    put(db, ['change', number], { number, ...change } satisfies ChangeRow)
  }

  #putPublished(db: Database, row: ObjectRow, publishedAt: number): void {
    const { file: _file, staged: _staged, shard: _shard, resumeToken: _token, ...published } = row
    put(db, ['history', row.epoch, row.part], { ...published, publishedAt } satisfies HistoryRow)
    db.removeSync(['object', row.epoch, row.part])
  }

  #putRejects(db: Database, { localRejects, objects }: EpochChange): void {
    for (const row of localRejects.rows) put(db, ['localRejects', row.epoch], row)
    for (const { epoch } of localRejects.removed) db.removeSync(['localRejects', epoch])
    const copies = objects.filter(({ role }) => role === 'rejects')
    const { evicted, replayed, copied } = this.rejectCounts
    put(db, 'rejectCounts', {
      evicted: evicted + localRejects.evicted,
      replayed: replayed + localRejects.replayed,
      copied: copied + copies.reduce((sum, { records }) => sum + records, 0),
    } satisfies RejectCounts)
  }

  async #change(change: (db: Database) => void): Promise<void> {
    await transact(this.#db, this.#folder, () => {
      const owner: Owner | undefined = this.#db.get('owner')
      if (owner?.socket !== this.#lock.owner.socket) throw inUse(owner)
      change(this.#db)
    })
  }
}

async function own(
  db: Database,
  folder: string,
  checkOrCreate: (stored: Meta | undefined) => Promise<Meta>,
): Promise<State> {
  let lock: OwnerLock | undefined
  try {
    lock = await acquireOwnerLock(folder)
    await takeOver(db, folder, lock.owner)
    const meta = await checkOrCreate(db.get('meta'))
    await reservePages(db, folder)
    return new State(db, folder, lock, meta)
  } catch (error) {
    await lock?.close()
    await db.close()
    throw error
  }
}

/**
 * Leaves free pages in the database's file, for a later start on a full disk: it can then take
 * ownership and retire the objects that it publishes. Fails silently if the disk is full now: an
 * earlier start left pages.
 */
async function reservePages(db: Database, folder: string): Promise<void> {
  const written = transact(db, folder, () => put(db, 'reserve', 'x'.repeat(RESERVE_BYTES)))
  await Promise.allSettled([written.then(() => transact(db, folder, () => db.removeSync('reserve')))])
}

/** Shards whose rows one transaction removes. */
const REMOVED_AT_ONCE = 256

/** A transaction writes 5 to 20 pages of 4 KiB. */
const RESERVE_BYTES = 128 << 10

function put(db: Database, key: Key, value: unknown): void {
  db.putSync(key, value)
}

async function transact<T>(db: Database, folder: string, change: () => T): Promise<T> {
  try {
    // A throw inside `transactionSync` rolls everything back; inside `transaction` earlier puts
    // would stay.
    const result = db.transactionSync(change)
    await db.flushed
    return result
  } catch (error) {
    const code = (await isOutOfSpace(error, folder)) ? 'DISK_FULL' : 'DISK_FAILED'
    throw asSluiceError(error, code, 'the state could not be written')
  }
}

/** LMDB reports an input/output error if the last free space took only a part of a write. */
async function isOutOfSpace(error: unknown, folder: string): Promise<boolean> {
  if (!(error instanceof Error)) return false
  if (/no space|quota/i.test(error.message)) return true
  if (!/input\/output/i.test(error.message)) return false
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize < NEARLY_FULL_BYTES
}

const NEARLY_FULL_BYTES = 1 << 20

/**
 * Records this process as the owner unless the recorded owner is alive. Retries if another process
 * was faster.
 */
async function takeOver(db: Database, folder: string, owner: Owner): Promise<void> {
  for (;;) {
    const recorded: Owner | undefined = db.get('owner')
    if (recorded && (await isHeld(folder, recorded))) throw inUse(recorded)
    const taken = await transact(db, folder, () => {
      const now: Owner | undefined = db.get('owner')
      if (now?.socket !== recorded?.socket) return false
      put(db, 'owner', owner)
      return true
    })
    if (!taken) continue
    if (recorded) await removeStaleLock(folder, recorded)
    return
  }
}

function inUse(owner: Owner | undefined): SluiceError {
  const who = owner ? `process ${owner.pid}` : 'another process'
  return new SluiceError('STATE_IN_USE', `the state is in use by ${who}: stop it, or give this run another --state`)
}

async function create(
  db: Database,
  { folder, files, pipeline, replica = ALONE, isImport = false, importing }: StateOptions,
  take: (salt: Buffer) => Promise<Fingerprint>,
): Promise<Meta> {
  for (const name of ['outbox', 'dedup', 'rejects', 'shards']) {
    if ((await files.readdir(join(folder, name))).length > 0) {
      throw new SluiceError(
        'STATE_DAMAGED',
        `${folder} has files in ${name}, but no state: restore its state folder, or move ${folder} away to start over`,
      )
    }
  }
  const row = importing ? undefined : newReplicaRow(replica, { pipeline, isImport })
  const salt = randomBytes(16)
  const meta: Meta = {
    format: formatOf({ ...(row && { replica: row }) }, false),
    pipeline,
    generation: randomBytes(4).toString('hex'),
    hashKey: importing?.hashKey ?? (replica.key?.hashKey ?? randomBytes(HASH_KEY_BYTES)).toString('hex'),
    salt: salt.toString('hex'),
    fingerprint: await take(salt),
    ...(row && { replica: row }),
    ...(importing && { importing: importing.id }),
  }
  await transact(db, folder, () => put(db, 'meta', meta))
  return meta
}

function restoreRow(db: Database, row: ExportedRow): void {
  if (row.kind === 'history') put(db, ['history', row.value.epoch, row.value.part], row.value)
  else if (row.kind === 'store') put(db, storeKey(row.value.name), row.value)
  else if (row.kind === 'connected') put(db, ['connected', row.value.role], row.value)
  else if (row.kind === 'change') put(db, ['change', row.value.number], row.value)
  else {
    put(db, 'epoch', row.epoch)
    put(db, 'tally', row.tally)
    put(db, 'rejectCounts', row.rejectCounts)
    put(db, 'shardRuns', row.shardRuns)
    if (row.committedAt !== undefined) put(db, 'committedAt', row.committedAt)
  }
}

function checkPipeline(meta: Meta, { pipeline }: StateOptions): void {
  if (meta.pipeline === pipeline) return
  throw new SluiceError('STATE_MISMATCH', `the state belongs to the pipeline ${meta.pipeline}, not to ${pipeline}`)
}

function checkFingerprint(meta: Meta, { pipeline }: StateOptions, now: Fingerprint): void {
  const changed = differences(meta.fingerprint, now)
  if (changed.length === 0) return
  throw new SluiceError(
    'STATE_MISMATCH',
    `the configuration has changed since the state was created: ${changed.join(', ')}. Records that are read again would be written again`,
    {
      hint: `undo the change, or accept it with \`sluice state accept ${pipeline}\`, or start over with \`sluice state reset ${pipeline}\``,
    },
  )
}

function saltOf({ salt }: Meta): Buffer {
  return Buffer.from(salt, 'hex')
}
