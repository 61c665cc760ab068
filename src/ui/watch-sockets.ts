import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askOwner } from '../delivery/control/ask-owner.ts'
import { isSnapshot, watchRuns } from '../inspect/watch-runs.ts'
import type { Seen } from '../inspect/watch-runs.ts'
import type { LogLine } from '../observe/run-log.ts'
import { isObject } from '../record/json/json.ts'
import type { Json } from '../record/json/json.ts'
import type { RunTaker } from './runs.ts'

interface WatchOptions {
  /** The folder that holds the states of pipelines. */
  readonly states: string
  /** Those whose runs are seen in another way. */
  readonly skips: (pipeline: string) => boolean
  readonly signal: AbortSignal
}

/** Watches the runs of all processes of this machine through the sockets of their states, until the signal. */
export async function watchSockets({ states, skips, signal }: WatchOptions, runs: RunTaker): Promise<void> {
  /** The run whose log is followed, by pipeline. */
  const followed = new Map<string, string>()
  const options = { states, wait: true, once: false, interval: STATUS_INTERVAL, signal }
  const take = ({ pipeline, data, ended }: Seen): void => {
    if (skips(pipeline)) return
    if (ended !== undefined) runs.takeEnd(pipeline, ended)
    if (data === undefined || !isSnapshot(data)) return
    runs.takeStatus(pipeline, data)
    if (followed.get(pipeline) === data.run) return
    followed.set(pipeline, data.run)
    void followLog({ pipeline, folder: join(states, pipeline), signal }, runs)
  }
  while (!signal.aborted) {
    // A folder that cannot be read: every look at the states says so.
    await watchRuns(options, take).catch(() => undefined)
    await sleep(RETRY, undefined, { signal }).catch(() => undefined)
  }
}

/** Milliseconds between two snapshots of a run. */
const STATUS_INTERVAL = 500
/** Milliseconds until a folder that cannot be read is looked at again. */
const RETRY = 1000

interface FollowOptions {
  readonly pipeline: string
  /** The pipeline's own state folder. */
  readonly folder: string
  readonly signal: AbortSignal
}

async function followLog({ pipeline, folder, signal }: FollowOptions, runs: RunTaker): Promise<void> {
  try {
    for await (const answer of askOwner({ command: 'log' }, { folder, pipeline, signal }))
      if (answer.kind === 'data' && isLog(answer.data)) runs.takeLines(pipeline, answer.data.run, answer.data.lines)
  } catch {
    // A process of an older version has no such command. That a run is over is seen by its status.
  }
}

interface Log {
  readonly run: string
  readonly lines: readonly LogLine[]
}

/** Only a process of this version answers, and it has made the lines from their own type. */
function isLog(data: Json): data is Json & Log {
  return isObject(data) && typeof data['run'] === 'string' && Array.isArray(data['lines'])
}
