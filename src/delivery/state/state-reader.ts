import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { SluiceError } from '../../errors.ts'
import { DATA_FILE, openToRead } from './database.ts'
import type { Database, Key } from './database.ts'
import { checkFormat } from './formats.ts'
import type { Owner } from './owner-lock.ts'
import { sinkNameOf } from './rows.ts'
import type {
  ChangeRow,
  ConnectedRow,
  DedupBucketRow,
  ExportRow,
  ForgottenRow,
  HistoryRow,
  LocalRejectsRow,
  Meta,
  MovedRow,
  ObjectRow,
  PartitionRow,
  RejectCounts,
  ShardRow,
  StoreRow,
} from './rows.ts'
import type { SourcePart } from '../../component.ts'
import type { ShardRun } from '../shards/shard.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import { emptyTally, withSinks } from '../tally.ts'
import type { Tally } from '../tally.ts'

export interface SinkObject extends Pick<ObjectRow, 'key' | 'records' | 'bytes' | 'sha256'> {
  /** Name of the sink. */
  readonly sink: string
  readonly published: boolean
}

interface Order {
  /** Default: false. */
  readonly latestFirst?: boolean
}

/** Read access to a state. */
export class StateReader {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Undefined if the process that created the state died before it had finished. */
  get meta(): Meta | undefined {
    return this.#db.get('meta')
  }

  /** The last process that owned the state; it may have ended. */
  get owner(): Owner | undefined {
    return this.#db.get('owner')
  }

  /** The number of the next epoch, from 1. */
  get nextEpoch(): number {
    return this.#db.get('epoch') ?? 1
  }

  /** The time of the latest commit, in milliseconds since 1970; undefined before the first. */
  get committedAt(): number | undefined {
    return this.#db.get('committedAt')
  }

  partition(name: string): PartitionRow | undefined {
    return this.#db.get(partitionKey(name))
  }

  partitions(): PartitionRow[] {
    return this.#list('partition')
  }

  /** Committed objects that are not published, in the order in which they were made. */
  objects(): ObjectRow[] {
    return this.#list('object')
  }

  dedupBuckets(): DedupBucketRow[] {
    return this.#list('dedupBucket')
  }

  /** Published objects of the epochs from a number on, in the order in which they were made. */
  history(fromEpoch = 0): HistoryRow[] {
    return this.#list('history', fromEpoch)
  }

  /** Published objects, in the order in which they were made, or back. One at a time, because there can be many. */
  historyRows(order: Order = {}): Generator<HistoryRow, void> {
    return this.#rows('history', order)
  }

  /** `objects()`, one at a time. */
  objectRows(order: Order = {}): Generator<ObjectRow, void> {
    return this.#rows('object', order)
  }

  /** Published objects that are no longer in the history. */
  get forgotten(): ForgottenRow {
    return this.#db.get('forgotten') ?? { before: 0, sinks: {} }
  }

  /**
   * The objects of the epochs from a number on, published or not, in the order in which they were
   * made. Without those of the `rejects` sink.
   */
  sinkObjects(fromEpoch: number): SinkObject[] {
    return [...this.history(fromEpoch), ...this.objects()]
      .filter(({ epoch, role }) => epoch >= fromEpoch && role === 'sink')
      .toSorted((a, b) => a.epoch - b.epoch || a.part - b.part)
      .map((row) => {
        const { key, records, bytes, sha256 } = row
        return { key, sink: sinkNameOf(row), records, bytes, sha256, published: 'publishedAt' in row }
      })
  }

  /** Rejects in the state folder, the oldest first. */
  localRejects(): LocalRejectsRow[] {
    return this.#list('localRejects')
  }

