import { existsSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError } from '../../errors.ts'

export interface SocketAddress {
  readonly path: string
  /** Call this when the socket is not used any more. */
  close(): Promise<void>
}

/**
 * A path of a socket in a folder that is short enough for the kernel. Linux has one for every open folder.
 * @throws SluiceError UNSUPPORTED if the path is too long for this system
 */
export async function addressOf(folder: string, name: string): Promise<SocketAddress> {
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
