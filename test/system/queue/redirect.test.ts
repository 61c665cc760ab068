/* `sluice state redirect` while committed shards wait as uploads that are not completed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { NO_REDIS } from '../../servers/redis.ts'
import { startS3Server } from '../../servers/s3.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import { KEY, openRedis } from './support.ts'

const FILES = 4
const PER_FILE = 50

const PIPELINE = `source: { type: file, path: none }
transforms: [{ type: dedup, key: id }]
sink: { type: s3, bucket: "\${env:BUCKET}", key: events, compression: none }
`

test(
  'committed shards whose uploads are staged in another bucket are executed again for the new one',
  { skip: NO_REDIS, timeout: 120_000 },
  async (t) => {
    const redis = await openRedis(t)
    const s3 = await startS3Server({ buckets: ['adit', 'audit'] })
    t.after(() => s3.close())
    const workspace = await openWorkspace(t)
    await workspace.write('pipelines/p.yaml', PIPELINE)
    for (let file = 0; file < FILES; file++) {
      const lines = Array.from({ length: PER_FILE }, (_, at) => `{"id":${file * PER_FILE + at}}\n`)
      await workspace.write(`in/${file}.ndjson.gz`, gzipSync(lines.join('')))
    }
    const queue = { SLUICE_QUEUE: `${redis.url}?lock=2s`, SLUICE_QUEUE_KEY: KEY }
    const refusal = s3.faults.add({
      kind: 'error',
      code: 'AccessDenied',
      operation: 'CompleteMultipartUpload',
      times: 1000,
    })
    const wrong = { ...s3Environment(s3), ...queue, BUCKET: 'adit' }
    const worker = workspace.start(['worker', '--concurrency', '1'], { env: wrong })
    const refused = await workspace.sluice(['backfill', 'p', 'in', '--shard-size', '1B'], { env: wrong })
    worker.kill('SIGTERM')
    await worker.ended
    refusal.remove()
    assert.equal(refused.code, 4, refused.stderr)
    assert.ok(s3.openUploads('adit') > 0)

    const right = { ...s3Environment(s3), BUCKET: 'audit' }
    const redirected = await workspace.sluice(['state', 'redirect', 'p', '--yes'], { env: right })
    assert.equal(redirected.code, 0, redirected.stderr)
    assert.match(redirected.stdout, /\d objects? redirected/)
    const report = await workspace.report(['runs', 'retry', 'p', '--workers', '2'], { env: right })
    assert.equal(report.shards?.left, 0)
    const lines = [...s3.objects('audit').values()].flatMap(({ body }) => body.toString().split('\n').filter(Boolean))
    assert.equal(lines.length, FILES * PER_FILE)
    assert.equal(new Set(lines).size, FILES * PER_FILE)
    assert.equal(s3.objects('adit').size, 0)
    const verified = await workspace.sluice(['verify', 'p'], { env: right })
    assert.equal(verified.code, 0, verified.stdout)
  },
)
