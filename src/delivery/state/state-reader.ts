import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { openToRead } from './database.ts'
import type { Database, Key } from './database.ts'
import type { DedupBucketRow } from './rows.ts'
import type { LocalRejectsRow } from './rows.ts'
import type { Owner } from './owner-lock.ts'
import type { Meta } from './rows.ts'
import type { RejectCounts } from './rows.ts'
import type { PartitionRow } from './rows.ts'
import type { StoreRow } from './rows.ts'
import type { HistoryRow } from './rows.ts'
import type { ObjectRow } from './rows.ts'
import { emptyTally } from '../tally.ts'
import type { Tally } from '../tally.ts'

/** What a state knows, to look at. */
export class StateReader {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Undefined in a state that was never opened to its end. */
  get meta(): Meta | undefined {
    return this.#db.get('meta')
  }

  /** The last process that took the state; it may have ended. */
  get owner(): Owner | undefined {
    return this.#db.get('owner')
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

  dedupBuckets(): DedupBucketRow[] {
    return this.#list('bucket')
  }

  /** Published objects of the epochs from a number on, in the order of their making. */
  history(fromEpoch = 0): HistoryRow[] {
    return this.#list('history', fromEpoch)
  }

  /** Rejects in the state folder, the oldest first. */
  localRejects(): LocalRejectsRow[] {
    return this.#list('kept')
  }

  get rejectCounts(): RejectCounts {
    return { evicted: 0, replayed: 0, copied: 0, ...this.#db.get('rejects') }
  }

  stores(): StoreRow[] {
    return this.#list('store')
  }

  /** Over the whole life of the state. */
  get tally(): Tally {
    return this.#db.get('tally') ?? emptyTally()
  }

  #list(kind: string, from = -1) {
    return [...this.#db.getRange({ start: [kind, from], end: [kind, LAST] })].map(({ value }) => value)
  }
}

/**
 * Looks into a pipeline's state folder without owning it: whoever owns it works on. `read` sees the state of one moment.
 * @throws SluiceError STATE_NOT_FOUND, STATE_MISMATCH
 */
export async function readState<T>(folder: string, read: (state: StateReader) => T): Promise<T> {
  if (!hasState(folder)) throw noState(folder)
  const db = openToRead(databaseFolder(folder))
  try {
    const state = new StateReader(db)
    if (state.meta) checkFormat(state.meta)
    return read(state)
  } finally {
    await db.close()
  }
}

/** Version of everything in the state folder. */
export const FORMAT = 3

/** @throws SluiceError STATE_MISMATCH */
export function checkFormat({ format }: Meta): void {
  if (format === FORMAT) return
  throw new SluiceError('STATE_MISMATCH', `the state has format ${format}, this version knows ${FORMAT}`, {
    hint: 'use the version that made it, or move its folder away to start anew',
  })
}

export function hasState(folder: string): boolean {
  return existsSync(join(databaseFolder(folder), 'data.mdb'))
}

export function noState(folder: string): SluiceError {
  return new SluiceError('STATE_NOT_FOUND', `there is no state in ${folder}`, {
    hint: 'a run makes it; --state names the folder that holds the states, .sluice by default',
  })
}

export function databaseFolder(folder: string): string {
  return join(folder, 'state')
}

export function partitionKey(partition: string): Key {
  return ['partition', digest(partition)]
}

export function storeKey(name: string): Key {
  return ['store', digest(name)]
}

/** Names are free text (a file's path, a tenant): a digest of them fits into a key. */
function digest(name: string): string {
  return createHash('sha256').update(name).digest('hex')
}

/** Sorts behind every number and every text that can stand in its place. */
const LAST = '\u{10ffff}'
