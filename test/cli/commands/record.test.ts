import assert from 'node:assert/strict'
import { readdir, readFile, stat } from 'node:fs/promises'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startServer } from '../../sources/http/read-source.ts'
import { startS3Server } from '../../servers/s3.ts'
import { openProject } from '../../support/cli-project.ts'
import { s3Environment } from '../../support/command.ts'
import { SOURCE_OF_PAGES } from './source-of-pages.ts'

const PIPELINE = `source:
  type: http
  request:
    url: \${env:API}/orgs/\${env:ORG}/events
    headers: { x-api-key: '\${file:key.txt}' }
    query: { since: '{window.start}', until: '{window.end}', key: '\${env:QUERY_KEY}' }
  auth: { type: oauth2ClientCredentials, tokenUrl: '\${env:API}/token', clientId: me, clientSecret: '\${env:CLIENT_SECRET}' }
  records: items
  paginate: { type: cursor, from: { body: next_page_token }, into: { query: page_token } }
  window: { since: 1d, lag: 5m }
transforms: [{ type: redact }, { type: dedup, key: id }]
sink: { type: s3, bucket: '\${env:BUCKET}', key: 'demo/dt={now:yyyy-MM-dd}' }
`

const SECRETS = {
  ORG: 'canary-organization',
  QUERY_KEY: 'canary-query-key',
  CLIENT_SECRET: 'canary-client-secret',
}

test('record makes a test of the first requests of a live run, without secrets, which passes at once', async (t) => {
  let failed = false
  const server = await startServer(t, ({ url }, response) => {
    const at = new URL(url, 'http://localhost')
    response.setHeader('content-type', 'application/json')
    response.setHeader('set-cookie', 'session=canary-cookie')
    if (at.pathname === '/token') {
      response.end(JSON.stringify({ access_token: 'canary-access-token', token_type: 'bearer', expires_in: 3600 }))
      return
    }
    const page = Number(at.searchParams.get('page_token')?.slice(-1) ?? 0)
    if (page === 1 && !failed) {
      failed = true
      response.writeHead(503, { 'retry-after': '0' }).end('canary-query-key is busy')
      return
    }
    const items = [
      {
        id: `r${page}`,
        password: 'canary-password',
        uri: '/login?token=canary-in-a-text',
        org: SECRETS.ORG,
        text: 'x'.repeat(page === 1 ? 20_000 : 1),
        n: page === 1 ? '9007199254740993' : 1.5,
      },
    ]
    response.setHeader('content-encoding', 'gzip')
    response.end(gzipSync(JSON.stringify({ items, next_page_token: `canary-cursor-${page + 1}` })))
  })
  const work = await openProject(t, { 'pipelines/demo.yaml': PIPELINE, 'pipelines/key.txt': 'canary-file-key\n' })
  const env = { API: server.origin, ...SECRETS }
  const { code, stdout, stderr } = await work.sluice(['record', 'demo', '--pages', '5'], { env })
  assert.equal(code, 0, stderr)
  assert.equal(stdout, 'tests/demo/recorded.yaml\ntests/demo/recorded-page-4.json\n')
  for (const said of [
    'request headers: authorization, x-api-key',
    'response headers: ',
    'set-cookie',
    'secrets in bodies',
  ])
    assert.ok(stderr.includes(said), stderr)
  let all = stdout + stderr
  for (const name of await readdir(work.path('tests/demo'))) {
    const path = work.path('tests/demo', name)
    all += await readFile(path, 'utf8')
    assert.equal((await stat(path)).mode & 0o777, 0o600)
  }
  // A cursor is not a secret, and the pages are found by it.
  assert.deepEqual([...new Set(all.match(/canary[\w-]*/g))].toSorted(), [
    'canary-cursor-1',
    'canary-cursor-2',
    'canary-cursor-3',
  ])
  assert.match(all, /\nstopAfter: 5\n/)
  assert.match(all, /\n {2}ledger:\n {4}read: 3\n {4}written: 3\n/)
  const requests = server.requests.length

  const tested = await work.sluice(['test'])
  assert.equal(tested.code, 0, tested.stdout)
  assert.equal(tested.stdout, 'demo\n  ok    collects 5 recorded pages\n1 passed, 0 failed\n')
  assert.equal(server.requests.length, requests, 'a test sends nothing to the API')

  const again = await work.sluice(['record', 'demo'], { env })
  assert.equal(again.code, 2)
  assert.match(again.stderr, /recorded\.yaml exists\n.*--out/)
})

