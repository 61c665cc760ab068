import assert from 'node:assert/strict'
import { readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test, type TestContext } from 'node:test'
import type { Report } from '../../../src/observe/report.ts'
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3'
import { startS3Server, type S3Server } from '../../servers/s3.ts'
import { openWorkspace, s3Environment, type Workspace } from '../../support/command.ts'

const EVENTS = 30

interface Job {
  readonly server: S3Server
  readonly workspace: Workspace
  readonly env: { readonly [name: string]: string }
  /** Runs the pipeline. Returns its exit status, report and standard error. */
  readonly run: (bucket: string, ...more: string[]) => Promise<{ code: number | null; report: Report; stderr: string }>
  readonly redirect: (
    bucket: string,
    ...more: string[]
  ) => Promise<{ code: number | null; stdout: string; stderr: string }>
}

/** Events in three key partitions, and a line that does not parse. */
async function openJob(t: TestContext, buckets: readonly string[] = ['audit'], more = ''): Promise<Job> {
  const server = await startS3Server({ buckets })
  t.after(() => server.close())
  const workspace = await openWorkspace(t)
  const lines = Array.from({ length: EVENTS }, (_, id) => `{"id":${id},"third":${id % 3}}\n`)
  await workspace.write('in.ndjson', `${lines.join('')}broken\n`)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: "\${env:INPUT}" }
