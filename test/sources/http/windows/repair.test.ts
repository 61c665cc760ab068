import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Json } from '../../../../src/record/json/json.ts'
import { idsOf, openSource, problemsOf, QUICK, readSource, startServer, wordsOf } from '../read-source.ts'
import type { Reading, TestServer } from '../read-source.ts'
import { DAY, HOUR, MINUTE } from '../../../../src/time.ts'

/** A whole hour, long enough ago that the API's clock can advance. */
const NOON = Math.floor(Date.now() / DAY) * DAY - 30 * DAY + 12 * HOUR

interface Event {
  readonly id: number
  readonly time: number
}

interface Api {
  /** Events that the API returns. */
  readonly events: Event[]
  now: number
  /** Records that the API counts but never returns, per hour. */
  readonly ghosts: Map<number, number>
  /** Turns a correct response to a count into the actual one. */
  spoil: (counts: { at: number | string; n: number }[]) => { status?: number; body: string }
  readonly server: TestServer
  /** Windows whose first page was requested. */
  readonly windows: { start: number; end: number }[]
  /**
   * Time ranges whose counts were requested, except by a client that does not know the API time
   * yet.
   */
  readonly counted: { start: number; end: number }[]
}

const asIs: Api['spoil'] = (counts) => ({ body: JSON.stringify({ data: { hours: counts } }) })

async function startApi(context: TestContext, events: readonly Event[]): Promise<Api> {
  const server = await startServer(context, ({ url }, response) => {
    const [start, end] = ['from', 'to'].map((name) => Date.parse(url.searchParams.get(name) ?? ''))
    const found = api.events.filter(({ time }) => time >= start && time < end)
    const headers = { 'content-type': 'application/json', date: new Date(api.now).toUTCString() }
    if (url.pathname === '/hours') {
      if (end <= api.now) api.counted.push({ start, end })
      const counts = new Map<number, number>()
      for (const { time } of found) add(counts, time, 1)
      for (const [hour, n] of api.ghosts) if (hour >= start && hour < end) add(counts, hour, n)
      const { status = 200, body } = api.spoil([...counts].map(([at, n]) => ({ at, n })))
      response.writeHead(status, headers).end(body)
      return
    }
    const from = Number(url.searchParams.get('after') ?? 0)
    if (from === 0) api.windows.push({ start, end })
    const page = found.slice(from, from + 10).map(({ id }) => ({ id }))
    const next = from + 10 < found.length ? { 'x-next': String(from + 10) } : {}
    response.writeHead(200, { ...headers, ...next }).end(JSON.stringify(page))
  })
  const api: Api = { events: [...events], now: NOON, ghosts: new Map(), spoil: asIs, server, windows: [], counted: [] }
  return api
}

function add(counts: Map<number, number>, time: number, n: number): void {
  const hour = Math.floor(time / HOUR) * HOUR
  counts.set(hour, (counts.get(hour) ?? 0) + n)
}

function openApi({ server }: Api, more: object = {}) {
  const query = { from: '{window.start}', to: '{window.end}' }
  return openSource({
    type: 'http',
    request: { url: `${server.origin}/events`, query, headers: { 'x-key': 'canary-1' } },
    paginate: { type: 'cursor', from: { header: 'x-next' }, into: { query: 'after' } },
    window: { since: new Date(NOON - 3 * DAY).toISOString(), lag: '5m', overlap: '5m', sweep: '2h' },
    repair: { url: `${server.origin}/hours`, query, buckets: 'data.hours', start: 'at', count: 'n', back: '7d' },
    ...QUICK,
    ...more,
  })
}

/** One event every 20 minutes, for three days before noon. */
function threeDays(): Event[] {
  return Array.from({ length: 216 }, (_, id) => ({ id, time: NOON - 3 * DAY + id * 20 * MINUTE }))
}

/** Reads once per step, after the API's clock has advanced by it. */
async function readOn(
  api: Api,
  source: Awaited<ReturnType<typeof openSource>>,
  steps: readonly number[],
  before: ReadonlyMap<string, Json> = new Map(),
): Promise<Reading> {
  let positions = before
  let reading: Reading | undefined
  for (const step of steps) {
    api.now += step
    reading = await readSource(source, { positions })
    assert.equal(reading.error, undefined)
    positions = reading.positions
  }
  assert.ok(reading)
  return reading
}

