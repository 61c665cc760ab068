import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { brotliCompressSync, createGzip, gzipSync } from 'node:zlib'
import type { Json } from '../../src/record/json/json.ts'
import { idsOf, linesOf, openSource, problemsOf, QUICK, readSource, startServer, wordsOf } from './http/read-source.ts'
import type { SourceConfig, TestServer } from './http/read-source.ts'
import { DAY, HOUR, MINUTE } from '../../src/time.ts'

function configOf(
  server: TestServer,
  more: { readonly request?: object; readonly [key: string]: unknown },
): SourceConfig {
  const { request, ...rest } = more
  return { type: 'http', request: { url: `${server.origin}/events`, ...request }, ...QUICK, ...rest }
}

function sendJson(response: ServerResponse, text: string, headers: { readonly [name: string]: string } = {}): void {
  response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(text)
}

function records(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, at) => `{"id":${from + at}}`).join()
}

const ids = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => from + at)

void test('passes on a numeric cursor without loss of precision', async (context) => {
  const cursors = ['"plain \\"text\\" é"', '90071992547409931', '[1.10,1e400,"x"]', '{"after":12345678901234567890}']
  const server = await startServer(context, ({ body }, response) => {
    const at = cursors.findIndex((cursor) => body === `{"limit":2,"page":{"size":2,"after":${cursor}}}`) + 1
    assert.ok(at > 0 || body === '{"limit":2,"page":{"size":2}}', body)
    sendJson(response, `{"data":{"events":[${records(2 * at, 2 * at + 2)}]},"meta":{"next":${cursors[at] ?? 'null'}}}`)
  })
  const source = await openSource(
    configOf(server, {
      request: { method: 'POST', body: { limit: 2, page: { size: 2 } } },
      records: 'data.events',
      paginate: { type: 'cursor', from: { body: 'meta.next' }, into: { body: 'page.after' } },
    }),
  )
  const reading = await readSource(source)
  assert.equal(reading.error, undefined)
  assert.deepEqual(idsOf(reading.lines), ids(0, 10))
  assert.equal(server.requests.length, 5)

  for (let stopAt = 1; stopAt < 5; stopAt++) {
    const first = await readSource(source, { onChunk: (_chunk, { chunks }) => chunks.length < stopAt })
    const second = await readSource(source, { positions: first.positions })
    assert.deepEqual(idsOf([...first.lines, ...second.lines]), ids(0, 10))
    assert.equal(second.chunks.length, 5 - stopAt)
  }
})

void test('records in an object keep their bytes', async (context) => {
  const lines = [
    '{"b":1.10,"a":12345678901234567890,"c":[-0.0,1e400,1E+2,true,false,null,{}],"d":{"x":[[],[[1]]]}}',
    '{"text" : "\\u0000 \\" \\\\ / \\n é 😀 \\ud83d","":"","k\\"ey":" "}',
    '"a text"',
    '17',
    '[]',
  ]
  const spaced = lines.map((line) => `\n  ${line} \t`)
  const body = Buffer.from(`{"more":[{"list":[1]}],"data":{"list":[${spaced.join()} ] , "list2":[{}]},"list":[2]}`)
  const server = await startServer(context, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    for (let at = 0; at < body.length; at += 7) response.write(body.subarray(at, at + 7))
    response.end()
  })
  const reading = await readSource(await openSource(configOf(server, { records: 'data.list' })))
  assert.equal(reading.error, undefined)
  assert.deepEqual(reading.lines, lines)
})

function chunkedBody(next: string): Buffer {
  return Buffer.from(
    `\ufeff{"a\\"":["}",{"meta":1}],"m\\u0065ta":{"next":${next} },"data":[{"id":"é\\\\"}, 2 ,[]],"z":-0.5e+1}`,
  )
}

void test('splits records and cursors correctly at any chunk boundary of the response', async (context) => {
  const cursor = '{"after":[1.10,"\\"}]é\\\\",null],"n":{}}'
  const spaced = cursor.replaceAll(',', ' ,\n ')
  const sizes = [1, 2, 3, 7, 1000]
  let size = 1
  const server = await startServer(context, ({ body }, response) => {
    const bytes = chunkedBody(body === '{}' ? spaced : 'null')
    assert.ok(body === '{}' || body === `{"after":${cursor}}`, body)
    response.writeHead(200, { 'content-type': 'application/json' })
    for (let at = 0; at < bytes.length; at += size) response.write(bytes.subarray(at, at + size))
    response.end()
  })
  const source = await openSource(
    configOf(server, {
      request: { method: 'POST', body: {} },
      records: 'data',
      paginate: { type: 'cursor', from: { body: 'meta.next' }, into: { body: 'after' } },
    }),
  )
  for (size of sizes) {
    const reading = await readSource(source)
    assert.equal(reading.error, undefined)
    const page = ['{"id":"é\\\\"}', '2', '[]']
    assert.deepEqual(reading.lines, [...page, ...page])
  }
})

