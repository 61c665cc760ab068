import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openPipeline, subscribe } from '../../src/index.ts'
import type { EventName, Events } from '../../src/index.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import { startBucketServer } from '../support/bucket-server.ts'
import { makeProject } from '../support/config-project.ts'
import { listen } from '../support/listen.ts'

function collect<Name extends EventName>(t: TestContext, name: Name): Events[Name][] {
  const messages: Events[Name][] = []
  t.after(subscribe(name, (message) => void messages.push(message)))
  return messages
}

function countOf(all: readonly string[]): { readonly [name: string]: number } {
  return Object.fromEntries(all.map((name) => [name, all.filter((one) => one === name).length]))
}

const role = { arn: 'arn:aws:iam::111122223333:role/writer' }

test('each request to S3 and STS is published once, of the source, a sink and the rejects', async (t) => {
  const s3 = await startBucketServer(t, 'audit', { role })
  const store = `endpoint: '${s3.endpoint}', region: ${s3.region}, forcePathStyle: true`
  const folder = await makeProject(t, {
    'pipelines/p.yaml': `source: { type: s3, path: s3://audit/in/, ${store} }
transforms: [{ type: dedup, key: [id] }]
sink: { type: s3, bucket: audit, key: out, assumeRole: { arn: '${role.arn}' }, ${store} }
rejects: { type: s3, bucket: audit, key: rejects, ${store} }
`,
  })
  s3.add('audit', 'in/a.ndjson', '{"id":1}\n{"id":2}\n{"id":\n')
  s3.faults.add({ kind: 'error', code: 'SlowDown', operation: 'PutObject', times: 1 })
  const requests = collect(t, 'sluice:store:request')
  const { written, rejected } = await (await openPipeline('p', { folder })).run()
  assert.deepEqual([written, rejected], [2, 1])
  assert.deepEqual(
    countOf(requests.map(({ operation, status }) => `${operation} ${status}`)),
    countOf(s3.requests.map(({ operation, status }) => `${operation} ${status}`)),
  )
  const of = (sink: string | undefined) =>
    new Set(requests.filter((one) => one.sink === sink).map(({ operation }) => operation))
  assert.ok(of(undefined).has('GetObject') && of('sink').has('PutObject') && of('rejects').has('PutObject'))
  assert.ok(of('sink').has('AssumeRole') && !of('rejects').has('AssumeRole'))
  const [slowed] = requests.filter(({ code }) => code === 'SlowDown')
  assert.deepEqual(
    [slowed.operation, slowed.status, slowed.statusClass, slowed.isRetry],
    ['PutObject', 503, '5xx', false],
  )
  assert.ok(
    requests.some(
      ({ operation, isRetry, status, sink }) =>
        operation === 'PutObject' && isRetry && status === 200 && sink === slowed.sink,
    ),
  )
  const [read] = requests.filter(({ operation }) => operation === 'GetObject')
  assert.deepEqual([read.bytesReceived, read.bytesSent, read.origin], [25, 0, s3.endpoint])
  // A busy server sends the date of a second or two ago.
  assert.ok(read.clockAhead !== undefined && Math.abs(read.clockAhead) < 10_000)
  assert.ok(requests.filter(({ operation }) => operation === 'PutObject').every(({ bytesSent }) => bytesSent > 0))
  assert.doesNotMatch(JSON.stringify(requests), /AKIA|secret/)
})

test('requests for an access token are published, and how far our clock is ahead of the API', async (t) => {
  const server = createServer((request, response) => {
    const isToken = request.url === '/token'
    const date = new Date(Date.now() - 90_000).toUTCString()
    response.writeHead(200, { 'content-type': 'application/json', ...(!isToken && { date }) })
    response.end(isToken ? '{"access_token":"canary-token","token_type":"Bearer"}' : '[{"id":1}]')
  })
  t.after(() => server.close())
  const origin = `http://127.0.0.1:${await listen(server)}`
  const folder = await makeProject(t, {
    'pipelines/p.yaml': `source:
  type: http
  request: { url: '${origin}/events' }
  auth: { type: oauth2ClientCredentials, tokenUrl: '${origin}/token', clientId: me, clientSecret: '\${env:SECRET}' }
transforms: [{ type: dedup, key: [id] }]
sink: { type: file, path: out, key: all }
`,
  })
  const requests = collect(t, 'sluice:source:request')
  const opened = await openPipeline('p', { folder, env: { SECRET: 'canary-secret' } })
  assert.equal((await opened.run()).written, 1)
  assert.deepEqual(
    requests.map((request) => [request.method, request.origin, request.status]),
    [
      ['POST', origin, 200],
      ['GET', origin, 200],
    ],
  )
  const [token, page] = requests
  assert.equal(token.clockAhead, 0)
  assert.ok([90_000, 91_000, 92_000].includes(page.clockAhead ?? 0), String(page.clockAhead))
})

test('the state that is open has the source partitions that the pipeline reads now', async (t) => {
  const api = await startJumpCloudServer({ frozen: true, events: 20, organizations: 2 })
  t.after(() => api.close())
  const ids = api.organizations.map(({ id }) => id)
  const pipeline = (organizations: readonly string[]): string => `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${api.url}
  organizations: [${organizations.map((id) => `'${id}'`).join(', ')}]
  window: { since: 2d, step: 10d, lag: 0s }
transforms: [{ type: dedup, key: [id] }]
sink: { type: file, path: out, key: all }
`
  const folder = await makeProject(t, { 'pipelines/p.yaml': pipeline(ids) })
  const opened = collect(t, 'sluice:state:open')
  const run = async () => (await openPipeline('p', { folder, env: { KEY: api.apiKey } })).run()
  await run()
  await writeFile(join(folder, 'pipelines/p.yaml'), pipeline(ids.slice(1)))
  await run()
  assert.deepEqual(
    opened.map(({ partitions }) => partitions.map(({ partition }) => partition)),
    [[], [`jumpcloud:${ids[1]}`]],
  )
  assert.ok((opened[1].partitions[0].readUpTo ?? 0) > 0)
})
