import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { join } from 'node:path'
import type { ObjectSink, ReadPart, Source, SourcePart } from '../../../../src/component.ts'
import type { ObjectTarget } from '../../../../src/delivery/commit-options.ts'
import { openShardCommit } from '../../../../src/delivery/shards/open-shard-commit.ts'
import type { ShardCommit } from '../../../../src/delivery/shards/shard-commit.ts'
import { openShardDelivery } from '../../../../src/delivery/shards/shard-delivery.ts'
import type { Shard, ShardOutput, ShardResult, ShardTask, StagedObject } from '../../../../src/delivery/shards/shard.ts'
import { sinkNameOf } from '../../../../src/delivery/state/rows.ts'
import { SluiceError } from '../../../../src/errors.ts'
import { Intake } from '../../../../src/runtime/intake.ts'
import { defaultLimits } from '../../../../src/record/scan.ts'
import { readBatches } from '../../../../src/runtime/source-stage.ts'
import { createRandom } from '../support/random.ts'
import type { Random } from '../support/random.ts'
import { Process } from './process.ts'
import { chunksOf } from './workload.ts'
import type { ShardPlan } from './workload.ts'
import { commitOptions, paths, stagesOf, through } from './world.ts'
import type { SimulatedRunOptions } from './world.ts'

/**
 * One process that coordinates a parallel backfill, with the real protocol, and its executors. They die,
 * give results late or twice, and the store removes what they have staged. What happens is random, but
 * the same in each simulation of the same run.
 */
export async function simulateShardRun(run: SimulatedRunOptions): Promise<Error | undefined> {
  const restore = run.defect?.plant?.()
  let commit: ShardCommit | undefined
  try {
    const { shards: plan } = run.workload
    if (!plan) throw new Error('the workload has no shards')
    const options = commitOptions(run)
    commit = await openShardCommit({
      ...options,
      positionAfter,
      discard: (result) => discard(run, result),
      sweeps: plan.stagedAt === 'store',
    })
    const random = createRandom(run.environment.runs)
    // A person gives the first run up, and begins another one.
    if (run.workload.dedup && commit.run?.number === 1 && random.chance(0.5)) await cancel(commit)
    await commit.begin('archives', () => planned(commit, plan))
    return await new Coordinator(run, commit, random).work()
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  } finally {
    await commit?.close()
    restore?.()
  }
}

class Coordinator {
  readonly #run: SimulatedRunOptions
  readonly #plan: ShardPlan
  readonly #commit: ShardCommit
  readonly #random: Random
  readonly #executing: ShardTask[] = []
  readonly #late: ShardResult[] = []
  readonly #executed = new Map<number, number>()
  readonly #committed = new Set<number>()
  /** One shard fails for good, in the first run, unless it is committed. */
  #failing: number | undefined

  constructor(run: SimulatedRunOptions, commit: ShardCommit, random: Random) {
    this.#run = run
    this.#plan = run.workload.shards ?? { stagedAt: 'outbox', shards: [] }
    this.#commit = commit
    this.#random = random
    if (run.environment.runs === 1) this.#failing = random.below(this.#plan.shards.length)
  }

  async work(): Promise<Error | undefined> {
    const { environment } = this.#run
    for (const result of environment.results.splice(0)) await this.#commit.offer(result)
    for (let rounds = 0; rounds < MAX_ROUNDS; rounds++) {
      await this.#start()
      if (this.#executing.length > 0) {
        await this.#finish(this.#executing.splice(this.#random.below(this.#executing.length), 1)[0])
        continue
      }
      const late = this.#late.shift()
      if (late) await this.#commit.offer(late)
      else if (await this.#commit.finish()) return this.#outcome()
    }
    return new Error('the coordinator does not come to an end')
  }

  async #start(): Promise<void> {
    while (this.#executing.length < CAPACITY) {
      const task = await this.#commit.next()
      if (!task) return
      this.#executing.push(task)
    }
  }

