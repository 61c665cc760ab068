import { randomBytes } from 'node:crypto'
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import { openDatabase } from './database.ts'
import type { Database, Key } from './database.ts'
import type { DedupBucketRow, Meta } from './rows.ts'
import type { Files } from '../../files.ts'
import type { LocalRejectsChange } from './rows.ts'
import { removeStaleLock, isHeld, acquireOwnerLock } from './owner-lock.ts'
import type { Owner, OwnerLock } from './owner-lock.ts'
import {
  checkFormat,
  databaseFolder,
  FORMAT,
  hasState,
  noState,
  partitionKey,
  StateReader,
  storeKey,
} from './state-reader.ts'
import { addTally } from '../tally.ts'
import type { Tally } from '../tally.ts'
import type { HistoryRow, ObjectRow, PartitionRow, RejectCounts, StoreRow } from './rows.ts'
import { isObject } from '../../record/json/json.ts'

/** Without `to` the partition is read from its beginning. */
export interface Rewind {
  readonly partition: string
  readonly to?: PartitionRow | undefined
}

/** All that one epoch changes, in one transaction. */
export interface EpochChange {
  readonly epoch: number
  /** Merged into what is known: absent fields keep their value. */
  readonly partitions: readonly PartitionRow[]
  readonly objects: readonly ObjectRow[]
  readonly dedupBuckets: readonly DedupBucketRow[]
  /** Names of buckets that are forgotten. */
  readonly expired: readonly string[]
  readonly tally: Tally
  readonly localRejects: LocalRejectsChange
}

export interface StateOptions {
  readonly folder: string
  readonly files: Files
  readonly pipeline: string
  /** What must not change while the state lives. */
  readonly fingerprint: JsonObject
  /** LMDB, unless another is given. */
  readonly openDatabase?: ((folder: string) => Database) | undefined
}

/**
 * The small state of a pipeline, in an LMDB environment in `<folder>/state`. One process owns it at a time. Every change is one transaction
 * that asserts this, is rolled back whole by any throw, and is on the disk when its promise resolves.
 *
 * @throws SluiceError STATE_IN_USE, STATE_MISMATCH, STATE_DAMAGED; DISK_FULL or DISK_FAILED, after which it is not to be used again.
 */
export class State extends StateReader {
  /** Random, made with the folder; part of every object's name. */
  readonly generation: string
  /** Secret of the digests, made with the folder. */
  readonly hashKey: Buffer
  readonly #db: Database
  readonly #folder: string
  readonly #presence: OwnerLock

  static async open(options: StateOptions): Promise<State> {
    const folder = databaseFolder(options.folder)
    await options.files.makeFolder(folder)
    const db = (options.openDatabase ?? openDatabase)(folder)
    return own(db, options.folder, async (stored) => {
      const meta = stored ?? (await create(db, options))
      checkMeta(meta, options)
      // Each time: a process that was killed before it did this has left a database that a failing power takes away whole.
      await options.files.fsyncFolder(folder)
      return meta
    })
  }

  /**
   * Takes over a state that is there, whatever configuration it was made with: to look after it, not to run.
   * @throws SluiceError STATE_NOT_FOUND, STATE_IN_USE, STATE_MISMATCH
   */
  static async openExisting(folder: string): Promise<State> {
    if (!hasState(folder)) throw noState(folder)
    return own(openDatabase(databaseFolder(folder)), folder, async (stored) => {
      if (!stored) throw noState(folder)
      checkFormat(stored)
      return stored
    })
  }

  constructor(db: Database, folder: string, presence: OwnerLock, meta: Meta) {
    super(db)
    this.#db = db
    this.#folder = folder
    this.#presence = presence
    this.generation = meta.generation
    this.hashKey = Buffer.from(meta.hashKey, 'hex')
  }

