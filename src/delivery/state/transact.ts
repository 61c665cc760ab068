import { statfs } from 'node:fs/promises'
import { asSluiceError } from '../../errors.ts'
import type { Database, Key } from './database.ts'

/**
 * Runs a change as one transaction, which is on the disk when the promise resolves. If it throws, nothing
 * of it is stored.
 * @throws SluiceError DISK_FULL, DISK_FAILED; what `change` throws
 */
export async function transact<T>(db: Database, folder: string, change: () => T): Promise<T> {
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

/** Inside a transaction only. */
export function put(db: Database, key: Key, value: unknown): void {
  db.putSync(key, value)
}
