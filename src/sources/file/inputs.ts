import { fstatSync } from 'node:fs'
import type { BigIntStats } from 'node:fs'
import { lstat, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join, sep } from 'node:path'
import { SluiceError, systemCode } from '../../errors.ts'
import { fileError } from './file-error.ts'
import { orFailed, search } from './search.ts'
import type { Found, OnFailure } from './search.ts'
import { SkippedFiles } from './skipped-files.ts'

/** An input of the file source. */
export interface FileInput {
  /** See `fileKey`; the name for standard input. */
  readonly key: string
  /** The path as configured, or as found from it; `-` for standard input. */
  readonly name: string
  /** A regular file can be read from any offset, repeatedly; standard input and pipes only once. */
  readonly kind: 'file' | 'stream' | 'stdin'
  readonly bytes: number
}

/**
 * Expands files, folders, globs and `-`, relative to the working directory. Inputs keep the order
 * of the paths, and are sorted by name within each path. A file that is found twice is read once.
 *
 * A path that names a file may name a link, a FIFO or `/dev/stdin`. A search (in a folder, or by a
 * glob) finds regular files only: a FIFO or a device in an archive would stop the run, and a link
 * could lead to any file of this machine. A link is followed if it leads to a regular file below
 * the place where the search began.
 *
 * @param failed Called for each path that matches no file, and for each file and folder that cannot
 *   be looked at. Default: it throws the error, which is FILE_NOT_FOUND or SOURCE_FAILED.
 * @param skipped Collects what a search found and did not take.
 */
export async function findInputs(
  paths: readonly string[],
  failed: OnFailure = rethrow,
  skipped = new SkippedFiles(),
): Promise<FileInput[]> {
  const inputs: FileInput[] = []
  const seen = new Set<string>()
  const add = (name: string, kind: FileInput['kind'], stats: BigIntStats): void => {
    const key = fileKey(stats)
    if (!seen.has(key)) inputs.push({ key, name, kind, bytes: Number(stats.size) })
    seen.add(key)
  }
  for (const path of paths) {
    if (path === '-') {
      inputs.push(STDIN)
      continue
    }
    const found = await orFailed(search(path, { failed, skipped }), path, failed)
    if (found === 'a file') {
      const stats = await orFailed(inspect(path), path, failed)
      if (stats !== undefined) add(path, stats.isFile() ? 'file' : 'stream', stats)
      continue
    }
    if (found === undefined) continue
    const own = new SkippedFiles()
    let isEmpty = found.names.length > 0
    for await (const { name, result } of inspectAll(found)) {
      if (typeof result === 'string') {
        own.add(result, name)
        continue
      }
      isEmpty = false
      if (result instanceof SluiceError) failed(name, result)
      else add(name, 'file', result)
    }
    skipped.addAll(own)
    if (isEmpty) failed(path, new SluiceError('FILE_NOT_FOUND', `"${path}" has no regular file`, own.hint()))
  }
  return inputs
}

const STDIN: FileInput = { key: '-', name: '-', kind: 'stdin', bytes: 0 }

/** Identifies a file regardless of its name and size. Names its source partition. */
export function fileKey({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string {
  return `${dev.toString(36)}-${ino.toString(36)}`
}

function rethrow(_name: string, error: SluiceError): never {
  throw error
}

async function inspect(name: string): Promise<BigIntStats> {
  const stats = await stat(name, { bigint: true }).catch((error: unknown) => {
    throw fileError(error, name)
  })
  if ((stats.isCharacterDevice() || stats.isBlockDevice()) && !isStandardInput(stats)) {
    throw new SluiceError('FILE_NOT_FOUND', `"${name}" is a device, not a file`, {
      hint: 'name a file or a FIFO, or - for standard input',
    })
  }
  return stats
}

function isStandardInput({ rdev }: BigIntStats): boolean {
  return rdev === NULL_DEVICE || rdev === fstatSync(0, { bigint: true }).rdev
}

/** `/dev/null` of Linux. */
const NULL_DEVICE = 0x103n

/** Looks at many names at a time, and yields the results in their order. */
async function* inspectAll({ names, root }: Found) {
  const folders = new Map<string, Promise<string>>()
  const folderOf = (name: string): Promise<string> => {
    const folder = dirname(name)
    const known = folders.get(folder) ?? realpath(folder)
    folders.set(folder, known)
    return known
  }
  const top = await realpath(root).catch((error: unknown) => fileError(error, root))
  for (let at = 0; at < names.length; at += AT_ONCE) {
    const some = names.slice(at, at + AT_ONCE).map(async (name) => {
      if (top instanceof SluiceError) return { name, result: top }
      return { name, result: await inspectFound(name, top, folderOf).catch((error: unknown) => failure(error, name)) }
    })
    yield* await Promise.all(some)
  }
}

const AT_ONCE = 64

/** The reason if a search does not take this name. */
async function inspectFound(
  name: string,
  top: string,
  folderOf: (name: string) => Promise<string>,
): Promise<BigIntStats | string> {
  const own = await lstat(name, { bigint: true })
  const isLink = own.isSymbolicLink()
  const target = isLink ? await realpath(name) : join(await folderOf(name), basename(name))
  if (!isBelow(target, top)) return 'links that lead out of the searched folder'
  const stats = isLink ? await stat(target, { bigint: true }) : own
  if (stats.isFile()) return stats
  return stats.isDirectory() ? 'links to folders' : 'FIFOs, sockets and devices'
}

/** The reason if the failure of a look-up means that the name is not taken. */
function failure(error: unknown, name: string): SluiceError | string {
  if (name.includes(UNREADABLE)) {
    return new SluiceError('FILE_NOT_FOUND', `the name of "${name}" is not UTF-8, so it cannot be opened`, {
      hint: 'rename the file, for example with convmv',
      cause: error,
    })
  }
  return DANGLING.has(systemCode(error) ?? '') ? 'links that lead nowhere' : fileError(error, name)
}

/** Node.js puts it where bytes of a name are not UTF-8. */
const UNREADABLE = '\ufffd'

/** A file that has disappeared since it was found fails so too, and is not missed. */
const DANGLING: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP'])

function isBelow(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}
