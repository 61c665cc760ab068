import { readdir as readdirWithCallback } from 'node:fs'
import type { Dirent } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { isAbsolute, join } from 'node:path'
import type * as tinyglobby from 'tinyglobby'
import { SluiceError, systemCode } from '../../errors.ts'
import { fileError } from './file-error.ts'
import type { SkippedFiles } from './skipped-files.ts'

export interface Found {
  /** Sorted. Not only regular files. */
  readonly names: readonly string[]
  /** The folder where the search began. */
  readonly root: string
}

/** @param name Of the path, file or folder. */
export type OnFailure = (name: string, error: SluiceError) => void

interface Findings {
  /** Called for each folder that cannot be read. */
  readonly failed: OnFailure
  readonly skipped: SkippedFiles
}

/** The result, or undefined if its failure was reported. */
export async function orFailed<T>(result: Promise<T>, name: string, failed: OnFailure): Promise<T | undefined> {
  try {
    return await result
  } catch (error) {
    failed(name, fileError(error, name))
    return undefined
  }
}

/**
 * Searches a folder or by a glob, unless the path names a file. Folders are searched
 * recursively, without hidden entries. Links to folders are not followed.
 * @throws SluiceError FILE_NOT_FOUND
 */
export async function search(path: string, findings: Findings): Promise<Found | 'a file'> {
  const stats = await stat(path).catch((error: unknown) => {
    if (systemCode(error) === 'ENOENT') return undefined
    throw fileError(error, path)
  })
  if (stats?.isDirectory() === true) return { names: await listFolder(path, findings), root: path }
  if (stats !== undefined) return 'a file'
  // Most paths name a file or a folder.
  const globs = await import('tinyglobby')
  if (globs.isDynamicPattern(path)) return { names: await matchGlob(path, globs, findings), root: rootOf(path, globs) }
  throw new SluiceError('FILE_NOT_FOUND', `"${path}" does not exist`, relativeTo())
}

/** Names of files that are read from a folder. A path or a glob can name any other file. */
const ENDING = /\.(json|ndjson|jsonl|log)(\.(gz|br|zst))?$/i

async function listFolder(folder: string, { failed, skipped }: Findings): Promise<string[]> {
  const names: string[] = []
  let failures = 0
  const onFailure: OnFailure = (name, error) => {
    failures++
    failed(name, error)
  }
  for await (const name of filesBelow(folder, { failed: onFailure, skipped })) names.push(name)
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
async function* filesBelow(folder: string, findings: Findings): AsyncGenerator<string> {
  const { failed, skipped } = findings
  const entries = await orFailed(readdir(folder, { withFileTypes: true }), folder, failed)
  for (const entry of entries ?? []) {
    const path = join(folder, entry.name)
    const isHidden = entry.name.startsWith('.')
    if (entry.isDirectory()) {
      if (!isHidden) yield* filesBelow(path, findings)
    } else if (!ENDING.test(entry.name)) {
      if (!isHidden) skipped.add('files without a known ending (.json, .ndjson, .jsonl or .log)', path)
    } else if (isHidden) skipped.add('hidden files', path)
    else yield path
  }
}

/** `tinyglobby`, as far as it is used here. */
type Globs = Pick<typeof tinyglobby, 'glob' | 'isDynamicPattern'>

async function matchGlob(pattern: string, { glob }: Globs, { failed }: Findings): Promise<string[]> {
  const denied = new Map<string, Error>()
  // `glob` skips folders that it cannot read, and their records would be missing without an error.
  // It either enters links to folders, wherever they lead, or finds no link at all. So everything
  // but a folder is a file here.
  const fs: object = {
    readdir(path: string, options: { withFileTypes: true }, done: (error: Error | null, entries: unknown) => void) {
      readdirWithCallback(path, options, (error, entries) => {
        if (error?.code === 'EACCES' || error?.code === 'EPERM') denied.set(error.path ?? path, error)
        done(
          error,
          error ? entries : entries.map((entry) => (entry.isDirectory() || entry.isFile() ? entry : asFile(entry))),
        )
      })
    },
  }
  const names = await glob(pattern, {
    absolute: isAbsolute(pattern),
    expandDirectories: false,
    followSymbolicLinks: false,
    fs,
  })
  for (const [folder, error] of denied) failed(folder, fileError(error, folder))
  if (names.length > 0 || denied.size > 0) return names.toSorted()
  throw new SluiceError('FILE_NOT_FOUND', `no file matches "${pattern}"`, relativeTo())
}

function asFile(entry: Dirent): object {
  const file: object = Object.create(entry, {
    isSymbolicLink: { value: () => false },
    isFile: { value: () => true },
  })
  return file
}

/** The folder before the first part of a glob that is not plain. */
function rootOf(pattern: string, { isDynamicPattern }: Globs): string {
  const parts = pattern.split('/')
  const plain = parts.slice(
    0,
    parts.findIndex((part) => isDynamicPattern(part)),
  )
  return plain.length === 0 ? '.' : `${plain.join('/')}/`
}

function relativeTo(): { hint: string } {
  return { hint: `relative to ${process.cwd()}` }
}
