import { randomUUID } from 'node:crypto'
import { chmod, open, opendir, rm, stat } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import type { ObjectSink } from '../../component.ts'
import { SluiceError, systemCode } from '../../errors.ts'
import type { JsonObject } from '../../record/json/json.ts'
import { makeFolder, publishFile, sinkError } from './publish-file.ts'
import { STAGING, Staging } from './staging.ts'

/**
 * Publishes objects as files below a folder. A file gets its name by link(2) after it is complete
 * and durable: so readers never see a part of it, and an existing file is never overwritten.
 */
export function folderSink(folder: string, readers: 'owner' | 'group' = 'owner'): ObjectSink {
  const synced = new Set<string>()
  const mode = readers === 'owner' ? 0o700 : 0o750
  const fileMode = readers === 'owner' ? 0o600 : 0o640
  const staging = new Staging(folder, { mode, fileMode })
  return {
    maxKeyBytes: 1024,
    ...(readers === 'owner' && { folder }),
    destination: (key) => ({ path: join(folder, key) }),
    location: pathOf,
    publish: async (file, destination) => {
      const target = pathOf(destination)
      try {
        await makeFolder(dirname(target), { root: folder, mode, synced })
        // The file is its own when it gets its name: nobody has opened it yet.
        if (readers === 'group') await chmod(file.path, fileMode)
        await publishFile(file.path, target)
      } catch (error) {
        throw sinkError(error, target)
      }
    },
    stage: async (file, destination, signal) => {
      const target = pathOf(destination)
      try {
        return await staging.stage(file.path, relative(folder, target), signal)
      } catch (error) {
        signal.throwIfAborted()
        throw sinkError(error, target)
      }
    },
    publishStaged: async (handle, { bytes }, destination) => {
      const target = pathOf(destination)
      try {
        await makeFolder(dirname(target), { root: folder, mode, synced })
        return await staging.publish(handle, { bytes, target })
      } catch (error) {
        throw sinkError(error, target)
      }
    },
    discardStaged: async (handle, destination) => {
      try {
        await staging.discard(handle)
      } catch (error) {
        throw sinkError(error, pathOf(destination))
      }
    },
    sweepStaged: (prefix, isDead) => staging.sweep((key) => key.startsWith(prefix) && isDead(key)),
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
      if (entry.isFile() && key.startsWith(prefix) && !key.startsWith(`${STAGING}/`)) yield key
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