void test('a null list of records is empty, a missing one is an error', async (context) => {
  let text = '{"data":null}'
  const server = await startServer(context, (_request, response) => sendJson(response, text))
  const source = await openSource(configOf(server, { records: 'data' }))
  const empty = await readSource(source)
  assert.equal(empty.error, undefined)
  assert.deepEqual(empty.lines, [])
  for (const [body, words] of [
    ['{"date":[]}', /nothing at "data" \(records\)/],
    ['{"data":{}}', /no array at "data"/],
    ['{"data":[{}', /cut short/],
    ['{"data":[}]}', /damaged: an element or "]" is expected at byte 9/],
    ['{"data":[],}', /not JSON/],
    ['{"data":[] "a":1}', /not JSON/],
    ['{"more":[1,],"data":[]}', /not JSON/],
    ['{"more":tru,"data":[]}', /not JSON/],
    ['{"data":[]}}', /not JSON/],
    ['{"data":true}', /no array at "data"/],
    ['{"data":nul}', /not JSON/],
    ['{"data":[],"more":"', /cut short/],
    ['{"a":'.repeat(2000), /nested deeper than 1000/],
    [`{"${'k'.repeat(5000)}":1}`, /more than 4096 bytes/],
    ['{"data":[]} x', /not JSON/],
    ['', /cut short/],
  ] as const) {
    text = body
    const reading = await readSource(source)
    if (body.includes('date')) assert.equal(reading.error?.hint, 'did you mean "date"?')
    assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE')
    assert.match(reading.error.message, words)
  }
})

for (const [records_, open, close] of [
  ['$', '[', ']'],
  ['data', '{"data":[', ']}'],
] as const) {
  void test(`reports an overlong record with its line number, and keeps the others (${records_})`, async (context) => {
    const long = `{"id":1,"text":"${'x'.repeat(3_000_000)}"}`
    const server = await startServer(context, (_request, response) =>
      sendJson(response, `${open}{"id":0},${long},{"id":2}${close}`),
    )
    const reading = await readSource(await openSource(configOf(server, { records: records_ })), { maxLine: 1000 })
    assert.equal(reading.error, undefined)
    assert.deepEqual(idsOf(reading.lines), [0, 2])
    const skipped = reading.chunks.flatMap((chunk) => chunk.skipped ?? [])
    assert.deepEqual(
      skipped.map(({ line, length }) => [line, length]),
      [[2, long.length]],
    )
    assert.match(skipped[0]?.digest ?? '', /^[0-9a-f]{64}$/)
    assert.deepEqual(
      reading.chunks.filter((chunk) => linesOf(chunk).length > 0).map(({ origin }) => origin?.line),
      [1, 3],
    )
  })
}

void test('passes on a deeply nested record, so that the engine rejects it', async (context) => {
  const deep = `{"id":1,"a":${'['.repeat(20_000)}${']'.repeat(20_000)}}`
  const server = await startServer(context, (_request, response) => sendJson(response, `{"data":[${deep},{"id":2}]}`))
  const reading = await readSource(await openSource(configOf(server, { records: 'data' })))
  assert.deepEqual(reading.lines, [deep, '{"id":2}'])
})

const LINK_BODIES = {
  header: {
    records: '$',
    paginate: { type: 'link' },
    respond: (response: ServerResponse, page: number, next: string | undefined) =>
      sendJson(
        response,
        `[${records(page * 3, page * 3 + 3)}]`,
        next === undefined
          ? {}
          : { link: `<http://x.example/a,b>; rel="prev", <${next}>; title="a, b"; rel="last next"` },
      ),
  },
  body: {
    records: 'items',
    paginate: { type: 'link', from: { body: 'links.next' } },
    respond: (response: ServerResponse, page: number, next: string | undefined) =>
      sendJson(
        response,
        `{"links":{"next":${JSON.stringify(next ?? null)}},"items":[${records(page * 3, page * 3 + 3)}]}`,
      ),
  },
}

