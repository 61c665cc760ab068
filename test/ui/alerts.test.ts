import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { StatusSnapshot } from '../../src/observe/status/snapshot.ts'
import { NO_FAILURE } from '../../src/observe/status/source-requests.ts'
import { alertsOf, THRESHOLDS, WINDOWS } from '../../src/ui/alerts.ts'
import type { PipelineRow } from '../../src/ui/api.ts'
import { alertSampleOf } from '../../src/ui/sample.ts'
import type { AlertSample } from '../../src/ui/sample.ts'
import { openProject } from '../support/cli-project.ts'
import { listen } from '../support/listen.ts'
import { until } from '../support/until.ts'
import { askJson, startUi } from './ui-process.ts'

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

test('the page warns at the thresholds of the alerts for Prometheus', () => {
  const { groups }: Rules = parse(readFileSync('deploy/prometheus/alerts.yaml', 'utf8'))
  const rules = groups.flatMap((group) => group.rules)
  const expressionOf = (name: string): string => rules.find(({ alert }) => alert === name)?.expr ?? ''
  for (const [name, threshold] of Object.entries(THRESHOLDS))
    assert.match(expressionOf(name), new RegExp(`[<>]=? ${String(threshold).replace('.', '\\.')}(\\s|$)`), name)
  for (const [name, minutes] of Object.entries(WINDOWS)) assert.ok(expressionOf(name).includes(`[${minutes}m]`), name)
  assert.ok(expressionOf('SluiceSourceFailing').includes(`status!~"${NO_FAILURE}"`))
  // What the page leaves to Prometheus is about pipelines that do not run.
  const others = rules.map(({ alert }) => alert).filter((alert) => !(alert in THRESHOLDS))
  assert.deepEqual(others, ['SluiceAbsent', 'SluiceNotRunning'])
})

const HOUR = 3_600_000
const NOW = Date.UTC(2026, 0, 2)
const SNAPSHOT: StatusSnapshot = {
  version: 1,
  pipeline: 'p',
  run: 'r',
  pid: 1,
  host: 'h',
  takenAt: NOW,
  startedAt: NOW - 5 * HOUR,
  state: 'reading',
  windowSeconds: 5,
  read: { records: 1000, bytes: 1000, recordsPerSecond: 0, bytesPerSecond: 0 },
  stages: [],
  ledger: { read: 0, added: 0, written: 0, dropped: 0, duplicate: 0, rejected: 0 },
  rejects: {},
  commits: { count: 0 },
  freshness: { partitions: 0, behind: [] },
  sinks: [],
  objects: [],
  notes: [],
}

function namesOf(snapshot: Partial<StatusSnapshot>, more: Partial<Parameters<typeof alertsOf>[0]> = {}): string[] {
  const looked = { samples: [], committedAt: NOW - 2 * HOUR, now: NOW, ...more }
  return alertsOf({ snapshot: { ...SNAPSHOT, ...snapshot }, ...looked }).map(({ alert }) => alert)
}

/** A sample of some minutes ago. */
function sampleAt(minutes: number, more: Partial<AlertSample> = {}): AlertSample {
  return { ...alertSampleOf({ ...SNAPSHOT, takenAt: NOW - minutes * 60_000 }), ...more }
}

/** Ten minutes ago, this far behind. */
function before(seconds: number): { readonly samples: readonly AlertSample[] } {
  return { samples: [sampleAt(10, { freshnessSeconds: seconds })] }
}

function asked(requests: number, failedRequests: number, run = 'r'): Partial<AlertSample> {
  return { requests, failedRequests, run }
}

function counts(rejected: number, read: number, run = 'r'): Partial<AlertSample> {
  return { rejected, read, run }
}

test('a run that reads and does not commit raises an alert, one without input does not', () => {
  assert.deepEqual(namesOf({}), [])
  const read = { ...SNAPSHOT.read, recordsPerSecond: 10 }
  assert.deepEqual(namesOf({ read }), ['SluiceNoCommit'])
  assert.deepEqual(namesOf({ read }, { committedAt: NOW - 1000 }), [])
})

test('a source partition that stays behind raises an alert, one that catches up does not', () => {
  const behind = [{ partition: 'jumpcloud:acme', readUpToAt: NOW - 2 * HOUR, seconds: 7200 }]
  const freshness = { partitions: 1, behind }
  // Until a minute is known, it may catch up.
  assert.deepEqual(namesOf({ freshness }), [])
  assert.deepEqual(namesOf({ freshness }, before(7200)), ['SluiceFreshness'])
  // 10 seconds within 10 minutes are 30 within half an hour: too little.
  assert.deepEqual(namesOf({ freshness }, before(7210)), ['SluiceFreshness'])
  assert.deepEqual(namesOf({ freshness }, before(7230)), [])
})

test('an outbox and dedup keys that fill their budget raise alerts', () => {
  const dedup = { keys: 1, bytes: 81, maxBytes: 100 }
  const [count, published] = [
    { objects: 1, bytes: 51 },
    { objects: 0, bytes: 0 },
  ]
  const sink = { sink: 's', type: 's3', records: 1, ...count, published, waiting: count, isFull: false, retries: 0 }
  assert.deepEqual(namesOf({ dedup, sinks: [{ ...sink, maxBytes: 100 }] }), [
    'SluiceOutboxFilling',
    'SluiceDedupMemory',
  ])
  assert.deepEqual(namesOf({ dedup: { ...dedup, bytes: 79 }, sinks: [{ ...sink, maxBytes: 200 }] }), [])
})

