import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { openSource, QUICK, readSource, startServer, wordsOf } from './read-source.ts'
import type { Reading, TestServer } from './read-source.ts'

interface Answer {
  readonly status?: number
  readonly type?: string
  readonly body: unknown
}

async function answerWith(context: TestContext, { status = 200, type = 'application/json', body }: Answer) {
  return startServer(context, (_request, response) => {
    response.writeHead(status, { 'content-type': type })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
}

async function read({ origin }: TestServer, more: object = {}): Promise<Reading> {
  const request = { url: `${origin}/events` }
  const config = { type: 'http', request, ...QUICK, retry: { attempts: 1 }, records: 'entries', ...more }
  return readSource(await openSource(config))
}

const errors: [name: string, body: unknown, said: string, type?: string][] = [
  ['Slack', { ok: false, error: 'invalid_auth' }, 'invalid_auth'],
  ['GitHub', { message: 'Bad credentials', documentation_url: 'https://x' }, 'Bad credentials'],
  ['OAuth', { error: 'invalid_token', error_description: 'it expired' }, 'invalid_token: it expired'],
  ['RFC 9457', { type: 'https://x/y', title: 'Out of credit', detail: 'Top up' }, 'Out of credit: Top up'],
  ['Okta', { errorCode: 'E0000011', errorSummary: 'Invalid token' }, 'E0000011: Invalid token'],
  [
    'Google',
    { error: { code: 403, message: 'No access', errors: [{ message: 'No access', reason: 'forbidden' }] } },
    'No access: forbidden',
  ],
  ['Microsoft', { error: { code: 'Forbidden', message: 'No scope' } }, 'Forbidden: No scope'],
  ['1Password', { Error: { Message: 'Unauthorized access' } }, 'Unauthorized access'],
  [
    'Cloudflare',
    { success: false, errors: [{ code: 10000, message: 'Authentication error' }] },
    'Authentication error',
  ],
  ['JSON:API', { errors: [{ title: 'Bad', detail: 'a' }, { detail: 'b' }] }, 'Bad: a: b'],
  ['GraphQL', { data: null, errors: [{ message: 'Field x', locations: [] }] }, 'Field x'],
  ['FastAPI', { detail: [{ loc: ['query', 'a'], msg: 'Field required', input: 'canary' }] }, 'Field required'],
  [
    'Apigee',
    { fault: { faultstring: 'Spike arrest', detail: { errorcode: 'policies.Quota' } } },
    'policies.Quota: Spike arrest',
  ],
  ['a string', '"go away"', 'go away'],
  ['plain text', 'upstream connect error\r\n', 'upstream connect error', 'text/plain; charset=utf-8'],
  ['HTML', '<!doctype html><html><title>520: unknown\n error</title><p>canary', '520: unknown error', 'text/html'],
]

for (const [name, body, said, type] of errors) {
  test(`quotes the error of an API like ${name}`, async (context) => {
    const reading = await read(await answerWith(context, { status: 400, body, ...(type !== undefined && { type }) }))
    assert.equal(reading.error?.message.split('the API says ')[1], `"${said}"`)
    assert.doesNotMatch(wordsOf(reading), /canary/)
  })
}

test('quotes nothing but messages, without secrets and control characters, and not much', async (context) => {
  const key = 'canary-key-0123456789'
  const hidden = { request: `x ${key}`, echo: { headers: { 'x-key': key } }, code: 5, trace: ['canary'] }
  for (const [message, said] of [
    [`bad key ${key} in Bearer ${key}!`, '"bad key *** in ***!"'],
    [`${'x'.repeat(290)} ${key}`, `"${'x'.repeat(290)} ***"`],
    ['a\u001b[2J\u0000b\u202ec\u2028d\r\n\te', '"a [2J b c d e"'],
    ['😀'.repeat(400), `"${'😀'.repeat(300)}..."`],
  ]) {
    const server = await answerWith(context, { status: 403, body: { message, ...hidden } })
    const headers = { authorization: `Bearer ${key}` }
    const reading = await readSource(
      await openSource({ type: 'http', request: { url: `${server.origin}/events`, headers }, ...QUICK }),
    )
    assert.equal(reading.error?.message.split('the API says ')[1], said)
    assert.doesNotMatch(wordsOf(reading), /canary/)
  }
  const deep = await answerWith(context, { status: 400, body: `{"error":`.repeat(5000) + '1' + '}'.repeat(5000) })
  assert.match((await read(deep)).error?.message ?? '', /returned 400$/)
})

for (const [name, body, said] of [
  ['a flag', { ok: false, error: 'invalid_auth' }, / \(records\): the API says "invalid_auth"$/],
  [
    'a flag and a null list',
    { success: false, errors: [{ message: 'No access' }], entries: null },
    /status 200: the API says "No access"$/,
  ],
  [
    'a flag and an empty list',
    { ok: false, error: 'ratelimited', entries: [] },
    /status 200: the API says "ratelimited"$/,
  ],
  ['a flag alone', { stat: 'FAIL', entries: [] }, /the response is an error with status 200$/],
  ['a list of errors', { entries: [], errors: [{ message: 'shard 3 is down' }] }, /the API says "shard 3 is down"$/],
  ['an error and a null list', { error: { message: 'overloaded' }, entries: null }, /the API says "overloaded"$/],
] as const) {
  test(`a response with status 200 is an error by ${name}`, async (context) => {
    const reading = await read(await answerWith(context, { body }))
    assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE')
    assert.match(reading.error.message, said)
  })
}

test('quotes the error of a response with status 200 that should be an array', async (context) => {
  const body = { ok: false, error: 'account_inactive', more: 'x'.repeat(20_000) }
  const reading = await read(await answerWith(context, { body }), { records: '$' })
  assert.match(reading.error?.message ?? '', /not an array: .*: the API says "account_inactive"$/)
  const html = await answerWith(context, { body: '<html><title>canary</title>', type: 'text/html' })
  assert.match((await read(html)).error?.message ?? '', /is an HTML page, not data$/)
})

test('an empty page is no error, whatever else it says', async (context) => {
  for (const body of [
    { entries: [] },
    { entries: null },
    { ok: true, entries: [], error: 'none', errors: [] },
    { entries: [], error: 'no results', message: 'nothing found', status: 'error' },
    { entries: [], error: null, errors: null, success: true },
    { entries: [], error: { code: 0, message: 'ok' } },
    { entries: null, error: '' },
  ]) {
    const reading = await read(await answerWith(context, { body }))
    assert.equal(reading.error, undefined, JSON.stringify(body))
  }
})

test('does not quote records if their path is wrong', async (context) => {
  const body = { items: [{ id: 1, message: 'canary' }], detail: [{ message: 'canary' }] }
  const reading = await read(await answerWith(context, { body }))
  assert.match(reading.error?.message ?? '', /nothing at "entries" \(records\)$/)
  assert.doesNotMatch(wordsOf(reading), /canary/)
})

test('a check of the connection sends the credentials even if nothing is due', async (context) => {
  const server = await answerWith(context, { status: 401, body: { error: 'invalid_auth' } })
  for (const window of [
    { since: '2999-01-01T00:00:00Z' },
    { since: '1h', lag: '2d' },
    { since: '10d', until: '9d', lag: '30d' },
    { since: '90d', retention: '90d', lag: '89d', overlap: '0s' },
    { since: '1m', lag: '5m', step: '1h' },
    { since: '1s', lag: '0s', overlap: '0s', retention: '2s' },
  ]) {
    const before = server.requests.length
    const source = await openSource({
      type: 'http',
      request: { url: `${server.origin}/events`, query: { from: '{window.start}', to: '{window.end}' } },
      window,
      ...QUICK,
    })
    const found = []
    for await (const check of source.connect?.(new AbortController().signal) ?? []) found.push(check)
    assert.equal(server.requests.length, before + 1, JSON.stringify(window))
    assert.match(String(found[0]?.error?.message), /returned 401: the API says "invalid_auth"/)
    const { searchParams } = server.requests[before].url
    const [from, to] = ['from', 'to'].map((name) => Date.parse(searchParams.get(name) ?? ''))
    assert.ok(from < to && to <= Date.now())
  }
})

test('an empty answer with status 202 is not a page without records', async (context) => {
  const server = await answerWith(context, { status: 202, type: 'application/x-ndjson', body: '' })
  assert.match((await read(server)).error?.message ?? '', /status 202 \(Accepted\) and is empty: .* not ready/)
  const full = await answerWith(context, { status: 202, type: 'application/x-ndjson', body: '{"id":1}\n' })
  assert.equal((await read(full)).lines.length, 1)
})

test('links to the next page that differ in their fragment alone repeat', async (context) => {
  let page = 0
  const server = await startServer(context, (_request, response) => {
    response.setHeader('link', `</events?page=2#${++page}>; rel="next"`)
    response.writeHead(200, { 'content-type': 'application/json' }).end('[{"id":1}]')
  })
  const reading = await read(server, { records: '$', paginate: { type: 'link' } })
  assert.match(reading.error?.message ?? '', /the cursor of the next page repeats/)
  assert.equal(server.requests.length, 2)
})
