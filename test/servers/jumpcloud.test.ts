import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer, get, request as httpRequest } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { Agent, request } from 'undici'
import { DAY, HOUR } from '../../src/time.ts'
import { sendArray } from './jumpcloud/body.ts'
import { startJumpCloudServer } from './jumpcloud.ts'
import type { JumpCloudOptions, JumpCloudServer } from './jumpcloud.ts'
import { codeFile } from '../support/paths.ts'
import { listen } from '../support/listen.ts'

const NOW = Date.UTC(2026, 2, 1)

interface Reply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  /** The parsed body; undefined if it is not JSON. */
  readonly json: unknown
}

interface Client {
  readonly server: JumpCloudServer
  readonly org: string
  readonly post: (path: string, body: unknown, headers?: Record<string, string>) => Promise<Reply>
  /** POST /events for the last day, with the given fields added or replaced. */
  readonly events: (body?: Record<string, unknown>, headers?: Record<string, string>) => Promise<Reply>
  /** All pages of a query. */
  readonly pages: (body?: Record<string, unknown>) => Promise<Reply[]>
}

async function start(t: TestContext, options: JumpCloudOptions = {}): Promise<Client> {
  const server = await startJumpCloudServer({ seed: 5, now: NOW, frozen: true, ...options })
  const agent = new Agent()
  t.after(async () => {
    await agent.destroy()
    await server.close()
  })

  async function post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Reply> {
    const response = await request(path.startsWith('http') ? path : server.url + path, {
      method: 'POST',
      headers: {
        'x-api-key': server.apiKey,
        'content-type': 'application/json',
        accept: 'application/json',
        ...headers,
      },
      body: typeof body === 'string' ? body : JSON.stringify(body),
      dispatcher: agent,
    })
    const bytes = Buffer.from(await response.body.arrayBuffer())
    const plain = response.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes
    return { status: response.statusCode, headers: response.headers, bytes, json: parse(plain.toString()) }
  }

  function events(body: Record<string, unknown> = {}, headers?: Record<string, string>): Promise<Reply> {
    return post('/events', lastDay(body), headers)
  }

  async function pages(body: Record<string, unknown> = {}): Promise<Reply[]> {
    const replies = [await events(body)]
    for (let last = replies[0]; count(last) === Number(last.headers['x-limit']); last = replies.at(-1) ?? last) {
      assert.ok(replies.length < 1000, 'the pages have no end')
      replies.push(await post('/events', withCursor(body, cursorOf(last))))
    }
    return replies
  }

  return { server, org: server.organizations[0].id, post, events, pages }
}

function lastDay(body: Record<string, unknown> = {}): Record<string, unknown> {
  return { service: ['all'], start_time: iso(NOW - DAY), ...body }
}

/** The text of a request with the unchanged cursor: JSON.stringify would round its number. */
function withCursor(body: Record<string, unknown>, cursor: string): string {
  return `${JSON.stringify(lastDay(body)).slice(0, -1)},"search_after":${cursor}}`
}

function parse(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text)
    return value
  } catch {
    return undefined
  }
}

function iso(time: number): string {
  return new Date(time).toISOString()
}

function count(reply: Reply): number {
  return Number(reply.headers['x-result-count'])
}

function cursorOf(reply: Reply): string {
  const cursor = reply.headers['x-search_after']
  assert.equal(typeof cursor, 'string')
  return String(cursor)
}

function list(reply: Reply): Record<string, unknown>[] {
  assert.equal(reply.status, 200)
  assert.ok(Array.isArray(reply.json))
  return reply.json
}

function ids(...replies: Reply[]): unknown[] {
  return replies.flatMap((reply) => list(reply).map((event) => event['id']))
}

function timesOf(reply: Reply): number[] {
  return list(reply).map((event) => Date.parse(String(event['timestamp'])))
}

function isBind(event: Record<string, unknown>): boolean {
  return event['event_type'] === 'ldap_bind'
}

function failed(event: Record<string, unknown>): boolean {
  return event['success'] === false
}

function withoutRepeats(listed: unknown[]): unknown[] {
  return listed.filter((id, at) => id !== listed[at - 1])
}

function member(reply: Reply, name: string): unknown {
  assert.ok(typeof reply.json === 'object' && reply.json !== null)
  return Object.getOwnPropertyDescriptor(reply.json, name)?.value
}

