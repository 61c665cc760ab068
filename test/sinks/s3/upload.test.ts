import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { inspect } from 'node:util'
import { SluiceError } from '../../../src/errors.ts'
import { createS3Client } from '../../../src/s3/client.ts'
import type { S3ClientOptions } from '../../../src/s3/client.ts'
import { uploadObject } from '../../../src/sinks/s3/upload.ts'
import type { Fault, S3Server } from '../../servers/s3.ts'
import {
  BUCKET,
  STORAGE,
  assertStored,
  createSink,
  memoryAttempt,
  never,
  outboxFile,
  setEnvironment,
  startStore,
} from './support.ts'

const MIB = 1 << 20
const PARTS = 12 * MIB

describe('an upload', () => {
  it('puts a small object in one request, with the configured options', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server, { ...STORAGE, expectedBucketOwner: '111122223333' })
    const file = await outboxFile(t, 100_000)
    await sink.publish(file, sink.destination('a/b=c/x.ndjson.gz'), never, memoryAttempt())
    const object = server.objects(BUCKET).get('a/b=c/x.ndjson.gz')
    assert.ok(object)
    assert.ok(object.body.equals(file.content))
    assertStored(object)
    assert.equal(object.checksum?.algorithm, 'CRC32')
    assert.equal(server.count('PutObject'), 1)
  })

  it('sends a large object in parts', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server, STORAGE)
    const file = await outboxFile(t, PARTS)
    const attempt = memoryAttempt()
    await sink.publish(file, sink.destination('k'), never, attempt)
    const object = server.objects(BUCKET).get('k')
    assert.ok(object)
    assert.ok(object.body.equals(file.content))
    assertStored(object)
    assert.deepEqual([server.count('UploadPart'), server.openUploads(BUCKET)], [3, 0])
    assert.ok(Array.isArray(attempt.resumeToken) && attempt.resumeToken.length === 1)
  })

  it('sends no checksums if they are only sent when required', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server, { checksums: 'when-required' })
    const file = await outboxFile(t, PARTS)
    await sink.publish(file, sink.destination('k'), never, memoryAttempt())
    assert.ok(server.objects(BUCKET).get('k')?.body.equals(file.content))
    assert.equal(server.objects(BUCKET).get('k')?.checksum, undefined)
  })

  for (const size of [1000, PARTS]) {
    it(`succeeds if the object of ${size} bytes exists already`, async (t) => {
      const server = await startStore(t)
      const sink = await createSink(t, server)
      const file = await outboxFile(t, size)
      await sink.publish(file, sink.destination('k'), never, memoryAttempt())
      await sink.publish(file, sink.destination('k'), never, memoryAttempt())
      assert.equal(server.objects(BUCKET).get('k')?.puts, 1)
      assert.equal(server.openUploads(BUCKET), 0)
    })

    it(`succeeds if the response to an object of ${size} bytes was lost`, async (t) => {
      const server = await startStore(t)
      const sink = await createSink(t, server)
      const file = await outboxFile(t, size)
      const lost = { kind: 'reset', at: 'response', operation: ['PutObject', 'CompleteMultipartUpload'] } as const
      const fault = server.faults.add(lost)
      await sink.publish(file, sink.destination('k'), never, memoryAttempt())
      assert.equal(fault.triggered, 1)
      assert.equal(server.objects(BUCKET).get('k')?.puts, 1)
      assert.equal(server.openUploads(BUCKET), 0)
    })
  }

  it('needs no right to read or list', async (t) => {
    const server = await startStore(t, { denyRead: true, denyList: true })
    const sink = await createSink(t, server)
    const file = await outboxFile(t, 1000)
    for (let i = 0; i < 2; i++) await sink.publish(file, sink.destination('k'), never, memoryAttempt())
    assert.equal(server.objects(BUCKET).size, 1)
    assert.equal(await sink.exists?.(sink.destination('k'), never), false)
  })

  it('aborts the multipart upload of an earlier attempt', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server)
    const file = await outboxFile(t, PARTS)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'UploadPart', times: 10 })
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'AbortMultipartUpload', times: 10 })
    const attempt = memoryAttempt()
    await assert.rejects(sink.publish(file, sink.destination('k'), never, attempt), { code: 'SINK_REFUSED' })
    assert.equal(server.openUploads(BUCKET), 1)
    server.faults.clear()
    await sink.publish(file, sink.destination('k'), never, memoryAttempt(attempt.resumeToken))
    assert.equal(server.openUploads(BUCKET), 0)
    assert.ok(server.objects(BUCKET).get('k')?.body.equals(file.content))
  })

  it('ends with its signal', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server)
    const file = await outboxFile(t, PARTS)
    server.faults.add({ kind: 'hang', at: 'start', operation: 'UploadPart', times: 10 })
    const stop = new AbortController()
    const published = sink.publish(file, sink.destination('k'), stop.signal, {
      isRepeated: false,
      storeIsKnown: true,
      resumeToken: undefined,
      saveResumeToken: () => {
        setImmediate(() => stop.abort())
        return Promise.resolve()
      },
    })
    await assert.rejects(published, SluiceError)
    assert.equal(server.objects(BUCKET).size, 0)
  })

  it('reports whether an object exists', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server)
    const file = await outboxFile(t, 10)
    assert.equal(await sink.exists?.(sink.destination('k'), never), false)
    await sink.publish(file, sink.destination('k'), never, memoryAttempt())
    assert.equal(await sink.exists?.(sink.destination('k'), never), true)
  })
})