transforms: [{ type: dedup, key: id }]
sink: { type: s3, bucket: "\${env:BUCKET}", forcePathStyle: true, key: 'events/{record.third}' }
${more}`,
  )
  const environment = s3Environment(server)
  const env = (bucket: string) => ({ ...environment, BUCKET: bucket, INPUT: 'in.ndjson' })
  return {
    server,
    workspace,
    env: environment,
    async run(bucket, ...args) {
      const path = workspace.path('report.json')
      const { code, stderr } = await workspace.sluice(['run', 'p', '--report', path, ...args], { env: env(bucket) })
      const report: Report = JSON.parse(await readFile(path, 'utf8'))
      return { code, report, stderr }
    },
    redirect: (bucket, ...args) =>
      // Without the variables of the source: a redirect does not need them.
      workspace.sluice(['state', 'redirect', 'p', ...args], { env: { ...environment, BUCKET: bucket } }),
  }
}

/** A run whose objects wait: the store takes the first request, and then refuses each put. */
async function openWaiting(t: TestContext, more = ''): Promise<Job> {
  const job = await openJob(t, ['adit', 'audit'], more)
  const refusal = job.server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
  const { code, report } = await job.run('adit')
  assert.equal(code, 4)
  assert.deepEqual([report.written, report.unpublished.objects], [EVENTS, 3])
  refusal.remove()
  return job
}

function fileSink(path: string): string[] {
  return ['--set', `sink={ type: file, path: ${path} }`]
}

function count(server: S3Server, bucket: string): number {
  return server.objects(bucket).size
}

describe('the first run', () => {
  test('with a wrong bucket commits nothing, and works once the bucket is corrected', async (t) => {
    const { server, workspace, run } = await openJob(t)
    const wrong = await run('adit')
    assert.equal(wrong.code, 4)
    assert.match(wrong.stderr, /SINK_REFUSED: .*bucket adit: NoSuchBucket.*create the bucket, or correct `bucket`/)
    assert.deepEqual([wrong.report.written, wrong.report.objects, wrong.report.unpublished.objects], [0, [], 0])
    assert.match((await workspace.sluice(['state', 'show', 'p'])).stdout, /0 published, 0 waiting/)
    const right = await run('audit')
    assert.equal(right.code, 0, right.stderr)
    assert.deepEqual([right.report.written, count(server, 'audit')], [EVENTS, 3])
  })

  test('finds a wrong bucket of `rejects` too', async (t) => {
    const { run } = await openJob(t, ['audit'], 'rejects: { type: s3, bucket: adit, forcePathStyle: true }\n')
    const { code, report, stderr } = await run('audit')
    assert.equal(code, 4)
    assert.match(stderr, /bucket adit: NoSuchBucket/)
    assert.equal(report.written, 0)
  })

  test('finds a wrong account and a wrong region', async (t) => {
    const { run } = await openJob(t)
    for (const [option, message] of [
      ['sink.expectedBucketOwner="999999999999"', /AccessDenied/],
      ['sink.region=eu-west-3', /set `region`/],
    ] as const) {
      const { code, report, stderr } = await run('audit', '--set', option)
      assert.equal(code, 4)
      assert.match(stderr, message)
      assert.equal(report.written, 0)
    }
    assert.equal((await run('audit')).report.written, EVENTS)
  })

  test('with a file in the place of the folder commits nothing', async (t) => {
    const { workspace, run } = await openJob(t)
    await workspace.write('out', 'a file')
    const set = fileSink('out/events')
    const wrong = await run('audit', ...set)
    assert.equal(wrong.code, 4)
    assert.match(wrong.stderr, /SINK_REFUSED: .*out is not a folder/)
    assert.equal(wrong.report.written, 0)
    await rm(workspace.path('out'))
    assert.equal((await run('audit', ...set)).report.written, EVENTS)
  })

  test('needs no right to abort uploads', async (t) => {
    const { server, run } = await openJob(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'AbortMultipartUpload', times: 100 })
    assert.equal((await run('audit')).code, 0)
  })

  test('is the only one that tries the sink, until the destination changes', async (t) => {
    const { server, workspace, run } = await openJob(t, ['audit', 'other'])
    await run('audit')
    const tries = server.count('CreateMultipartUpload')
    assert.equal(tries, 1)
    await workspace.write('in.ndjson', '{"id":100,"third":0}\n')
    await run('audit')
    assert.equal(server.count('CreateMultipartUpload'), tries)
    await workspace.write('in.ndjson', '{"id":101,"third":0}\n')
    await run('other')
    assert.equal(server.count('CreateMultipartUpload'), tries + 1)
  })
})

describe('objects that wait for a store that refuses', () => {
  test('are counted in the error, the summary and the report', async (t) => {
    const { server, run } = await openJob(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
    const { code, report, stderr } = await run('audit')
    assert.equal(code, 4)
    assert.match(stderr, /written +30 {2}records committed, 0 of 3 objects published/)
    assert.match(stderr, /waiting +30 {2}records in 3 objects in the outbox, not published/)
    assert.match(stderr, /SINK_REFUSED: .*; 3 committed objects with 30 records wait in the outbox/)
    assert.match(stderr, /correct the cause and start again.*sluice state redirect p.*sluice state reset p --force/)
    assert.deepEqual(
      report.objects.map(({ published }) => published),
      [false, false, false],
    )
    server.faults.clear()
    const next = await run('audit')
    assert.equal(next.code, 0)
    assert.deepEqual(next.report.unpublished, { objects: 0, records: 0, bytes: 0 })
  })

  test('stay with their bucket when the file names another one, and the error offers a redirect', async (t) => {
    const { server, run } = await openWaiting(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
    const { code, stderr } = await run('audit')
    assert.equal(code, 4, stderr)
    assert.match(stderr, /committed for s3:\/\/adit at \S+, and the pipeline file now names s3:\/\/audit at \S+: /)
    assert.match(stderr, /sluice state redirect p/)
  })

  test('are redirected after a question, and keep their dedup keys', async (t) => {
    const { server, workspace, env, run, redirect } = await openWaiting(t)
    const asked = await redirect('audit')
    assert.equal(asked.code, 2)
    assert.match(asked.stderr, /s3:\/\/adit at \S+ -> s3:\/\/audit at \S+: 3 objects, 30 records, \d+ B\n/)
    assert.match(asked.stderr, /nothing was changed\n +confirm with --yes/)
    assert.match((await workspace.sluice(['state', 'show', 'p'])).stdout, /0 published, 3 waiting/)

    const { code, stdout, stderr } = await redirect('audit', '--yes')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /3 objects redirected/)
    assert.equal((await workspace.sluice(['state', 'rewind', 'p'])).code, 0)
    const { report } = await run('audit')
    assert.deepEqual([report.read, report.written, report.unpublished.objects], [EVENTS + 1, 0, 0])
    assert.deepEqual([count(server, 'adit'), count(server, 'audit')], [0, 3])
    const verified = await workspace.sluice(['verify', 'p'], { env: { ...env, BUCKET: 'audit' } })
    assert.equal(verified.code, 0, verified.stdout)
    const shown = await workspace.sluice(['state', 'show', 'p'])
    assert.match(shown.stdout, /changed +\S+Z redirect: 3 objects \(\d+ B\) from s3:\/\/adit at \S+ to s3:\/\/audit at/)
    assert.match((await redirect('audit', '--yes')).stdout, /nothing to redirect/)
  })

  test('are redirected with the copies of rejects, which need a `rejects` sink', async (t) => {
    const { server, workspace, run, redirect } = await openJob(
      t,
      ['adit', 'audit'],
      'rejects: { type: s3, bucket: "${env:BUCKET}", forcePathStyle: true, key: rejects }\n',
    )
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
    assert.equal((await run('adit')).report.unpublished.objects, 4)
    server.faults.clear()
    const path = workspace.path('pipelines', 'p.yaml')
    const pipeline = await readFile(path, 'utf8')
    await writeFile(path, pipeline.replace(/^rejects:.*$/m, ''))
    const without = await redirect('audit', '--yes')
    assert.equal(without.code, 2)
    assert.match(without.stderr, /waits for the sink `rejects`, which the pipeline no longer has\n +add `rejects`/)
    await writeFile(path, pipeline)
    const { code, stdout, stderr } = await redirect('audit', '--yes')
    assert.equal(code, 0, stderr)
    assert.match(stdout, /4 objects redirected/)
    assert.equal((await run('audit')).code, 0)
    assert.deepEqual([count(server, 'adit'), count(server, 'audit')], [0, 4])
  })

  test('are redirected to a sink of another type', async (t) => {
    const { workspace, run, redirect } = await openWaiting(t)
    const set = fileSink('out')
    const refused = await run('audit', ...set)
    assert.match(refused.stderr, /STATE_MISMATCH: .*no longer has such a sink\n.*sluice state redirect p/)
    const { code, stderr } = await redirect('audit', '--yes', ...set)
    assert.equal(code, 0, stderr)
    assert.equal((await run('audit', ...set)).code, 0)
    assert.equal((await readdir(workspace.path('out', 'events'))).length, 3)
  })

  test('are not redirected to a destination that does not work', async (t) => {
    const { redirect } = await openWaiting(t)
    const { code, stderr } = await redirect('awdit', '--yes')
    assert.equal(code, 4)
    assert.match(stderr, /SINK_REFUSED: the new destination does not work: .*bucket awdit: NoSuchBucket/)
    assert.match((await redirect('audit')).stderr, /s3:\/\/adit at \S+ -> s3:\/\/audit/)
  })

  test('count as published where they are, if the old place has them after all', async (t) => {
    const { server, workspace, run, redirect, env } = await openWaiting(t)
    const { stdout } = await workspace.sluice(['state', 'show', 'p', '--json'])
    const shown: { unpublished: { key: string }[] } = JSON.parse(stdout)
    const [lost] = shown.unpublished
    // A put whose answer was lost: the object is there, and the state does not know.
    const outbox = workspace.path('.sluice', 'p', 'outbox')
    const [file] = (await readdir(outbox)).toSorted()
    const bytes = await readFile(`${outbox}/${file}`)
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    const client = new S3Client({
      endpoint,
      region,
      forcePathStyle: true,
      credentials: { accessKeyId, secretAccessKey },
    })
    t.after(() => client.destroy())
    await client.send(new PutObjectCommand({ Bucket: 'adit', Key: lost.key, Body: bytes }))
    const redirected = await redirect('audit', '--yes')
    assert.equal(redirected.code, 0, redirected.stderr)
    assert.match(redirected.stderr, /1 object already published at the old place/)
    assert.equal((await run('audit')).code, 0)
    assert.deepEqual([count(server, 'adit'), count(server, 'audit')], [1, 2])
    const verified = await workspace.sluice(['verify', 'p'], { env: { ...env, BUCKET: 'audit' } })
    assert.equal(verified.code, 0, verified.stdout)
  })

  test('do not count as published where an object of their name has another length', async (t) => {
    const { server, workspace, run, redirect, env } = await openWaiting(t)
    const { stdout } = await workspace.sluice(['state', 'show', 'p', '--json'])
    const shown: { unpublished: { key: string }[] } = JSON.parse(stdout)
    const { endpoint, region, accessKeyId, secretAccessKey } = server
    const credentials = { accessKeyId, secretAccessKey }
    const client = new S3Client({ endpoint, region, forcePathStyle: true, credentials })
    t.after(() => client.destroy())
    await client.send(new PutObjectCommand({ Bucket: 'adit', Key: shown.unpublished[0].key, Body: 'a page' }))
    const redirected = await redirect('audit', '--yes')
    assert.match(redirected.stdout, /3 objects redirected/, redirected.stderr)
    assert.equal((await run('audit')).code, 0)
    assert.deepEqual([count(server, 'adit'), count(server, 'audit')], [1, 3])
    const verified = await workspace.sluice(['verify', 'p'], { env: { ...env, BUCKET: 'audit' } })
    assert.equal(verified.code, 0, verified.stdout)
  })

  test('are not redirected while a run is working', async (t) => {
    const { workspace, env, redirect } = await openWaiting(t)
    const running = workspace.start(['run', 'p', '--follow'], { env: { ...env, BUCKET: 'adit', INPUT: 'in.ndjson' } })
    for (;;) {
      const { stdout } = await workspace.sluice(['state', 'show', 'p'])
      if (stdout.includes(`process ${running.pid}\n`)) break
      await sleep(20)
    }
    const { code, stderr } = await redirect('audit', '--yes')
    assert.equal(code, 6)
    assert.match(stderr, /STATE_IN_USE/)
    running.kill('SIGTERM')
    assert.equal((await running.ended).code, 130)
  })

  test('keep their keys when the key template is renamed', async (t) => {
    const { server, workspace, run } = await openWaiting(t)
    await workspace.write('in.ndjson', '{"id":100,"third":0}\n')
    assert.equal((await run('adit', '--set', 'sink.key=renamed')).code, 0)
    const folders = [...server.objects('adit').keys()].map((key) => key.split('/')[0]).toSorted()
    assert.deepEqual(folders, ['events', 'events', 'events', 'renamed'])
  })
})

describe('objects that wait for a folder', () => {
  test('are redirected to another folder', async (t) => {
    const { workspace, run, redirect } = await openJob(t)
    await run('audit', ...fileSink('out'))
    await rm(workspace.path('out'), { recursive: true })
    await writeFile(workspace.path('out'), 'a file')
    await workspace.write('in.ndjson', '{"id":100,"third":0}\n')
    assert.equal((await run('audit', ...fileSink('out'))).code, 4)
    const { code, stderr } = await redirect('audit', '--yes', ...fileSink('new'))
    assert.equal(code, 0, stderr)
    assert.ok(stderr.includes(`${workspace.path('out')} -> ${workspace.path('new')}: 1 object`), stderr)
    assert.equal((await run('audit', ...fileSink('new'))).code, 0)
    assert.equal(
      (await readdir(workspace.path('new'), { recursive: true })).filter((name) => name.endsWith('.gz')).length,
      1,
    )
  })
})
