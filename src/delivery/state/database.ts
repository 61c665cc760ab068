import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { checkDatabase } from './check-database.ts'
import { withDatabaseLock } from './database-lock.ts'
import { openAsOwner, openAsReader } from './in-process.ts'

/** Ordered: first by the first part. Not a type of lmdb, whose own do not compile everywhere. */
export type Key = string | number | Key[]

/** A stored JSON value: it has the type with which it was written. */
type Stored = ReturnType<typeof JSON.parse>

/**
 * The part of LMDB that the state uses. Everything that the commit protocol stores besides files
 * goes through this interface, so tests can make any transaction fail, or be the last one before a
 * crash.
 */
export interface Database {
  /** Undefined if absent. Inside a transaction it sees the changes of the transaction. */
  get(key: Key): Stored
  /** In key order, without the end. Default: all rows. `reverse`: from the start down to the end. */
  getRange(range: { start?: Key; end?: Key; reverse?: boolean }): Iterable<{ value: Stored }>
  /** Applies everything that `change` puts and removes, or nothing if it throws. */
  transactionSync<T>(change: () => T): T
  /** Inside a transaction only. */
  putSync(key: Key, value: unknown): unknown
  /** Inside a transaction only. */
  removeSync(key: Key): unknown
  /** Resolves when all earlier transactions are on the disk. */
  readonly flushed: Promise<unknown>
  close(): Promise<void>
  /** False if another process has replaced the file since it was opened, see `replaceDatabase`. Default: true. */
  isCurrent?(): boolean
  /** Writes a copy without free pages into an empty folder. */
  copyTo?(folder: string): Promise<void>
}

/** Opens the environment in a folder; creates it if absent. */
export async function openDatabase(folder: string): Promise<Database> {
  if (!existsSync(join(folder, DATA_FILE))) await createDatabase(folder)
  return openToWrite(folder)
}

/**
 * The file gets its name when it is complete: LMDB crashes a process that reads a file whose first
 * pages are not written yet.
 */
async function createDatabase(folder: string): Promise<void> {
  const made = mkdtempSync(join(folder, 'new-'))
  await (await openToWrite(made)).close()
  renameSync(join(made, DATA_FILE), join(folder, DATA_FILE))
  rmSync(made, { recursive: true })
}

async function openToWrite(folder: string): Promise<Database> {
  return openAsOwner(folder, () => openWith(folder, { permissionsMode: 0o600 }))
}

interface OpenOptions {
  readonly readOnly?: boolean
  readonly permissionsMode?: number
}

async function openWith(folder: string, options: OpenOptions): Promise<Database> {
  // A run without a state needs none of it.
  const { open } = await import('lmdb')
  const file = join(folder, DATA_FILE)
  // The file cannot be replaced in between.
  const { db, inode } = await withDatabaseLock(folder, async () => {
    if (existsSync(file)) checkDatabase(file)
    const opened = open({ path: folder, noSubdir: false, encoding: 'json', ...options })
    return { db: opened, inode: statSync(file).ino }
  })
  const close = db.close.bind(db)
  return Object.assign(db, {
    close: () => withDatabaseLock(folder, () => close()),
    isCurrent: () => statSync(file, { throwIfNoEntry: false })?.ino === inode,
    copyTo: (to: string) => db.backup(to, true),
  })
}

/** The file of an environment, in its folder. */
export const DATA_FILE = 'data.mdb'

/**
 * Opens the environment in a folder for reading, also while another process writes. Reads without
 * an `await` between them see one moment.
 */
export async function openToRead(folder: string): Promise<Database> {
  return openAsReader(folder, () => openWith(folder, { readOnly: true }))
}
