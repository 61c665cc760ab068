/*
 * A program that wires the pipeline of `job.ts` in code, with a stream of its own between the stages. Not a
 * test file.
 */
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Batch } from '../../../../src/index.ts'
import { sink, source, transform } from '../../../../src/index.ts'
import { BUCKET, DROPPED } from './servers.ts'

const s3 = { type: 's3', bucket: BUCKET, forcePathStyle: true, roll: { maxRecords: 300 } }

const slow = new Transform({
  objectMode: true,
  highWaterMark: 1,
  transform: (batch: Batch, _encoding, done) => void setTimeout(() => done(null, batch), 1),
})

await pipeline(
  source(
    {
      type: 'jumpcloud',
      apiKey: process.env['JUMPCLOUD_API_KEY'],
      baseUrl: process.env['JUMPCLOUD_BASE_URL'],
      limit: 100,
      rate: { perSecond: 100 },
      window: { since: '2d', step: '6h', lag: '5m', overlap: '5m' },
    },
    { folder: 'pipelines' },
  ),
  transform({ type: 'filter', drop: { service: DROPPED } }),
  slow,
  transform({ type: 'validate', schema: 'schema.json' }),
  transform({ type: 'dedup', key: ['id', 'timestamp'], time: 'timestamp', within: '7d' }),
  sink({
    ...s3,
    key: 'objects/service={record.service}',
    rejects: { ...s3, key: 'rejects' },
    state: '../.sluice/events',
  }),
)