test('record of a run that fails, that has no requests or is not of an API leaves nothing', async (t) => {
  const server = await startServer(t, (_request, response) => void response.writeHead(403).end('no'))
  const work = await openProject(t, {
    'pipelines/p.yaml': `source: { type: http, request: { url: '${server.origin}/' } }\nallowRepeats: true\nsink: { type: stdout }\n`,
    'pipelines/f.yaml': 'source: { type: file, path: "-" }\nsink: { type: stdout }\n',
  })
  const failed = await work.sluice(['record', 'p'])
  assert.equal(failed.code, 3)
  assert.match(failed.stderr, /SOURCE_REFUSED: .*403/)
  const file = await work.sluice(['record', 'f'])
  assert.equal(file.code, 2)
  assert.match(file.stderr, /the source file cannot be recorded\n.*--records 20/)
  for (const args of [
    ['--pages', '0'],
    ['--out', 'elsewhere.yaml'],
  ])
    assert.equal((await work.sluice(['record', 'p', ...args])).code, 2)
  assert.equal(await stat(work.path('tests')).catch(() => 'absent'), 'absent')
})

test('record of a custom source makes pages of what it requests through exchange, and records of any source', async (t) => {
  const server = await startServer(t, ({ url }, response) => {
    const after = Number(new URL(url, 'http://localhost').searchParams.get('after'))
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(after < 3 ? [{ id: after, token: 'canary-in-a-body' }] : []))
  })
  const lines = Array.from(
    { length: 300 },
    (_, id) => `{"id": ${id}, "password": "canary", "text": "${'x'.repeat(90)}"}`,
  )
  const sink = 'transforms: [{ type: dedup, key: id }]\nsink: { type: file, path: out, key: all }\n'
  const work = await openProject(t, {
    'pages.js': SOURCE_OF_PAGES,
    'own.js': SOURCE_OF_PAGES.replace('exchange(send)', 'send'),
    'pipelines/items.yaml': `source: { type: ../pages.js }\n${sink}`,
    'pipelines/own.yaml': `source: { type: ../own.js }\n${sink}`,
    'pipelines/lines.yaml': `source: { type: file, path: in.ndjson }\n${sink}`,
    'pipelines/few.yaml': `source: { type: file, path: few.ndjson }\n${sink}`,
    'in.ndjson': lines.join('\n'),
    'few.ndjson': '{"n": 9007199254740993, "id": 1}\nnot json\n{"id": 2, "password": "canary-2"}\n',
  })
  const env = { ITEMS: server.origin }
  assert.equal((await work.sluice(['record', 'items'], { env })).code, 0)
  const own = await work.sluice(['record', 'own'], { env })
  assert.equal(own.code, 2, own.stderr)
  assert.match(own.stderr, /the source own sends no request through options.exchange\n.*--records 20/)
  const recorded = await work.sluice(['record', 'lines', '--records', '200'])
  assert.equal(recorded.code, 0, recorded.stderr)
  assert.equal(recorded.stdout, 'tests/lines/recorded.yaml\ntests/lines/recorded-records.ndjson\n')
  assert.match(recorded.stderr, /secrets in records, by their names or their form: 1\n/)
  assert.equal((await work.sluice(['record', 'few', '--records', '5'])).code, 0)
  const few = await readFile(work.path('tests/few/recorded.yaml'), 'utf8')
  assert.match(
    few,
    /\n {2}- '\{"n": 9007199254740993, "id": 1\}'\n {2}- not json\n {2}- \{ id: 2, password: redacted-1 \}\n/,
  )
  assert.match(few, /rejects:\n {4}- \{ code: INVALID_JSON, stage: source, line: 2 \}/)
  for (const name of ['items/recorded.yaml', 'lines/recorded.yaml', 'lines/recorded-records.ndjson'])
    assert.ok(!(await readFile(work.path('tests', name), 'utf8')).includes('canary'), name)
  const store = await startS3Server({ buckets: ['logs'] })
  t.after(() => store.close())
  store.add('logs', 'a/1.json.gz', gzipSync('{"Records":[{"id":1},{"id":2},{"id":3}]}'))
  const where = `endpoint: '${store.endpoint}', region: us-east-1, forcePathStyle: true`
  await work.write(
    'pipelines/s3.yaml',
    `source: { type: s3, path: 's3://logs/a/', records: Records, ${where} }\n${sink}`,
  )
  const objects = await work.sluice(['record', 's3', '--records', '2'], { env: s3Environment(store) })
  assert.equal(objects.code, 0, objects.stderr)

  const tested = await work.sluice(['test'], { env })
  assert.equal(tested.code, 0, tested.stdout)
  assert.match(tested.stdout, /s3\n {2}ok {4}takes 2 recorded records\n/)
  assert.match(tested.stdout, /ok {4}takes 200 recorded records\n/)
})