describe('a failing store', () => {
  const transient: [string, Fault, number][] = [
    ['an internal error', { kind: 'error', code: 'InternalError' }, 1000],
    ['too many requests', { kind: 'error', code: 'SlowDown' }, 1000],
    ['an unavailable service', { kind: 'error', code: 'ServiceUnavailable', operation: 'UploadPart' }, PARTS],
    ['a conflict', { kind: 'error', code: 'ConditionalRequestConflict', operation: 'CompleteMultipartUpload' }, PARTS],
    ['an unknown upload', { kind: 'error', code: 'NoSuchUpload', operation: 'CompleteMultipartUpload' }, PARTS],
    ['an unknown part', { kind: 'error', code: 'InvalidPart', operation: 'CompleteMultipartUpload' }, PARTS],
    [
      'an error inside a 200',
      { kind: 'errorInside200', code: 'InternalError', operation: 'CompleteMultipartUpload' },
      PARTS,
    ],
    ['a connection that breaks', { kind: 'reset', at: 'start' }, 1000],
    ['a connection that breaks within a part', { kind: 'reset', at: 'body', operation: 'UploadPart' }, PARTS],
    ['a connection that hangs', { kind: 'hang', at: 'start' }, 1000],
    ['a missing response', { kind: 'hang', at: 'response', operation: 'UploadPart' }, PARTS],
    ['a 429', { kind: 'error', code: 'SlowDown', status: 429 }, 1000],
    ['corrupted bytes', { kind: 'error', code: 'BadDigest' }, 1000],
  ]
  for (const [name, fault, size] of transient) {
    it(`with ${name} is retried, and then has the object`, async (t) => {
      const server = await startStore(t)
      const active = server.faults.add(fault)
      const file = await outboxFile(t, size)
      const attempt = memoryAttempt()
      const upload = (): Promise<void> => uploadOnce(t, server, file, attempt)
      await assert.rejects(upload(), (error: SluiceError) => {
        assert.deepEqual([error.code, error.retryable], ['SINK_UNAVAILABLE', true], error.message)
        return true
      })
      assert.equal(active.triggered, 1)
      server.faults.clear()
      await upload()
      assert.ok(server.objects(BUCKET).get('k')?.body.equals(file.content))
      assert.deepEqual([server.objects(BUCKET).get('k')?.puts, server.openUploads(BUCKET)], [1, 0])
    })
  }

  const refusals: [string, Fault, RegExp][] = [
    [
      'AccessDenied',
      { kind: 'error', code: 'AccessDenied' },
      /PutObject on bucket events: AccessDenied \(403, request [\w-]+\)/,
    ],
    ['InvalidArgument', { kind: 'error', code: 'InvalidArgument' }, /InvalidArgument \(400/],
    ['InvalidStorageClass', { kind: 'error', code: 'InvalidStorageClass' }, /correct `storageClass`/],
    ['InvalidTag', { kind: 'error', code: 'InvalidTag' }, /correct `tags`/],
    ['NotImplemented', { kind: 'error', code: 'NotImplemented' }, /NotImplemented \(501.*checksums: when-required/],
    ['RequestTimeTooSkewed', { kind: 'error', code: 'RequestTimeTooSkewed', times: 20 }, /clock of this machine/],
    ['AuthorizationHeaderMalformed', { kind: 'error', code: 'AuthorizationHeaderMalformed' }, /set `region`/],
  ]
  for (const [name, fault, message] of refusals) {
    it(`with ${name} stops the run`, async (t) => {
      const server = await startStore(t)
      server.faults.add(fault)
      const file = await outboxFile(t, 1000)
      await assert.rejects(uploadOnce(t, server, file), { code: 'SINK_REFUSED', retryable: false, message })
    })
  }

  it('without the S3 bucket stops the run', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server, { bucket: 'missing' })
    const file = await outboxFile(t, 1000)
    await assert.rejects(sink.publish(file, sink.destination('k'), never, memoryAttempt()), {
      code: 'SINK_REFUSED',
      message: /bucket missing: NoSuchBucket .*create the bucket, or correct `bucket`/,
    })
  })

  it('whose S3 bucket belongs to another account stops the run', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server, { expectedBucketOwner: '999999999999' })
    for (const size of [1000, PARTS]) {
      const file = await outboxFile(t, size)
      await assert.rejects(sink.publish(file, sink.destination('k'), never, memoryAttempt()), {
        code: 'SINK_REFUSED',
        message: /AccessDenied .*expectedBucketOwner/,
      })
    }
    assert.equal(server.objects(BUCKET).size, 0)
  })

  it('that refuses the credentials stops the run, and the error has no secret', async (t) => {
    const server = await startStore(t)
    const secret = 'not-the-secret-of-the-server'
    const cases = [
      [{ AWS_SECRET_ACCESS_KEY: secret }, /SignatureDoesNotMatch.*secret key is wrong/],
      [{ AWS_ACCESS_KEY_ID: 'AKIANOBODY', AWS_SECRET_ACCESS_KEY: secret }, /InvalidAccessKeyId/],
    ] as const
    for (const [environment, message] of cases) {
      setEnvironment(environment)
      const sink = await createSink(t, server)
      const file = await outboxFile(t, 1000)
      await assert.rejects(sink.publish(file, sink.destination('k'), never, memoryAttempt()), (error: SluiceError) => {
        assert.equal(error.code, 'SINK_REFUSED')
        assert.match(error.message, message)
        assert.ok(!inspect(error, { depth: 20, showHidden: true }).includes(secret))
        assert.ok(!inspect(error, { depth: 20 }).toLowerCase().includes('authorization'))
        return true
      })
    }
  })

  it('gets no request without credentials', async (t) => {
    const server = await startStore(t)
    setEnvironment({ AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined })
    const sink = await createSink(t, server)
    const file = await outboxFile(t, 1000)
    await assert.rejects(sink.publish(file, sink.destination('k'), never, memoryAttempt()), {
      code: 'SINK_REFUSED',
      message: /^no AWS credentials: .*AWS_ACCESS_KEY_ID/,
    })
    assert.equal(server.requests.length, 0)
  })
})

