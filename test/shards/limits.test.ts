import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { recordsIn } from './support.ts'

async function openJob(t: TestContext, transforms: string): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: none }\n${transforms}sink: { type: file, path: out, key: all }\n`,
  )
  return workspace
}

test('dedup keys of a shard that exceed the memory fail it alone, and more memory continues it', async (t) => {
  const workspace = await openJob(t, 'transforms: [{ type: dedup, key: id, memory: 1MiB }]\n')
  const COUNT = 60_000
  const lines = (from: number) => Array.from({ length: COUNT }, (_, at) => `{"id":${from + at}}\n`).join('')
  await workspace.write('in/a.ndjson.gz', gzipSync(lines(0), { level: 1 }))
  await workspace.write('in/b.ndjson', '{"id":"small"}\n')
  const backfill = ['backfill', 'p', 'in', '--workers', '2', '--shard-size', '1B']
  const first = await workspace.report(backfill, { code: 3 })
  const [failed, ...others] = first.shards?.failed ?? []
  assert.deepEqual([failed?.code, failed?.inputs, others], ['DEDUP_MEMORY', ['in/a.ndjson.gz'], []])
  assert.match(failed?.message ?? '', /the dedup keys of one shard need more than the 1 MiB of dedup.*`memory`/)
  assert.match(failed?.hint ?? '', /sluice runs cancel.*--shard-size/)
  assert.equal(first.written, 1)
  await workspace.write(
    'pipelines/p.yaml',
    'source: { type: file, path: none }\ntransforms: [{ type: dedup, key: id, memory: 64MiB }]\nsink: { type: file, path: out, key: all }\n',
  )
  const second = await workspace.report(backfill)
  assert.equal(second.written, COUNT)
  assert.equal((await recordsIn(workspace.path('out'))).length, COUNT + 1)
})

test('rejects of a shard that exceed a message fail it, and --workers 1 collects them after a cancel', async (t) => {
  const workspace = await openJob(
    t,
    'transforms: [{ type: validate, schema: schema.json }, { type: dedup, key: id }]\n',
  )
  await workspace.write('pipelines/schema.json', '{ "required": ["none"] }')
  // Two of these lines take more memory in a batch than a record of this size needs in the file.
  const pad = 'x'.repeat(1 << 20)
  const bad = Array.from({ length: 140 }, (_, at) => `{"id":${at},"pad":"${pad}"}\n`).join('')
  await workspace.write('in/a.ndjson.gz', gzipSync(bad, { level: 1 }))
  await workspace.write('in/b.ndjson', '{"id":"b","none":1}\n')
  const backfill = ['backfill', 'p', 'in', '--set', 'limits.maxLine=4MiB']
  const first = await workspace.report([...backfill, '--workers', '2', '--shard-size', '1B'], { code: 3 })
  assert.deepEqual(
    first.shards?.failed.map(({ code, inputs }) => ({ code, inputs })),
    [{ code: 'SHARD_TOO_LARGE', inputs: ['in/a.ndjson.gz'] }],
  )
  assert.equal(first.written, 1)
  assert.match(first.shards?.failed[0]?.hint ?? '', /sluice preview.*sluice runs cancel.*--workers 1/)
  const cancelled = await workspace.sluice(['runs', 'cancel', 'p', '--yes', '--set', 'limits.maxLine=4MiB'])
  assert.equal(cancelled.code, 0, cancelled.stderr)
  const second = await workspace.report([...backfill, '--workers', '1'])
  assert.deepEqual([second.written, second.rejected], [0, 140])
})

test('runs cancel of a pipeline without dedup keeps files that are complete, and asks for no --force', async (t) => {
  const workspace = await openJob(t, '')
  await workspace.write('in/a.ndjson', '{"id":1}\n')
  await workspace.write('in/b.json.gz', gzipSync('{"id":2}\n').subarray(0, -4))
  await workspace.write('in/c.ndjson', '{"id":3}\n')
  const backfill = ['backfill', 'p', 'in', '--workers', '2', '--shard-size', '1B', '--no-keep-going']
  await workspace.report(backfill, { code: 3 })
  const { code, stdout, stderr } = await workspace.sluice(['runs', 'cancel', 'p', '--yes'])
  assert.equal(code, 0, stderr)
  assert.match(stdout, /^p: the backfill is cancelled$/m)
  await workspace.write('in/b.json.gz', gzipSync('{"id":2}\n'))
  await workspace.report(backfill)
  assert.deepEqual(await recordsIn(workspace.path('out')), ['{"id":1}', '{"id":2}', '{"id":3}'])
})
