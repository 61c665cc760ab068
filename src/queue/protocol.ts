import { createHash } from 'node:crypto'
import type { ShardTask } from '../delivery/shards/shard.ts'
import type { Job } from '../shards/job.ts'
import type { Blob } from './blob-store.ts'

/*
 * What the coordinator and its workers exchange. Redis holds, below the prefix:
 *
 * - the BullMQ queue `runs`: a job for each run, with the sealed head; the parent of its shards;
 * - a BullMQ queue for each run: a job for each shard that waits or is executed, with the sealed task;
 * - `blob:<run>:<name>:<n>`: sealed parts of a result, until it is committed, or of a leave-out list;
 *   `blobs:<run>` has their names;
 * - `workers`, `worker:<id>`: who is there; `refused:<run>`: who refuses a run, and why.
 *
 * In clear text are only names of pipelines, ids, numbers, states, error codes and progress.
 */

/** Version of all of this. A worker with another one refuses. */
export const PROTOCOL = 1

/** What all shards of a run have in common. */
export interface RunHead {
  readonly protocol: number
  /** Version of Sluice. */
  readonly version: string
  readonly content: RunContent
}

/** What a worker needs to know of a run, besides its shards. JSON: it goes through Redis, sealed. */
export interface RunContent {
  readonly job: Job
  /** See `fingerprintOf`. */
  readonly fingerprint: string
  /** Secret of the dedup digests, in base64. */
  readonly hashKey: string
  readonly generation: string
}

/** A task without what is in a blob. */
export interface SealedTask {
  readonly task: Omit<ShardTask, 'leaveOut'>
  /** Present if there is a leave-out list. */
  readonly leaveOut?: { readonly parts: number }
}

/** Return value of a shard's job. */
export interface ResultRef {
  /** Names the execution whose result counts. */
  readonly fence: string
  /** Number of parts of the result's blob. */
  readonly parts: number
}

/** Data of a BullMQ job. */
export interface SealedData {
  readonly sealed: string
}

/** The BullMQ queue of the runs. */
export const RUNS = 'runs'

/** The BullMQ queue of a run. */
export function queueOf(run: string): string {
  return `run-${run}`
}

/** Id of the job of a run. An id of digits alone is not allowed. */
export function parentIdOf(run: string): string {
  return `run-${run}`
}

/** Id of a job: the same execution is enqueued once. Another leave-out list makes another execution. */
export function jobIdOf({ shard, attempt, leaveOut }: ShardTask): string {
  const list = leaveOut === undefined ? '' : `-${digestOf(leaveOut)}`
  return `shard-${shard.number}-${attempt}${list}`
}

/** The result of one execution. */
export function resultBlob(task: ShardTask, fence: string): Blob {
  const job = jobIdOf(task)
  return { run: task.run, name: `${job}:${fence}`, purpose: `result ${task.run} ${job} ${fence}` }
}

export function leaveOutBlob(run: string, job: string): Blob {
  return { run, name: `${job}:leave-out`, purpose: `leave-out ${run} ${job}` }
}

const digests = new WeakMap<Uint8Array, string>()

function digestOf(list: Uint8Array): string {
  const digest = digests.get(list) ?? createHash('sha256').update(list).digest('hex').slice(0, 32)
  digests.set(list, digest)
  return digest
}

/** What is bound to the sealed texts, see `Seal`. */
export const purpose = {
  head: (run: string) => `head ${run}`,
  task: (run: string, job: string) => `task ${run} ${job}`,
  failure: (run: string, job: string) => `failure ${run} ${job}`,
  worker: (id: string) => `worker ${id}`,
  refusal: (run: string, worker: string) => `refusal ${run} ${worker}`,
}
