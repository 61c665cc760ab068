import { randomBytes } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Who works on a state, as the state records it. */
export interface Owner {
  readonly pid: number
  /** Answers as long as the process lives: the kernel closes it with the process, however that ends. */
  readonly socket: string
}

export interface OwnerLock {
  readonly owner: Owner
  close(): Promise<void>
}

/** Binds a socket of its own name in the folder; in the folder for temporary files when its path would be too long for a socket. */
export async function acquireOwnerLock(folder: string): Promise<OwnerLock> {
  const name = `owner-${randomBytes(8).toString('hex')}.sock`
  const near = join(folder, name)
  const socket = Buffer.byteLength(near) <= LONGEST_SOCKET ? near : join(tmpdir(), `sluice-${name}`)
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

/** True when the owner's process lives. Any doubt counts as life. */
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

/** Removes what a dead owner has left. */
export async function removeStaleLock({ socket }: Owner): Promise<void> {
  await rm(socket, { force: true })
}

/** The kernel takes 107 bytes (103 on macOS). */
const LONGEST_SOCKET = 100
