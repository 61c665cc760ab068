import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import type { Attempt, ObjectSink, OutboxFile } from '../../../src/component.ts'
import type { Json } from '../../../src/record/json/json.ts'
import type { Fault, S3Server, S3ServerOptions } from '../../servers/s3.ts'
import { BUCKET, STORAGE, assertStored, createSink, memoryAttempt, never, outboxFile, startStore } from './support.ts'

const MIB = 1 << 20
const PARTS = 12 * MIB
const SIZES = [1000, PARTS]

describe('a staged object', () => {
  for (const bytes of SIZES) {
    it(`of ${bytes} bytes is an upload with all its parts, and is completed without its file`, async (t) => {
      const { server, sink, file, handle } = await staged(t, { bytes })
      assert.equal(server.objects(BUCKET).size, 0)
      assert.deepEqual(
        [server.openUploads(BUCKET), server.count('UploadPart'), server.count('PutObject')],
        [1, bytes > MIB ? 3 : 1, 0],
      )
      assert.ok(JSON.stringify(handle).length < 500)
      assert.equal(await publish(sink, handle, { ...file, path: '/nowhere' }), 'published')
      const object = server.objects(BUCKET).get('k')
      assert.ok(object?.body.equals(file.content))
      assert.equal(object?.checksum?.algorithm, 'CRC32')
      assert.equal(object?.headers['content-type'], 'application/x-ndjson')
      assert.equal(server.openUploads(BUCKET), 0)
    })
  }

  it('is created with the configured options', async (t) => {
    const changes = { ...STORAGE, expectedBucketOwner: '111122223333' }
    const { server, sink, file, handle } = await staged(t, { changes })
    assert.equal(await publish(sink, handle, file), 'published')
    assertStored(server.objects(BUCKET).get('k'))
  })

  it('has no checksums if they are only sent when required', async (t) => {
    const { server, sink, file, handle } = await staged(t, { changes: { checksums: 'when-required' } })
    assert.equal(await publish(sink, handle, file), 'published')
    assert.equal(server.objects(BUCKET).get('k')?.checksum, undefined)
  })

  it('is not published with the handle of another object', async (t) => {
    const { server, sink, handle } = await staged(t)
    const other = await outboxFile(t, 1000)
    await assert.rejects(publish(sink, handle, other), { code: 'STATE_DAMAGED', message: /another length or hash/ })
    await assert.rejects(publish(sink, { uploadId: 'x' }, other), { code: 'STATE_DAMAGED' })
    assert.equal(server.count('CompleteMultipartUpload'), 0)
  })

  it('does not replace an object of another length', async (t) => {
    const { server, sink, handle, file } = await staged(t)
    const other = await outboxFile(t, 500)
    await sink.publish(other, sink.destination('k'), never, memoryAttempt())
    await assert.rejects(publish(sink, handle, file), {
      code: 'SINK_REFUSED',
      message: /500 bytes, 1000 are committed/,
    })
    assert.equal(server.objects(BUCKET).get('k')?.size, 500)
  })
})

describe('staging', () => {
  const lost: Fault[] = [
    { kind: 'reset', at: 'response', operation: 'CreateMultipartUpload' },
    { kind: 'reset', at: 'response', operation: 'UploadPart' },
    { kind: 'reset', at: 'body', operation: 'UploadPart' },
    { kind: 'error', code: 'SlowDown', operation: 'UploadPart', times: 2 },
    { kind: 'error', code: 'InternalError', operation: 'CreateMultipartUpload' },
  ]
  for (const fault of lost) {
    it(`survives ${describeFault(fault)}`, async (t) => {
      const { server, sink, file, handle } = await staged(t, { bytes: PARTS, fault })
      assert.equal(await publish(sink, handle, file), 'published')
      assert.ok(server.objects(BUCKET).get('k')?.body.equals(file.content))
      // An upload whose id was in a lost answer has no part, and is swept after the run.
      await sink.sweepStaged?.('', (key) => key === 'j', never)
      assert.ok(server.openUploads(BUCKET) <= 1)
    })
  }

  it('aborts its own upload after a failure, and no other of the key', async (t) => {
    const { server, sink, file, handle } = await staged(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'UploadPart' })
    await assert.rejects(sink.stage?.(file, sink.destination('k'), never) ?? Promise.resolve(), {
      code: 'SINK_REFUSED',
      message: /refused UploadPart on bucket events: AccessDenied/,
    })
    assert.equal(server.openUploads(BUCKET), 1)
    assert.equal(await publish(sink, handle, file), 'published')
  })

  it('fails for a file that is shorter than it was', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server)
    const file = await outboxFile(t, 1000)
    const longer = { ...file, bytes: 2000 }
    await assert.rejects(sink.stage?.(longer, sink.destination('k'), never) ?? Promise.resolve(), {
      code: 'DISK_FAILED',
      message: /ends after 1000 bytes/,
    })
    assert.equal(server.openUploads(BUCKET), 0)
  })
})

