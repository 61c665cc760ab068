/* `sluice backfill --queue`, `sluice worker` and `sluice runs` as processes, with a real Redis. */
import assert from 'node:assert/strict'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { gunzipSync, gzipSync } from 'node:zlib'
import { NO_REDIS } from '../../servers/redis.ts'
import type { RedisServer } from '../../servers/redis.ts'
import { startS3Server } from '../../servers/s3.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'
import { KEY, openRedis, until } from './support.ts'

const skip = NO_REDIS
const timeout = 120_000
const COUNT = 3000

const PIPELINE = `
source: { type: file, path: none }
transforms:
  - { type: redact, rules: [{ path: user, action: mask }] }
  - { type: dedup, key: [id, at], time: at }
sink: { type: file, path: out, key: 'kind={record.kind}' }
`

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, at) => {
    const id = from + at
    const time = new Date(Date.UTC(2026, 0, 1) + id * 60_000).toISOString()
    return `${JSON.stringify({ id, at: time, kind: `k${id % 3}`, user: `u${id}@example.com`, pad: 'x'.repeat(60) })}\n`
  }).join('')
}

/** Archives that overlap, plain and compressed. */
async function openArchives(t: TestContext, pipeline = PIPELINE): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/events.yaml', pipeline)
  await workspace.write('in/a.ndjson', lines(0, 1500))
  await workspace.write('in/b.ndjson.gz', gzipSync(lines(1000, 2000)))
  await workspace.write('in/c.ndjson', `${lines(1900, COUNT)}{"id":\n`)
  return workspace
}

function environmentFor(redis: RedisServer): { SLUICE_QUEUE: string; SLUICE_QUEUE_KEY: string } {
  return { SLUICE_QUEUE: `${redis.url}?lock=2s`, SLUICE_QUEUE_KEY: KEY }
}

const BACKFILL = ['backfill', 'events', 'in', '--shard-size', '64KiB']

async function idsIn(folder: string): Promise<number[]> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => /\.ndjson(\.gz)?$/.test(name))
  const texts = await Promise.all(
    names.map(async (name) => {
      const bytes = await readFile(join(folder, name))
      return (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()
    }),
  )
  const records: { id: number; user: string }[] = texts.flatMap((text) =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  )
  assert.ok(records.every(({ user }) => !user.includes('example')))
  return records.map(({ id }) => id).toSorted((one, other) => one - other)
}

const ALL = Array.from({ length: COUNT }, (_, id) => id)

test('workers with 1, 2 and 8 shards at once write what a run without a queue writes', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const workspace = await openArchives(t)
  const env = environmentFor(redis)
  const serial = await workspace.report([...BACKFILL, '--workers', '1', '--set', 'sink.path=out-1', '--state', 's1'])
  assert.deepEqual(await idsIn(workspace.path('out-1')), ALL)
  for (const concurrency of ['1', '2', '8']) {
    const worker = workspace.start(['worker', '--concurrency', concurrency], { env })
    const name = `out-q${concurrency}`
    const report = await workspace.report([...BACKFILL, '--set', `sink.path=${name}`, '--state', `s-q${concurrency}`], {
      env,
    })
    worker.kill('SIGTERM')
    const { code, stderr } = await worker.ended
    assert.equal(code, 0, stderr)
    assert.deepEqual(await idsIn(workspace.path(name)), ALL)
    for (const what of ['read', 'written', 'rejected', 'duplicate'] as const) assert.equal(report[what], serial[what])
    assert.ok((report.shards?.planned ?? 0) > 4)
  }
  const left = (await redis.admin.keys('*')).filter((key) => !/:runs:(id|meta|events|marker)$|:probe:/.test(key))
  assert.deepEqual(left, [])
})

test('objects are staged in S3 and published by the coordinator; no upload is left', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const s3 = await startS3Server({ buckets: ['audit'] })
  t.after(() => s3.close())
  const sink = `sink: { type: s3, bucket: audit, key: 'events/kind={record.kind}' }\n`
  const workspace = await openArchives(t, PIPELINE.replace(/^sink:.*\n/m, sink))
  const env = { ...s3Environment(s3), ...environmentFor(redis) }
  workspace.start(['worker', '--concurrency', '2'], { env })
  const report = await workspace.report(BACKFILL, { env })
  assert.equal(report.written, COUNT)
  const { stdout } = await workspace.sluice(['verify', 'events'], { env })
  assert.match(stdout, /ok|verified/i)
  assert.equal(s3.openUploads('audit'), 0)
})

