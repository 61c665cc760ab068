import { lstat, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemCode } from '../../errors.ts'

/** What a folder of a state takes on the disk. */
export interface Size {
  readonly files: number
  readonly bytes: number
}

/** The parts of a state folder, in the order in which they are shown. */
export const PARTS = ['state', 'dedup', 'rejects', 'outbox', 'shards'] as const

export type Sizes = Readonly<Record<(typeof PARTS)[number], Size>>

/** Sizes of the folders of a state. */
export async function measure(folder: string): Promise<Sizes> {
  const [state, dedup, rejects, outbox, shards] = await Promise.all(PARTS.map((part) => sizeOf(join(folder, part))))
  return { state, dedup, rejects, outbox, shards }
}

async function sizeOf(folder: string): Promise<Size> {
  let [files, bytes] = [0, 0]
  for (const name of await namesIn(folder)) {
    const stats = await lstat(join(folder, name)).catch(() => undefined)
    if (!stats?.isFile()) continue
    files++
    bytes += stats.size
  }
  return { files, bytes }
}

/** Empty if there is no such folder. */
export async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder)
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}
