import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { listen } from '../../../support/listen.ts'
import { fixture } from '../../../support/paths.ts'
import {
  answerConnect,
  proxyFaults,
  silentTunnel,
  startConnectProxy,
  startHostileProxy,
} from '../../../servers/proxy.ts'
import { idsOf, openSource, QUICK, readSource, startServer, wordsOf } from '../read-source.ts'
import type { Reading } from '../read-source.ts'

const VARIABLES = ['HTTPS_PROXY', 'HTTP_PROXY', 'ALL_PROXY', 'NO_PROXY']

/** Sets variables for one test. */
function setEnvironment(context: TestContext, variables: { readonly [name: string]: string }): void {
  const before = { ...process.env }
  for (const name of VARIABLES) for (const key of [name, name.toLowerCase()]) delete process.env[key]
  Object.assign(process.env, variables)
  context.after(() => {
    for (const key of Object.keys(process.env)) if (!(key in before)) delete process.env[key]
    Object.assign(process.env, before)
  })
}

async function read(url: string, more: object = {}): Promise<Reading> {
  const config = { type: 'http', request: { url }, ...QUICK, timeout: { connect: '250ms' }, allowInsecure: true }
  return readSource(await openSource({ ...config, retry: { attempts: 3, maxDelay: '1ms' }, ...more }))
}

for (const url of ['https://api.test/events', 'http://api.test/events']) {
  for (const [name, handle] of Object.entries(proxyFaults)) {
    test(`a proxy that ${name} is one failed attempt each (${new URL(url).protocol})`, async (context) => {
      const proxy = await startHostileProxy(context, handle)
      setEnvironment(context, { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url })
      const reading = await read(url)
      assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE')
      assert.match(reading.error.message, /no response from https?:\/\/api\.test: .*proxy http:\/\/127\.0\.0\.1:\d+/)
      assert.match(reading.error.message, /after 3 attempts/)
      assert.equal(proxy.connections(), 3)
      assert.equal(reading.notes.length, 2)
      assert.doesNotMatch(wordsOf(reading), /canary/)
    })
  }
}

for (const [status, attempts, words] of [
  [407, 1, /check the user and the password in its URL/],
  [403, 1, /does not allow this host/],
  [405, 1, /is it the address of a proxy/],
  [429, 3, /after 3 attempts/],
  [502, 3, /after 3 attempts/],
  [503, 3, /after 3 attempts/],
] as const) {
  test(`a proxy that answers CONNECT with ${status} is named, with ${attempts} attempts`, async (context) => {
    const proxy = await startHostileProxy(context, answerConnect(status))
    setEnvironment(context, { HTTPS_PROXY: proxy.url })
    const reading = await read('https://api.test/events')
    assert.equal(reading.error?.code, attempts === 1 ? 'SOURCE_REFUSED' : 'SOURCE_UNAVAILABLE')
    assert.match(
      reading.error.message,
      new RegExp(
        `the proxy http://127\\.0\\.0\\.1:\\d+ refused the connection to api\\.test:443 with status ${status}`,
      ),
    )
    assert.match(reading.error.message, words)
    assert.equal(proxy.connections(), attempts)
    assert.doesNotMatch(wordsOf(reading), /canary/)
  })
}

test('a proxy that does not listen or does not exist is named', async (context) => {
  for (const [address, words] of [
    ['http://127.0.0.1:1', /the proxy http:\/\/127\.0\.0\.1:1 did not open a connection .*ECONNREFUSED/],
    ['http://proxy.invalid:3128', /the proxy http:\/\/proxy\.invalid:3128 did not open a connection/],
  ] as const) {
    setEnvironment(context, { HTTPS_PROXY: address })
    const reading = await read('https://api.test/events')
    assert.match(reading.error?.message ?? '', words)
  }
})

