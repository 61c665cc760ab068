import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createServer } from 'node:http'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { METRICS } from '../../src/observe/metrics/table.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import { startBucketServer } from '../support/bucket-server.ts'
import { openWorkspace, s3Environment } from '../support/command.ts'
import { listen } from '../support/listen.ts'
import { startRelay } from '../support/relay.ts'
import { metricsUrl, samplesIn, scrape, until, valueOf, valuesBy } from '../support/scrape.ts'

/** Many codes, and one line of another kind. */
const REJECTING = `export default (record) => (record.get('id') < 150 ? record.reject('CODE_' + record.get('id')) : record)
`

const FILES = `source: { type: file, path: in }
transforms:
  - { type: dedup, key: id }
  - { type: ../reject.js }
sink: { type: file, path: out, key: all, roll: { maxAge: 1s } }
`

async function openFiles(t: TestContext) {
  const workspace = await openWorkspace(t)
  await workspace.write('reject.js', REJECTING)
  await workspace.write('pipelines/p.yaml', FILES)
  for (const [at, name] of ['a', 'b', 'c'].entries()) {
    const lines = Array.from({ length: 100 }, (_, id) => `{"id":${at * 100 + id}}\n`)
    await workspace.write(`in/${name}.ndjson`, lines.join(''))
  }
  return workspace
}

test('what a run exposes is what the table declares, is valid, and has bounded labels', async (t) => {
  const workspace = await openFiles(t)
  const running = workspace.start(['run', 'p', '--follow', '--metrics', '0', '--metrics-partitions', '2'])
  const url = await metricsUrl(running)
  const ready = async () => (await fetch(`${url}/readyz`)).status
  await until(
    () => scrape(url),
    (samples) => valueOf(samples, 'sluice_records_read_total') === 300,
  )
  assert.equal(await ready(), 200)
  const response = await fetch(`${url}/metrics`)
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  const text = await response.text()
  const samples = samplesIn(text)

  const declared = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [name, type])
  const own = declared.filter(([name]) => !/^sluice_(nodejs|process)_/.test(name))
  assert.deepEqual(
    Object.fromEntries(own),
    Object.fromEntries(Object.entries(METRICS).map(([name, { type }]) => [name, type])),
  )
  assert.ok(declared.some(([name]) => name === 'sluice_nodejs_eventloop_lag_seconds'))
  assert.ok(declared.some(([name]) => name === 'sluice_process_resident_memory_bytes'))
  const labels = new Map<string, ReadonlySet<string>>(
    Object.entries(METRICS).map(([name, declaration]) => [
      name,
      new Set(['isOfProcess' in declaration ? 'node' : 'pipeline', 'le', ...declaration.labels]),
    ]),
  )
  for (const { name, labels: used } of samples) {
    const known = labels.get(name) ?? labels.get(name.replace(/_(bucket|sum|count)$/, ''))
    if (known) for (const label of Object.keys(used)) assert.ok(known.has(label), `${name}: ${label}`)
  }

  const partitions = valuesBy(samples, 'sluice_source_records_total', 'partition')
  assert.deepEqual(Object.values(partitions), [100, 100, 100])
  assert.equal(Object.keys(partitions).at(-1), 'other')
  const codes = valuesBy(samples, 'sluice_records_rejected_total', 'code')
  assert.deepEqual([Object.keys(codes).length, codes['other']], [101, 50])
  assert.equal(valueOf(samples, 'sluice_stage_records_rejected_total', { stage: 'reject' }), 150)
  assert.equal(valueOf(samples, 'sluice_run_active'), 1)
  assert.equal(valueOf(samples, 'sluice_dedup_keys'), 300)
  if (existsSync(PROMTOOL)) assert.equal(await promtool(text), '')

  // A connection that stays open does not keep the process.
  running.kill('SIGTERM')
  assert.equal((await running.ended).code, 130)
})

const PROMTOOL = '/usr/bin/promtool'

/** What it has to say against the text. */
function promtool(text: string): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(PROMTOOL, ['check', 'metrics'], (error, stdout, stderr) =>
      resolve(error ? `${error.message}\n${stdout}${stderr}` : `${stdout}${stderr}`),
    )
    child.stdin?.end(text)
  })
}

