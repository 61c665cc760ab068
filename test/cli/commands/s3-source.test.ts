import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { startS3Server } from '../../servers/s3.ts'
import type { S3ServerOptions } from '../../servers/s3.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'

const BUCKET = 'logs'
const where = (endpoint: string) => `endpoint: "${endpoint}", region: us-east-1, forcePathStyle: true`

async function open(t: TestContext, options: S3ServerOptions = {}) {
  const server = await startS3Server({ buckets: [BUCKET], ...options })
  t.after(() => server.close())
  const { AWS_ENDPOINT_URL_S3: _, ...credentials } = s3Environment(server)
  const env = { ...credentials, AWS_EC2_METADATA_DISABLED: 'true' }
  return { server, env, workspace: await openWorkspace(t), store: where(server.endpoint) }
}

const rest = `transforms:
  - { type: dedup, key: [id] }
sink: { type: file, path: out, key: all, compression: none }
`
const event = (id: number) => `{"id":${id}}\n`

test('run reads a bucket, and resumes from the state', async (t) => {
  const { server, env, workspace, store } = await open(t)
  await workspace.write('pipelines/p.yaml', `source: { type: s3, path: "s3://${BUCKET}/a/*.gz", ${store} }\n${rest}`)
  for (const id of [1, 2, 3]) server.add(BUCKET, `a/${id}.json.gz`, gzipSync(event(id)))
  assert.equal((await workspace.report(['run', 'p'], { env })).written, 3)
  server.add(BUCKET, 'a/4.json.gz', gzipSync(event(4)))
  const second = await workspace.report(['run', 'p'], { env })
  assert.deepEqual([second.read, second.written], [1, 1])
  const { stdout } = await workspace.sluice(['state', 'show', 'p'], { env })
  assert.match(stdout, /keys up to a\/4\.json\.gz/)
})

test('backfill reads an s3:// path in place of the source, with its store and records', async (t) => {
  const { server, env, workspace, store } = await open(t)
  const source = `source: { type: s3, path: "s3://${BUCKET}/live/", records: Records, ${store} }\n`
  await workspace.write('pipelines/p.yaml', source + rest)
  server.add(BUCKET, 'old/2026/1.json.gz', gzipSync('{"Records":[{"id":1},{"id":2}]}'))
  server.add(BUCKET, 'old/2026/2.ndjson', event(3))
  const plan = await workspace.sluice(['backfill', 'p', `s3://${BUCKET}/old/2026/*.gz`, '--dry-run'], { env })
  assert.match(plan.stdout, /p: would read \d+ B from 1 input, the records at Records; nothing was read or written/)
  assert.equal(
    (await workspace.report(['backfill', 'p', `s3://${BUCKET}/old/2026/*.gz`, '--workers', '1'], { env })).written,
    2,
  )
  const other = ['backfill', 'p', `s3://${BUCKET}/old/2026/*.ndjson`, '--records', '$', '--workers', '1']
  assert.equal((await workspace.report(other, { env })).written, 1)
  const preview = await workspace.sluice(['preview', 'p', `s3://${BUCKET}/old/2026/1.json.gz`], { env })
  assert.match(preview.stdout, /"?id"?: 1/)
})

test('a second backfill reads keys that came late at once, with one worker and with two', async (t) => {
  const { server, env, workspace, store } = await open(t)
  await workspace.write('pipelines/p.yaml', `source: { type: s3, path: "s3://${BUCKET}/live/", ${store} }\n${rest}`)
  server.add(BUCKET, 'old/2.ndjson', event(2))
  const run = (workers: string) =>
    workspace.report(['backfill', 'p', `s3://${BUCKET}/old/`, '--workers', workers], { env })
  assert.equal((await run('1')).written, 1)
  server.add(BUCKET, 'old/1.ndjson', event(1))
  assert.equal((await run('1')).written, 1)
  server.add(BUCKET, 'old/0.ndjson', event(0))
  assert.equal((await run('2')).written, 1)
  assert.equal((await run('1')).read, 0)
})

test('backfill hands the records of a file source on to an s3:// path, and takes the store from --set', async (t) => {
  const { server, env, workspace } = await open(t)
  await workspace.write('pipelines/p.yaml', `source: { type: file, path: absent, records: Records }\n${rest}`)
  server.add(BUCKET, 'a/1.json', '{"Records":[{"id":1}]}')
  const set = [`source.endpoint=${server.endpoint}`, 'source.forcePathStyle=true'].flatMap((one) => ['--set', one])
  const args = ['backfill', 'p', `s3://${BUCKET}/a/`, '--workers', '1', ...set]
  assert.equal((await workspace.report(args, { env })).written, 1)
})

