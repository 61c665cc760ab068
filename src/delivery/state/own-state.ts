/*
 * One process owns a state at a time. The owner listens on a socket whose name it has recorded
 * (`owner-lock.ts`). The kernel closes the socket when the process ends in any way, so the next
 * process takes over a recorded owner that does not answer.
 *
 * On a full disk the next start still needs a few pages, to take ownership and to retire what it
 * publishes. Each start leaves free pages for it.
 */
import { SluiceError } from '../../errors.ts'
import type { ControlRequests } from '../control/control-requests.ts'
import type { Database } from './database.ts'
import { acquireOwnerLock, isHeld, removeStaleLock } from './owner-lock.ts'
import type { Owner, OwnerLock } from './owner-lock.ts'
import type { Meta } from './rows.ts'
import { put, transact } from './transact.ts'

/**
 * Takes over a database. Closes it if that fails.
 * @param check checks what is stored of an existing state, or creates one
 * @param open gets the lock, which then belongs to the result
 * @param control what the process answers while it owns the state
 * @throws SluiceError STATE_IN_USE; what `check` throws
 */
export async function own<T>(
  db: Database,
  folder: string,
  check: (stored: Meta | undefined) => Meta | Promise<Meta>,
  open: (lock: OwnerLock, meta: Meta) => T,
  control?: ControlRequests,
): Promise<T> {
  let lock: OwnerLock | undefined
  try {
    lock = await acquireOwnerLock(folder, control)
    await takeOver(db, folder, lock.owner)
    if (db.isCurrent?.() === false) throw replaced()
    const meta = await check(db.get('meta'))
    await reservePages(db, folder)
    return open(lock, meta)
  } catch (error) {
    await lock?.close()
    await db.close()
    throw error
  }
}

/**
 * Records this process as the owner unless the recorded owner is alive. Retries if another process
 * was faster.
 */
async function takeOver(db: Database, folder: string, owner: Owner): Promise<void> {
  for (;;) {
    const recorded: Owner | undefined = db.get('owner')
    // Kept since the last run, see `holdOwnership`.
    if (recorded?.socket === owner.socket) return
    if (recorded && (await isHeld(folder, recorded))) throw inUse(recorded)
    const taken = await transact(db, folder, () => {
      const now: Owner | undefined = db.get('owner')
      if (now?.socket !== recorded?.socket) return false
      put(db, 'owner', owner)
      return true
    })
    if (!taken) continue
    if (recorded) await removeStaleLock(folder, recorded)
    return
  }
}

export function inUse(owner: Owner | undefined): SluiceError {
  const who = owner ? `process ${owner.pid}` : 'another process'
  return new SluiceError('STATE_IN_USE', `the state is in use by ${who}: stop it, or give this run another --state`)
}

function replaced(): SluiceError {
  return new SluiceError('STATE_IN_USE', 'another process has compacted the state at this moment: start again')
}

/**
 * Leaves free pages in the database's file, for a later start on a full disk: it can then take
 * ownership and retire the objects that it publishes. Fails silently if the disk is full now: an
 * earlier start left pages.
 */
export async function reservePages(db: Database, folder: string): Promise<void> {
  const written = transact(db, folder, () => put(db, 'reserve', 'x'.repeat(RESERVE_BYTES)))
  await Promise.allSettled([written.then(() => transact(db, folder, () => db.removeSync('reserve')))])
}

/** A transaction writes 5 to 20 pages of 4 KiB. */
const RESERVE_BYTES = 128 << 10