  get rejectCounts(): RejectCounts {
    return { evicted: 0, replayed: 0, copied: 0, ...this.#db.get('rejectCounts') }
  }

  /** The destination of a sink that was tried and works, see `FirstConnection`. @param sink its name */
  connected(sink: string): JsonObject | undefined {
    const row: ConnectedRow | undefined = this.#db.get(['connected', sink])
    return row?.destination
  }

  /** The destinations that were tried and work, one of each sink. */
  connections(): ConnectedRow[] {
    return this.#list('connected')
  }

  /** In the order in which they were made. */
  changes(): ChangeRow[] {
    return this.#list('change')
  }

  /** Exports of tenants that were made of this state, the oldest first. */
  exports(): ExportRow[] {
    const rows: ExportRow[] = this.#list('export')
    return rows.toSorted((a, b) => a.at - b.at)
  }

  /** Exports of other states that were imported into this one. */
  imports(): ExportRow[] {
    return this.#list('import')
  }

  /** The tenants that left with an export. */
  moved(exportId: string): MovedRow[] {
    return this.#list(`moved-${exportId}`)
  }

  stores(): StoreRow[] {
    return this.#list('store')
  }

  /** The parallel backfill that is not finished. */
  get shardRun(): ShardRun | undefined {
    return this.#db.get('shardRun')
  }

  /** Number of parallel backfills over the life of the state. */
  get shardRuns(): number {
    return this.#db.get('shardRuns') ?? 0
  }

  shard(number: number): ShardRow | undefined {
    return this.#db.get(['shard', number])
  }

  /** In their order. One at a time, because there can be many. */
  *shards(): Generator<ShardRow, void> {
    for (const { value } of this.#db.getRange({ start: ['shard', -1], end: ['shard', LAST] })) yield value
  }

  shardParts(number: number): SourcePart[] {
    return this.#db.get(['shardParts', number]) ?? []
  }

  /** Position at the end of each part of a committed shard; null where there is none. */
  shardEnds(number: number): (Json | null)[] {
    return this.#db.get(['shardEnds', number]) ?? []
  }

  /** Over the whole life of the state. */
  get tally(): Tally {
    const stored: Tally | undefined = this.#db.get('tally')
    return stored ? withSinks(stored) : emptyTally()
  }

  *#rows(kind: string, { latestFirst = false }: Order) {
    const [first, last]: [Key, Key] = [
      [kind, -1],
      [kind, LAST],
    ]
    const range = latestFirst ? { start: last, end: first, reverse: true } : { start: first, end: last }
    for (const { value } of this.#db.getRange(range)) yield value
  }

  #list(kind: string, from = -1) {
    return [...this.#db.getRange({ start: [kind, from], end: [kind, LAST] })].map(({ value }) => value)
  }
}

/**
 * Reads a state without owning it, also while another process does. `read` is synchronous and sees
 * one moment; it is called again where LMDB refuses to open the database because a process has just died
 * that opened it.
 * @throws SluiceError STATE_NOT_FOUND, STATE_MISMATCH; STATE_IN_USE if LMDB refuses it for seconds
 */
export async function readState<T>(folder: string, read: (state: StateReader) => T): Promise<T> {
  if (!hasState(folder)) throw noState(folder)
  for (let attempt = 1; ; attempt++) {
    try {
      return await readOnce(folder, read)
    } catch (error) {
      if (error instanceof SluiceError || !(error instanceof Error)) throw error
      if (attempt === MOST_ATTEMPTS) throw unreadable(error)
      await sleep(RETRY)
    }
  }
}

const MOST_ATTEMPTS = 10
/** Milliseconds. */
const RETRY = 100

async function readOnce<T>(folder: string, read: (state: StateReader) => T): Promise<T> {
  const db = await openToRead(databaseFolder(folder))
  try {
    const state = new StateReader(db)
    if (state.meta) checkFormat(state.meta)
    return read(state)
  } finally {
    await db.close()
  }
}

function unreadable(cause: Error): SluiceError {
  return new SluiceError('STATE_IN_USE', `the state cannot be read at this moment: ${cause.message}`, {
    hint: 'a process has died while it opened it: try again',
    cause,
  })
}

export function hasState(folder: string): boolean {
  return existsSync(join(databaseFolder(folder), DATA_FILE))
}

export function noState(folder: string): SluiceError {
  return new SluiceError('STATE_NOT_FOUND', `${folder} has no state`, {
    hint: 'a run creates the state; --state is the folder that holds all states, .sluice by default',
  })
}

export function databaseFolder(folder: string): string {
  return join(folder, 'state')
}

export function partitionKey(partition: string): Key {
  return ['partition', digest(partition)]
}

export function movedKey(exportId: string, tenant: string): Key {
  return [`moved-${exportId}`, digest(tenant)]
}

export function storeKey(name: string): Key {
  return ['store', digest(name)]
}

/** Names are free text (a path, a tenant), and LMDB keys have a limited length. */
function digest(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

/** Sorts after every number and every text that is used in its place. */
const LAST = '\u{10ffff}'
