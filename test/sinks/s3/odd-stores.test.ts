import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { CreateMultipartUploadCommand } from '@aws-sdk/client-s3'
import type { ConnectionCheck } from '../../../src/component.ts'
import { createS3Client } from '../../../src/s3/client.ts'
import type { S3Server, S3ServerOptions } from '../../servers/s3.ts'
import { silence, silentTunnel, startHostileProxy } from '../../servers/proxy.ts'
import { BUCKET, createSink, memoryAttempt, never, outboxFile, setEnvironment, startStore } from './support.ts'

const PARTS = 12 << 20

describe('the lost answer to a finished upload', () => {
  const repeats = ['AccessDenied', 'NoSuchKey', 'NoSuchUpload'] as const
  for (const repeatedComplete of repeats) {
    it(`whose repeat gets ${repeatedComplete} does not end the run, nor repeat the upload`, async (t) => {
      const server = await startStore(t, { repeatedComplete, abortDeletes: true })
      server.faults.add({ kind: 'reset', at: 'response', operation: 'CompleteMultipartUpload' })
      await publishes(t, server)
      assert.deepEqual([server.count('CreateMultipartUpload'), server.count('AbortMultipartUpload')], [1, 0])
    })

    it(`whose repeat gets ${repeatedComplete} ends no run without the right to read`, async (t) => {
      const server = await startStore(t, { repeatedComplete, denyRead: true, denyList: true })
      server.faults.add({ kind: 'reset', at: 'response', operation: 'CompleteMultipartUpload' })
      await publishes(t, server, 2)
      assert.equal(server.openUploads(BUCKET), 0)
    })
  }

  it('is looked up if the store keeps failing', async (t) => {
    const server = await startStore(t, { abortDeletes: true })
    server.faults.add({ kind: 'reset', at: 'response', operation: 'CompleteMultipartUpload', times: 8 })
    await publishes(t, server)
    assert.equal(server.count('CreateMultipartUpload'), 1)
  })
})

describe('an object that the store has already', () => {
  for (const options of [
    { answer304: true, abortDeletes: true },
    { answer304: true },
    {},
  ] satisfies S3ServerOptions[]) {
    it(`stays, with ${JSON.stringify(options)}`, async (t) => {
      const server = await startStore(t, options)
      const file = await outboxFile(t, PARTS)
      const sink = await createSink(t, server)
      for (let copies = 0; copies < 2; copies++) await sink.publish(file, sink.destination('k'), never, memoryAttempt())
      const object = server.objects(BUCKET).get('k')
      assert.ok(object?.body.equals(file.content))
      assert.equal(object?.puts, 1)
    })
  }

  it('is put again if the store removes it after its answer', async (t) => {
    const server = await startStore(t, { abortDeletes: true })
    const file = await outboxFile(t, PARTS)
    const sink = await createSink(t, server)
    await sink.publish(file, sink.destination('k'), never, memoryAttempt())
    const attempt = memoryAttempt()
    await assert.rejects(sink.publish(file, sink.destination('k'), never, attempt), {
      code: 'SINK_UNAVAILABLE',
      message: /reports that k exists in bucket events, but it does not/,
    })
    attempt.isRepeated = true
    await sink.publish(file, sink.destination('k'), never, attempt)
    assert.ok(server.objects(BUCKET).get('k')?.body.equals(file.content))
  })
})

