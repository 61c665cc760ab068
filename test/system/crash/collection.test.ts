import assert from 'node:assert/strict'
import { createReadStream } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openWorkspace } from '../../support/command.ts'
import type { CommandOptions, Workspace } from '../../support/command.ts'
import { peakOf } from '../../support/peak-memory.ts'
import { startJumpCloudServer } from '../../servers/jumpcloud.ts'
import type { JumpCloudServer } from '../../servers/jumpcloud.ts'
import { passingFaults } from '../../servers/jumpcloud/faults.ts'
import type { FaultRule } from '../../servers/jumpcloud/faults.ts'
import { clockAhead } from './support/clock.ts'
import { seededRandom } from './support/seed.ts'
import { DAY, HOUR } from '../../../src/time.ts'
import { scaled } from '../../support/scale.ts'

/**
 * `SLUICE_TEST_SCALE=167` makes a million, as many as a large organization has in a day or two.
 * That takes minutes.
 */
const EVENTS = scaled(6000)
const IS_LARGE = EVENTS > 100_000
const PAGE = IS_LARGE ? 1000 : 50
/** Number of requests before each kill. */
const REQUESTS_BEFORE_KILL = IS_LARGE ? 150 : 12
const FAILING = IS_LARGE ? 0.02 : 0.2

const PER_SECOND = 100
/** The rate limit of the API, below our own rate. */
const API_RATE = IS_LARGE ? 15 : 50
const ATTEMPTS = 8

/** Transient faults, equally likely. The last two cost a timeout and occur once. */
const TRANSIENT: readonly FaultRule['fault'][] = [...passingFaults, { kind: 'hang' }, { kind: 'slow', every: 60_000 }]

/** Permanent faults: the run ends with this message. */
const REFUSALS = [
  [401, /check apiKey/],
  [402, /402: Directory Insights is not licensed/],
  [403, /check the permission directoryinsights.readonly/],
  [400, /fault 400/],
] as const

const { seed } = seededRandom('collection')

test(`${EVENTS} events are written exactly once despite every fault of the API`, async (t) => {
  const started = Date.now()
  const begin = started - 36 * HOUR
  const jumpcloud = await startJumpCloudServer({
    seed,
    faultSeed: seed,
    events: EVENTS,
    start: begin - 2 * DAY,
    end: begin + 33 * HOUR,
    now: begin,
    frozen: true,
    endInclusive: false,
    late: { fraction: 0.05, delay: [60_000, 2 * HOUR] },
    // About two hours before `begin`.
    straggler: { index: Math.floor((EVENTS * 46) / 81), delay: 30 * HOUR },
    repeats: 0.03,
    rate: API_RATE,
  })
  t.after(() => jumpcloud.close())
  const collection = await openCollection(t, jumpcloud)
  const atOurTime = { node: clockAhead(begin - started) }

  for (const fault of TRANSIENT) {
    const once = fault.kind === 'hang' || fault.kind === 'slow'
    jumpcloud.faults.add({ fault, probability: FAILING / TRANSIENT.length, ...(once ? { times: 1 } : {}) })
  }
  for (let kills = 0; kills < 3; kills++) await collection.kill(REQUESTS_BEFORE_KILL, atOurTime)
  for (const [status, words] of REFUSALS) {
    const refusal = jumpcloud.faults.add({ fault: { kind: 'status', status }, after: 3, times: 100 })
    const { stderr } = await collection.run(3, atOurTime)
    assert.match(stderr, words)
    assert.match(stderr, /SOURCE_REFUSED/)
    // A refused cursor restarts its window, at most three times.
    assert.ok(refusal.fired <= (status === 400 ? 4 : 1), `${refusal.fired} requests after status ${status}`)
    refusal.remove()
  }
  const { peak } = await collection.run(0, atOurTime)
  jumpcloud.clock.set(begin + HOUR)
  await collection.run(0, { node: clockAhead(begin + HOUR + DAY - started) })
  jumpcloud.clock.set(begin + 34 * HOUR)
  await collection.run(0, { node: clockAhead(begin + 34 * HOUR - started) })

  const [{ id: org }] = jumpcloud.organizations
  const wanted = new Set(jumpcloud.allIds(org))
  assert.equal(await assertOnce(collection.workspace, wanted), EVENTS - countHidden(jumpcloud))
  assertPolite(jumpcloud, org)
  const { requests } = jumpcloud
  const failed = requests.filter(({ status }) => status !== 200).length
  const limited = requests.filter(({ status }) => status === 429).length
  assert.ok(limited > 0)
  t.diagnostic(
    `${wanted.size} events, ${requests.length} requests, ${failed} failed (${limited} were too many), ${peak} bytes at most in RAM`,
  )
  t.diagnostic(`${jumpcloud.maxRequestsPerSecond(org)} requests per second at most, ${(Date.now() - started) / 1000} s`)
})

