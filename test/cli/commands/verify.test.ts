import assert from 'node:assert/strict'
import { appendFile, copyFile, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test, type TestContext } from 'node:test'
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { startS3Server, type Fault, type S3Server, type S3ServerOptions } from '../../servers/s3.ts'
import { openWorkspace, s3Environment, type Workspace } from '../../support/command.ts'

interface Verified {
  objects: number
  records: number
  totals: { read: number; written: number; rejected: number }
  waiting: { key: string; records: number }[]
  problems: { kind: string; key?: string; message: string }[]
  notes: string[]
}

/** 60 events in three key partitions, one of them dropped, and a line that does not parse. */
async function writeEvents(workspace: Workspace, sink: string, more = ''): Promise<void> {
  const lines = Array.from({ length: 60 }, (_, id) => `{"id":${id},"third":${id % 3}}\n`)
  await workspace.write('in.ndjson', `${lines.join('')}broken\n`)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }
transforms: [{ type: filter, drop: { id: 59 } }]
sink: { ${sink}, key: 'events/{record.third}' }
${more}`,
  )
}

async function openFolder(t: TestContext): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await writeEvents(workspace, 'type: file, path: out', 'rejects: { type: file, path: refused }\n')
  await workspace.report(['run', 'p'])
  return workspace
}

async function verify(workspace: Workspace, env = {}): Promise<Verified & { code: number | null }> {
  const { code, stdout, stderr } = await workspace.sluice(['verify', 'p', '--json'], { env })
  assert.ok(stdout !== '', stderr)
  const verified: Verified = JSON.parse(stdout)
  assert.equal(code, verified.problems.length === 0 ? 0 : 6)
  assert.equal(stderr.includes('VERIFY_FAILED'), code === 6)
  return { code, ...verified }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted()
}

function clientOf(t: TestContext, server: S3Server): S3Client {
  const { endpoint, region, accessKeyId, secretAccessKey } = server
  const client = new S3Client({
    endpoint,
    region,
    forcePathStyle: true,
    credentials: { accessKeyId, secretAccessKey },
  })
  t.after(() => client.destroy())
  return client
}

describe('sluice verify', () => {
  test('confirms that objects, rejects and totals match', async (t) => {
    const workspace = await openFolder(t)
    const { problems, waiting, notes, ...found } = await verify(workspace)
    assert.deepEqual([problems, waiting, notes], [[], [], []])
    assert.deepEqual([found.objects, found.records], [4, 60])
    assert.deepEqual([found.totals.read, found.totals.written, found.totals.rejected], [61, 59, 1])
    const { code, stdout } = await workspace.sluice(['verify', 'p'])
    assert.equal(code, 0)
    assert.match(
      stdout,
      /^p: ok\n +ledger +read 61 \+ added 0 = written 59 \+ dropped 1 \+ duplicate 0 \+ rejected 1\n/,
    )
  })

  test('reports missing, altered and foreign objects', async (t) => {
    const workspace = await openFolder(t)
    const [first, second, third] = await filesBelow(workspace.path('out'))
    await rm(first)
    await appendFile(second, ' ')
    const bytes = await readFile(third)
    bytes[bytes.length - 9] ^= 1
    await writeFile(third, bytes)
    const foreign = third.replace(/-00000001-/, '-00000777-')
    await copyFile(third, foreign)
    await copyFile(third, join(workspace.path('out'), 'events', 'somebody-elses.ndjson.gz'))
    const { problems } = await verify(workspace)
    assert.deepEqual(
      problems.map(({ kind, key = '' }) => [kind, basename(key)]),
      [
        ['missing', basename(first)],
        ['altered', basename(second)],
        ['altered', basename(third)],
        ['foreign', basename(foreign)],
      ],
    )
    assert.match(problems[0].message, /^not found \(20 records\)$/)
    const { stdout } = await workspace.sluice(['verify', 'p'])
    assert.match(
      stdout,
      /^p: FAILED with 4 problems\n[^]*  missing     events\/0\/p-[^\n]*: not found \(20 records\)\n/,
    )
  })

  test('reports objects that are committed but not published when no run is working on them', async (t) => {
    const workspace = await openWorkspace(t)
    await writeEvents(workspace, 'type: file, path: out')
    await workspace.report(['run', 'p'])
    await rm(workspace.path('out'), { recursive: true })
    await writeFile(workspace.path('out'), 'a file where the folder should be')
    await appendFile(workspace.path('in.ndjson'), '{"id":100,"third":0}\n{"id":101,"third":1}\n')
    assert.equal((await workspace.sluice(['run', 'p'])).code, 4)
    const { waiting, problems } = await verify(workspace)
    assert.deepEqual(
      waiting.map(({ records }) => records),
      [1, 1],
    )
    const stuck = problems.filter(({ kind }) => kind === 'unpublished')
    assert.deepEqual(
      stuck.map(({ key }) => key),
      waiting.map(({ key }) => key),
    )
    assert.match(stuck[0].message, /1 record committed, not published; start the pipeline/)
    const [file] = await filesBelow(workspace.path('.sluice', 'p', 'outbox'))
    await rm(file)
    const lost = (await verify(workspace)).problems.filter(({ kind }) => kind === 'unpublished')
    assert.ok(
      lost.some(({ message }) => message.endsWith(`and its file ${file} is missing`)),
      JSON.stringify(lost),
    )
  })

  test('works during a run, and reports none of its objects as foreign', async (t) => {
    const workspace = await openFolder(t)
    const running = workspace.start(['run', 'p', '--follow', '--set', 'sink.roll.maxAge=50ms'])
    for (let round = 0; round < 2; round++) {
      const before = (await filesBelow(workspace.path('out'))).length
      await appendFile(workspace.path('in.ndjson'), `{"id":${100 + round}}\n`)
      while ((await filesBelow(workspace.path('out'))).length === before) await sleep(20)
      assert.deepEqual((await verify(workspace)).problems, [])
    }
    running.kill('SIGTERM')
    assert.equal((await running.ended).code, 130)
    assert.equal((await verify(workspace)).totals.written, 61)
  })

  test('needs no variable, file or code of the source and the transforms', async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write('in.ndjson', '{"id":1}\n')
    await workspace.write('transforms/tag.ts', 'export default (record) => record\n')
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: file, path: "\${env:INPUT}" }
transforms:
  - { type: ../transforms/tag.ts }
  - { type: redact, rules: [{ path: name, action: hmac, key: "\${env:HMAC_KEY}" }] }
sink: { type: file, path: "\${env:OUT}" }
`,
    )
    const env = { OUT: workspace.path('out') }
    await workspace.report(['run', 'p'], { env: { ...env, INPUT: 'in.ndjson', HMAC_KEY: 'a-key-of-twenty-bytes' } })
    await rm(workspace.path('transforms'), { recursive: true })
    assert.deepEqual((await verify(workspace, env)).problems, [])
    const { code, stderr } = await workspace.sluice(['verify', 'p'])
    assert.equal(code, 2)
    assert.match(stderr, /the environment variable OUT is not set/)
  })

  test('fails without a state, and for a stream sink', async (t) => {
    const workspace = await openWorkspace(t)
    await writeEvents(workspace, 'type: file, path: out')
    const { code, stderr } = await workspace.sluice(['verify', 'p'])
    assert.equal(code, 6)
    assert.match(stderr, /STATE_NOT_FOUND/)
    await workspace.write('pipelines/q.yaml', 'source: { type: file, path: in.ndjson }\nsink: { type: stdout }\n')
    const stream = await workspace.sluice(['verify', 'q'])
    assert.equal(stream.code, 2)
    assert.match(stream.stderr, /UNSUPPORTED: the sink stdout is a stream and has no objects/)
  })
})