for (const [name, { respond, ...config }] of Object.entries(LINK_BODIES)) {
  void test(`follows absolute and relative links in the ${name} within the origin, with credentials`, async (context) => {
    const server = await startServer(context, ({ url }, response) => {
      const page = Number(url.searchParams.get('after') ?? 0)
      const path = `/events?after=${page + 1}&q=a%2Cb`
      respond(response, page, page === 3 ? undefined : page % 2 === 0 ? path : server.origin + path)
    })
    const auth = { type: 'basic', username: 'me', password: 'canary-0123456789' }
    const source = await openSource(configOf(server, { ...config, auth, request: { query: { q: 'a,b', n: '3' } } }))
    const reading = await readSource(source)
    assert.equal(reading.error, undefined)
    assert.deepEqual(idsOf(reading.lines), ids(0, 12))
    assert.deepEqual(
      server.requests.map(({ url }) => url.search),
      ['?q=a%2Cb&n=3', '?after=1&q=a%2Cb', '?after=2&q=a%2Cb', '?after=3&q=a%2Cb'],
    )
    const credentials = `Basic ${Buffer.from('me:canary-0123456789').toString('base64')}`
    assert.ok(server.requests.every(({ headers }) => headers.authorization === credentials))
    assert.doesNotMatch(wordsOf(reading), /canary|[?&]q=a,b/)
  })

  void test(`a link in the ${name} to another origin fails the window`, async (context) => {
    const elsewhere = await startServer(context, (_request, response) => sendJson(response, '[]'))
    const server = await startServer(context, (_request, response) =>
      respond(response, 0, `${elsewhere.origin}/events?p=2`),
    )
    const reading = await readSource(await openSource(configOf(server, config)))
    assert.equal(reading.error?.code, 'SOURCE_FAILED')
    assert.match(
      reading.error.message,
      /leads from http:\/\/127.0.0.1:\d+ to http:\/\/127.0.0.1:\d+: it is not followed/,
    )
    assert.equal(elsewhere.requests.length, 0)
  })

  void test(`links in the ${name} that form a cycle fail the window`, async (context) => {
    const server = await startServer(context, ({ url }, response) => {
      const page = Number(url.searchParams.get('p') ?? 0)
      respond(response, page, `/events?p=${(page % 3) + 1}`)
    })
    const reading = await readSource(await openSource(configOf(server, config)))
    assert.equal(reading.error?.code, 'SOURCE_FAILED')
    assert.match(reading.error.message, /the cursor of the next page repeats/)
    assert.equal(server.requests.length, 4)
  })
}

void test('counts pages until an empty or a short page', async (context) => {
  const server = await startServer(context, ({ url }, response) => {
    const at = Number(url.searchParams.get('page')) * 4
    sendJson(response, `[${records(Math.min(at, 10), Math.min(at + 4, 10))}]`)
  })
  const paginate = { type: 'page', into: { query: 'page' }, start: 0 }
  const reading = await readSource(await openSource(configOf(server, { paginate })))
  assert.deepEqual(idsOf(reading.lines), ids(0, 10))
  assert.equal(server.requests.length, 4)

  const short = { ...paginate, size: 4, stop: { shortPage: {} } }
  const again = await readSource(await openSource(configOf(server, { paginate: short })))
  assert.deepEqual(idsOf(again.lines), ids(0, 10))
  assert.equal(server.requests.length, 7)
})

void test('an offset counts records, also across a restart, and is a number in a body', async (context) => {
  const server = await startServer(context, ({ body }, response) => {
    const { offset, text }: { offset: number; text: string } = JSON.parse(body)
    assert.equal(text, `from ${offset}`)
    assert.equal(typeof offset, 'number')
    sendJson(response, `{"total":7,"rows":[${records(offset, Math.min(offset + 3, 7))}]}`)
  })
  const source = await openSource(
    configOf(server, {
      request: { method: 'POST', body: { text: 'from {offset}' } },
      records: 'rows',
      paginate: { type: 'offset', into: { body: 'offset' } },
    }),
  )
  const reading = await readSource(source)
  assert.equal(reading.error, undefined)
  assert.deepEqual(idsOf(reading.lines), ids(0, 7))
  const first = await readSource(source, { onChunk: () => false })
  const second = await readSource(source, { positions: first.positions })
  assert.deepEqual(idsOf(second.lines), ids(3, 7))
})

void test('pagination without an end fails at maxPages', async (context) => {
  const server = await startServer(context, (_request, response) => sendJson(response, '[{"id":1}]'))
  const paginate = { type: 'page', into: { query: 'page' }, maxPages: 5 }
  const reading = await readSource(await openSource(configOf(server, { paginate })))
  assert.equal(reading.error?.code, 'SOURCE_FAILED')
  assert.match(reading.error.message, /page 5: more than 5 pages \(paginate.maxPages\)/)
  assert.equal(server.requests.length, 5)
})

