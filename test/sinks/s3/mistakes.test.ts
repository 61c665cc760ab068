import assert from 'node:assert/strict'
import { lookup } from 'node:dns/promises'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { OutgoingHttpHeaders, Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import type { SluiceError } from '../../../src/errors.ts'
import { createS3Client } from '../../../src/s3/client.ts'
import type { S3Location } from '../../../src/s3/client.ts'
import { uploadObject } from '../../../src/sinks/s3/upload.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import { listen } from '../../support/listen.ts'
import { fixture } from '../../support/paths.ts'
import { BUCKET, createSink, memoryAttempt, never, outboxFile, startStore } from './support.ts'

/** Resolvers refuse this name without asking anybody: its label is too long. */
const NOWHERE = `${'a'.repeat(64)}.test`
const HTML = { 'content-type': 'text/html; charset=utf-8' }
const XML = { 'content-type': 'application/xml' }

interface Answer {
  readonly status?: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
}

describe('a mistake in the address of the store is refused at the first request, with the way out:', () => {
  it('a local store without path style', async (t) => {
    if (await isHost('events.localhost')) {
      t.skip('this machine resolves every name below localhost')
      return
    }
    const server = await startStore(t)
    const endpoint = server.endpoint.replace('127.0.0.1', 'localhost')
    await refuses(
      t,
      { endpoint, forcePathStyle: false },
      /events\.localhost does not exist, but localhost does: set `forcePathStyle: true`/,
    )
  })

  it('https to a port without TLS', async (t) => {
    const port = await serve(t, createServer())
    await refuses(
      t,
      { endpoint: `https://127.0.0.1:${port}` },
      new RegExp(`does not speak TLS: write http://127.0.0.1:${port}$`),
    )
  })

  it('http to a port with TLS, which hangs up', async (t) => {
    const port = await serve(t, await tlsServer())
    await refuses(
      t,
      { endpoint: `http://127.0.0.1:${port}` },
      new RegExp(`speaks TLS: write https://127.0.0.1:${port}$`),
    )
  })

  it('a certificate that nobody vouches for', async (t) => {
    const port = await serve(t, await tlsServer())
    await refuses(
      t,
      { endpoint: `https://localhost:${port}` },
      /localhost:\d+: UNABLE_TO_VERIFY_LEAF_SIGNATURE: .*NODE_EXTRA_CA_CERTS/,
    )
  })

  it('a host name that does not exist, if the store was never reached', async (t) => {
    await refuses(t, { endpoint: `https://${NOWHERE}:9000` }, /the host \w+\.test does not exist: correct `endpoint`/)
  })

  for (const status of [200, 400, 403, 405]) {
    it(`a console that answers ${status} and a page`, async (t) => {
      const endpoint = await answering(t, { status, headers: HTML, body: '<html>Log in</html>' })
      for (const isRepeated of [false, true])
        await refuses(t, { endpoint }, /does not come from an S3 store|not the API of an S3 store/, { isRepeated })
      await refuses(t, { endpoint }, /does not come from an S3 store|not the API of an S3 store/, { bytes: 12 << 20 })
    })
  }

  it('a proxy that refuses large bodies', async (t) => {
    const endpoint = await answering(t, { status: 413, headers: HTML, body: '<html>Request Entity Too Large</html>' })
    await refuses(t, { endpoint }, /413.*client_max_body_size.*`partSize`/)
  })

  const named: [string, Answer, RegExp][] = [
    [
      'a region in a header',
      { status: 301, headers: { ...XML, 'x-amz-bucket-region': 'eu-central-1' }, body: document('PermanentRedirect') },
      /set `region` to eu-central-1/,
    ],
    [
      'a region in the error',
      { status: 400, headers: XML, body: document('AuthorizationHeaderMalformed', '<Region>eu-west-1</Region>') },
      /set `region` to eu-west-1/,
    ],
    [
      'a region that is no region',
      { status: 400, headers: XML, body: document('AuthorizationHeaderMalformed', '<Region>a b\u001b[2J</Region>') },
      /set `region`$/,
    ],
    [
      'a clock that is ahead',
      {
        status: 403,
        headers: { ...XML, date: new Date(Date.now() - 7_200_000).toUTCString() },
        body: document('RequestTimeTooSkewed'),
      },
      /the clock of this machine is wrong: it is 120 min ahead/,
    ],
    [
      'a checksum that it does not know',
      {
        status: 400,
        headers: XML,
        body: document('InvalidArgument', '<Message>Unsupported header x-amz-checksum-crc32</Message>'),
      },
      /checksums: when-required/,
    ],
  ]
  for (const [name, answer, message] of named) {
    it(`a store that names ${name}`, async (t) => refuses(t, { endpoint: await answering(t, answer) }, message))
  }
})

describe('what may be an outage is not refused:', () => {
  it('a port where nothing listens', async (t) => {
    const error = await failure(t, { endpoint: 'http://127.0.0.1:1' })
    assert.deepEqual([error.code, error.retryable], ['SINK_UNAVAILABLE', true])
    assert.match(
      error.message,
      /ECONNREFUSED 127\.0\.0\.1 port 1: nothing listens there: start the store, or correct `endpoint`/,
    )
  })

  it('a host name that does not exist now, of a store that has worked', async (t) => {
    const error = await failure(t, { endpoint: `https://${NOWHERE}:9000` }, { storeIsKnown: true })
    assert.deepEqual([error.code, error.retryable], ['SINK_UNAVAILABLE', true])
  })

  it('a page of a load balancer whose stores are away', async (t) => {
    const endpoint = await answering(t, { status: 503, headers: HTML, body: '<html>Service Unavailable</html>' })
    const error = await failure(t, { endpoint })
    assert.equal(error.retryable, true)
  })

  it('a store that hangs up, and speaks no TLS either', async (t) => {
    const port = await serve(
      t,
      createServer((request) => request.socket.destroy()),
    )
    const error = await failure(t, { endpoint: `http://127.0.0.1:${port}` })
    assert.equal(error.retryable, true)
  })
})

for (const body of ['', '<html><body>Welcome</body></html>']) {
  it(`a list that is ${body === '' ? 'empty' : 'a web page'} is not the list of a store without objects`, async (t) => {
    const sink = await createSink(t, await startStore(t), { endpoint: await answering(t, { headers: HTML, body }) })
    const listed = sink.list?.('a/', never)
    await assert.rejects(async () => listed?.[Symbol.asyncIterator]().next(), {
      code: 'SINK_REFUSED',
      message: /the answer to ListObjectsV2 on bucket events does not come from an S3 store/,
    })
  })
}

it('a run with a mistake in the address ends at once, and succeeds after its correction', async (t) => {
  if (await isHost('events.localhost')) {
    t.skip('this machine resolves every name below localhost')
    return
  }
  const server = await startStore(t)
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '{"id":1}\n')
  const pipeline = (pathStyle: boolean) => `
source: { type: file, path: in.ndjson }
sink:
  type: s3
  bucket: events
  endpoint: ${server.endpoint.replace('127.0.0.1', 'localhost')}
  region: us-east-1
  forcePathStyle: ${pathStyle}
`
  await workspace.write('pipelines/p.yaml', pipeline(false))
  const refused = await workspace.sluice(['run', 'p'], { env: s3Environment(server) })
  assert.equal(refused.code, 4)
  assert.match(refused.stderr, /SINK_REFUSED: .*set `forcePathStyle: true`/)
  assert.doesNotMatch(refused.stderr, /retrying/)
  await workspace.write('pipelines/p.yaml', pipeline(true))
  await workspace.report(['run', 'p'], { env: s3Environment(server) })
  assert.equal(server.objects('events').size, 1)
})

