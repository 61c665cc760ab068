import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { rename } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { startJumpCloudServer } from '../../servers/jumpcloud.ts'
import type { JumpCloudServer } from '../../servers/jumpcloud.ts'
import { startS3Server } from '../../servers/s3.ts'
import type { S3Server } from '../../servers/s3.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import { codeFile } from '../../support/paths.ts'
import { SCALE } from '../../support/scale.ts'
import { DAY, HOUR, MINUTE } from '../../../src/time.ts'
import type { Sample, SoakMessage } from './soak-process.ts'

const TENANTS = 200
const EVENTS = 120
const [OLD_MASK, NEW_MASK] = ['[masked]', '[hidden]']
/** Virtual hours between two measurements. */
const SAMPLE_HOURS = 2
const MB = 1e6

test(
  'two days of 200 tenants with outages, rate limits, a new key and reloads leave memory, files and descriptors as they were',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async (t) => {
    const soak = await openSoak(t)
    const samples = await soak.run([
      { at: 3, what: () => soak.jumpcloud.faults.add({ fault: { kind: 'status', status: 503 }, times: 1e9 }) },
      { at: 4, what: () => soak.jumpcloud.faults.clear() },
      {
        at: 6,
        what: () =>
          soak.jumpcloud.faults.add({ fault: { kind: 'status', status: 429, retryAfter: 30 }, probability: 0.2 }),
      },
      { at: 9, what: () => soak.jumpcloud.faults.clear() },
      { at: 13, what: () => soak.s3.outage(true) },
      { at: 15, what: () => soak.s3.outage(false) },
      { at: 20, what: () => soak.jumpcloud.faults.add({ fault: { kind: 'reset-during' }, probability: 0.1 }) },
      { at: 22, what: () => soak.jumpcloud.faults.clear() },
      { at: 26, what: () => soak.s3.faults.add({ kind: 'error', code: 'SlowDown', probability: 0.3, times: 1e9 }) },
      { at: 28, what: () => soak.s3.faults.clear() },
      // The new key comes ten minutes later.
      { at: 30, what: () => soak.rotateKey() },
      { at: 30 + 1 / 6, what: () => soak.writeKey() },
      { at: 34, what: () => soak.reload('source: [') },
      { at: 36, what: () => soak.reload(soak.pipelineWith(NEW_MASK)) },
      { at: 48, what: () => soak.stop() },
    ])

    // What 24,000 dedup keys take is in `external`; the first half day fills caches and pools.
    const [before, after] = [samples.slice(6, 12), samples.slice(-6)]
    assert.ok(after.length === 6 && samples.length > 20, `${samples.length} samples`)
    const grown = (member: keyof Sample): number => least(after, member) - least(before, member)
    t.diagnostic(`the heap grew by ${grown('heap')} bytes, memory outside by ${grown('external')}`)
    assert.ok(grown('heap') < 6 * MB, `the heap has grown by ${grown('heap') / MB} MB`)
    assert.ok(grown('external') < 6 * MB, `memory outside of the heap has grown by ${grown('external') / MB} MB`)
    for (const member of ['descriptors', 'files', 'listeners'] as const)
      assert.ok(grown(member) <= 2, `${grown(member)} more ${member}`)

    t.diagnostic(`${soak.jumpcloud.requests.length} requests, ${soak.s3.requests.length} of S3`)
    await soak.assertComplete()
  },
)

/** Something that happens at a virtual hour. */
interface Incident {
  readonly at: number
  what(): unknown
}

interface Soak {
  readonly jumpcloud: JumpCloudServer
  readonly s3: S3Server
  /** Runs the pipeline until an incident stops it. */
  run(incidents: readonly Incident[]): Promise<readonly Sample[]>
  stop(): void
  pipelineWith(mask: string): string
  /** Writes the pipeline file, and has the process load it. */
  reload(content: string): Promise<void>
  /** The API refuses the old key from now on. */
  rotateKey(): void
  /** Writes the key that is valid now to the file that the pipeline reads it from. */
  writeKey(): Promise<void>
  /** Reads what is left with a run of its own: every event must be in the bucket, once. */
  assertComplete(): Promise<void>
}

