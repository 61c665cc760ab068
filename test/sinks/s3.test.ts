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
    ['a storage class with a typo', { storageClass: 'STANDART_IA' }, 'storageClass', /no storage class "STANDART_IA"/],
    ['a storage class in lower case', { storageClass: 'standard_ia' }, 'storageClass', /no storage class/],
    ['a class whose objects cannot be read', { storageClass: 'GLACIER' }, 'storageClass', /until they are restored/],
    ['more tags than S3 takes', { tags: numbered(11) }, 'tags', /S3 takes 10 tags for an object, here are 11/],
    ['a tag without a name', { tags: { '': 'x' } }, 'tags.', /needs a name/],
    ['a long name of a tag', { tags: { ['n'.repeat(129)]: 'x' } }, `tags.${'n'.repeat(129)}`, /at most 128/],
    ['a long tag', { tags: { a: 'v'.repeat(257) } }, 'tags.a', /at most 256/],
    ['a tag of AWS', { tags: { 'AWS:team': 'x' } }, 'tags.AWS:team', /belong to AWS/],
    ['a character that a tag cannot have', { tags: { team: 'r&d' } }, 'tags.team', /letters, digits, spaces/],
    ['metadata with its header', { metadata: { 'X-Amz-Meta-Run': 'x' } }, 'metadata.X-Amz-Meta-Run', /is added/],
    ['metadata that is no header', { metadata: { 'a b': 'x' } }, 'metadata.a b', /letters, digits and hyphens/],
    ['metadata beyond ASCII', { metadata: { team: 'Zürich' } }, 'metadata.team', /printable ASCII/],
    ['metadata with a line break', { metadata: { team: 'a\nb' } }, 'metadata.team', /printable ASCII/],
    ['metadata that ends in a space', { metadata: { team: 'a ' } }, 'metadata.team', /no space at its ends/],
    ['metadata that differs in case only', { metadata: { A: '1', a: '2' } }, 'metadata.a', /"a" is there twice/],
    ['too much metadata', { metadata: { a: 'x'.repeat(2048) } }, 'metadata', /2048 bytes .* here are 2049/],
  ]
  for (const [name, changes, at, message] of problems) {
    it(`finds ${name}`, async () => {
      const outbox = { maxBytes: 2 ** 50 }
      const found = [...((await s3Sink.check?.(s3Config({ outbox, ...changes }), context)) ?? [])] as Finding[]
      assert.deepEqual(
        found.map((finding) => finding.at.join('.')),
        [at],
      )
      assert.match(found[0].message, message)
    })
  }

  it('accepts an endpoint with a path, as some stores have', async () => {
    const endpoint = 'https://project.store.test/storage/v1/s3'
    assert.deepEqual([...((await s3Sink.check?.(s3Config({ endpoint }), context)) ?? [])], [])
  })

  it('accepts storage classes of other stores, and the tags that S3 takes', async () => {
    const tags = { ...numbered(9), 'cost:centre/Zürich': 'a+b = _.:/@-' }
    const metadata = { 'collected-by': 'sluice', empty: '' }
    const found = await s3Sink.check?.(
      s3Config({ endpoint: 'https://ceph.test', storageClass: 'cold_EC-4', tags, metadata }),
      context,
    )
    assert.deepEqual([...(found ?? [])], [])
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

function numbered(count: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`tag${at}`, 'x']))
}
