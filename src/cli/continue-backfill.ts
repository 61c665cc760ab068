import { join } from 'node:path'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { unfinishedRun } from '../delivery/shards/unfinished-run.ts'
import { hasState, readState } from '../delivery/state/state-reader.ts'
import type { Note } from '../observe/messages/table.ts'
import { parseMoment } from '../runtime/time-range.ts'
import { configurationChanges, describeConfiguration } from '../shards/describe-configuration.ts'
import { readCommand, requireSet } from './stored-command.ts'
import type { StoredCommand } from './stored-command.ts'

/** A command line, before it is stored. */
export type GivenCommand = Omit<StoredCommand, 'run' | 'configuration' | 'setPaths' | 'cwd'>

interface ContinueOptions {
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  readonly given: GivenCommand
  readonly set: readonly string[]
  /** `--shard-size`; the plan is made. */
  readonly shardBytes: number | undefined
  readonly note: Note
}

/**
 * If a parallel backfill is unfinished, it may be continued by the command that has begun it, with any
 * number of workers. Otherwise one part of the input would be read in one way, and the rest in another.
 * A changed configuration is accepted: it may be the correction that the backfill needs.
 * @throws SluiceError SHARDS_UNFINISHED, naming the options that differ; USAGE
 */
export async function checkContinued(pipeline: CheckedPipeline, options: ContinueOptions): Promise<void> {
  const { stateFolder, given, set, shardBytes, note } = options
  const folder = join(stateFolder, pipeline.name)
  const run = hasState(folder) ? await readState(folder, (state) => state.shardRun) : undefined
  const stored = run && (await readCommand(folder, run.id))
  if (!run || !stored) return
  const changes = configurationChanges(stored.configuration, await describeConfiguration(pipeline))
  const differences = differencesOf(stored, given)
  // The configuration of the source has the paths and records of the command line.
  const ofSource = changes.filter((place) => /^source(?!\.(path|records)$)/.test(place))
  const all = [...differences, ...ofSource.map((place) => `another ${place}`)]
  if (all.length > 0) throw unfinishedRun(pipeline.name, run, all)
  requireSet(stored, set)
  const others = changes.filter((place) => !place.startsWith('source'))
  if (others.length > 0) note('backfill.configuration-changed', { changed: others.join(', ') })
  if (shardBytes !== undefined) note('backfill.shard-size-ignored')
}

function differencesOf(stored: StoredCommand, given: GivenCommand): string[] {
  const found: string[] = []
  if (!isSame(stored.path, given.path)) found.push(inPlaceOf('', pathsText(given.path), pathsText(stored.path)))
  if (!isSame(stored.records ?? [], given.records ?? []))
    found.push(inPlaceOf('--records ', given.records?.join(', '), stored.records?.join(', ')))
  for (const name of ['since', 'until'] as const)
    if (instantOf(name, stored[name]) !== instantOf(name, given[name]))
      found.push(inPlaceOf(`--${name} `, given[name], stored[name]))
  if (stored.final !== given.final) found.push(given.final ? '--final' : 'no --final')
  return found
}

/** `--since 2026-02-01 in place of 2026-01-01` */
function inPlaceOf(option: string, now: string | undefined, before: string | undefined): string {
  if (now === undefined) return `no ${option}in place of ${before}`
  return before === undefined ? `${option}${now}` : `${option}${now} in place of ${before}`
}

function isSame(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((value, at) => value === other[at])
}

/** A shell may have expanded a glob to thousands. */
function pathsText([first = '', ...more]: readonly string[]): string {
  return more.length === 0 ? first : `${first} and ${more.length} more`
}

function instantOf(name: string, text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseMoment(`--${name}`, text)
}
