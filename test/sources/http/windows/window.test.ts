import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idsOf, openSource, problemsOf, QUICK, readSource, startServer, wordsOf } from '../read-source.ts'

test('requests a count before each window, with the headers of the request', async (context) => {
  const counted = { body: '{"data":{"total":2}}' }
  const server = await startServer(context, ({ url, headers }, response) => {
    assert.equal(headers['x-key'], 'canary-1')
    response.writeHead(200, { 'content-type': 'application/json', 'x-total': '2' })
    response.end(url.pathname === '/count/a' ? counted.body : '[{"id":1},{"id":2}]')
  })
  const open = (value: object) =>
    openSource({
      type: 'http',
      request: { url: `${server.origin}/events`, headers: { 'x-key': 'canary-1' } },
      count: { url: `${server.origin}/count/{tenant.org}`, query: { from: '{window.start:unix}' }, value },
      tenants: [{ org: 'a' }],
      window: { since: '1d' },
      ...QUICK,
    })
  for (const value of [{ body: 'data.total' }, { header: 'X-Total' }]) {
    const reading = await readSource(await open(value))
    assert.equal(reading.error, undefined)
    assert.deepEqual(idsOf(reading.lines), [1, 2])
    assert.deepEqual(reading.notes, [])
  }
  assert.deepEqual(
    server.requests.map(({ url }) => url.pathname),
    ['/count/a', '/count/a', '/events', '/count/a', '/count/a', '/events'],
  )
  assert.match(server.requests[0]?.url.search ?? '', /^\?from=\d{10}$/)

  for (counted.body of ['{"data":{}}', '<html>canary-1', '{"data":{"total":"2"}}', '']) {
    const odd = await readSource(await open({ body: 'data.total' }))
    assert.equal(odd.error, undefined)
    assert.match(String(odd.notes[0]?.facts['reason']), /no whole number in value at "data.total"/)
    assert.doesNotMatch(wordsOf(odd), /canary/)
  }
})

async function reportOf(config: object): Promise<string> {
  const problems = await problemsOf({ type: 'http', request: { url: 'https://api.example.com/events' }, ...config })
  return problems.map(({ message, hint = '' }) => `${message} | ${hint}`).join('\n')
}

test('reports mistakes in a count or a look-back before anything runs', async () => {
  const count = { url: 'https://api.example.com/count', value: { body: 'n' } }
  assert.match(await reportOf({ count }), /count needs time windows/)
  const window = { since: '1d' }
  assert.match(await reportOf({ window, count: { ...count, url: 'https://other.example.com/' } }), /another origin/)
  assert.match(
    await reportOf({ window, count: { ...count, value: { body: 'a', header: 'b' } } }),
    /needs exactly one location/,
  )
  assert.match(
    await reportOf({ window, count: { ...count, query: { c: '{cursor}' } } }),
    /unknown placeholder \{cursor\}/,
  )
  assert.match(await reportOf({ window: { ...window, sweep: '5m' } }), /longer than overlap \| 0s turns it off/)
  assert.match(
    await reportOf({ window: { ...window, sweep: '2d', retention: '2d' } }),
    /lag \(settling delay\) plus sweep \(look-back\)/,
  )
  assert.equal(await reportOf({ window: { ...window, sweep: '0s' }, count }), '')
})

test('a run without a request does not say that the API sends no time', async (context) => {
  const server = await startServer(context, (_request, response) => response.end('[]'))
  const since = new Date(Date.now() + 3_600_000).toISOString()
  const request = { url: `${server.origin}/events` }
  const reading = await readSource(await openSource({ type: 'http', request, window: { since }, ...QUICK }))
  assert.deepEqual([reading.error, reading.notes, server.requests.length], [undefined, [], 0])
})
