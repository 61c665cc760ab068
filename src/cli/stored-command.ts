import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { SluiceError, systemCode } from '../errors.ts'

/**
 * The command line of a parallel backfill, for `runs retry`, and to refuse another one until it is
 * finished. Values of `--set` may be secret: only their paths are kept.
 */
export interface StoredCommand {
  /** `ShardRun.id` */
  readonly run: string
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
  /** See `describeConfiguration`. */
  readonly configuration: Readonly<{ [place: string]: string }>
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

/** Undefined if there is none of this run: a process that dies right after it has planned stores none. */
export async function readCommand(folder: string, run: string): Promise<StoredCommand | undefined> {
  try {
    const command: StoredCommand = JSON.parse(await readFile(join(folder, FILE), 'utf8'))
    return command.run === run ? command : undefined
  } catch (error) {
    if (systemCode(error) === 'ENOENT' || error instanceof SyntaxError) return undefined
    throw error
  }
}

/**
 * Without them the shards that are left would be executed with another configuration.
 * @throws SluiceError USAGE if a value of `--set` that the backfill was started with is missing
 */
export function requireSet(stored: StoredCommand, set: readonly string[]): void {
  const given = setPathsOf(set)
  const missing = stored.setPaths.filter((path) => !given.includes(path))
  if (missing.length === 0) return
  throw new SluiceError(
    'USAGE',
    `the backfill was started with --set ${missing.join(', ')}, whose values are not kept`,
    { hint: `give them again: ${missing.map((path) => `--set ${path}=…`).join(' ')}` },
  )
}

/** The paths of `--set` arguments: `sink.bucket` of `sink.bucket=audit`. */
export function setPathsOf(set: readonly string[]): string[] {
  return set.map((one) => one.slice(0, Math.max(0, one.indexOf('=')))).toSorted()
}
