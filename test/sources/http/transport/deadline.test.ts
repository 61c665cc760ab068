import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { idsOf, openSource, QUICK, readSource, startServer } from '../read-source.ts'
import type { Reading, TestServer } from '../read-source.ts'
import { temporaryFolder } from '../../../support/temporary-folder.ts'

const JSON_TYPE = { 'content-type': 'application/json' }
const LIMIT = { request: '250ms' }

/** Sends one byte every 50 ms and never ends. */
function drip(
  response: ServerResponse,
  status: number,
  headers: { readonly [name: string]: string } = JSON_TYPE,
): void {
  response.writeHead(status, headers)
  const timer = setInterval(() => response.write(' '), 50)
  response.on('close', () => clearInterval(timer))
}

async function read(server: TestServer, more: object = {}): Promise<Reading> {
  const config = { type: 'http', request: { url: `${server.origin}/events` }, ...QUICK, timeout: LIMIT, ...more }
  return readSource(await openSource({ ...config, retry: { attempts: 2, maxDelay: '1ms' } }))
}

function reasonsOf({ notes }: Reading): unknown[] {
  return notes.filter(({ message }) => message === 'request failed, retrying').map(({ facts }) => facts['reason'])
}

for (const [status, code] of [
  [500, 'SOURCE_UNAVAILABLE'],
  [401, 'SOURCE_REFUSED'],
] as const) {
  test(`the body of a ${status} that drips does not outlive the deadline, and the status counts`, async (context) => {
    const server = await startServer(context, (_request, response) => drip(response, status))
    const reading = await read(server)
    assert.equal(reading.error?.code, code)
    assert.match(reading.error.message, new RegExp(`GET .*/events returned ${status}`))
    assert.equal(server.requests.length, status === 500 ? 2 : 1)
    if (status === 500) assert.match(String(reasonsOf(reading)[0]), /returned 500/)
  })
}

test('the body of an error that was compressed and stalls does not outlive the deadline', async (context) => {
  const server = await startServer(context, (_request, response) => {
    response.writeHead(503, { ...JSON_TYPE, 'content-encoding': 'gzip' })
    response.write(gzipSync('{"message":"later"}').subarray(0, 12))
  })
  const reading = await read(server)
  assert.match(reading.error?.message ?? '', /returned 503, after 2 attempts/)
})

test('an error with an endless body is read no further than its start', async (context) => {
  const closed: string[] = []
  const server = await startServer(context, (_request, response) => {
    response.writeHead(500, JSON_TYPE)
    const more = () => void response.write('x'.repeat(1 << 16))
    response.on('drain', more).on('close', () => closed.push('closed'))
    more()
  })
  const reading = await read(server, { timeout: { request: '1h' } })
  assert.match(reading.error?.message ?? '', /returned 500, after 2 attempts/)
  assert.equal(server.requests.length, 2)
  while (closed.length < 2) await sleep(1)
})

const stalls: { readonly [name: string]: (response: ServerResponse) => void } = {
  'headers that drip': ({ socket }) => {
    socket?.write('HTTP/1.1 200 OK\r\n')
    const timer = setInterval(() => socket?.write('x-drip: 1\r\n'), 50)
    socket?.on('close', () => clearInterval(timer))
  },
  'a page that drips': (response) => drip(response, 200),
  'a compressed page that stalls': (response) => {
    response.writeHead(200, { ...JSON_TYPE, 'content-encoding': 'gzip' })
    response.write(gzipSync('[{"id":1},{"id":2}]').subarray(0, 15))
  },
}

for (const [name, respond] of Object.entries(stalls)) {
  test(`${name} ends at the deadline, and is retried`, async (context) => {
    const server = await startServer(context, (_request, response) => respond(response))
    const reading = await read(server)
    assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE')
    assert.match(reading.error.message, /not complete after 250 ms \(timeout\.request\), after 2 attempts/)
    assert.match(String(reasonsOf(reading)[0]), /not complete after 250 ms/)
    assert.equal(server.requests.length, 2)
  })
}

async function withToken(context: TestContext, server: TestServer) {
  const tokenFile = join(await temporaryFolder(context), 'token')
  const tokenUrl = `${server.origin}/token`
  return { auth: { type: 'oauth2RefreshToken', tokenUrl, clientId: 'me', refreshToken: 'first', tokenFile } }
}