test('each worker of a backfill has many small objects open at once, and requests each once', async (t) => {
  const { server, env, workspace, store } = await open(t)
  await workspace.write('pipelines/p.yaml', `source: { type: s3, path: "s3://${BUCKET}/", ${store} }\n${rest}`)
  const count = 120
  for (let id = 0; id < count; id++) server.add(BUCKET, `in/${1000 + id}.json`, event(id))
  const release = server.faults.hold('GetObject')
  const run = workspace.report(['backfill', 'p', `s3://${BUCKET}/in/`, '--workers', '2', '--shard-size', '2MiB'], {
    env,
  })
  // One worker has at most 16.
  while (server.open('GetObject').now < 32) await setTimeout(5)
  release()
  const { written, shards } = await run
  assert.equal(written, count)
  assert.ok((shards?.planned ?? 0) > 2)
  assert.equal(server.open('GetObject').most, 32)
  assert.equal(server.count('GetObject'), count)
  assert.equal((await workspace.report(['backfill', 'p', `s3://${BUCKET}/in/`, '--workers', '1'], { env })).read, 0)
})

test('files and objects in one command are refused', async (t) => {
  const { env, workspace, store } = await open(t)
  await workspace.write('pipelines/p.yaml', `source: { type: s3, path: "s3://${BUCKET}/a/", ${store} }\n${rest}`)
  const { code, stderr } = await workspace.sluice(['backfill', 'p', 'a.ndjson', `s3://${BUCKET}/a/`], { env })
  assert.equal(code, 2)
  assert.match(stderr, /"a.ndjson" is a file, and "s3:\/\/logs\/a\/" is in a bucket/)
})

test('check --connect tries the rights to list and to read, and says which one is missing', async (t) => {
  for (const [options, expected] of [
    [
      {},
      [
        /s3:ListBucket in logs below a\/.*allowed/,
        /s3:GetObject in logs below a\/.*allowed \(the first byte of a\/1\.json was read\)/,
      ],
    ],
    [{ denyList: true }, [/s3:ListBucket in logs below a\/.*AccessDenied.*the credentials need s3:ListBucket/]],
    [
      { denyRead: true },
      [
        /s3:ListBucket in logs below a\/.*allowed/,
        /s3:GetObject in logs below a\/.*AccessDenied.*the credentials need s3:GetObject/,
      ],
    ],
  ] as const) {
    const { server, env, workspace, store } = await open(t, options)
    await workspace.write('pipelines/p.yaml', `source: { type: s3, path: "s3://${BUCKET}/a/", ${store} }\n${rest}`)
    server.add(BUCKET, 'a/1.json', event(1))
    const { stdout, stderr } = await workspace.sluice(['check', 'p', '--connect'], { env })
    for (const line of expected) assert.match((stdout + stderr).replaceAll(/\s+/g, ' '), line)
  }
})

test('secrets of the store are neither in the state nor in the log', async (t) => {
  const arn = 'arn:aws:iam::111122223333:role/reader'
  const { server, env, workspace, store } = await open(t, { role: { arn, externalId: 'external-id-secret' } })
  const role = `assumeRole: { arn: "${arn}", externalId: external-id-secret }`
  await workspace.write('pipelines/p.yaml', `source: { type: s3, path: "s3://${BUCKET}/", ${role}, ${store} }\n${rest}`)
  server.add(BUCKET, 'a/1.json', event(1))
  server.add(BUCKET, 'a/2.json', event(2), { storageClass: 'GLACIER' })
  const all = { ...env, AWS_ENDPOINT_URL_STS: server.endpoint }
  const run = await workspace.sluice(['run', 'p', '--keep-going'], { env: all })
  assert.equal(run.code, 3)
  const shown = await workspace.sluice(['state', 'show', 'p', '--json'], { env: all })
  for (const text of [run.stdout, run.stderr, shown.stdout]) {
    assert.ok(!text.includes(server.secretAccessKey) && !text.includes('external-id-secret'), text)
  }
  assert.match(run.stderr, /s3:\/\/logs\/a\/2\.json/)
})

const mistakes: [string, RegExp][] = [
  ['path: logs/a/', /"logs\/a\/" is not an s3:\/\/ path/],
  ['path: "s3://*/a/"', /has wildcards in the name of the bucket/],
  ['path: ["s3://a/x", "s3://b/x"]', /"s3:\/\/b\/x" is in another bucket than the first path/],
  ['path: "s3://a/{MM}/"', /has a date without \{yyyy\}/],
  ['path: "s3://a/{year}/"', /which is no pattern/],
  ['path: "s3://a/", versionId: x', /`versionId` needs the key of one object/],
  ['path: "s3://a/", since: 2026-03-01, until: 2026-02-01', /until must be after since/],
  ['path: "s3://a/", since: yesterday', /is not a (time|duration)/],
  ['path: "s3://a/", lookBack: 1m, lookBackEvery: 1h', /lookBackEvery must be more than 0, and at most lookBack/],
  ['path: "s3://a/", endpoint: "http://example.com"', /is not https/],
]
test('check finds mistakes in the source, each with the way out', async (t) => {
  const workspace = await openWorkspace(t)
  for (const [config, message] of mistakes) {
    await workspace.write('pipelines/p.yaml', `source: { type: s3, ${config} }\n${rest}`)
    const { code, stdout, stderr } = await workspace.sluice(['check', 'p'])
    assert.equal(code, 2, config)
    assert.match(stdout + stderr, message)
  }
  await workspace.write('pipelines/p.yaml', `source: { type: file, path: "s3://a/b" }\n${rest}`)
  const { stdout, stderr } = await workspace.sluice(['check', 'p'])
  assert.match(stdout + stderr, /write type: s3, and the same path/)
})
