import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idsOf, openSource, problemsOf, QUICK, readSource, startServer } from '../read-source.ts'

const cursor = { type: 'cursor', from: { body: 'cursor' }, into: { body: 'page.cursor' }, alone: true }

test('with alone, later pages send only the cursor in the body, also after a restart', async (context) => {
  const server = await startServer(context, ({ body }, response) => {
    const at = ['{"limit":2}', '{"page":{"cursor":"c1"}}', '{"page":{"cursor":"c2"}}'].indexOf(body)
    response.writeHead(at < 0 ? 400 : 200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ items: [{ id: at }], cursor: `c${at + 1}`, more: at < 2 }))
  })
  const source = await openSource({
    type: 'http',
    request: { method: 'POST', url: `${server.origin}/events`, body: { limit: 2 } },
    records: 'items',
    paginate: { ...cursor, stop: { more: { body: 'more' } } },
    ...QUICK,
  })
  const whole = await readSource(source)
  assert.equal(whole.error, undefined)
  assert.deepEqual(idsOf(whole.lines), [0, 1, 2])
  const first = await readSource(source, { onChunk: () => false })
  const rest = await readSource(source, { positions: first.positions })
  assert.deepEqual(idsOf(rest.lines), [1, 2])
})

test('with alone, later pages send only the cursor in the URL', async (context) => {
  const server = await startServer(context, ({ url }, response) => {
    response.writeHead(200, url.search === '?from=a' ? { 'x-next': 'n&1' } : {})
    response.end(url.search === '?from=a' ? '[{"id":0}]' : `[{"id":"${url.search}"}]`)
  })
  const source = await openSource({
    type: 'http',
    request: { url: `${server.origin}/events`, query: { from: 'a' } },
    paginate: { type: 'cursor', from: { header: 'x-next' }, into: { query: 'next' }, alone: true },
    ...QUICK,
  })
  assert.deepEqual(idsOf((await readSource(source)).lines), [0, '?next=n%261'])
})

test('a response must say whether more pages follow, and how to request them', async (context) => {
  let content = {}
  const server = await startServer(context, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(content))
  })
  const source = await openSource({
    type: 'http',
    request: { method: 'POST', url: `${server.origin}/events`, body: {} },
    records: 'items',
    paginate: { ...cursor, stop: { more: { body: 'more' } } },
    ...QUICK,
  })
  content = { items: [], more: true }
  const lost = await readSource(source)
  assert.equal(lost.error?.code, 'SOURCE_FAILED')
  assert.match(lost.error.message, /a page that is not the last has no cursor \(value at "cursor"\)/)
  content = { items: [], cursor: 'c' }
  const silent = await readSource(source)
  assert.equal(silent.error?.code, 'SOURCE_UNAVAILABLE')
  assert.match(silent.error.message, /does not say whether more pages follow \(value at "more"\)/)
})

test('requests a window in whole seconds, rounded outwards', async (context) => {
  const server = await startServer(context, (_request, response) => response.end('[]'))
  const query = { from: '{window.start:rfc3339Seconds}', to: '{window.end:rfc3339Seconds}' }
  const window = { since: '2024-03-04T00:00:00.250Z', until: '2024-03-04T00:00:01.750Z', lag: '0s', overlap: '0s' }
  const request = { url: `${server.origin}/events`, query }
  assert.equal((await readSource(await openSource({ type: 'http', request, window, ...QUICK }))).error, undefined)
  assert.equal(server.requests[0]?.url.search, '?from=2024-03-04T00%3A00%3A00Z&to=2024-03-04T00%3A00%3A02Z')
})

test('alone needs a location for the cursor', async () => {
  const request = { url: 'https://api.example.com', headers: { c: '{cursor}' } }
  const paginate = { type: 'cursor', from: { header: 'x-next' }, alone: true }
  const [problem] = await problemsOf({ type: 'http', request, paginate })
  assert.match(problem?.message ?? '', /alone needs into/)
  const counted = { type: 'page', into: { query: 'page' }, alone: true }
  const [other] = await problemsOf({ type: 'http', request: { url: request.url }, paginate: counted })
  assert.match(other?.message ?? '', /alone needs type cursor/)
})

test('page numbers continue after an empty page that is not the last; an offset fails', async (context) => {
  const server = await startServer(context, ({ url }, response) => {
    const at = Number(url.searchParams.get('at'))
    const items = at === 2 ? [] : [{ id: at }]
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ items, more: at < 3 }))
  })
  const request = { url: `${server.origin}/events` }
  const paginate = { into: { query: 'at' }, stop: { more: { body: 'more' } } }
  const config = { type: 'http', request, records: 'items', ...QUICK }
  const pages = await readSource(await openSource({ ...config, paginate: { ...paginate, type: 'page' } }))
  assert.equal(pages.error, undefined)
  assert.deepEqual(idsOf(pages.lines), [1, 3])
  const offsets = await readSource(await openSource({ ...config, paginate: { ...paginate, type: 'offset' } }))
  assert.deepEqual(idsOf(offsets.lines), [0, 1])
  assert.equal(offsets.error?.code, 'SOURCE_FAILED')
  assert.match(offsets.error.message, /an empty page that is not the last/)
})
