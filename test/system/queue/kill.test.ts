/*
 * Workers, coordinator and Redis are killed at random moments (kill -9), and started again. In the end
 * every record is there once, and at no moment is an object visible that is not committed.
 */
import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { readState } from '../../../src/delivery/state/state-reader.ts'
import { NO_REDIS } from '../../servers/redis.ts'
import { startS3Server } from '../../servers/s3.ts'
import type { S3Server } from '../../servers/s3.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import type { RunningCommand, Workspace } from '../../support/command.ts'
import { scaled } from '../../support/scale.ts'
import { runVerifier } from '../crash/support/job.ts'
import { createRandom } from '../crash/support/random.ts'
import type { Random } from '../crash/support/random.ts'
import { seededRandom } from '../crash/support/seed.ts'
import { KEY, openRedis } from './support.ts'

const { seed } = seededRandom('queue kills')
/** Enough for each kind of victim. */
const ROUNDS = scaled(3)
const LANES = ROUNDS > 10 ? 2 : 1
/** In one backfill. The last one is left to end. */
const MAX_KILLS = 12
const WORKERS = 2

const BUCKET = 'audit'
const PIPELINE = `
source: { type: file, path: none }
transforms:
  - { type: filter, drop: { kind: noise } }
  - { type: dedup, key: [id, at], time: at }
sink: { type: s3, bucket: ${BUCKET}, key: 'objects/kind={record.kind}', forcePathStyle: true, compression: gzip }
`
const COUNT = 4000
const KINDS = ['one', 'two', 'noise', 'three']

test(
  `${ROUNDS} kills of workers, coordinator and Redis lose nothing and write nothing twice`,
  { skip: NO_REDIS, timeout: 3_600_000 },
  async (t) => {
    const rounds = { done: 0, of: { worker: 0, coordinator: 0, redis: 0 } }
    const lanes = Array.from({ length: LANES }, (_, lane) => killJobs(t, createRandom(seed + lane), rounds))
    const jobs = (await Promise.all(lanes)).reduce((sum, count) => sum + count)
    t.diagnostic(`${rounds.done} kills of a living process in ${jobs} backfills: ${JSON.stringify(rounds.of)}`)
    assert.ok(rounds.done >= ROUNDS)
  },
)

const COMMAND = ['backfill', 'events', 'in', '--shard-size', '32KiB']

/** By how often they are killed. */
const VICTIMS = ['redis', 'coordinator', 'coordinator', 'worker', 'worker'] as const

type Victim = (typeof VICTIMS)[number]

interface Rounds {
  done: number
  readonly of: { [victim in Victim]: number }
}

async function killJobs(t: TestContext, random: Random, rounds: Rounds): Promise<number> {
  let jobs = 0
  while (rounds.done < ROUNDS) {
    await killJob(t, random, rounds)
    jobs++
  }
  return jobs
}

