import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import pLimit from 'p-limit'
import type { LimitFunction } from 'p-limit'
import type { ObjectSink } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import type { ShardResult, StagedObject } from '../delivery/shards/shard.ts'
import { asSluiceError, SluiceError, systemCode } from '../errors.ts'
import type { Note } from '../observe/log.ts'
import { openObjectSinks } from '../runtime/open-delivery.ts'
import { loadJob } from '../shards/job.ts'
import { openThreads } from '../shards/threads.ts'
import { DAY, MINUTE, SECOND } from '../time.ts'
import type { RunContent } from './protocol.ts'
import type { ShardRunner } from './served-run.ts'

/** Uploads of one shard at once. */
const UPLOADS = 4

interface RunnerOptions {
  /** Shards at once: each has a thread. */
  readonly concurrency: number
  readonly note: Note
}

/**
 * Prepares what executes the shards of a run on this machine: threads that read and transform, and this
 * thread, which stages the objects at the store and keeps the locks. So a transform that blocks its thread
 * costs no lock.
 * @throws SluiceError if the configuration of this machine differs, or its sink cannot stage
 */
export async function openShardRunner(content: RunContent, options: RunnerOptions): Promise<ShardRunner> {
  const { job, fingerprint, generation } = content
  const { concurrency, note } = options
  const hashKey = Buffer.from(content.hashKey, 'base64')
  const pipeline = await loadJob(job, hashKey, fingerprint)
  const sink = await openStagingSink(pipeline)
  pipeline.secrets.hold()
  const folder = await privateFolder()
  const threads = openThreads({ workers: concurrency, job, fingerprint, hashKey, generation, folder, note })
  const limit = pLimit(UPLOADS * concurrency)
  return {
    async execute(task, signal, observe, executed) {
      const result = await threads.execute(task, signal, observe)
      executed()
      try {
        const objects = await stageAll(sink, result.objects, { folder, signal, note, limit })
        return { ...result, objects }
      } finally {
        await threads.discard(result)
      }
    },
    discard: ({ objects }) => discardStaged(sink, objects),
    async close() {
      await threads.close()
      await sink.close?.()
      pipeline.secrets.drop()
      await rm(folder, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

/**
 * The sink of a pipeline whose objects go through a queue.
 * @throws SluiceError UNSUPPORTED if it cannot stage objects
 */
export async function openStagingSink(pipeline: CheckedPipeline): Promise<ObjectSink> {
  const sinks = await openObjectSinks(pipeline)
  let found: ObjectSink | undefined
  for (const { role, sink } of sinks) {
    if (role === 'sink') found = sink
    else await sink.close?.()
  }
  if (found?.stage && found.publishStaged && found.discardStaged) return found
  await found?.close?.()
  throw new SluiceError('UNSUPPORTED', `the sink ${pipeline.sink.stage} cannot stage objects, which a queue needs`, {
    hint: 'use --workers without a queue, or a sink that can: s3 or file',
  })
}

/** Removes what was staged for objects that will not be committed. Never throws. */
export async function discardStaged(sink: ObjectSink, objects: ShardResult['objects']): Promise<void> {
  const signal = AbortSignal.timeout(DISCARD_TIMEOUT)
  await Promise.allSettled(
    objects.map(async ({ staged, destination }) => {
      if (staged !== undefined) await sink.discardStaged?.(staged, destination, signal)
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
async function stageAll(sink: ObjectSink, objects: readonly StagedObject[], options: StageOptions) {
  const failed = new AbortController()
  const signal = AbortSignal.any([options.signal, failed.signal])
  const outcomes = await Promise.allSettled(
    objects.map((object) =>
      options
        .limit(() => stage(sink, object, { ...options, signal }))
        .catch((error: unknown) => {
          failed.abort(error)
          throw error
        }),
    ),
  )
  const staged = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []))
  if (!failed.signal.aborted) return staged
  await discardStaged(sink, staged)
  throw failed.signal.reason
}

/** An outage of the store is waited for, as in a run without a queue. The signal ends it. */
async function stage(sink: ObjectSink, object: StagedObject, options: StageOptions): Promise<StagedObject> {
  const { folder, signal, note } = options
  const { file = '', destination, ...facts } = object
  const path = join(folder, file)
  for (let wait = SECOND, saidAt = 0; ; wait = Math.min(MINUTE, wait * 2)) {
    try {
      signal.throwIfAborted()
      const staged = await sink.stage?.({ ...facts, path }, destination, signal)
      if (staged === undefined) throw new SluiceError('SINK_FAILED', 'the sink gave no handle of what it has staged')
      return { ...facts, destination, staged }
    } catch (thrown) {
      signal.throwIfAborted()
      const error = asSluiceError(thrown, 'SINK_FAILED', 'the object could not be staged')
      if (!error.retryable) throw error
      if (Date.now() - saidAt > MINUTE) note(`${error.code}: ${error.message}; trying again`)
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
    if (pid !== undefined && isDead(Number(pid)) && (await isOld(join(root, name))))
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

function isDead(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return systemCode(error) === 'ESRCH'
  }
}

/** The process may be in another container, which has numbers of its own. */
async function isOld(path: string): Promise<boolean> {
  return stat(path).then(
    ({ mtimeMs }) => Date.now() - mtimeMs > DAY,
    () => false,
  )
}
