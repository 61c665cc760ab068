import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parse } from 'yaml'
import type { StatusSnapshot } from '../../src/observe/status/snapshot.ts'
import { alertsOf, THRESHOLDS } from '../../src/ui/alerts.ts'

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[]
}

test('the page warns at the thresholds of the alerts for Prometheus', () => {
  const { groups }: Rules = parse(readFileSync('deploy/prometheus/alerts.yaml', 'utf8'))
  const rules = groups.flatMap((group) => group.rules)
  for (const [name, threshold] of Object.entries(THRESHOLDS)) {
    const [, written] = /> ([\d.]+)/.exec(rules.find(({ alert }) => alert === name)?.expr ?? '') ?? []
    assert.equal(Number(written), threshold, name)
  }
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
  const looked = { freshnessBefore: null, committedAt: NOW - 2 * HOUR, now: NOW, ...more }
  return alertsOf({ snapshot: { ...SNAPSHOT, ...snapshot }, ...looked }).map(({ alert }) => alert)
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
  assert.deepEqual(namesOf({ freshness }), ['SluiceFreshness'])
  assert.deepEqual(namesOf({ freshness }, { freshnessBefore: 7200 }), ['SluiceFreshness'])
  assert.deepEqual(namesOf({ freshness }, { freshnessBefore: 9000 }), [])
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
