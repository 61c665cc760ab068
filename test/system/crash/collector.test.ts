import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import { readRecords } from '../../delivery/support.ts'
import { startJumpCloudServer } from '../../servers/jumpcloud.ts'
import type { JumpCloudOptions, JumpCloudServer } from '../../servers/jumpcloud.ts'
import { startS3Server } from '../../servers/s3.ts'
import { clockAhead } from './support/clock.ts'
import { DAY, HOUR } from '../../../src/time.ts'

const LAG = 300_000

describe('the collector', { concurrency: 3 }, () => {
  test('writes every event once when it is killed inside a slow page and under backpressure', async (t) => {
    const { jumpcloud, workspace, run, env } = await openCollector(
      t,
      { events: 3000, organizations: 2 },
      { sink: 's3' },
    )
    const s3 = await startS3Server({ buckets: ['audit'] })
    t.after(() => s3.close())
    const [slow] = jumpcloud.organizations
    jumpcloud.faults.add({ fault: { kind: 'slow', every: 1 }, org: slow.id, after: 1 })
    s3.throttle(0)
    const options = { env: { ...env, ...s3Environment(s3) } }
    const running = workspace.start(['run', 'events', '--set', 'sink.outbox.maxBytes=300KiB'], options)
    const ended = running.ended.then(() => true)
    while ((await outboxBytes(workspace.path('.sluice/events/outbox'))) < 300 << 10) {
      assert.ok(!(await Promise.race([ended, sleep(5).then(() => false)])), 'the run ended with a full outbox')
    }
    running.kill('SIGKILL')
    await ended
    s3.throttle(undefined)
    jumpcloud.faults.clear()
    await run([], options)
    const counts = new Map<string, number>()
    for (const { body, puts } of s3.objects('audit').values()) {
      assert.equal(puts, 1)
      for (const line of body.toString().trim().split('\n')) {
        const { id }: { id: string } = JSON.parse(line)
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
    }
    assertOnce(counts, allIds(jumpcloud))
  })

  test('writes every event once after a pause of `within` plus a day', async (t) => {
    const now = Date.now()
    const begin = now - 20 * DAY
    const { jumpcloud, run, counts } = await openCollector(
      t,
      { events: 3000, start: begin - 2 * DAY, end: now, now: begin, frozen: true },
      { since: begin - 2 * DAY, overlap: '12h' },
    )
    const first = await run()
    jumpcloud.clock.set(begin + 8 * DAY)
    const second = await run()
    assert.ok(first.written > 100 && second.written > 500)
    assert.ok(second.duplicate > 20, `${second.duplicate} events of the overlap were known`)
    assertOnce(await counts(), allIds(jumpcloud, begin + 8 * DAY - LAG))
  })

  test('writes every event once when the clock is a day ahead for one poll', async (t) => {
    const now = Date.now()
    const begin = now - 12 * HOUR
    const { jumpcloud, run, counts } = await openCollector(
      t,
      { events: 2000, start: now - 2 * DAY, end: now, now: begin, frozen: true },
      { since: now - 3 * DAY },
    )
    const { startedAt } = await run([], { node: clockAhead(DAY) })
    assert.ok(Date.parse(startedAt) >= now + DAY)
    assertOnce(await counts(), allIds(jumpcloud, begin - LAG))
    jumpcloud.clock.set(now)
    await run()
    assertOnce(await counts(), allIds(jumpcloud, now - LAG))
  })

  test('reads a tenant that had no events for 91 days', async (t) => {
    const now = Date.now()
    const { jumpcloud, run, counts } = await openCollector(
      t,
      { events: 500, organizations: 2, start: now - 5 * DAY, end: now - HOUR, now: now - 92 * DAY, frozen: true },
      { since: now - 93 * DAY },
    )
    assert.equal((await run()).read, 0)
    jumpcloud.clock.set(now)
    await run()
    await run()
    const ids = allIds(jumpcloud)
    assert.equal(ids.length, 1000)
    assertOnce(await counts(), ids)
  })

  test('runs only once at a time on a state folder', async (t) => {
    const { jumpcloud, workspace, run, env, counts } = await openCollector(t, { events: 2000 })
    const first = workspace.start(['run', 'events', '--follow'], { env })
    while (jumpcloud.requests.length === 0) await sleep(5)
    const others = await Promise.all([1, 2, 3].map(() => workspace.sluice(['run', 'events'], { env })))
    for (const { code, stderr } of others) {
      assert.equal(code, 6, stderr)
      assert.match(stderr, new RegExp(`STATE_IN_USE.* ${first.pid}\\b`))
    }
    first.kill('SIGTERM')
    assert.equal((await first.ended).code, 130)
    await run()
    assertOnce(await counts(), allIds(jumpcloud))
  })
})

interface Choices {
  readonly sink?: 'file' | 's3'
  readonly since?: number
  readonly overlap?: string
}

async function openCollector(t: TestContext, server: JumpCloudOptions, choices: Choices = {}) {
  const { sink = 'file', since = Date.now() - 3 * DAY, overlap = '5m' } = choices
  const end = Date.now() - HOUR
  const jumpcloud = await startJumpCloudServer({ start: end - DAY, end, ...server })
  t.after(() => jumpcloud.close())
  const workspace = await openWorkspace(t)
  const place = sink === 'file' ? 'path: out' : 'bucket: audit, forcePathStyle: true'
  await workspace.write(
    'pipelines/events.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:JUMPCLOUD_API_KEY}
  baseUrl: \${env:JUMPCLOUD_BASE_URL}
  organizations: [${jumpcloud.organizations.map(({ id }) => `'${id}'`).join(', ')}]
  limit: 200
  rate: { perSecond: 1000, concurrency: 2 }
  window: { since: '${new Date(since).toISOString()}', step: 1d, lag: 5m, overlap: ${overlap}, sweep: 0s }
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 7d }
sink: { type: ${sink}, ${place}, compression: none, roll: { maxRecords: 300 } }
`,
  )
  const env = { JUMPCLOUD_API_KEY: jumpcloud.apiKey, JUMPCLOUD_BASE_URL: jumpcloud.url }
  return {
    jumpcloud,
    workspace,
    env,
    run: (args: readonly string[] = [], options = {}) =>
      workspace.report(['run', 'events', ...args], { env, ...options }),
    counts: async () => {
      const counts = new Map<string, number>()
      for (const { id } of await readRecords(workspace.path('out'))) {
        assert.ok(typeof id === 'string')
        counts.set(id, (counts.get(id) ?? 0) + 1)
      }
      return counts
    },
  }
}

function allIds(jumpcloud: JumpCloudServer, before?: number): string[] {
  return jumpcloud.organizations.flatMap(({ id }) => [...jumpcloud.allIds(id, before)])
}

function assertOnce(counts: ReadonlyMap<string, number>, ids: readonly string[]): void {
  assert.deepEqual(
    ids.filter((id) => !counts.has(id)),
    [],
  )
  assert.deepEqual(
    [...counts].filter(([, count]) => count !== 1),
    [],
  )
  assert.equal(counts.size, ids.length)
}

async function outboxBytes(folder: string): Promise<number> {
  const names = await readdir(folder).catch((): string[] => [])
  const sizes = await Promise.all(
    names.map(async (name) => (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0),
  )
  return sizes.reduce((sum, size) => sum + size, 0)
}
