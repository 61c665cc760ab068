import assert from 'node:assert/strict'
import { channel } from 'node:diagnostics_channel'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { context, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { openPipeline } from '../../../src/index.ts'
import { openTraces } from '../../../src/observe/traces/open-traces.ts'
import { HOUR } from '../../../src/time.ts'
import { startJumpCloudServer } from '../../servers/jumpcloud.ts'
import type { JumpCloudServer } from '../../servers/jumpcloud.ts'
import { startBucketServer } from '../../support/bucket-server.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import { leaksIn } from '../../support/leaks.ts'

interface WrittenSpan {
  readonly name: string
  readonly id: string
  readonly parent: string | undefined
  readonly status: number
  readonly attributes: { readonly [name: string]: unknown }
  readonly events: readonly { readonly name: string; readonly attributes: { readonly [name: string]: unknown } }[]
}

/** Registers an SDK, as a project does. It keeps its spans until it is flushed, and then writes them to a file. */
function tracing(file: string): string {
  const api = JSON.stringify(import.meta.resolve('@opentelemetry/api'))
  const sdk = JSON.stringify(import.meta.resolve('@opentelemetry/sdk-trace-base'))
  return `import { appendFileSync } from 'node:fs'
import { trace } from ${api}
import { BasicTracerProvider, BatchSpanProcessor } from ${sdk}
const exporter = {
  export(spans, done) {
    for (const span of spans) {
      const { name, attributes, events, status, parentSpanContext } = span
      const line = { name, id: span.spanContext().spanId, parent: parentSpanContext?.spanId, status: status.code, attributes, events }
      appendFileSync(${JSON.stringify(file)}, JSON.stringify(line) + '\\n')
    }
    done({ code: 0 })
  },
  shutdown: async () => {},
}
trace.setGlobalTracerProvider(
  new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 600_000 })] }),
)
`
}

async function openTraced(t: TestContext, api: JumpCloudServer) {
  const s3 = await startBucketServer(t, 'audit')
  const workspace = await openWorkspace(t)
  const file = workspace.path('spans.ndjson')
  await workspace.write('tracing.mjs', tracing(file))
  await workspace.write(
    'pipelines/p.yaml',
    `source:
  type: jumpcloud
  apiKey: \${env:KEY}
  baseUrl: ${api.url}
  organizations: [${api.organizations.map(({ id }) => `'${id}'`).join(', ')}]
  limit: 100
  window: { since: 4h, step: 1h }
  rate: { perSecond: 1000 }
  retry: { maxDelay: 10ms }
  poll: 1s
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 2d }
sink: { type: s3, bucket: audit, key: 'events', forcePathStyle: true, roll: { maxRecords: 150 } }
`,
  )
  const env = { ...s3Environment(s3), KEY: api.apiKey }
  return {
    start: (...args: readonly string[]) =>
      workspace.start(['run', 'p', ...args], { env, node: ['--import', './tracing.mjs'] }),
    spans: async (): Promise<readonly WrittenSpan[]> => {
      const text = await readFile(file, 'utf8')
      assert.deepEqual(leaksIn(text, { key: api.apiKey, secret: s3.secretAccessKey }), [])
      return text
        .trim()
        .split('\n')
        .map((line): WrittenSpan => JSON.parse(line))
    },
  }
}

const serve = async (t: TestContext) => {
  const now = Date.now()
  const api = await startJumpCloudServer({
    organizations: 2,
    events: 300,
    start: now - 3 * HOUR,
    end: now - HOUR / 2,
    now,
  })
  t.after(() => api.close())
  return api
}

test('without an SDK nothing is loaded and nobody subscribes', async () => {
  await openTraces()
  assert.equal(channel('sluice:run:start').hasSubscribers, false)
})

test('a run of two tenants becomes a tree of spans, with the retry at its window', async (t) => {
  const api = await serve(t)
  api.faults.add({ fault: { kind: 'status', status: 503 }, after: 2 })
  const { start, spans } = await openTraced(t, api)
  const { code, stderr } = await start().ended
  assert.equal(code, 0, stderr)

  const all = await spans()
  const named = (name: string): WrittenSpan[] => all.filter((span) => span.name === name)
  const [run, ...others] = named('run p')
  assert.ok(run !== undefined && others.length === 0)
  assert.deepEqual([run.parent, run.status, run.attributes['sluice.outcome']], [undefined, 0, 'done'])
  assert.equal(run.attributes['sluice.written'], 600)
  const parents = (name: string): ReadonlySet<unknown> => new Set(named(name).map(({ parent }) => parent))
  assert.deepEqual(parents('window'), new Set([run.id]))
  assert.deepEqual(parents('epoch'), new Set([run.id]))
  const idsOf = (name: string) => new Set(named(name).map(({ id }) => id))
  for (const parent of parents('page')) assert.ok(idsOf('window').has(String(parent)), 'each page is of a window')
  for (const parent of parents('publish')) assert.ok([...idsOf('epoch')].includes(String(parent)))

  const windowOf = new Map(named('window').map((span) => [span.id, span]))
  for (const { parent = '', attributes } of named('page')) {
    assert.equal(windowOf.get(parent)?.attributes['sluice.partition'], attributes['sluice.partition'])
    assert.deepEqual([attributes['http.request.method'], attributes['http.response.status_code']], ['POST', 200])
    assert.equal(`http://127.0.0.1:${String(attributes['server.port'])}`, new URL(api.url).origin)
  }
  const sum = (name: string, member: string): number =>
    named(name).reduce((total, { attributes }) => total + Number(attributes[member] ?? 0), 0)
  assert.equal(sum('epoch', 'sluice.written'), 600)
  assert.equal(sum('publish', 'sluice.records'), 600)
  assert.equal(sum('page', 'sluice.records'), run.attributes['sluice.read'])
  const retries = named('window').flatMap(({ events }) => events)
  assert.deepEqual(
    retries.map(({ name, attributes }) => [
      name,
      attributes['http.response.status_code'],
      attributes['sluice.attempt'],
    ]),
    [['retry', 503, 1]],
  )
})

test('a run that fails says why, and one that is stopped sends its spans', async (t) => {
  const api = await serve(t)
  const { start, spans } = await openTraced(t, api)
  const following = start('--follow')
  while (!following.output.stderr.includes('object')) await new Promise((resolve) => setTimeout(resolve, 20))
  following.kill('SIGTERM')
  assert.equal((await following.ended).code, 130)
  api.rotate()
  assert.equal((await start().ended).code, 3)
  const runs = (await spans()).filter(({ name }) => name === 'run p')
  assert.deepEqual(
    runs.map(({ status, attributes }) => [status, attributes['sluice.outcome'], attributes['error.type']]),
    [
      [0, 'interrupted', undefined],
      [2, 'failed', 'SOURCE_REFUSED'],
    ],
  )
})

test('in a program a run belongs to the span that it is begun in', async (t) => {
  const exporter = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }))
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  t.after(() => {
    trace.disable()
    context.disable()
  })
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '{"id":1}\n{"id":2}\n')
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: ${workspace.path('in.ndjson')} }\nsink: { type: file, path: ../out, key: all }\nallowRepeats: true\n`,
  )
  const nightly = trace.getTracer('program').startSpan('nightly')
  await context.with(trace.setSpan(context.active(), nightly), async () => {
    const pipeline = await openPipeline(workspace.path('pipelines/p.yaml'), { state: workspace.path('state') })
    await pipeline.run()
  })
  nightly.end()
  const byName = new Map(exporter.getFinishedSpans().map((span) => [span.name, span]))
  assert.deepEqual([...byName.keys()].toSorted(), ['epoch', 'nightly', 'publish', 'run p'])
  assert.equal(byName.get('run p')?.parentSpanContext?.spanId, nightly.spanContext().spanId)
  assert.equal(byName.get('publish')?.parentSpanContext?.spanId, byName.get('epoch')?.spanContext().spanId)
})