  async #finish(task: ShardTask): Promise<void> {
    const { number } = task.shard
    const random = this.#random
    const executions = (this.#executed.get(number) ?? 0) + 1
    this.#executed.set(number, executions)
    const isDamaged = task.shard.parts.some(({ partition }) => partition === `source:${this.#plan.damaged}`)
    if ((isDamaged && executions > 1) || (number === this.#failing && executions > 1 && !this.#committed.has(number))) {
      await this.#commit.fail(number, new SluiceError('INPUT_CORRUPT', 'the input is damaged'))
      return
    }
    const result = await execute(this.#run, task)
    if (this.#plan.stagedAt === 'store') this.#run.environment.store.removeSome()
    if (random.chance(0.15)) return this.#commit.retry(number)
    if (random.chance(0.15)) {
      this.#late.push(result)
      return this.#commit.retry(number)
    }
    if (random.chance(0.15)) this.#late.push(await execute(this.#run, { ...task, attempt: task.attempt + 100 }))
    // Before it is offered: a coordinator that dies has not taken it.
    if (this.#plan.stagedAt === 'store') this.#run.environment.results.push(result)
    if ((await this.#commit.offer(result)) === 'committed') this.#committed.add(number)
    this.#run.environment.results.splice(0)
  }

  async #outcome(): Promise<Error | undefined> {
    const { failed, waiting } = this.#commit.counts()
    if (waiting > 0) return new Error('a result waits, and nothing is executed')
    if (failed.length === 0) return undefined
    const isDamaged = this.#plan.damaged !== undefined && this.#run.environment.runs > 1
    if (!isDamaged) return new SluiceError('SOURCE_UNAVAILABLE', `shards ${failed.join()} have failed`)
    await cancel(this.#commit)
    return undefined
  }
}

const CAPACITY = 3
const MAX_ROUNDS = 300

async function cancel(commit: ShardCommit): Promise<void> {
  // What is gone could only be made again by the executors.
  try {
    await commit.cancel()
  } catch (error) {
    if (!(error instanceof SluiceError) || error.code !== 'SHARDS_UNFINISHED') throw error
  }
}

/** The parts of the plan that the committed positions leave to read. */
async function* planned(commit: ShardCommit | undefined, { shards }: ShardPlan): AsyncGenerator<Omit<Shard, 'number'>> {
  for (const shard of shards) {
    const parts: SourcePart[] = []
    for (const { partition, from, to } of shard) {
      const committed = Number(commit?.position(`source:${partition}`) ?? 0)
      const start = Math.max(from, committed)
      if (start >= to) continue
      const detail = { partition, from: start, to }
      parts.push({ partition: `source:${partition}`, input: partition, bytes: to - start, detail })
    }
    yield { parts, bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0) }
  }
}

function positionAfter(parts: Iterable<ReadPart>): number | undefined {
  let last: number | undefined
  for (const { part, end } of parts) {
    const { from, to } = rangeOf(part.detail)
    if (to !== end) throw new Error(`the part ${JSON.stringify(part.detail)} ends at ${JSON.stringify(end)}`)
    if (last !== undefined && from !== last) throw new Error('parts are missing')
    last = to
  }
  return last
}

function rangeOf(detail: unknown): { readonly from: number; readonly to: number } {
  if (typeof detail !== 'object' || detail === null || !('from' in detail) || !('to' in detail))
    throw new Error('no range')
  return { from: Number(detail.from), to: Number(detail.to) }
}

/** An execution in a thread of the process, or on another machine, which does not die with it. */
async function execute(run: SimulatedRunOptions, task: ShardTask): Promise<ShardResult> {
  const { environment, workload } = run
  const isRemote = workload.shards?.stagedAt === 'store'
  const worker: SimulatedRunOptions = isRemote
    ? { ...run, process: new Process(), folder: `/worker/${environment.workers++}` }
    : run
  const [meta] = environment.state.ofKind('meta')
  const hashKey = Buffer.from(meta.hashKey, 'hex')
  const folder = join(worker.folder, 'outbox')
  const options = commitOptions(worker)
  if (isRemote) await options.files.makeFolder(folder)
  const delivery = await openShardDelivery({ commit: options, task, hashKey, generation: meta.generation, folder })
  const ends: number[] = []
  const batches = readBatches({
    source: partsSource(run, task, ends),
    type: 'source',
    paths,
    limits: defaultLimits,
    follow: false,
    position: () => undefined,
    note: () => undefined,
    stop: new AbortController().signal,
    intake: new Intake(),
  })
  const stages = await stagesOf(worker, hashKey)
  await pipeline(
    Readable.from(
      stages.reduce((stream, stage) => through(stage, stream), batches),
      { objectMode: true, highWaterMark: 1 },
    ),
    delivery.writable(),
  )
  const output = delivery.output()
  const rest = { bytesIn: 0, unfinished: 0, rules: [], damaged: [], ends }
  const objects = isRemote ? await stageAll(worker, output, folder) : output.objects
  return { ...output, ...rest, objects, run: task.run, shard: task.shard.number, attempt: task.attempt }
}

async function stageAll(worker: SimulatedRunOptions, { objects }: ShardOutput, folder: string) {
  const { sinks, files } = commitOptions(worker)
  const staged: ShardOutput['objects'][number][] = []
  for (const { file = '', ...object } of objects) {
    const path = join(folder, file)
    const { signal } = new AbortController()
    const handle = await sinkIn(sinks, object)?.stage?.({ ...object, path }, object.destination, signal)
    await files.unlink(path)
    staged.push({ ...object, staged: handle ?? null })
  }
  return staged
}

function partsSource({ workload, process }: SimulatedRunOptions, { shard }: ShardTask, ends: number[]): Source {
  return {
    async *read() {
      for (const { input, detail } of shard.parts) {
        const { from, to } = rangeOf(detail)
        for (let page = from; page < to; page++) {
          const content = workload.partitions.get(input)?.at(page)
          if (!content) throw new Error(`there is no page ${page} of ${input}`)
          await process.act('request', () => undefined)
          for (const { lowWatermark: _lowWatermark, ...chunk } of chunksOf(input, content, page + 1)) yield chunk
        }
        ends.push(to)
      }
    },
  }
}

async function discard(run: SimulatedRunOptions, { objects }: ShardResult): Promise<void> {
  const { sinks, files } = commitOptions(run)
  for (const object of objects) {
    const { file, staged, destination } = object
    if (file !== undefined) await files.unlink(join(run.folder, 'outbox', file))
    else if (staged !== undefined)
      await sinkIn(sinks, object)?.discardStaged?.(staged, destination, new AbortController().signal)
  }
}

function sinkIn(sinks: readonly ObjectTarget[], object: StagedObject): ObjectSink | undefined {
  return sinks.find(({ name }) => name === sinkNameOf(object))?.sink
}
