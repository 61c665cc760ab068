import { readdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askOwner } from '../../delivery/control/ask-owner.ts'
import { isHeld } from '../../delivery/state/owner-lock.ts'
import { hasState, readState } from '../../delivery/state/state-reader.ts'
import { asSluiceError, SluiceError, systemCode } from '../../errors.ts'
import { print, safeJson, writeRendered } from '../../observe/output.ts'
import type { CommandDefinition } from '../command.ts'
import { stateOption } from '../options.ts'
import { stateFolder } from '../state-folder.ts'
import { isSnapshot, renderOnce, showTop } from '../top-view.ts'
import type { Seen } from '../top-view.ts'

interface TopArguments {
  pipeline: string | undefined
  state: string
  once: boolean
  wait: boolean
  json: boolean
}

export const command: CommandDefinition<TopArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', { type: 'string', describe: 'Pipeline name or path; default: all that run' })
      .option('state', stateOption)
      .option('once', { type: 'boolean', default: false, describe: 'Show the status once, after a second' })
      .option('wait', { type: 'boolean', default: false, describe: 'Wait for a run to begin, and for the next ones' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the status as JSON, a line each second' })
      .example('$0 top', 'watch everything that runs with the states in .sluice')
      .example('$0 top jumpcloud --once --json', 'the status for a script'),
  handler: top,
}

async function top({ pipeline, state, once, wait, json }: TopArguments): Promise<void> {
  if (once && wait) throw new SluiceError('USAGE', '--once and --wait exclude each other')
  if (!json && !once && !process.stdout.isTTY)
    throw new SluiceError('USAGE', 'stdout is not a terminal', { hint: 'add --json or --once' })
  const ending = new AbortController()
  const end = (): void => ending.abort()
  process.on('SIGINT', end).on('SIGTERM', end)
  const watched: Watched = { pipeline, state, wait, once, signal: ending.signal }
  try {
    if (json || once) await printSnapshots(watched, json)
    else await showTop((take) => watch(watched, take), end, ending.signal)
  } finally {
    ending.abort()
    process.off('SIGINT', end).off('SIGTERM', end)
  }
}

async function printSnapshots(watched: Watched, json: boolean): Promise<void> {
  await watch(watched, ({ data }) => {
    if (data === undefined) return
    if (json) print(safeJson(data))
    else if (isSnapshot(data)) writeRendered(process.stdout, renderOnce(data))
  })
}

interface Watched {
  readonly pipeline: string | undefined
  /** Folder with the states. */
  readonly state: string
  readonly wait: boolean
  readonly once: boolean
  readonly signal: AbortSignal
}

/**
 * Watches one pipeline, or all that run now, until their runs end. With `wait` also those that begin
 * later.
 * @throws SluiceError NOT_RUNNING: none runs; of the one pipeline as `askOwner`
 */
async function watch(watched: Watched, take: (seen: Seen) => void): Promise<void> {
  const { pipeline, state, wait, signal } = watched
  if (pipeline !== undefined) {
    const folder = stateFolder(pipeline, state)
    if (!wait && !hasState(folder)) throw withoutState(folder)
    return follow({ name: nameOf(folder), folder }, watched, take)
  }
  const following = new Map<string, Promise<void>>()
  for (;;) {
    for (const run of await activeRuns(resolve(state)))
      if (!following.has(run.folder))
        following.set(
          run.folder,
          follow(run, { ...watched, wait: false }, take)
            .catch((error: unknown) => take({ pipeline: run.name, ended: describe(error) }))
            .finally(() => following.delete(run.folder)),
        )
    if (!wait) break
    await sleep(POLL, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) break
  }
  if (following.size === 0 && !wait)
    throw new SluiceError('NOT_RUNNING', `no pipeline runs with a state in ${state}`, {
      hint: 'start one, name the folder with --state, or wait for one with --wait',
    })
  await Promise.all(following.values())
}

/** Milliseconds between two looks for a run that begins. */
const POLL = 1000

interface Run {
  readonly name: string
  readonly folder: string
}

/** Hands on the snapshots of a run until it ends. With `wait` also those of the next runs. */
async function follow(run: Run, { wait, once, signal }: Watched, take: (seen: Seen) => void): Promise<void> {
  const { name: pipeline, folder } = run
  let continues = false
  while (!signal.aborted) {
    try {
      const request: { readonly [option: string]: number } = once ? { count: 1 } : { interval: INTERVAL }
      for await (const answer of askOwner({ command: 'status', ...request }, { folder, pipeline, signal })) {
        if (answer.kind === 'data') take({ pipeline, data: answer.data })
        if (answer.kind !== 'end' || once) continue
        // The process keeps its state for a run with another configuration: `sluice reload`.
        continues = answer.reason === 'done'
        if (!continues) take({ pipeline, ended: 'the run has ended' })
      }
      if (!wait && !continues) return
    } catch (error) {
      const { code } = asSluiceError(error, 'INTERNAL', 'the status cannot be read')
      const hasEnded = continues && WAITS.has(code)
      continues = false
      if (hasEnded) take({ pipeline, ended: 'the run has ended' })
      if (hasEnded && !wait) return
      if ((!wait && !hasEnded) || !WAITS.has(code)) throw error
      if (!hasEnded) take({ pipeline, ended: describe(error) })
    }
    await sleep(POLL, undefined, { signal }).catch(() => undefined)
  }
}

/** Milliseconds between two snapshots. */
const INTERVAL = 1000
/** There is no run now. */
const WAITS: ReadonlySet<string> = new Set(['NOT_RUNNING', 'STATE_NOT_FOUND', 'STATE_IN_USE'])

function describe(error: unknown): string {
  return asSluiceError(error, 'INTERNAL', 'the status cannot be read').message
}

/** The states in a folder that a process owns now. */
async function activeRuns(states: string): Promise<Run[]> {
  const folders = (await namesIn(states)).map((name) => join(states, name)).filter(hasState)
  const runs = folders.map(async (folder): Promise<Run[]> => {
    const owner = await readState(folder, (state) => state.owner)
    return owner !== undefined && (await isHeld(folder, owner)) ? [{ name: nameOf(folder), folder }] : []
  })
  return (await Promise.all(runs)).flat()
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted()
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return []
    throw error
  }
}

function nameOf(folder: string): string {
  return folder.slice(folder.lastIndexOf('/') + 1)
}

function withoutState(folder: string): SluiceError {
  return new SluiceError('STATE_NOT_FOUND', `${folder} has no state, so no run can be watched there`, {
    hint: 'a run that writes to stdout has no state; --state is the folder that holds all states, .sluice by default',
  })
}