describe('a role', () => {
  const role = { arn: 'arn:aws:iam::111122223333:role/siem-writer', externalId: 'sluice' }

  it('is assumed for the upload', async (t) => {
    const server = await startStore(t, { role })
    const sink = await createSink(t, server, { assumeRole: role })
    const file = await outboxFile(t, PARTS)
    await sink.publish(file, sink.destination('k'), never, memoryAttempt())
    assert.ok(server.objects(BUCKET).get('k')?.body.equals(file.content))
    assert.equal(server.count('AssumeRole'), 1)
    const writers = server.requests.filter(({ operation }) => operation !== 'AssumeRole')
    assert.ok(writers.length > 3)
    assert.ok(writers.every(({ accessKeyId }) => accessKeyId !== undefined && accessKeyId !== server.accessKeyId))
  })

  it('that cannot be assumed stops the run and is named', async (t) => {
    const server = await startStore(t, { role })
    const sink = await createSink(t, server, { assumeRole: { ...role, externalId: 'another' } })
    const file = await outboxFile(t, 1000)
    await assert.rejects(sink.publish(file, sink.destination('k'), never, memoryAttempt()), {
      code: 'SINK_REFUSED',
      message:
        /no credentials for the role arn:aws:iam::111122223333:role\/siem-writer: AccessDenied \(403\).*externalId/,
    })
  })

  it('is retried while STS is unavailable', async (t) => {
    const server = await startStore(t, { role })
    setEnvironment({ AWS_ENDPOINT_URL_STS: 'http://127.0.0.1:1' })
    const client = createS3Client({ region: 'us-east-1', endpoint: server.endpoint, assumeRole: role, maxAttempts: 1 })
    t.after(() => client.destroy())
    const file = await outboxFile(t, 1000)
    const destination = { bucket: BUCKET, key: 'k', region: 'us-east-1', partSize: 5 * MIB }
    await assert.rejects(uploadObject({ client, file, destination, signal: never, attempt: memoryAttempt() }), {
      code: 'SINK_UNAVAILABLE',
      message: /role .*siem-writer/,
    })
  })
})

/** Uploads with one attempt per request and a short idle timeout. */
async function uploadOnce(
  t: TestContext,
  server: S3Server,
  file: Awaited<ReturnType<typeof outboxFile>>,
  attempt = memoryAttempt(),
): Promise<void> {
  const place: S3ClientOptions = { region: server.region, endpoint: server.endpoint, forcePathStyle: true }
  const client = createS3Client({ ...place, maxAttempts: 1, idleTimeout: 500 })
  t.after(() => client.destroy())
  const destination = { ...place, bucket: BUCKET, key: 'k', partSize: 5 * MIB }
  try {
    await uploadObject({ client, file, destination, signal: never, attempt })
  } finally {
    attempt.isRepeated = true
  }
}
