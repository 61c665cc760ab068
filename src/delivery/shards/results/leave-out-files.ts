import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { SluiceError } from '../../../errors.ts'
import type { Files } from '../../../files.ts'
import type { LeaveOutFile } from '../../state/rows.ts'
import { digestOfKeys } from '../day-keys.ts'

/**
 * Leave-out lists as files in `<state folder>/shards`. A list is durable before an execution gets it.
 * Its name has its digest, so a result that waits for the coordinator finds the list that it was made
 * with. The row of a committed shard names its list until its objects are published, because they may
 * have to be made again.
 */
export class LeaveOutFiles {
  readonly #folder: string
  readonly #files: Files

  constructor(folder: string, files: Files) {
    this.#folder = join(folder, 'shards')
    this.#files = files
  }

  /** Deletes the files that are not needed. */
  async recover(isNeeded: (file: string) => boolean): Promise<void> {
    await this.#files.makeFolder(this.#folder)
    for (const name of await this.#files.readdir(this.#folder)) if (!isNeeded(name)) await this.remove(name)
  }

  async write(run: string, shard: number, list: Uint8Array): Promise<LeaveOutFile> {
    const file = nameOf(run, shard, digestOfKeys(list))
    const path = join(this.#folder, file)
    // A process that died may have left a part of it.
    await this.#files.unlink(path)
    const open = await this.#files.open(path, 'wx')
    try {
      await open.write(list, 0)
      await open.fdatasync()
    } finally {
      await open.close()
    }
    await this.#files.fsyncFolder(this.#folder)
    return { file, bytes: list.length, crc: crc32(list) }
  }

  /** The list with a digest, if there is one. */
  async find(run: string, shard: number, digest: string): Promise<LeaveOutFile | undefined> {
    const file = nameOf(run, shard, digest)
    const bytes = await this.#files.size(join(this.#folder, file))
    if (bytes === undefined) return undefined
    const list = await this.#read(file, bytes)
    return digestOfKeys(list) === digest ? { file, bytes, crc: crc32(list) } : undefined
  }

  /** @throws SluiceError STATE_DAMAGED */
  async read({ file, bytes, crc }: LeaveOutFile): Promise<Uint8Array> {
    const path = join(this.#folder, file)
    const size = await this.#files.size(path)
    const list = size === bytes ? await this.#read(file, bytes) : undefined
    if (list && crc32(list) === crc) return list
    throw new SluiceError(
      'STATE_DAMAGED',
      `${path} does not have its committed content: restore the whole state folder, or move it away to start over`,
    )
  }

  async remove(file: string): Promise<void> {
    await this.#files.unlink(join(this.#folder, file))
  }

  async #read(file: string, bytes: number): Promise<Uint8Array> {
    const list = new Uint8Array(bytes)
    const open = await this.#files.open(join(this.#folder, file), 'r')
    try {
      await open.read(list, 0)
    } finally {
      await open.close()
    }
    return list
  }
}

/** The digest of a list by the name of its file. */
export function digestIn(file: string): string {
  return file.slice(file.lastIndexOf('-') + 1)
}

/** The run and the shard of a list by the name of its file. */
export function shardIn(file: string): { readonly run: string; readonly shard: number } {
  const [run, shard] = file.split('-')
  return { run, shard: Number(shard) }
}

function nameOf(run: string, shard: number, digest: string): string {
  return `${run}-${shard}-${digest}`
}
