/*
 * Replaces the database by a copy without free pages.
 *
 * The copy is complete, checked and synced before it gets the name of the database, so a crash leaves the one or
 * the other. Nothing is written in between: this process owns the state, and the owner lock is held until the new
 * file has its name. Readers that have opened the old file continue to see it.
 *
 * The lock file of LMDB goes with the old file: it has the number of the last transaction, which begins again in a
 * copy. Opening waits meanwhile (`database-lock.ts`). A process that had opened the old file before, and takes over
 * the state afterwards, notices that its file was replaced (`own-state.ts`).
 */
import { chmod, mkdtemp, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { fsyncPath } from '../../files.ts'
import { DATA_FILE, openDatabase } from './database.ts'
import type { Database } from './database.ts'
import { withDatabaseLock } from './database-lock.ts'
import { reservePages } from './own-state.ts'

/** Writes the copy into a folder beside the database. Returns the folder. */
export async function copyDatabase(db: Database, folder: string): Promise<string> {
  const copy = await mkdtemp(join(folder, TEMPORARY))
  try {
    await db.copyTo?.(copy)
    const path = join(copy, DATA_FILE)
    await chmod(path, 0o600)
    await checkCopy(db, copy)
    await fsyncPath(path)
    return copy
  } catch (error) {
    await rm(copy, { recursive: true, force: true })
    throw error
  }
}

/** Names of folders in which a database is made. */
export const TEMPORARY = 'new-'

/** Gives the copy the name of the database, which must be closed. */
export async function replaceDatabase(copy: string, folder: string): Promise<void> {
  await withDatabaseLock(folder, async (isLocked) => {
    if (!isLocked) {
      throw new SluiceError('STATE_IN_USE', 'other processes keep opening the state: its database stays as it is')
    }
    await rm(join(folder, LOCK_FILE), { force: true })
    await rename(join(copy, DATA_FILE), join(folder, DATA_FILE))
  })
  await fsyncPath(folder)
  await rm(copy, { recursive: true, force: true })
}

const LOCK_FILE = 'lock.mdb'

/** The copy can be opened and has all rows. Leaves it the free pages that a start on a full disk needs. */
async function checkCopy(db: Database, folder: string): Promise<void> {
  const copy = await openDatabase(folder)
  try {
    const [rows, copied] = [countRows(db), countRows(copy)]
    if (rows !== copied)
      throw new SluiceError('INTERNAL', `the copy of the state has ${copied} rows instead of ${rows}`)
    await reservePages(copy, folder)
  } finally {
    await copy.close()
  }
}

function countRows(db: Database): number {
  let rows = 0
  for (const _row of db.getRange({})) rows++
  return rows
}