function assertRefused(reply: Reply, status: number, message: RegExp): void {
  assert.equal(reply.status, status)
  assert.match(String(member(reply, 'message')), message)
}

void test('start_time and end_time are inclusive; end_time can be made exclusive', async (t) => {
  const inclusive = await start(t)
  const exclusive = await start(t, { endInclusive: false })
  const { events } = inclusive.server.organizations[0]
  const from = events.timestamp(100)
  const to = events.timestamp(200)
  const first = events.firstAt(events.instant(100))
  const beyond = events.firstAt(events.instant(200) + 1n)
  const expected = Array.from({ length: beyond - first }, (_, at) => events.id(first + at))
  assert.deepEqual(ids(await inclusive.events({ start_time: from, end_time: to })), expected)
  const without = Array.from({ length: events.firstAt(events.instant(200)) - first }, (_, at) => events.id(first + at))
  assert.deepEqual(ids(await exclusive.events({ start_time: from, end_time: to })), without)
  assert.ok(without.length < expected.length)
})

void test('refuses a window that starts in the future or before retention, or that ends before its start', async (t) => {
  const { events } = await start(t, { retentionDays: 15 })
  assertRefused(await events({ start_time: iso(NOW + 1) }), 400, /future/)
  assertRefused(await events({ start_time: iso(NOW - 15 * DAY - 1) }), 400, /retention of 15 days/)
  assert.equal((await events({ start_time: iso(NOW - 15 * DAY) })).status, 200)
  assertRefused(await events({ end_time: iso(NOW - DAY) }), 400, /after start_time/)
  assertRefused(await events({ end_time: iso(NOW - DAY - 1) }), 400, /after start_time/)
  assert.equal((await events({ end_time: iso(NOW + DAY) })).status, 200)
})

void test('refuses a request without service, start_time, time zone or JSON', async (t) => {
  const { events, post } = await start(t)
  assertRefused(await events({ service: undefined }), 400, /service/)
  assertRefused(await events({ service: [] }), 400, /service/)
  assertRefused(await events({ service: 'all' }), 400, /service/)
  assertRefused(await events({ start_time: undefined }), 400, /start_time/)
  assertRefused(await events({ start_time: '2026-02-28T00:00:00+01:00' }), 400, /start_time/)
  assertRefused(await events({ end_time: 'tomorrow' }), 400, /end_time/)
  assertRefused(await post('/events', '{"service":'), 400, /not JSON/)
  assertRefused(await post('/events', '[]'), 400, /not a JSON object/)
  assertRefused(await events({}, { 'content-type': 'text/plain' }), 400, /Content-Type/)
  assertRefused(await post('/nothing', {}), 404, /Not Found/)
})

void test('limit is 1000 by default and at most 10000; an invalid limit silently becomes 1000', async (t) => {
  const { events } = await start(t, { events: 12_000, shape: 'one' })
  const limitFor = async (limit: unknown): Promise<number[]> => {
    const reply = await events({ limit, fields: ['id'] })
    assert.equal(list(reply).length, count(reply))
    return [Number(reply.headers['x-limit']), count(reply)]
  }
  assert.deepEqual(await limitFor(undefined), [1000, 1000])
  assert.deepEqual(await limitFor(7), [7, 7])
  assert.deepEqual(await limitFor(10_000), [10_000, 10_000])
  assert.deepEqual(await limitFor(10_001), [10_000, 10_000])
  for (const nonsense of [0, -5, 1.5, '50', null, []]) assert.deepEqual(await limitFor(nonsense), [1000, 1000])
})

void test('sorts by timestamp, ASC by default', async (t) => {
  const { events, server, pages } = await start(t)
  const { events: set } = server.organizations[0]
  const all = Array.from({ length: set.count }, (_, index) => set.id(index))
  for (const sort of [undefined, 'ASC', 'desc', 7]) {
    const reply = await events({ sort })
    assert.equal(reply.headers['x-sort'], 'ASC')
    assert.deepEqual(ids(reply), all)
  }
  const descending = await pages({ sort: 'DESC', limit: 300 })
  assert.equal(descending[0].headers['x-sort'], 'DESC')
  assert.deepEqual(ids(...descending), all.toReversed())
})

