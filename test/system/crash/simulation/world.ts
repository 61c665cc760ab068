import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { join } from 'node:path'
import { openCommit } from '../../../../src/delivery/open-commit.ts'
import type { ObjectTarget } from '../../../../src/delivery/commit-options.ts'
import type { Routes } from '../../../../src/delivery/routes/routes.ts'
import { compileCondition } from '../../../../src/record/author/condition.ts'
import type { Commit } from '../../../../src/delivery/delivery.ts'
import { planRedirect } from '../../../../src/delivery/outbox/redirect.ts'
import { State } from '../../../../src/delivery/state/state.ts'
import type { Database } from '../../../../src/delivery/state/database.ts'
import type { Files } from '../../../../src/files.ts'
import type { LocalReject } from '../../../../src/delivery/rejects/local-rejects-reader.ts'
import { isPending } from '../../../../src/delivery/rejects/reject-numbers.ts'
import type { LocalRejectsRow } from '../../../../src/delivery/state/rows.ts'
import type { BatchTransform, ObjectSink, Source } from '../../../../src/component.ts'
import type { Chunk } from '../../../../src/record/chunk.ts'
import { RecordState } from '../../../../src/record/batch.ts'
import type { Batch, End } from '../../../../src/record/batch.ts'
import { openBatches } from '../../../../src/record/open-batches.ts'
import { Intake } from '../../../../src/runtime/intake.ts'
import { Paths } from '../../../../src/record/paths/path.ts'
import { defaultLimits } from '../../../../src/record/scan.ts'
import { replayBatches } from '../../../../src/runtime/replay.ts'
import type { Reentry } from '../../../../src/runtime/replay.ts'
import { Replay } from '../../../../src/delivery/rejects/replay.ts'
import { parseRejectId } from '../../../../src/delivery/rejects/reject-id.ts'
import type { RejectId } from '../../../../src/delivery/rejects/reject-id.ts'
import { readBatches } from '../../../../src/runtime/source-stage.ts'
import type { Stage } from '../../../../src/runtime/transform-stages.ts'
import dedup from '../../../../src/transforms/dedup.ts'
import type { Random } from '../support/random.ts'
import { StoredState } from './database.ts'
import { Disk } from './disk.ts'
import type { Loss } from './disk.ts'
import { idOfReject } from './check-outcome.ts'
import { correctedRecord } from './correct-rejects.ts'
import type { Process } from './process.ts'
import type { ShardResult } from '../../../../src/delivery/shards/shard.ts'
import { simulateShardRun } from './shard-run.ts'
import { Store } from './store.ts'
import { sinksOf, sourceOf, WITHIN } from './workload.ts'
import type { Workload } from './workload.ts'

/** The disk, the database and the object store: they survive a process. */
export class Environment {
  readonly disk = new Disk()
  readonly state = new StoredState()
  readonly store = new Store()
  /** Results of executors on other machines that wait for a coordinator. */
  readonly results: ShardResult[] = []
  /** Number of executions on other machines. */
  workers = 0
  runs = 0
  /** The source is read, and the next runs replay rejects. */
  isSourceRead = false
  /** What an ordinary run has read before shards were planned. */
  isPrepared = false
  #stateFile: string | undefined