/** One backfill, from its start to its verified end. A round is a process that was alive when it was killed. */
async function killJob(t: TestContext, random: Random, rounds: Rounds): Promise<void> {
  const redis = await openRedis(t)
  const s3 = await startS3Server({ buckets: [BUCKET] })
  t.after(() => s3.close())
  const workspace = await openWorkspace(t)
  await writeArchives(workspace)
  const env = {
    ...s3Environment(s3),
    SLUICE_QUEUE: `${redis.url}?lock=1s&patience=1m`,
    SLUICE_QUEUE_KEY: KEY,
  }
  const startWorker = (): RunningCommand => workspace.start(['worker', '--concurrency', '2'], { env })
  const startCoordinator = (): RunningCommand => workspace.start(COMMAND, { env })
  const workers = Array.from({ length: WORKERS }, startWorker)
  let coordinator = startCoordinator()
  let kills = 0
  let last: Victim | undefined
  for (;;) {
    const isEnough = kills >= MAX_KILLS || rounds.done >= ROUNDS
    const moment = isEnough ? new Promise<undefined>(() => {}) : sleep(300 + random.below(1500), undefined)
    const ended = await Promise.race([coordinator.ended, moment])
    await assertCommitted(workspace, s3)
    if (ended !== undefined) {
      if (ended.code === 0) break
      // A worker that died too often fails its shard; the same command tries it again.
      assert.match(ended.stderr, /WORKER_LOST|SHARDS_FAILED/, ended.stderr)
      coordinator = startCoordinator()
      continue
    }
    kills++
    rounds.done++
    const spared = VICTIMS.filter((victim) => rounds.of[victim] === 0)
    const victims = spared.length > 0 ? spared : VICTIMS
    last = victims[random.below(victims.length)]
    rounds.of[last]++
    if (last === 'redis') {
      await redis.kill()
      await sleep(random.below(500))
      await redis.start()
    } else if (last === 'coordinator') {
      coordinator.kill('SIGKILL')
      await coordinator.ended
      await assertCommitted(workspace, s3)
      coordinator = startCoordinator()
    } else {
      const at = random.below(WORKERS)
      workers[at]?.kill('SIGKILL')
      await workers[at]?.ended
      workers[at] = startWorker()
    }
  }
  for (const worker of workers) worker.kill('SIGTERM')
  await Promise.all(workers.map(({ ended }) => ended))
  await verify(workspace, s3)
  // What it had staged is removed by the next start, if it died after the coordinator had looked.
  if (last === 'worker') await workspace.report(COMMAND, { env })
  // This store is not Amazon's: uploads of a visible object stay, see `discardUpload`.
  const left = s3.uploadKeys(BUCKET).filter((key) => !s3.objects(BUCKET).has(key))
  assert.deepEqual(left, [], 'uploads of dead workers are left')
  await redis.close()
}

function line(id: number): string {
  const at = new Date(Date.UTC(2026, 0, 1) + id * 60_000).toISOString()
  return `${JSON.stringify({ id, at, kind: KINDS[id % KINDS.length], pad: 'x'.repeat(40) })}\n`
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, at) => line(from + at)).join('')
}

/** Archives that overlap, so that shards are in conflict. */
async function writeArchives(workspace: Workspace): Promise<void> {
  await workspace.write('pipelines/events.yaml', PIPELINE)
  await workspace.write('in/a.ndjson', lines(0, 1500))
  await workspace.write('in/b.ndjson.gz', gzipSync(lines(1000, 2200)))
  await workspace.write('in/c.ndjson', lines(2000, 3500))
  await workspace.write('in/d.ndjson.gz', gzipSync(lines(3000, COUNT)))
  await workspace.write('in/e.ndjson.gz', gzipSync(lines(0, 600)))
}

/** Every visible object is committed: listed first, then compared with the state. */
async function assertCommitted(workspace: Workspace, s3: S3Server): Promise<void> {
  const visible = [...s3.objects(BUCKET).keys()]
  if (visible.length === 0) return
  const keys = await readState(workspace.path('.sluice/events'), (state) => state.sinkObjects(0))
  const committed = new Set(keys.map(({ key }) => key))
  const unknown = visible.filter((key) => !committed.has(key))
  assert.deepEqual(unknown, [], 'objects are visible that are not committed')
}

/** Compares the objects with the archives, without code of Sluice. */
async function verify(workspace: Workspace, s3: S3Server): Promise<void> {
  const folder = workspace.path('dump')
  for (const [key, { body }] of s3.objects(BUCKET)) {
    await mkdir(dirname(join(folder, key)), { recursive: true })
    await writeFile(join(folder, key), body)
  }
  const all = Array.from({ length: COUNT }, (_, id) => id)
  const expected = await workspace.write('expected', all.join('\n'))
  const dropped = await workspace.write('dropped', all.filter((id) => KINDS[id % KINDS.length] === 'noise').join('\n'))
  const lists = ['--objects', join(folder, 'objects'), '--expected', expected, '--dropped', dropped]
  const { code, stdout } = await runVerifier(lists)
  assert.equal(code, 0, stdout)
}