void test('pages contain every event once, byte for byte, each page with the four headers', async (t) => {
  const { server, pages } = await start(t, { events: 950, gzip: false })
  const { events } = server.organizations[0]
  const replies = await pages({ limit: 100 })
  assert.deepEqual(
    replies.map((reply) => count(reply)),
    [...Array.from({ length: 9 }, () => 100), 50],
  )
  for (const { headers } of replies) {
    assert.equal(headers['x-limit'], '100')
    assert.equal(headers['x-sort'], 'ASC')
    assert.match(String(headers['x-search_after']), /^\[\d{19},"[\w-]+"\]$/)
  }
  const texts = Array.from({ length: 100 }, (_, at) => events.text(300 + at))
  assert.equal(replies[3].bytes.toString(), `[${texts.join(',')}]`)
  assert.equal(new Set(ids(...replies)).size, 950)
})

void test('an empty page follows a full last page', async (t) => {
  const { pages } = await start(t, { events: 200 })
  const replies = await pages({ limit: 100 })
  assert.deepEqual(
    replies.map((reply) => count(reply)),
    [100, 100, 0],
  )
  assert.equal(replies[2].bytes.toString(), '[]')
  assert.ok(cursorOf(replies[2]))
})

void test('accepts only an unchanged cursor', async (t) => {
  const { events, post } = await start(t)
  const cursor = cursorOf(await events({ limit: 10 }))
  const rounded = JSON.stringify(JSON.parse(cursor))
  assert.notEqual(rounded, cursor)
  assert.equal((await post('/events', withCursor({ limit: 10 }, cursor))).status, 200)
  assertRefused(await post('/events', withCursor({ limit: 10 }, rounded)), 400, /search_after/)
  assertRefused(
    await post('/events', withCursor({ limit: 10 }, '[1576181718000,"DZrPyW8BNsa9iKWoOm7h"]')),
    400,
    /search_after/,
  )
  assertRefused(await post('/events', withCursor({ limit: 10 }, '"text"')), 400, /search_after/)
})

void test('a cursor belongs to one query of one organization', async (t) => {
  const { events, post, server, org } = await start(t, { organizations: 2 })
  const mine = { 'x-org-id': org }
  const body = { limit: 10, sort: 'DESC', end_time: iso(NOW) }
  const cursor = cursorOf(await events(body, mine))
  const ask = (changed: Record<string, unknown>, headers = mine): Promise<Reply> =>
    post('/events', withCursor({ ...body, ...changed }, cursor), headers)
  assert.equal((await ask({})).status, 200)
  assertRefused(await ask({ limit: 11 }), 400, /search_after/)
  assertRefused(await ask({ sort: 'ASC' }), 400, /search_after/)
  assertRefused(await ask({ service: ['directory'] }), 400, /search_after/)
  assertRefused(await ask({ start_time: iso(NOW - DAY + 1) }), 400, /search_after/)
  assertRefused(await ask({ end_time: iso(NOW - 1) }), 400, /search_after/)
  assertRefused(await ask({ fields: ['id'] }), 400, /search_after/)
  assertRefused(await ask({}, { 'x-org-id': server.organizations[1].id }), 400, /search_after/)
})

void test('service selects by name, all can be incomplete, and an unknown name matches nothing', async (t) => {
  const { events } = await start(t, { missingFromAll: ['access_management'] })
  const found = async (...service: string[]): Promise<Set<unknown>> =>
    new Set(list(await events({ service })).map((event) => event['service']))
  assert.deepEqual(await found('ldap', 'radius'), new Set(['ldap', 'radius']))
  assert.equal((await found('all')).size, 15)
  assert.equal((await found('all', 'access_management')).size, 16)
  assert.deepEqual(await found('next_year'), new Set())
})

void test('fields selects members, search_term filters', async (t) => {
  const { events } = await start(t)
  const [first] = list(await events({ fields: ['id', 'service', 'initiated_by.type'], limit: 1, service: ['ldap'] }))
  assert.deepEqual(Object.keys(first), ['id', 'service', 'initiated_by.type'])
  const all = list(await events())
  const find = async (search_term: unknown): Promise<number> => list(await events({ search_term })).length
  assert.ok(all.some(isBind) && all.some((event) => failed(event) && isBind(event)))
  const both = [{ event_type: 'ldap_bind' }, { success: false }]
  assert.equal(await find({ and: both }), all.filter((event) => isBind(event) && failed(event)).length)
  assert.equal(await find({ or: both }), all.filter((event) => isBind(event) || failed(event)).length)
  assert.equal(await find({ not: both }), all.filter((event) => !isBind(event) && !failed(event)).length)
  assertRefused(await events({ search_term: { near: [] } }), 400, /search_term/)
})

