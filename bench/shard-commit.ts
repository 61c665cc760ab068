/**
 * How many dedup keys per second can the coordinator of a parallel backfill commit? It offers results
 * of shards to the real commit, with its files and its transactions: keys that are all new, the first
 * results of shards that overlap with what is committed (looked up, reserved, and a list written of
 * what to leave out), and their second results. Executors and the store take no time.
 *
 * `npm run build && node build/bench/shard-commit.js [--shards 20] [--keys 200000] [--days 30]`
 */
import { randomFillSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { ObjectSink } from '../src/component.ts'
import { digestOfKeys } from '../src/delivery/shards/day-keys.ts'
import { openShardCommit } from '../src/delivery/shards/open-shard-commit.ts'
import type { Offered } from '../src/delivery/shards/results/result-decider.ts'
import type { ShardCommit } from '../src/delivery/shards/shard-commit.ts'
import type { DayKeys, ShardResult, ShardTask } from '../src/delivery/shards/shard.ts'
import { emptyTally } from '../src/delivery/tally.ts'
import { Paths } from '../src/record/paths/path.ts'

const { values } = parseArgs({
  options: { shards: { type: 'string' }, keys: { type: 'string' }, days: { type: 'string' } },
})
const shards = Number(values.shards ?? 20)
/** Of a shard: 128 MB of records of 650 bytes. */
const keysPerShard = Number(values.keys ?? 200_000)
const days = Number(values.days ?? 30)
const FIRST_DAY = 20_000

const sink: ObjectSink = {
  maxKeyBytes: 1024,
  destination: (key) => ({ key }),
  publish: () => Promise.resolve(),
  publishStaged: () => Promise.resolve('published'),
}

const folder = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const commit = await openShardCommit({
  folder,
  pipeline: 'bench',
  keys: {},
  paths: new Paths(),
  sinks: [
    {
      name: 'sink',
      stage: 'sink',
      type: 'bench',
      sink,
      key: 'bench',
      compression: 'none',
      roll: { maxBytes: 2 ** 30, maxRecords: 2 ** 30, maxAge: 2 ** 30, maxPartitions: 8 },
      outbox: { maxBytes: 2 ** 30 },
    },
  ],
  dedup: { stage: 'dedup', within: undefined, memory: 2 ** 33 },
  note: () => undefined,
  discard: () => Promise.resolve(),
})

// Two passes of equal shards: the second one overlaps by half with the first.
await commit.begin('bench', async function* () {
  for (let number = 0; number < 2 * shards; number++) {
    yield { parts: [{ partition: `p${number}`, input: `i${number}`, bytes: 1, detail: null }], bytes: 1 }
  }
})

const made: DayKeys[][] = []
await pass('new keys', (task) => (made[task.shard.number] = randomKeys()), 'committed')
const free: DayKeys[][] = []
await pass(
  'half of the keys known, first result',
  (task) => {
    const known = made[task.shard.number - shards].map(({ day, entries }) => ({ day, entries: half(entries) }))
    const added = randomKeys().map(({ day, entries }) => ({ day, entries: half(entries) }))
    free[task.shard.number] = added
    return added.map(({ day, entries }, at) => ({ day, entries: Buffer.concat([entries, known[at].entries]) }))
  },
  'again',
)
await pass('second result', (task) => free[task.shard.number], 'committed')
await commit.finish()
await commit.close()
await rm(folder, { recursive: true })

async function pass(name: string, keysOf: (task: ShardTask) => DayKeys[], expected: Offered): Promise<void> {
  let seconds = 0
  let keys = 0
  const rates: number[] = []
  const tasks: ShardTask[] = []
  for (let shard = 0; shard < shards; shard++) tasks.push(await nextOf(commit))
  const cpu = process.cpuUsage()
  for (const task of tasks) {
    const result = resultOf(task, keysOf(task))
    const count = result.keys.reduce((sum, { entries }) => sum + entries.length / 16, 0)
    const start = performance.now()
    const offered = await commit.offer(result)
    const took = (performance.now() - start) / 1000
    if (offered !== expected) throw new Error(`the result was ${offered}`)
    seconds += took
    keys += count
    rates.push(count / took)
  }
  const { user, system } = process.cpuUsage(cpu)
  const median = rates.toSorted((a, b) => a - b)[Math.floor(rates.length / 2)]
  const all = `${millions(keys / seconds)} million keys/s in all, ${millions(median)} in the median shard`
  console.log(`${name}: ${all}, ${millions((keys / (user + system)) * 1e6)} a CPU second`)
}

async function nextOf(from: ShardCommit): Promise<ShardTask> {
  const task = await from.next()
  if (!task) throw new Error('no shard is left')
  return task
}

function resultOf(task: ShardTask, keys: DayKeys[]): ShardResult {
  const number = task.shard.number
  const written = keys.reduce((sum, { entries }) => sum + entries.length / 16, 0)
  const key = `bench/${number}`
  const object = { part: 0, role: 'sink', type: 'bench', key, destination: { key }, bytes: 1 } as const
  return {
    run: task.run,
    shard: number,
    attempt: task.attempt,
    objects: [{ ...object, records: written, sha256: '0'.repeat(64), compression: 'none', staged: 'handle' }],
    keys,
    tally: { ...emptyTally(), read: written, written },
    rejects: new Uint8Array(),
    positions: [],
    bytesIn: 1,
    unfinished: 0,
    rules: [],
    ends: [null],
    damaged: [],
    ...(task.leaveOut && { leftOut: digestOfKeys(task.leaveOut) }),
  }
}

function randomKeys(): DayKeys[] {
  return Array.from({ length: days }, (_, day) => ({
    day: FIRST_DAY + day,
    entries: randomFillSync(new Uint8Array(Math.floor(keysPerShard / days / 2) * 32)),
  }))
}

function half(entries: Uint8Array): Uint8Array {
  return entries.slice(0, entries.length / 2)
}

function millions(rate: number): string {
  return (rate / 1e6).toFixed(2)
}
