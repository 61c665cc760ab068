import { randomUUID } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { chmod, opendir, readdir, rm, stat } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, relative, sep } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { SluiceError, systemCode } from '../../errors.ts'
import { fsyncPath } from '../../files.ts'
import { isObject } from '../../record/json/json.ts'
import type { Json } from '../../record/json/json.ts'
import { cannotLink, linkOnce, makeFolder, publishFile } from './publish-file.ts'

/** Below the sink's folder. Programs that read folders of data skip names that begin with a dot. */
export const STAGING = '.sluice-staged'

/**
 * Finished files that have no name yet which a reader looks for. Each is alone in a folder of its
 * own, below the keys of its object: `.sluice-staged/<uuid>/dt=2026-09-12/a.ndjson.gz.staged`. All
 * machines must see the sink's folder, under the same path.
 */
export class Staging {
  readonly #root: string
  readonly #modes: { readonly mode: number; readonly fileMode: number }

  constructor(folder: string, modes: { readonly mode: number; readonly fileMode: number }) {
    this.#root = join(folder, STAGING)
    this.#modes = modes
  }

  /** Links the file, or copies it if it is on another device. Durable when it resolves. */
  async stage(from: string, key: string, signal: AbortSignal): Promise<Json> {
    const own = join(this.#root, randomUUID())
    const path = join(own, key + SUFFIX)
    try {
      signal.throwIfAborted()
      await makeFolder(dirname(path), { root: dirname(this.#root), mode: this.#modes.mode, synced: new Set() })
      await this.#place(from, path, signal)
      await chmod(path, this.#modes.fileMode)
      await fsyncPath(path)
      await fsyncPath(dirname(path))
      signal.throwIfAborted()
      return { root: this.#root, name: relative(this.#root, path) }
    } catch (error) {
      await rm(own, { recursive: true, force: true }).catch(() => undefined)
      throw error
    }
  }

  async #place(from: string, path: string, signal: AbortSignal): Promise<void> {
    try {
      await linkOnce(from, path)
    } catch (error) {
      if (!cannotLink.has(systemCode(error) ?? '')) throw error
      const to = createWriteStream(path, { flags: 'wx', mode: this.#modes.fileMode })
      await pipeline(createReadStream(from), to, { signal })
    }
  }

  /**
   * Gives the staged file its name. The staged file is looked for before the object: another process
   * that publishes it gives the name first, and then removes the staged one.
   * @throws SluiceError SINK_REFUSED if this machine does not see what others have staged
   */
  async publish(
    handle: Json,
    { bytes, target }: { readonly bytes: number; readonly target: string },
  ): Promise<'published' | 'gone'> {
    const { root, path } = readHandle(handle)
    if ((await sizeOf(path)) === bytes) {
      try {
        await publishFile(path, target)
        await this.discard(handle)
        return 'published'
      } catch (error) {
        if (systemCode(error) !== 'ENOENT') throw error
      }
    }
    if ((await sizeOf(target)) === bytes) {
      await fsyncPath(dirname(target))
      await this.discard(handle)
      return 'published'
    }
    if ((await sizeOf(root)) === undefined) throw notShared(root)
    await this.discard(handle)
    return 'gone'
  }

  async discard(handle: Json): Promise<void> {
    await rm(readHandle(handle).own, { recursive: true, force: true })
  }

  /** Removes the staged files of these keys. Returns how many there were. */
  async sweep(isDead: (key: string) => boolean): Promise<number> {
    let removed = 0
    for (const name of await readdir(this.#root).catch(() => [])) {
      const own = join(this.#root, name)
      const key = await keyIn(own)
      if (key === undefined || !isDead(key)) continue
      const [result] = await Promise.allSettled([rm(own, { recursive: true, force: true })])
      if (result.status === 'fulfilled') removed++
    }
    return removed
  }
}

const SUFFIX = '.staged'

/** The key of the object that is staged in a folder; undefined if there is none. */
async function keyIn(own: string): Promise<string | undefined> {
  try {
    for await (const entry of await opendir(own, { recursive: true })) {
      if (!entry.isFile() || !entry.name.endsWith(SUFFIX)) continue
      const path = relative(own, join(entry.parentPath, entry.name))
      return path.slice(0, -SUFFIX.length).replaceAll(sep, '/')
    }
  } catch {
    // It is removed, or cannot be read: it stays.
  }
  return undefined
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined
    throw error
  }
}

interface Staged {
  /** The staging folder. */
  readonly root: string
  /** The folder that holds the file and nothing else. */
  readonly own: string
  readonly path: string
}

/** @throws SluiceError STATE_DAMAGED */
function readHandle(handle: Json): Staged {
  const { root, name } = isObject(handle) ? handle : {}
  if (typeof root === 'string' && isAbsolute(root) && basename(root) === STAGING && typeof name === 'string') {
    const own = NAME.exec(name)?.[1]
    if (own !== undefined) return { root, own: join(root, own), path: join(root, name) }
  }
  throw new SluiceError('STATE_DAMAGED', 'the handle of a staged object of the file sink has no usable path')
}

/** A UUID, and a path that does not lead out of it. */
const NAME = /^([\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12})[/\\](?!(?:.*[/\\])?\.\.(?:[/\\]|$)).+$/

function notShared(root: string): SluiceError {
  return new SluiceError(
    'SINK_REFUSED',
    `${root} does not exist on this machine: a worker has staged an object there. Mount the same folder under the same path on all machines and start again; if it was deleted, create it empty, and its shards run again`,
  )
}
