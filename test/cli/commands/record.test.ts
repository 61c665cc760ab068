import assert from 'node:assert/strict'
import { readdir, readFile, stat } from 'node:fs/promises'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { startServer } from '../../sources/http/read-source.ts'
import { openProject } from '../../support/cli-project.ts'

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
  assert.match(file.stderr, /the source file cannot be recorded/)
  for (const args of [
    ['--pages', '0'],
    ['--out', 'elsewhere.yaml'],
  ])
    assert.equal((await work.sluice(['record', 'p', ...args])).code, 2)
  assert.equal(await stat(work.path('tests')).catch(() => 'absent'), 'absent')
})
