import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Json } from '../../../src/record/json/json.ts'
import { openWorkspace } from '../../support/command.ts'
import { readRecords } from '../../delivery/support.ts'
import { idsOf, linesOf, openSource, problemsOf, QUICK, readSource } from '../http/read-source.ts'
import type { Reading, SourceConfig } from '../http/read-source.ts'
import { startJumpCloudServer } from '../../servers/jumpcloud.ts'
import type { JumpCloudOptions, JumpCloudServer } from '../../servers/jumpcloud.ts'
import type { Organization } from '../../servers/jumpcloud/organization.ts'
import { DAY, HOUR } from '../../../src/time.ts'

/**
 * Initial time of the server. A whole hour: late events of an hour that `since` cuts are not found.
 */
const BEGIN = Math.floor((Date.now() - 20 * DAY) / HOUR) * HOUR

/**
 * Four days of events, a few of which appear 30 hours late. The server starts after the first day.
 */
async function start(context: TestContext, options: JumpCloudOptions = {}): Promise<JumpCloudServer> {
  const server = await startJumpCloudServer({
    events: 800,
    start: BEGIN - DAY,
    end: BEGIN + 3 * DAY,
    now: BEGIN,
    frozen: true,
    late: { fraction: 0.02, delay: 30 * HOUR },
    ...options,
  })
  context.after(() => server.close())
  return server
}

function configOf(server: JumpCloudServer, more: { readonly [key: string]: unknown } = {}): SourceConfig {
  const window = { since: new Date(BEGIN - DAY).toISOString() }
  return { type: 'jumpcloud', baseUrl: server.url, apiKey: server.apiKey, limit: 50, window, ...QUICK, ...more }
}

/**
 * Runs once every six hours of server time, until all events are visible and more than a day has
 * passed.
 */
async function readOn(server: JumpCloudServer, config: SourceConfig): Promise<Reading[]> {
  const source = await openSource(config)
  const readings: Reading[] = []
  for (let round = 0; round < 24; round++) {
    const reading = await readSource(source, { positions: readings.at(-1)?.positions ?? new Map<string, Json>() })
    assert.equal(reading.error, undefined)
    readings.push(reading)
    server.clock.advance(6 * HOUR)
  }
  return readings
}

function missing(server: JumpCloudServer, readings: readonly Reading[], { id }: Organization): string[] {
  const chunks = readings.flatMap((reading) => reading.chunks)
  const found = new Set(idsOf(chunks.filter(({ partition = '' }) => ['', id].includes(partition)).flatMap(linesOf)))
  return [...server.allIds(id)].filter((event) => !found.has(event))
}

interface Body {
  readonly start_time: string
  readonly end_time: string
  readonly search_after?: unknown
}

function bodiesOf(server: JumpCloudServer, path: string, org = server.organizations[0].id): Body[] {
  return server.requests
    .filter((request) => request.path.endsWith(path) && request.org === org)
    .map(({ body }): Body => JSON.parse(body))
}

/** Requests for the first page of a re-read hour. */
function repairsOf(server: JumpCloudServer, org?: string): Body[] {
  return bodiesOf(server, '/events', org).filter(({ start_time, end_time, search_after }) => {
    return search_after === undefined && Date.parse(end_time) - Date.parse(start_time) === HOUR
  })
}

test('finds events that are 30 hours late by daily reconciliation, and only by that', async (context) => {
  const server = await start(context)
  const readings = await readOn(server, configOf(server))
  assert.equal(server.totals()[server.organizations[0].id], 800)
  assert.deepEqual(missing(server, readings, server.organizations[0]), [])
  const starts = repairsOf(server).map(({ start_time }) => start_time)
  assert.ok(starts.length > 0 && starts.length <= 20)
  assert.equal(new Set(starts).size, starts.length)

  const without = await start(context)
  const window = { since: new Date(BEGIN - DAY).toISOString(), repair: '0s' }
  const bare = await readOn(without, configOf(without, { window }))
  assert.ok(missing(without, bare, without.organizations[0]).length > 5)
  assert.deepEqual(bodiesOf(without, '/interval'), [])
})

test('re-reads no hour without late events, and reconciles with one request a day', async (context) => {
  const server = await start(context, { late: { fraction: 0, delay: 0 } })
  const readings = await readOn(server, configOf(server))
  assert.deepEqual(missing(server, readings, server.organizations[0]), [])
  assert.deepEqual(repairsOf(server), [])
  assert.deepEqual(
    readings.flatMap(({ notes }) => notes),
    [],
  )
  // Six days without the first run. Other requests count the hours of a window, which ends one
  // settling delay earlier.
  const daily = bodiesOf(server, '/interval').filter(({ end_time }) => Date.parse(end_time) % HOUR === 0)
  assert.equal(daily.length, 5)
  for (const { start_time, end_time } of daily)
    assert.ok(Date.parse(end_time) - Date.parse(start_time) <= 7 * DAY, `${start_time} to ${end_time}`)
})