  async commit(change: EpochChange): Promise<void> {
    await this.#change((db) => {
      if (change.epoch !== this.nextEpoch) {
        throw new SluiceError(
          'INTERNAL',
          `epoch ${change.epoch} was to be committed where ${this.nextEpoch} is the next`,
        )
      }
      put(db, 'epoch', change.epoch + 1)
      for (const row of change.partitions) {
        put(db, partitionKey(row.partition), { ...this.partition(row.partition), ...row })
      }
      for (const row of change.objects) put(db, ['object', row.epoch, row.part], row)
      for (const row of change.dedupBuckets) put(db, ['bucket', row.name], row)
      for (const name of change.expired) db.removeSync(['bucket', name])
      put(db, 'tally', addTally(this.tally, change.tally))
      this.#keepRejects(db, change)
    })
  }

  /** Keeps what an attempt to publish has left at the store. */
  async saveResumeToken({ epoch, part }: ObjectRow, resumeToken: Json): Promise<void> {
    await this.#change((db) => {
      const row: ObjectRow | undefined = db.get(['object', epoch, part])
      if (row) put(db, ['object', epoch, part], { ...row, resumeToken })
    })
  }

  /** Forgets how far partitions were read, or sets it back; what they have claimed stays. */
  async rewind(changes: readonly Rewind[]): Promise<void> {
    await this.#change((db) => {
      for (const { partition, to } of changes) {
        if (to) put(db, partitionKey(partition), to)
        else db.removeSync(partitionKey(partition))
      }
    })
  }

  async keepStore(row: StoreRow): Promise<void> {
    await this.#change((db) => put(db, storeKey(row.name), row))
  }

  async retire(row: ObjectRow, publishedAt: number): Promise<void> {
    const { file: _file, resumeToken: _left, ...published } = row
    const history: HistoryRow = { ...published, publishedAt }
    await this.#change((db) => {
      put(db, ['history', row.epoch, row.part], history)
      db.removeSync(['object', row.epoch, row.part])
    })
  }

  /** Writes nothing: whoever comes next finds that the owner does not answer. */
  async close(): Promise<void> {
    await this.#presence.close()
    await this.#db.close()
  }

  #keepRejects(db: Database, { localRejects, objects }: EpochChange): void {
    for (const row of localRejects.rows) put(db, ['kept', row.epoch], row)
    for (const { epoch } of localRejects.gone) db.removeSync(['kept', epoch])
    const copies = objects.filter(({ role }) => role === 'rejects')
    const { evicted, replayed, copied } = this.rejectCounts
    put(db, 'rejects', {
      evicted: evicted + localRejects.evicted,
      replayed: replayed + localRejects.replayed,
      copied: copied + copies.reduce((sum, { records }) => sum + records, 0),
    } satisfies RejectCounts)
  }

  async #change(change: (db: Database) => void): Promise<void> {
    await transact(this.#db, this.#folder, () => {
      const owner: Owner | undefined = this.#db.get('owner')
      if (owner?.socket !== this.#presence.owner.socket) throw inUse(owner)
      change(this.#db)
    })
  }
}

async function own(db: Database, folder: string, settle: (stored: Meta | undefined) => Promise<Meta>): Promise<State> {
  let presence: OwnerLock | undefined
  try {
    presence = await acquireOwnerLock(folder)
    await takeOver(db, folder, presence.owner)
    const meta = await settle(db.get('meta'))
    await keepReserve(db, folder)
    return new State(db, folder, presence, meta)
  } catch (error) {
    await presence?.close()
    await db.close()
    throw error
  }
}

/**
 * Leaves free pages in the database's file: on a disk that has become full the next start can still own the state, clear away what is not committed,
 * and retire what it publishes. Without space for them the run goes on with the pages that an earlier one has left.
 */
async function keepReserve(db: Database, folder: string): Promise<void> {
  const kept = transact(db, folder, () => put(db, 'reserve', 'x'.repeat(RESERVE_BYTES)))
  await Promise.allSettled([kept.then(() => transact(db, folder, () => db.removeSync('reserve')))])
}