  /** A power failure, or the kill of the process. */
  crash(loss: Loss, random: Random): void {
    this.disk.crash(loss, random)
    this.state.crash(loss, random)
    if (this.#stateFile !== undefined && !this.disk.has(this.#stateFile)) this.state.lose()
  }

  /**
   * The database creates its file in this folder. Its name is durable after a sync of the folder.
   */
  openState(process: Process, folder: string): Database {
    this.#stateFile = join(folder, 'data.mdb')
    this.disk.touch(this.#stateFile)
    return this.state.port(process)
  }
}

/**
 * A defect that is planted between the code under test and its environment. The search must find
 * it.
 */
export interface PlantedDefect {
  readonly name: string
  /** Changes the code under test itself. Returns what takes the change back. */
  plant?(): () => void
  /** The only workload that shows it, so that the search ends sooner. Default: any. */
  readonly workload?: Workload
  files?(files: Files, run: SimulatedRun): Files
  database?(database: Database, run: SimulatedRun): Database
  sink?(sink: ObjectSink, run: SimulatedRun): ObjectSink
  chunk?(chunk: Chunk, run: SimulatedRun): Chunk
  /** Called for each reject that is read for a replay. */
  reject?(id: RejectId, run: SimulatedRun): void
  /** Runs before the delivery. Returns the batches to pass on; undefined: the batch itself. */
  stage?(batch: Batch, run: SimulatedRun): readonly Batch[] | undefined | Promise<readonly Batch[] | undefined>
}

export interface SimulatedRun {
  readonly environment: Environment
  readonly process: Process
  readonly workload: Workload
  readonly folder: string
}

export interface SimulatedRunOptions extends SimulatedRun {
  readonly defect?: PlantedDefect | undefined
  readonly bucket?: string
}

/**
 * One run of a pipeline with the real commit protocol. Returns the error of a failed run. Its
 * folder on the real disk holds only the owner's socket.
 */
export async function simulateRun(options: SimulatedRunOptions): Promise<Error | undefined> {
  options.environment.runs++
  if (options.workload.shards && options.environment.isPrepared) return simulateShardRun(options)
  let commit: Commit | undefined
  const replay = options.environment.isSourceRead ? new Replay() : undefined
  try {
    if (options.workload.redirects && options.bucket === undefined) await redirect(options)
    commit = await openCommit({ ...commitOptions(options), replay })
    return await (replay ? replayRejects(options, commit, replay) : runSource(options, commit))
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    await commit?.close()
  }
}

/** What `sluice state redirect` does, with the state of the simulation. */
async function redirect(run: SimulatedRunOptions): Promise<void> {
  const { sinks, rejects, ...options } = commitOptions(run)
  const state = await State.open(options)
  try {
    const { signal } = new AbortController()
    const { moves, published } = await planRedirect(state.objects(), [...sinks, rejects], { signal })
    if (moves.length > 0) await state.redirect({ moved: moves.map(({ row }) => row), published, what: 'a test', at: 0 })
  } finally {
    await state.close()
  }
}

/** Shared by all runs, because a scanner's knowledge of keys takes memory. */
export const paths = new Paths()

export function commitOptions(run: SimulatedRunOptions) {
  const { environment, process, workload, defect, folder, bucket = 'events' } = run
  const files = environment.disk.port(process)
  const sinkOf = (name: string): ObjectSink => {
    const sink = environment.store.port(process, environment.disk, name)
    return defect?.sink?.(sink, run) ?? sink
  }
  const target = { type: 'simulated', compression: workload.compression, roll: ROLL, outbox: { maxBytes: 2 ** 30 } }
  const sinkTo = (name: string, to: string): ObjectTarget => {
    return { ...target, name, stage: name, sink: sinkOf(to), key: 'kind={record.kind}' }
  }
  const rejects: ObjectTarget = { ...target, name: 'rejects', stage: 'rejects', sink: sinkOf('rejects'), key: '' }
  return {
    folder,
    pipeline: 'events',
    keys: {},
    paths,
    sinks: workload.routed ? [sinkTo('siem', 'siem'), sinkTo('archive', 'archive')] : [sinkTo('sink', bucket)],
    ...(workload.routed && { routes: ROUTES }),
    rejects,
    mergeRejectFiles: 2,
    ...(workload.dedup && { dedup: { stage: 'dedup', within: WITHIN, memory: 2 ** 26 } }),
    note: () => undefined,
    drainTimeouts: { done: 1000, interrupted: 1000 },
    files: defect?.files?.(files, run) ?? files,
    openDatabase: (path: string) => {
      const database = environment.openState(process, path)
      return defect?.database?.(database, run) ?? database
    },
  }
}

/** Those of `sinksOf`. */
const ROUTES: Routes = {
  routes: ['login', 'admin'].map((kind) => ({ takes: (all) => compileCondition({ kind }, all), to: sinksOf(kind) })),
  others: sinksOf('other'),
}

const ROLL = { maxBytes: 2 ** 30, maxRecords: 12, maxAge: 2 ** 30, maxPartitions: 64 }

async function runSource(run: SimulatedRunOptions, commit: Commit): Promise<Error | undefined> {
  const { environment, process, workload, defect } = run
  const stages = await stagesOf(run, commit.hashKey)
  const source = sourceOf(workload, process, environment.runs === 1 ? workload.failsAt : undefined)
  const batches = readBatches({
    source: defect?.chunk ? mapChunks(source, (chunk) => defect.chunk?.(chunk, run) ?? chunk) : source,
    type: 'source',
    paths,
    limits: defaultLimits,
    follow: false,
    position: (partition) => commit.position(partition),
    note: () => undefined,
    stop: new AbortController().signal,
    intake: new Intake(),
  })
  let end: End | undefined
  async function* throughStages(input: AsyncIterable<Batch>): AsyncGenerator<Batch> {
    for await (const batch of stages.reduce((stream, stage) => through(stage, stream), input)) {
      for (const passed of (await defect?.stage?.(batch, run)) ?? [batch]) {
        end = passed.end
        yield passed
      }
    }
  }
  await pipeline(Readable.from(batches, { objectMode: true, highWaterMark: 1 }), throughStages, commit.writable())
  if (!end) return new Error('the stream ended without its end')
  return end.kind === 'failed' ? end.error : undefined
}

export async function* through(stage: Stage, batches: AsyncIterable<Batch>): AsyncGenerator<Batch> {
  for await (const batch of batches) {
    if (batch.end) yield batch
    else yield* await stage.run(batch)
  }
}

async function replayRejects(run: SimulatedRunOptions, commit: Commit, replay: Replay): Promise<Error | undefined> {
  const stages = await stagesOf(run, commit.hashKey)
  let end: End | undefined
  async function* watched(batches: AsyncIterable<Batch>): AsyncGenerator<Batch> {
    for await (const batch of batches) {
      for (const passed of (await run.defect?.stage?.(batch, run)) ?? [batch]) {
        end = passed.end
        yield passed
      }
    }
  }
  const batches = replayBatches({
    rejects: correctedRejects(run, commit.localRejects(), stages),
    replay,
    stages,
    paths,
    limits: defaultLimits,
    note: () => undefined,
    stop: new AbortController().signal,
    intake: new Intake(),
  })
  await pipeline(Readable.from(batches, { objectMode: true, highWaterMark: 1 }), watched, commit.writable())
  if (!end) return new Error('the stream ended without its end')
  return end.kind === 'failed' ? end.error : undefined
}

async function* correctedRejects(
  run: SimulatedRunOptions,
  rows: readonly LocalRejectsRow[],
  stages: readonly Stage[],
): AsyncGenerator<Reentry> {
  const { environment, process, workload, folder, defect } = run
  for (const row of rows) {
    const bytes = await process.act('read rejects', () => environment.disk.read(join(folder, 'rejects', row.file)))
    const isNotReplayed = isPending(row)
    for (const text of bytes.toString().split('\n').slice(0, -1)) {
      const reject: Omit<LocalReject, 'id'> & { readonly id: string; readonly record?: { id: string } } =
        JSON.parse(text)
      const id = parseRejectId(reject.id)
      const record =
        id && isNotReplayed(id) ? correctedRecord(idOfReject(reject, workload, environment), workload) : undefined
      if (!id || !record) continue
      defect?.reject?.(id, run)
      const { stage, origin, line, part = false } = reject
      yield {
        id,
        isPart: part,
        from: Math.max(
          0,
          stages.findIndex(({ name }) => name === stage),
        ),
        origin,
        line,
        record: Buffer.from(JSON.stringify(record)),
      }
    }
  }
}

function mapChunks(source: Source, change: (chunk: Chunk) => Chunk): Source {
  return {
    async *read(options) {
      for await (const chunk of source.read(options)) yield change(chunk)
    },
  }
}

export async function stagesOf({ workload }: SimulatedRun, hashKey: Buffer): Promise<Stage[]> {
  const kind = paths.add('kind')
  const validate = (batch: Batch): void => {
    for (let record = 0; record < batch.count; record++) {
      if (batch.states[record] !== RecordState.live) continue
      const value = batch.text(batch.hit(record, kind))
      if (value === 'noise') batch.drop(record, 'noise')
      if (value === 'bad') batch.reject(record, 'BAD', 'validate')
    }
  }
  const stages: Stage[] = []
  if (workload.split) stages.push(stageOf('split', splitInTwo))
  stages.push(stageOf('validate', (batch) => (validate(batch), [batch])))
  if (!workload.dedup) return stages
  const config = { key: ['id', 'timestamp'], time: 'timestamp', missing: 'reject' as const, memory: 0 }
  const path = (text: string) => paths.add(text)
  const context = { pipeline: 'events', stage: 'dedup', folder: '.', paths, path, hashKey }
  const digester = await dedup.create(config, context)
  if (!isBatchTransform(digester)) throw new Error('dedup works on batches')
  return [...stages, stageOf('dedup', async (batch) => (await digester.batch(batch)) ?? [batch])]
}

function isBatchTransform(transform: object): transform is BatchTransform {
  return 'batch' in transform
}

function stageOf(name: string, run: Stage['run']): Stage {
  return {
    name,
    type: name,
    run: (batch) => (batch.count === 0 ? [batch] : run(batch)),
    close: () => Promise.resolve(),
  }
}

/**
 * Splits a batch into two chunks of the same number, as happens when a stage makes a batch too
 * large.
 */
function splitInTwo(batch: Batch): Batch[] {
  const { partition, number, limits, position, lowWatermark, origin, bytes } = batch
  const middle = bytes.indexOf(10, bytes.length / 2) + 1
  const options = { partition, number, paths, limits }
  const [first] = openBatches({ bytes: bytes.subarray(0, middle), origin }, options)
  const rest = {
    bytes: bytes.subarray(middle),
    origin,
    ...(position !== undefined && { position }),
    ...(lowWatermark !== undefined && { lowWatermark }),
  }
  const [second] = openBatches(rest, options)
  return [Object.assign(first, { continues: true }), second]
}

/** The state folder of the code under test. */
export function stateFolder(base: string): string {
  return join(base, 'events')
}