describe('an unfinished upload that nobody has noted', () => {
  it('is found and aborted at the next start, and nobody else’s is', async (t) => {
    const server = await startStore(t)
    const sink = await createSink(t, server)
    const file = await outboxFile(t, PARTS)
    const killed = { ...memoryAttempt(), saveResumeToken: () => Promise.reject(new Error('killed')) }
    await assert.rejects(sink.publish(file, sink.destination('k'), never, killed))
    const client = createS3Client({ region: server.region, endpoint: server.endpoint, forcePathStyle: true })
    t.after(() => client.destroy())
    for (const Key of ['k2', 'a/k']) await client.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key }))
    assert.equal(server.openUploads(BUCKET), 3)
    await sink.publish(file, sink.destination('k'), never, { ...memoryAttempt(), isRepeated: true })
    assert.equal(server.openUploads(BUCKET), 2)
    assert.equal(server.count('AbortMultipartUpload', 'k'), 1)
  })

  it('is left to the lifecycle rule where lists are refused', async (t) => {
    const server = await startStore(t, { denyList: true })
    const sink = await createSink(t, server)
    const file = await outboxFile(t, PARTS)
    const killed = { ...memoryAttempt(), saveResumeToken: () => Promise.reject(new Error('killed')) }
    await assert.rejects(sink.publish(file, sink.destination('k'), never, killed))
    await sink.publish(file, sink.destination('k'), never, { ...memoryAttempt(), isRepeated: true })
    assert.ok(server.objects(BUCKET).get('k')?.body.equals(file.content))
    assert.equal(server.openUploads(BUCKET), 1)
  })

  it('is found among more uploads than a page of the list holds', async (t) => {
    const server = await startStore(t, { maxPage: 2 })
    const client = createS3Client({ region: server.region, endpoint: server.endpoint, forcePathStyle: true })
    t.after(() => client.destroy())
    const create = (Key: string) => client.send(new CreateMultipartUploadCommand({ Bucket: BUCKET, Key }))
    for (const key of ['j', 'k', 'k', 'k', 'k', 'k', 'k2']) await create(key)
    const sink = await createSink(t, server)
    const file = await outboxFile(t, PARTS)
    await sink.publish(file, sink.destination('k'), never, { ...memoryAttempt(), isRepeated: true })
    assert.equal(server.openUploads(BUCKET), 2)
  })

  it('is aborted if only the answer to its creation was lost', async (t) => {
    const server = await startStore(t)
    server.faults.add({ kind: 'reset', at: 'response', operation: 'CreateMultipartUpload' })
    await publishes(t, server)
    assert.equal(server.count('CreateMultipartUpload'), 2)
    assert.equal(server.openUploads(BUCKET), 0)
  })
})

it('an upload that is aborted is not aborted again, and one that is not is kept in mind', async (t) => {
  const server = await startStore(t)
  const sink = await createSink(t, server)
  const file = await outboxFile(t, PARTS)
  const attempt = memoryAttempt()
  const parts = server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'UploadPart', times: 100 })
  const aborts = server.faults.add({
    kind: 'error',
    code: 'AccessDenied',
    operation: 'AbortMultipartUpload',
    times: 100,
  })
  const fails = async (): Promise<void> => {
    await assert.rejects(sink.publish(file, sink.destination('k'), never, attempt), { code: 'SINK_REFUSED' })
    attempt.isRepeated = true
  }
  await fails()
  await fails()
  assert.equal(server.openUploads(BUCKET), 2)
  assert.ok(Array.isArray(attempt.resumeToken) && attempt.resumeToken.length === 2)
  aborts.remove()
  await fails()
  assert.equal(server.openUploads(BUCKET), 0)
  assert.deepEqual(attempt.resumeToken, [])
  const before = server.count('AbortMultipartUpload')
  parts.remove()
  await sink.publish(file, sink.destination('k'), never, attempt)
  assert.equal(server.count('AbortMultipartUpload'), before)
})

describe('the connection check', () => {
  const stores: S3ServerOptions[] = [
    {},
    { ignoreDigests: true, ignoreConditions: true, denyDelete: true },
    { denyRead: true, denyList: true },
  ]
  for (const options of stores) {
    it(`leaves nothing in a store with ${JSON.stringify(options)}`, async (t) => {
      const server = await startStore(t, options)
      const checks = await connect(t, server)
      assert.deepEqual(
        checks.map(({ what, found }) => `${what}: ${found}`),
        [
          's3:PutObject in events below a/: allowed (an upload was created, got a part and was not finished; no object was put)',
          's3:AbortMultipartUpload in events below a/: allowed',
        ],
      )
      assert.deepEqual([server.objects(BUCKET).size, server.openUploads(BUCKET)], [0, 0])
      assert.equal(server.count('PutObject'), 0)
    })
  }

  const rules: [string, S3ServerOptions['lifecycle'], string][] = [
    ['no rule', [], 'none: what a killed run leaves stays, and costs money'],
    ['a rule', [{ prefix: '', days: 7 }], 'removes them after 7 days'],
    [
      'the shortest of its rules',
      [
        { prefix: '', days: 7 },
        { prefix: 'a', days: 1 },
      ],
      'removes them after 1 day; a parallel backfill with a queue must not take longer',
    ],
    [
      'rules for something else',
      [
        { prefix: 'b/', days: 1 },
        { prefix: '', days: 1, isEnabled: false },
      ],
      'none: what a killed run leaves stays, and costs money',
    ],
  ]
  for (const [name, lifecycle, found] of rules) {
    it(`says what the bucket does with unfinished uploads: ${name}`, async (t) => {
      const checks = await connect(t, await startStore(t, { lifecycle }))
      assert.deepEqual(checks.at(-1), { what: 'lifecycle rule for unfinished uploads in events', found })
    })
  }

  for (const times of [1, 2]) {
    it(`leaves no upload after ${times} lost answers to its creation`, async (t) => {
      const server = await startStore(t)
      server.faults.add({ kind: 'reset', at: 'response', operation: 'CreateMultipartUpload', times })
      const [put] = await connect(t, server)
      assert.equal(put.error?.code, times === 1 ? undefined : 'SINK_UNAVAILABLE')
      assert.equal(server.openUploads(BUCKET), 0)
    })
  }

  it('names the refused operation, and aborts its upload all the same', async (t) => {
    const server = await startStore(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'UploadPart' })
    const [put, abort] = await connect(t, server)
    assert.match(put.error?.message ?? '', /refused UploadPart on bucket events: AccessDenied/)
    assert.equal(abort.found, 'allowed')
    assert.equal(server.openUploads(BUCKET), 0)
  })
})