void test('fetches a page again if its number of records differs from the announced one', async (context) => {
  let wrong = 2
  const server = await startServer(context, (_request, response) =>
    sendJson(response, '[{"id":1},{"id":2}]', { 'x-count': wrong-- > 0 ? '3' : '2', 'x-limit': '10' }),
  )
  const shortPage = { count: { header: 'X-Count' }, limit: { header: 'X-Limit' } }
  const paginate = { type: 'cursor', from: { header: 'x-next' }, into: { query: 'after' }, stop: { shortPage } }
  const reading = await readSource(await openSource(configOf(server, { paginate })))
  assert.equal(reading.error, undefined)
  assert.equal(server.requests.length, 3)
  wrong = 100
  const failed = await readSource(await openSource(configOf(server, { paginate })))
  assert.match(failed.error?.message ?? '', /announced 3 records and had 2, after 4 attempts/)
  assert.equal(failed.positions.size, 0)
})

void test('a missing page size header is an error', async (context) => {
  let headers: { [name: string]: string } = {}
  const server = await startServer(context, (_request, response) => sendJson(response, '[]', headers))
  const stop = { shortPage: { limit: { header: 'x-limit' } } }
  const paginate = { type: 'cursor', from: { header: 'x-next' }, into: { header: 'x-after' }, stop }
  const source = await openSource(configOf(server, { paginate }))
  assert.match((await readSource(source)).error?.message ?? '', /size of a full page \(header x-limit\)/)
  headers = { 'x-limit': 'many' }
  assert.match((await readSource(source)).error?.message ?? '', /header x-limit that is not a whole number/)
})

void test('sends a header cursor back unchanged, and continues after an empty page', async (context) => {
  const cursors = ['abc=="1"', '17000000000000000001', '[1, "x"]']
  const server = await startServer(context, ({ headers }, response) => {
    const at = cursors.indexOf(String(headers['x-after'])) + 1
    const next = cursors[at]
    sendJson(response, at === 1 ? '[]' : `[{"id":${at}}]`, next === undefined ? {} : { 'x-next': next })
  })
  const paginate = { type: 'cursor', from: { header: 'X-Next' }, into: { header: 'X-After' } }
  const reading = await readSource(await openSource(configOf(server, { paginate })))
  assert.equal(reading.error, undefined)
  assert.deepEqual(idsOf(reading.lines), [0, 2, 3])
  const stop = { emptyPage: true }
  const stopped = await readSource(await openSource(configOf(server, { paginate: { ...paginate, stop } })))
  assert.deepEqual(idsOf(stopped.lines), [0])
})

void test('detects NDJSON by its content type, and refuses a truncated last line', async (context) => {
  let cut = 1
  const server = await startServer(context, (_request, response) => {
    response.writeHead(200, { 'content-type': 'application/x-ndjson; charset=utf-8', connection: 'close' })
    response.write('{"id":1,"n":1.10}\n{"id":2}\n')
    response.end(cut-- > 0 ? '{"id":' : '{"id":3}')
  })
  const reading = await readSource(await openSource(configOf(server, {})))
  assert.equal(reading.error, undefined)
  assert.deepEqual(reading.lines.slice(-3), ['{"id":1,"n":1.10}', '{"id":2}', '{"id":3}'])
  assert.equal(server.requests.length, 2)
  const forced = await readSource(await openSource(configOf(server, { format: 'ndjson' })))
  assert.equal(forced.lines.length, 3)
})

void test('decodes brotli and gzip, and refuses other encodings', async (context) => {
  const text = `[${records(0, 50)}]`
  const encodings: { [name: string]: Buffer } = {
    br: brotliCompressSync(text),
    gzip: gzipSync(text),
    '': Buffer.from(text),
  }
  const server = await startServer(context, ({ url, headers }, response) => {
    assert.equal(headers['accept-encoding'], 'gzip, br')
    const encoding = url.searchParams.get('e') ?? ''
    response.writeHead(200, encoding === '' ? {} : { 'content-encoding': encoding })
    response.end(encodings[encoding] ?? text)
  })
  for (const encoding of Object.keys(encodings)) {
    const reading = await readSource(await openSource(configOf(server, { request: { query: { e: encoding } } })))
    assert.deepEqual(idsOf(reading.lines), ids(0, 50))
  }
  const odd = await readSource(await openSource(configOf(server, { request: { query: { e: 'zstd' } } })))
  assert.match(odd.error?.message ?? '', /content-encoding "zstd"/)
  encodings['br'] = brotliCompressSync(text).subarray(0, 20)
  const cut = await readSource(await openSource(configOf(server, { request: { query: { e: 'br' } } })))
  assert.match(cut.error?.message ?? '', /cut short/)
})

void test('gives up a compression bomb at once', async (context) => {
  const server = await startServer(context, (_request, response) => {
    response.writeHead(200, { 'content-encoding': 'gzip' })
    const gzip = createGzip()
    gzip.pipe(response)
    gzip.end(Buffer.concat([Buffer.from('[1'), Buffer.alloc(40 << 20, ' '), Buffer.from(']')]))
  })
  const reading = await readSource(await openSource(configOf(server, {})))
  assert.equal(reading.error?.code, 'SOURCE_FAILED')
  assert.match(reading.error.message, /decompresses to more than 200 times its size/)
  assert.equal(server.requests.length, 1)
  const bounded = await readSource(await openSource(configOf(server, { maxBody: '1MiB' })))
  assert.match(bounded.error?.message ?? '', /more than 1048576 bytes.*maxBody/)
})

