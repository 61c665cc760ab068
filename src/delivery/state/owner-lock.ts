import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The process that owns a state, as recorded in the state. */
export interface Owner {
  readonly pid: number
  /**
   * Path of a socket that accepts connections while the process is alive. The kernel closes it when
   * the process ends in any way.
   */
  readonly socket: string
}

export interface OwnerLock {
  readonly owner: Owner
  close(): Promise<void>
}

/**
 * Binds a socket with a random name in the folder, or in the folder for temporary files if the path
 * is too long for a socket.
 */
export async function acquireOwnerLock(folder: string): Promise<OwnerLock> {
  const name = `owner-${randomBytes(8).toString('hex')}.sock`
  const local = join(folder, name)
  const socket = Buffer.byteLength(local) <= MAX_SOCKET_PATH ? local : join(tmpdir(), `sluice-${name}`)
  const server = createServer((connection) => connection.end())
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(socket, resolve)
  })
  server.unref()
  return {
    owner: { pid: process.pid, socket },
    close: () => new Promise((resolve) => server.close(() => resolve())),
  }
}

/** True if the owner's process is alive, or if in doubt. */
export async function isHeld({ socket }: Owner): Promise<boolean> {
  const connection = connect(socket)
  return new Promise((resolve) => {
    connection.once('connect', () => {
      connection.destroy()
      resolve(true)
    })
    connection.once('error', (error: NodeJS.ErrnoException) => {
      resolve(error.code !== 'ECONNREFUSED' && error.code !== 'ENOENT')
    })
  })
}

/** Removes the socket of a dead owner. */
export async function removeStaleLock({ socket }: Owner): Promise<void> {
  await rm(socket, { force: true })
}

/** Bytes. The kernel accepts 107 (103 on macOS). */
const MAX_SOCKET_PATH = 100