interface Ended {
  readonly stderr: string
  readonly peak: number
}

async function openCollection(t: TestContext, jumpcloud: JumpCloudServer) {
  const workspace = await openWorkspace(t)
  // The latest event arrives later than the look-back reaches: the daily reconciliation finds it.
  await workspace.write(
    'pipelines/events.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:JUMPCLOUD_API_KEY}
  baseUrl: \${env:JUMPCLOUD_BASE_URL}
  limit: ${PAGE}
  rate: { perSecond: ${PER_SECOND} }
  retry: { attempts: ${ATTEMPTS}, maxDelay: 50ms }
  timeout: { headers: 2s, body: 2s, request: 30s }
  window: { since: 2d, step: 12h, lag: 5m, overlap: 5m, sweep: 2h }
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 7d }
sink: { type: file, path: out, compression: none, roll: { maxRecords: ${EVENTS / 20} } }
`,
  )
  const env = { JUMPCLOUD_API_KEY: jumpcloud.apiKey, JUMPCLOUD_BASE_URL: jumpcloud.url }
  return {
    workspace,
    async run(code: number, options: CommandOptions): Promise<Ended> {
      const running = workspace.start(['run', 'events'], { env, ...options })
      const peak = await peakOf(running)
      const { code: found, stderr } = await running.ended
      assert.equal(found, code, stderr)
      return { stderr, peak }
    },
    async kill(requests: number, options: CommandOptions): Promise<void> {
      const until = jumpcloud.requests.length + requests
      const running = workspace.start(['run', 'events'], { env, ...options })
      const ended = running.ended.then(({ stderr }) => stderr)
      while (jumpcloud.requests.length < until) {
        const early = await Promise.race([ended, sleep(2)])
        assert.equal(early, undefined, 'the process ended before it was killed')
      }
      running.kill('SIGKILL')
      await ended
    },
  }
}

/** Asserts that exactly the wanted records are written, each once. Returns their number. */
async function assertOnce(workspace: Workspace, wanted: ReadonlySet<string>): Promise<number> {
  const seen = new Set<string>()
  for (const name of await readdir(workspace.path('out'), { recursive: true })) {
    if (!name.endsWith('.ndjson')) continue
    for await (const line of createInterface({ input: createReadStream(workspace.path('out', name)) })) {
      const { id }: { id: string } = JSON.parse(line)
      assert.ok(wanted.has(id) && !seen.has(id), `${id} was ${seen.has(id) ? 'written twice' : 'not expected'}`)
      seen.add(id)
    }
  }
  assert.equal(seen.size, wanted.size)
  return seen.size
}

/** Number of events that become visible after the last poll. */
function countHidden(jumpcloud: JumpCloudServer): number {
  const [organization] = jumpcloud.organizations
  const now = jumpcloud.clock.now()
  let count = 0
  for (let index = 0; index < organization.events.count; index++) if (!organization.isVisible(index, now)) count++
  return count
}

/**
 * Asserts that requests keep to the rate, do not ask for the future, and are not retried too often.
 */
function assertPolite(jumpcloud: JumpCloudServer, org: string): void {
  const { requests } = jumpcloud
  // A delayed request may arrive together with the next one.
  const most = jumpcloud.maxRequestsPerSecond(org)
  assert.ok(most <= PER_SECOND + 2, `${most} requests in a second`)
  const times = requests.map(({ body, time }) => {
    const { end_time: end }: { end_time: string } = JSON.parse(body)
    return { end: Date.parse(end), time }
  })
  assert.ok(times.every(({ end, time }) => end <= time))
  let tries = 0
  for (const [at, { body, path }] of requests.entries()) {
    const isAgain = at > 0 && requests[at - 1].body === body && requests[at - 1].path === path
    tries = isAgain ? tries + 1 : 1
    // The last attempt of one run and the first of the next run are equal.
    assert.ok(tries <= 2 * ATTEMPTS, `${path} was tried ${tries} times in a row`)
  }
}
