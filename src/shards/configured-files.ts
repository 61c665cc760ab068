import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { isAbsolute } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { statIfPresent } from '../fields/present.ts'

/**
 * SHA-256, in hex, of all files that configurations name, by absolute path: schemas, tables, word lists,
 * keys. What they say decides what a pipeline does, like the configuration itself.
 */
export async function configuredFiles(configs: readonly unknown[]): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>()
  for (const path of new Set(configs.flatMap(pathsIn))) {
    const stats = statIfPresent(path)
    if (stats?.isFile() === true && stats.size <= LARGEST_FILE) files.set(path, await digestOf(path))
  }
  return files
}

/** More than the largest table. Only the path of a larger file counts: it takes seconds to read. */
const LARGEST_FILE = 4 * 2 ** 30

function pathsIn(value: unknown): string[] {
  if (typeof value === 'string') return isAbsolute(value) ? [value] : []
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(pathsIn) : []
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
  return hash.digest('hex')
}
