/*
 * What is scraped agrees with the ledger of the state, with the report and with `sluice verify`, to the
 * record, after a pipeline was killed several times and had faults on both sides.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Report } from '../../src/observe/report.ts'
import { HOUR, MINUTE } from '../../src/time.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import { openWorkspace, s3Environment } from '../support/command.ts'
import type { RunningCommand } from '../support/command.ts'
import { startBucketServer } from '../support/bucket-server.ts'
import { metricsUrl, scrape, until, valueOf, valuesBy } from '../support/scrape.ts'
import type { Sample } from '../support/scrape.ts'

const SORT = `export default (record) => {
  const digit = String(record.get('id')).at(-1)
  if (digit === '0') return record.reject('ENDS_IN_0')
  if (digit === '3') return [record, { ...record.value, copy: true }]
  return digit === '2' ? null : record
}
`

const KILLS = 3

test('metrics, report, ledger and verify agree to the record after kills and faults', async (t) => {
  const now = Date.now() - 20 * HOUR
  const late = { fraction: 0.3, delay: [30 * MINUTE, 50 * MINUTE] as [number, number] }
  const api = await startJumpCloudServer({
    now,
    frozen: true,
    start: now - 3 * HOUR,
    end: now,
    events: 1500,
    repeats: 0.1,
    late,
  })
  t.after(() => api.close())
  const s3 = await startBucketServer(t, 'audit')
  const workspace = await openWorkspace(t)
  await workspace.write('sort.js', SORT)
  const store = `bucket: audit, endpoint: '${s3.endpoint}', region: ${s3.region}, forcePathStyle: true`
  await workspace.write(
    'pipelines/p.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${api.url}
  limit: 100
  rate: { perSecond: 1000 }
  retry: { maxDelay: 10ms }
  window: { since: 1d, step: 10d, lag: 0s }
  poll: 1s
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 7d }
  - { type: ../sort.js }
sinks:
  siem: { type: s3, ${store}, key: siem, roll: { maxRecords: 100, maxAge: 1s } }
  archive: { type: file, path: ${workspace.path('archive')}, key: all, roll: { maxRecords: 300 } }
rejects: { type: s3, ${store}, key: rejects }
`,
  )
  const env = { ...s3Environment(s3), KEY: api.apiKey }
  const start = (...more: string[]) =>
    workspace.start(['run', 'p', '--follow', '--metrics', '127.0.0.1:0', ...more], { env })
  const stateOf = async () => {
    const { stdout } = await workspace.sluice(['state', 'show', 'p', '--json'], { env })
    const { totals }: { totals: Report } = JSON.parse(stdout)
    return totals
  }

  api.faults.add({ fault: { kind: 'status', status: 503 }, probability: 0.1 })
  s3.faults.add({ kind: 'error', code: 'SlowDown', operation: 'PutObject', probability: 0.2, times: 10 })
  for (let kill = 0; kill < KILLS; kill++) {
    const before = s3.count('PutObject')
    const running = start()
    await untilOrEnd(running, () => s3.count('PutObject') > before + 2 + kill)
    running.kill('SIGKILL')
    await running.ended
  }
  const killed = await stateOf()
  assert.ok(killed.read > 0)

  // Everything, and what appears later.
  const last = start('--report', workspace.path('report.json'))
  const url = await metricsUrl(last)
  await until(
    () => scrape(url),
    (samples) => isSettled(samples) && readUpToOf(samples) >= now - MINUTE,
  )
  api.clock.advance(HOUR)
  const samples = await until(
    () => scrape(url),
    (all) => isSettled(all) && readUpToOf(all) >= now + HOUR - MINUTE,
  )
  last.kill('SIGTERM')
  assert.equal((await last.ended).code, 130)
  const report: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
  const totals = await stateOf()

  for (const name of ['read', 'added', 'written', 'duplicate'] as const) {
    const counter = valueOf(samples, `sluice_records_${name}_total`)
    assert.equal(counter, totals[name], name)
    assert.equal(counter, killed[name] + report[name], `${name}: of the killed runs, and of the last one`)
  }
  assert.deepEqual(valuesBy(samples, 'sluice_records_dropped_total', 'reason'), { ...totals.dropped })
  assert.deepEqual(valuesBy(samples, 'sluice_records_rejected_total', 'code'), { ...totals.rejects })
  const { siem, archive, rejects } = valuesBy(samples, 'sluice_sink_records_total', 'sink')
  assert.deepEqual([siem, archive, rejects], [totals.written, totals.written, totals.rejected])
  assert.equal(
    totals.read + totals.added,
    totals.written + totals.duplicate + totals.rejected + Object.values(totals.dropped).reduce((a, b) => a + b, 0),
  )
  assert.equal(
    valueOf(samples, 'sluice_lateness_seconds_count'),
    Object.values(totals.late).reduce((a, b) => a + b, 0),
  )
  // What only the last process counts.
  assert.equal(valueOf(samples, 'sluice_commits_total'), report.epochs)
  assert.equal(valueOf(samples, 'sluice_source_records_total'), report.read)
  assert.equal(valueOf(samples, 'sluice_stage_records_in_total', { stage: 'dedup' }), report.read)
  assert.equal(valueOf(samples, 'sluice_stage_records_out_total', { stage: 'delivery' }), report.written)

  const { code, stderr } = await workspace.sluice(['verify', 'p'], { env })
  assert.equal(code, 0, stderr)
})

function isSettled(samples: readonly Sample[]): boolean {
  return valueOf(samples, 'sluice_outbox_objects') === 0
}

function readUpToOf(samples: readonly Sample[]): number {
  return (valueOf(samples, 'sluice_source_read_up_to_timestamp_seconds') ?? 0) * 1000
}

async function untilOrEnd(running: RunningCommand, condition: () => boolean): Promise<void> {
  let hasEnded = false
  void running.ended.then(() => (hasEnded = true))
  while (!condition()) {
    if (hasEnded) throw new Error(running.output.stderr)
    await sleep(2)
  }
}