void test('the body is a bare array, compressed if the client accepts gzip', async (t) => {
  const { events } = await start(t)
  const plain = await events()
  assert.equal(plain.headers['content-encoding'], undefined)
  assert.equal(plain.headers['content-type'], 'application/json')
  assert.equal(list(plain).length, 1000)
  const small = await events({}, { 'accept-encoding': 'gzip' })
  assert.equal(small.headers['content-encoding'], 'gzip')
  assert.ok(small.bytes.length < plain.bytes.length / 2)
  assert.deepEqual(small.json, plain.json)
})

void test('every response has its own request id and the server time', async (t) => {
  const { events, server } = await start(t)
  const first = await events()
  server.clock.advance(HOUR)
  const second = await events({ service: [] })
  assert.equal(first.headers['date'], new Date(NOW).toUTCString())
  assert.equal(second.headers['date'], new Date(NOW + HOUR).toUTCString())
  assert.ok(first.headers['x-request-id'] && second.headers['x-request-id'])
  assert.notEqual(first.headers['x-request-id'], second.headers['x-request-id'])
})

void test('the clock runs unless it is frozen, and can be set', async (t) => {
  const { server } = await start(t, { frozen: false })
  assert.ok(server.clock.now() >= NOW && server.clock.now() < NOW + HOUR)
  server.clock.set(NOW + DAY)
  assert.ok(server.clock.now() >= NOW + DAY)
})

void test('a bad key gets 401, a missing or foreign x-org-id 403, an unlicensed organization 402', async (t) => {
  const licensed = '5a2af2a82cf2b0010053ea41'
  const unlicensed = '5a2af2a82cf2b0010053ea42'
  const { events } = await start(t, { organizations: [{ id: licensed }, { id: unlicensed, licensed: false }] })
  assertRefused(await events({}, { 'x-api-key': 'wrong', 'x-org-id': licensed }), 401, /Unauthorized/)
  assertRefused(await events(), 403, /x-org-id/)
  assertRefused(await events({}, { 'x-org-id': '5a2af2a82cf2b0010053ea43' }), 403, /Forbidden/)
  assertRefused(await events({}, { 'x-org-id': unlicensed }), 402, /not enabled/)
  assert.equal((await events({}, { 'x-org-id': licensed })).status, 200)
})

void test('a service account gets a token that needs x-org-id and expires in server time', async (t) => {
  const { events, post, server, org } = await start(t, { tokenSeconds: 600 })
  const basic = `Basic ${Buffer.from(`${server.clientId}:${server.clientSecret}`).toString('base64')}`
  const form = { 'content-type': 'application/x-www-form-urlencoded', authorization: basic }
  const ask = (body: string, headers = form): Promise<Reply> => post(server.tokenUrl, body, headers)
  const good = 'scope=api&grant_type=client_credentials'
  assert.equal(member(await ask(good, { ...form, authorization: 'Basic d3Jvbmc6d3Jvbmc=' }), 'error'), 'invalid_client')
  assert.equal(member(await ask('scope=api'), 'error'), 'unsupported_grant_type')
  assert.equal(member(await ask('grant_type=client_credentials'), 'error'), 'invalid_scope')
  const granted = await ask(good)
  assert.equal(member(granted, 'expires_in'), 600)
  assert.equal(member(granted, 'token_type'), 'bearer')
  const bearer = { authorization: `Bearer ${String(member(granted, 'access_token'))}`, 'x-api-key': '' }
  assertRefused(await events({}, bearer), 403, /x-org-id/)
  assert.equal((await events({}, { ...bearer, 'x-org-id': org })).status, 200)
  server.clock.advance(599_999)
  assert.equal((await events({}, { ...bearer, 'x-org-id': org })).status, 200)
  server.clock.advance(1)
  assertRefused(await events({}, { ...bearer, 'x-org-id': org }), 401, /Unauthorized/)
})

void test('each organization has its own data', async (t) => {
  const { events, server } = await start(t, { organizations: [{ events: 300 }, { events: 500 }] })
  const [one, two] = server.organizations
  const first = ids(await events({}, { 'x-org-id': one.id }))
  const second = ids(await events({}, { 'x-org-id': two.id }))
  assert.deepEqual(server.totals(), { [one.id]: 300, [two.id]: 500 })
  assert.deepEqual(first, [...server.allIds(one.id)])
  assert.deepEqual(second, [...server.allIds(two.id)])
  assert.equal(new Set([...first, ...second]).size, 800)
})

