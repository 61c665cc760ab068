import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { SluiceError, systemCode } from '../../errors.ts'

/** Contents by path, relative to the project. */
export interface ProjectFiles {
  readonly [path: string]: string | Buffer
}

/** What `writeFiles` did: paths as given, in their order. */
export interface Written {
  readonly created: readonly string[]
  /** These existed, and are as they were. */
  readonly kept: readonly string[]
}

/**
 * Writes files that do not exist. Never changes one that does. Creates all folders before the first
 * file.
 * @throws SluiceError DISK_FAILED; what was written until then stays, so that the same call completes
 * it
 */
export async function writeFiles(project: string, files: ProjectFiles): Promise<Written> {
  for (const folder of new Set(Object.keys(files).map((path) => dirname(join(project, path)))))
    await named(`create the folder ${folder}`, () => mkdir(folder, { recursive: true }))
  const created: string[] = []
  const kept: string[] = []
  for (const [path, content] of Object.entries(files)) {
    const isNew = await named(`write ${join(project, path)}`, () => writeNew(join(project, path), content))
    ;(isNew ? created : kept).push(path)
  }
  return { created, kept }
}

async function writeNew(path: string, content: string | Buffer): Promise<boolean> {
  try {
    // A copy of an example of `.env` has the same rights, and will hold secrets.
    await writeFile(path, content, { flag: 'wx', mode: path.endsWith('.env.example') ? 0o600 : 0o666 })
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

async function named<Value>(action: string, act: () => Promise<Value>): Promise<Value> {
  try {
    return await act()
  } catch (error) {
    const code = systemCode(error)
    const isFile = code === 'EEXIST' || code === 'ENOTDIR'
    throw new SluiceError('DISK_FAILED', `cannot ${action}: ${isFile ? 'a file has the name of a folder' : code}`, {
      cause: error,
      hint: 'correct it and run the same command again: it completes what is missing',
    })
  }
}
