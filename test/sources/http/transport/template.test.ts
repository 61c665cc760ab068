import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { idsOf, openSource, problemsOf, QUICK, readSource, startServer } from '../read-source.ts'
import type { Reading, TestServer } from '../read-source.ts'
import { openWorkspace } from '../../../support/command.ts'

const URL_TEXT = 'https://api.example.com/events'

/** Each mistake with its hint. */
async function reportOf(request: object, more: object = {}): Promise<string> {
  const window = { since: '7d' }
  const problems = await problemsOf({ type: 'http', request: { url: URL_TEXT, ...request }, window, ...more })
  return problems.map(({ message, hint = '' }) => `${message.replace('source http: ', '')} | ${hint}`).join('\n')
}

async function answerAll(context: TestContext): Promise<TestServer> {
  return startServer(context, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end('[]')
  })
}

const window = { since: '2024-03-04T12:34:56.789Z', until: '2024-03-04T23:00:00.001Z', lag: '0s', overlap: '0s' }

test('writes the times of a window in any format, the start rounded down and the end up', async (context) => {
  const server = await answerAll(context)
  const formats: { readonly [format: string]: readonly [start: string, end: string] } = {
    'yyyy-MM-dd': ['2024-03-04', '2024-03-05'],
    yyyyMMdd: ['20240304', '20240305'],
    'dd.MM.yyyy': ['04.03.2024', '05.03.2024'],
    'yyyy/MM/dd/HH': ['2024/03/04/12', '2024/03/05/00'],
    'yyyy-MM-dd HH:mm:ss': ['2024-03-04 12:34:56', '2024-03-04 23:00:01'],
    'yyyy-MM-ddTHH:mm:ss.SSS+00:00': ['2024-03-04T12:34:56.789+00:00', '2024-03-04T23:00:00.001+00:00'],
    'yyyy-MM-ddT00:00:00Z': ['2024-03-04T00:00:00Z', '2024-03-05T00:00:00Z'],
    'HH:mm': ['12:34', '23:01'],
    unix: ['1709555696', '1709593201'],
    unixMs: ['1709555696789', '1709593200001'],
    rfc3339: ['2024-03-04T12:34:56.789Z', '2024-03-04T23:00:00.001Z'],
    rfc3339Seconds: ['2024-03-04T12:34:56Z', '2024-03-04T23:00:01Z'],
  }
  const query = Object.fromEntries(
    Object.keys(formats).flatMap((format) => [
      [`start ${format}`, `{window.start:${format}}`],
      [`end ${format}`, `>{window.end:${format}}`],
    ]),
  )
  const body = { day: '{window.start:yyyy-MM-dd}', seconds: '{window.start:unix}' }
  const request = { url: `${server.origin}/{window.start:yyyy-MM-dd}/x`, method: 'POST', query, body }
  const { error } = await readSource(await openSource({ type: 'http', request, window, ...QUICK }))
  assert.equal(error, undefined)
  const [{ url, body: sent }] = server.requests
  for (const [format, [start, end]] of Object.entries(formats)) {
    assert.equal(url.searchParams.get(`start ${format}`), start)
    assert.equal(url.searchParams.get(`end ${format}`), `>${end}`)
  }
  assert.equal(url.pathname, '/2024-03-04/x')
  assert.equal(sent, '{"day":"2024-03-04","seconds":1709555696}')
})

test('reports a format of a time that does not exist, with the nearest one', async () => {
  for (const [format, near] of [
    ['YYYY-MM-DD', /did you mean "yyyy-MM-dd"\?/],
    ['yyyy-mm-dd', /did you mean "yyyy-MM-dd"\?/],
    ['yyyy-MM', /formats: rfc3339/],
    ['unixms', /did you mean "unixMs"\?/],
    ['hh:mm', /formats: rfc3339/],
    ['%Y-%m-%d', /formats: rfc3339/],
    ['-', /formats: rfc3339/],
  ] as const) {
    const report = await reportOf({ query: { from: `{window.start:${format}}` } })
    assert.match(report, new RegExp(`^"${format}" is not a time format \\| `))
    assert.match(report, near)
  }
})

