import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Finding } from '../../src/component.ts'
import s3Sink from '../../src/sinks/s3.ts'
import { s3Config, setEnvironment } from './s3/support.ts'

const context = { pipeline: 'p', stage: 's3', folder: '.' }

describe('the s3 sink', () => {
  const problems: [string, Parameters<typeof s3Config>[0], string, RegExp][] = [
    ['parts that are too small', { partSize: 1 << 20 }, 'partSize', /5MiB to 5GiB/],
    [
      'more parts than S3 accepts',
      { roll: { ...s3Config().roll, maxBytes: 100 * 2 ** 30 } },
      'partSize',
      /more than 10000 parts/,
    ],
    ['an endpoint that is not a URL', { endpoint: 'localhost:9000' }, 'endpoint', /not an http or https URL/],
    ['an endpoint that cannot be parsed', { endpoint: 'http://local host' }, 'endpoint', /not a URL/],
    ['credentials in the endpoint', { endpoint: 'http://me:secret@s3.test' }, 'endpoint', /a user or a password/],
    ['a query in the endpoint', { endpoint: 'https://s3.test/?x=1' }, 'endpoint', /a query or a fragment/],
    [
      'the bucket at the end of the endpoint',
      { endpoint: 'https://s3.test/events/' },
      'endpoint',
      /ends with the name/,
    ],
    [
      'the bucket in the host of the endpoint',
      { endpoint: 'https://events.s3.eu-central-1.amazonaws.com' },
      'endpoint',
      /begins with the name of the bucket/,
    ],
    [
      'a KMS key without KMS',
      { kmsKeyId: 'k', serverSideEncryption: 'AES256' },
      'kmsKeyId',
      /requires .serverSideEncryption: aws:kms/,
    ],
  ]
  for (const [name, changes, at, message] of problems) {
    it(`finds ${name}`, async () => {
      const outbox = { maxBytes: 2 ** 50 }
      const found = [...((await s3Sink.check?.(s3Config({ outbox, ...changes }), context)) ?? [])] as Finding[]
      assert.deepEqual(
        found.map((finding) => finding.at),
        [[at]],
      )
      assert.match(found[0].message, message)
    })
  }

  it('accepts an endpoint with a path, as some stores have', async () => {
    const endpoint = 'https://project.store.test/storage/v1/s3'
    assert.deepEqual([...((await s3Sink.check?.(s3Config({ endpoint }), context)) ?? [])], [])
  })

  it('accepts its defaults', async () => {
    assert.deepEqual([...((await s3Sink.check?.(s3Config(), context)) ?? [])], [])
  })

  it('stores everything that an upload needs in the destination, but no secret', async (t) => {
    setEnvironment({ AWS_ACCESS_KEY_ID: 'AKIA', AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu-central-1' })
    t.after(() => setEnvironment({ AWS_REGION: undefined }))
    const assumeRole = { arn: 'arn:aws:iam::111122223333:role/x', externalId: 'e' }
    const sink = await s3Sink.create(
      s3Config({ assumeRole, expectedBucketOwner: '111122223333', acl: 'private' }),
      context,
    )
    assert.ok('destination' in sink)
    assert.deepEqual(sink.destination('k'), {
      bucket: 'events',
      key: 'k',
      region: 'eu-central-1',
      forcePathStyle: true,
      partSize: 5 << 20,
      checksums: 'when-supported',
      expectedBucketOwner: '111122223333',
      acl: 'private',
    })
    assert.equal(sink.maxKeyBytes, 1024)
  })

  it('needs a region, except for an S3-compatible store', async () => {
    setEnvironment({ AWS_REGION: undefined, AWS_DEFAULT_REGION: undefined, AWS_CONFIG_FILE: '/nonexistent' })
    await assert.rejects(async () => s3Sink.create(s3Config(), context), {
      code: 'SINK_REFUSED',
      message: /no region for bucket events/,
    })
    const sink = await s3Sink.create(s3Config({ endpoint: 'http://127.0.0.1:9' }), context)
    assert.ok('destination' in sink)
    assert.equal(sink.destination('k')['region'], 'us-east-1')
  })
})
