import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import type { ObjectSink } from '../../../src/component.ts'
import { isAmazon } from '../../../src/sinks/s3/destination.ts'
import type { S3Server } from '../../servers/s3.ts'
import { BUCKET, createSink, memoryAttempt, never, outboxFile, setEnvironment, startStore } from './support.ts'

type Changes = Parameters<typeof createSink>[2]

const OWNER = '111122223333'

/** Commits an object with one configuration, and publishes it with another. */
async function publish(
  t: TestContext,
  server: S3Server,
  { committed, now = {} }: { committed: Changes; now?: Changes },
): Promise<ObjectSink> {
  const before = await createSink(t, server, committed)
  const after = await createSink(t, server, now)
  await after.publish(await outboxFile(t, 1000), before.destination('k'), never, memoryAttempt())
  return after
}

describe('an object that was committed with a mistake in how to talk to the store', () => {
  const mistakes: readonly (readonly [string, Changes])[] = [
    ['the region', { region: 'eu-west-3' }],
    ['forcePathStyle', { forcePathStyle: false }],
    ['checksums', { checksums: 'when-required' }],
    ['the encryption', { serverSideEncryption: 'aws:kms', kmsKeyId: 'no-such-key' }],
    ['the ACL', { acl: 'public-read' }],
    ['the storage class', { storageClass: 'COLD' }],
    ['the tags', { tags: { team: 'r&d' } }],
    ['the metadata', { metadata: { run: 'x'.repeat(3000) } }],
  ]
  for (const [what, committed] of mistakes) {
    it(`is published with the correction of ${what}`, async (t) => {
      const server = await startStore(t)
      await publish(t, server, { committed })
      const object = server.objects(BUCKET).get('k')
      assert.ok(object)
      assert.notEqual(object.acl, 'public-read')
      assert.deepEqual(object.tags, {})
      assert.deepEqual(Object.keys(object.headers), ['content-type'])
    })
  }

  it('is published with another spelling of the same endpoint', async (t) => {
    const server = await startStore(t)
    const committed = { endpoint: `${server.endpoint.replace('http:', 'HTTPS:')}/` }
    await publish(t, server, { committed })
    assert.ok(server.objects(BUCKET).has('k'))
  })

  it('aborts its unfinished upload when the part size has changed', async (t) => {
    const server = await startStore(t)
    const before = await createSink(t, server, { partSize: 5 << 20 })
    const file = await outboxFile(t, 12 << 20)
    const attempt = memoryAttempt()
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'UploadPart', times: 100 })
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'AbortMultipartUpload' })
    await assert.rejects(before.publish(file, before.destination('k'), never, attempt), { code: 'SINK_REFUSED' })
    assert.equal(server.openUploads(BUCKET), 1)
    server.faults.clear()
    const after = await createSink(t, server, { partSize: 6 << 20 })
    await after.publish(file, before.destination('k'), never, memoryAttempt(attempt.resumeToken))
    assert.deepEqual([server.openUploads(BUCKET), server.objects(BUCKET).get('k')?.body.length], [0, 12 << 20])
  })
})

describe('an object that was committed for another place', () => {
  it('stays in its bucket, with the region and path style of that bucket', async (t) => {
    const server = await startStore(t, { buckets: [BUCKET, 'other'] })
    await publish(t, server, { committed: {}, now: { bucket: 'other', region: 'eu-west-3', forcePathStyle: false } })
    assert.deepEqual([server.objects(BUCKET).size, server.objects('other').size], [1, 0])
  })

  it('stays in its store', async (t) => {
    const server = await startStore(t)
    const other = await startStore(t)
    const before = await createSink(t, server)
    const after = await createSink(t, other)
    await after.publish(await outboxFile(t, 10), before.destination('k'), never, memoryAttempt())
    assert.deepEqual([server.objects(BUCKET).size, other.objects(BUCKET).size], [1, 0])
  })

  it('stays in its store, also if another one has a path at the same host', async (t) => {
    const server = await startStore(t, { buckets: [BUCKET, 'tenant-a', 'tenant-b'] })
    // To this server the path is the bucket, and the bucket the first folder.
    const at = (path: string) => ({ endpoint: `${server.endpoint}/${path}` })
    const after = await publish(t, server, { committed: at('tenant-a'), now: at('tenant-b/') })
    assert.deepEqual([server.objects('tenant-a').size, server.objects('tenant-b').size], [1, 0])
    const { host } = new URL(server.endpoint)
    assert.equal(after.location?.(after.destination('k')), `s3://events/k at ${host}/tenant-b`)
  })

  it('stays with its account', async (t) => {
    const server = await startStore(t, { ownerId: OWNER })
    const before = await createSink(t, server, { expectedBucketOwner: '999999999999' })
    const after = await createSink(t, server, { expectedBucketOwner: OWNER })
    const file = await outboxFile(t, 10)
    await assert.rejects(after.publish(file, before.destination('k'), never, memoryAttempt()), { code: 'SINK_REFUSED' })
    assert.match(after.location?.(before.destination('k')) ?? '', /^s3:\/\/events\/k at .* of account 999999999999$/)
  })

  it('stays in the store of AWS_ENDPOINT_URL_S3, also when the variable changes', async (t) => {
    const server = await startStore(t)
    const other = await startStore(t)
    t.after(() => setEnvironment({ AWS_ENDPOINT_URL_S3: undefined }))
    setEnvironment({ AWS_ENDPOINT_URL_S3: server.endpoint })
    const before = await createSink(t, server, { endpoint: undefined })
    setEnvironment({ AWS_ENDPOINT_URL_S3: other.endpoint })
    const after = await createSink(t, other, { endpoint: undefined })
    await after.publish(await outboxFile(t, 10), before.destination('k'), never, memoryAttempt())
    assert.deepEqual([server.objects(BUCKET).size, other.objects(BUCKET).size], [1, 0])
  })

  it('is another place in a group of regions with bucket names of its own', async (t) => {
    const server = await startStore(t)
    const at = async (region: string) => {
      const sink = await createSink(t, server, { endpoint: undefined, region })
      return sink.location?.(sink.destination('k'))
    }
    const regions = ['eu-central-1', 'us-east-1', 'cn-north-1', 'us-gov-west-1', 'us-iso-east-1']
    assert.deepEqual(await Promise.all(regions.map(at)), [
      's3://events/k',
      's3://events/k',
      's3://events/k at aws-cn',
      's3://events/k at aws-us-gov',
      's3://events/k at aws-us-iso',
    ])
  })
})

it('an abort beside a visible object is trusted to Amazon S3 only', () => {
  const amazon = [
    undefined,
    'https://s3.eu-west-1.amazonaws.com',
    'https://vpce-1.s3.us-east-1.vpce.amazonaws.com',
    'https://s3.cn-north-1.amazonaws.com.cn',
  ]
  const others = [
    'http://127.0.0.1:9000',
    'https://amazonaws.com.example.org',
    'https://fakeamazonaws.com',
    'not a URL',
  ]
  const found = [...amazon, ...others].filter((endpoint) => isAmazon(endpoint === undefined ? {} : { endpoint }))
  assert.deepEqual(found, amazon)
})