test('objects are staged at the store of each sink that a route leads to', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const s3 = await startS3Server({ buckets: ['siem', 'audit'] })
  t.after(() => s3.close())
  const sinks = `sinks:
  siem: { type: s3, bucket: siem, key: 'events/kind={record.kind}' }
  audit: { type: s3, bucket: audit, key: events }
routes: [{ when: { kind: k0 }, to: [siem, audit] }]
default: audit
`
  const workspace = await openArchives(t, PIPELINE.replace(/^sink:.*\n/m, sinks))
  const env = { ...s3Environment(s3), ...environmentFor(redis) }
  workspace.start(['worker', '--concurrency', '2'], { env })
  const report = await workspace.report(BACKFILL, { env })
  const thirds = ALL.filter((id) => id % 3 === 0).length
  assert.deepEqual(
    [report.written, report.sinks['siem']?.records, report.sinks['audit']?.records],
    [COUNT, thirds, COUNT],
  )
  const { code, stdout } = await workspace.sluice(['verify', 'events'], { env })
  assert.equal(code, 0, stdout)
  assert.deepEqual([s3.openUploads('siem'), s3.openUploads('audit')], [0, 0])
})

/** The messages of a backfill that its only worker refuses. */
async function refusedBy(workspace: Workspace, redis: RedisServer): Promise<string> {
  const env = { ...environmentFor(redis), SLUICE_QUEUE: `${redis.url}?patience=1s` }
  const { code, stderr } = await workspace.start(BACKFILL, { env }).ended
  assert.equal(code, 8)
  return stderr
}

test(
  'a worker whose configuration differs refuses, and names the reason on both sides',
  { skip, timeout },
  async (t) => {
    const redis = await openRedis(t)
    const workspace = await openArchives(t)
    const other = await openArchives(t, PIPELINE.replace('action: mask', 'action: drop'))
    const env = environmentFor(redis)
    const worker = other.start(['worker'], { env })
    const stderr = await refusedBy(workspace, redis)
    assert.match(
      stderr,
      /the worker \S+ refuses the run: CONFIG_INVALID: the pipeline events is another one in a worker/,
    )
    assert.match(stderr, /sluice: WORKERS_REFUSED: the only worker refuses the run: CONFIG_INVALID: /)
    worker.kill('SIGTERM')
    assert.match((await worker.ended).stderr, /refusing the run \w{8}: CONFIG_INVALID/)
    // With a worker that agrees, the same command finishes what it has begun.
    workspace.start(['worker'], { env })
    const report = await workspace.report(BACKFILL, { env })
    assert.equal(report.written, COUNT)
  },
)

test('a worker with another table refuses, and names the file', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const lookup = '  - { type: lookup, file: ../tables/t.csv, key: kind, by: kind, set: [{ path: team, from: team }] }\n'
  const workspace = await openArchives(t)
  const other = await openArchives(t)
  const pipeline = PIPELINE.replace(/(?=^sink:)/m, lookup).replace('path: out', `path: ${workspace.path('out')}`)
  for (const each of [workspace, other]) await each.write('pipelines/events.yaml', pipeline)
  await workspace.write('tables/t.csv', 'kind,team\nk0,red\nk1,blue\n')
  await other.write('tables/t.csv', 'kind,team\nk0,red\nk1,green\n')
  const env = environmentFor(redis)
  const worker = other.start(['worker'], { env })
  const stderr = await refusedBy(workspace, redis)
  assert.match(stderr, /CONFIG_INVALID: the pipeline events names a file that is another one in a worker: t\.csv/)
  worker.kill('SIGTERM')
  await worker.ended
  workspace.start(['worker'], { env })
  const report = await workspace.report(BACKFILL, { env })
  assert.deepEqual([report.written, report.counts[0]?.counts['found']], [COUNT, (2 * (report.read - 1)) / 3])
})

test('the key must be there, long enough, and the address usable', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const workspace = await openArchives(t)
  const run = async (env: { [name: string]: string }, ...args: string[]) => {
    const { code, stderr } = await workspace.sluice(args.length > 0 ? args : BACKFILL, { env })
    return `${code} ${stderr}`
  }
  const { SLUICE_QUEUE: queue } = environmentFor(redis)
  assert.match(
    await run({ SLUICE_QUEUE: queue }),
    /^2 [^]*QUEUE_KEY_INVALID: SLUICE_QUEUE_KEY is not set[^]*sluice new key SLUICE_QUEUE_KEY/,
  )
  assert.match(await run({ SLUICE_QUEUE: queue, SLUICE_QUEUE_KEY: 'short' }, 'worker'), /^2 [^]*has 5 characters/)
  assert.match(await run({ SLUICE_QUEUE_KEY: KEY }, 'worker'), /^2 [^]*USAGE: there is no queue/)
  const bad = { SLUICE_QUEUE_KEY: KEY, SLUICE_QUEUE: 'http://redis' }
  assert.match(await run(bad, 'worker'), /^2 [^]*the scheme http:\/\/ is not supported/)
  assert.match(
    await run({ ...bad, SLUICE_QUEUE: 'redis://h?prefx=a' }, 'worker'),
    /"prefx" is not a parameter[^]*did you mean "prefix"/,
  )
  const both = [...BACKFILL, '--queue', queue, '--workers', '2']
  assert.match(await run({ SLUICE_QUEUE_KEY: KEY }, ...both), /^2 [^]*--queue and --workers exclude each other/)
  const withPassword = await run({ SLUICE_QUEUE_KEY: KEY }, ...BACKFILL, '--queue', 'redis://:hunter22@127.0.0.1:1')
  assert.match(
    withPassword,
    /^8 [^]*warning: --queue: a secret on the command line[^]*QUEUE_UNAVAILABLE: redis:\/\/127.0.0.1:1 cannot be used: ECONNREFUSED/,
  )
  assert.doesNotMatch(withPassword, /hunter22/)
})

