import { join } from 'node:path'
import type { Source } from '../component.ts'
import type { CheckedPipeline } from '../config/pipeline.ts'
import type { ControlRequests } from '../delivery/control/control-requests.ts'
import { outboxFolder } from '../delivery/open-epoch.ts'
import type { ShardCommit } from '../delivery/shards/shard-commit.ts'
import type { ShardResult, ShardRun } from '../delivery/shards/shard.ts'
import { asSluiceError, SluiceError } from '../errors.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import type { RunResult } from '../runtime/run.ts'
import { controlRun } from '../runtime/control-run.ts'
import { tapOfShards } from '../runtime/tap/tap-handler.ts'
import { openTraces } from '../observe/traces/open-traces.ts'
import { publishEnd, publishStart } from '../runtime/publish-run.ts'
import { createSource } from '../runtime/source-input.ts'
import { Dispatch } from './dispatch.ts'
import type { Executor } from './executor.ts'
import { fingerprintOf } from './job.ts'
import { planShards, sourceDigest } from './plan.ts'
import type { PlannedShard, ReadSelection } from './plan.ts'
import { openCommitOf } from './open-commit-of.ts'
import { qualifiedName } from './qualified-parts.ts'
import { ShardEvents } from './shard-events.ts'
import { Summary } from './summary.ts'

export interface CoordinateOptions extends ReadSelection {
  readonly pipeline: CheckedPipeline
  /** Folder that holds a folder for each pipeline's state. */
  readonly stateFolder: string
  readonly keepGoing: boolean
  /** Bytes of a shard, as stored. */
  readonly shardBytes: number
  /** With fewer shards it is not worth it: then nothing is begun. Default: 1. */
  readonly fewestShards?: number
  /** Opens what executes the shards. Called once there are some. It is closed at the end. */
  openExecutor(context: ExecutorContext): Executor | Promise<Executor>
  /** Objects are staged at the store, by workers that may die there. */
  readonly stages?: boolean
  /** Asks for a clean end: what is executed in time is committed and published. */
  readonly stop: AbortSignal
  readonly events: RunEvents
  /** What the process answers while it owns the state. */
  readonly control?: ControlRequests | undefined
}

export interface ExecutorContext {
  readonly run: ShardRun
  /** See `fingerprintOf`. */
  readonly fingerprint: string
  /** Secret of the dedup digests. */
  readonly hashKey: Buffer
  readonly generation: string
  /** Folder of the files of objects, for an executor on this machine. */
  readonly outbox: string
}

/**
 * A backfill with several workers, from the plan to the last published object. This process owns the
 * state, as in any other run. A plan that an earlier process has begun is continued.
 * @returns undefined if there are fewer shards than `fewestShards`
 * @throws SluiceError when the run cannot begin; later failures come back in the result
 */
export async function coordinate(options: CoordinateOptions): Promise<RunResult | undefined> {
  const { pipeline, events, stop } = options
  pipeline.secrets.hold()
  const controlled = controlRun({ events, stop, control: options.control, tap: tapOfShards })
  let isBegun = true
  try {
    const result = await run({ ...options, control: controlled.control })
    isBegun = result !== undefined
    return result
  } finally {
    // Otherwise the same run begins undivided.
    if (isBegun) controlled.close()
    pipeline.secrets.drop()
  }
}

async function run(options: CoordinateOptions): Promise<RunResult | undefined> {
  const { pipeline, keepGoing, stop, events } = options
  const startedAt = new Date()
  const folder = join(options.stateFolder, pipeline.name)
  const source = await createSource(pipeline, events)
  const summary = new Summary({ pipeline: pipeline.name, startedAt, note: events.note })
  let executor: Executor | undefined
  let observer: ShardEvents | undefined
  const discard = async (result: ShardResult): Promise<void> => executor?.discard(result)
  const commit = await openCommitOf({
    ...options,
    source,
    discard,
    observe: (event) => {
      if (event.kind === 'committed') executor?.committed?.(event.result)
      summary.observe(event)
      observer?.observe(event)
    },
    ending: async () => executor?.ending?.(),
    ...(options.stages === true && { sweeps: true }),
  })
  let failure: SluiceError | undefined
  let isStarted = false
  try {
    const shardRun = await begin({ ...options, source, commit, summary })
    if (shardRun === 'too few') return undefined
    await openTraces()
    publishStart(events, pipeline)
    commit.publishState()
    isStarted = true
    if (shardRun) {
      const { hashKey, generation } = commit
      const fingerprint = await fingerprintOf(pipeline, hashKey)
      executor = await options.openExecutor({
        run: shardRun,
        fingerprint,
        hashKey,
        generation,
        outbox: outboxFolder(folder),
      })
      observer = new ShardEvents(events, () => commit.counts())
      summary.begin(commit.counts())
    }
    if (executor && observer) {
      await new Dispatch({ commit, executor, keepGoing, observer: summary.with(observer), stop }).run()
    } else await commit.finish({ isInterrupted: stop.aborted })
  } catch (error) {
    // The plan was given up.
    if (!stop.aborted || error !== stop.reason)
      failure = asSluiceError(error, 'INTERNAL', `the backfill of ${pipeline.name} failed`)
  } finally {
    await executor?.close()
    await commit.close()
  }
  const result = summary.end({ failure, totals: commit.totals(), isStopped: stop.aborted })
  if (isStarted) publishEnd(events, result.report)
  return result
}

interface BeginOptions extends CoordinateOptions {
  readonly source: Source
  readonly commit: ShardCommit
  readonly summary: Summary
}

/** Continues the plan of the state, or makes one. Undefined if there is nothing to read. */
async function begin(options: BeginOptions): Promise<ShardRun | 'too few' | undefined> {
  const { pipeline, source, commit, summary, fewestShards = 1, final, keepGoing, shardBytes, stop, events } = options
  const { type } = pipeline.source.declaration
  const digest = sourceDigest(pipeline, options)
  if (commit.run) return commit.begin(digest, nothing)
  if (!source.parts) throw new SluiceError('UNSUPPORTED', `the source ${pipeline.source.stage} cannot be divided`)
  const shards = planShards(pipeline, source, {
    position: (partition = '') => commit.position(qualifiedName(type, partition)),
    inputFailed: summary.inputFailed(keepGoing),
    signal: stop,
    note: events.noteOf(pipeline.source.stage),
    final,
    shardBytes,
  })
  const first: PlannedShard[] = []
  while (first.length < fewestShards) {
    const next = await shards.next()
    if (next.done === true) break
    first.push(next.value)
  }
  if (first.length < fewestShards) return 'too few'
  return commit.begin(digest, async function* () {
    for (const shard of first) yield shard
    yield* shards
  })
}

async function* nothing(): AsyncGenerator<never, void> {}