for (const [name, status, expected] of [
  ['answer', 200, /token endpoint .*\/token was not complete after 250 ms \(timeout\.request\), after 2 attempts/],
  ['error', 500, /token endpoint .*\/token returned 500, after 2 attempts/],
] as const) {
  test(`a token ${name} that drips ends at the deadline, and is retried`, async (context) => {
    const server = await startServer(context, (_request, response) => drip(response, status))
    const reading = await read(server, await withToken(context, server))
    assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE')
    assert.match(reading.error.message, expected)
    assert.deepEqual(
      server.requests.map(({ url }) => url.pathname),
      ['/token', '/token'],
    )
  })
}

test('a token answer without an end is not collected', async (context) => {
  const server = await startServer(context, (_request, response) => {
    response.writeHead(200, JSON_TYPE)
    const more = () => void response.write('x'.repeat(1 << 16))
    response.on('drain', more)
    more()
  })
  const reading = await read(server, { ...(await withToken(context, server)), timeout: { request: '1h' } })
  assert.match(reading.error?.message ?? '', /the response has more than 1MiB, after 2 attempts/)
})

test('counts that drip do not hold up the records', async (context) => {
  const server = await startServer(context, ({ url }, response) => {
    if (url.pathname === '/count') drip(response, 200)
    else response.writeHead(200, JSON_TYPE).end('[{"id":1}]')
  })
  const reading = await read(server, {
    window: { since: '1h' },
    count: { url: `${server.origin}/count`, query: { from: '{window.start}' }, value: { body: 'count' } },
  })
  assert.equal(reading.error, undefined)
  assert.deepEqual(idsOf(reading.lines), [1])
  assert.ok(reading.notes.some(({ message }) => message === 'could not count the records of a window'))
})

test('a check of the connection ends at the deadline too', async (context) => {
  const server = await startServer(context, (_request, response) => drip(response, 200))
  const config = { type: 'http', request: { url: `${server.origin}/events` }, ...QUICK, timeout: LIMIT }
  const source = await openSource(config)
  const found = []
  for await (const check of source.connect?.(new AbortController().signal) ?? []) found.push(check)
  assert.match(String(found[0]?.error?.message), /not complete after 250 ms \(timeout\.request\)/)
})

test('a sink that is slower than every timeout does not make a response time out', async (context) => {
  const line = JSON.stringify({ id: 0, text: 'x'.repeat(1000) })
  const records = Array.from({ length: 4000 }, (_, id) => line.replace('0', String(id)))
  const server = await startServer(context, (_request, response) => {
    response.writeHead(200, JSON_TYPE).end(`[${records.join()}]`)
  })
  const timeout = { request: '1s', body: '1s', headers: '1s' }
  const config = { type: 'http', request: { url: `${server.origin}/events` }, ...QUICK, timeout }
  const reading = await readSource(await openSource(config), {
    onChunk: (_chunk, { chunks }) => sleep(chunks.length === 1 ? 1300 : 0),
  })
  assert.equal(reading.error, undefined)
  assert.equal(reading.lines.length, records.length)
  assert.equal(server.requests.length, 1)
})

for (const [name, sendDate] of [
  ['a count that hangs', false],
  ['a count that hangs, of an API that sends its time', true],
] as const) {
  test(`${name} holds up one window of a run, and is logged`, async (context) => {
    const server = await startServer(context, ({ url }, response) => {
      response.sendDate = sendDate
      if (url.pathname === '/events') response.writeHead(200, JSON_TYPE).end('[{"id":1}]')
      else response.writeHead(200, JSON_TYPE).flushHeaders()
    })
    const reading = await read(server, {
      window: { since: '10d', step: '1d' },
      count: { url: `${server.origin}/count`, value: { body: 'count' } },
      repair: {
        url: `${server.origin}/hours?from={window.start}&to={window.end}`,
        buckets: '$',
        start: 't',
        count: 'n',
        back: '2d',
      },
    })
    assert.equal(reading.error, undefined)
    assert.deepEqual(
      server.requests.map(({ url }) => url.pathname),
      ['/count', ...Array<string>(10).fill('/events')],
    )
    const [note] = reading.notes
    assert.match(note?.message ?? '', sendDate ? /could not count the records/ : /could not learn the time of the API/)
    assert.match(String(note?.facts['reason']), /was not complete after 250 ms \(timeout\.request\)/)
    assert.equal(note?.facts['nextTryIn'], '1h')
    assert.equal(reading.notes.filter(({ message }) => message.includes('count')).length, 1)
  })
}
