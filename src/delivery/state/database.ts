import { open } from 'lmdb'
import type { Key } from 'lmdb'

export type { Key }

/** JSON of ours, read back: its type is the one it was written with. */
type Stored = ReturnType<typeof JSON.parse>

/**
 * What the state asks of its database: LMDB's part of it. Everything that the commit protocol keeps besides files goes through here, so a
 * transaction can be made to fail, or to be the last one, from outside.
 */
export interface Database {
  /** Undefined when there is none. Within a transaction it sees what that has put. */
  get(key: Key): Stored
  /** In the order of keys, the end excluded. */
  getRange(range: { start: Key; end: Key }): Iterable<{ value: Stored }>
  /** All that `change` puts and removes, or nothing when it throws. */
  transactionSync<T>(change: () => T): T
  /** Within a transaction only. */
  putSync(key: Key, value: unknown): unknown
  /** Within a transaction only. */
  removeSync(key: Key): unknown
  /** Resolves when every transaction up to now is on the disk. */
  readonly flushed: Promise<unknown>
  close(): Promise<void>
}

/** Opens the environment in a folder, or makes it. */
export function openDatabase(folder: string): Database {
  return open({ path: folder, noSubdir: false, encoding: 'json' })
}

/** Opens the environment in a folder for reading, whoever may be writing to it. All that is read without an `await` between is of one moment. */
export function openToRead(folder: string): Database {
  return open({ path: folder, noSubdir: false, encoding: 'json', readOnly: true })
}
