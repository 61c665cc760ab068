import { basename, dirname } from 'node:path'
import type { Files, OpenFile } from '../../../src/files.ts'
import { SluiceError } from '../../../src/errors.ts'
import type { Random } from '../random.ts'
import type { Process } from './process.ts'

/**
 * What becomes of writes and names that nobody has synced. When only the process is killed they all stay, and are still not synced: the power
 * may fail later. When the power fails none stays, or each by chance.
 */
export type Loss = 'all stay' | 'none stays' | 'by chance'

/**
 * A disk with a cache: what was written is seen at once, and is safe only behind a sync. Without one, each write may stay whole, in part or
 * not at all, whatever came behind it, and each change of a name may stay or not.
 */
export class Disk {
  readonly #folders = new Map<string, Folder>()

  /** Files by path as a process sees them. */
  files(): string[] {
    return [...this.#folders].flatMap(([folder, { live }]) => [...live.keys()].map((name) => `${folder}/${name}`))
  }

  read(path: string): Buffer {
    return this.#find(path).live
  }

  remove(path: string): void {
    this.#folder(dirname(path)).live.delete(basename(path))
  }

  crash(loss: Loss, random: Random): void {
    if (loss === 'all stay') return
    const stays = (): boolean => loss === 'by chance' && random.chance(0.5)
    for (const [path, folder] of this.#folders) {
      if (!folder.isDurable && !stays()) {
        this.#folders.delete(path)
        continue
      }
      folder.isDurable = true
      for (const name of new Set([...folder.live.keys(), ...folder.durable.keys()])) {
        if (folder.live.get(name) === folder.durable.get(name) || stays()) continue
        setOrDelete(folder.live, name, folder.durable.get(name))
      }
      folder.durable = new Map(folder.live)
    }
    for (const inode of new Set([...this.#folders.values()].flatMap(({ live }) => [...live.values()]))) {
      let content = inode.durable
      for (const change of inode.unsynced) {
        if (stays()) content = apply(content, random.chance(0.8) ? change : torn(change, random))
      }
      inode.live = content
      inode.durable = content
      inode.unsynced = []
    }
  }

  has(path: string): boolean {
    return this.#folders.get(dirname(path))?.live.has(basename(path)) ?? false
  }

  /** An empty file, unless it is there. */
  touch(path: string): void {
    if (!this.has(path)) this.#create(path)
  }

  /** The port of one process. */
  port(process: Process): Files {
    return {
      makeFolder: async (folder) => {
        await process.act('mkdir', () => void this.#folderOrNew(folder))
        await process.act('sync the folder above', () => void (this.#folderOrNew(folder).isDurable = true))
      },
      readdir: (folder) => process.act('readdir', () => [...(this.#folders.get(folder)?.live.keys() ?? [])]),
      size: (path) =>
        process.act('size', () => this.#folders.get(dirname(path))?.live.get(basename(path))?.live.length),
      unlink: (path) =>
        process.act(`unlink ${kindOf(path)}`, () => void this.#folder(dirname(path)).live.delete(basename(path))),
      fsyncFolder: (folder) =>
        process.act(`fsyncFolder ${basename(folder)}`, () => {
          const { live } = this.#folderOrNew(folder)
          this.#folderOrNew(folder).durable = new Map(live)
        }),
      open: (path, flags) => process.act(`open ${kindOf(path)}`, () => this.#open(process, path, flags)),
    }
  }

  #open(process: Process, path: string, flags: 'r' | 'r+' | 'wx'): OpenFile {
    const inode = flags === 'wx' ? this.#create(path) : this.#find(path)
    const kind = kindOf(path)
    const change = (one: Change): void => {
      inode.live = apply(inode.live, one)
      inode.unsynced.push(one)
    }
    return {
      write: (bytes, position) => {
        const copy = Buffer.from(bytes)
        return process.act(`write ${kind}`, () => change({ bytes: copy, position }))
      },
      read: (buffer, position) => process.act(`read ${kind}`, () => inode.live.copy(buffer, 0, position)),
      fdatasync: () =>
        process.act(`fdatasync ${kind}`, () => {
          inode.durable = inode.live
          inode.unsynced = []
        }),
      truncate: (length) => process.act(`truncate ${kind}`, () => change({ length })),
      close: () => Promise.resolve(),
    }
  }

  #create(path: string): Inode {
    const { live } = this.#folder(dirname(path))
    if (live.has(basename(path))) throw new SluiceError('DISK_FAILED', `cannot open ${path}: EEXIST`)
    const inode: Inode = { live: Buffer.alloc(0), durable: Buffer.alloc(0), unsynced: [] }
    live.set(basename(path), inode)
    return inode
  }

  #find(path: string): Inode {
    const inode = this.#folders.get(dirname(path))?.live.get(basename(path))
    if (!inode) throw new SluiceError('DISK_FAILED', `cannot open ${path}: ENOENT`)
    return inode
  }

  #folder(path: string): Folder {
    const folder = this.#folders.get(path)
    if (!folder) throw new SluiceError('DISK_FAILED', `cannot open ${path}: ENOENT`)
    return folder
  }

  #folderOrNew(path: string): Folder {
    const folder = this.#folders.get(path) ?? { live: new Map(), durable: new Map(), isDurable: false }
    this.#folders.set(path, folder)
    return folder
  }
}

/** Names, as a process sees them and as they are safe. */
interface Folder {
  readonly live: Map<string, Inode>
  durable: Map<string, Inode>
  /** Its own name is safe. */
  isDurable: boolean
}

interface Inode {
  live: Buffer
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

/** The folder that a file is in tells what it is. */
function kindOf(path: string): string {
  return basename(dirname(path))
}
