/*
 * Each alert fires for its cause, made with real runs against the servers of the tests, and no other alert
 * does. What the runs show on `/metrics` is continued over virtual hours, and given to promtool.
 */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { after, describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { parse, stringify } from 'yaml'
import { HOUR, MINUTE } from '../../src/time.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import type { JumpCloudOptions, JumpCloudServer } from '../servers/jumpcloud.ts'
import { startS3Server } from '../servers/s3.ts'
import type { S3Server } from '../servers/s3.ts'
import { openWorkspace, s3Environment } from '../support/command.ts'
import type { RunningCommand } from '../support/command.ts'
import { scrape, total } from '../support/exposition.ts'
import type { Scrape } from '../support/exposition.ts'
import { freePort } from '../support/listen.ts'
import { REPOSITORY } from '../support/paths.ts'
import { rehearse } from '../support/rehearsal.ts'
import type { Phase } from '../support/rehearsal.ts'

const ALERTS = join(REPOSITORY, 'deploy/prometheus/alerts.yaml')

const NO_PROMTOOL =
  spawnSync('promtool', ['--version']).status === 0
    ? false
    : 'promtool is not installed (Debian: prometheus), which evaluates the alerts'
if (NO_PROMTOOL !== false) process.stderr.write(`the alerts are not tried: ${NO_PROMTOOL}\n`)

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

const file: RuleFile = parse(await readFile(ALERTS, 'utf8'))
const rules = file.groups.flatMap((group) => group.rules)
const metrics = new Set(rules.flatMap(({ expr }) => expr.match(/\bsluice_\w+/g) ?? []))
const tried = new Set<string>()

interface LiveOptions {
  readonly source?: object
  readonly transforms?: readonly object[]
  readonly dedup?: object
  readonly sink?: object
  readonly rejects?: object
  readonly server?: JumpCloudOptions
}

interface Live {
  readonly jumpcloud: JumpCloudServer
  readonly s3: S3Server
  start(changes?: LiveOptions): Promise<void>
  kill(): Promise<void>
  /** The first scrape that is as wanted. Fails if the run has ended. */
  scrapeUntil(isWanted: (scrape: Scrape) => boolean): Promise<Scrape>
}

/** A pipeline that collects about ten events a second from a live API into a bucket. */
async function openLive(t: TestContext, options: LiveOptions = {}): Promise<Live> {
  const now = Date.now()
  const times = { start: now - MINUTE, end: now + HOUR }
  const jumpcloud = await startJumpCloudServer({ events: 36_000, ...times, ...options.server })
  t.after(() => jumpcloud.close())
  const s3 = await startS3Server({ buckets: ['audit'] })
  t.after(() => s3.close())
  const workspace = await openWorkspace(t)
  // No event follows it.
  await workspace.write('changed.schema.json', JSON.stringify({ type: 'object', required: ['no_such_member'] }))
  let running: RunningCommand | undefined
  let port = 0
  return {
    jumpcloud,
    s3,
    async start(changes = {}) {
      await workspace.write('pipelines/events.yaml', stringify(pipelineOf(jumpcloud, { ...options, ...changes })))
      port = await freePort()
      const args = ['run', 'events', '--follow', '--metrics', `127.0.0.1:${port}`]
      running = workspace.start(args, { env: s3Environment(s3) })
    },
    async kill() {
      running?.kill('SIGKILL')
      await running?.ended
    },
    async scrapeUntil(isWanted) {
      for (;;) {
        const found = await scrape(port)
        if (found !== undefined && isWanted(found)) return found
        const ended = await Promise.race([running?.ended, sleep(50)])
        assert.equal(ended, undefined, ended?.stderr)
      }
    },
  }
}

/** Without settling delay and look-backs. */
const WINDOW = { since: '1m', lag: '0s', overlap: '0s', sweep: '0s', repair: '0s' }

function pipelineOf({ url, apiKey }: JumpCloudServer, options: LiveOptions): object {
  const { source, transforms = [], dedup, sink, rejects } = options
  return {
    source: {
      type: 'jumpcloud',
      apiKey,
      baseUrl: url,
      count: false,
      window: WINDOW,
      rate: { perSecond: 1000 },
      retry: { attempts: 100_000, maxDelay: '50ms' },
      poll: '50ms',
      ...source,
    },
    transforms: [...transforms, { type: 'dedup', key: ['id', 'timestamp'], time: 'timestamp', within: '7d', ...dedup }],
    sink: { type: 's3', bucket: 'audit', key: 'all', roll: { maxAge: '100ms' }, ...sink },
    ...(rejects && { rejects }),
  }
}

/** Two scrapes of a run that reads, commits and publishes, with some of each between them. */
async function scrapeHealthy(live: Live): Promise<{ from: Scrape; to: Scrape }> {
  const from = await live.scrapeUntil((now) => total(now, 'sluice_sink_objects_total') > 0 && isPublished(now))
  const to = await live.scrapeUntil(
    (now) =>
      PROGRESS.every((metric) => total(now, metric) > total(from, metric)) && total(now, 'sluice_outbox_objects') === 0,
  )
  return { from, to }
}

const COMMITTED = 'sluice_last_commit_timestamp_seconds'
const PROGRESS = [
  'sluice_records_written_total',
  'sluice_source_requests_total',
  COMMITTED,
  'sluice_last_publish_timestamp_seconds',
  'sluice_source_read_up_to_timestamp_seconds',
]

function isPublished(now: Scrape): boolean {
  return total(now, 'sluice_last_publish_timestamp_seconds') > 0
}

/** The same of another pipeline. */
function asPipeline(name: string, { at, values, types }: Scrape): Scrape {
  const renamed = [...values].map(([series, value]): [string, number] => [
    series.replace('pipeline="events"', `pipeline="${name}"`),
    value,
  ])
  return { at, values: new Map(renamed), types }
}

function together(one: Scrape, other: Scrape): Scrape {
  return { ...one, values: new Map([...one.values, ...other.values]) }
}

/** Fails unless exactly these alerts fire at the end of the phases. */
async function assertFiring(t: TestContext, phases: readonly Phase[], expected: readonly string[]): Promise<void> {
  for (const alert of expected) tried.add(alert)
  const folder = (await openWorkspace(t)).folder
  const minutes = phases.reduce((sum, phase) => sum + phase.minutes, 0)
  const [before] = phases
  const checks = [{ minute: minutes, alerts: expected }]
  if (before !== undefined && phases.length > 1 && before.to !== undefined)
    checks.push({ minute: before.minutes, alerts: [] })
  const rulesTest = {
    rule_files: [ALERTS],
    evaluation_interval: '1m',
    tests: [
      {
        interval: '1m',
        input_series: rehearse(phases, metrics),
        promql_expr_test: checks.map(({ minute, alerts }) => ({
          expr: 'group by (alertname) (ALERTS{alertstate="firing"})',
          eval_time: `${minute}m`,
          exp_samples: alerts.map((alert) => ({ labels: `{alertname="${alert}"}`, value: 1 })),
        })),
      },
    ],
  }
  const path = join(folder, 'rules.test.yaml')
  await writeFile(path, stringify(rulesTest))
  const { status, stdout, stderr } = spawnSync('promtool', ['test', 'rules', path], { encoding: 'utf8' })
  assert.equal(status, 0, `${stdout}${stderr}`)
}

const options = { skip: NO_PROMTOOL, timeout: 120_000 }

describe('alerts', { concurrency: 3 }, () => {
  test('none fires for a run that reads, commits and publishes', options, async (t) => {
    const live = await openLive(t)
    await live.start()
    await assertFiring(t, [{ minutes: 180, ...(await scrapeHealthy(live)) }], [])
  })

  test('SluiceAbsent fires where nothing is scraped', options, async (t) => {
    await assertFiring(t, [{ minutes: 20 }], ['SluiceAbsent'])
  })

  test('SluiceNotRunning fires when a process is gone, though another pipeline runs', options, async (t) => {
    const live = await openLive(t)
    await live.start()
    const healthy = await scrapeHealthy(live)
    await live.kill()
    const other = { from: asPipeline('other', healthy.from), to: asPipeline('other', healthy.to) }
    const both = { from: together(healthy.from, other.from), to: together(healthy.to, other.to) }
    await assertFiring(
      t,
      [
        { minutes: 30, ...both },
        { minutes: 20, ...other },
      ],
      ['SluiceNotRunning'],
    )
  })

  test('SluiceRestarting fires when a run ends again and again', options, async (t) => {
    const live = await openLive(t)
    const phases: Phase[] = []
    for (let starts = 0; starts < 5; starts++) {
      await live.start()
      const to = await live.scrapeUntil((now) => total(now, 'sluice_run_active') > 0)
      phases.push({ minutes: 4, from: to, to })
      await live.kill()
      // The metric has whole seconds: two starts within one would look like one.
      const nextSecond = total(to, 'sluice_process_start_time_seconds') + 1
      while (Date.now() / 1000 < nextSecond) await sleep(20)
    }
    await assertFiring(t, phases, ['SluiceRestarting'])
  })

  test('SluiceFreshness fires when the API does not answer any more', options, async (t) => {
    const live = await openLive(t)
    await live.start()
    const healthy = { minutes: 30, ...(await scrapeHealthy(live)) }
    live.jumpcloud.faults.add({ fault: { kind: 'hang' }, times: Infinity })
    const seen = live.jumpcloud.requests.length
    const to = await live.scrapeUntil(() => live.jumpcloud.requests.length > seen)
    await assertFiring(t, [healthy, { minutes: 80, from: to, to }], ['SluiceFreshness'])
  })

  test('SluiceFreshness is silent while a run catches up', options, async (t) => {
    const live = await openLive(t, { source: { window: { ...WINDOW, since: '80d', step: '1h' } } })
    await live.start()
    const metric = 'sluice_source_read_up_to_timestamp_seconds'
    const from = await live.scrapeUntil((now) => total(now, metric) > 0)
    const to = await live.scrapeUntil((now) => total(now, metric) > total(from, metric) + HOUR / 1000)
    assert.ok(total(to, 'sluice_freshness_seconds') > 10 * (HOUR / 1000))
    await assertFiring(t, [{ minutes: 60, from, to }], [])
  })

  test('SluiceNoCommit fires when records are read and wait for an epoch that does not end', options, async (t) => {
    const live = await openLive(t)
    await live.start()
    const healthy = { minutes: 30, ...(await scrapeHealthy(live)) }
    await live.kill()
    await live.start({ sink: { roll: { maxAge: '1d' } } })
    const from = await live.scrapeUntil((now) => total(now, 'sluice_stage_records_in_total') > 0)
    const to = await live.scrapeUntil(
      (now) => total(now, 'sluice_stage_records_in_total') > total(from, 'sluice_stage_records_in_total'),
    )
    await assertFiring(t, [healthy, { minutes: 45, from, to }], ['SluiceNoCommit'])
  })

  test('SluiceRejectsRising fires when the events of the source have changed', options, async (t) => {
    const live = await openLive(t)
    await live.start()
    const healthy = { minutes: 30, ...(await scrapeHealthy(live)) }
    await live.kill()
    await live.start({ transforms: [{ type: 'validate', schema: '../changed.schema.json' }] })
    const metric = 'sluice_records_rejected_total'
    const from = await live.scrapeUntil((now) => total(now, metric) > 0)
    const to = await live.scrapeUntil((now) => total(now, metric) > total(from, metric) + 5)
    await assertFiring(t, [healthy, { minutes: 45, from, to }], ['SluiceRejectsRising'])
  })

  test('SluiceRejectsFull fires when the dead-letter queue is nearly full', options, async (t) => {
    const live = await openLive(t, { rejects: { local: '64KiB' } })
    await live.start({ transforms: [{ type: 'validate', schema: '../changed.schema.json' }] })
    const to = await live.scrapeUntil(
      (now) => total(now, 'sluice_rejects_bytes') > 0.85 * total(now, 'sluice_rejects_max_bytes'),
    )
    await assertFiring(t, [{ minutes: 30, from: to, to }], ['SluiceRejectsFull'])
  })

  test('SluiceOutboxFilling fires when the store takes nothing', options, async (t) => {
    const live = await openLive(t, { sink: { outbox: { maxBytes: '64KiB' } } })
    await live.start()
    const healthy = { minutes: 30, ...(await scrapeHealthy(live)) }
    const release = live.s3.faults.hold('PutObject')
    const to = await live.scrapeUntil((now) => total(now, 'sluice_outbox_bytes') > 0.6 * 2 ** 16)
    release()
    await assertFiring(t, [healthy, { minutes: 30, from: to, to }], ['SluiceOutboxFilling'])
  })

  test('SluicePublishFailing fires when the store is away', options, async (t) => {
    const live = await openLive(t)
    await live.start()
    const healthy = { minutes: 30, ...(await scrapeHealthy(live)) }
    await live.s3.outage(true)
    const metric = 'sluice_publish_retries_total'
    const from = await live.scrapeUntil((now) => total(now, metric) > 0)
    // Collecting continues.
    const to = await live.scrapeUntil((now) => [metric, COMMITTED].every((one) => total(now, one) > total(from, one)))
    await assertFiring(t, [healthy, { minutes: 45, from, to }], ['SluicePublishFailing'])
  })

  test('SluiceSourceFailing fires when the API refuses requests', options, async (t) => {
    const live = await openLive(t)
    await live.start()
    const healthy = { minutes: 30, ...(await scrapeHealthy(live)) }
    live.jumpcloud.faults.add({ fault: { kind: 'status', status: 503 }, times: Infinity })
    const from = await live.scrapeUntil((now) => total(now, 'sluice_source_requests_total', '"503"') > 0)
    const to = await live.scrapeUntil(
      (now) =>
        total(now, 'sluice_source_requests_total', '"503"') > total(from, 'sluice_source_requests_total', '"503"'),
    )
    await assertFiring(t, [healthy, { minutes: 30, from, to }], ['SluiceSourceFailing'])
  })

  test('SluiceDedupMemory fires when the keys nearly fill their memory', options, async (t) => {
    const live = await openLive(t, { dedup: { memory: '70KiB' } })
    await live.start()
    const to = await live.scrapeUntil(
      (now) => total(now, 'sluice_dedup_memory_bytes') > 0.8 * total(now, 'sluice_dedup_max_memory_bytes'),
    )
    await assertFiring(t, [{ minutes: 30, from: to, to }], ['SluiceDedupMemory'])
  })

  test('SluiceClockSkew fires when the clock of the API is another one', options, async (t) => {
    const now = Date.now() + 5 * MINUTE
    const source = { window: { ...WINDOW, since: '1h' } }
    const live = await openLive(t, { source, server: { now, start: now - 6 * MINUTE, end: now + HOUR } })
    await live.start()
    await assertFiring(t, [{ minutes: 30, ...(await scrapeHealthy(live)) }], ['SluiceClockSkew'])
  })

  after(() => {
    if (NO_PROMTOOL !== false) return
    assert.deepEqual([...tried].toSorted(), rules.map(({ alert }) => alert).toSorted())
  })
})