void test('an organization above its rate gets 429 with Retry-After, others do not', async (t) => {
  const { events, server } = await start(t, { organizations: 2, rate: 1 })
  const [one, two] = server.organizations
  const replies = await Promise.all(
    Array.from({ length: 20 }, () => events({ limit: 1 }, { 'x-org-id': one.id, connection: 'close' })),
  )
  const refused = replies.filter((reply) => reply.status === 429)
  assert.ok(refused.length > 0 && refused.length <= 19, String(refused.length))
  assert.ok(refused.every((reply) => reply.headers['retry-after'] === '1'))
  assert.equal((await events({ limit: 1 }, { 'x-org-id': two.id })).status, 200)
  assert.equal(server.maxRequestsPerSecond(two.id), 1)
  assert.ok(server.maxRequestsPerSecond(one.id) > 1)
})

void test('count and interval count distinct events of the query', async (t) => {
  const { post, server } = await start(t, { events: 5000, repeats: 0.2 })
  const { events } = server.organizations[0]
  assert.equal(member(await post('/events/count', lastDay()), 'count'), 5000)
  const ldap = Array.from({ length: 5000 }, (_, index) => events.service(index)).filter(
    (name) => name === 'ldap',
  ).length
  assert.equal(member(await post('/events/count', lastDay({ service: ['ldap'] })), 'count'), ldap)
  const window = { start_time: events.timestamp(1000), end_time: events.timestamp(1999) }
  const inWindow = events.firstAt(events.instant(1999) + 1n) - events.firstAt(events.instant(1000))
  assert.equal(member(await post('/events/count', lastDay(window)), 'count'), inWindow)

  const body = lastDay({ interval_unit: 'h', interval_value: 1 })
  const buckets = member(await post('/events/interval', body), 'buckets')
  const hours = Array.from({ length: 24 }, (_, hour) => {
    const key = NOW - DAY + hour * HOUR
    const [from, to] = [key, key + HOUR].map((time) => events.firstAt(BigInt(time) * 1_000_000n))
    return { key, key_as_string: iso(key), doc_count: to - from }
  })
  assert.deepEqual(buckets, hours)
})

void test('interval supports s, m, h, d and w, lists empty buckets and refuses other units', async (t) => {
  const { post } = await start(t, { events: 20 })
  const ask = (interval_unit: unknown, interval_value: unknown): Promise<Reply> =>
    post('/events/interval', lastDay({ interval_unit, interval_value }))
  const widths = { s: 1000, m: 60_000, h: HOUR, d: DAY, w: 7 * DAY }
  for (const [unit, width] of Object.entries(widths)) {
    const times = unit === 's' ? 30 : 2
    const buckets = member(await ask(unit, times), 'buckets')
    assert.ok(Array.isArray(buckets))
    let total = 0
    for (const [at, bucket] of buckets.entries()) {
      assert.equal(bucket.key, buckets[0].key + at * width * times)
      assert.equal(bucket.key % (width * times), 0)
      total += Number(bucket.doc_count)
    }
    assert.equal(total, 20)
    assert.equal(
      buckets.some((bucket: { doc_count: number }) => bucket.doc_count === 0),
      unit === 's' || unit === 'm',
    )
  }
  assertRefused(await ask('y', 1), 400, /interval_unit/)
  assertRefused(await ask('h', 0), 400, /interval_value/)
  assertRefused(await ask('s', 1), 400, /buckets/)
})

void test('late events appear only after their delay, also in totals', async (t) => {
  const { events, server, org, post } = await start(t, { late: { fraction: 0.3, delay: 2 * HOUR } })
  const before = await events()
  assert.ok(count(before) > 900 && count(before) < 1000, String(count(before)))
  assert.deepEqual(ids(before), [...server.allIds(org)])
  assert.equal(member(await post('/events/count', lastDay()), 'count'), count(before))
  server.clock.advance(2 * HOUR)
  assert.deepEqual(server.totals(), { [org]: 1000 })
  assert.equal(count(await events()), 1000)
  assert.ok(server.totals(NOW - DAY / 2)[org] < 600)
})

