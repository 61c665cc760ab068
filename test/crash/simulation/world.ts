import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { join } from 'node:path'
import { openCommit } from '../../../src/delivery/open-commit.ts'
import type { ObjectTarget } from '../../../src/delivery/commit-options.ts'
import type { Commit } from '../../../src/delivery/delivery.ts'
import type { Database } from '../../../src/delivery/state/database.ts'
import type { Files } from '../../../src/files.ts'
import type { LocalReject } from '../../../src/delivery/rejects/local-rejects-reader.ts'
import { isPending } from '../../../src/delivery/rejects/local-rejects.ts'
import type { LocalRejectsRow } from '../../../src/delivery/state/rows.ts'
import type { BatchTransform, ObjectSink, Source } from '../../../src/component.ts'
import type { Chunk } from '../../../src/record/chunk.ts'
import { RecordState } from '../../../src/record/batch.ts'
import type { Batch, End } from '../../../src/record/batch.ts'
import { openBatches } from '../../../src/record/open-batches.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import { defaultLimits } from '../../../src/record/scan.ts'
import { replayBatches } from '../../../src/runtime/replay.ts'
import type { Reentry } from '../../../src/runtime/replay.ts'
import { Replay } from '../../../src/delivery/rejects/replay.ts'
import type { RejectId } from '../../../src/delivery/rejects/reject-id.ts'
import { readBatches } from '../../../src/runtime/source-stage.ts'
import { through } from '../../../src/runtime/transform-stages.ts'
import type { Stage } from '../../../src/runtime/transform-stages.ts'
import dedup from '../../../src/transforms/dedup.ts'
import type { Random } from '../random.ts'
import { StoredState } from './database.ts'
import { Disk } from './disk.ts'
import type { Loss } from './disk.ts'
import { idOfReject } from './check-outcome.ts'
import { mend } from './correct-rejects.ts'
import type { Process } from './process.ts'
import { Store } from './store.ts'
import { sourceOf, WITHIN } from './workload.ts'
import type { Workload } from './workload.ts'

/** What outlives a process. */
export class World {
  readonly disk = new Disk()
  readonly state = new StoredState()
  readonly store = new Store()
  lives = 0
  /** The next lives replay rejects. */
  isRead = false
  #stateFile: string | undefined