async function openSoak(t: TestContext): Promise<Soak> {
  const start = Math.floor(Date.now() / DAY) * DAY - 4 * DAY
  const jumpcloud = await startJumpCloudServer({
    organizations: TENANTS,
    events: EVENTS,
    start: start - HOUR,
    end: start + 2 * DAY - HOUR,
    now: start,
    frozen: true,
    late: { fraction: 0.02, delay: [10 * MINUTE, HOUR] },
  })
  t.after(() => jumpcloud.close())
  const s3 = await startS3Server({ buckets: ['audit'] })
  t.after(() => s3.close())
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/events.yaml', pipelineOf(jumpcloud, { key: workspace.path('key'), mask: OLD_MASK }))
  let { apiKey } = jumpcloud
  await workspace.write('key', apiKey)
  let child: ChildProcess | undefined

  return {
    jumpcloud,
    s3,
    pipelineWith: (mask) => pipelineOf(jumpcloud, { key: workspace.path('key'), mask }),
    async reload(content) {
      await workspace.write('pipelines/events.yaml', content)
      child?.kill('SIGHUP')
    },
    rotateKey: () => void (apiKey = jumpcloud.rotate().apiKey),
    async writeKey() {
      await workspace.write('key.new', apiKey)
      await rename(workspace.path('key.new'), workspace.path('key'))
    },
    stop: () => void child?.kill('SIGTERM'),
    async run(incidents) {
      child = fork(codeFile('test/system/soak/soak-process.ts'), ['events', String(start), String(SAMPLE_HOURS)], {
        cwd: workspace.folder,
        env: { ...process.env, ...s3Environment(s3) },
        execArgv: ['--expose-gc'],
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      })
      t.after(() => child?.kill('SIGKILL'))
      let stderr = ''
      let metrics = ''
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        metrics ||= /http:[\d./:]+/.exec(text)?.[0] ?? ''
        stderr = (stderr + text).slice(-20_000)
      })
      const { samples, outcome } = await follow(child, {
        start,
        incidents,
        jumpcloud,
        scrape: () => fetch(`${metrics}/metrics`),
      })
      assert.equal(outcome, 'INTERRUPTED', stderr)
      return samples
    },
    async assertComplete() {
      // Far enough for the next look-back.
      jumpcloud.clock.advance(6 * HOUR)
      const { code, stderr } = await workspace.sluice(['run', 'events', '--state', 'state'], {
        env: s3Environment(s3),
      })
      assert.equal(code, 0, stderr)
      const lines = [...s3.objects('audit').values()].flatMap(({ body }) => body.toString().trim().split('\n'))
      const ids = lines.map(idOf)
      assert.equal(new Set(ids).size, ids.length, 'no event is written twice')
      const expected = jumpcloud.organizations.flatMap(({ id }) => [...jumpcloud.allIds(id)])
      assert.equal(expected.length, TENANTS * EVENTS)
      assert.deepEqual(new Set(ids), new Set(expected))
      const masked = [OLD_MASK, NEW_MASK].map((mask) => lines.filter((line) => line.includes(mask)).length)
      assert.ok(Math.min(...masked) > 1000, `${masked.join(' and ')} events have the masks before and after the reload`)
    },
  }
}

interface Watch {
  readonly start: number
  readonly incidents: readonly Incident[]
  readonly jumpcloud: JumpCloudServer
  readonly scrape: () => Promise<Response>
}

/** Gives the servers each new time of the process before it goes on, and does what is due then. */
async function follow(
  child: ChildProcess,
  { start, incidents, jumpcloud, scrape }: Watch,
): Promise<{ readonly samples: readonly Sample[]; readonly outcome: string }> {
  const samples: Sample[] = []
  const due = [...incidents]
  let outcome = 'none'
  const take = async (message: SoakMessage): Promise<void> => {
    if ('outcome' in message) {
      outcome = message.outcome
      return
    }
    jumpcloud.clock.set(message.now)
    if (message.sample) {
      samples.push(message.sample)
      assert.match(await (await scrape()).text(), /^sluice_records_read_total\{pipeline="events"\} \d/m)
    }
    while (due[0] !== undefined && message.now >= start + due[0].at * HOUR) await due.shift()?.what()
    if (child.connected) child.send('continue')
  }
  child.on('message', (message: SoakMessage) => void take(message))
  await once(child, 'exit')
  return { samples, outcome }
}

/** Polls every two hours; with `SLUICE_TEST_SCALE=24` every five minutes. */
function pipelineOf(
  { url, organizations }: JumpCloudServer,
  { key, mask }: { readonly key: string; readonly mask: string },
): string {
  return `source:
  type: jumpcloud
  apiKey: \${file:${key}}
  baseUrl: ${url}
  organizations: [${organizations.map(({ id }) => `'${id}'`).join(', ')}]
  rate: { perSecond: 1000, concurrency: 8 }
  retry: { attempts: 1000, maxDelay: 10m }
  window: { since: '1d', lag: 5m, overlap: 5m, sweep: 6h, sweepEvery: 2h, repair: 2d }
  poll: ${Math.round(120 / Math.max(1, SCALE))}m
transforms:
  - { type: redact, rules: [{ path: client_ip, action: mask, with: '${mask}' }] }
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 1d }
sink: { type: s3, bucket: audit, key: 'events', compression: none, forcePathStyle: true, roll: { maxAge: 1s } }
`
}

function idOf(line: string): string {
  const { id }: { readonly id: string } = JSON.parse(line)
  return id
}

function least(samples: readonly Sample[], member: keyof Sample): number {
  return Math.min(...samples.map((sample) => sample[member]))
}