describe('sluice verify with an S3 bucket', () => {
  const BUCKET = 'audit'

  async function openBucket(t: TestContext, options: S3ServerOptions = {}, faults: readonly Fault[] = []) {
    const server = await startS3Server({ buckets: [BUCKET], ...options })
    t.after(() => server.close())
    for (const fault of faults) server.faults.add(fault)
    const workspace = await openWorkspace(t)
    await writeEvents(workspace, `type: s3, bucket: ${BUCKET}, forcePathStyle: true`)
    const env = s3Environment(server)
    await workspace.report(['run', 'p'], { env })
    return { server, workspace, env }
  }

  test('finds deleted objects, and objects written by another copy of the state', async (t) => {
    const { server, workspace, env } = await openBucket(t)
    assert.deepEqual((await verify(workspace, env)).problems, [])
    const client = clientOf(t, server)
    const [key] = server.objects(BUCKET).keys()
    const foreign = key.replace(/-00000001-/, '-00000002-')
    await client.send(new DeleteObjectCommand({ Bucket: BUCKET, Key: key }))
    await client.send(new PutObjectCommand({ Bucket: BUCKET, Key: foreign, Body: 'x' }))
    const { problems } = await verify(workspace, env)
    assert.deepEqual(
      problems.map((problem) => [problem.kind, problem.key]),
      [
        ['missing', key],
        ['foreign', foreign],
      ],
    )
  })

  test('finds objects that the store wrongly reported as present, for a writer without HeadObject permission', async (t) => {
    const { server, workspace, env } = await openBucket(t, {}, [
      { kind: 'error', code: 'PreconditionFailed', operation: 'PutObject', times: 100 },
      { kind: 'error', code: 'AccessDenied', operation: 'HeadObject', times: 100 },
    ])
    assert.equal(server.objects(BUCKET).size, 0)
    const { problems } = await verify(workspace, env)
    assert.deepEqual(
      problems.map(({ kind }) => kind),
      ['missing', 'missing', 'missing'],
    )
  })

  test('notes that foreign objects were not searched for without permission to list', async (t) => {
    const { workspace, env } = await openBucket(t, { denyList: true })
    const { problems, notes } = await verify(workspace, env)
    assert.deepEqual(problems, [])
    assert.equal(notes.length, 1)
    assert.match(notes[0], /foreign objects were not searched for: .*AccessDenied/)
  })

  test('goes on after a body that breaks off, a refusal and a wrong hash, and names each key', async (t) => {
    const { server, workspace, env } = await openBucket(t)
    const keys = [...server.objects(BUCKET).keys()].toSorted()
    server.faults.add({ kind: 'reset', at: 'body', operation: 'GetObject', key: keys[0], times: 100 })
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'GetObject', key: keys[1], times: 100 })
    server.faults.add({ kind: 'wrongChecksum', operation: 'GetObject', key: keys[2], times: 100 })
    const { code, problems, objects } = await verify(workspace, env)
    assert.deepEqual([code, objects], [6, 0])
    assert.deepEqual(
      problems.map(({ kind, key }) => [kind, key]),
      [
        ['unreadable', keys[0]],
        ['unreadable', keys[1]],
        ['unreadable', keys[2]],
      ],
    )
  })

  test('reads an object again when its body breaks off once', async (t) => {
    const { server, workspace, env } = await openBucket(t)
    const [key] = server.objects(BUCKET).keys()
    server.faults.add({ kind: 'reset', at: 'body', operation: 'GetObject', key, times: 2 })
    assert.deepEqual((await verify(workspace, env)).problems, [])
  })

  test('reports objects as unreadable without permission to read', async (t) => {
    const { workspace, env } = await openBucket(t, { denyRead: true })
    const { problems, objects } = await verify(workspace, env)
    assert.equal(objects, 0)
    assert.deepEqual(
      problems.map(({ kind }) => kind),
      ['unreadable', 'unreadable', 'unreadable'],
    )
    assert.match(problems[0].message, /AccessDenied/)
  })
})
