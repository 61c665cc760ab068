import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:https'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { openWorkspace, s3Environment } from '../support/command.ts'
import { answerConnect, PROXY_PASSWORD, proxyFaults, startConnectProxy, startHostileProxy } from '../servers/proxy.ts'
import { startS3Server } from '../servers/s3.ts'
import { fixture } from '../support/paths.ts'
import { listen } from '../support/listen.ts'

const TLS = fixture('tls')

/** `https://api.test`: reachable only through a proxy, and trusted only with `ca.pem`. */
async function startApi(context: TestContext): Promise<number> {
  const [cert, key] = await Promise.all(['server.pem', 'server-key.pem'].map((name) => readFile(join(TLS, name))))
  const server = createServer({ cert, key }, (request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(request.url === '/token' ? '{"access_token":"canary-token"}' : '[{"id":1},{"id":2}]')
  })
  const port = await listen(server)
  context.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return port
}

test('reaches the API, its token endpoint, the store and STS through the proxy of the environment', async (context) => {
  const proxy = await startConnectProxy(context)
  const role = { arn: 'arn:aws:iam::111122223333:role/writer' }
  const s3 = await startS3Server({ buckets: ['events'], role })
  context.after(() => s3.close())
  const port = await startApi(context)
  const store = s3.endpoint.replace('127.0.0.1', 'store.test')
  const workspace = await openWorkspace(context)
  const pipeline = (tls: string) => `source:
  type: http
  request: { url: 'https://api.test:${port}/events' }
  retry: { attempts: 1 }
  auth:
    type: oauth2ClientCredentials
    tokenUrl: https://api.test:${port}/token
    clientId: me
    clientSecret: \${env:SECRET}
  ${tls}
transforms: [{ type: dedup, key: id }]
sink: { type: s3, bucket: events, key: all, forcePathStyle: true, allowInsecure: true, assumeRole: { arn: '${role.arn}' } }
`
  await workspace.write('pipelines/p.yaml', pipeline(`tls: { ca: '${join(TLS, 'ca.pem')}' }`))
  const env = {
    ...s3Environment(s3),
    AWS_ENDPOINT_URL_S3: store,
    AWS_ENDPOINT_URL_STS: store,
    SECRET: 'canary-secret',
    HTTPS_PROXY: proxy.url,
    HTTP_PROXY: proxy.url,
  }
  const report = await workspace.report(['run', 'p'], { env })
  assert.equal(report.written, 2)
  assert.equal(s3.objects('events').size, 1)
  assert.ok(s3.count('AssumeRole') > 0)
  assert.deepEqual(new Set(proxy.tunnels), new Set([`api.test:${port}`, new URL(store).host]))

  await workspace.write('pipelines/q.yaml', pipeline(''))
  const trusted = { ...env, NODE_EXTRA_CA_CERTS: join(TLS, 'ca.pem') }
  assert.equal((await workspace.report(['run', 'q'], { env: trusted })).written, 2)
  const stranger = await workspace.sluice(['run', 'q'], { env })
  assert.equal(stranger.code, 3)
  assert.match(stranger.stderr, /certificate|issuer/)

  const refused = await workspace.sluice(['run', 'p'], {
    env: { ...env, HTTPS_PROXY: proxy.url.replace(PROXY_PASSWORD, 'canary-wrong') },
  })
  assert.equal(refused.code, 3)
  assert.doesNotMatch(refused.stderr + refused.stdout, /canary/)
})