  /** The power fails, or the process is killed. */
  crash(loss: Loss, random: Random): void {
    this.disk.crash(loss, random)
    this.state.crash(loss, random)
    if (this.#stateFile !== undefined && !this.disk.has(this.#stateFile)) this.state.lose()
  }

  /** The database makes its file in this folder, whose names are safe when somebody syncs it. */
  openState(process: Process, folder: string): Database {
    this.#stateFile = join(folder, 'data.mdb')
    this.disk.touch(this.#stateFile)
    return this.state.port(process)
  }
}

/** A defect, put between the code under test and its world. */
export interface Plant {
  readonly name: string
  files?(files: Files, life: Life): Files
  database?(database: Database, life: Life): Database
  sink?(sink: ObjectSink, life: Life): ObjectSink
  chunk?(chunk: Chunk, life: Life): Chunk
  /** Called for each reject that is read for a replay. */
  reject?(id: RejectId, life: Life): void
  /** Stands before the sink. */
  stage?(batch: Batch, life: Life): readonly Batch[] | undefined | Promise<readonly Batch[] | undefined>
}

export interface Life {
  readonly world: World
  readonly process: Process
  readonly workload: Workload
  readonly folder: string
}

export interface LifeOptions extends Life {
  readonly plant?: Plant | undefined
  readonly bucket?: string
}

/**
 * One run of a pipeline from opening to closing, over the real protocol: returns why it failed, and nothing when it is done. Its folder on the
 * real disk holds the owner's socket alone.
 */
export async function live(options: LifeOptions): Promise<Error | undefined> {
  options.world.lives++
  let commit: Commit | undefined
  const replay = options.world.isRead ? new Replay() : undefined
  try {
    commit = await openCommit({ ...commitOptions(options), replay })
    return await (replay ? replayRejects(options, commit, replay) : flow(options, commit))
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    await commit?.close()
  }
}

/** What a scanner has learned about keys costs memory: all lives share it. */
const paths = new Paths()

function commitOptions(life: LifeOptions) {
  const { world, process, workload, plant, folder, bucket = 'events' } = life
  const files = world.disk.port(process)
  const sinkOf = (name: string): ObjectSink => {
    const sink = world.store.port(process, world.disk, name)
    return plant?.sink?.(sink, life) ?? sink
  }
  const target = { type: 'simulated', compression: workload.compression, roll: ROLL, outbox: { maxBytes: 2 ** 30 } }
  const sink: ObjectTarget = { ...target, stage: 'sink', sink: sinkOf(bucket), key: 'kind={record.kind}' }
  const rejects: ObjectTarget = { ...target, stage: 'rejects', sink: sinkOf('rejects'), key: '' }
  return {
    folder,
    pipeline: 'events',
    fingerprint: {},
    paths,
    sink,
    rejects,
    ...(workload.dedup && { dedup: { stage: 'dedup', within: WITHIN, memory: 2 ** 26 } }),
    note: () => undefined,
    drainTimeouts: { done: 1000, interrupted: 1000 },
    files: plant?.files?.(files, life) ?? files,
    openDatabase: (path: string) => {
      const database = world.openState(process, path)
      return plant?.database?.(database, life) ?? database
    },
  }
}

const ROLL = { maxBytes: 2 ** 30, maxRecords: 12, maxAge: 2 ** 30, maxPartitions: 64 }

async function flow(life: LifeOptions, commit: Commit): Promise<Error | undefined> {
  const { world, process, workload, plant } = life
  const stages = await stagesOf(life, commit.hashKey)
  const source = sourceOf(workload, process, world.lives === 1 ? workload.failsAt : undefined)
  const batches = readBatches({
    source: plant?.chunk ? bend(source, (chunk) => plant.chunk?.(chunk, life) ?? chunk) : source,
    type: 'source',
    paths,
    limits: defaultLimits,
    follow: false,
    position: (partition) => commit.position(partition),
    note: () => undefined,
    stop: new AbortController().signal,
    flow: { records: 0, bytes: 0 },
  })
  let end: End | undefined
  async function* throughStages(input: AsyncIterable<Batch>): AsyncGenerator<Batch> {
    for await (const batch of stages.reduce((stream, stage) => through(stage, stream), input)) {
      for (const passed of (await plant?.stage?.(batch, life)) ?? [batch]) {
        end = passed.end
        yield passed
      }
    }
  }
  await pipeline(Readable.from(batches, { objectMode: true, highWaterMark: 1 }), throughStages, commit.writable())
  if (!end) return new Error('the stream ended without its end')
  return end.kind === 'failed' ? end.error : undefined
}

async function replayRejects(life: LifeOptions, commit: Commit, replay: Replay): Promise<Error | undefined> {
  const stages = await stagesOf(life, commit.hashKey)
  let end: End | undefined
  async function* watched(batches: AsyncIterable<Batch>): AsyncGenerator<Batch> {
    for await (const batch of batches) {
      for (const passed of (await life.plant?.stage?.(batch, life)) ?? [batch]) {
        end = passed.end
        yield passed
      }
    }
  }
  const batches = replayBatches({
    rejects: mendedRejects(life, commit.localRejects(), stages),
    replay,
    stages,
    paths,
    limits: defaultLimits,
    note: () => undefined,
    stop: new AbortController().signal,
    flow: { records: 0, bytes: 0 },
  })
  await pipeline(Readable.from(batches, { objectMode: true, highWaterMark: 1 }), watched, commit.writable())
  if (!end) return new Error('the stream ended without its end')
  return end.kind === 'failed' ? end.error : undefined
}

async function* mendedRejects(
  life: LifeOptions,
  rows: readonly LocalRejectsRow[],
  stages: readonly Stage[],
): AsyncGenerator<Reentry> {
  const { world, process, workload, folder, plant } = life
  for (const row of rows) {
    const bytes = await process.act('read rejects', () => world.disk.read(join(folder, 'rejects', row.file)))
    const isKept = isPending(row)
    for (const [at, text] of bytes.toString().split('\n').slice(0, -1).entries()) {
      const reject: LocalReject & { readonly record?: { id: string } } = JSON.parse(text)
      const record = isKept(at) ? mend(idOfReject(reject, workload), workload) : undefined
      if (!record) continue
      const id = { epoch: row.epoch, at }
      plant?.reject?.(id, life)
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

function bend(source: Source, change: (chunk: Chunk) => Chunk): Source {
  return {
    async *read(options) {
      for await (const chunk of source.read(options)) yield change(chunk)
    },
  }
}

async function stagesOf({ workload }: Life, hashKey: Buffer): Promise<Stage[]> {
  const kind = paths.add('kind')
  const judge = (batch: Batch): void => {
    for (let record = 0; record < batch.count; record++) {
      if (batch.states[record] !== RecordState.live) continue
      const value = batch.text(batch.hit(record, kind))
      if (value === 'noise') batch.drop(record, 'noise')
      if (value === 'bad') batch.reject(record, 'BAD', 'judge')
    }
  }
  const stages: Stage[] = []
  if (workload.split) stages.push(stageOf('split', splitInTwo))
  stages.push(stageOf('judge', (batch) => (judge(batch), [batch])))
  if (!workload.dedup) return stages
  const config = { key: ['id', 'timestamp'], time: 'timestamp', missing: 'reject' as const, memory: 0 }
  const path = (text: string) => paths.add(text)
  const context = { pipeline: 'events', stage: 'dedup', folder: '.', paths, path, hashKey }
  const claims = await dedup.create(config, context)
  if (!isBatchTransform(claims)) throw new Error('dedup works on batches')
  return [...stages, stageOf('dedup', async (batch) => (await claims.batch(batch)) ?? [batch])]
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

/** The same records in two batches of one number, as when a stage has made a batch too large. */
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

/** Where the code under test is told that its files are. */
export function stateFolder(base: string): string {
  return join(base, 'events')
}
