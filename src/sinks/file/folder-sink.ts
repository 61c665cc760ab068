import { randomUUID } from 'node:crypto'
import { constants } from 'node:fs'
import { chmod, copyFile, link, mkdir, open, opendir, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, relative, sep } from 'node:path'
import type { ObjectSink } from '../../component.ts'
import { SluiceError, systemCode } from '../../errors.ts'
import type { JsonObject } from '../../record/json/json.ts'
import { fsyncPath, syncNames } from '../../files.ts'

/**
 * Publishes objects as files below a folder. A file gets its name by link(2) after it is complete
 * and durable: so readers never see a part of it, and an existing file is never overwritten.
 */
export function folderSink(folder: string, readers: 'owner' | 'group' = 'owner'): ObjectSink {
  const synced = new Set<string>()
  return {
    maxKeyBytes: 1024,
    ...(readers === 'owner' && { folder }),
    destination: (key) => ({ path: join(folder, key) }),
    location: pathOf,
    publish: async (file, destination) => {
      const target = pathOf(destination)
      try {
        await makeFolder(dirname(target), { root: folder, mode: readers === 'owner' ? 0o700 : 0o750, synced })
        // The file is its own when it gets its name: nobody has opened it yet.
        if (readers === 'group') await chmod(file.path, 0o640)
        await publishFile(file.path, target)
      } catch (error) {
        throw sinkError(error, target)
      }
    },
    open: async (destination) => {
      const path = pathOf(destination)
      try {
        return (await open(path, 'r')).createReadStream()
      } catch (error) {
        if (systemCode(error) === 'ENOENT') return undefined
        throw new SluiceError('SINK_REFUSED', `cannot read ${path}: ${systemCode(error) ?? String(error)}`, {
          cause: error,
        })
      }
    },
    list: (prefix) => listFiles(folder, prefix),
    async *connect(prefix) {
      const target = join(folder, prefix)
      try {
        yield { what: `write below ${target}`, found: await tryFolder(target) }
      } catch (error) {
        yield { what: `write below ${target}`, error: sinkError(error, target) }
      }
    },
    exists: async (destination, _signal, bytes) => {
      const [result] = await Promise.allSettled([stat(pathOf(destination))])
      return result.status === 'fulfilled' && (bytes === undefined || result.value.size === bytes)
    },
  }
}

async function* listFiles(folder: string, prefix: string): AsyncGenerator<string> {
  const within = join(folder, prefix.slice(0, prefix.lastIndexOf('/') + 1))
  try {
    for await (const entry of await opendir(within, { recursive: true })) {
      const key = relative(folder, join(entry.parentPath, entry.name)).replaceAll(sep, '/')
      if (entry.isFile() && key.startsWith(prefix)) yield key
    }
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return
    throw new SluiceError('SINK_REFUSED', `cannot list ${within}: ${systemCode(error) ?? String(error)}`, {
      cause: error,
    })
  }
}

/** Writes a file into the folder and deletes it; a folder that does not exist is not created. */
async function tryFolder(folder: string): Promise<string> {
  let existing = folder
  while ((await kindOf(existing)) === undefined) existing = dirname(existing)
  if ((await kindOf(existing)) !== 'folder') throw new SluiceError('SINK_REFUSED', `${existing} is not a folder`)
  const path = join(existing, `.sluice-check-${randomUUID()}`)
  const file = await open(path, 'wx')
  await file.close()
  await rm(path)
  return existing === folder ? 'allowed' : `allowed; will be created in ${existing}`
}

async function kindOf(path: string): Promise<'folder' | 'other' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'other'
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    if (systemCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

function pathOf({ path }: JsonObject): string {
  if (typeof path === 'string') return path
  throw new SluiceError('STATE_DAMAGED', 'an object row has no path')
}

/**
 * Links the file to its name, or copies it if it is on another device. An existing file with this
 * name has the same content, because the name contains its hash.
 */
async function publishFile(from: string, to: string): Promise<void> {
  try {
    await linkOnce(from, to)
  } catch (error) {
    if (!cannotLink.has(systemCode(error) ?? '')) throw error
    await publishCopy(from, to)
  }
  await fsyncPath(dirname(to))
}

/** Codes for another device, a file system without links, and too many links. */
const cannotLink = new Set(['EXDEV', 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EMLINK'])

async function linkOnce(from: string, to: string): Promise<void> {
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
async function makeFolder(
  folder: string,
  { root, mode, synced }: { readonly root: string; readonly mode: number; readonly synced: Set<string> },
): Promise<void> {
  const first = await mkdir(folder, { recursive: true, mode })
  if (first === undefined && synced.has(folder)) return
  const levels = Math.max(1, relative(root, folder).split(sep).length + 1)
  await syncNames(folder, { first, levels, sync: fsyncPath })
  synced.add(folder)
}

function sinkError(error: unknown, target: string): SluiceError {
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