test('writes an event that is 30 hours late once, although its reconciliation is killed, and reports it', async (context) => {
  const server = await start(context)
  const workspace = await openWorkspace(context)
  await workspace.write(
    'pipelines/p.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${server.url}
  limit: 3
  rate: { perSecond: 1000 }
  window: { since: '${new Date(BEGIN - DAY).toISOString()}' }
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 1d }
sink: { type: file, path: out, key: all, roll: { maxRecords: 5 } }
`,
  )
  const options = { env: { KEY: server.apiKey } }
  await workspace.report(['run', 'p'], options)
  server.clock.advance(2 * DAY)
  await workspace.report(['run', 'p'], options)
  // More than a day: the next reconciliation is due a day after the last one, and the clock has
  // moved since.
  server.clock.advance(DAY + HOUR)
  const before = repairsOf(server).length
  const running = workspace.start(['run', 'p', '--set', 'source.rate.perSecond=50'], options)
  const ended = running.ended.then(() => true)
  while (repairsOf(server).length < before + 2)
    assert.ok(!(await Promise.race([ended, sleep(1).then(() => false)])), 'it ended before it was killed')
  running.kill('SIGKILL')
  await ended
  server.clock.advance(DAY + HOUR)
  const third = await workspace.report(['run', 'p'], options)
  assert.ok((third.late['7d'] ?? 0) > 0)
  server.clock.advance(DAY + HOUR)
  await workspace.report(['run', 'p'], options)
  const ids = (await readRecords(workspace.path('out'))).map(({ id }) => id)
  assert.equal(ids.length, 800)
  assert.deepEqual(new Set(ids), new Set(server.allIds(server.organizations[0].id)))
})

test('reconciles each organization separately, also if one is refused', async (context) => {
  const server = await start(context, { organizations: [{}, { events: 0 }, {}] })
  const [one, empty, refused] = server.organizations
  for (const status of [402, 404, 429, 403])
    server.faults.add({ fault: { kind: 'status', status }, org: refused.id, endpoint: 'interval', times: 12 })
  const organizations = server.organizations.map(({ id }) => id)
  const readings = await readOn(server, configOf(server, { organizations }))
  assert.deepEqual(missing(server, readings, one), [])
  assert.ok(repairsOf(server, one.id).length > 0)
  assert.deepEqual(repairsOf(server, empty.id), [])
  // Its hourly counts are unknown and not requested again within the run: reading continues, and
  // the log says so.
  assert.deepEqual(repairsOf(server, refused.id), [])
  assert.ok(missing(server, readings, refused).length > 0)
  for (const { notes } of readings) {
    const ofRefused = notes.filter(({ facts }) => facts['tenant'] === refused.id)
    assert.deepEqual(
      ofRefused.map(({ message }) => message),
      ['could not count the records of each hour'],
    )
  }
})

test('sends the filter with hourly counts, and starts over with a new filter', async (context) => {
  const server = await start(context)
  const searchTerm = { and: [{ service: 'sso' }] }
  const source = await openSource(configOf(server, { services: ['sso'], searchTerm }))
  const first = await readSource(source)
  const { limit, sort, ...query } = JSON.parse(server.requests.find(({ path }) => path.endsWith('/events'))?.body ?? '')
  assert.deepEqual([limit, sort], [50, 'ASC'])
  assert.deepEqual(bodiesOf(server, '/interval').at(-1), { ...query, interval_unit: 'h', interval_value: 1 })
  server.clock.advance(25 * HOUR)
  const second = await readSource(await openSource(configOf(server)), { positions: first.positions })
  assert.equal(second.error, undefined)
  assert.deepEqual(repairsOf(server), [])
})

async function reportOf(repair: string): Promise<string> {
  const problems = await problemsOf({ type: 'jumpcloud', apiKey: 'k', window: { repair } })
  return problems.map(({ message }) => message).join()
}

test('reconciliation goes back at least two days, or is off', async () => {
  assert.match(await reportOf('1d'), /reconciliation \(repair\) cannot go back 1d/)
  assert.match(await reportOf('15d'), /reconciliation \(repair\) cannot go back 15d/)
  assert.equal(await reportOf('0s'), '')
  assert.equal(await reportOf('2d'), '')
})
