import { basename, dirname } from 'node:path'
import type { Files, OpenFile } from '../../../../src/files.ts'
import { SluiceError } from '../../../../src/errors.ts'
import type { Random } from '../support/random.ts'
import type { Process } from './process.ts'

/**
 * The fate of unsynced writes and names in a crash. `kept`: the process was killed; they stay
 * unsynced, so a later power failure can lose them. `lost` and `randomly lost`: the power failed.
 */
export type Loss = 'kept' | 'lost' | 'randomly lost'

/**
 * A disk with a cache. Writes are visible at once, but durable only after a sync. In a power
 * failure, each unsynced write may survive completely, in part or not at all, independent of later
 * writes, and each unsynced change of a name may survive or not.
 */
export class Disk {
  readonly #folders = new Map<string, Folder>()

  /** Paths of the visible files. */
  files(): string[] {
    return [...this.#folders].flatMap(([folder, { simulateRun }]) =>
      [...simulateRun.keys()].map((name) => `${folder}/${name}`),
    )
  }

  read(path: string): Buffer {
    return this.#find(path).simulateRun
  }

  remove(path: string): void {
    this.#folder(dirname(path)).simulateRun.delete(basename(path))
  }

  crash(loss: Loss, random: Random): void {
    if (loss === 'kept') return
    const stays = (): boolean => loss === 'randomly lost' && random.chance(0.5)
    for (const [path, folder] of this.#folders) {
      if (!folder.isDurable && !stays()) {
        this.#folders.delete(path)
        continue
      }
      folder.isDurable = true
      for (const name of new Set([...folder.simulateRun.keys(), ...folder.durable.keys()])) {
        if (folder.simulateRun.get(name) === folder.durable.get(name) || stays()) continue
        setOrDelete(folder.simulateRun, name, folder.durable.get(name))
      }
      folder.durable = new Map(folder.simulateRun)
    }
    for (const inode of new Set([...this.#folders.values()].flatMap(({ simulateRun }) => [...simulateRun.values()]))) {
      let content = inode.durable
      for (const change of inode.unsynced) {
        if (stays()) content = apply(content, random.chance(0.8) ? change : torn(change, random))
      }
      inode.simulateRun = content
      inode.durable = content
      inode.unsynced = []
    }
  }

  has(path: string): boolean {
    return this.#folders.get(dirname(path))?.simulateRun.has(basename(path)) ?? false
  }

  /** Creates an empty file if absent. */
  touch(path: string): void {
    if (!this.has(path)) this.#create(path)
  }

  /** The port of one process. */
  port(process: Process): Files {
    return {
      makeFolder: async (folder) => {
        await process.act('mkdir', () => void this.#folderOrNew(folder))
        await process.act('sync the parent folder', () => void (this.#folderOrNew(folder).isDurable = true))
      },
      readdir: (folder) => process.act('readdir', () => [...(this.#folders.get(folder)?.simulateRun.keys() ?? [])]),
      size: (path) =>
        process.act(
          'size',
          () => this.#folders.get(dirname(path))?.simulateRun.get(basename(path))?.simulateRun.length,
        ),
      unlink: (path) =>
        process.act(
          `unlink ${kindOf(path)}`,
          () => void this.#folder(dirname(path)).simulateRun.delete(basename(path)),
        ),
      fsyncFolder: (folder) =>
        process.act(`fsyncFolder ${basename(folder)}`, () => {
          const { simulateRun } = this.#folderOrNew(folder)
          this.#folderOrNew(folder).durable = new Map(simulateRun)
        }),
      open: (path, flags) => process.act(`open ${kindOf(path)}`, () => this.#open(process, path, flags)),
    }
  }

  #open(process: Process, path: string, flags: 'r' | 'r+' | 'wx'): OpenFile {
    const inode = flags === 'wx' ? this.#create(path) : this.#find(path)
    const kind = kindOf(path)
    const change = (one: Change): void => {
      inode.simulateRun = apply(inode.simulateRun, one)
      inode.unsynced.push(one)
    }
    return {
      write: (bytes, position) => {
        const copy = Buffer.from(bytes)
        return process.act(`write ${kind}`, () => change({ bytes: copy, position }))
      },
      read: (buffer, position) => process.act(`read ${kind}`, () => inode.simulateRun.copy(buffer, 0, position)),
      fdatasync: () =>
        process.act(`fdatasync ${kind}`, () => {
          inode.durable = inode.simulateRun
          inode.unsynced = []
        }),
      truncate: (length) => process.act(`truncate ${kind}`, () => change({ length })),
      close: () => Promise.resolve(),
    }
  }

  #create(path: string): Inode {
    const { simulateRun } = this.#folder(dirname(path))
    if (simulateRun.has(basename(path))) throw new SluiceError('DISK_FAILED', `cannot open ${path}: EEXIST`)
    const inode: Inode = { simulateRun: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] }
    simulateRun.set(basename(path), inode)
    return inode
  }

  #find(path: string): Inode {
    const inode = this.#folders.get(dirname(path))?.simulateRun.get(basename(path))
    if (!inode) throw new SluiceError('DISK_FAILED', `cannot open ${path}: ENOENT`)
    return inode
  }

  #folder(path: string): Folder {
    const folder = this.#folders.get(path)
    if (!folder) throw new SluiceError('DISK_FAILED', `cannot open ${path}: ENOENT`)
    return folder
  }

  #folderOrNew(path: string): Folder {
    const folder = this.#folders.get(path) ?? { simulateRun: new Map(), durable: new Map(), isDurable: false }
    this.#folders.set(path, folder)
    return folder
  }
}

/** Names in a folder: visible ones and durable ones. */
interface Folder {
  readonly simulateRun: Map<string, Inode>
  durable: Map<string, Inode>
  /** The folder's own name is durable. */
  isDurable: boolean
}

interface Inode {
  simulateRun: Buffer
  durable: Buffer
  unsynced: Change[]
}

type Change = { readonly bytes: Buffer; readonly position: number } | { readonly length: number }

function apply(content: Buffer, change: Change): Buffer {
  const length = 'length' in change ? change.length : Math.max(content.length, change.position + change.bytes.length)
  const changed = Buffer.alloc(length)
  content.copy(changed)
  if ('bytes' in change) change.bytes.copy(changed, change.position)
  return changed
}

function torn(change: Change, random: Random): Change {
  if ('length' in change) return change
  return { bytes: change.bytes.subarray(0, random.below(change.bytes.length)), position: change.position }
}

function setOrDelete<K, V>(map: Map<K, V>, key: K, value: V | undefined): void {
  if (value === undefined) map.delete(key)
  else map.set(key, value)
}

/** The name of the file's folder. */
function kindOf(path: string): string {
  return basename(dirname(path))
}
