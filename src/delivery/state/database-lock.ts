import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { systemCode } from '../../errors.ts'
import { isDeadProcess } from './dead-process.ts'

/**
 * Opens or closes the database in a folder while no other process does. LMDB does not bear both at once:
 * the last process that closes it destroys the mutexes of the lock file, and one that is about to open it
 * uses them all the same. Every transaction then fails with EINVAL, in every process, until the one that
 * has opened it ends.
 *
 * The lock is a file with the id of its process. Where the folder cannot be written, or somebody holds
 * the lock for longer than an open takes, the action runs without it: it protects from a failure of
 * LMDB, and not the data. An action that needs the lock, whatever it costs, gets to know.
 */
export async function withDatabaseLock<Result>(
  folder: string,
  action: (isLocked: boolean) => Promise<Result>,
): Promise<Result> {
  const path = join(folder, NAME)
  const isLocked = await lock(path)
  try {
    return await action(isLocked)
  } finally {
    if (isLocked) await rm(path, { force: true })
  }
}

const NAME = 'open.lock'
/** Milliseconds. On a busy machine an open takes some hundred. */
const LONGEST = 10_000
const PAUSE = 5

async function lock(path: string): Promise<boolean> {
  for (const end = performance.now() + LONGEST; performance.now() < end; await sleep(PAUSE)) {
    try {
      await writeFile(path, String(process.pid), { flag: 'wx', mode: 0o600 })
      return true
    } catch (error) {
      if (systemCode(error) !== 'EEXIST') {
        // On a full disk there is an empty file now, which nobody would know to be ours.
        await rm(path, { force: true }).catch(() => undefined)
        return false
      }
    }
    if (await isStale(path)) await rm(path, { force: true }).catch(() => undefined)
  }
  return false
}

/** Whether the holder was killed. The process may be in another container, which has numbers of its own. */
async function isStale(path: string): Promise<boolean> {
  try {
    const pid = Number(await readFile(path, 'utf8'))
    if (pid > 0 && isDeadProcess(pid)) return true
    return Date.now() - (await stat(path)).mtimeMs > LONGEST
  } catch {
    return false
  }
}
