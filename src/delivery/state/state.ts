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
 * One process owns a state at a time (`own-state.ts`). Other processes may read at any time
 * (`state-reader.ts`): a reader sees one moment. A new state is created, and an existing one checked, by
 * `create-state.ts`. The rows are written by `epoch-rows.ts`, `shard-rows.ts` and `maintenance-rows.ts`.
 */
import { SluiceError } from '../../errors.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import type { ExportedRow } from '../replicas/export-file.ts'
import type { Shard, ShardRun } from '../shards/shard.ts'
import { unfinishedRun } from '../shards/unfinished-run.ts'
import { checkExisting, checkOrCreate, saltOf } from './create-state.ts'
import type { StateOptions } from './create-state.ts'
import { openDatabase } from './database.ts'
import type { Database } from './database.ts'
import { mergePartitions, putEpoch, putPublished, putRejectFiles, replaceObjects } from './epoch-rows.ts'
import { codeDifferences, differences, takeFingerprint } from './fingerprint.ts'
import type { KeyDefinition } from './fingerprint.ts'
import { migrate } from './formats.ts'
import { keepPrivate } from './keep-private.ts'
import {
  putChange,
  putForgotten,
  putMove,
  putReceipt,
  putRedirect,
  putRestored,
  putRestoredRows,
  putRewind,
} from './maintenance-rows.ts'
import { inUse, own } from './own-state.ts'
import type { Owner, OwnerLock } from './owner-lock.ts'
import { replaceDatabase, copyDatabase } from './replace-database.ts'
import { sinkRowOf } from './rows.ts'
import type {
  ChangeRow,
  ConnectedRow,
  HistoryRow,
  LocalRejectsRow,
  Meta,
  ObjectRow,
  PartitionRow,
  ShardRow,
  StoreRow,
} from './rows.ts'
import { firstShards, putRun, putShards, removeShards } from './shard-rows.ts'
import type { EpochChange, Move, Receipt, Redirect, Restored, Rewind } from './state-changes.ts'
import { databaseFolder, hasState, noState, StateReader, storeKey } from './state-reader.ts'
import { put, transact } from './transact.ts'

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
    return own(
      db,
      options.folder,
      (stored) => checkOrCreate(db, options, stored),
      (lock, meta) => new State(db, options.folder, lock, meta),
      options.control,
    )
  }

  /**
   * Takes over an existing state, whatever its configuration: for maintenance, not for a run.
   * @throws SluiceError STATE_NOT_FOUND, STATE_IN_USE, STATE_MISMATCH, FOLDER_UNSAFE
   */
  static async openExisting(folder: string): Promise<State> {
    if (!hasState(folder)) throw noState(folder)
    await keepPrivate(folder)
    const db = await openDatabase(databaseFolder(folder))
    return own(
      db,
      folder,
      (stored) => checkExisting(db, folder, stored),
      (lock, meta) => new State(db, folder, lock, meta),
    )
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
    await this.#change((db) => putEpoch(db, this, change))
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
      putChange(db, this, { at, action: 'accept', what })
    })
  }

  /** Remembers the custom code that makes dedup keys. Returns what has changed since the last run, in words. */
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
    await this.#change((db) => putShards(db, shards))
  }

  /** Completes a plan. */
  async startShardRun(run: ShardRun): Promise<void> {
    await this.#change((db) => putRun(db, run))
  }

  /** Changes the status of a shard that is not committed. */
  async saveShard(row: ShardRow): Promise<void> {
    await this.#change((db) => put(db, ['shard', row.number], row))
  }

  /** Replaces the bytes of objects that were staged and do not exist any more. */
  async replaceStaged(rows: readonly ObjectRow[]): Promise<void> {
    await this.#change((db) => replaceObjects(db, rows))
  }

  /** Ends the parallel backfill. @param partitions positions that it has reached, if it is cancelled. */
  async endShardRun(partitions: readonly PartitionRow[] = []): Promise<void> {
    await this.#change((db) => {
      mergePartitions(db, this, partitions)
      db.removeSync('shardRun')
    })
    await this.removeShards()
  }

  /** Removes the shards of a plan that has ended, or was never complete. */
  async removeShards(): Promise<void> {
    for (;;) {
      const numbers = firstShards(this)
      if (numbers.length === 0) return
      await this.#change((db) => removeShards(db, numbers))
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
    await this.#change((db) => putRewind(db, this, changes, at))
  }

  /** Remembers a destination that works. */
  async saveConnected(sink: string, destination: JsonObject): Promise<void> {
    const row = { ...sinkRowOf(sink), destination } satisfies ConnectedRow
    await this.#change((db) => put(db, ['connected', sink], row))
  }

  /**
   * Sends waiting objects to other destinations, and moves those that are published after all to
   * the history. Notes of unfinished uploads are forgotten: they belong to the old destination.
   */
  async redirect(change: Redirect): Promise<void> {
    await this.#change((db) => putRedirect(db, this, change))
  }

  /**
   * Marks tenants as moved, or the whole state: from now on, this state does not collect them.
   * @throws SluiceError SHARDS_UNFINISHED: a parallel backfill would add dedup keys afterwards
   */
  async move(change: Move): Promise<void> {
    const meta = this.#requireMeta()
    this.#requireNoShards()
    await this.#change((db) => putMove(db, this, meta, change))
  }

  /**
   * Takes over what another state has exported, with the dedup buckets that hold its keys.
   * @throws SluiceError SHARDS_UNFINISHED
   */
  async receive(receipt: Receipt): Promise<void> {
    const meta = this.#requireMeta()
    this.#requireNoShards()
    await this.#change((db) => putReceipt(db, this, meta, receipt))
  }

  /** Adds rows of an export to a new state that nothing can use before `restore`. Rows that exist are replaced. */
  async restoreRows(rows: readonly ExportedRow[]): Promise<void> {
    const meta = this.#requireMeta()
    await this.#change((db) => putRestoredRows(db, meta, rows))
  }

  /** Makes a new state what the exported one was, but for its generation: the objects of both have other names. */
  async restore(receipt: Receipt, restored: Restored): Promise<void> {
    const meta = this.#requireMeta()
    await this.#change((db) => putRestored(db, this, meta, receipt, restored))
    await migrate(this.#db, this.#folder, this.#requireMeta(), receipt.at)
  }

  /** Removes published objects from the history. @param before all objects of earlier epochs will be removed */
  async forget(rows: readonly HistoryRow[], before: number): Promise<void> {
    await this.#change((db) => putForgotten(db, this, rows, before))
  }

  /** Removes files of rejects, and adds one that has what was in them. */
  async replaceRejects(removed: readonly LocalRejectsRow[], added: LocalRejectsRow): Promise<void> {
    await this.#change((db) => putRejectFiles(db, removed, [added]))
  }

  /** Removes dedup buckets that have expired. */
  async removeDedupBuckets(names: readonly string[]): Promise<void> {
    await this.#change((db) => {
      for (const name of names) db.removeSync(['dedupBucket', name])
    })
  }

  /** Adds to the list of changes. @param at milliseconds since 1970 */
  async note(change: Omit<ChangeRow, 'number'>): Promise<void> {
    await this.#change((db) => putChange(db, this, change))
  }

  /** Stores the result of a conditional-put probe. */
  async saveStore(row: StoreRow): Promise<void> {
    await this.#change((db) => put(db, storeKey(row.name), row))
  }

  /** Moves the row of a published object to the history. */
  async retire(row: ObjectRow, publishedAt: number): Promise<void> {
    await this.#change((db) => putPublished(db, row, publishedAt))
  }

  /** Like `close`, and leaves a database without free pages. */
  async closeCompacted(): Promise<void> {
    const folder = databaseFolder(this.#folder)
    const copy = await copyDatabase(this.#db, folder)
    await this.#db.close()
    try {
      await replaceDatabase(copy, folder)
    } finally {
      await this.#lock.close()
    }
  }

  /** Releases the owner lock and closes the database. Writes nothing: the recorded owner no longer answers. */
  async close(): Promise<void> {
    await this.#lock.close()
    await this.#db.close()
  }

  #requireNoShards(): void {
    const { shardRun, meta } = this
    if (shardRun) throw unfinishedRun(meta?.pipeline ?? '', shardRun)
  }

  #requireMeta(): Meta {
    const { meta } = this
    if (meta) return meta
    throw new SluiceError('STATE_DAMAGED', `${this.#folder} has a state that is not initialized`)
  }

  async #change(change: (db: Database) => void): Promise<void> {
    await transact(this.#db, this.#folder, () => {
      const owner: Owner | undefined = this.#db.get('owner')
      if (owner?.socket !== this.#lock.owner.socket) throw inUse(owner)
      change(this.#db)
    })
  }
}