test('an address that other machines reach needs a token, or to be open', async (t) => {
  const workspace = await openFiles(t)
  const refused = async (args: readonly string[], message: RegExp, env = {}) => {
    const { code, stderr } = await workspace.sluice(['run', 'p', ...args], { env })
    assert.equal(code, 2, stderr)
    assert.match(stderr, message)
  }
  const port = await takenPort(t)
  await refused(
    ['--metrics', '0.0.0.0:0'],
    /--metrics 0\.0\.0\.0:0: other machines can reach this address.*\n.*SLUICE_METRICS_TOKEN/,
  )
  await refused(['--metrics', '0.0.0.0:0'], /SLUICE_METRICS_TOKEN: the token is not one of at least 16/, {
    SLUICE_METRICS_TOKEN: 'short',
  })
  await refused(['--metrics', `127.0.0.1:${port}`], new RegExp(`--metrics 127\\.0\\.0\\.1:${port}: the port is in use`))
  await refused(['--metrics', ':9464'], /--metrics :9464 is not an address/)
  await refused(['--max-lag', '15m'], /--max-lag is about metrics and health, which are not served/)
  await refused(['--metrics', '0', '--max-lag', 'soon'], /--max-lag soon is not a duration/)
  await refused(['--metrics', '0', '--metrics-token-file', 'none'], /--metrics-token-file none: ENOENT/)

  const token = 'canary-canary-canary'
  await workspace.write('token', `${token}\n`)
  const running = workspace.start(['run', 'p', '--follow', '--metrics', '0.0.0.0:0', '--metrics-token-file', 'token'])
  const url = (await metricsUrl(running)).replace('0.0.0.0', '127.0.0.1')
  const ask = async (path: string, options: RequestInit = {}) => {
    const response = await fetch(`${url}${path}`, options)
    return { status: response.status, text: await response.text() }
  }
  assert.equal((await ask('/metrics')).status, 401)
  assert.equal((await ask('/metrics', bearer(`${token}x`))).status, 401)
  assert.equal((await ask('/metrics', bearer(token))).status, 200)
  assert.deepEqual(await ask('/healthz'), { status: 200, text: 'ok\n' })
  await until(
    () => ask('/readyz'),
    ({ status }) => status === 200,
  )
  assert.deepEqual(JSON.parse((await ask('/readyz')).text), { ready: true })
  assert.match((await ask('/readyz', bearer(token))).text, /"pipelines"/)
  assert.deepEqual(await ask('/healthz', { method: 'HEAD' }), { status: 200, text: '' })
  assert.equal((await ask('/healthz', { method: 'POST', body: 'x' })).status, 405)
  assert.equal((await ask('/')).status, 404)
  assert.doesNotMatch(running.output.stderr, new RegExp(token))
  running.kill('SIGTERM')
  await running.ended
})

function bearer(text: string): RequestInit {
  return { headers: { authorization: `Bearer ${text}` } }
}

async function takenPort(t: TestContext): Promise<number> {
  const server = createServer()
  t.after(() => server.close())
  return listen(server)
}

/** In milliseconds. */
const LIMIT = 5000

