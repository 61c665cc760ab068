import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { hostname } from 'node:os'
import { basename, join } from 'node:path'
import { ControlRequests } from '../control/control-requests.ts'
import { serveControl } from '../control/serve-control.ts'
import { addressOf } from './socket-address.ts'

/** The process that owns a state, as recorded in the state. */
export interface Owner {
  readonly pid: number
  /** Name of its machine, for messages. Absent if an older Sluice has recorded it. */
  readonly host?: string
  /**
   * Name of a socket in the state folder. It accepts connections while the process is alive. The
   * kernel closes it when the process ends in any way. Not a path: processes can see the same
   * folder under different paths. It also answers requests (`control`).
   */
  readonly socket: string
}

export interface OwnerLock {
  readonly owner: Owner
  close(): Promise<void>
}

/**
 * Binds a socket with a random name in the state folder, which only this user can enter: never in a
 * folder for temporary files, where anyone could take its place.
 * @param requests what the owner answers there
 * @throws SluiceError UNSUPPORTED if the path is too long for this system
 */
export async function acquireOwnerLock(folder: string, requests = new ControlRequests()): Promise<OwnerLock> {
  const held = holds.get(folder)
  if (held === undefined || held.isInUse) return bindOwnerLock(folder, requests)
  held.isInUse = true
  try {
    held.lock ??= await bindOwnerLock(folder, requests)
  } catch (error) {
    held.isInUse = false
    throw error
  }
  return {
    owner: held.lock.owner,
    async close() {
      held.isInUse = false
    },
  }
}

/** States that this process keeps between two runs, by their folders. */
const holds = new Map<string, { lock: OwnerLock | undefined; isInUse: boolean }>()

/**
 * Keeps the ownership of a state between the runs of this process, from the first one on: no other
 * process can take the state while one run has ended and the next is not open yet. The requests of the
 * first run are answered all the time.
 * @returns gives it up, after the last run
 */
export function holdOwnership(folder: string): () => Promise<void> {
  const hold: { lock: OwnerLock | undefined; isInUse: boolean } = { lock: undefined, isInUse: false }
  holds.set(folder, hold)
  return async () => {
    holds.delete(folder)
    await hold.lock?.close()
  }
}

async function bindOwnerLock(folder: string, requests: ControlRequests): Promise<OwnerLock> {
  const socket = `owner-${randomBytes(8).toString('hex')}.sock`
  const address = await addressOf(folder, socket)
  const control = serveControl(requests)
  // Half open: a peer may have said all it has to say.
  const server = createServer({ allowHalfOpen: true }, control.accept)
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(address.path, resolve)
    })
  } catch (error) {
    await address.close()
    throw error
  }
  server.unref()
  return {
    owner: { pid: process.pid, host: hostname(), socket },
    close: async () => {
      // Deletes the socket, by the path with which it was bound.
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      await control.close()
      await closed
      await address.close()
    },
  }
}

/** True if the process that owns the state in the folder is alive, or if in doubt. */
export async function isHeld(folder: string, { socket }: Owner): Promise<boolean> {
  const address = await addressOf(folder, basename(socket))
  const connection = connect(address.path)
  const isAlive = await new Promise<boolean>((resolve) => {
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
  await address.close()
  return isAlive
}

/** Removes the socket of a dead owner. */
export async function removeStaleLock(folder: string, { socket }: Owner): Promise<void> {
  await rm(join(folder, basename(socket)), { force: true })
}
