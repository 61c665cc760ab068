/* The policies that `sluice describe s3 --iam` prints, compared with what Sluice sends. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { RIGHT_OF, SINK_PURPOSES, SOURCE_PURPOSES } from '../../src/inspect/iam/rights.ts'
import { startConnectProxy } from '../servers/proxy.ts'
import { NO_REDIS } from '../servers/redis.ts'
import { startS3Server } from '../servers/s3.ts'
import type { RequestRecord, S3ServerOptions } from '../servers/s3.ts'
import { openWorkspace, s3Environment } from '../support/command.ts'
import { asksOf, Evaluator } from '../support/iam.ts'
import type { Policy } from '../support/iam.ts'
import { REPOSITORY } from '../support/paths.ts'
import { KEY, openRedis } from './queue/support.ts'

const ROLE = 'arn:aws:iam::111122223333:role/writer'
/** Keys of objects, and not of the probe. */
const RECORDS = /day=(?!.*_sluice-probe)/
const WORKER = { accessKeyId: 'AKIAWORKERWORKERWORK', secretAccessKey: 'test/worker+key' }

/** A store that decides by policies, once there are some. */
async function openStore(t: TestContext, options: S3ServerOptions) {
  const policies: { of?: (request: RequestRecord) => Evaluator } = {}
  const refused: string[] = []
  const server = await startS3Server({
    buckets: ['logs', 'audit'],
    ...options,
    authorize: (request) => {
      const { of } = policies
      if (of === undefined) return true
      const missing = asksOf(request).filter((ask) => !of(request).allows(ask))
      refused.push(...missing.map(({ action, resource, prefix = '' }) => `${action} ${resource} ${prefix}`))
      return missing.length === 0
    },
  })
  t.after(() => server.close())
  return { server, policies, refused, workspace: await openWorkspace(t) }
}

/** Objects of more than one part, and of more than one range. */
function events(from: number, count: number): string {
  return Array.from(
    { length: count },
    (_, at) => `{"id":${from + at},"day":"d${at % 2}","x":"${'x'.repeat(1000)}"}\n`,
  ).join('')
}