void test('a range of delays spreads late events', async (t) => {
  const { server, org } = await start(t, { late: { fraction: 1, delay: [0, DAY] } })
  assert.ok(server.totals()[org] > 400 && server.totals()[org] < 600, String(server.totals()[org]))
  server.clock.advance(DAY)
  assert.equal(server.totals()[org], 1000)
})

void test('events appear as the clock advances, early ones with a future timestamp', async (t) => {
  const future = { start: NOW - DAY, end: NOW + DAY }
  const punctual = await start(t, future)
  const early = await start(t, { ...future, early: { fraction: 0.1, by: DAY } })
  assert.ok(timesOf(await punctual.events()).every((time) => time <= NOW))
  assert.ok(timesOf(await early.events()).some((time) => time > NOW))
  punctual.server.clock.advance(DAY)
  assert.equal(punctual.server.totals()[punctual.org], 1000)
})

void test('repeats list the same event twice in a row, also across page boundaries', async (t) => {
  const { pages, org, server } = await start(t, { repeats: 0.3 })
  const replies = await pages({ limit: 50 })
  const listed = ids(...replies)
  assert.ok(listed.length > 1200 && listed.length < 1400, String(listed.length))
  assert.deepEqual(withoutRepeats(listed), [...server.allIds(org)])
  assert.ok(replies.slice(1).some((reply, at) => ids(reply)[0] === ids(replies[at]).at(-1)))
  const single = ids(...(await pages({ limit: 1, end_time: iso(NOW - 23 * HOUR - 1) })))
  assert.ok(withoutRepeats(single).length < single.length)
  assert.deepEqual(withoutRepeats(single), [...server.allIds(org, NOW - 23 * HOUR)])
})

void test('pages can start with the last event of the previous page', async (t) => {
  const { pages, org, server } = await start(t, { repeatAtPageBorders: true })
  for (const sort of ['ASC', 'DESC']) {
    const replies = await pages({ limit: 100, sort })
    for (const [at, reply] of replies.entries()) if (at > 0) assert.equal(ids(reply)[0], ids(replies[at - 1]).at(-1))
    assert.deepEqual(new Set(ids(...replies)), new Set(server.allIds(org)))
  }
})

void test('adjacent windows share the event on their boundary', async (t) => {
  const { events } = await start(t)
  const boundary = iso(NOW - 6 * HOUR)
  const before = ids(await events({ end_time: boundary }))
  const after = ids(await events({ start_time: boundary }))
  assert.equal(before.at(-1), after[0])
  assert.equal(new Set([...before, ...after]).size, 1000)
})

void test('status faults occur as often as configured, and only on matching requests', async (t) => {
  const { events, post, server, org } = await start(t, { organizations: 2 })
  const [one, two] = server.organizations.map((each) => ({ 'x-org-id': each.id }))
  for (const status of [400, 401, 402, 403, 429, 500, 502, 503, 504]) {
    const tally = server.faults.add({ fault: { kind: 'status', status }, org, times: 2, after: 1 })
    assert.equal((await events({}, two)).status, 200)
    const replies = []
    for (let at = 0; at < 4; at++) replies.push((await events({}, one)).status)
    assert.deepEqual(replies, [200, status, status, 200])
    assert.equal(tally.fired, 2)
  }
  server.faults.add({ fault: { kind: 'status', status: 500 }, endpoint: 'count' })
  assert.equal((await events({}, one)).status, 200)
  assert.equal((await post('/events/count', lastDay(), one)).status, 500)
  server.faults.add({ fault: { kind: 'status', status: 500 }, times: Infinity }).remove()
  server.faults.add({ fault: { kind: 'status', status: 500 }, times: Infinity })
  server.faults.clear()
  assert.equal((await events({}, one)).status, 200)
})

void test('sends Retry-After in seconds or as a date', async (t) => {
  const { events, server } = await start(t)
  server.faults.add({ fault: { kind: 'status', status: 429, retryAfter: 30 } })
  server.faults.add({ fault: { kind: 'status', status: 503, retryAfter: 30, asDate: true } })
  assert.equal((await events()).headers['retry-after'], '30')
  assert.equal((await events()).headers['retry-after'], new Date(NOW + 30_000).toUTCString())
})

