import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRateLimit } from '../../../../src/sources/http/transport/rate-limit.ts'
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
    [{}, undefined],
  ]
  for (const [headers, expected] of cases) assert.equal(parseRateLimit(headers), expected, JSON.stringify(headers))
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
  })
}
