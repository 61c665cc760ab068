import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Json } from '../../src/record/json/json.ts'
import { idsOf, linesOf, openSource, problemsOf, QUICK, readSource, startServer, wordsOf } from './http/read-source.ts'
import type { Reading, SourceConfig } from './http/read-source.ts'
import { openWorkspace } from '../support/command.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import type { JumpCloudOptions, JumpCloudServer } from '../servers/jumpcloud.ts'
import { passingFaults } from '../servers/jumpcloud/faults.ts'
import { DAY, HOUR, MINUTE } from '../../src/time.ts'

/** A server whose events are all older than any settling delay. */
async function start(context: TestContext, options: JumpCloudOptions = {}): Promise<JumpCloudServer> {
  const end = Date.now() - HOUR
  const server = await startJumpCloudServer({ events: 300, start: end - 10 * HOUR, end, ...options })
  context.after(() => server.close())
  return server
}

function configOf(server: JumpCloudServer, more: { readonly [key: string]: unknown } = {}): SourceConfig {
  const window = { since: '2d', step: '10d' }
  return { type: 'jumpcloud', baseUrl: server.url, apiKey: server.apiKey, limit: 50, window, ...QUICK, ...more }
}

function assertAllRead(
  server: JumpCloudServer,
  lines: readonly string[],
  org = server.organizations[0]?.id ?? '',
): void {
  assert.deepEqual(new Set(idsOf(lines)), new Set(server.allIds(org)))
}

function eventRequests(server: JumpCloudServer) {
  return server.requests.filter(({ path }) => path.endsWith('/events'))
}

interface QueryBody {
  readonly start_time: string
  readonly end_time: string
  readonly search_after?: unknown
}

function bodyOf(text: string): QueryBody {
  const body: QueryBody = JSON.parse(text)
  return body
}

/** The last part of each log message. */
function messagesOf({ notes }: Reading): string[] {
  return notes.map(({ message }) => message.replace(/.*: /, ''))
}

function highWatermarkOf(reading: Reading, partition = ''): number {
  const position = JSON.stringify(reading.positions.get(partition))
  const { highWatermark }: { highWatermark: string } = JSON.parse(position)
  return Date.parse(highWatermark)
}

void test('stops at a page that is not full, although it has a cursor', async (context) => {
  const server = await start(context, { events: 120 })
  const reading = await readSource(await openSource(configOf(server)))
  assert.equal(reading.error, undefined)
  assertAllRead(server, reading.lines)
  assert.equal(eventRequests(server).length, 3)
})

void test('requests an empty page after a full last page', async (context) => {
  const server = await start(context, { events: 100 })
  const reading = await readSource(await openSource(configOf(server)))
  assertAllRead(server, reading.lines)
  assert.equal(eventRequests(server).length, 3)
  assert.ok(highWatermarkOf(reading) > Date.now() - HOUR)
})

void test('sends the whole frozen query with every page, and the cursor unchanged', async (context) => {
  const server = await start(context)
  const config = configOf(server, {
    services: ['all', 'alerts'],
    searchTerm: { not: [{ service: 'no {cursor} at all' }] },
  })
  const reading = await readSource(await openSource(config))
  assertAllRead(server, reading.lines)
  const bodies = eventRequests(server).map(({ body }) => body.replace(/,"search_after":\[\d{19},"[\w-]+"\]/, ''))
  assert.equal(eventRequests(server).length, 7)
  assert.equal(new Set(bodies).size, 1)
  assert.match(
    bodies[0] ?? '',
    /^\{"service":\["all","alerts"\],"start_time":"[-\d]{10}T[:\d]{8}\.\d{3}Z","end_time":"[^"]+","limit":50,"sort":"ASC","search_term":\{"not":\[\{"service":"no \{cursor\} at all"\}\]\}\}$/,
  )
})