/** Without retries. */
function messagesOf({ notes }: Reading): string[] {
  return notes.map(({ message }) => message).filter((message) => message !== 'request failed, retrying')
}

const COUNTS_CHANGED = 'record counts changed for hours already read; re-reading them'

test('re-reads nothing a day later if all counts are unchanged', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const reading = await readOn(api, source, [0, 23 * HOUR, 2 * HOUR, HOUR])
  assert.deepEqual(reading.notes, [])
  assert.equal(api.windows.length, 4)
  // One request counts all hours, the others those of a window.
  const all = api.counted.filter(({ start, end }) => end - start > 2 * DAY && end > NOON)
  assert.equal(all.length, 1)
})

test('re-reads an hour that has gained a record within a day, once', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const { positions } = await readOn(api, source, [0, 3 * HOUR])
  const late = { id: 1000, time: NOON - 30 * HOUR + 7 * MINUTE }
  api.events.push(late)
  const early = await readOn(api, source, [12 * HOUR], positions)
  assert.ok(!idsOf(early.lines).includes(1000))
  const found = await readOn(api, source, [12 * HOUR], early.positions)
  const hour = NOON - 30 * HOUR
  assert.deepEqual(found.notes, [{ message: COUNTS_CHANGED, facts: { hours: 1, from: new Date(hour).toISOString() } }])
  const again = found.lines.map((line) => JSON.parse(line).id)
  assert.equal(again.filter((id) => id === 1000).length, 1)
  assert.deepEqual(api.windows.at(-1), { start: hour, end: hour + HOUR })
  // The chunk is marked as re-read, so that the report can say how late the record was.
  const { reread } = found.chunks.find(({ bytes }) => bytes?.includes('1000')) ?? {}
  assert.ok(reread !== undefined && reread.before > late.time && reread.at > late.time + DAY)

  const windows = api.windows.length
  const next = await readOn(api, source, [25 * HOUR], found.positions)
  assert.deepEqual(next.notes, [])
  assert.equal(api.windows.length, windows + 1)
})

test('re-reads the hour of a record that is counted but never returned once', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const { positions } = await readOn(api, source, [0, HOUR])
  const hour = NOON - 30 * HOUR
  api.ghosts.set(hour, 2)
  const first = await readOn(api, source, [25 * HOUR], positions)
  assert.deepEqual(messagesOf(first), [
    COUNTS_CHANGED,
    'a window has fewer records than the API counted: reading it once more',
    'a window has fewer records than the API counted: some may be missing',
  ])
  assert.deepEqual(first.notes[2]?.facts, {
    from: new Date(hour).toISOString(),
    to: new Date(hour + HOUR).toISOString(),
    counted: 5,
    read: 3,
  })
  const repairs = () => api.windows.filter(({ start, end }) => start === hour && end === hour + HOUR).length
  assert.equal(repairs(), 2)
  const later = await readOn(api, source, [25 * HOUR, 25 * HOUR, 25 * HOUR], first.positions)
  assert.deepEqual(later.notes, [])
  assert.equal(repairs(), 2)
})

test('re-reads an hour that no window covered as a whole once, after a day', async (context) => {
  const api = await startApi(context, threeDays())
  const since = new Date(NOON - 3 * DAY + 30 * MINUTE).toISOString()
  const source = await openApi(api, { window: { since, lag: '0s', overlap: '1m', step: '12h' } })
  const first = await readOn(api, source, [30 * MINUTE])
  assert.deepEqual(first.notes, [])
  const windows = api.windows.length
  const second = await readOn(api, source, [25 * HOUR, 25 * HOUR], first.positions)
  const again = api.windows.slice(windows).filter(({ start, end }) => end - start === HOUR && end <= NOON)
  // Five boundaries between 12-hour windows, each within an hour; not the partial first hour.
  assert.deepEqual(
    again.map(({ start }) => (NOON - start) / HOUR),
    [60, 48, 36, 24, 12],
  )
  assert.deepEqual(messagesOf(second), [])
})