test('NO_PROXY bypasses the proxy for the API and the store', async (context) => {
  const proxy = await startConnectProxy(context)
  const s3 = await startS3Server({ buckets: ['events'] })
  context.after(() => s3.close())
  const port = await startApi(context)
  const workspace = await openWorkspace(context)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: http, request: { url: 'https://127.0.0.1:${port}/events' }, tls: { ca: '${join(TLS, 'ca.pem')}' } }
transforms: [{ type: dedup, key: id }]
sink: { type: s3, bucket: events, key: all, forcePathStyle: true }
`,
  )
  const env = { ...s3Environment(s3), HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url }
  assert.equal((await workspace.report(['run', 'p'], { env: { ...env, NO_PROXY: '127.0.0.1' } })).written, 2)
  assert.deepEqual(proxy.tunnels, [])
  await workspace.report(['run', 'p', '--state', 'other'], { env })
  assert.equal(new Set(proxy.tunnels).size, 2)
})

/** Terminates TLS in front of a local port, trusted only with `ca.pem`. Returns its own port. */
async function startTls(context: TestContext, target: number): Promise<number> {
  const [cert, key] = await Promise.all(['server.pem', 'server-key.pem'].map((name) => readFile(join(TLS, name))))
  const server = createTlsServer({ cert, key }, (socket) => {
    const onward = connect(target, '127.0.0.1')
    socket.on('error', () => onward.destroy())
    onward.on('error', () => socket.destroy())
    onward.on('close', () => socket.destroy())
    socket.on('close', () => onward.destroy())
    socket.pipe(onward).pipe(socket)
  })
  const port = await listen(server)
  context.after(() => server.close())
  return port
}

test('trusts the store by NODE_EXTRA_CA_CERTS, directly and through the proxy', async (context) => {
  const proxy = await startConnectProxy(context)
  const role = { arn: 'arn:aws:iam::111122223333:role/writer' }
  const s3 = await startS3Server({ buckets: ['events'], role })
  context.after(() => s3.close())
  const port = await startTls(context, Number(new URL(s3.endpoint).port))
  const workspace = await openWorkspace(context)
  await workspace.write('in.ndjson', '{"id":1}\n')
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }
sink: { type: s3, bucket: events, key: all, forcePathStyle: true, allowInsecure: true, assumeRole: { arn: '${role.arn}' } }
`,
  )
  const envOf = (host: string) => {
    const endpoint = `https://${host}:${port}`
    return { ...s3Environment(s3), AWS_ENDPOINT_URL_S3: endpoint, AWS_ENDPOINT_URL_STS: endpoint }
  }
  const trusted = { NODE_EXTRA_CA_CERTS: join(TLS, 'ca.pem') }
  const direct = await workspace.report(['run', 'p', '--state', 'a'], { env: { ...envOf('127.0.0.1'), ...trusted } })
  assert.equal(direct.written, 1)
  const proxied = { ...envOf('api.test'), ...trusted, HTTPS_PROXY: proxy.url }
  assert.equal((await workspace.report(['run', 'p', '--state', 'b'], { env: proxied })).written, 1)
  assert.deepEqual(new Set(proxy.tunnels), new Set([`api.test:${port}`]))
  assert.equal(s3.objects('events').size, 2)

  const stranger = await workspace.sluice(['check', 'p', '--connect'], { env: envOf('127.0.0.1') })
  assert.equal(stranger.code, 4, stranger.stderr)
  assert.match(stranger.stdout, /UNABLE_TO_VERIFY_LEAF_SIGNATURE.*NODE_EXTRA_CA_CERTS/)
})

for (const [name, handle, code, words] of [
  [
    'closes the connection',
    proxyFaults['closes the connection on CONNECT'],
    'SINK_UNAVAILABLE',
    /closed the connection/,
  ],
  ['rejects its credentials', answerConnect(407), 'SINK_REFUSED', /with status 407: check the user and the password/],
  ['cannot reach the store', answerConnect(502), 'SINK_UNAVAILABLE', /with status 502/],
] as const) {
  test(`a check names a proxy that ${name} on the way to the store`, async (context) => {
    const proxy = await startHostileProxy(context, handle)
    const workspace = await openWorkspace(context)
    await workspace.write('in.ndjson', '{"id":1}\n')
    await workspace.write(
      'pipelines/p.yaml',
      'source: { type: file, path: in.ndjson }\nsink: { type: s3, bucket: events, key: all, forcePathStyle: true }\n',
    )
    const store = { endpoint: 'https://store.test', region: 'eu-west-1', accessKeyId: 'a', secretAccessKey: 'b' }
    const env = { ...s3Environment(store), HTTPS_PROXY: proxy.url }
    const { stdout, stderr, code: exit } = await workspace.sluice(['check', 'p', '--connect'], { env })
    assert.equal(exit, 4, stdout)
    assert.match(stderr, new RegExp(code))
    assert.match(stdout, /the proxy http:\/\/127\.0\.0\.1:\d+ .*store\.test:443/)
    assert.match(stdout, words)
    assert.ok(proxy.connections() <= 20)
    assert.doesNotMatch(stdout + stderr, /canary/)
  })
}