/** A transaction writes 5 to 20 pages of 4 KiB. */
const RESERVE_BYTES = 128 << 10

function put(db: Database, key: Key, value: unknown): void {
  db.putSync(key, value)
}

async function transact<T>(db: Database, folder: string, change: () => T): Promise<T> {
  try {
    // A throw inside rolls back everything; inside `transaction` it would keep what was put before it.
    const result = db.transactionSync(change)
    await db.flushed
    return result
  } catch (error) {
    const code = (await isForSpace(error, folder)) ? 'DISK_FULL' : 'DISK_FAILED'
    throw asSluiceError(error, code, 'the state could not be written')
  }
}

/** LMDB calls it an input/output error when the last space took a part of a write. */
async function isForSpace(error: unknown, folder: string): Promise<boolean> {
  if (!(error instanceof Error)) return false
  if (/no space|quota/i.test(error.message)) return true
  if (!/input\/output/i.test(error.message)) return false
  const { bavail, bsize } = await statfs(folder)
  return bavail * bsize < LITTLE_BYTES
}

const LITTLE_BYTES = 1 << 20

/** Records us as the owner unless the recorded one lives; tried again when another start was faster. */
async function takeOver(db: Database, folder: string, owner: Owner): Promise<void> {
  for (;;) {
    const recorded: Owner | undefined = db.get('owner')
    if (recorded && (await isHeld(recorded))) throw inUse(recorded)
    const taken = await transact(db, folder, () => {
      const now: Owner | undefined = db.get('owner')
      if (now?.socket !== recorded?.socket) return false
      put(db, 'owner', owner)
      return true
    })
    if (!taken) continue
    if (recorded) await removeStaleLock(recorded)
    return
  }
}

function inUse(owner: Owner | undefined): SluiceError {
  const who = owner ? `process ${owner.pid}` : 'nobody'
  return new SluiceError('STATE_IN_USE', `the state is in use by ${who}: stop it, or give this run another --state`)
}

async function create(db: Database, { folder, files, pipeline, fingerprint }: StateOptions): Promise<Meta> {
  for (const name of ['outbox', 'dedup', 'rejects']) {
    if ((await files.readdir(join(folder, name))).length > 0) {
      throw new SluiceError(
        'STATE_DAMAGED',
        `${folder} has a filled ${name} folder and no state: restore its state folder, or move ${folder} away to start anew`,
      )
    }
  }
  const meta: Meta = {
    format: FORMAT,
    pipeline,
    generation: randomBytes(4).toString('hex'),
    hashKey: randomBytes(16).toString('hex'),
    fingerprint,
  }
  await transact(db, folder, () => put(db, 'meta', meta))
  return meta
}

function checkMeta(meta: Meta, { folder, pipeline, fingerprint }: StateOptions): void {
  checkFormat(meta)
  if (meta.pipeline !== pipeline) {
    throw new SluiceError('STATE_MISMATCH', `the state belongs to the pipeline ${meta.pipeline}, not to ${pipeline}`)
  }
  const changed = compareFingerprints(meta.fingerprint, fingerprint)
  if (changed.length === 0) return
  throw new SluiceError(
    'STATE_MISMATCH',
    `the configuration is not the one the state was made with: ${changed.join(', ')} changed; undo it, or move ${folder} away to start anew`,
  )
}

/** Names of what differs, with dots between keys. */
function compareFingerprints(one: Json | undefined, other: Json | undefined, name = ''): string[] {
  if (isDeepStrictEqual(one, other)) return []
  if (!isObject(one) || !isObject(other)) return [name]
  const keys = [...new Set([...Object.keys(one), ...Object.keys(other)])]
  return keys.flatMap((key) => compareFingerprints(one[key], other[key], name === '' ? key : `${name}.${key}`))
}
