import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { basename, join } from 'node:path'
import { SluiceError } from '../../errors.ts'

/** The process that owns a state, as recorded in the state. */
export interface Owner {
  readonly pid: number
  /**
   * Name of a socket in the state folder. It accepts connections while the process is alive. The
   * kernel closes it when the process ends in any way. Not a path: processes can see the same
   * folder under different paths.
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
 * @throws SluiceError UNSUPPORTED if the path is too long for this system
 */
export async function acquireOwnerLock(folder: string): Promise<OwnerLock> {
  const socket = `owner-${randomBytes(8).toString('hex')}.sock`
  const address = await addressOf(folder, socket)
  const server = createServer((connection) => connection.end())
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
    owner: { pid: process.pid, socket },
    close: async () => {
      // Deletes the socket, by the path with which it was bound.
      await new Promise<void>((resolve) => server.close(() => resolve()))
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

interface Address {
  readonly path: string
  /** Call this when the socket is not used any more. */
  close(): Promise<void>
}

/**
 * A path of the socket that is short enough for the kernel. Linux has one for every open folder.
 */
async function addressOf(folder: string, name: string): Promise<Address> {
  const path = join(folder, name)
  const length = Buffer.byteLength(path)
  if (length <= MAX_SOCKET_PATH) return { path, close: () => Promise.resolve() }
  if (!existsSync(OPEN_FILES)) {
    throw new SluiceError(
      'UNSUPPORTED',
      `the path of the state folder is ${length - MAX_SOCKET_PATH} bytes too long for a socket on this system: ${folder}`,
      { hint: 'give a shorter --state' },
    )
  }
  const handle = await open(folder, 'r')
  return { path: join(OPEN_FILES, String(handle.fd), name), close: () => handle.close() }
}

/** Bytes. The kernel accepts 107 (103 on macOS). */
const MAX_SOCKET_PATH = 100

const OPEN_FILES = '/proc/self/fd'