void test('a response without a list is an error: HTML, an object, an empty body', async (context) => {
  let reply: [string, string] = ['', '']
  const server = await startServer(context, (_request, response) => {
    response.writeHead(200, { 'content-type': reply[0] }).end(reply[1])
  })
  const source = await openSource(configOf(server, {}))
  for (const [type, text, words] of [
    ['application/json', ' \n<html>', /HTML/],
    ['text/html', '[]', /HTML/],
    ['application/json', '{"message":"no"}', /not an array.*\(records\)/],
    ['application/json', '', /empty/],
    ['application/json', '[1', /damaged|cut/],
  ] as const) {
    reply = [type, text]
    const { error } = await readSource(source)
    assert.equal(error?.code, 'SOURCE_UNAVAILABLE')
    assert.match(error.message, words)
  }
})

void test('204 is a page without records, whatever its content-encoding', async (context) => {
  const server = await startServer(context, (_request, response) =>
    response.writeHead(204, { 'content-encoding': 'gzip' }).end(),
  )
  const reading = await readSource(await openSource(configOf(server, {})))
  assert.equal(reading.error, undefined)
  assert.equal(reading.chunks.length, 1)
  assert.notEqual(reading.chunks[0]?.position, undefined)
})

void test('a slow pipeline applies backpressure to the server within one page', async (context) => {
  const block = Buffer.from(`{"text":"${'x'.repeat(1000)}"},`.repeat(64))
  const blocks = 2000
  let sent = 0
  const server = await startServer(context, (_request, response) => {
    const write = (): void => {
      while (sent < blocks) {
        sent++
        if (!response.write(block)) {
          response.once('drain', write)
          return
        }
      }
      response.end('0]')
    }
    response.write('[')
    write()
  })
  let taken = 0
  let ahead = 0
  const reading = await readSource(await openSource(configOf(server, {})), {
    onChunk: async (chunk, { lines }) => {
      lines.length = 0
      taken += chunk.bytes?.length ?? 0
      for (let i = 0; i < 20; i++) await turn()
      ahead = Math.max(ahead, sent * block.length - taken)
    },
  })
  assert.equal(reading.error, undefined)
  assert.equal(sent, blocks)
  assert.ok(taken > 120 << 20)
  assert.ok(ahead < 32 << 20, `${ahead} bytes ahead`)
})

void test('formats windows for the API, with whole seconds rounded outwards', async (context) => {
  const server = await startServer(context, (_request, response) => sendJson(response, '[]'))
  const request = {
    method: 'POST',
    url: `${server.origin}/{tenant.name}/events`,
    headers: { 'X-From': '{window.start}', 'x-fixed': '{{a}' },
    query: { from: '{window.start:unix}', to: '{window.end:unix}' },
    body: {
      from: '{window.start:unixMs}',
      to: '{window.end:unix}',
      text: 'to {window.end:rfc3339}',
      keep: [1, null, true],
    },
  }
  const window = { since: '2024-03-04T00:00:00.250Z', until: '2024-03-04T00:00:01.750Z', lag: '0s', overlap: '0s' }
  const reading = await readSource(
    await openSource(configOf(server, { request, window, tenants: [{ name: 'a/b c' }] })),
  )
  assert.equal(reading.error, undefined)
  const [{ url, headers, body }] = server.requests
  assert.equal(url.pathname + url.search, '/a%2Fb%20c/events?from=1709510400&to=1709510402')
  assert.equal(headers['x-from'], '2024-03-04T00:00:00.250Z')
  assert.equal(headers['x-fixed'], '{a}')
  assert.equal(body, '{"from":1709510400250,"to":1709510402,"text":"to 2024-03-04T00:00:01.750Z","keep":[1,null,true]}')
  assert.deepEqual(reading.positions.get('a/b c'), { highWatermark: '2024-03-04T00:00:01.750Z', open: [] })
})

void test('a fast local clock does not move the high watermark past the API time', async (context) => {
  const slow = 3 * HOUR
  const server = await startServer(context, (_request, response) =>
    sendJson(response, '[]', { date: new Date(Date.now() - slow).toUTCString() }),
  )
  const window = { since: '1d', lag: '1m', overlap: '0s' }
  const before = Date.now()
  const reading = await readSource(await openSource(configOf(server, { window })))
  assert.equal(reading.error, undefined)
  const [position] = reading.positions.values()
  const { highWatermark }: { highWatermark: string } = JSON.parse(JSON.stringify(position))
  assert.ok(Date.parse(highWatermark) <= Date.now() - slow - MINUTE)
  assert.ok(Date.parse(highWatermark) >= before - slow - 62_000)
  // The window that was planned with our clock, and the one that was planned again.
  assert.equal(server.requests.length, 2)
})

