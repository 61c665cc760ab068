import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError, systemCode } from '../errors.ts'

/** The command line of a parallel backfill, for `runs retry`. Values of `--set` may be secret: only their paths are kept. */
export interface StoredCommand {
  readonly pipeline: string
  readonly path: readonly string[]
  readonly records?: readonly string[] | undefined
  readonly since?: string | undefined
  readonly until?: string | undefined
  readonly final: boolean
  readonly keepGoing: boolean
  readonly setPaths: readonly string[]
  /** Folder that relative paths are relative to. */
  readonly cwd: string
}

const FILE = 'backfill.json'

/** @param folder The pipeline's state folder, which exists. */
export async function storeCommand(folder: string, command: StoredCommand): Promise<void> {
  try {
    await writeFile(join(folder, FILE), `${JSON.stringify(command, undefined, 2)}\n`, { mode: 0o600 })
  } catch (error) {
    throw new SluiceError('DISK_FAILED', `cannot write ${join(folder, FILE)}: ${systemCode(error) ?? String(error)}`, {
      cause: error,
    })
  }
}

/** Undefined if there is none that can be used. */
export async function readCommand(folder: string): Promise<StoredCommand | undefined> {
  try {
    const command: StoredCommand = JSON.parse(await readFile(join(folder, FILE), 'utf8'))
    return command
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** The paths of `--set` arguments: `sink.bucket` of `sink.bucket=audit`. */
export function setPathsOf(set: readonly string[]): string[] {
  return set.map((one) => one.slice(0, Math.max(0, one.indexOf('=')))).toSorted()
}