void test('random faults repeat with their seed', async (t) => {
  const luck = async (faultSeed: number): Promise<number[]> => {
    const { events, server } = await start(t, { events: 1, faultSeed })
    server.faults.add({ fault: { kind: 'status', status: 500 }, probability: 0.5 })
    const statuses = []
    for (let at = 0; at < 30; at++) statuses.push((await events()).status)
    return statuses
  }
  const first = await luck(11)
  assert.deepEqual(new Set(first), new Set([200, 500]))
  assert.deepEqual(await luck(11), first)
  assert.notDeepEqual(await luck(12), first)
})

void test('resets a connection before or during the body', async (t) => {
  const { events, server } = await start(t)
  server.faults.add({ fault: { kind: 'reset-before' } })
  await assert.rejects(events(), { code: /ECONNRESET|UND_ERR_SOCKET/ })
  server.faults.add({ fault: { kind: 'reset-during' } })
  await assert.rejects(events(), { code: /ECONNRESET|UND_ERR_SOCKET/ })
  assert.deepEqual(
    server.requests.map((each) => each.status),
    [0, 0],
  )
  assert.equal((await events()).status, 200)
})

void test('hangs until the client gives up', async (t) => {
  const { server } = await start(t)
  server.faults.add({ fault: { kind: 'hang' } })
  const giveUp = new AbortController()
  const hanging = fetch(`${server.url}/events`, { method: 'POST', body: '{}', signal: giveUp.signal })
  while (server.requests.length === 0) await new Promise((resolve) => setImmediate(resolve))
  giveUp.abort()
  await assert.rejects(hanging, { name: 'AbortError' })
  assert.equal(server.requests[0].status, 0)
})

void test('a truncated gzip body looks complete', async (t) => {
  const { server } = await start(t)
  server.faults.add({ fault: { kind: 'truncated-gzip' }, times: 1 })
  const plain = await rawPost(server, {})
  assert.equal(plain.headers['content-encoding'], undefined)
  const { bytes, headers } = await rawPost(server, { 'accept-encoding': 'gzip' })
  assert.equal(Number(headers['content-length']), bytes.length)
  assert.throws(() => gunzipSync(bytes), { code: 'Z_BUF_ERROR' })
})