test('a dead-letter queue that fills its budget raises an alert, one without a budget does not', () => {
  const deadLetters = { records: 1, bytes: 81, maxBytes: 100 }
  assert.deepEqual(namesOf({ deadLetters }), ['SluiceRejectsFull'])
  assert.deepEqual(namesOf({ deadLetters: { ...deadLetters, bytes: 80 } }), [])
  assert.deepEqual(namesOf({ deadLetters: { records: 1, bytes: 81 } }), [])
})

test('an API that fails more than half of the requests of 15 minutes raises an alert, over the runs of that time', () => {
  const failing = [sampleAt(14, asked(90, 0)), sampleAt(10, asked(94, 2)), sampleAt(5, asked(3, 2, 'next'))]
  assert.deepEqual(namesOf({}, { samples: failing }), ['SluiceSourceFailing'])
  // Half of them; longer ago; none is sent.
  assert.deepEqual(namesOf({}, { samples: [...failing, sampleAt(4, asked(4, 2, 'next'))] }), [])
  assert.deepEqual(namesOf({}, { samples: [sampleAt(17, asked(0, 0)), sampleAt(16, asked(9, 9))] }), [])
  assert.deepEqual(namesOf({}, { samples: [sampleAt(14, asked(9, 9)), sampleAt(10, asked(9, 9))] }), [])
})

test('a clock that differs by more than a minute raises an alert, whichever is ahead', () => {
  assert.deepEqual(namesOf({ clockAheadSeconds: 61 }), ['SluiceClockSkew'])
  assert.deepEqual(namesOf({ clockAheadSeconds: -61 }), ['SluiceClockSkew'])
  assert.deepEqual(namesOf({ clockAheadSeconds: 60 }), [])
})

test('rejects that rise within half an hour raise an alert, over the runs of that time', () => {
  const rising = [sampleAt(20, counts(5, 100)), sampleAt(10, counts(10, 200)), sampleAt(5, counts(6, 50, 'next'))]
  assert.deepEqual(namesOf({}, { samples: rising }), ['SluiceRejectsRising'])
  // Less than 1 % of what was read; not more than ten; longer ago.
  const [first, second] = rising
  assert.deepEqual(namesOf({}, { samples: [first, second, sampleAt(5, counts(6, 5000, 'next'))] }), [])
  assert.deepEqual(namesOf({}, { samples: [first, second] }), [])
  assert.deepEqual(namesOf({}, { samples: [sampleAt(50, counts(0, 0)), sampleAt(40, counts(90, 100))] }), [])
})

test('a sink to which nothing could be published for 15 minutes raises an alert', () => {
  const published = { objects: 7, bytes: 1 }
  const waiting = { objects: 2, bytes: 2 }
  const sink = {
    sink: 's',
    type: 's3',
    records: 1,
    objects: 1,
    bytes: 1,
    published,
    waiting,
    isFull: false,
    retries: 3,
  }
  const samples = [sampleAt(16, { published: { s: 7 } })]
  assert.deepEqual(namesOf({ sinks: [sink] }, { samples }), ['SluicePublishFailing'])
  assert.deepEqual(namesOf({ sinks: [sink] }, { samples: [sampleAt(14, { published: { s: 7 } })] }), [])
  assert.deepEqual(namesOf({ sinks: [sink] }, { samples: [sampleAt(16, { published: { s: 6 } })] }), [])
  assert.deepEqual(namesOf({ sinks: [{ ...sink, retries: 0 }] }, { samples }), [])
})

test('a process that starts again and again raises an alert, also while it does not run', () => {
  const samples = [25, 20, 15, 10, 5].map((minutes) => sampleAt(minutes, { pid: minutes }))
  const looked = { snapshot: undefined, committedAt: NOW, now: NOW }
  assert.deepEqual(
    alertsOf({ ...looked, samples }).map(({ alert }) => alert),
    ['SluiceRestarting'],
  )
  assert.deepEqual(alertsOf({ ...looked, samples: samples.slice(1) }), [])
})

test('a run says what its API, the clock of that and its dead-letter queue are like', async (t) => {
  let isFailing = false
  const server = createServer((_request, response) => {
    response.setHeader('Date', new Date(Date.now() + 300_000).toUTCString())
    response.statusCode = isFailing ? 503 : 200
    response.end(JSON.stringify(Array.from({ length: 48 }, (_, id) => ({ id, text: 'x'.repeat(1000) }))))
  })
  t.after(() => server.close())
  const workspace = await openProject(t, {
    'pipelines/p.yaml': `source: { type: http, request: { url: 'http://127.0.0.1:${await listen(server)}/' }, rate: { perSecond: 100 }, retry: { attempts: 10000, maxDelay: 50ms } }
allowRepeats: true
transforms: [{ type: validate, schema: s.json }]
rejects: { local: 64KiB }
sink: { type: file, path: out }
`,
    'pipelines/s.json': '{"required":["name"]}',
  })
  assert.equal((await workspace.report(['run', 'p'])).rejected, 48)
  isFailing = true
  const ui = await startUi(workspace)
  const run = workspace.start(['run', 'p'])
  await until(async () => {
    const [row] = (await askJson<{ pipelines: PipelineRow[] }>(ui, '/pipelines')).pipelines
    return row?.alerts.map(({ alert }) => alert).join() === 'SluiceRejectsFull,SluiceSourceFailing,SluiceClockSkew'
  }, run)
})