test('resumes an interrupted reconciliation at its hour and page, and re-reads no complete hour', async (context) => {
  const hours = [50, 40, 30].map((back) => NOON - back * HOUR)
  const build = async () => {
    const api = await startApi(context, threeDays())
    const source = await openApi(api)
    const { positions } = await readOn(api, source, [0, HOUR])
    const late = hours.flatMap((hour, at) =>
      Array.from({ length: 25 }, (_, i) => ({ id: 1000 + 100 * at + i, time: hour + i * MINUTE })),
    )
    api.events.push(...late)
    api.events.sort((a, b) => a.time - b.time)
    api.now += 26 * HOUR
    return { api, source, positions, late }
  }
  const whole = await build()
  const { chunks } = await readSource(whole.source, { positions: whole.positions })
  assert.ok(chunks.length >= 10)
  for (let stopAt = 1; stopAt < chunks.length; stopAt++) {
    const { api, source, positions, late } = await build()
    const before = api.windows.length
    const stopped = await readSource(source, { positions, onChunk: (_chunk, all) => all.chunks.length < stopAt })
    const rest = await readSource(source, { positions: stopped.positions })
    assert.equal(rest.error, undefined)
    const found = new Set(idsOf([...stopped.lines, ...rest.lines]))
    assert.ok(late.every(({ id }) => found.has(id)))
    // Only a page that was in flight when reading stopped may be requested again.
    const starts = api.windows.slice(before).map(({ start }) => start)
    for (const hour of hours) {
      const times = starts.filter((start) => start === hour).length
      assert.ok(times === 1 || (times === 2 && stopped.lines.length > 0), `${times} times, stopped at ${stopAt}`)
    }
    const next = api.windows.length
    await readOn(api, source, [25 * HOUR], rest.positions)
    assert.equal(api.windows.length, next + 1)
  }
})

for (const [name, spoil, words] of [
  ['402', () => ({ status: 402, body: '{"message":"canary-1 is not licensed"}' }), /returned 402/],
  ['404', () => ({ status: 404, body: '' }), /returned 404/],
  ['429', () => ({ status: 429, body: '' }), /returned 429/],
  ['503', () => ({ status: 503, body: '' }), /returned 503/],
  ['no JSON', () => ({ body: '<html>canary-1' }), /no array at "data.hours"/],
  ['no list', () => ({ body: '{"data":{"hours":{}}}' }), /no array at "data.hours"/],
  ['no hour', (counts) => asIs(counts.map(({ n }) => ({ at: 'canary-1', n }))), /"at" that is not a whole UTC hour/],
  [
    'hours of another zone',
    (counts) => asIs(counts.map(({ at, n }) => ({ at: Number(at) + 30 * MINUTE, n }))),
    /"at" that is not a whole UTC hour/,
  ],
  [
    'times without a zone',
    (counts) => asIs(counts.map(({ at, n }) => ({ at: new Date(at).toISOString().slice(0, -1), n }))),
    /"at" that is not a whole UTC hour/,
  ],
  [
    'seconds',
    (counts) => asIs(counts.map(({ at, n }) => ({ at: Number(at) / 1000, n }))),
    /whole UTC hour|outside of the requested/,
  ],
  [
    'hours outside of the time range',
    (counts) => asIs(counts.map(({ n }) => ({ at: NOON - 90 * DAY, n }))),
    /hours outside of the requested time range/,
  ],
  ['no number', (counts) => asIs(counts.map(({ at }) => ({ at, n: -1 }))), /"n" that is not a whole number/],
] as const satisfies readonly (readonly [string, Api['spoil'], RegExp])[]) {
  test(`continues without hourly counts (${name}), and a later run catches up`, async (context) => {
    const api = await startApi(context, threeDays())
    const source = await openApi(api)
    const first = await readOn(api, source, [0, HOUR])
    api.events.push({ id: 1000, time: NOON - 30 * HOUR })
    api.events.push({ id: 1001, time: NOON + 20 * HOUR })
    api.spoil = spoil
    const without = await readOn(api, source, [26 * HOUR], first.positions)
    assert.deepEqual(messagesOf(without), ['could not count the records of each hour'])
    assert.match(String(without.notes[0]?.facts['reason']), words)
    assert.doesNotMatch(wordsOf(without), /canary/)
    // The counts are not requested again at once: the reconciliation that is due logs nothing.
    assert.ok(idsOf(without.lines).includes(1001))
    assert.ok(!idsOf(without.lines).includes(1000))
    api.spoil = asIs
    const caughtUp = await readOn(api, source, [HOUR], without.positions)
    assert.ok(idsOf(caughtUp.lines).includes(1000))
  })
}