test('a certificate that does not fit is reported once per attempt, with the proxy', async (context) => {
  const tls = fixture('tls')
  const [cert, key] = await Promise.all(['server.pem', 'server-key.pem'].map((name) => readFile(join(tls, name))))
  const server = createServer({ cert, key }, (_request, response) => response.end('[]'))
  const port = await listen(server)
  context.after(() => server.close())
  const proxy = await startConnectProxy(context)
  setEnvironment(context, { HTTPS_PROXY: proxy.url })
  const unknown = await read(`https://api.test:${port}/events`)
  assert.match(unknown.error?.message ?? '', /(certificate|issuer).*\(through the proxy http:\/\/127\.0\.0\.1:\d+\)/)
  assert.equal(proxy.tunnels.length, 3)
  const other = await read(`https://other.invalid:${port}/events`, { tls: { ca: join(tls, 'ca.pem') } })
  assert.match(other.error?.message ?? '', /other\.invalid.*\(through the proxy/)
  assert.equal(proxy.tunnels.length, 6)
})

for (const [value, words] of [
  ['socks5://proxy.test:1080', /HTTPS_PROXY cannot be used: .*socks5:\/\/ are not supported/],
  ['ftp://proxy.test', /HTTPS_PROXY cannot be used: .*ftp:\/\/ are not supported/],
  ['http://', /HTTPS_PROXY cannot be used: it is not the URL of a proxy/],
  ['http://me:canary%@proxy.test:3128', /HTTPS_PROXY cannot be used: its user or password is not percent-encoded/],
  ['not a proxy', /HTTPS_PROXY cannot be used: it is not the URL of a proxy/],
] as const) {
  test(`refuses the proxy "${value}" before the first request`, async (context) => {
    setEnvironment(context, { HTTPS_PROXY: value })
    const reading = await read('https://api.test/events')
    assert.equal(reading.error?.code, 'CONFIG_INVALID')
    assert.match(reading.error.message, words)
    assert.doesNotMatch(wordsOf(reading), /canary/)
  })
}

test('takes a proxy without a scheme, in lower case, or for all protocols, as curl does', async (context) => {
  const server = await startServer(context, (_request, response) => response.end('[{"id":1}]'))
  const url = `${server.origin.replace('127.0.0.1', 'api.test')}/events`
  const proxy = await startConnectProxy(context)
  const { host } = new URL(proxy.url)
  const settings: { readonly [name: string]: string }[] = [
    { HTTP_PROXY: proxy.url.replace('http://', '') },
    { http_proxy: proxy.url, HTTP_PROXY: 'http://127.0.0.1:1' },
    { all_proxy: proxy.url },
    { HTTP_PROXY: proxy.url, NO_PROXY: 'other.test,pi.test' },
    { HTTP_PROXY: proxy.url, NO_PROXY: 'api.test:1' },
  ]
  for (const variables of settings) {
    setEnvironment(context, variables)
    const reading = await read(url)
    assert.equal(reading.error, undefined, JSON.stringify(variables).replace(host, ''))
    assert.deepEqual(idsOf(reading.lines), [1])
  }
  assert.equal(proxy.tunnels.length, 5)
})

test('NO_PROXY excludes hosts with their subdomains, ports, addresses and networks', async (context) => {
  const server = await startServer(context, (_request, response) => response.end('[{"id":1}]'))
  const proxy = await startHostileProxy(context, (socket) => socket.destroy())
  const { port } = new URL(server.origin)
  for (const excluded of ['127.0.0.1', `127.0.0.1:${port}`, '127.0.0.0/8', 'a.test, *', '10.0.0.0/8 127.0.0.0/31']) {
    setEnvironment(context, { HTTP_PROXY: proxy.url, NO_PROXY: excluded })
    assert.equal((await read(`${server.origin}/events`)).error, undefined, excluded)
  }
  for (const excluded of ['api.test', '.test', '*.api.test', 'test']) {
    setEnvironment(context, { HTTP_PROXY: proxy.url, NO_PROXY: excluded })
    assert.doesNotMatch((await read('http://x.api.test:1/')).error?.message ?? '', /proxy/, excluded)
  }
  assert.equal(proxy.connections(), 0)
})

test('a run that is stopped while the proxy is silent ends at once', async (context) => {
  const proxy = await startHostileProxy(context, (socket) => socket.resume())
  setEnvironment(context, { HTTPS_PROXY: proxy.url })
  const stop = new AbortController()
  const source = await openSource({ type: 'http', request: { url: 'https://api.test/events' }, ...QUICK })
  const reading = readSource(source, { signal: stop.signal })
  while (proxy.connections() === 0) await new Promise(setImmediate)
  stop.abort()
  assert.deepEqual((await reading).lines, [])
})

test('a response that a limit ends in an open tunnel names the proxy', async (context) => {
  const proxy = await startHostileProxy(context, silentTunnel)
  setEnvironment(context, { HTTP_PROXY: proxy.url })
  const reading = await read('http://api.test/events', { timeout: { request: '250ms' } })
  assert.match(
    reading.error?.message ?? '',
    /was not complete after 250 ms \(timeout\.request; through the proxy http:\/\/127\.0\.0\.1:\d+\), after 3 attempts$/,
  )
  assert.doesNotMatch(wordsOf(reading), /canary/)
})