describe('publishing a staged object', () => {
  const transient: Fault[] = [
    { kind: 'reset', at: 'start', operation: 'CompleteMultipartUpload' },
    { kind: 'reset', at: 'response', operation: 'CompleteMultipartUpload' },
    { kind: 'error', code: 'InternalError', operation: 'CompleteMultipartUpload' },
    { kind: 'error', code: 'SlowDown', operation: 'CompleteMultipartUpload' },
    { kind: 'errorInside200', code: 'InternalError', operation: 'CompleteMultipartUpload' },
    { kind: 'error', code: 'ServiceUnavailable', operation: 'HeadObject' },
    { kind: 'error', code: 'ConditionalRequestConflict', operation: 'CompleteMultipartUpload' },
    { kind: 'error', code: 'NoSuchUpload', operation: 'CompleteMultipartUpload' },
    { kind: 'error', code: 'NoSuchKey', operation: 'CompleteMultipartUpload' },
    { kind: 'error', code: 'InvalidPart', operation: 'CompleteMultipartUpload' },
  ]
  for (const fault of transient) {
    it(`does not lose it to ${describeFault(fault)}`, async (t) => {
      const { server, sink, file, handle } = await staged(t, { bytes: PARTS })
      const active = server.faults.add(fault)
      const attempt = memoryAttempt()
      for (let attempts = 0; attempts < 3; attempts++) {
        const [result] = await Promise.allSettled([publish(sink, handle, file, attempt)])
        attempt.isRepeated = true
        if (result.status === 'fulfilled') {
          assert.equal(result.value, 'published')
          break
        }
        assert.equal(code(result.reason), 'SINK_UNAVAILABLE')
      }
      assert.equal(active.triggered, 1)
      assert.deepEqual([server.objects(BUCKET).get('k')?.puts, server.openUploads(BUCKET)], [1, 0])
    })
  }

  for (const repeatedComplete of ['AccessDenied', 'NoSuchKey', 'NoSuchUpload'] as const) {
    it(`has published it if the answer was lost and the repeat gets ${repeatedComplete}`, async (t) => {
      const store = { repeatedComplete, abortDeletes: true }
      const { server, sink, file, handle } = await staged(t, { bytes: PARTS, store })
      server.faults.add({ kind: 'reset', at: 'response', operation: 'CompleteMultipartUpload' })
      assert.equal(await publish(sink, handle, file), 'published')
      assert.equal(await publish(sink, handle, file, memoryAttempt([])), 'published')
      assert.deepEqual([server.objects(BUCKET).get('k')?.puts, server.count('AbortMultipartUpload')], [1, 0])
    })
  }

  for (const store of [{ answer304: true, abortDeletes: true }, { abortDeletes: true }, { ignoreConditions: true }]) {
    it(`keeps the object of another upload, with ${JSON.stringify(store)}`, async (t) => {
      const { server, sink, file, handle } = await staged(t, { bytes: PARTS, store })
      const other = await stage(sink, file)
      assert.equal(await publish(sink, other, file), 'published')
      assert.equal(await publish(sink, handle, file), 'published')
      await sink.discardStaged?.(handle, sink.destination('k'), never)
      await sink.discardStaged?.(other, sink.destination('k'), never)
      await sink.sweepStaged?.('', () => true, never)
      assert.ok(server.objects(BUCKET).get('k')?.body.equals(file.content))
      assert.equal(server.count('AbortMultipartUpload'), 0)
    })
  }

  it('says that it is gone only if both the upload and the object are', async (t) => {
    const { server, sink, file, handle } = await staged(t, { bytes: PARTS })
    server.clearUploads(BUCKET)
    // The SDK does not repeat it.
    server.faults.add({ kind: 'error', code: 'ConditionalRequestConflict', operation: 'ListParts' })
    await assert.rejects(publish(sink, handle, file), { code: 'SINK_UNAVAILABLE', message: /ListParts/ })
    assert.equal(await publish(sink, handle, file), 'gone')
    const again = await stage(sink, file)
    assert.equal(await publish(sink, again, file), 'published')
    assert.equal(await publish(sink, handle, file), 'published')
  })

  it('says that it is gone if parts of the upload are, which can never be completed', async (t) => {
    const { server, sink, file, handle } = await staged(t, { bytes: PARTS })
    server.clearUploads(BUCKET, { part: 2 })
    assert.equal(await publish(sink, handle, file), 'gone')
    assert.equal(server.openUploads(BUCKET), 0)
  })

  it('needs no right to list the parts of an upload', async (t) => {
    const { server, sink, file, handle } = await staged(t, { bytes: PARTS })
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'ListParts', times: Infinity })
    server.clearUploads(BUCKET)
    assert.equal(await publish(sink, handle, file), 'gone')
  })

  it('names the rights that are missing if it cannot know whether the object exists', async (t) => {
    const store = { denyRead: true, denyList: true }
    const { server, sink, file, handle } = await staged(t, { bytes: PARTS, store })
    assert.equal(await publish(sink, handle, file), 'published')
    const lost = await stage(sink, file, 'l')
    server.clearUploads(BUCKET)
    await assert.rejects(publish(sink, lost, file, memoryAttempt(), 'l'), {
      code: 'SINK_REFUSED',
      message: /upload of l in bucket events is gone, .*grant s3:GetObject and s3:ListBucket/,
    })
  })

  it('fails if the S3 bucket is gone', async (t) => {
    const { server, sink, file, handle } = await staged(t)
    server.faults.add({ kind: 'error', code: 'NoSuchBucket', times: Infinity })
    await assert.rejects(publish(sink, handle, file), { code: 'SINK_REFUSED', message: /NoSuchBucket/ })
  })
})