/** An API whose clock is a day behind ours, so ours is a day fast. Filters events by its windows. */
async function startSlowApi(
  context: TestContext,
  { sendDate, unix = false }: { readonly sendDate: boolean; readonly unix?: boolean },
) {
  const api = { ahead: -DAY, events: [] as { readonly id: number; readonly at: number }[] }
  const now = () => Date.now() + api.ahead
  const server = await startServer(context, ({ url }, response) => {
    const [from, to] = ['from', 'to'].map((name) => Number(url.searchParams.get(name)))
    const found = api.events.filter(({ at }) => at >= from && at < to && at <= now())
    response.sendDate = false
    const lines = found.map(({ id, at }) =>
      JSON.stringify({ id, time: { at: unix ? at / 1000 : new Date(at).toISOString() } }),
    )
    sendJson(response, `[${lines.join()}]`, sendDate ? { date: new Date(now()).toUTCString() } : {})
  })
  return { api, server, now }
}

const FROM_TO = { from: '{window.start:unixMs}', to: '{window.end:unixMs}' }

for (const time of ['time.at', undefined]) {
  for (const step of ['7d', '1h']) {
    const known = time === undefined ? 'unknown' : 'known'
    void test(`loses nothing if our clock is fast and the API sends no Date: event time ${known}, step ${step}`, async (context) => {
      const { api, server, now } = await startSlowApi(context, { sendDate: false, unix: step === '1h' })
      api.events.push({ id: 1, at: now() - 30 * HOUR }, { id: 2, at: now() - HOUR })
      const window = { since: new Date(now() - 2 * DAY).toISOString(), step, overlap: '1m' }
      const source = await openSource(configOf(server, { request: { query: FROM_TO }, window }))
      const first = await readSource(source, { time })
      assert.deepEqual(idsOf(first.lines), [1, 2])

      api.events.push({ id: 3, at: now() - 2 * MINUTE }, { id: 4, at: now() + HOUR }, { id: 5, at: now() + 20 * HOUR })
      api.ahead += 2 * HOUR
      const second = await readSource(source, { time, positions: first.positions })
      api.ahead += 30 * HOUR
      const third = await readSource(source, { time, positions: second.positions })
      assert.deepEqual(idsOf([...first.lines, ...second.lines, ...third.lines]), [1, 2, 3, 4, 5])
      assert.equal(third.notes.filter(({ message }) => message.includes('does not send its time')).length, 1)
    })
  }
}

void test("a crash while windows of the API's future are read loses nothing", async (context) => {
  const { api, server, now } = await startSlowApi(context, { sendDate: false })
  api.events.push({ id: 1, at: now() - HOUR })
  const window = { since: new Date(now() - 2 * HOUR).toISOString(), step: '1h', overlap: '1m' }
  const source = await openSource(configOf(server, { request: { query: FROM_TO }, window }))
  const time = 'time.at'
  const first = await readSource(source, { time, onChunk: (_chunk, { chunks }) => chunks.length < 9 })
  assert.equal(first.chunks.length, 9)
  for (let hour = 0; hour < 12; hour++) api.events.push({ id: 10 + hour, at: now() + (hour + 0.5) * HOUR })
  api.ahead += DAY
  const second = await readSource(source, { time, positions: first.positions })
  assert.deepEqual(idsOf([...first.lines, ...second.lines]), [1, ...ids(10, 22)])
})

for (const count of [undefined, true]) {
  void test(`since is relative to the clock of the API, ${count ? 'with' : 'without'} a count`, async (context) => {
    const { api, server, now } = await startSlowApi(context, { sendDate: true })
    for (let id = 0; id < 40; id++) api.events.push({ id, at: now() - (40 - id) * HOUR })
    const counting = count && { url: `${server.origin}/events`, query: FROM_TO, value: { body: 'n' } }
    const source = await openSource(
      configOf(server, {
        request: { query: FROM_TO },
        window: { since: '2d', lag: '0s' },
        ...(counting && { count: counting }),
      }),
    )
    const reading = await readSource(source)
    assert.equal(reading.error, undefined)
    assert.deepEqual(idsOf(reading.lines), ids(0, 40))
  })
}

