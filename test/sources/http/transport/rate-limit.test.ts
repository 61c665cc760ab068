import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRateLimit, parseRetryAfter } from '../../../../src/sources/http/transport/rate-limit.ts'
import { idsOf, openSource, QUICK, readSource, startServer } from '../read-source.ts'

const DATE = 'Tue, 05 Mar 2024 12:00:00 GMT'
const NOW = Date.parse(DATE) / 1000

test('parses the pause of a used-up rate limit in every notation', () => {
  const cases: [{ readonly [name: string]: string }, number | undefined][] = [
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW + 30), date: DATE }, 30_000],
    [{ 'x-rate-limit-remaining': '0', 'x-rate-limit-reset': String(NOW + 30), date: DATE }, 30_000],
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String((NOW + 2) * 1000), date: DATE }, 2000],
    [{ 'ratelimit-remaining': '0', 'ratelimit-reset': '17' }, 17_000],
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '0.5' }, 500],
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW - 30), date: DATE }, 0],
    [{ 'x-ratelimit-remaining': '1', 'x-ratelimit-reset': '17' }, undefined],
    [{ 'x-ratelimit-remaining': '0' }, undefined],
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': 'soon' }, undefined],
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '-5' }, undefined],
    [{ 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '2024-03-05T12:00:07Z', date: DATE }, 7000],
    [{ 'ratelimit-remaining': '0.0', 'ratelimit-reset': 'Tue, 05 Mar 2024 12:00:09 GMT', date: DATE }, 9000],
    [{}, undefined],
  ]
  for (const [headers, expected] of cases) assert.equal(parseRateLimit(headers), expected, JSON.stringify(headers))
})

test('parses a Retry-After in every notation, and nothing else', () => {
  const cases: [string, number | undefined][] = [
    ['0', 0],
    ['120', 120_000],
    [' 7 ', 7000],
    ['1.5', 1500],
    ['0.0015', 2],
    ['2.', 2000],
    ['Tue, 05 Mar 2024 12:00:30 GMT', 30_000],
    ['Tuesday, 05-Mar-24 12:00:30 GMT', 30_000],
    ['Tue Mar  5 12:00:30 2024', 30_000],
    ['Tue, 05 Mar 2024 11:00:00 GMT', 0],
    ['Saturday, 05-Mar-94 12:00:30 GMT', 0],
    ['2024-03-05T12:00:30Z', 30_000],
    [String(NOW + 30), 30_000],
    [String((NOW + 30) * 1000), 30_000],
    ['99999999999999999999', Number.MAX_SAFE_INTEGER],
    ['-5', undefined],
    ['1e3', undefined],
    ['0x10', undefined],
    ['1,5', undefined],
    ['5 seconds', undefined],
    ['2024', 2_024_000],
    ['March 5', undefined],
    ['Tue, 99 Mar 2024 12:00:30 GMT', undefined],
    ['soon', undefined],
    ['', undefined],
  ]
  for (const [text, expected] of cases) assert.equal(parseRetryAfter(text, DATE), expected, text)
  const soon = parseRetryAfter(new Date(Date.now() + 60_000).toUTCString(), 'no date')
  assert.ok(soon !== undefined && soon > 50_000 && soon <= 60_000)
  assert.equal(parseRetryAfter(undefined, DATE), undefined)
})

for (const [value, waits] of [
  ['0.03', (wait: number) => wait === 30],
  ['0', (wait: number) => wait === 1],
  ['-5', (wait: number) => wait === 1],
  ['1999-01-01', (wait: number) => wait === 1],
] as const) {
  test(`waits for a Retry-After of ${value}, or backs off`, async (context) => {
    let left = 1
    const server = await startServer(context, (_request, response) => {
      if (left-- > 0) response.writeHead(503, { 'retry-after': value }).end()
      else response.writeHead(200, { 'content-type': 'application/json' }).end('[{"id":1}]')
    })
    const source = await openSource({ type: 'http', request: { url: `${server.origin}/events` }, ...QUICK })
    const reading = await readSource(source)
    assert.deepEqual(idsOf(reading.lines), [1])
    assert.ok(waits(Number(reading.notes[0]?.facts['waitMs'])), JSON.stringify(reading.notes))
  })
}

test('a Retry-After without end fails the run instead of waiting', async (context) => {
  const server = await startServer(context, (_request, response) => {
    response.writeHead(429, { 'retry-after': '99999999999999999999' }).end()
  })
  const reading = await readSource(
    await openSource({ type: 'http', request: { url: `${server.origin}/events` }, ...QUICK }),
  )
  assert.match(reading.error?.message ?? '', /returned 429, and asks to wait \d+ s$/)
})

test('pauses after a page that uses up the rate limit, and logs it', async (context) => {
  const server = await startServer(context, ({ url }, response) => {
    const page = Number(url.searchParams.get('page'))
    const headers = page === 2 ? { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '1' } : {}
    response.writeHead(200, { 'content-type': 'application/json', ...headers })
    response.end(page > 3 ? '[]' : `[{"id":${page}}]`)
  })
  const source = await openSource({
    type: 'http',
    request: { url: `${server.origin}/events` },
    paginate: { type: 'page', into: { query: 'page' } },
    ...QUICK,
  })
  const reading = await readSource(source)
  assert.deepEqual(idsOf(reading.lines), [1, 2, 3])
  assert.deepEqual(
    reading.notes.map(({ message }) => message),
    ['the rate limit of the API is reached'],
  )
  assert.ok(Number(reading.notes[0]?.facts['waitMs']) <= 1000)
  const [wait] = reading.events.filter((event) => event.type === 'wait')
  assert.deepEqual([wait?.reason, wait?.partition], ['rate-limit', ''])
  assert.ok(wait.wait > 0 && wait.wait <= 1000)
})

for (const status of [403, 429]) {
  test(`retries status ${status} if the response says when the rate limit resets`, async (context) => {
    let left = 1
    const server = await startServer(context, (_request, response) => {
      if (left-- > 0)
        response.writeHead(status, { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': '0.03' }).end('{}')
      else response.writeHead(200, { 'content-type': 'application/json' }).end('[{"id":1}]')
    })
    const source = await openSource({ type: 'http', request: { url: `${server.origin}/events` }, ...QUICK })
    const reading = await readSource(source)
    assert.equal(reading.error, undefined)
    assert.deepEqual(idsOf(reading.lines), [1])
    assert.equal(reading.notes[0]?.facts['waitMs'], 30)
    assert.deepEqual(reading.events[1], {
      type: 'retry',
      partition: '',
      code: 'SOURCE_UNAVAILABLE',
      status,
      message: `GET ${server.origin}/events returned ${status}`,
      attempt: 1,
      attempts: 4,
      wait: 30,
      reason: 'retry-after',
    })
  })
}
