import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { loadPipeline } from '../../../src/config/load.ts'
import { openShardRunner } from '../../../src/queue/shard-runner.ts'
import { createSource } from '../../../src/runtime/source-input.ts'
import { fingerprintOf } from '../../../src/shards/job.ts'
import { planShards } from '../../../src/shards/plan.ts'
import { openWorkspace } from '../../support/command.ts'
import { never } from './support.ts'

test('a worker executes a shard again that it lost and has not ended yet', { timeout: 60_000 }, async (t) => {
  const workspace = await openWorkspace(t)
  const lines = Array.from({ length: 2000 }, (_, id) => `{"id":${id},"pad":"${randomBytes(200).toString('hex')}"}\n`)
  await workspace.write('in.ndjson.gz', gzipSync(lines.join('')))
  const path = await workspace.write(
    'pipelines/events.yaml',
    `source: { type: file, path: ${workspace.path('in.ndjson.gz')} }\nsink: { type: file, path: ${workspace.path('out')}, compression: gzip }\n`,
  )
  const { pipeline } = await loadPipeline(path, { mode: 'run' })
  assert.ok(pipeline)
  const hashKey = randomBytes(16)
  const job = { pipeline: path, set: [], since: undefined, until: undefined, final: false, keepGoing: true }
  const content = {
    job,
    fingerprint: await fingerprintOf(pipeline, hashKey),
    hashKey: hashKey.toString('base64'),
    generation: 'abcdef',
  }
  const planning = planShards(pipeline, await createSource(pipeline), {
    shardBytes: 1 << 30,
    position: () => undefined,
    signal: never,
    note: () => {},
    inputFailed: () => {},
    final: true,
  })
  const { value: planned } = await planning.next()
  assert.ok(planned)
  const runner = await openShardRunner(content, {
    concurrency: 2,
    run: 'a1b2c3d4',
    log: { note: () => {}, line: () => {} },
  })
  t.after(() => runner.close())
  const task = { run: 'a1b2c3d4', runNumber: 1, createdAt: 0, shard: { ...planned, number: 0 }, attempt: 1 }
  const execute = () =>
    runner.execute(
      task,
      never,
      () => {},
      () => {},
    )
  const [first, second] = await Promise.all([execute(), execute()])
  assert.equal(first.objects[0]?.records, lines.length)
  const facts = ({ attempt, objects }: typeof first) => ({
    attempt,
    objects: objects.map(({ staged: _staged, ...own }) => own),
  })
  assert.deepEqual(facts(second), facts(first))
  await runner.discard(first)
  await runner.discard(second)
})