void test('truncates a body after a record, with and without content-length', async (t) => {
  const { server, events } = await start(t)
  server.faults.add({ fault: { kind: 'cut', contentLength: true } })
  await assert.rejects(events(), { code: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH' })
  server.faults.add({ fault: { kind: 'cut', contentLength: false } })
  const { bytes, headers } = await rawPost(server, {})
  assert.equal(headers['content-length'], undefined)
  assert.equal(headers['transfer-encoding'], undefined)
  assert.equal(headers['x-result-count'], '1000')
  const cut: unknown = JSON.parse(`${bytes.toString()}]`)
  assert.ok(Array.isArray(cut) && cut.length === 500)
})

void test('sends a sign-in page with status 200', async (t) => {
  const { events, server } = await start(t)
  server.faults.add({ fault: { kind: 'html' } })
  const reply = await events()
  assert.equal(reply.status, 200)
  assert.equal(reply.headers['content-type'], 'text/html')
  assert.equal(reply.json, undefined)
})

void test('a full page can repeat its cursor or lack one', async (t) => {
  const { events, post, server } = await start(t)
  server.faults.add({ fault: { kind: 'repeat-cursor' } })
  const first = cursorOf(await events({ limit: 10 }))
  const stuck = await post('/events', withCursor({ limit: 10 }, first))
  assert.equal(cursorOf(stuck), first)
  assert.equal(count(stuck), 10)
  server.faults.add({ fault: { kind: 'no-cursor' } })
  assert.ok(cursorOf(await events({ limit: 10_000 })), 'a short page keeps its cursor')
  const full = await events({ limit: 10 })
  assert.equal(count(full), 10)
  assert.equal(full.headers['x-search_after'], undefined)
})

void test('redirects to another origin', async (t) => {
  const { events, server } = await start(t)
  server.faults.add({ fault: { kind: 'redirect', to: 'http://127.0.0.1:9' } })
  const reply = await events()
  assert.equal(reply.status, 307)
  assert.equal(reply.headers['location'], 'http://127.0.0.1:9/insights/directory/v1/events')
})

void test('sends a body one byte at a time', async (t) => {
  const { server } = await start(t, { events: 1 })
  server.faults.add({ fault: { kind: 'slow', every: 1 } })
  const { bytes, chunks } = await rawPost(server, {})
  assert.equal(bytes.toString(), `[${server.organizations[0].events.text(0)}]`)
  assert.ok(chunks > 10, String(chunks))
})

void test('closing ends slow and hanging responses', async () => {
  const server = await startJumpCloudServer({ now: NOW, frozen: true })
  const hang = server.faults.add({ fault: { kind: 'hang' } })
  const slow = server.faults.add({ fault: { kind: 'slow' } })
  const both = Promise.allSettled([rawPost(server, {}), rawPost(server, {})])
  while (hang.fired + slow.fired < 2) await new Promise((resolve) => setImmediate(resolve))
  await server.close()
  for (const outcome of await both) assert.equal(outcome.status, 'rejected')
})

void test('error bodies echo the request and its key if configured', async (t) => {
  const { events, server } = await start(t, { echoErrors: true })
  server.faults.add({ fault: { kind: 'status', status: 500 } })
  assert.ok((await events()).bytes.toString().includes(server.apiKey))
  assert.ok((await events({ service: [] })).bytes.toString().includes(server.apiKey))
})

void test('records requests with organization, body, time and status', async (t) => {
  const { events, server, org } = await start(t)
  await events({ limit: 3 })
  await events({ service: [] }, { 'x-org-id': 'elsewhere' })
  assert.deepEqual(
    server.requests.map(({ method, path, org: to, time, status }) => [method, path, to, time, status]),
    [
      ['POST', '/insights/directory/v1/events', org, NOW, 200],
      ['POST', '/insights/directory/v1/events', 'elsewhere', NOW, 403],
    ],
  )
  assert.equal(server.requests[0].body, JSON.stringify(lastDay({ limit: 3 })))
})

void test('generates a body only as fast as the client reads', async (t) => {
  let made = 0
  function* endless(): Generator<string> {
    const item = JSON.stringify('x'.repeat(1000))
    for (;;) {
      made += item.length
      yield item
    }
  }
  const sent: Promise<void>[] = []
  const server = createServer((_, response) => {
    sent.push(sendArray(response, endless(), false))
  })
  t.after(() => server.close())
  const client = get({ port: await listen(server), host: '127.0.0.1' })
  client.on('response', (response) => {
    response.once('data', () => client.destroy())
  })
  await once(client, 'close')
  await assert.rejects(sent[0], { code: /ERR_STREAM_PREMATURE_CLOSE|ECONNRESET|EPIPE/ })
  assert.ok(made < 100_000_000, `${made} bytes made for a client that read one chunk`)
})

void test('as a process, serves a million events with 64 MB of heap until SIGTERM', async (t) => {
  const script = codeFile('test/servers/jumpcloud.ts')
  const options = JSON.stringify({ now: NOW, frozen: true })
  const fault = JSON.stringify({ fault: { kind: 'status', status: 503 } })
  const flags = ['--events', '1000000', '--seed', '9', '--options', options, '--fault', fault]
  const child = spawn(process.execPath, ['--max-old-space-size=64', script, ...flags], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })
  const [line]: unknown[] = await once(lines, 'line')
  const ready: { url: string; apiKey: string; organizations: string[] } = JSON.parse(String(line))
  const post = async (path: string, body: object): Promise<Response> =>
    fetch(ready.url + path, {
      method: 'POST',
      headers: { 'x-api-key': ready.apiKey, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  assert.equal(ready.organizations.length, 1)
  assert.equal((await post('/events', lastDay())).status, 503)
  assert.deepEqual(await (await post('/events/count', lastDay())).json(), { count: 1_000_000 })
  const page: unknown = await (await post('/events', lastDay({ start_time: iso(NOW - HOUR), limit: 10_000 }))).json()
  assert.ok(Array.isArray(page) && page.length === 10_000)
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await exited, [0, null])
})

/** A plain HTTP client that accepts any response. */
async function rawPost(
  server: JumpCloudServer,
  headers: Record<string, string>,
): Promise<{ headers: IncomingHttpHeaders; bytes: Buffer; chunks: number }> {
  const call = httpRequest(`${server.url}/events`, {
    method: 'POST',
    headers: { 'x-api-key': server.apiKey, 'content-type': 'application/json', ...headers },
    agent: false,
  })
  call.end(JSON.stringify(lastDay()))
  return new Promise((resolve, reject) => {
    call.on('error', reject)
    call.on('response', (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({ headers: response.headers, bytes: Buffer.concat(chunks), chunks: chunks.length }),
      )
    })
  })
}