it('a discard that the store does not answer ends after its signal', async (t) => {
  const { server, sink, handle } = await staged(t)
  server.faults.add({ kind: 'hang', at: 'start', operation: 'AbortMultipartUpload', times: Infinity })
  const stop = new AbortController()
  const discarded = sink.discardStaged?.(handle, sink.destination('k'), stop.signal)
  setImmediate(() => stop.abort())
  await assert.rejects(discarded ?? Promise.resolve(), { code: 'SINK_UNAVAILABLE' })
})

describe('a sweep', () => {
  it('finds uploads on every page, and leaves those that are not dead', async (t) => {
    const { server, sink, file } = await staged(t, { store: { maxPage: 2 } })
    for (const key of ['a/1', 'a/1', 'a/2', 'a/3', 'b/4', 'a/5', 'a/5']) await stage(sink, file, key)
    assert.equal(await sink.sweepStaged?.('a/', (key) => key !== 'a/2', never), 5)
    assert.equal(server.openUploads(BUCKET), 3)
  })

  it('removes the upload of a process that was killed while it tried the sink', async (t) => {
    const { server, sink } = await staged(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'AbortMultipartUpload' })
    for await (const { error } of sink.connect?.('a/', never) ?? []) assert.ok(error?.code !== 'SINK_UNAVAILABLE')
    assert.equal(server.openUploads(BUCKET), 2)
    assert.equal(await sink.sweepStaged?.('a/', () => false, never), 1)
    assert.deepEqual(server.uploadKeys(BUCKET), ['k'])
  })

  it('removes the upload of a process that was killed while it tried conditional puts', async (t) => {
    const { server, sink, file } = await staged(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'AbortMultipartUpload' })
    const run = sink.conditionalPutProbe?.run({ ...file, isStaged: true }, sink.destination('a/1'), never)
    assert.deepEqual(await run, { refusesOverwrite: true })
    assert.equal(server.openUploads(BUCKET), 2)
    assert.equal(await sink.sweepStaged?.('a/', () => false, never), 1)
    assert.deepEqual(server.uploadKeys(BUCKET), ['k'])
  })

  it('makes a conditional put that is under way be asked again', async (t) => {
    const { server, sink, file } = await staged(t)
    server.faults.add({ kind: 'error', code: 'NoSuchUpload', operation: 'CompleteMultipartUpload' })
    const run = sink.conditionalPutProbe?.run({ ...file, isStaged: true }, sink.destination('a/1'), never)
    await assert.rejects(run ?? Promise.resolve(), { message: /NoSuchUpload/ })
    assert.equal(server.openUploads(BUCKET), 1)
  })

  it('removes nothing, and is no failure, where lists are refused', async (t) => {
    const { server, sink } = await staged(t, { store: { denyList: true } })
    assert.equal(await sink.sweepStaged?.('', () => true, never), 0)
    assert.equal(server.openUploads(BUCKET), 1)
  })
})

interface Setup {
  readonly bytes?: number
  readonly store?: S3ServerOptions
  readonly changes?: Parameters<typeof createSink>[2]
  /** While the object is staged. */
  readonly fault?: Fault
}

async function staged(t: TestContext, { bytes = 1000, store, changes, fault }: Setup = {}) {
  const server: S3Server = await startStore(t, store)
  const sink = await createSink(t, server, changes)
  const file = await outboxFile(t, bytes)
  if (fault) server.faults.add(fault)
  return { server, sink, file, handle: await stage(sink, file) }
}

async function stage(sink: ObjectSink, file: OutboxFile, key = 'k'): Promise<Json> {
  if (!sink.stage) throw new Error('the s3 sink stages objects')
  return sink.stage(file, sink.destination(key), never)
}

async function publish(
  sink: ObjectSink,
  handle: Json,
  file: OutboxFile,
  attempt: Attempt = memoryAttempt(),
  key = 'k',
): Promise<'published' | 'gone' | undefined> {
  return sink.publishStaged?.(handle, { ...file, isStaged: true }, sink.destination(key), never, attempt)
}

function describeFault(fault: Fault): string {
  const how = 'code' in fault ? fault.code : 'at' in fault ? `at ${fault.at}` : ''
  return `${fault.kind} ${how} of ${String(fault.operation)}`
}

function code(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error
}