void test('without time windows every run reads everything, and a stopped run resumes', async (context) => {
  const server = await startServer(context, ({ url }, response) => {
    const at = Number(url.searchParams.get('page'))
    sendJson(response, at > 3 ? '[]' : `[${records(at * 2, at * 2 + 2)}]`)
  })
  const source = await openSource(configOf(server, { paginate: { type: 'page', into: { query: 'page' } } }))
  const first = await readSource(source, { onChunk: () => false })
  const second = await readSource(source, { positions: first.positions })
  assert.deepEqual(idsOf([...first.lines, ...second.lines]), ids(2, 8))
  assert.deepEqual(idsOf(second.lines), ids(4, 8))
  const third = await readSource(source, { positions: second.positions })
  assert.deepEqual(idsOf(third.lines), ids(2, 8))
  let passes = 0
  const polled = await readSource(source, {
    follow: true,
    onChunk: ({ position }) => {
      if (JSON.stringify(position) === '{"open":[]}') passes++
      return passes < 3
    },
  })
  assert.equal(polled.lines.length, 3 * 6)
})

void test('a failing tenant does not block the others', async (context) => {
  const order: string[] = []
  const server = await startServer(context, ({ url }, response) => {
    const tenant = url.pathname.slice(1)
    order.push(tenant)
    if (tenant === 'bad') response.writeHead(503).end()
    else sendJson(response, url.searchParams.get('page') === '4' ? '[]' : '[{"id":1}]')
  })
  const request = { url: `${server.origin}/{tenant.org}` }
  const paginate = { type: 'page', into: { query: 'page' } }
  const tenants = [{ org: 'bad' }, { org: 'good' }]
  const reading = await readSource(await openSource(configOf(server, { request, paginate, tenants })))
  assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE')
  assert.match(reading.error.message, /^tenant bad: page 1: GET http\S+\/bad returned 503, after 4 attempts$/)
  assert.equal(order.filter((tenant) => tenant === 'good').length, 4)
  assert.ok(order.indexOf('good') <= 1)
  assert.ok(reading.positions.has('good'))
})

void test('reads pages of several tenants concurrently, up to the limit', async (context) => {
  const waiting: ServerResponse[] = []
  let most = 0
  const server = await startServer(context, (_request, response) => {
    waiting.push(response)
    most = Math.max(most, waiting.length)
    // No request gets a response before the limit is reached: a reader that sends fewer would hang.
    if (waiting.length === 3) for (const each of waiting.splice(0)) sendJson(each, '[{"id":1}]')
  })
  const warnings: Error[] = []
  const onWarning = (warning: Error) => warnings.push(warning)
  process.on('warning', onWarning)
  context.after(() => process.off('warning', onWarning))
  const tenants = ids(0, 24).map((org) => ({ org: String(org) }))
  const request = { headers: { 'x-org': '{tenant.org}' } }
  const rate = { perSecond: 10_000, concurrency: 3 }
  const source = await openSource(configOf(server, { request, tenants, rate, poll: '10s' }))
  const reading = await readSource(source, {
    follow: true,
    onChunk: async (_chunk, { positions }) => {
      if (positions.size < 24) return true
      for (let i = 0; i < 10; i++) await turn()
      return false
    },
  })
  assert.equal(reading.error, undefined)
  assert.equal(most, 3)
  assert.deepEqual(warnings, [])
})

void test('quotes the error message of the API without the secrets in it', async (context) => {
  const server = await startServer(context, ({ headers, url }, response) => {
    const said = `key ${String(headers['x-api-key'])} of ${String(headers.authorization)}\nat ${url.search}`
    response.writeHead(422, { 'content-type': 'application/json' }).end(JSON.stringify({ error: { message: said } }))
  })
  const request = { headers: { 'x-api-key': 'canary-header-1' }, query: { key: 'q1' } }
  const auth = { type: 'bearer', token: 'canary-token-1' }
  const reading = await readSource(await openSource(configOf(server, { request, auth })))
  assert.equal(reading.error?.code, 'SOURCE_REFUSED')
  assert.match(reading.error.message, /returned 422: the API says "key \*\*\* of \*\*\* at \?key=q1"/)
  assert.doesNotMatch(wordsOf(reading), /canary/)
})

void test('aborts at once while it waits for a response', async (context) => {
  const stop = new AbortController()
  const server = await startServer(context, () => stop.abort())
  const reading = await readSource(await openSource(configOf(server, {})), { signal: stop.signal })
  assert.equal(reading.error, undefined)
  assert.deepEqual(reading.chunks, [])
})

void test('aborts at once while it waits for a retry', async (context) => {
  const stop = new AbortController()
  const server = await startServer(context, (_request, response) => {
    response.writeHead(503, { 'retry-after': '3000' }).end(() => setImmediate(() => stop.abort()))
  })
  const reading = await readSource(await openSource(configOf(server, {})), { signal: stop.signal })
  assert.equal(reading.error, undefined)
  assert.equal(server.requests.length, 1)
})

