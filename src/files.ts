import { mkdir, open, readdir, stat, unlink } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { SluiceError, systemCode } from './errors.ts'

/**
 * Every file system operation of the outbox and the de-duplication index. Nothing else of the commit protocol touches the disk, but for
 * the state's own environment; so an operation can be made to fail, or to be the last one, from outside.
 */
export interface Files {
  /** Makes a folder and its parents, for our user alone, where they are absent. Their names are durable, also where a process that was killed has made them. */
  makeFolder(folder: string): Promise<void>
  /** Names in a folder; none when it does not exist. */
  readdir(folder: string): Promise<string[]>
  /** Length of a file in bytes; undefined when it does not exist. */
  size(path: string): Promise<number | undefined>
  /** `wx` makes a file that must not exist, `r+` opens one that must. */
  open(path: string, flags: 'r' | 'r+' | 'wx'): Promise<OpenFile>
  /** Does nothing when the file is gone already. */
  unlink(path: string): Promise<void>
  /** Makes the names in a folder durable. */
  fsyncFolder(folder: string): Promise<void>
}

export interface OpenFile {
  /** Writes all of the bytes. */
  write(bytes: Uint8Array, position: number): Promise<void>
  /** Fills the buffer, or as much of it as the file still has. */
  read(buffer: Uint8Array, position: number): Promise<number>
  fdatasync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

export const realFiles: Files = {
  async makeFolder(folder) {
    const first = await named('make the folder', folder, () => mkdir(folder, { recursive: true, mode: 0o700 }))
    await syncNames(folder, { first, levels: STATE_LEVELS, sync: syncFolder })
  },
  readdir: (folder) => named('list', folder, () => unless('ENOENT', readdir(folder), [])),
  size: (path) => named('look at', path, async () => (await unless('ENOENT', stat(path), undefined))?.size),
  open: (path, flags) => named('open', path, async () => openFile(await open(path, flags), path)),
  unlink: (path) => named('delete', path, () => unless('ENOENT', unlink(path), undefined)),
  fsyncFolder: syncFolder,
}

function syncFolder(folder: string): Promise<void> {
  return named('sync the folder', folder, () => fsyncPath(folder))
}

/** Makes a file's bytes, or the names in a folder, durable. Errors are those of the system. */
export async function fsyncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** `<state folder>/<pipeline>/outbox`: what a start may have made. */
const STATE_LEVELS = 3

interface SyncNames {
  /** The first folder that was made, as `mkdir` tells it. */
  readonly first: string | undefined
  /** Folders that may be ours, counted upwards. */
  readonly levels: number
  readonly sync: (folder: string) => Promise<void>
}

/** Syncs the folders that hold the names of a folder and of those above it. One that we did not make may be closed to us. */
export async function syncNames(folder: string, { first, levels, sync }: SyncNames): Promise<void> {
  let made = folder
  for (let level = 0; made !== dirname(made); level++) {
    const isNew = first !== undefined && made.length >= first.length
    if (level >= levels && !isNew) return
    const [synced] = await Promise.allSettled([sync(dirname(made))])
    if (synced.status === 'rejected' && (isNew || !isClosed(synced.reason))) throw synced.reason
    made = dirname(made)
  }
}

function isClosed(error: unknown): boolean {
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
    truncate: (length) => named('cut', path, () => handle.truncate(length)),
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
      throw new SluiceError('DISK_FULL', `cannot ${verb} ${path}: no space is left; make room and start again`, {
        cause: error,
      })
    }
    const hint = code === 'EMFILE' || code === 'ENFILE' ? '; raise `ulimit -n`, or lower `roll.maxPartitions`' : ''
    throw new SluiceError('DISK_FAILED', `cannot ${verb} ${path}: ${code ?? String(error)}${hint}`, { cause: error })
  }
}
