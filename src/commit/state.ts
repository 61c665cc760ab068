import { createHash, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { Json, JsonObject } from '../record/json.ts'
import { openDatabase } from './database.ts'
import type { Database, Key } from './database.ts'
import type { BucketRow } from './dedup-index.ts'
import type { Files } from './files.ts'
import { clearPresence, isPresent, showPresence } from './owner.ts'
import type { Owner, Presence } from './owner.ts'
import { addTally, emptyTally } from './tally.ts'
import type { Tally } from './tally.ts'

/** A file that is committed and not yet published; all that its upload needs, but for credentials. */
export interface ObjectRow {
  readonly epoch: number
  /** Counts the files of an epoch over all sinks, from 0. */
  readonly part: number
  /** `sink` or `rejects`: what the object is of. */
  readonly role: Role
  /** The component that can publish it. */
  readonly type: string
  /** Its name in the outbox. */
  readonly file: string
  readonly key: string
  readonly destination: JsonObject
  readonly bytes: number
  readonly records: number
  readonly sha256: string
  readonly compression: 'none' | 'gzip' | 'zstd'
  /** What a failed attempt has left at the store, for the next one to clear away. */
  readonly left?: Json
}

export type Role = 'sink' | 'rejects'

/** An object that was made visible. Never changed and never removed. */
export interface HistoryRow extends Omit<ObjectRow, 'file' | 'left'> {
  /** Milliseconds since 1970. */
  readonly publishedAt: number
}

export interface PartitionRow {
  readonly partition: string
  readonly position: Json
  /** The oldest event time (milliseconds since 1970) that can still come from there; absent when it was never told. */
  readonly horizon?: number
}

/** All that one epoch changes, in one transaction. */
export interface EpochChange {
  readonly epoch: number
  /** Merged into what is known: absent fields keep their value. */
  readonly partitions: readonly PartitionRow[]
  readonly objects: readonly ObjectRow[]
  readonly buckets: readonly BucketRow[]
  /** Names of buckets that are forgotten. */
  readonly expired: readonly string[]
  readonly tally: Tally
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
export class State {
  /** Random, made with the folder; part of every object's name. */
  readonly generation: string
  /** Secret of the digests, made with the folder. */
  readonly hashKey: Buffer
  readonly #db: Database
  readonly #presence: Presence

  static async open(options: StateOptions): Promise<State> {
    const { folder, files } = options
    await files.makeFolder(join(folder, 'state'))
    const db = (options.openDatabase ?? openDatabase)(join(folder, 'state'))
    let presence: Presence | undefined
    try {
      presence = await showPresence(folder)
      await takeOver(db, presence.owner)
      const stored: Meta | undefined = db.get('meta')
      const meta = stored ?? (await create(db, options))
      checkMeta(meta, options)
      return new State(db, presence, meta)
    } catch (error) {
      await presence?.close()
      await db.close()
      throw error
    }
  }

  constructor(db: Database, presence: Presence, meta: Meta) {
    this.#db = db
    this.#presence = presence
    this.generation = meta.generation
    this.hashKey = Buffer.from(meta.hashKey, 'hex')
  }

  /** The number of the next epoch, from 1. */
  get nextEpoch(): number {
    return this.#db.get('epoch') ?? 1
  }

  partition(name: string): PartitionRow | undefined {
    return this.#db.get(partitionKey(name))
  }

  partitions(): PartitionRow[] {
    return this.#list('partition')
  }

  /** Objects to be published, in the order of their making. */
  objects(): ObjectRow[] {
    return this.#list('object')
  }

  buckets(): BucketRow[] {
    return this.#list('bucket')
  }

  /** Published objects of the epochs from a number on, in the order of their making. */
  history(fromEpoch = 0): HistoryRow[] {
    return this.#list('history', fromEpoch)
  }

  /** Over the whole life of the state. */
  get tally(): Tally {
    return this.#db.get('tally') ?? emptyTally()
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
      for (const row of change.buckets) put(db, ['bucket', row.name], row)
      for (const name of change.expired) db.removeSync(['bucket', name])
      put(db, 'tally', addTally(this.tally, change.tally))
    })
  }

  /** Keeps what an attempt to publish has left at the store. */
  async leave({ epoch, part }: ObjectRow, left: Json): Promise<void> {
    await this.#change((db) => {
      const row: ObjectRow | undefined = db.get(['object', epoch, part])
      if (row) put(db, ['object', epoch, part], { ...row, left })
    })
  }

  async retire(row: ObjectRow, publishedAt: number): Promise<void> {
    const { file: _file, left: _left, ...published } = row
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

  async #change(change: (db: Database) => void): Promise<void> {
    await transact(this.#db, () => {
      const owner: Owner | undefined = this.#db.get('owner')
      if (owner?.socket !== this.#presence.owner.socket) throw inUse(owner)
      change(this.#db)
    })
  }

  #list(kind: string, from = -1) {
    return [...this.#db.getRange({ start: [kind, from], end: [kind, LAST] })].map(({ value }) => value)
  }
}

interface Meta {
  readonly format: number
  readonly pipeline: string
  readonly generation: string
  readonly hashKey: string
  readonly fingerprint: JsonObject
}

/** Version of everything in the state folder. */
const FORMAT = 1

/** Sorts behind every number and every text that can stand in its place. */
const LAST = '\u{10ffff}'

/** Names of partitions are free text (a file's path, a tenant): a digest of them fits into a key. */
function partitionKey(partition: string): Key {
  return ['partition', createHash('sha256').update(partition).digest('hex')]
}

function put(db: Database, key: Key, value: unknown): void {
  db.putSync(key, value)
}

async function transact<T>(db: Database, change: () => T): Promise<T> {
  try {
    // A throw inside rolls back everything; inside `transaction` it would keep what was put before it.
    const result = db.transactionSync(change)
    await db.flushed
    return result
  } catch (error) {
    const full = error instanceof Error && /no space|quota/i.test(error.message)
    throw asSluiceError(error, full ? 'DISK_FULL' : 'DISK_FAILED', 'the state could not be written')
  }
}

/** Records us as the owner unless the recorded one lives; tried again when another start was faster. */
async function takeOver(db: Database, owner: Owner): Promise<void> {
  for (;;) {
    const recorded: Owner | undefined = db.get('owner')
    if (recorded && (await isPresent(recorded))) throw inUse(recorded)
    const taken = await transact(db, () => {
      const now: Owner | undefined = db.get('owner')
      if (now?.socket !== recorded?.socket) return false
      put(db, 'owner', owner)
      return true
    })
    if (!taken) continue
    if (recorded) await clearPresence(recorded)
    return
  }
}

function inUse(owner: Owner | undefined): SluiceError {
  const who = owner ? `process ${owner.pid}` : 'nobody'
  return new SluiceError('STATE_IN_USE', `the state is in use by ${who}: stop it, or give this run another --state`)
}

async function create(db: Database, { folder, files, pipeline, fingerprint }: StateOptions): Promise<Meta> {
  for (const name of ['outbox', 'dedup']) {
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
  await transact(db, () => put(db, 'meta', meta))
  await files.fsyncFolder(join(folder, 'state'))
  return meta
}

function checkMeta(meta: Meta, { folder, pipeline, fingerprint }: StateOptions): void {
  if (meta.format !== FORMAT) {
    throw new SluiceError(
      'STATE_MISMATCH',
      `the state has format ${meta.format}, this version knows ${FORMAT}: use the version that made it`,
    )
  }
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

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
