import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Json } from '../../../../src/record/json/json.ts'
import { idsOf, openSource, problemsOf, QUICK, readSource, startServer, wordsOf } from '../read-source.ts'
import type { Reading, TestServer } from '../read-source.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
/** A whole hour, far enough back for the clock of the API to be moved. */
const NOON = Math.floor(Date.now() / DAY) * DAY - 30 * DAY + 12 * HOUR

interface Event {
  readonly id: number
  readonly time: number
}

interface Api {
  /** What the API shows. */
  readonly events: Event[]
  now: number
  /** What it counts in addition, and never shows: hour and number. */
  readonly ghosts: Map<number, number>
  /** Makes an answer to a question for counts from the good one. */
  spoil: (counts: { at: number | string; n: number }[]) => { status?: number; body: string }
  readonly server: TestServer
  /** Windows that records were asked for, without those that go on with a page. */
  readonly windows: { start: number; end: number }[]
  /** Spans that counts were asked for, without those of a client that does not know yet what time it is here. */
  readonly asked: { start: number; end: number }[]
}

const plain: Api['spoil'] = (counts) => ({ body: JSON.stringify({ data: { hours: counts } }) })

async function startApi(context: TestContext, events: readonly Event[]): Promise<Api> {
  const server = await startServer(context, ({ url }, response) => {
    const [start, end] = ['from', 'to'].map((name) => Date.parse(url.searchParams.get(name) ?? ''))
    const found = api.events.filter(({ time }) => time >= start && time < end)
    const headers = { 'content-type': 'application/json', date: new Date(api.now).toUTCString() }
    if (url.pathname === '/hours') {
      if (end <= api.now) api.asked.push({ start, end })
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
  const api: Api = { events: [...events], now: NOON, ghosts: new Map(), spoil: plain, server, windows: [], asked: [] }
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

/** An event every 20 minutes, in the three days before noon. */
function threeDays(): Event[] {
  return Array.from({ length: 216 }, (_, id) => ({ id, time: NOON - 3 * DAY + id * 20 * MINUTE }))
}

/** Reads once, and again each time that the clock of the API has moved on. */
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

function messagesOf({ notes }: Reading): string[] {
  return notes.map(({ message }) => message)
}

const READ_AGAIN = 'record counts changed for hours already read; re-reading them'

test('where the counts of all hours are as they were, a day later nothing is read again', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const reading = await readOn(api, source, [0, 23 * HOUR, 2 * HOUR, HOUR])
  assert.deepEqual(reading.notes, [])
  assert.equal(api.windows.length, 4)
  // One of them asks for all hours, the others for those of a window.
  const all = api.asked.filter(({ start, end }) => end - start > 2 * DAY && end > NOON)
  assert.equal(all.length, 1)
})

test('an hour that has got a record since it was read is read again, within a day, and once', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const { positions } = await readOn(api, source, [0, 3 * HOUR])
  const late = { id: 1000, time: NOON - 30 * HOUR + 7 * MINUTE }
  api.events.push(late)
  const early = await readOn(api, source, [12 * HOUR], positions)
  assert.ok(!idsOf(early.lines).includes(1000))
  const found = await readOn(api, source, [12 * HOUR], early.positions)
  const hour = NOON - 30 * HOUR
  assert.deepEqual(found.notes, [{ message: READ_AGAIN, facts: { hours: 1, from: new Date(hour).toISOString() } }])
  const again = found.lines.map((line) => JSON.parse(line).id)
  assert.equal(again.filter((id) => id === 1000).length, 1)
  assert.deepEqual(api.windows.at(-1), { start: hour, end: hour + HOUR })
  // The chunk says that its time was read before: so the report can tell how late the record was.
  const { reread } = found.chunks.find(({ bytes }) => bytes?.includes('1000')) ?? {}
  assert.ok(reread !== undefined && reread.before > late.time && reread.at > late.time + DAY)

  const windows = api.windows.length
  const next = await readOn(api, source, [25 * HOUR], found.positions)
  assert.deepEqual(next.notes, [])
  assert.equal(api.windows.length, windows + 1)
})

test('a record that the API counts and never shows has its hour read again once, and no more', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const { positions } = await readOn(api, source, [0, HOUR])
  const hour = NOON - 30 * HOUR
  api.ghosts.set(hour, 2)
  const first = await readOn(api, source, [25 * HOUR], positions)
  assert.deepEqual(messagesOf(first), [
    READ_AGAIN,
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

test('an hour that no window covered as a whole is read again once, after a day', async (context) => {
  const api = await startApi(context, threeDays())
  const since = new Date(NOON - 3 * DAY + 30 * MINUTE).toISOString()
  const source = await openApi(api, { window: { since, lag: '0s', overlap: '1m', step: '12h' } })
  const first = await readOn(api, source, [30 * MINUTE])
  assert.deepEqual(first.notes, [])
  const windows = api.windows.length
  const second = await readOn(api, source, [25 * HOUR, 25 * HOUR], first.positions)
  const again = api.windows.slice(windows).filter(({ start, end }) => end - start === HOUR && end <= NOON)
  // Five borders between windows of 12 hours, each within an hour; not the hour of which the first window had a part.
  assert.deepEqual(
    again.map(({ start }) => (NOON - start) / HOUR),
    [60, 48, 36, 24, 12],
  )
  assert.deepEqual(messagesOf(second), [])
})

test('a repair that is stopped anywhere goes on with its hour and its page, and reads no hour that is done again', async (context) => {
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
    const stopped = await readSource(source, { positions, onPiece: (_piece, all) => all.chunks.length < stopAt })
    const rest = await readSource(source, { positions: stopped.positions })
    assert.equal(rest.error, undefined)
    const found = new Set(idsOf([...stopped.lines, ...rest.lines]))
    assert.ok(late.every(({ id }) => found.has(id)))
    // A page that was under way when the reading stopped may be asked for again; nothing else is.
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
  ['no hour', (counts) => plain(counts.map(({ n }) => ({ at: 'canary-1', n }))), /"at" that is not a whole UTC hour/],
  [
    'hours of another zone',
    (counts) => plain(counts.map(({ at, n }) => ({ at: Number(at) + 30 * MINUTE, n }))),
    /"at" that is not a whole UTC hour/,
  ],
  [
    'times without a zone',
    (counts) => plain(counts.map(({ at, n }) => ({ at: new Date(at).toISOString().slice(0, -1), n }))),
    /"at" that is not a whole UTC hour/,
  ],
  [
    'seconds',
    (counts) => plain(counts.map(({ at, n }) => ({ at: Number(at) / 1000, n }))),
    /whole UTC hour|outside of the requested/,
  ],
  [
    'hours outside of the time range',
    (counts) => plain(counts.map(({ n }) => ({ at: NOON - 90 * DAY, n }))),
    /hours outside of the requested time range/,
  ],
  ['no number', (counts) => plain(counts.map(({ at }) => ({ at, n: -1 }))), /"n" that is not a whole number/],
] as const satisfies readonly (readonly [string, Api['spoil'], RegExp])[]) {
  test(`where the counts per hour cannot be had (${name}), reading goes on, and a later run makes up for it`, async (context) => {
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
    // It is not asked again at once: of the repair, which is due, there is no note.
    assert.ok(idsOf(without.lines).includes(1001))
    assert.ok(!idsOf(without.lines).includes(1000))
    api.spoil = plain
    const mended = await readOn(api, source, [HOUR], without.positions)
    assert.ok(idsOf(mended.lines).includes(1000))
  })
}

test('a collector that follows compares once a day, and where it is refused not at every poll', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const late = { id: 1000, time: NOON - 30 * HOUR }
  let chunks = 0
  let found = 0
  const reading = await readSource(source, {
    follow: true,
    onPiece: ({ bytes }) => {
      chunks++
      if (chunks === 30) {
        api.asked.length = 0
        api.events.push(late)
        api.now += 25 * HOUR
      }
      if (found === 0 && bytes?.includes('"id":1000}')) found = chunks
      return found === 0 || chunks < found + 20
    },
  })
  assert.equal(reading.error, undefined)
  assert.deepEqual(messagesOf(reading), [READ_AGAIN])
  assert.equal(api.asked.filter(({ start, end }) => end - start > 2 * DAY).length, 1)

  api.spoil = () => ({ status: 402, body: '' })
  api.now += 25 * HOUR
  let polls = 0
  const refused = await readSource(source, { positions: reading.positions, follow: true, onPiece: () => ++polls < 30 })
  assert.deepEqual(messagesOf(refused), ['could not count the records of each hour'])
})

test('where the API is too busy to count it is asked again', async (context) => {
  const api = await startApi(context, threeDays())
  const source = await openApi(api)
  const { positions } = await readOn(api, source, [0, HOUR])
  api.events.push({ id: 1000, time: NOON - 30 * HOUR })
  let busy = 0
  api.spoil = (counts) => (++busy % 3 === 0 ? plain(counts) : { status: 429, body: '' })
  const found = await readOn(api, source, [25 * HOUR], positions)
  assert.deepEqual(messagesOf(found), [READ_AGAIN])
  assert.ok(idsOf(found.lines).includes(1000))
})

test('a tenant has its own hours: those of the others are not read again', async (context) => {
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
  // For b the hour is known as it is now: only a has been there before.
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

test('what is known of hours is bounded by how far back repairs go, and not older than what dedup still knows', async (context) => {
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
  // Nothing older is asked for, though it has changed.
  api.events.push({ id: 1000, time: NOON - 30 * HOUR })
  const later = await readOn(api, source, [25 * HOUR], reading.positions)
  assert.deepEqual(later.notes, [])
})

test('a repair does not go beyond the edge of retention', async (context) => {
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
  assert.deepEqual(messagesOf(second), [READ_AGAIN])
  assert.ok(idsOf(second.lines).includes(1000))
  const { start = 0 } = api.asked.at(-1) ?? {}
  assert.ok(start > edge && start < edge + 2 * HOUR)
})

test('counts of another query are forgotten', async (context) => {
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

test('hours can be told as text with a zone, in a list that is the answer itself', async (context) => {
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
  assert.deepEqual(messagesOf(found), [READ_AGAIN])
  assert.ok(idsOf(found.lines).includes(1000))
})

async function told(config: object): Promise<string> {
  const problems = await problemsOf({ type: 'http', request: { url: 'https://api.example.com/events' }, ...config })
  return problems.map(({ message, hint = '' }) => `${message} | ${hint}`).join('\n')
}

test('what is wrong with a repair is told before anything runs', async () => {
  const query = { from: '{window.start}', to: '{window.end}' }
  const repair = { url: 'https://api.example.com/hours', query, buckets: '$', start: 'at', count: 'n' }
  const window = { since: '1d' }
  assert.equal(await told({ window, repair }), '')
  assert.match(await told({ window: { ...window, step: '10m' }, repair }), /step must be 1h or more: .* whole hours/)
  assert.match(await told({ repair }), /repair needs time windows/)
  assert.match(await told({ window, repair: { ...repair, url: 'https://x.example.com/' } }), /repair.url has another/)
  assert.match(await told({ window, repair: { ...repair, query: {} } }), /repair does not send \{window.start\}/)
  assert.match(await told({ window, repair: { ...repair, back: '1d' } }), /cannot go back 1d \| use 2d to 14d/)
  assert.match(await told({ window, repair: { ...repair, back: '15d' } }), /cannot go back 15d/)
})
