import { constants } from 'node:fs'
import { copyFile, link, mkdir, rm } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import { SluiceError, systemCode } from '../../errors.ts'
import { fsyncPath, syncNames } from '../../files.ts'

/**
 * Links the file to its name, or copies it if it is on another device. An existing file with this
 * name has the same content, because the name contains its hash.
 */
export async function publishFile(from: string, to: string): Promise<void> {
  try {
    await linkOnce(from, to)
  } catch (error) {
    if (!cannotLink.has(systemCode(error) ?? '')) throw error
    await publishCopy(from, to)
  }
  await fsyncPath(dirname(to))
}

/** Codes for another device, a file system without links, and too many links. */
export const cannotLink = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'])

export async function linkOnce(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch (error) {
    if (systemCode(error) !== 'EEXIST') throw error
  }
}

async function publishCopy(from: string, to: string): Promise<void> {
  const temporary = join(dirname(to), `.${process.pid}-${basename(to)}`)
  await rm(temporary, { force: true })
  try {
    await copyFile(from, temporary, constants.COPYFILE_EXCL)
    await fsyncPath(temporary)
    await linkOnce(temporary, to)
  } finally {
    await rm(temporary, { force: true })
  }
}

/**
 * Syncs each folder's name once, also of existing folders: a killed process may have created them
 * and not synced.
 */
export async function makeFolder(
  folder: string,
  { root, mode, synced }: { readonly root: string; readonly mode: number; readonly synced: Set<string> },
): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode })
  if (first === undefined && synced.has(folder)) return
  const levels = Math.max(1, relative(root, folder).split(sep).length + 1)
  await syncNames(folder, { first, levels, sync: fsyncPath })
  synced.add(folder)
}

export function sinkError(error: unknown, target: string): SluiceError {
  if (error instanceof SluiceError) return error
  const code = systemCode(error) ?? String(error)
  return new SluiceError(
    permanentErrors.has(code) ? 'SINK_REFUSED' : 'SINK_UNAVAILABLE',
    `cannot write ${target}: ${code}`,
    {
      cause: error,
    },
  )
}

/** Errors that do not go away by themselves. */
const permanentErrors = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOTDIR', 'EISDIR', 'ENAMETOOLONG', 'EINVAL', 'ELOOP'])