test(
  'a sink that cannot stage, and a transform that must be alone, are refused by name',
  { skip, timeout },
  async (t) => {
    const redis = await openRedis(t)
    const env = environmentFor(redis)
    const workspace = await openArchives(t, PIPELINE.replace(/^sink:.*\n/m, 'sink: { type: stdout }\n'))
    const { code, stderr } = await workspace.sluice(BACKFILL, { env })
    assert.equal(code, 2)
    assert.match(stderr, /UNSUPPORTED: the sink stdout is a stream/)
    await workspace.write('count.ts', `let seen = 0\nexport default (record) => (seen++, record)\n`)
    const alone = PIPELINE.replace('transforms:\n', 'transforms:\n  - { type: ../count.ts }\n')
    await workspace.write('pipelines/events.yaml', alone)
    const second = await workspace.sluice(BACKFILL, { env })
    assert.equal(second.code, 2)
    assert.match(second.stderr, /UNSUPPORTED: the transform \.\.\/count\.ts does not declare `parallel: true`/)
  },
)

test('runs list, show, retry and cancel know the state and the queue', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const workspace = await openArchives(t)
  const env = environmentFor(redis)
  const coordinator = workspace.start(BACKFILL, { env })
  await until(async () => (await redis.admin.keys('*:shard-*')).length >= 4)
  const list = await workspace.sluice(['runs', 'list'], { env })
  assert.match(
    list.stdout,
    /^events {2}0 of \d+ shards .* running, pid \d+\n {2}in the queue: 4 shards waiting, 0 executing, 0 results to commit\nno worker is in the queue\n/,
  )
  const busy = await workspace.sluice(['runs', 'cancel', 'events', '--yes'], { env })
  assert.match(busy.stderr, /STATE_IN_USE/)
  coordinator.kill('SIGTERM')
  assert.equal((await coordinator.ended).code, 130)
  const worker = workspace.start(['worker'], { env })
  await until(async () =>
    /1 results? to commit|[2-9] results to commit/.test(
      (await workspace.sluice(['runs', 'show', 'events'], { env })).stdout,
    ),
  )
  const retried = await workspace.start(['runs', 'retry', 'events'], { env }).ended
  assert.equal(retried.code, 0, retried.stderr)
  assert.deepEqual(await idsIn(workspace.path('out')), ALL)
  assert.match((await workspace.sluice(['runs', 'list'], { env })).stdout, /^no unfinished parallel backfill\nworker /)
  worker.kill('SIGKILL')
  await worker.ended
  const second = workspace.start([...BACKFILL, '--state', 's2', '--set', 'sink.path=out2'], { env })
  await until(async () => (await redis.admin.keys('*:shard-*')).length >= 4)
  second.kill('SIGKILL')
  await second.ended
  const again = await workspace.sluice(['runs', 'retry', 'events', '--state', 's2'], { env })
  assert.match(again.stderr, /USAGE: the backfill was started with --set sink\.path, whose values are not kept/)
  const cancelled = await workspace.sluice(['runs', 'cancel', 'events', '--state', 's2', '--yes'], { env })
  assert.match(
    cancelled.stdout,
    /^events: the backfill is cancelled\nevents: run \w{8} is removed from the queue\n$/,
    cancelled.stderr,
  )
  assert.deepEqual(await redis.admin.keys('*shard-*'), [])
})

test('a worker that is killed while it executes a shard loses nothing', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const workspace = await openArchives(t)
  const env = environmentFor(redis)
  const first = workspace.start(['worker'], { env })
  const running = workspace.start([...BACKFILL], { env })
  await until(async () => (await redis.admin.keys('*:lock')).length > 0)
  first.kill('SIGKILL')
  await first.ended
  workspace.start(['worker', '--concurrency', '2'], { env })
  const { code, stderr } = await running.ended
  assert.equal(code, 0, stderr)
  assert.deepEqual(await idsIn(workspace.path('out')), ALL)
})

test('--alive is touched for a liveness probe', { skip, timeout }, async (t) => {
  const redis = await openRedis(t)
  const workspace = await openArchives(t)
  const env = environmentFor(redis)
  const worker = workspace.start(['worker', '--alive', 'alive', '--json'], { env })
  await until(() =>
    readFile(workspace.path('alive')).then(
      () => true,
      () => false,
    ),
  )
  await writeFile(workspace.path('alive'), 'x')
  worker.kill('SIGTERM')
  const { code, stderr } = await worker.ended
  assert.equal(code, 0)
  assert.match(stderr, /"message":"worker started"/)
})
