import { readdir as readdirWithCallback } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { SluiceError } from '../../errors.ts'
import { fileError } from './file-error.ts'

/** One thing to read. */
export interface Input {
  /** The path as it was written, or as it was found below that; `-` for standard input. */
  readonly name: string
  /** A regular file can be read again from any place; standard input and pipes only once. */
  readonly kind: 'file' | 'stream' | 'stdin'
  readonly bytes: number
}

/**
 * Files, folders (with the folders in them; hidden ones and links to folders are left out), globs and `-`, relative to the working
 * directory: in the order given, and sorted by name within each. A file that is found twice is read once.
 * @throws SluiceError FILE_NOT_FOUND when a path gives no file, saying what was looked for.
 */
export async function findInputs(paths: readonly string[]): Promise<Input[]> {
  const inputs: Input[] = []
  const seen = new Set<string>()
  for (const path of paths) {
    for (const name of path === '-' ? [path] : await expand(path)) {
      const input = name === '-' ? STDIN : await lookAt(name, seen)
      if (input !== undefined) inputs.push(input)
    }
  }
  return inputs
}

const STDIN: Input = { name: '-', kind: 'stdin', bytes: 0 }

/** Names a file whatever it is called, and however much is in it: the partition its positions belong to. */
export function fileKey({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev.toString(36)}-${ino.toString(36)}`
}

async function lookAt(name: string, seen: Set<string>): Promise<Input | undefined> {
  const stats = await stat(name, { bigint: true }).catch((error: unknown) => {
    throw fileError(error, name)
  })
  const key = fileKey(stats)
  if (stats.isDirectory() || seen.has(key)) return undefined
  seen.add(key)
  return { name, kind: stats.isFile() ? 'file' : 'stream', bytes: Number(stats.size) }
}

async function expand(path: string): Promise<string[]> {
  const stats = await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw fileError(error, path)
  })
  if (stats?.isDirectory() === true) return listFolder(path)
  if (stats !== undefined) return [path]
  if (isDynamicPattern(path)) return matchGlob(path)
  throw new SluiceError('FILE_NOT_FOUND', `"${path}" does not exist`, lookedFrom())
}

/** Files of a folder that are read; one that is named itself, or by a glob, may be called anything. */
const ENDING = /\.(json|ndjson|jsonl|log)(\.(gz|br|zst))?$/

async function listFolder(folder: string): Promise<string[]> {
  const names: string[] = []
  for await (const name of filesBelow(folder)) names.push(name)
  if (names.length > 0) return names.toSorted()
  throw new SluiceError(
    'FILE_NOT_FOUND',
    `no file in "${folder}" ends in .json, .ndjson, .jsonl or .log (or these and .gz, .br, .zst)`,
    {
      hint: 'name a file by itself, or by a glob, to read it whatever it is called',
    },
  )
}

/** Enters no link to a folder, and so no circle of them. `readdir` with `recursive` does, in some versions of Node.js. */
async function* filesBelow(folder: string): AsyncGenerator<string> {
  const entries = await readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    throw fileError(error, folder)
  })
  for (const entry of entries.filter(({ name }) => !name.startsWith('.'))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path)
    else if ((entry.isFile() || entry.isSymbolicLink()) && ENDING.test(path)) yield path
  }
}

async function matchGlob(pattern: string): Promise<string[]> {
  let refused: NodeJS.ErrnoException | undefined
  // The walk leaves out a folder that it may not read, and would leave out its records with it.
  const fs: object = {
    readdir(path: string, options: object, done: (error: Error | null, entries: unknown) => void) {
      readdirWithCallback(path, options, (error, entries) => {
        if (error?.code === 'EACCES' || error?.code === 'EPERM') refused = error
        done(error, entries)
      })
    },
  }
  const names = await glob(pattern, {
    absolute: isAbsolute(pattern),
    expandDirectories: false,
    fs,
  })
  if (refused !== undefined) throw fileError(refused, refused.path ?? pattern)
  if (names.length > 0) return names.toSorted()
  throw new SluiceError('FILE_NOT_FOUND', `no file matches "${pattern}"`, lookedFrom())
}

function lookedFrom(): { hint: string } {
  return { hint: `it was looked for from ${process.cwd()}` }
}