void test('resumes with its window and cursor wherever it was stopped, and loses nothing', async (context) => {
  const server = await start(context)
  const source = await openSource(configOf(server))
  const whole = await readSource(source)
  const pages = whole.chunks.filter(({ position }) => position !== undefined).length
  assert.equal(pages, 7)
  for (let stopAt = 1; stopAt < whole.chunks.length; stopAt++) {
    const first = await readSource(source, { onChunk: (_chunk, { chunks }) => chunks.length < stopAt })
    assert.equal(first.error, undefined)
    assert.equal(first.chunks.length, stopAt)
    const before = eventRequests(server).length
    const second = await readSource(source, { positions: first.positions })
    assert.equal(second.error, undefined)
    assertAllRead(server, [...first.lines, ...second.lines])
    const resumed = eventRequests(server)[before]
    const [initial] = eventRequests(server)
      .slice(0, before)
      .filter(({ body }) => !body.includes('search_after'))
      .slice(-1)
    assert.ok(initial)
    assert.deepEqual(
      { ...bodyOf(resumed?.body ?? ''), search_after: undefined },
      { ...bodyOf(initial.body), search_after: undefined },
    )
    assert.match(resumed?.body ?? '', /search_after/)
  }
})

void test('a refused cursor restarts the window', async (context) => {
  const server = await start(context)
  const source = await openSource(configOf(server))
  const first = await readSource(source, { onChunk: (_chunk, { chunks }) => chunks.length < 3 })
  const stale = JSON.stringify([...first.positions]).replace(/\[\d{10}/, '[1111111111')
  const positions = new Map<string, Json>(JSON.parse(stale))
  assert.notDeepEqual(positions, first.positions)
  const second = await readSource(source, { positions })
  assert.equal(second.error, undefined)
  assert.ok(second.notes.some(({ message }) => message.includes('refused the cursor')))
  assertAllRead(server, second.lines)
  const windows = second.events.filter((event) => event.type === 'window')
  assert.deepEqual(
    windows.map(({ state, pages, records }) => [state, pages, records]),
    [
      ['open', 3, 150],
      ['abandoned', 3, 150],
      ['open', 0, 0],
      ['complete', 7, 300],
    ],
  )
})

void test('discards a cursor of another query', async (context) => {
  const server = await start(context)
  const first = await readSource(await openSource(configOf(server)), {
    onChunk: (_chunk, { chunks }) => chunks.length < 3,
  })
  const before = eventRequests(server).length
  const changed = await openSource(configOf(server, { services: ['all', 'sso'] }))
  const second = await readSource(changed, { positions: first.positions })
  assert.ok(second.notes.some(({ message }) => message.includes('query has changed')))
  assert.doesNotMatch(eventRequests(server)[before]?.body ?? '', /search_after/)
  assertAllRead(server, second.lines)
})

for (const [kind, words] of [
  ['no-cursor', /full page of 50 records has no cursor/],
  ['repeat-cursor', /cursor of the next page repeats/],
] as const) {
  void test(`${kind} fails the window, and the next run resumes there`, async (context) => {
    const server = await start(context)
    server.faults.add({ fault: { kind }, after: 2 })
    const source = await openSource(configOf(server))
    const first = await readSource(source)
    assert.equal(first.error?.code, 'SOURCE_FAILED')
    assert.match(first.error.message, words)
    assert.match(first.error.message, /^window 20\S+Z to 20\S+Z, page [34]: /)
    const second = await readSource(source, { positions: first.positions })
    assert.equal(second.error, undefined)
    assertAllRead(server, [...first.lines, ...second.lines])
  })
}

void test('finds late events within the overlap, and only there', async (context) => {
  const now = Date.now() - 12 * HOUR
  const options = { now, frozen: true, start: now - 30 * MINUTE, end: now + 30 * MINUTE }
  const read = async (overlap: string) => {
    const server = await start(context, { ...options, late: { fraction: 0.5, delay: [0, 4 * MINUTE] } })
    const window = { since: '1d', step: '10d', lag: '0s', overlap, sweep: '0s' }
    const source = await openSource(configOf(server, { window }))
    let positions: ReadonlyMap<string, Json> = new Map()
    const lines: string[] = []
    for (let round = 0; round < 18; round++) {
      const reading = await readSource(source, { positions })
      assert.equal(reading.error, undefined)
      lines.push(...reading.lines)
      positions = reading.positions
      server.clock.advance(2 * MINUTE)
    }
    return { server, lines }
  }
  const covered = await read('5m')
  assertAllRead(covered.server, covered.lines)
  const bare = await read('0s')
  assert.ok(idsOf(bare.lines).length < [...bare.server.allIds(bare.server.organizations[0]?.id ?? '')].length)
})

void test('a look-back finds events that are later than the overlap reaches, and is rare', async (context) => {
  const now = Date.now() - 20 * HOUR
  const options = { now, frozen: true, start: now - 30 * MINUTE, end: now + 30 * MINUTE }
  const server = await start(context, { ...options, late: { fraction: 0.5, delay: [20 * MINUTE, 90 * MINUTE] } })
  const window = { since: '1d', step: '10d', lag: '0s', overlap: '2m', sweep: '2h', sweepEvery: '15m' }
  const source = await openSource(configOf(server, { window }))
  let positions: ReadonlyMap<string, Json> = new Map()
  const lines: string[] = []
  const rounds = 60
  for (let round = 0; round < rounds; round++) {
    const reading = await readSource(source, { positions })
    assert.equal(reading.error, undefined)
    lines.push(...reading.lines)
    positions = reading.positions
    server.clock.advance(3 * MINUTE)
  }
  assertAllRead(server, lines)
  const lengths = eventRequests(server)
    .map(({ body }) => bodyOf(body))
    .filter(({ search_after }) => search_after === undefined)
    .map(({ start_time, end_time }) => Date.parse(end_time) - Date.parse(start_time))
  const sweeps = lengths.filter((length) => length > 2 * HOUR && length < 3 * HOUR).length
  assert.equal(sweeps, Math.floor((3 * (rounds - 1)) / 15))
  assert.equal(lengths.filter((length) => length <= 6 * MINUTE).length, rounds - 1 - sweeps)
})

void test('reports how late events arrived', async (context) => {
  const now = Date.now() - 20 * HOUR
  const options = { now, frozen: true, start: now - 3 * HOUR, end: now }
  const server = await start(context, { ...options, late: { fraction: 0.4, delay: [30 * MINUTE, 50 * MINUTE] } })
  const workspace = await openWorkspace(context)
  await workspace.write(
    'pipelines/p.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${server.url}
  rate: { perSecond: 1000 }
  window: { since: 1d, step: 10d, lag: 0s }
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 7d }
sink: { type: file, path: out, key: all }
`,
  )
  const env = { KEY: server.apiKey }
  const first = await workspace.report(['run', 'p'], { env })
  assert.deepEqual(first.late, {})
  const shown = server.totals()[server.organizations[0]?.id ?? ''] ?? 0
  assert.equal(first.written, shown)
  server.clock.advance(HOUR)
  const second = await workspace.report(['run', 'p'], { env })
  assert.equal(first.written + second.written, 300)
  assert.ok(second.written > 5)
  // Events of the last 50 minutes that were hidden: first seen an hour later, 1h to 1h50m after
  // their time.
  assert.deepEqual(second.late, { '2h': second.written })
  const { stderr } = await workspace.sluice(['run', 'p'], { env })
  assert.doesNotMatch(stderr, /late/)
})

void test('a window with fewer events than /events/count is read once more, then reported', async (context) => {
  const server = await start(context, { events: 120 })
  const events = { path: '/insights/directory/v1/events', hidden: 0 }
  // A proxy in front of the API loses the last event of the first pages.
  const lossy = await startServer(context, (request, response) => {
    void (async () => {
      const reply = await fetch(server.url + request.url.pathname.replace('/base', ''), {
        method: 'POST',
        headers: { 'x-api-key': server.apiKey, 'content-type': 'application/json' },
        body: request.body,
      })
      const found: unknown[] | object = JSON.parse(await reply.text())
      const headers = Object.fromEntries([...reply.headers].filter(([name]) => name.startsWith('x-')))
      if (Array.isArray(found) && events.hidden-- > 0) {
        found.pop()
        headers['x-result-count'] = String(found.length)
      }
      response.writeHead(200, headers).end(JSON.stringify(found))
    })()
  })
  const source = await openSource(configOf(server, { baseUrl: `${lossy.origin}/base`, limit: 1000 }))

  events.hidden = 1
  const fixed = await readSource(source)
  assert.equal(fixed.error, undefined)
  assert.deepEqual(messagesOf(fixed), ['reading it once more'])
  assert.deepEqual(fixed.notes[0]?.facts['counted'], 120)
  assertAllRead(server, fixed.lines)

  events.hidden = 2
  const stillShort = await readSource(source)
  assert.equal(stillShort.error, undefined)
  assert.deepEqual(messagesOf(stillShort), ['reading it once more', 'some may be missing'])
  assert.ok(highWatermarkOf(stillShort) > Date.now() - HOUR)

  events.hidden = 2
  const stopped = await readSource(source, { onChunk: () => false })
  const resumed = await readSource(source, { positions: stopped.positions })
  assert.deepEqual(messagesOf(resumed), ['some may be missing'])
})

void test('continues without counts if the API does not give them', async (context) => {
  const server = await start(context, { echoErrors: true })
  server.faults.add({ fault: { kind: 'status', status: 500 }, endpoint: 'count', times: 2 })
  const reading = await readSource(await openSource(configOf(server)))
  assert.equal(reading.error, undefined)
  assert.deepEqual(
    reading.notes.map(({ message }) => message),
    ['could not count the records of a window'],
  )
  assertAllRead(server, reading.lines)
  assert.ok(!wordsOf(reading).includes(server.apiKey))
})

void test('sends the filter with the count, and the count can be turned off', async (context) => {
  const server = await start(context)
  const searchTerm = { and: [{ service: 'sso' }] }
  await readSource(await openSource(configOf(server, { services: ['sso'], searchTerm })))
  const counts = () => server.requests.filter(({ path }) => path.endsWith('/events/count'))
  // The first request only learns the API time.
  assert.equal(counts().length, 2)
  const { limit, sort, ...query } = JSON.parse(eventRequests(server)[0].body)
  assert.deepEqual([limit, sort], [50, 'ASC'])
  assert.deepEqual(JSON.parse(counts()[1]?.body ?? ''), query)
  await readSource(await openSource(configOf(server, { count: false })))
  assert.equal(counts().length, 2)
})

void test('the checkpoint comes from the window, not from events with future times', async (context) => {
  const now = Date.now() - 12 * HOUR
  const early = { fraction: 0.3, by: 8 * HOUR }
  const server = await start(context, { now, frozen: true, start: now - 2 * HOUR, end: now + 6 * HOUR, early })
  // Without a count the API time is unknown before the first page: the first window is planned by
  // our own clock, 12 hours fast, then again by the API's.
  const source = await openSource(
    configOf(server, { count: false, window: { since: '1d', step: '10d', overlap: '1m', repair: '0s' } }),
  )
  const first = await readSource(source)
  const [guess, ...planned] = eventRequests(server).map(({ body, time }) => Date.parse(bodyOf(body).end_time) - time)
  assert.ok(guess > 11 * HOUR)
  assert.ok(planned.length > 0 && planned.every((ahead) => ahead <= 0))
  assert.ok(highWatermarkOf(first) <= now - 4 * MINUTE)
  server.clock.advance(7 * HOUR)
  const second = await readSource(source, { positions: first.positions })
  assertAllRead(server, [...first.lines, ...second.lines])
})

void test('requests nothing from the future if our clock is a day fast', async (context) => {
  const now = Date.now() - DAY
  const server = await start(context, { now, frozen: true, start: now - 2 * HOUR, end: now })
  const source = await openSource(configOf(server, { window: { since: '2d', step: '10d', lag: '0s' } }))
  const first = await readSource(source)
  server.clock.advance(HOUR)
  const second = await readSource(source, { positions: first.positions })
  assertAllRead(server, [...first.lines, ...second.lines])
  const ahead = server.requests.filter(({ body, time }) => Date.parse(bodyOf(body).end_time) > time)
  assert.deepEqual(ahead, [])
  assert.ok(highWatermarkOf(second) <= now + HOUR)
})

void test('moves a start beyond retention to its edge, and logs the gap', async (context) => {
  const server = await start(context, {
    retentionDays: 10,
    start: Date.now() - 30 * DAY,
    end: Date.now() - HOUR,
    events: 500,
  })
  const window = { since: '2020-01-01T00:00:00Z', step: '2d', retention: '10d' }
  const reading = await readSource(await openSource(configOf(server, { window })))
  assert.equal(reading.error, undefined)
  const gap = reading.notes.find(({ message }) => message.includes('gap'))
  assert.equal(gap?.facts['from'], '2020-01-01T00:00:00.000Z')
  const edge = Date.parse(String(gap?.facts['to']))
  assert.ok(Math.abs(edge - (Date.now() - 10 * DAY)) < 10 * MINUTE)
  const events = server.organizations[0]?.events
  assert.ok(events)
  const expected = Array.from({ length: events.count }, (_, at) => at).filter((at) => events.millis(at) >= edge)
  assert.ok(expected.length > 100 && expected.length < 400)
  assert.deepEqual(
    idsOf(reading.lines),
    expected.map((at) => events.id(at)),
  )
})

void test('moves a start that is refused at the retention edge once, then fails with the message of the API', async (context) => {
  const ahead = await start(context, { retentionDays: 10 - (5 * MINUTE) / DAY })
  const window = { since: '10d', step: '10d', retention: '10d' }
  const moved = await readSource(await openSource(configOf(ahead, { window })))
  assert.equal(moved.error, undefined)
  assertAllRead(ahead, moved.lines)
  assert.deepEqual(
    eventRequests(ahead)
      .slice(0, 2)
      .map(({ status }) => status),
    [400, 200],
  )
  assert.ok(moved.notes.some(({ message }) => message.includes('gap')))

  const short = await start(context, { retentionDays: 5 })
  const failed = await readSource(await openSource(configOf(short, { window })))
  assert.equal(failed.error?.code, 'SOURCE_REFUSED')
  assert.match(
    failed.error.message,
    /400: the API says "start_time is older than the data retention of 5 days" \(request id [-\w]+\)/,
  )
  assert.equal(eventRequests(short).length, 2)
})

void test('reads from the retention edge of the API if our clock is slow', async (context) => {
  const server = await start(context, { now: Date.now() + HOUR, retentionDays: 10 })
  for (const count of [true, false]) {
    const window = { since: '10d', step: '10d', retention: '10d' }
    const reading = await readSource(await openSource(configOf(server, { count, window })))
    assert.equal(reading.error, undefined)
    assertAllRead(server, reading.lines)
  }
})

void test('times of any precision, numbers and spacing arrive byte for byte', async (context) => {
  const server = await start(context, { events: 2000 })
  const events = server.organizations[0]?.events
  assert.ok(events)
  for (const gzip of [true, false]) {
    const plain = gzip ? server : await start(context, { events: 2000, gzip })
    const set = plain.organizations[0]?.events ?? events
    const reading = await readSource(await openSource(configOf(plain, { limit: 700 })))
    assert.deepEqual(
      reading.lines,
      Array.from({ length: set.count }, (_, at) => set.text(at)),
    )
  }
  assert.equal(new Set(Array.from({ length: 2000 }, (_, at) => events.timestamp(at).length)).size, 10)
})

void test('does not follow a redirect, and does not send the key there', async (context) => {
  const server = await start(context)
  const elsewhere = await startServer(context, (_request, response) => response.end('[]'))
  server.faults.add({ fault: { kind: 'redirect', to: elsewhere.origin } })
  const reading = await readSource(await openSource(configOf(server)))
  assert.equal(reading.error?.code, 'SOURCE_REFUSED')
  assert.match(reading.error.message, /returned 307, a redirect to http:\/\/127/)
  assert.equal(elsewhere.requests.length, 0)
  assert.equal(eventRequests(server).length, 1)
})

for (const fault of passingFaults) {
  const name = Object.values(fault).join(' ')
  void test(`a temporary fault (${name}) costs a retry and no event`, async (context) => {
    const server = await start(context)
    const tally = server.faults.add({ fault, after: 2, times: 3 })
    const reading = await readSource(await openSource(configOf(server)))
    assert.equal(reading.error, undefined)
    assert.equal(tally.fired, 3)
    assertAllRead(server, reading.lines)
    assert.equal(reading.notes.filter(({ message }) => message.includes('retrying')).length, 3)
  })

  void test(`a permanent fault (${name}) fails the window after all attempts, and the next run resumes`, async (context) => {
    const server = await start(context)
    const tally = server.faults.add({ fault, after: 3, times: 4 })
    const source = await openSource(configOf(server))
    const first = await readSource(source)
    assert.equal(tally.fired, 4)
    assert.equal(first.error?.code, 'SOURCE_UNAVAILABLE')
    assert.match(first.error.message, /page 4: .*, after 4 attempts$/)
    const second = await readSource(source, { positions: first.positions })
    assert.equal(second.error, undefined)
    assertAllRead(server, [...first.lines, ...second.lines])
  })
}

for (const kind of ['hang', 'slow'] as const) {
  void test(`a response that does not end (${kind}) times out`, async (context) => {
    const server = await start(context)
    const tally = server.faults.add({ fault: kind === 'slow' ? { kind, every: 20 } : { kind }, after: 1 })
    const reading = await readSource(await openSource(configOf(server, { timeout: { request: '1s' } })))
    assert.equal(reading.error, undefined)
    assert.equal(tally.fired, 1)
    assertAllRead(server, reading.lines)
    assert.match(String(reading.notes[0]?.facts['reason']), /not complete after 1000 ms \(timeout.request\)/)
  })
}

void test('waits for a Retry-After', async (context) => {
  const server = await start(context, { events: 10 })
  server.faults.add({ fault: { kind: 'status', status: 429, retryAfter: 1 } })
  const reading = await readSource(await openSource(configOf(server)))
  assert.equal(reading.notes[0]?.facts['waitMs'], 1000)
  assertAllRead(server, reading.lines)

  server.faults.add({ fault: { kind: 'status', status: 503, retryAfter: 7200 } })
  const refused = await readSource(await openSource(configOf(server)))
  assert.match(refused.error?.message ?? '', /returned 503.*asks to wait 7200 s/)
})

for (const [status, words] of [
  [400, /returned 400: the API says "fault 400"/],
  [401, /the API rejects the credentials; check apiKey or serviceAccount, and region/],
  [402, /Directory Insights is not licensed for this organization/],
  [403, /no access; check the permission directoryinsights.readonly, region and organizations/],
  [404, /check region and baseUrl/],
] as const) {
  void test(`status ${status} fails without a retry, and names the way out`, async (context) => {
    const server = await start(context)
    server.faults.add({ fault: { kind: 'status', status } })
    const reading = await readSource(await openSource(configOf(server)))
    assert.equal(reading.error?.code, 'SOURCE_REFUSED')
    assert.equal(reading.error.retryable, false)
    assert.match(reading.error.message, words)
    assert.match(reading.error.message, /\(request id [-0-9a-f]{36}\)$/)
    assert.equal(eventRequests(server).length, 1)
  })
}

void test('a wrong key does not appear in the error', async (context) => {
  const server = await start(context, { echoErrors: true })
  const apiKey = 'jca_canary0123456789'
  const reading = await readSource(await openSource(configOf(server, { apiKey })))
  assert.equal(reading.error?.code, 'SOURCE_REFUSED')
  assert.doesNotMatch(wordsOf(reading), /canary/)
})

void test('no message, position or origin contains the key, whatever fails', async (context) => {
  const server = await start(context, { echoErrors: true })
  for (const fault of passingFaults) server.faults.add({ fault, times: 2 })
  server.faults.add({ fault: { kind: 'status', status: 402 }, after: 30 })
  const reading = await readSource(
    await openSource(configOf(server, { limit: 10, retry: { attempts: 100, maxDelay: '1ms' } })),
  )
  assert.equal(reading.error?.code, 'SOURCE_REFUSED')
  assert.equal(reading.notes.length, 2 * passingFaults.length)
  assert.ok(!wordsOf(reading).includes(server.apiKey))
  assert.ok(server.requests.every(({ headers }) => headers['x-api-key'] === server.apiKey))
})

void test('a service account gets a token, reuses it, and renews it before it expires or after a refusal', async (context) => {
  const server = await start(context, { tokenSeconds: 3600 })
  const { clientId, clientSecret, tokenUrl } = server
  const org = server.organizations[0]?.id ?? ''
  const serviceAccount = { clientId, clientSecret, tokenUrl }
  const source = await openSource(configOf(server, { apiKey: undefined, serviceAccount, organizations: [org] }))
  const tokens = () => server.requests.filter(({ path }) => path === '/oauth2/token').length
  const once = await readSource(source)
  assert.equal(once.error, undefined)
  assertAllRead(server, once.lines)
  assert.equal(tokens(), 1)
  assert.ok(
    eventRequests(server).every(({ headers }) => headers['x-org-id'] === org && headers['x-api-key'] === undefined),
  )

  let pages = 0
  const expired = await readSource(source, {
    onChunk: () => {
      if (++pages === 3) server.clock.advance(2 * HOUR)
    },
  })
  assert.equal(expired.error, undefined)
  assertAllRead(server, expired.lines)
  assert.equal(tokens(), 3)
  assert.equal(server.requests.filter(({ status }) => status === 401).length, 1)

  server.faults.add({ fault: { kind: 'status', status: 401 }, times: 2 })
  const refused = await readSource(source)
  assert.equal(refused.error?.code, 'SOURCE_REFUSED')
  assert.ok(!wordsOf(refused).includes(clientSecret))
})

void test('fetches a token once more if it is refused at once, then fails', async (context) => {
  const server = await start(context, { tokenSeconds: 0, events: 20 })
  const { clientId, clientSecret, tokenUrl } = server
  const organizations = server.organizations.map(({ id }) => id)
  const config = configOf(server, {
    apiKey: undefined,
    serviceAccount: { clientId, clientSecret, tokenUrl },
    organizations,
    count: false,
    window: { since: '2d', step: '10d', repair: '0s' },
  })
  const reading = await readSource(await openSource(config))
  assert.equal(reading.error?.code, 'SOURCE_REFUSED')
  assert.equal(server.requests.filter(({ path }) => path === '/oauth2/token').length, 2)
})

void test('fails if the token endpoint refuses the client, and retries its temporary errors', async (context) => {
  const server = await start(context)
  const { clientId, tokenUrl } = server
  const organizations = server.organizations.map(({ id }) => id)
  const open = (clientSecret: string) =>
    openSource(
      configOf(server, { apiKey: undefined, serviceAccount: { clientId, clientSecret, tokenUrl }, organizations }),
    )
  const refused = await readSource(await open('canary-0123456789'))
  assert.equal(refused.error?.code, 'SOURCE_REFUSED')
  assert.match(refused.error.message, /token endpoint http\S+ returned 401 \(invalid_client\): check the client id/)
  assert.doesNotMatch(wordsOf(refused), /canary/)

  server.faults.add({ fault: { kind: 'status', status: 503 }, endpoint: 'token', times: 2 })
  server.faults.add({ fault: { kind: 'reset-before' }, endpoint: 'token' })
  const late = await readSource(await open(server.clientSecret))
  assert.equal(late.error, undefined)
  assertAllRead(server, late.lines)
})

void test('organizations take turns page by page, each with its own checkpoint', async (context) => {
  const server = await start(context, { organizations: 3, events: 140 })
  const organizations = server.organizations.map(({ id }) => id)
  const source = await openSource(configOf(server, { organizations }))
  const reading = await readSource(source)
  assert.equal(reading.error, undefined)
  for (const org of organizations) {
    const lines = reading.chunks.filter(({ partition }) => partition === org).flatMap(linesOf)
    assertAllRead(server, lines, org)
    assert.ok(highWatermarkOf(reading, org) > Date.now() - HOUR)
  }
  const turns = eventRequests(server).map(({ org }) => organizations.indexOf(org ?? ''))
  assert.deepEqual(turns, [0, 1, 2, 0, 1, 2, 0, 1, 2])

  const stopped = await readSource(source, { onChunk: (_chunk, { chunks }) => chunks.length < 5 })
  const rest = await readSource(source, { positions: stopped.positions })
  for (const org of organizations) {
    const chunks = [...stopped.chunks, ...rest.chunks].filter(({ partition }) => partition === org)
    assertAllRead(server, chunks.flatMap(linesOf), org)
  }
})

void test('spaces requests by the configured rate', async (context) => {
  const server = await start(context)
  const reading = await readSource(await openSource(configOf(server, { limit: 10, rate: { perSecond: 20 } })))
  assertAllRead(server, reading.lines)
  assert.equal(eventRequests(server).length, 31)
  const [first, last] = [eventRequests(server)[0], eventRequests(server)[30]]
  // 30 intervals of 50 ms. Half of that, since the first request may have been late.
  assert.ok(last.arrived - first.arrived > 750)
})

void test('names an organization that fails, and reads the others to their end', async (context) => {
  const server = await start(context, { organizations: [{}, { licensed: false }, {}] })
  const organizations = server.organizations.map(({ id }) => id)
  const reading = await readSource(await openSource(configOf(server, { organizations })), { follow: true })
  assert.equal(reading.error?.code, 'SOURCE_REFUSED')
  assert.match(
    reading.error.message,
    new RegExp(`^tenant ${organizations[1]}: .*402: Directory Insights is not licensed`),
  )
  for (const org of [organizations[0], organizations[2]]) {
    const lines = reading.chunks.filter(({ partition }) => partition === org).flatMap(linesOf)
    assertAllRead(server, lines, org)
  }
})

void test('follows new events, and ends at once on abort', async (context) => {
  const now = Date.now() - 12 * HOUR
  const server = await start(context, { now, frozen: true, start: now - HOUR, end: now + HOUR })
  const source = await openSource(configOf(server, { window: { since: '1d', step: '10d', lag: '0s' } }))
  const [org = ''] = server.organizations.map(({ id }) => id)
  const early = [...server.allIds(org)].length
  let advanced = false
  const reading = await readSource(source, {
    follow: true,
    onChunk: (_chunk, { lines }) => {
      const seen = idsOf(lines).length
      if (!advanced && seen >= early) {
        server.clock.advance(2 * HOUR)
        advanced = true
      }
      return !advanced || seen < server.organizations[0].events.count
    },
  })
  assert.equal(reading.error, undefined)
  assert.ok(early > 50 && early < 250)
  assertAllRead(server, reading.lines)
})

void test('reads a bounded window, and following ends there', async (context) => {
  const server = await start(context)
  const events = server.organizations[0].events
  const [from, to] = [events.millis(60), events.millis(220) + 1]
  const window = { since: new Date(from).toISOString(), until: new Date(to).toISOString(), step: '1h', overlap: '1m' }
  const reading = await readSource(await openSource(configOf(server, { window })), { follow: true })
  assert.equal(reading.error, undefined)
  const expected = Array.from({ length: events.count }, (_, at) => at).filter((at) => {
    return events.instant(at) >= BigInt(from) * 1_000_000n && events.instant(at) <= BigInt(to) * 1_000_000n
  })
  assert.deepEqual(
    idsOf(reading.lines),
    expected.map((at) => events.id(at)),
  )
  assert.equal(highWatermarkOf(reading), to)
  assert.ok(eventRequests(server).length > 5)
})

void test('windows cover the time without gaps, and chunks carry a low watermark', async (context) => {
  const server = await start(context)
  const window = { since: '12h', step: '1h', overlap: '5m' }
  const reading = await readSource(await openSource(configOf(server, { window })))
  assertAllRead(server, reading.lines)
  const bodies = [...new Set(eventRequests(server).map(({ body }) => body))]
    .map(bodyOf)
    .filter((body) => body.search_after === undefined)
  for (const [i, body] of bodies.entries()) {
    const before = bodies[i - 1]
    if (before === undefined) continue
    assert.equal(Date.parse(before.end_time) - Date.parse(body.start_time), 5 * MINUTE)
  }
  const lowWatermarks = reading.chunks.map(({ lowWatermark = NaN }) => lowWatermark)
  // A reconciliation can go back to the first whole hour that was read.
  assert.equal(lowWatermarks.at(-1), Math.ceil(Date.parse(bodies[0].start_time) / HOUR) * HOUR)
  assert.deepEqual(
    lowWatermarks,
    lowWatermarks.toSorted((a, b) => a - b),
  )
})

void test('passes on repeated events, also across page boundaries', async (context) => {
  const server = await start(context, { repeats: 0.2, repeatAtPageBorders: true })
  const reading = await readSource(await openSource(configOf(server)))
  assert.equal(reading.error, undefined)
  assert.ok(reading.lines.length > 310)
  assertAllRead(server, reading.lines)
})

void test('splits a large page into chunks, of which only the last has a position', async (context) => {
  const server = await start(context, { events: 4000 })
  const reading = await readSource(await openSource(configOf(server, { limit: 10_000 })))
  assertAllRead(server, reading.lines)
  assert.ok(reading.chunks.length > 5)
  assert.deepEqual(
    reading.chunks.map(({ position }) => position !== undefined),
    reading.chunks.map((_, at) => at === reading.chunks.length - 1),
  )
  assert.deepEqual(
    reading.chunks.map(({ origin }) => origin?.line),
    reading.chunks.map((_, at) => 1 + reading.chunks.slice(0, at).flatMap(linesOf).length),
  )
})

async function messages(config: { readonly [key: string]: unknown }): Promise<string[]> {
  return (await problemsOf({ type: 'jumpcloud', ...config })).map(({ message }) => message)
}

void test('reports contradictory options before anything runs', async () => {
  assert.match((await messages({})).join(), /either apiKey or serviceAccount/)
  const account = { serviceAccount: { clientId: 'a', clientSecret: 'b' } }
  assert.match((await messages(account)).join(), /needs organizations/)
  assert.match((await messages({ apiKey: 'k', baseUrl: 'http://api.example.com' })).join(), /is not https/)
  assert.match((await messages({ apiKey: 'k', organizations: ['a', 'a'] })).join(), /"a" occurs twice/)
  assert.match((await messages({ apiKey: 'k', window: { since: '100d' } })).join(), /older than retention/)
  assert.match((await messages({ apiKey: 'k', window: { overlap: '1d' } })).join(), /overlap must be shorter than step/)
  assert.match((await messages({ apiKey: 'k', limit: 20_000 })).join(), /limit/)
  assert.deepEqual(await messages({ apiKey: 'k' }), [])
})
