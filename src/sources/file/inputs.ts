import { readdir as readdirWithCallback } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import { glob, isDynamicPattern } from 'tinyglobby'
import { SluiceError, systemCode } from '../../errors.ts'
import { fileError } from './file-error.ts'

/** An input of the file source. */
export interface FileInput {
  /** The path as configured, or as found from it; `-` for standard input. */
  readonly name: string
  /** A regular file can be read from any offset, repeatedly; standard input and pipes only once. */
  readonly kind: 'file' | 'stream' | 'stdin'
  readonly bytes: number
}

/**
 * Expands files, folders, globs and `-`, relative to the working directory. Folders are searched
 * recursively, without hidden entries and links to folders. Inputs keep the order of the paths, and
 * are sorted by name within each path. A file that is found twice is read once.
 * @param failed Called for each path that matches no file, and for each file and folder that cannot
 *   be looked at. Default: it throws the error, which is FILE_NOT_FOUND or SOURCE_FAILED.
 */
export async function findInputs(paths: readonly string[], failed: OnFailure = rethrow): Promise<FileInput[]> {
  const inputs: FileInput[] = []
  const seen = new Set<string>()
  for (const path of paths) {
    for (const name of path === '-' ? [path] : await caught(expand(path, failed), path, failed, [])) {
      const input = name === '-' ? STDIN : await caught(inspect(name, seen), name, failed, undefined)
      if (input !== undefined) inputs.push(input)
    }
  }
  return inputs
}

/** @param name Of the path, file or folder. */
type OnFailure = (name: string, error: SluiceError) => void

function rethrow(_name: string, error: SluiceError): never {
  throw error
}

async function caught<T>(result: Promise<T>, name: string, failed: OnFailure, otherwise: T): Promise<T> {
  try {
    return await result
  } catch (error) {
    failed(name, fileError(error, name))
    return otherwise
  }
}

const STDIN: FileInput = { name: '-', kind: 'stdin', bytes: 0 }

/** Identifies a file regardless of its name and size. Names its source partition. */
export function fileKey({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev.toString(36)}-${ino.toString(36)}`
}

async function inspect(name: string, seen: Set<string>): Promise<FileInput | undefined> {
  const stats = await stat(name, { bigint: true }).catch((error: unknown) => {
    throw fileError(error, name)
  })
  const key = fileKey(stats)
  if (stats.isDirectory() || seen.has(key)) return undefined
  seen.add(key)
  return { name, kind: stats.isFile() ? 'file' : 'stream', bytes: Number(stats.size) }
}

async function expand(path: string, failed: OnFailure): Promise<string[]> {
  const stats = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(error, path)
  })
  if (stats?.isDirectory() === true) return listFolder(path, failed)
  if (stats !== undefined) return [path]
  if (isDynamicPattern(path)) return matchGlob(path, failed)
  throw new SluiceError('FILE_NOT_FOUND', `"${path}" does not exist`, relativeTo())
}

/** Names of files that are read from a folder. A path or a glob can name any other file. */
const ENDING = /\.(json|ndjson|jsonl|log)(\.(gz|br|zst))?$/

async function listFolder(folder: string, failed: OnFailure): Promise<string[]> {
  const names: string[] = []
  let failures = 0
  const onFailure: OnFailure = (name, error) => {
    failures++
    failed(name, error)
  }
  for await (const name of filesBelow(folder, onFailure)) names.push(name)
  if (names.length === 0 && failures > 0) return []
  if (names.length > 0) return names.toSorted()
  throw new SluiceError(
    'FILE_NOT_FOUND',
    `no file in "${folder}" ends in .json, .ndjson, .jsonl or .log (or these and .gz, .br, .zst)`,
    {
      hint: 'to read a file with another ending, set its own path or a glob',
    },
  )
}

/**
 * Does not follow links to folders, which could form a cycle. (`readdir` with `recursive` follows
 * them in some versions of Node.js.)
 */
async function* filesBelow(folder: string, failed: OnFailure): AsyncGenerator<string> {
  const entries = await caught(readdir(folder, { withFileTypes: true }), folder, failed, [])
  for (const entry of entries.filter(({ name }) => !name.startsWith('.'))) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) yield* filesBelow(path, failed)
    else if ((entry.isFile() || entry.isSymbolicLink()) && ENDING.test(path)) yield path
  }
}

async function matchGlob(pattern: string, failed: OnFailure): Promise<string[]> {
  const denied = new Map<string, Error>()
  // `glob` skips folders that it cannot read, and their records would be missing without an error.
  const fs: object = {
    readdir(path: string, options: object, done: (error: Error | null, entries: unknown) => void) {
      readdirWithCallback(path, options, (error, entries) => {
        if (error?.code === 'EACCES' || error?.code === 'EPERM') denied.set(error.path ?? path, error)
        done(error, entries)
      })
    },
  }
  const names = await glob(pattern, {
    absolute: isAbsolute(pattern),
    expandDirectories: false,
    fs,
  })
  for (const [folder, error] of denied) failed(folder, fileError(error, folder))
  if (names.length > 0 || denied.size > 0) return names.toSorted()
  throw new SluiceError('FILE_NOT_FOUND', `no file matches "${pattern}"`, relativeTo())
}

function relativeTo(): { hint: string } {
  return { hint: `relative to ${process.cwd()}` }
}