it('the conditional-put probe leaves no upload after a lost answer to its creation', async (t) => {
  const server = await startStore(t)
  const sink = await createSink(t, server)
  server.faults.add({ kind: 'reset', at: 'response', operation: 'CreateMultipartUpload' })
  const file = await outboxFile(t, PARTS)
  assert.deepEqual(await sink.conditionalPutProbe?.run(file, sink.destination('k'), never), { refusesOverwrite: true })
  assert.equal(server.openUploads(BUCKET), 0)
})

async function connect(t: TestContext, server: S3Server): Promise<ConnectionCheck[]> {
  const sink = await createSink(t, server)
  const checks: ConnectionCheck[] = []
  for await (const check of sink.connect?.('a/', never) ?? []) checks.push(check)
  return checks
}

/** Publishes an object as the publisher does, in so many attempts. */
async function publishes(t: TestContext, server: S3Server, attempts = 1): Promise<void> {
  const sink = await createSink(t, server)
  const file = await outboxFile(t, PARTS)
  const attempt = memoryAttempt()
  for (let failed = 0; failed < attempts - 1; failed++) {
    await assert.rejects(sink.publish(file, sink.destination('k'), never, attempt), { code: 'SINK_UNAVAILABLE' })
    attempt.isRepeated = true
  }
  await sink.publish(file, sink.destination('k'), never, attempt)
  const object = server.objects(BUCKET).get('k')
  assert.ok(object?.body.equals(file.content))
  assert.equal(object?.puts, 1)
}

describe('a check of the connection ends with its signal, if', () => {
  const store = { region: 'eu-west-1', accessKeyId: 'canary-id', secretAccessKey: 'canary-secret' }

  async function checkOf(
    t: TestContext,
    endpoint: string,
    changes: Parameters<typeof createSink>[2] = {},
    sts = endpoint,
  ) {
    const sink = await createSink(t, Object.assign(await startStore(t), store, { endpoint }), changes)
    setEnvironment({ AWS_ENDPOINT_URL_STS: sts })
    const checks: ConnectionCheck[] = []
    for await (const check of sink.connect?.('a/', AbortSignal.timeout(300)) ?? []) checks.push(check)
    return checks.map(({ error }) => `${error?.code}: ${error?.message}`).join('\n')
  }

  it('a proxy opens the tunnel and is silent: the error names it', async (t) => {
    const proxy = await startHostileProxy(t, silentTunnel)
    t.after(() => setEnvironment({ https_proxy: undefined }))
    setEnvironment({ https_proxy: proxy.url })
    const said = await checkOf(t, 'https://store.test')
    assert.match(
      said,
      /^SINK_UNAVAILABLE: no response to CreateMultipartUpload on bucket events within \d+ s, through the proxy http:\/\/127\.0\.0\.1:\d+$/,
    )
  })

  it('the store is silent', async (t) => {
    const silent = await startHostileProxy(t, silence)
    assert.match(await checkOf(t, new URL(silent.url).origin), /^SINK_UNAVAILABLE: no response to Create\S+ on .* s$/)
  })

  it('the endpoint for a role is silent, which the SDK asks without a signal', async (t) => {
    const silent = await startHostileProxy(t, silence)
    const sts = new URL(silent.url).origin
    t.after(() => setEnvironment({ AWS_ENDPOINT_URL_STS: undefined }))
    const role = { assumeRole: { arn: 'arn:aws:iam::111122223333:role/writer' } }
    assert.match(
      await checkOf(t, 'https://store.test', role, sts),
      /^SINK_UNAVAILABLE: no response to CreateMultipartUpload on bucket events/,
    )
  })
})
