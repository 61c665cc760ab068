import { chmod, lstat, mkdir, open, readdir, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SluiceError, systemCode } from './errors.ts'

/**
 * Every file system operation of the commit protocol, except those of the state's own database. So
 * tests can make any operation fail, or be the last one before a crash.
 */
export interface Files {
  /**
   * Creates a folder and its parents if absent, readable by this user only. Makes their names
   * durable, also those of folders that a killed process created.
   */
  makeFolder(folder: string): Promise<void>
  /** Names in a folder; empty if the folder does not exist. */
  readdir(folder: string): Promise<string[]>
  /** Length of a file in bytes; undefined if it does not exist. */
  size(path: string): Promise<number | undefined>
  /**
   * `wx` creates a file that must not exist, readable by this user only; `r+` opens a file that must
   * exist.
   */
  open(path: string, flags: 'r' | 'r+' | 'wx'): Promise<OpenFile>
  /** No-op if the file does not exist. */
  unlink(path: string): Promise<void>
  /** Makes the names in a folder durable. */
  fsyncFolder(folder: string): Promise<void>
}

export interface OpenFile {
  /** Writes all of the bytes. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Fills the buffer as far as the file reaches. Returns the number of bytes. */
  read(buffer: Uint8Array, position: number): Promise<number>
  fdatasync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

export const realFiles: Files = {
  async makeFolder(folder) {
    const first = await named('create the folder', folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
    await syncNames(folder, { first, levels: STATE_LEVELS, sync: syncFolder })
  },
  readdir: (folder) => named('list', folder, () => unless('ENOENT', readdir(folder), [])),
  size: (path) => named('stat', path, async () => (await unless('ENOENT', stat(path), undefined))?.size),
  open: (path, flags) => named('open', path, async () => openFile(await open(path, flags, 0o600), path)),
  unlink: (path) => named('delete', path, () => unless('ENOENT', unlink(path), undefined)),
  fsyncFolder: syncFolder,
}

function syncFolder(folder: string): Promise<void> {
  return named('sync the folder', folder, () => fsyncPath(folder))
}

/** Makes the bytes of a file, or the names in a folder, durable. Throws the error of the system. */
export async function fsyncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/**
 * Sees to it that only this user can enter a folder, if it exists, and none of the folders in it is
 * a link. Another user could have put a link there, to read what is written or to have other files
 * overwritten.
 * @returns the folders whose rights were taken from other users
 * @throws SluiceError FOLDER_UNSAFE
 */
export async function makePrivate(folder: string, inside: readonly string[]): Promise<string[]> {
  const changed: string[] = []
  for (const path of [folder, ...inside.map((name) => join(folder, name))]) {
    const found = await named('stat', path, () => unless('ENOENT', lstat(path), undefined))
    if (found === undefined) continue
    if (found.isSymbolicLink())
      throw unsafe(`${path} is a link`, 'move the folder there, or give --state the folder to which it leads')
    const user = process.getuid?.()
    if (user !== undefined && found.uid !== user) {
      const hint = `run as the user ${found.uid}, or give the folder to this user with chown`
      throw unsafe(`${path} belongs to the user ${found.uid}, and this process runs as the user ${user}`, hint)
    }
    // Windows has other rights, and reports these.
    if (user === undefined || (found.mode & OTHERS) === 0) continue
    await named('change the rights of', path, () => chmod(path, found.mode & 0o700))
    changed.push(path)
  }
  return changed
}

/** What about a folder lets other users in: it is a link, or they have rights. Undefined if nothing does. */
export async function othersIn(folder: string): Promise<string | undefined> {
  // Its user reports a folder that cannot be used.
  const found = await lstat(folder).catch(() => undefined)
  if (found === undefined || process.getuid === undefined) return undefined
  if (found.isSymbolicLink()) return 'the folder of the sink is a link'
  return (found.mode & OTHERS) === 0 ? undefined : 'other users can enter the folder of the sink'
}

/** True if users other than its owner can put files into a folder, or take them away. */
export async function isOpenToOthers(folder: string): Promise<boolean> {
  const found = await unless('ENOENT', stat(folder), undefined)
  return (
    found !== undefined && process.getuid !== undefined && (found.mode & 0o022) !== 0 && (found.mode & STICKY) === 0
  )
}

const OTHERS = 0o077
/** In such a folder, files are removed and renamed by their owner only. */
const STICKY = 0o1000

function unsafe(message: string, hint: string): SluiceError {
  return new SluiceError('FOLDER_UNSAFE', message, { hint })
}

/** Folders that an earlier start may have created: `<state folder>/<pipeline>/outbox`. */
const STATE_LEVELS = 3

interface SyncNames {
  /** The topmost folder that was created, as `mkdir` returns it. */
  readonly first: string | undefined
  /** Number of folders, counted upwards, that an earlier process of ours may have created. */
  readonly levels: number
  readonly sync: (folder: string) => Promise<void>
}

/**
 * Makes the names of a folder and of its parents durable, by syncing the folders above them.
 * Ignores missing permission for a folder that this process did not create.
 */
export async function syncNames(folder: string, { first, levels, sync }: SyncNames): Promise<void> {
  let path = folder
  for (let level = 0; path !== dirname(path); level++) {
    const isNew = first !== undefined && path.length >= first.length
    if (level >= levels && !isNew) return
    const [synced] = await Promise.allSettled([sync(dirname(path))])
    if (synced.status === 'rejected' && (isNew || !isForbidden(synced.reason))) throw synced.reason
    path = dirname(path)
  }
}

function isForbidden(error: unknown): boolean {
  const code = systemCode(error instanceof SluiceError ? error.cause : error)
  return code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
}

function openFile(handle: FileHandle, path: string): OpenFile {
  return {
    write: (bytes, position) =>
      named('write to', path, async () => {
        for (let done = 0; done < bytes.length;) {
          const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done)
          done += bytesWritten
        }
      }),
    read: (buffer, position) =>
      named('read', path, async () => {
        let done = 0
        while (done < buffer.length) {
          const { bytesRead } = await handle.read(buffer, done, buffer.length - done, position + done)
          if (bytesRead === 0) break
          done += bytesRead
        }
        return done
      }),
    fdatasync: () => named('sync', path, () => handle.datasync()),
    truncate: (length) => named('truncate', path, () => handle.truncate(length)),
    close: () => handle.close(),
  }
}

async function unless<T, U>(code: string, result: Promise<T>, otherwise: U): Promise<T | U> {
  try {
    return await result
  } catch (error) {
    if (systemCode(error) === code) return otherwise
    throw error
  }
}

async function named<T>(verb: string, path: string, operation: () => Promise<T>): Promise<T> {
  try {
    return await operation()
  } catch (error) {
    const code = systemCode(error)
    if (code === 'ENOSPC' || code === 'EDQUOT') {
      throw new SluiceError('DISK_FULL', `cannot ${verb} ${path}: the disk is full; free some space and start again`, {
        cause: error,
      })
    }
    const hint = code === 'EMFILE' || code === 'ENFILE' ? '; raise `ulimit -n`, or lower `roll.maxPartitions`' : ''
    throw new SluiceError('DISK_FAILED', `cannot ${verb} ${path}: ${code ?? String(error)}${hint}`, { cause: error })
  }
}