test('reconciles once a day while following, and does not retry a refusal at every poll', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const late = { id: 1000, time: NOON - 30 * HOUR }
  let chunks = 0
  let found = 0
  const reading = await readSource(source, {
    follow: true,
    onChunk: ({ bytes }) => {
      chunks++
      if (chunks === 30) {
        api.counted.length = 0
        api.events.push(late)
        api.now += 25 * HOUR
      }
      if (found === 0 && bytes?.includes('"id":1000}')) found = chunks
      return found === 0 || chunks < found + 20
    },
  })
  assert.equal(reading.error, undefined)
  assert.deepEqual(messagesOf(reading), [COUNTS_CHANGED])
  assert.equal(api.counted.filter(({ start, end }) => end - start > 2 * DAY).length, 1)

  api.spoil = () => ({ status: 402, body: '' })
  api.now += 25 * HOUR
  let polls = 0
  const refused = await readSource(source, { positions: reading.positions, follow: true, onChunk: () => ++polls < 30 })
  assert.deepEqual(messagesOf(refused), ['could not count the records of each hour'])
})

test('retries a count if the API is busy', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const { positions } = await readOn(api, source, [0, HOUR])
  api.events.push({ id: 1000, time: NOON - 30 * HOUR })
  let busy = 0
  api.spoil = (counts) => (++busy % 3 === 0 ? asIs(counts) : { status: 429, body: '' })
  const found = await readOn(api, source, [25 * HOUR], positions)
  assert.deepEqual(messagesOf(found), [COUNTS_CHANGED])
  assert.ok(idsOf(found.lines).includes(1000))
})

test('reconciles tenants separately', async (context) => {
  const api = await startApi(context, threeDays())
  const query = { from: '{window.start}', to: '{window.end}', org: '{tenant.org}' }
  const source = await openApi(api, {
    request: { url: `${api.server.origin}/events`, query },
    repair: { url: `${api.server.origin}/hours`, query, buckets: 'data.hours', start: 'at', count: 'n' },
    tenants: [{ org: 'a' }, { org: 'b' }],
  })
  const first = await readOn(api, source, [0, HOUR])
  const known = first.positions.get('b')
  assert.ok(known)
  api.events.push({ id: 1000, time: NOON - 30 * HOUR })
  // Tenant b is new, so its current counts are the known ones.
  const ahead = JSON.parse(JSON.stringify(known))
  const at = (NOON - 30 * HOUR - Date.parse(ahead.known.first)) / HOUR
  ahead.known.counts[at]++
  const second = await readOn(api, source, [25 * HOUR], new Map([...first.positions, ['b', ahead]]))
  const finding = second.chunks.filter(({ bytes }) => bytes?.includes('1000'))
  assert.deepEqual(
    finding.map(({ partition }) => partition),
    ['a'],
  )
})

test('known hours reach back as far as the reconciliation, and no further than dedup remembers', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api, {
    repair: {
      url: `${api.server.origin}/hours`,
      query: { from: '{window.start}', to: '{window.end}' },
      buckets: 'data.hours',
      start: 'at',
      count: 'n',
      back: '2d',
    },
  })
  const reading = await readOn(api, source, [0, ...Array.from({ length: 20 }, () => 12 * HOUR)])
  const position = JSON.parse(JSON.stringify(reading.positions.get('')))
  assert.ok(position.known.counts.length <= 48)
  const lowWatermark = reading.chunks.at(-1)?.lowWatermark
  assert.equal(lowWatermark, Date.parse(position.known.first))
  assert.ok(Date.parse(position.highWatermark) - Date.parse(position.known.first) <= 2 * DAY)
  // An older hour has changed too, but is out of reach.
  api.events.push({ id: 1000, time: NOON - 30 * HOUR })
  const later = await readOn(api, source, [25 * HOUR], reading.positions)
  assert.deepEqual(later.notes, [])
})