void test('an unreachable server is SOURCE_UNAVAILABLE', async (context) => {
  const server = await startServer(context, (_request, response) => response.end())
  const config = configOf(server, { request: { url: 'http://127.0.0.1:1/events' } })
  const reading = await readSource(await openSource(config))
  assert.equal(reading.error?.code, 'SOURCE_UNAVAILABLE')
  assert.match(reading.error.message, /no response from http:\/\/127.0.0.1:1: .*ECONNREFUSED/)
})

void test('refuses a position that it did not write', async (context) => {
  const server = await startServer(context, (_request, response) => sendJson(response, '[]'))
  const source = await openSource(configOf(server, {}))
  const wrong: Json[] = [{ offset: 12 }, 'x', { open: [{}] }, { open: [], highWatermark: 'soon' }]
  for (const position of wrong) {
    const reading = await readSource(source, { positions: new Map<string, Json>([['', position]]) })
    assert.equal(reading.error?.code, 'STATE_MISMATCH')
  }
  assert.equal(server.requests.length, 0)
})

void test('reports a mistake in the configuration with its place and a way out', async () => {
  const url = 'https://api.example.com/v1/events'
  const reportOf = async (config: { readonly [key: string]: unknown }) =>
    (await problemsOf({ type: 'http', request: { url }, ...config }))
      .map(({ message, hint = '' }) => `${message} | ${hint}`)
      .join('\n')
  const cursor = { type: 'cursor', from: { header: 'x-next' }, into: { query: 'after' } }
  const cases: [{ readonly [key: string]: unknown }, RegExp][] = [
    [{ request: { url: 'api.example.com' } }, /is not a URL/],
    [{ request: { url: 'http://api.example.com/v1' } }, /is not https/],
    [{ request: { url: 'https://me:pw@api.example.com/v1' } }, /must not contain credentials/],
    [{ request: { url, query: { from: '{windwo.start}' } }, window: { since: '1d' } }, /did you mean "window.start"\?/],
    [{ request: { url, query: { from: '{window.start}' } } }, /add the key "window"/],
    [{ request: { url, query: { o: '{tenant.og}' } }, tenants: [{ org: 'a' }] }, /did you mean "tenant.org"\?/],
    [{ request: { url, query: { from: '{window.start:unx}' } }, window: { since: '1d' } }, /did you mean "unix"\?/],
    [{ request: { url: 'https://{cursor}.example.com/' }, paginate: cursor }, /is not allowed in the host/],
    [{ request: { url, body: {} } }, /a GET request has no body/],
    [{ window: { since: 'PT5M' } }, /"PT5M" is not a duration/],
    [{ window: { since: '2024-03-04' } }, /"2024-03-04" is not a time/],
    [{ window: { since: '1d', until: '2d' } }, /until must be after since/],
    [{ window: { since: '1d', step: '5m' } }, /overlap must be shorter than step/],
    [{ window: { since: '9d', retention: '8d' } }, /older than retention/],
    [{ window: { since: '1m', retention: '8m' } }, /longer than lag \(settling delay\) plus overlap/],
    [{ auth: { type: 'basic', username: 'a' } }, /auth of source http is missing the key "password"/],
    [{ auth: { type: 'bearer', token: '${env:T:-t}', scope: 'x' } }, /unknown key "scope" in auth of source http/],
    [
      { auth: { type: 'oauth2ClientCredentials', tokenUrl: 'http://a.example', clientId: 'a', clientSecret: 'b' } },
      /is not https/,
    ],
    [{ paginate: { ...cursor, from: undefined } }, /cursor needs from/],
    [{ paginate: { ...cursor, into: undefined } }, /does not send the cursor/],
    [{ paginate: { ...cursor, from: { body: 'next' } } }, /its body has no other values/],
    [{ paginate: { ...cursor, from: { header: 'a', body: 'b' } }, records: 'data' }, /from needs exactly one location/],
    [{ paginate: { ...cursor, stop: { shortPage: {} } } }, /needs the size of a full page/],
    [{ paginate: { type: 'link', into: { query: 'a' } } }, /has no into/],
    [{ paginate: { type: 'page', from: { header: 'a' }, into: { query: 'page' } } }, /page has no from/],
    [{ tenants: [{ org: 'a' }, { org: 'a' }] }, /"a" occurs twice/],
  ]
  for (const [config, words] of cases) assert.match(await reportOf(config), words)
  assert.equal(
    await reportOf({ paginate: { ...cursor, into: undefined }, request: { url, query: { c: 'x{cursor}' } } }),
    '',
  )
  assert.equal(await reportOf({ request: { url: 'http://10.0.0.1/x' }, allowInsecure: true }), '')
})
