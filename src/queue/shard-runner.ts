import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { LimitFunction } from 'p-limit'
import type { ObjectSink } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import { isDeadProcess } from '../delivery/state/dead-process.ts'
import { REJECTS, sinkNameOf } from '../delivery/state/rows.ts'
import type { ShardResult, StagedObject } from '../delivery/shards/shard.ts'
import { asSluiceError, SluiceError, systemCode } from '../errors.ts'
import type { Log } from '../observe/log.ts'
import type { Line } from '../observe/messages/line.ts'
import type { Note } from '../observe/messages/table.ts'
import { openObjectSinks } from '../runtime/open-delivery.ts'
import { loadJob } from '../shards/job.ts'
import { openThreads } from '../shards/threads.ts'
import { anySignal } from '../signals.ts'
import { DAY, MINUTE, SECOND } from '../time.ts'
import type { RunContent } from './protocol.ts'
import type { ShardRunner } from './served-run.ts'

/** Uploads of one shard at once. */
const UPLOADS = 4

interface RunnerOptions {
  /** Shards at once: each has a thread. */
  readonly concurrency: number
  /** Id of the backfill. */
  readonly run: string
  readonly log: Pick<Log, 'line' | 'note'>
}

/**
 * Prepares what executes the shards of a run on this machine: threads that read and transform, and this
 * thread, which stages the objects at the store and keeps the locks. So a transform that blocks its thread
 * costs no lock.
 * @throws SluiceError if the configuration of this machine differs, or its sink cannot stage
 */
export async function openShardRunner(content: RunContent, options: RunnerOptions): Promise<ShardRunner> {
  const { job, fingerprint, generation } = content
  const { concurrency, run, log } = options
  const { note } = log
  const hashKey = Buffer.from(content.hashKey, 'base64')
  const { pipeline } = await loadJob(job, hashKey, fingerprint)
  const sinks = await openStagingSinks(pipeline)
  pipeline.secrets.hold()
  const folder = await privateFolder()
  const line = (one: Line): void => log.line(one, { pipeline: pipeline.name, run })
  const threads = openThreads({ workers: concurrency, job, fingerprint, hashKey, generation, folder, line })
  const limit = pLimit(UPLOADS * concurrency)
  let executions = 0
  return {
    async execute(task, signal, observe, executed) {
      // Redis may give a shard back to the worker that lost it and still executes it, with the same attempt.
      const result = await threads.execute({ ...task, attempt: ++executions }, signal, observe)
      executed()
      try {
        const objects = await stageAll(sinks, result.objects, { folder, signal, note, limit })
        return { ...result, attempt: task.attempt, objects }
      } finally {
        await threads.discard(result)
      }
    },
    discard: ({ objects }) => discardStaged(sinks, objects),
    async close() {
      await threads.close()
      await closeAll(sinks)
      pipeline.secrets.drop()
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/** Sinks whose objects go through a queue, by their names. */
export type StagingSinks = ReadonlyMap<string, ObjectSink>

/**
 * The sinks of a pipeline whose objects go through a queue. Rejects do not: the coordinator copies them.
 * @throws SluiceError UNSUPPORTED if one of them cannot stage objects
 */
export async function openStagingSinks(pipeline: CheckedPipeline): Promise<StagingSinks> {
  const opened = await openObjectSinks(pipeline)
  const sinks = opened.filter(({ name }) => name !== REJECTS)
  for (const { name, sink } of opened) if (name === REJECTS) await sink.close?.()
  const found = new Map(sinks.map(({ name, sink }) => [name, sink]))
  const unable = sinks.find(({ sink }) => !(sink.stage && sink.publishStaged && sink.discardStaged))
  if (!unable) return found
  await closeAll(found)
  throw new SluiceError('UNSUPPORTED', `the sink ${unable.stage} cannot stage objects, which a queue needs`, {
    hint: 'use --workers without a queue, or a sink that can: s3 or file',
  })
}

/** Closes sinks. */
export async function closeAll(sinks: StagingSinks): Promise<void> {
  for (const sink of sinks.values()) await sink.close?.()
}

/** Removes what was staged for objects that will not be committed. Never throws. */
export async function discardStaged(sinks: StagingSinks, objects: ShardResult['objects']): Promise<void> {
  const signal = AbortSignal.timeout(DISCARD_TIMEOUT)
  await Promise.allSettled(
    objects.map(async (object) => {
      const { staged, destination } = object
      const sink = sinks.get(sinkNameOf(object))
      if (staged !== undefined) await sink?.discardStaged?.(staged, destination, signal)
    }),
  )
}

/** What stays is removed at the end of the run, or by a rule of the store. */
const DISCARD_TIMEOUT = 30 * SECOND

interface StageOptions {
  readonly folder: string
  readonly signal: AbortSignal
  readonly note: Note
  readonly limit: LimitFunction
}

/** Stages all objects of a shard, or none. */
async function stageAll(sinks: StagingSinks, objects: readonly StagedObject[], options: StageOptions) {
  const failed = new AbortController()
  const signal = anySignal(options.signal, failed.signal)
  const outcomes = await Promise.allSettled(
    objects.map((object) =>
      options
        .limit(() => stage(sinks, object, { ...options, signal }))
        .catch((error: unknown) => {
          failed.abort(error)
          throw error
        }),
    ),
  )
  const staged = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  if (!failed.signal.aborted) return staged
  await discardStaged(sinks, staged)
  throw failed.signal.reason
}

/** An outage of the store is waited for, as in a run without a queue. The signal ends it. */
async function stage(sinks: StagingSinks, object: StagedObject, options: StageOptions): Promise<StagedObject> {
  const { folder, signal, note } = options
  const { file = '', destination, ...facts } = object
  const path = join(folder, file)
  const sink = sinks.get(sinkNameOf(object))
  for (let wait = SECOND, saidAt = 0; ; wait = Math.min(MINUTE, wait * 2)) {
    try {
      signal.throwIfAborted()
      const staged = await sink?.stage?.({ ...facts, path }, destination, signal)
      if (staged === undefined) throw new SluiceError('SINK_FAILED', 'the sink gave no handle of what it has staged')
      return { ...facts, destination, staged }
    } catch (thrown) {
      signal.throwIfAborted()
      const error = asSluiceError(thrown, 'SINK_FAILED', 'the object could not be staged')
      if (!error.retryable) throw error
      if (Date.now() - saidAt > MINUTE) note('worker.stage.retry', { error: error.code, reason: error.message })
      saidAt = Date.now()
      await sleep(wait, undefined, { signal })
    }
  }
}

const FOLDER = 'sluice-worker-'

/** A folder that only this user can enter. A process that was killed leaves one: those are removed. */
async function privateFolder(): Promise<string> {
  const root = tmpdir()
  for (const name of await readdir(root).catch(() => [])) {
    const [, pid] = /^sluice-worker-(\d+)-/.exec(name) ?? []
    if (pid !== undefined && isDeadProcess(Number(pid)) && (await isOld(join(root, name))))
      await rm(join(root, name), { recursive: true, force: true }).catch(() => undefined)
  }
  try {
    return await mkdtemp(join(root, `${FOLDER}${process.pid}-`))
  } catch (error) {
    throw new SluiceError('DISK_FAILED', `no folder can be made in ${root}: ${systemCode(error) ?? String(error)}`, {
      cause: error,
      hint: 'set TMPDIR to a folder that this user can write',
    })
  }
}

/** The process may be in another container, which has numbers of its own. */
async function isOld(path: string): Promise<boolean> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs > DAY,
    () => false,
  )
}
