import { Queue } from 'bullmq'
import type { Connection } from './connection.ts'
import { purpose, queueOf, RUNS } from './protocol.ts'
import type { RunHead, SealedData } from './protocol.ts'
import { Roster } from './roster.ts'
import type { Refusal, WorkerFacts } from './roster.ts'
import type { Seal } from './seal.ts'

/** A run as Redis has it. */
export interface QueuedRun {
  /** `ShardRun.id` */
  readonly run: string
  readonly pipeline: string
  /** Of the state that the run belongs to; undefined if the run was sealed with another key. */
  readonly generation?: string | undefined
  readonly waiting: number
  readonly executing: readonly { readonly shard: number; readonly worker: string }[]
  /** Results that wait for the coordinator. */
  readonly results: number
  readonly refusals: readonly Refusal[]
}

export interface QueueContent {
  readonly runs: readonly QueuedRun[]
  readonly workers: readonly (WorkerFacts | { readonly id: string; readonly hasOtherKey: true })[]
}

/** What is in a queue. Changes nothing. */
export async function inspectQueue(connection: Connection, seal: Seal): Promise<QueueContent> {
  const shared = { connection: connection.client, prefix: connection.address.prefix, skipVersionCheck: true }
  const roster = new Roster(connection, seal)
  const queue = new Queue<SealedData>(RUNS, { ...shared, skipMetasUpdate: true })
  queue.on('error', () => {})
  try {
    const jobs = await connection.call(() => queue.getJobs(['waiting', 'waiting-children'], 0, -1, true))
    const runs: QueuedRun[] = []
    for (const job of jobs) {
      const run = (job.id ?? '').replace(/^run-/, '')
      const generation = await seal.openJson<RunHead>(job.data.sealed, purpose.head(run)).then(
        ({ content }) => content.generation,
        () => undefined,
      )
      const refusals = [...(await connection.call(() => roster.refusals(run))).values()]
      runs.push({ run, pipeline: job.name, generation, refusals, ...(await inspectRun(connection, run)) })
    }
    return { runs, workers: await connection.call(() => roster.list()) }
  } finally {
    await queue.close()
  }
}

async function inspectRun(connection: Connection, run: string) {
  const { client, address } = connection
  const queue = new Queue(queueOf(run), {
    connection: client,
    prefix: address.prefix,
    skipVersionCheck: true,
    skipMetasUpdate: true,
  })
  queue.on('error', () => {})
  try {
    const counts = await connection.call(() => queue.getJobCounts())
    const active = await connection.call(() => queue.getJobs(['active']))
    const executing = active.flatMap((job) => {
      const [, shard] = /^shard (\d+)$/.exec(job?.name ?? '') ?? []
      return shard === undefined ? [] : [{ shard: Number(shard), worker: job.processedBy ?? '?' }]
    })
    const { wait = 0, waiting = 0, paused = 0, delayed = 0, completed = 0 } = counts
    return { waiting: wait + waiting + paused + delayed, executing, results: completed }
  } finally {
    await queue.close()
  }
}
