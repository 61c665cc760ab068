import { setMaxListeners } from 'node:events'
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { emptyTally } from '../../../src/delivery/tally.ts'
import type { ShardResult, ShardTask } from '../../../src/delivery/shards/shard.ts'
import { parseAddress } from '../../../src/queue/address.ts'
import { Connection } from '../../../src/queue/connection.ts'
import { QueueExecutor } from '../../../src/queue/executor.ts'
import { PROTOCOL } from '../../../src/queue/protocol.ts'
import { Seal } from '../../../src/queue/seal.ts'
import type { ShardRunner } from '../../../src/queue/served-run.ts'
import { QueueWorker } from '../../../src/queue/worker.ts'
import type { QueueWorkerOptions } from '../../../src/queue/worker.ts'
import { startRedis } from '../../servers/redis.ts'
import type { RedisServer } from '../../servers/redis.ts'
import { noteTo } from '../../support/notes.ts'

export const KEY = 'k'.repeat(43)
const seal = Seal.fromEnvironment({ SLUICE_QUEUE_KEY: KEY })

const cleanups = new WeakMap<TestContext, (() => Promise<void>)[]>()

/** Cleans up after a test, the last thing first: a worker ends before its Redis. */
function later(t: TestContext, clean: () => Promise<void>): void {
  const known = cleanups.get(t)
  if (known !== undefined) return void known.unshift(clean)
  const all = [clean]
  cleanups.set(t, all)
  t.after(async () => {
    for (const one of all) await one()
  })
}

export async function openRedis(t: TestContext, ...args: Parameters<typeof startRedis>): Promise<RedisServer> {
  const redis = await startRedis(...args)
  later(t, () => redis.close())
  return redis
}

/** What the log of one side says. */
export type Notes = string[]

export interface ExecutorOptions {
  readonly run?: string
  readonly seal?: Seal
  readonly notes?: Notes
  readonly discarded?: ShardResult[]
  readonly patience?: number
  readonly fingerprint?: string
}

const job = { pipeline: 'demo', set: [], since: undefined, until: undefined, final: false, keepGoing: true }
const CONTENT = { job, fingerprint: '', hashKey: '', generation: '' }

/** The coordinator's side, for a run without a pipeline. */
export async function openExecutor(t: TestContext, url: string, options: ExecutorOptions = {}): Promise<QueueExecutor> {
  const note = noteTo(({ message }) => options.notes?.push(message))
  const connection = await Connection.open(parseAddress(url), { note, patience: options.patience ?? 30_000 })
  const executor = new QueueExecutor({
    connection,
    seal: options.seal ?? seal,
    run: options.run ?? 'a1b2c3d4',
    pipeline: 'demo',
    head: { protocol: PROTOCOL, version: '1', content: { ...CONTENT, fingerprint: options.fingerprint ?? '' } },
    note,
    discardStaged: async (result) => void options.discarded?.push(result),
  })
  later(t, async () => {
    await executor.close()
    await connection.close()
  })
  return executor
}

type Execute = ShardRunner['execute']

export interface WorkerOptions extends Partial<
  Pick<QueueWorkerOptions, 'concurrency' | 'lock' | 'name' | 'prepare' | 'version'>
> {
  readonly seal?: Seal
  readonly execute?: Execute
  readonly discarded?: ShardResult[]
  readonly notes?: Notes
}

/** A worker in this process, with a stand-in for the execution of a shard. */
export async function startWorker(t: TestContext, url: string, options: WorkerOptions = {}) {
  const note = noteTo(({ message }) => options.notes?.push(message))
  const connection = await Connection.open(parseAddress(url), { note, patience: Infinity })
  const runner: ShardRunner = {
    execute: options.execute ?? (async (task) => resultOf(task)),
    discard: async (result) => void options.discarded?.push(result),
    close: async () => {},
  }
  const worker = new QueueWorker({
    connection,
    seal: options.seal ?? seal,
    concurrency: options.concurrency ?? 1,
    name: options.name ?? `worker-${randomBytes(3).toString('hex')}`,
    lock: options.lock ?? 2000,
    version: options.version ?? '1',
    note,
    prepare: options.prepare ?? (async () => runner),
  })
  const [drain, abort] = [new AbortController(), new AbortController()]
  const ended = serve()
  async function serve(): Promise<void> {
    try {
      await worker.serve(drain.signal, abort.signal)
    } finally {
      await connection.close()
    }
  }
  ended.catch(() => {})
  later(t, async () => {
    abort.abort()
    await ended.catch(() => {})
  })
  return { ended, drain: () => drain.abort(), abort: () => abort.abort(), connection }
}

export function taskOf(shard: number, more: Partial<ShardTask> = {}): ShardTask {
  const parts = [{ partition: 'f', input: `file-${shard}.ndjson`, bytes: 10, detail: { from: shard } }]
  const shape = { number: shard, parts, bytes: 10 }
  return { run: 'a1b2c3d4', runNumber: 1, createdAt: 0, shard: shape, attempt: 1, ...more }
}

export function resultOf({ run, shard, attempt }: ShardTask, keys = 1000): ShardResult {
  const entries = Buffer.alloc(16 * keys, shard.number + 1)
  return {
    run,
    shard: shard.number,
    attempt,
    objects: [],
    keys: [{ day: 1, entries }],
    tally: { ...emptyTally(), sinks: {}, dropped: {}, rejects: {}, late: {}, read: keys },
    rejects: Buffer.from('{"secret":"reject"}\n'.repeat(10)),
    positions: [],
    bytesIn: 10,
    unfinished: 0,
    rules: [],
    ends: [undefined, { offset: 1 }],
    damaged: [],
  }
}

/** Waits until something holds. The guard of the test ends it. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(20)
}

export const never: AbortSignal = new AbortController().signal
setMaxListeners(0, never)