test('/readyz turns within five seconds when S3 or the API goes away or comes back, and when it lags', async (t) => {
  const api = await startJumpCloudServer({ events: 50 })
  t.after(() => api.close())
  const s3 = await startBucketServer(t, 'audit')
  const toApi = await startRelay(t, api.url)
  const toStore = await startRelay(t, s3.endpoint)
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${api.url.replace(new URL(api.url).origin, toApi.origin)}
  retry: { maxDelay: 10m }
  window: { since: 2d, step: 10d, lag: 0s }
  poll: 1m
transforms: [{ type: dedup, key: id }]
sink: { type: s3, bucket: audit, endpoint: '${toStore.origin}', region: ${s3.region}, forcePathStyle: true, key: all, roll: { maxAge: 1s } }
`,
  )
  const env = { ...s3Environment(s3), KEY: api.apiKey }
  const running = workspace.start(['run', 'p', '--follow', '--metrics', '0', '--max-lag', '10s'], { env })
  const url = await metricsUrl(running)
  const ask = async () => {
    const response = await fetch(`${url}/readyz`)
    const { pipelines }: { pipelines: { p?: { reasons: string[] } } } = JSON.parse(await response.text())
    return { status: response.status, reasons: pipelines.p?.reasons ?? [] }
  }
  const says = (what: RegExp) => (answer: Awaited<ReturnType<typeof ask>>) =>
    answer.status === 503 && answer.reasons.some((reason) => what.test(reason))
  const without = (what: RegExp) => (answer: Awaited<ReturnType<typeof ask>>) =>
    !answer.reasons.some((reason) => what.test(reason))
  await until(ask, ({ status }) => status === 200)
  // Neither sends a request of its own: the source waits a minute, and nothing is to be published.
  await toStore.cut()
  await until(ask, says(/^the sink sink is away: .* at http/), LIMIT)
  await toStore.restore()
  await until(ask, without(/^the sink/), LIMIT)
  await toApi.cut()
  await until(ask, says(/^the source is away: .* at http/), LIMIT)
  await toApi.restore()
  await until(ask, without(/^the source/), LIMIT)
  await until(ask, says(/^jumpcloud: is .* behind, more than 10 s$/), 10_000 + LIMIT)
  const samples = await scrape(url)
  assert.ok((valueOf(samples, 'sluice_freshness_seconds') ?? 0) > 10)
  running.kill('SIGTERM')
  assert.equal((await running.ended).code, 130)
})

test('/readyz knows an API that answers with 503, and finds it back by a request without credentials', async (t) => {
  const api = await startJumpCloudServer({ frozen: true, events: 50 })
  t.after(() => api.close())
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${api.url}
  retry: { maxDelay: 10m }
  window: { since: 2d, step: 10d, lag: 0s }
  poll: 500ms
transforms: [{ type: dedup, key: id }]
sink: { type: file, path: out, key: all, roll: { maxAge: 1s } }
`,
  )
  const running = workspace.start(['run', 'p', '--follow', '--metrics', '0'], { env: { KEY: api.apiKey } })
  const url = await metricsUrl(running)
  const ask = async () => {
    const response = await fetch(`${url}/readyz`)
    return { status: response.status, text: await response.text() }
  }
  await until(ask, ({ status }) => status === 200)
  const seen = api.requests.length
  api.faults.add({ fault: { kind: 'status', status: 503 }, times: Infinity })
  await until(ask, ({ text }) => text.includes('the source is away: status 503'))
  api.faults.clear()
  await until(ask, ({ status }) => status === 200, LIMIT)
  const samples = await scrape(url)
  assert.ok((valuesBy(samples, 'sluice_source_requests_total', 'status')['503'] ?? 0) > 0)
  assert.ok((valueOf(samples, 'sluice_source_retries_total', { code: 'SOURCE_UNAVAILABLE' }) ?? 0) > 0)
  assert.ok(api.requests.length > seen)
  running.kill('SIGTERM')
  await running.ended
})

test('a divided backfill has the records, stages and sinks of its workers', async (t) => {
  const workspace = await openFiles(t)
  const s3 = await startBucketServer(t, 'audit')
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: none }
transforms: [{ type: dedup, key: id }, { type: filter, keep: { id: 7 } }]
sink: { type: s3, bucket: audit, endpoint: '${s3.endpoint}', region: ${s3.region}, forcePathStyle: true, key: all, roll: { maxAge: 1s } }
`,
  )
  const release = s3.faults.hold('PutObject')
  const args = ['backfill', 'p', 'in', '--workers', '2', '--shard-size', '1KiB', '--metrics', '0']
  const running = workspace.start(args, { env: s3Environment(s3) })
  const url = await metricsUrl(running)
  const samples = await until(
    () => scrape(url),
    (all) => valueOf(all, 'sluice_records_read_total') === 300,
  )
  assert.equal(valueOf(samples, 'sluice_records_written_total'), 1)
  assert.equal(valueOf(samples, 'sluice_source_records_total'), 300)
  assert.equal(valueOf(samples, 'sluice_stage_records_in_total', { stage: 'dedup' }), 300)
  assert.equal(valueOf(samples, 'sluice_stage_records_dropped_total', { stage: 'filter' }), 299)
  assert.equal(valueOf(samples, 'sluice_stage_records_out_total', { stage: 'delivery' }), 1)
  assert.ok((valueOf(samples, 'sluice_stage_seconds_total', { stage: 'source' }) ?? 0) > 0)
  assert.equal(valueOf(samples, 'sluice_outbox_objects'), 1)
  release()
  assert.equal((await running.ended).code, 0)
})