test('reports everything in braces that would be sent as it is, with the nearest placeholder', async () => {
  const places = [
    (text: string) => ({ url: `${URL_TEXT}/${text}` }),
    (text: string) => ({ query: { a: text } }),
    (text: string) => ({ headers: { 'x-a': text } }),
    (text: string) => ({ method: 'POST', body: { a: [{ b: text }] } }),
  ]
  for (const place of places) {
    assert.match(
      await reportOf(place('{ window.start }')),
      /^"\{ window\.start \}" is not a placeholder \| did you mean "window\.start"\? .*; write \{\{ for a literal brace$/,
    )
    assert.match(
      await reportOf(place('{window.strat}')),
      /^unknown placeholder \{window\.strat\} \| did you mean "window/,
    )
    assert.match(await reportOf(place('{window.start:}')), /^"\{window\.start:\}" is not a placeholder/)
    assert.match(await reportOf(place('{}')), /^"\{\}" is not a placeholder/)
    assert.match(await reportOf(place('a{window.start')), /^"\{" is not a placeholder/)
    assert.match(
      await reportOf(place('{{ window.start }}')),
      /^"\{\{ window\.start \}" is text, not a placeholder, .* \| write \{window\.start\}$/,
    )
  }
  assert.equal(await reportOf({ method: 'POST', body: { query: 'query {{ events {{ id } }' } }), '')
  assert.match(
    await reportOf({ query: { '{window.start}': 'x' } }),
    /placeholders are replaced in values only, not in the name "\{window\.start\}"/,
  )
  assert.match(await reportOf({ method: 'POST', body: { a: { '{cursor}': 'x' } } }), /not in the name "\{cursor\}"/)
  const auth = {
    type: 'oauth2ClientCredentials',
    tokenUrl: 'https://{tenant.a}.example',
    clientId: 'a',
    clientSecret: 'b',
  }
  assert.match(await reportOf({}, { auth, tenants: [{ a: 'x' }] }), /tokenUrl has no placeholders/)
  const hmac = { type: 'hmac', key: 'k', sign: '{ date }' }
  assert.match(await reportOf({}, { auth: hmac }), /unknown placeholder \{ date \} \| did you mean "date"/)
  assert.equal(await reportOf({}, { auth: { ...hmac, sign: '{{"a":"{date}"}' } }), '')
})

test('sends literal braces of a GraphQL query', async (context) => {
  const server = await answerAll(context)
  const body = { query: 'query {{ events(from: "{window.start}") {{ id } }' }
  const request = { method: 'POST', url: `${server.origin}/graphql`, body }
  await readSource(await openSource({ type: 'http', request, window, ...QUICK }))
  assert.equal(server.requests[0].body, '{"query":"query { events(from: \\"2024-03-04T12:34:56.789Z\\") { id } }"}')
})

test('braces in the value of a variable are data, not placeholders', async (context) => {
  const server = await answerAll(context)
  const workspace = await openWorkspace(context)
  await workspace.write(
    'pipelines/p.yaml',
    `allowRepeats: true
source:
  type: http
  request:
    method: POST
    url: ${server.origin}/events
    headers: { x-key: 'key \${env:KEY}' }
    query: { from: '{window.start:unix}', text: '\${env:KEY}', dollars: '$\${x}' }
    body: { nested: ['\${env:KEY}'] }
  window: { since: '2024-03-04T00:00:00Z', until: '2024-03-04T01:00:00Z' }
sink: { type: stdout }
`,
  )
  const KEY = 'a{cursor}{{b}{'
  const broken = await workspace.sluice(['check', 'p'], { env: { KEY } })
  assert.match(broken.stdout, /"\{x\}" is not a placeholder|unknown placeholder \{x\}/)
  assert.doesNotMatch(broken.stdout, /cursor/)
  const { code, stderr } = await workspace.sluice(['run', 'p', '--set', 'source.request.query.dollars=x'], {
    env: { KEY },
  })
  assert.equal(code, 0, stderr)
  const [{ headers, url, body }] = server.requests
  assert.equal(headers['x-key'], `key ${KEY}`)
  assert.equal(url.searchParams.get('text'), KEY)
  assert.equal(url.searchParams.get('from'), '1709510400')
  assert.deepEqual(JSON.parse(body), { nested: [KEY] })
})

/** Reads pages by a cursor in the path. The first response has the cursor. */
async function followCursor(context: TestContext, cursor: string, template: string): Promise<[Reading, string[]]> {
  const paths: string[] = []
  const server = await startServer(context, ({ url }, response) => {
    paths.push(url.pathname + url.search)
    const next = paths.length === 1 ? cursor : ''
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ items: [{ id: paths.length }], next }))
  })
  const source = await openSource({
    type: 'http',
    request: { url: `${server.origin}${template}` },
    records: 'items',
    paginate: { type: 'cursor', from: { body: 'next' } },
    ...QUICK,
  })
  return [await readSource(source), paths]
}