function policiesIn(stdout: string): Policy[] {
  const parts = stdout.split(/^(?=\{)/m)
  return parts.map((part) => {
    const policy: Policy = JSON.parse(part)
    return policy
  })
}

test('the table of rights knows each operation that the source code sends, and no other', async () => {
  const sent = new Set<string>()
  for (const folder of ['src/s3', 'src/sinks', 'src/sources']) {
    for (const name of await readdir(join(REPOSITORY, folder), { recursive: true })) {
      if (!name.endsWith('.ts')) continue
      const text = await readFile(join(REPOSITORY, folder, name), 'utf8')
      for (const [, operation = ''] of text.matchAll(/new (\w+)Command\(/g)) sent.add(operation)
      for (const [, operation = ''] of text.matchAll(/\bpaginate(\w+)\(/g)) sent.add(operation)
    }
  }
  // `Upload` of the SDK sends these, too.
  for (const name of ['PutObject', 'CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload']) sent.add(name)
  assert.deepEqual([...sent].toSorted(), Object.keys(RIGHT_OF).toSorted())
  const listed = new Set([...SINK_PURPOSES, ...SOURCE_PURPOSES].flatMap(({ operations }) => operations))
  assert.deepEqual([...listed].toSorted(), Object.keys(RIGHT_OF).toSorted())
})

test(
  'on Amazon S3, a pipeline runs with the printed policies, and uses all of them',
  { timeout: 120_000 },
  async (t) => {
    const proxy = await startConnectProxy(t)
    const { server, policies, refused, workspace } = await openStore(t, {
      role: { arn: ROLE },
      versioned: true,
      lifecycle: [{ prefix: '', days: 7 }],
    })
    const role = `assumeRole: { arn: '${ROLE}' }, allowInsecure: true, forcePathStyle: true, compression: none`
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: s3, path: 's3://logs/in/', allowInsecure: true, forcePathStyle: true }
transforms: [{ type: dedup, key: id }]
sink: { type: s3, bucket: audit, key: 'out/day={record.day}', partSize: 5MiB, ${role}, tags: { team: security }, acl: bucket-owner-full-control }
rejects: { type: s3, bucket: audit, key: bad, ${role} }
`,
    )
    const amazon = server.endpoint.replace('127.0.0.1', 's3.us-east-1.amazonaws.com')
    const env = {
      ...s3Environment(server),
      AWS_ENDPOINT_URL_S3: amazon,
      AWS_ENDPOINT_URL_STS: server.endpoint,
      HTTP_PROXY: proxy.url,
      NO_PROXY: '127.0.0.1',
    }
    const printed = await workspace.sluice(['describe', 's3', '--iam', 'p'], { env })
    assert.equal(printed.code, 0, printed.stderr)
    const [own, writer] = policiesIn(printed.stdout).map((policy) => new Evaluator(policy))
    assert.ok(own && writer)
    policies.of = ({ accessKeyId }) => (accessKeyId === server.accessKeyId ? own : writer)

    const check = await workspace.sluice(['check', 'p', '--connect'], { env })
    assert.doesNotMatch(check.stdout + check.stderr, /AccessDenied/)
    server.add('logs', 'in/1.ndjson', `${events(0, 12_000)}broken\n`)
    server.faults.add({ kind: 'reset', at: 'response', operation: 'CreateMultipartUpload', key: /^out/ })
    // The rest of an object is read from the version that was begun.
    server.faults.add({ kind: 'reset', at: 'body', operation: 'GetObject' })
    const report = await workspace.report(['run', 'p'], { env })
    assert.deepEqual([report.written, report.rejected], [12_000, 1])
    server.add('logs', 'in/2.ndjson', events(20_000, 10))
    // The outcome of a put is unknown, so the store is asked.
    server.faults.add({ kind: 'reset', at: 'response', operation: 'PutObject', key: /^out/, times: 20 })
    assert.equal((await workspace.report(['run', 'p'], { env })).written, 10)
    const verified = await workspace.sluice(['verify', 'p'], { env })
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)

    assert.deepEqual(refused, [])
    assert.ok(own.allows({ action: 'sts:AssumeRole', resource: ROLE }))
    assert.ok(server.count('AssumeRole') > 0)
    assert.deepEqual([own.unused, writer.unused], [[], []])
    assert.ok(proxy.tunnels.some((tunnel) => tunnel.includes('amazonaws.com')))

    for (const [use, args] of [
      ['verify', ['verify', 'p']],
      ['write', ['check', 'p', '--connect']],
    ] as const) {
      const of = await workspace.sluice(['describe', 's3', '--iam', 'p', '--for', use], { env })
      const all = policiesIn(of.stdout).map((policy) => new Evaluator(policy))
      const [ownLess, writerLess] = use === 'verify' ? [undefined, all[1]] : all
      policies.of = ({ accessKeyId }) => (accessKeyId === server.accessKeyId ? ownLess : writerLess) ?? own
      const ended = await workspace.sluice(args, { env })
      assert.equal(ended.code, 0, ended.stderr)
    }
  },
)

test(
  'on another store, a coordinator and a worker run with the policies that are printed for each',
  { skip: NO_REDIS, timeout: 120_000 },
  async (t) => {
    const redis = await openRedis(t)
    const { server, policies, refused, workspace } = await openStore(t, {
      otherKeys: [WORKER],
      versioned: true,
      ignoreConditions: true,
    })
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: s3, path: 's3://logs/in/', forcePathStyle: true }
transforms: [{ type: dedup, key: id }]
sink: { type: s3, bucket: audit, key: 'a*/day={record.day}', forcePathStyle: true, compression: none, partSize: 5MiB }
`,
    )
    const queue = { SLUICE_QUEUE: `${redis.url}?lock=2s`, SLUICE_QUEUE_KEY: KEY }
    const env = { ...s3Environment(server), ...queue }
    const workerEnv = { ...env, AWS_ACCESS_KEY_ID: WORKER.accessKeyId, AWS_SECRET_ACCESS_KEY: WORKER.secretAccessKey }
    const evaluatorFor = async (use: string): Promise<Evaluator> => {
      const args = ['describe', 's3', '--iam', 'p', '--for', use, '--backfill', 's3://logs/old/']
      const [policy] = policiesIn((await workspace.sluice(args, { env })).stdout)
      assert.ok(policy)
      return new Evaluator(policy)
    }
    const [coordinator, worker] = [await evaluatorFor('coordinator'), await evaluatorFor('worker')]
    policies.of = ({ accessKeyId }) => (accessKeyId === WORKER.accessKeyId ? worker : coordinator)

    server.add('logs', 'in/1.ndjson', `${events(0, 12_000)}{"id":-1,"day":"small"}\n`)
    // A check that is killed leaves an upload, which the backfill finds.
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'AbortMultipartUpload' })
    assert.equal((await workspace.sluice(['check', 'p', '--connect'], { env })).code, 4)
    assert.equal((await workspace.sluice(['check', 'p', '--connect'], { env })).code, 0)
    server.faults.add({ kind: 'reset', at: 'body', operation: 'GetObject' })
    server.faults.add({ kind: 'reset', at: 'response', operation: 'CreateMultipartUpload', key: RECORDS })
    assert.equal((await workspace.report(['run', 'p'], { env })).written, 12_001)
    for (const file of [1, 2, 3]) server.add('logs', `old/${file}.ndjson`, events(file * 100_000, 6000))
    const running = workspace.start(['worker', '--concurrency', '1'], { env: workerEnv })
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'UploadPart', key: RECORDS, after: 1 })
    const shards = ['--shard-size', '2MiB']
    const failed = await workspace.sluice(['backfill', 'p', 's3://logs/old/', ...shards], { env })
    assert.equal(failed.code, 4, failed.stderr)
    server.faults.add({ kind: 'reset', at: 'body', operation: 'GetObject' })
    // The upload seems to be gone: the store is asked for its parts.
    const gone = { kind: 'error', code: 'NoSuchUpload', operation: 'CompleteMultipartUpload' } as const
    server.faults.add({ ...gone, key: RECORDS })
    const backfill = await workspace.sluice(['runs', 'retry', 'p'], { env })
    running.kill('SIGTERM')
    await running.ended
    const verified = await workspace.sluice(['verify', 'p'], { env })
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
    assert.deepEqual([refused, backfill.code], [[], 0], backfill.stderr + running.output.stderr)
    assert.ok(server.requests.some(({ accessKeyId }) => accessKeyId === WORKER.accessKeyId))
    assert.deepEqual([coordinator.unused, worker.unused], [[], []])
  },
)