it('a run to a host that does not exist ends before it commits anything', async (t) => {
  const server = await startStore(t)
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '{"id":1}\n')
  const sink = `{ type: s3, bucket: events, endpoint: 'https://${NOWHERE}:9000', forcePathStyle: true }`
  await workspace.write('pipelines/p.yaml', `source: { type: file, path: in.ndjson }\nsink: ${sink}\n`)
  const refused = await workspace.sluice(['run', 'p'], { env: s3Environment(server) })
  assert.equal(refused.code, 4, refused.stderr)
  assert.match(refused.stderr, /SINK_REFUSED: .*does not exist: correct `endpoint`/)
  assert.match((await workspace.sluice(['state', 'show', 'p'])).stdout, /0 published, 0 waiting/)
})

async function isHost(name: string): Promise<boolean> {
  const [found] = await Promise.allSettled([lookup(name)])
  return found.status === 'fulfilled'
}

function document(code: string, more = ''): string {
  return `<?xml version="1.0"?><Error><Code>${code}</Code>${more}</Error>`
}

async function serve(t: TestContext, server: Server): Promise<number> {
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return listen(server)
}

async function tlsServer(): Promise<Server> {
  const [cert, key] = await Promise.all(
    ['server.pem', 'server-key.pem'].map((name) => readFile(join(fixture('tls'), name))),
  )
  return createTlsServer({ cert, key })
}

/** A server that gives the same answer to every request. */
async function answering(t: TestContext, { status = 200, headers = {}, body = '' }: Answer): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.writeHead(status, headers).end(body))
  })
  return `http://127.0.0.1:${await serve(t, server)}`
}

interface Attempted {
  readonly isRepeated?: boolean
  readonly storeIsKnown?: boolean
  readonly bytes?: number
}

async function failure(
  t: TestContext,
  location: Partial<S3Location>,
  { isRepeated = false, storeIsKnown = false, bytes = 1000 }: Attempted = {},
): Promise<SluiceError> {
  await startStore(t)
  const place = { region: 'us-east-1', forcePathStyle: true, ...location }
  const client = createS3Client({ ...place, maxAttempts: 1 })
  t.after(() => client.destroy())
  const destination = { ...place, bucket: BUCKET, key: 'k', partSize: 5 << 20 }
  const attempt = { ...memoryAttempt(), isRepeated, storeIsKnown }
  const file = await outboxFile(t, bytes)
  const [result] = await Promise.allSettled([uploadObject({ client, file, destination, signal: never, attempt })])
  assert.ok(result.status === 'rejected', 'publishing succeeded')
  const error: SluiceError = result.reason
  return error
}

async function refuses(
  t: TestContext,
  location: Partial<S3Location>,
  message: RegExp,
  attempted: Attempted = {},
): Promise<void> {
  const error = await failure(t, location, attempted)
  assert.deepEqual([error.code, error.retryable], ['SINK_REFUSED', false], error.message)
  assert.match(error.message, message)
}