test('a cursor in the path stays one segment, whatever the API sends', async (context) => {
  for (const cursor of [
    'a/b',
    '../../admin',
    '%2e%2e',
    '%2E%2e%2f',
    'a\\..\\b',
    '?x=1',
    '#x',
    'é ;',
    '...',
    '//',
    'a%00b',
    '@host',
    ':',
  ]) {
    const [reading, paths] = await followCursor(context, cursor, '/v1/pages/{cursor}/events')
    assert.equal(reading.error, undefined, cursor)
    assert.deepEqual(idsOf(reading.lines), [1, 2])
    assert.deepEqual(paths, ['/v1/pages/events', `/v1/pages/${encodeURIComponent(cursor)}/events`])
  }
})

test('a cursor that would lead to another path fails the window', async (context) => {
  for (const [cursor, template] of [
    ['.', '/v1/pages/{cursor}/events'],
    ['..', '/v1/pages/{cursor}/events'],
    ['..', '/v1/pages/{cursor}'],
    ['.', '/v1/pages/.{cursor}'],
    ['.', '/v1/pages/%2e{cursor}'],
  ]) {
    const [reading, paths] = await followCursor(context, cursor, template)
    assert.equal(reading.error?.code, 'SOURCE_FAILED', cursor)
    assert.match(
      reading.error.message,
      /\{cursor\} in the URL of the request is ".*", which would lead to another path/,
    )
    assert.equal(paths.length, 1)
  }
})

test('the first page leaves out the parameter of a URL that has the cursor', async (context) => {
  const [reading, paths] = await followCursor(context, 'a&b=c#d', '/events?limit=5&after={cursor}')
  assert.equal(reading.error, undefined)
  assert.deepEqual(paths, ['/events?limit=5', '/events?limit=5&after=a%26b%3Dc%23d'])
})

test('reports values of tenants that do not fit into the URL', async () => {
  for (const org of ['..', '.', '']) {
    const report = await reportOf({ url: 'https://api.example.com/{tenant.org}/events' }, { tenants: [{ org }] })
    assert.match(report, /\{tenant\.org\} in the URL of the request is .*, which would lead to another path/)
  }
  for (const org of ['a/b', 'evil.example#', 'a b', 'me:pw@evil.example'])
    assert.match(
      await reportOf({ url: 'https://{tenant.org}.example.com/events' }, { tenants: [{ org }] }),
      /is not a URL with its values filled in/,
    )
  assert.equal(await reportOf({ url: 'https://{tenant.org}.example.com/a' }, { tenants: [{ org: 'eu-1.x' }] }), '')
})

test('a base URL may end in a slash', async (context) => {
  for (const [path, sent] of [
    ['//api/v1/logs', '/api/v1/logs'],
    ['/api//v1///logs/', '/api/v1/logs/'],
    ['/relay/https://api.test//x?to=a//b', '/relay/https://api.test/x?to=a//b'],
  ]) {
    const server = await answerAll(context)
    await readSource(await openSource({ type: 'http', request: { url: `${server.origin}${path}` }, ...QUICK }))
    assert.equal(server.requests[0].url.pathname + server.requests[0].url.search, sent)
  }
})