test('reconciliation stops at the retention edge', async (context) => {
  const now = Math.floor(Date.now() / 1000) * 1000
  const events = Array.from({ length: 216 }, (_, id) => ({ id, time: now - 3 * DAY + id * 20 * MINUTE }))
  const api = await startApi(context, events)
  api.now = now
  const window = { since: new Date(now - 3 * DAY).toISOString(), lag: '0s', sweep: '2h' }
  const first = await readOn(api, await openApi(api, { window: { ...window, retention: '80h' } }), [0])
  const position = JSON.parse(JSON.stringify(first.positions.get('')))
  position.repaired = new Date(now - 25 * HOUR).toISOString()
  const edge = now - 60 * HOUR
  api.events.splice(
    0,
    api.events.findIndex(({ time }) => time >= edge),
  )
  api.events.push({ id: 1000, time: now - 30 * HOUR })
  const shorter = await openApi(api, { window: { ...window, retention: '60h' } })
  const second = await readOn(api, shorter, [MINUTE], new Map([['', position]]))
  assert.deepEqual(messagesOf(second), [COUNTS_CHANGED])
  assert.ok(idsOf(second.lines).includes(1000))
  const { start = 0 } = api.counted.at(-1) ?? {}
  assert.ok(start > edge && start < edge + 2 * HOUR)
})

test('discards the counts of another query', async (context) => {
  const api = await startApi(context, threeDays())
  const first = await readOn(api, await openApi(api), [0, HOUR])
  const query = { from: '{window.start}', to: '{window.end}', kind: 'all' }
  const changed = await openApi(api, {
    repair: { url: `${api.server.origin}/hours`, query, buckets: 'data.hours', start: 'at', count: 'n' },
  })
  api.events.push({ id: 1000, time: NOON - 30 * HOUR })
  const second = await readOn(api, changed, [25 * HOUR, 25 * HOUR], first.positions)
  assert.deepEqual(second.notes, [])
  const known = JSON.parse(JSON.stringify(second.positions.get(''))).known
  assert.ok(Date.parse(known.first) > NOON - 2 * HOUR)
})

test('accepts hours as text with a time zone, and a list at the root of the response', async (context) => {
  const api = await startApi(context, threeDays())
  api.spoil = (counts) => ({
    body: JSON.stringify(
      counts.map(({ at, n }) => ({ at: new Date(Number(at) + 2 * HOUR).toISOString().replace('Z', '+02:00'), n })),
    ),
  })
  const query = { from: '{window.start}', to: '{window.end}' }
  const source = await openApi(api, {
    repair: { url: `${api.server.origin}/hours`, query, buckets: '$', start: 'at', count: 'n' },
  })
  const { positions } = await readOn(api, source, [0, HOUR])
  api.events.push({ id: 1000, time: NOON - 30 * HOUR })
  const found = await readOn(api, source, [25 * HOUR], positions)
  assert.deepEqual(messagesOf(found), [COUNTS_CHANGED])
  assert.ok(idsOf(found.lines).includes(1000))
})

async function reportOf(config: object): Promise<string> {
  const problems = await problemsOf({ type: 'http', request: { url: 'https://api.example.com/events' }, ...config })
  return problems.map(({ message, hint = '' }) => `${message} | ${hint}`).join('\n')
}

test('reports mistakes in a reconciliation before anything runs', async () => {
  const query = { from: '{window.start}', to: '{window.end}' }
  const repair = { url: 'https://api.example.com/hours', query, buckets: '$', start: 'at', count: 'n' }
  const window = { since: '1d' }
  assert.equal(await reportOf({ window, repair }), '')
  assert.match(
    await reportOf({ window: { ...window, step: '10m' }, repair }),
    /step must be 1h or more: .* whole hours/,
  )
  assert.match(await reportOf({ repair }), /repair needs time windows/)
  assert.match(
    await reportOf({ window, repair: { ...repair, url: 'https://x.example.com/' } }),
    /repair.url has another/,
  )
  assert.match(await reportOf({ window, repair: { ...repair, query: {} } }), /repair does not send \{window.start\}/)
  assert.match(await reportOf({ window, repair: { ...repair, back: '1d' } }), /cannot go back 1d \| use 2d to 14d/)
  assert.match(await reportOf({ window, repair: { ...repair, back: '15d' } }), /cannot go back 15d/)
})
