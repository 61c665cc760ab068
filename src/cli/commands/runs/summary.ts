import { isHeld } from '../../../delivery/state/owner-lock.ts'
import type { ShardRow } from '../../../delivery/state/rows.ts'
import { readState } from '../../../delivery/state/state-reader.ts'
import type { StateReader } from '../../../delivery/state/state-reader.ts'
import { formatBytes, formatCount, plural } from '../../../observe/report.ts'

export interface RunSummary {
  readonly pipeline: string
  readonly id: string
  readonly startedAt: string
  readonly shards: number
  readonly done: number
  readonly bytes: number
  readonly doneBytes: number
  /** Tried again when the backfill is started again. */
  readonly failed: readonly FailedSummary[]
  /** Pid of the process that works on it. */
  readonly running?: number
}

interface FailedSummary {
  readonly shard: number
  readonly inputs: readonly string[]
  readonly code: string
  readonly message: string
}

/** The parallel backfill of a state that is not finished; undefined if there is none. */
export async function describeRun(folder: string): Promise<RunSummary | undefined> {
  const found = await readState(folder, (state) => ({ summary: summarize(state), owner: state.owner }))
  const { summary, owner } = found
  if (!summary || owner === undefined || !(await isHeld(folder, owner))) return summary
  return { ...summary, running: owner.pid }
}

/** What a state says of it. */
export function summarize(state: StateReader): RunSummary | undefined {
  const { shardRun: run, meta } = state
  if (!run) return undefined
  let [done, doneBytes] = [0, 0]
  const failed: FailedSummary[] = []
  for (const row of state.shards()) {
    if (row.status === 'failed') failed.push(describeFailed(row, state))
    if (row.status !== 'done') continue
    done++
    doneBytes += row.bytes
  }
  const { id, createdAt, shards, bytes } = run
  const startedAt = new Date(createdAt).toISOString()
  return { pipeline: meta?.pipeline ?? '', id, startedAt, shards, done, bytes, doneBytes, failed }
}

function describeFailed({ number, error }: ShardRow, state: StateReader): FailedSummary {
  const inputs = [...new Set(state.shardParts(number).map(({ input }) => input))].slice(0, NAMED_INPUTS)
  return { shard: number, inputs, code: error?.code ?? '', message: error?.message ?? '' }
}

const NAMED_INPUTS = 10

/** `events  5 of 80 shards  1.2 GB of 10.0 GB  1 failed  since 2026-11-28T12:00:00.000Z  not running` */
export function oneLine({ pipeline, startedAt, shards, done, bytes, doneBytes, failed, running }: RunSummary): string {
  return [
    pipeline,
    `${formatCount(done)} of ${plural(shards, 'shard')}`,
    `${formatBytes(doneBytes)} of ${formatBytes(bytes)}`,
    ...(failed.length > 0 ? [`${formatCount(failed.length)} failed`] : []),
    `since ${startedAt}`,
    running === undefined ? 'not running' : `running, pid ${running}`,
  ].join('  ')
}
