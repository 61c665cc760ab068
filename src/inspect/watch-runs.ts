import { readdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askOwner } from '../delivery/control/ask-owner.ts'
import { isHeld } from '../delivery/state/owner-lock.ts'
import { hasState, readState } from '../delivery/state/state-reader.ts'
import { asSluiceError, SluiceError, systemCode } from '../errors.ts'
import type { StatusSnapshot } from '../observe/status/snapshot.ts'
import { isObject } from '../record/json/json.ts'
import type { Json } from '../record/json/json.ts'

/** What is known of a run. */
export interface Seen {
  readonly pipeline: string
  /** A snapshot. Undefined when the run has ended. */
  readonly data?: Json
  /** How it has ended, for people. */
  readonly ended?: string
}

interface WatchedRun {
  readonly name: string
  /** The pipeline's own state folder. */
  readonly folder: string
}

export interface WatchOptions {
  /** Folder with the states. */
  readonly states: string
  /** The only one that is watched. Default: all that run. */
  readonly run?: WatchedRun | undefined
  /** Waits for runs that begin later, and for the next ones. */
  readonly wait: boolean
  /** One snapshot of each, after a second. */
  readonly once: boolean
  /** Milliseconds between two snapshots. Default: 1000. */
  readonly interval?: number
  readonly signal: AbortSignal
}

/** Only a process of this version answers, and it has made the snapshot from its own type. */
export function isSnapshot(data: Json): data is Json & StatusSnapshot {
  return isObject(data) && data['version'] === 1 && Array.isArray(data['stages'])
}

/**
 * Watches one pipeline, or all that run now, until their runs end. With `wait` also those that begin
 * later.
 * @throws SluiceError NOT_RUNNING: none runs; of the one pipeline as `askOwner`
 */
export async function watchRuns(watched: WatchOptions, take: (seen: Seen) => void): Promise<void> {
  const { states, run: one, wait, signal } = watched
  if (one !== undefined) {
    if (!wait && !hasState(one.folder)) throw withoutState(one.folder)
    return follow(one, watched, take)
  }
  const following = new Map<string, Promise<void>>()
  for (;;) {
    for (const run of await activeRuns(states))
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
    throw new SluiceError('NOT_RUNNING', `no pipeline runs with a state in ${states}`, {
      hint: 'start one, name the folder with --state, or wait for one with --wait',
    })
  await Promise.all(following.values())
}

/** Milliseconds between two looks for a run that begins. */
const POLL = 1000

/** Hands on the snapshots of a run until it ends. With `wait` also those of the next runs. */
async function follow(
  run: WatchedRun,
  { wait, once, interval = SECOND, signal }: WatchOptions,
  take: (seen: Seen) => void,
): Promise<void> {
  const { name: pipeline, folder } = run
  let continues = false
  while (!signal.aborted) {
    try {
      const request: { readonly [option: string]: number } = once ? { count: 1 } : { interval }
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

const SECOND = 1000
/** There is no run now. */
const WAITS: ReadonlySet<string> = new Set(['NOT_RUNNING', 'STATE_NOT_FOUND', 'STATE_IN_USE'])

function describe(error: unknown): string {
  return asSluiceError(error, 'INTERNAL', 'the status cannot be read').message
}

/** The states in a folder that a process owns now. */
async function activeRuns(states: string): Promise<WatchedRun[]> {
  const folders = (await namesIn(states)).map((name) => join(states, name)).filter(hasState)
  const runs = folders.map(async (folder): Promise<WatchedRun[]> => {
    // One that cannot be read is not owned by a process that could answer.
    const owner = await readState(folder, (state) => state.owner).catch(() => undefined)
    return owner !== undefined && (await isHeld(folder, owner)) ? [{ name: basename(folder), folder }] : []
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

function withoutState(folder: string): SluiceError {
  return new SluiceError('STATE_NOT_FOUND', `${folder} has no state, so no run can be watched there`, {
    hint: 'a run that writes to stdout has no state; --state is the folder that holds all states, .sluice by default',
  })
}
