import assert from 'node:assert/strict'
import { rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { Check } from 'typebox/value'
import { failure } from '../../src/ui/shapes.ts'
import type { ApiLogLine, LiveEvents, PipelineDetail, PipelineRow, Series } from '../../src/ui/api.ts'
import { openWatched } from '../cli/commands/watched-pipeline.ts'
import { openProject } from '../support/cli-project.ts'
import { until } from '../support/until.ts'
import { describedBy } from './described.ts'
import { listen } from './live-events.ts'
import { startUi } from './ui-process.ts'
import type { UiProcess } from './ui-process.ts'

const COPY = 'source: { type: file, path: in.ndjson }\nsink: { type: file, path: out, key: "{pipeline}" }\n'

test('the overview has every pipeline with its state, its file and its records', async (t) => {
  const workspace = await openProject(t, {
    'in.ndjson': '{"id":1}\n{"id":2}\n{"id":\n',
    'pipelines/new.yaml': `description: never started\n${COPY}`,
    'pipelines/ran.yaml': COPY,
    'pipelines/wrong.yaml': COPY.replace('file', 'flie'),
    'pipelines/damaged.yaml': COPY,
  })
  await workspace.sluice(['run', 'ran'])
  await workspace.write('.sluice/damaged/state/data.mdb', 'x'.repeat(10_000))
  const ask = await open(await startUi(workspace))
  let rows: PipelineRow[] = []
  await until(async () => {
    ;({ pipelines: rows } = await ask<{ pipelines: PipelineRow[] }>('/pipelines'))
    return rows.every(({ errors }) => errors !== undefined)
  })
  assert.deepEqual(
    rows.map(({ name, state, errors }) => [name, state, errors]),
    [
      ['damaged', 'unreadable', 0],
      ['new', 'new', 0],
      ['ran', 'stopped', 0],
      ['wrong', 'new', 1],
    ],
  )
  const [damaged, fresh, ran] = rows
  assert.ok(damaged.trouble)
  assert.equal(fresh.description, 'never started')
  assert.deepEqual(ran.ledger, { read: 3, added: 0, written: 2, dropped: 0, duplicate: 0, rejected: 1 })
  assert.deepEqual([ran.rejects, ran.waiting], [1, { objects: 0, bytes: 0 }])
})

test('a pipeline has its problems, its drawing and its objects', async (t) => {
  const workspace = await openProject(t, {
    'in.ndjson': '{"id":1}\n',
    'pipelines/p.yaml': COPY,
    'pipelines/wrong.yaml': COPY.replace('path: in', 'paht: in'),
  })
  await workspace.sluice(['run', 'p'])
  const ask = await open(await startUi(workspace))
  const detail = await ask<PipelineDetail>('/pipelines/p')
  assert.deepEqual(detail.graph?.sinks.length, 1)
  assert.deepEqual([detail.epochs, detail.objects.length, detail.objects[0].records], [1, 1, 1])
  assert.ok(detail.objects[0].publishedAt !== undefined)
  const { problems, graph } = await ask<PipelineDetail>('/pipelines/wrong')
  assert.equal(graph, undefined)
  const checked = await workspace.sluice(['check', 'wrong', '--json'])
  assert.ok(problems.length > 0)
  for (const { line, column, message } of problems) {
    assert.ok(checked.stdout.includes(JSON.stringify(message)), message)
    assert.ok(line === 1 && column > 1)
  }
  // A file that is corrected is checked again.
  await writeFile(workspace.path('pipelines/wrong.yaml'), COPY)
  await until(async () => (await ask<PipelineDetail>('/pipelines/wrong')).problems.length === 0)
  await assert.rejects(ask('/pipelines/none'), /404 [^]*PIPELINE_NOT_FOUND/)
})

test('the last epochs come latest first, and charts have lateness and rejects by code', async (t) => {
  const { workspace, start, stop } = await openWatched(
    t,
    "  - { type: filter, where: 'record.id % 2 == 0' }\n  - { type: compute, members: [{ path: x, value: '[1, 2][record.id % 4]' }] }\n",
  )
  const ask = await open(await startUi(workspace))
  const run = await start()
  await until(async () => (await ask<PipelineDetail>('/pipelines/p')).lastEpochs.length >= 3)
  const charts = await ask<Series>('/pipelines/p/series')
  const [[code, counts], ...others] = Object.entries(charts.rejects)
  assert.deepEqual([code, others], ['EXPRESSION_FAILED', []])
  assert.deepEqual(counts, charts.rejected)
  assert.equal(charts.latenessSeconds.length, charts.at.length)
  await stop()
  await run.ended
  // An answer may be some hundred milliseconds old.
  await until(async () => (await ask<PipelineDetail>('/pipelines/p')).lastEpochs[0].waiting === 0)
  const detail = await ask<PipelineDetail>('/pipelines/p')
  const [last] = detail.lastEpochs
  assert.equal(last.epoch, detail.epochs)
  assert.ok(last.publishedAt !== undefined && last.bytes > 0)
  const numbers = detail.lastEpochs.map(({ epoch }) => epoch)
  assert.deepEqual(
    numbers,
    numbers.toSorted((one, other) => other - one),
  )
  const shown = detail.objects.filter(({ epoch }) => epoch === last.epoch)
  assert.deepEqual([last.objects, last.records], [shown.length, shown.reduce((sum, { records }) => sum + records, 0)])
})

test('source partitions are grouped by the tenants of the file, also those without a position', async (t) => {
  const workspace = await openProject(t, {
    'orgs.js': `import { defineSource } from 'sluice'
async function* read() {
  yield { bytes: Buffer.from('{"id":1}\\n'), partition: 'acme', position: 1 }
}
export default defineSource({
  summary: 'Two tenants.', repeats: false, fields: {}, examples: [],
  tenants: () => ['acme', 'beta'], create: () => ({ read }),
})
`,
    'pipelines/p.yaml': 'source: { type: ../orgs.js }\nsink: { type: file, path: out }\n',
  })
  await workspace.sluice(['run', 'p'])
  const ask = await open(await startUi(workspace))
  const { partitions } = await ask<PipelineDetail>('/pipelines/p')
  assert.deepEqual(partitions, [
    { partition: '../orgs.js:acme', tenant: 'acme', isCommitted: true },
    { partition: '../orgs.js:beta', tenant: 'beta', isCommitted: false },
  ])
  await workspace.write('orgs.js', 'export default 1')
  await workspace.write('pipelines/p.yaml', COPY)
  await until(async () => (await ask<PipelineDetail>('/pipelines/p')).partitions.length === 1)
  const [other] = (await ask<PipelineDetail>('/pipelines/p')).partitions
  assert.deepEqual(other, { partition: '../orgs.js:acme', isCommitted: true })
})

test('a run of another process appears, is followed, and ends', async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const ui = await startUi(workspace)
  const ask = await open(ui)
  const live = await listen(t, ui, 'p')
  assert.deepEqual((await ask<{ pipelines: PipelineRow[] }>('/pipelines')).pipelines[0]?.state, 'new')
  const run = await start()
  const statuses = (): LiveEvents['status'][] => live.of('status')
  await until(() => statuses().some(({ snapshot }) => snapshot.windowSeconds > 0 && snapshot.read.recordsPerSecond > 0))
  const { snapshot } = statuses()[statuses().length - 1]
  assert.equal(snapshot.pid, run.pid)
  await until(() => live.of('overview').some(({ pipelines }) => (pipelines[0]?.sparkline.at(-1) ?? 0) > 0))
  await until(async () => (await ask<Series>('/pipelines/p/series')).at.length >= 2)
  await stop()
  assert.equal((await run.ended).code, 0)
  await until(() => live.of('ended').length > 0)
  const detail = await ask<PipelineDetail>('/pipelines/p')
  assert.deepEqual([detail.lastRun?.snapshot.run, detail.lastRun?.snapshot.outcome], [snapshot.run, 'done'])
  await until(() => live.of('overview').at(-1)?.pipelines[0]?.state === 'stopped')
})

test('viewers get the log of a run of another process, and its last lines stay after its end', async (t) => {
  const { workspace, start, stop } = await openWatched(t, "  - { type: ../says.js, secret: '${env:PASSWORD}' }\n")
  await workspace.write(
    'says.js',
    `import { defineTransform, Secret } from 'sluice'
export default defineTransform({
  summary: 'Says its secret.', fields: { secret: Secret({ description: 'A secret.' }) }, examples: [],
  create: ({ secret }, { note }) => {
    note('it is ' + secret, { of: 'x' })
    return (record) => record
  },
})
`,
  )
  await workspace.write('.env', 'PASSWORD=correct-horse-battery\n')
  const ui = await startUi(workspace)
  const ask = await open(ui)
  const [one, other] = [await listen(t, ui, 'p'), await listen(t, ui, 'p')]
  const run = await start()
  const linesOf = (live: typeof one): ApiLogLine[] => live.of('log').flatMap(({ lines }) => lines)
  await until(() => [one, other].every((live) => linesOf(live).some(({ code }) => code === 'object.published')))
  const said = linesOf(one).find(({ code }) => code === 'component.note')
  assert.ok(said)
  assert.match(said.message, /^it is \S+$/)
  assert.ok(!JSON.stringify(linesOf(one)).includes('correct-horse'))
  assert.deepEqual([said.level, said.stage, said.facts], ['info', 'says', { of: 'x' }])
  await stop()
  assert.equal((await run.ended).code, 0)
  await until(() => linesOf(one).some(({ code }) => code === 'run.ended'))
  const { lines } = await ask<{ lines: ApiLogLine[] }>('/pipelines/p/log')
  assert.deepEqual(
    lines.map(({ number }) => number),
    lines.map((_line, at) => at + 1),
  )
  assert.deepEqual(lines, linesOf(one))
  const late = await listen(t, ui, 'p')
  await until(() => linesOf(late).length > 0)
  assert.deepEqual(linesOf(late), lines)
})

test('a folder of states that cannot be read is an error of the API and of live viewers, until it can', async (t) => {
  const workspace = await openProject(t, { 'pipelines/p.yaml': COPY, states: 'a file' })
  const ui = await startUi(workspace, ['--state', 'states'])
  const cookie = await ui.enter()
  for (const path of ['/pipelines', '/pipelines/p']) {
    const { status, text } = await ui.ask({ path: `/api/v1${path}`, headers: { cookie } })
    assert.equal(status, 500)
    const answer: unknown = JSON.parse(text)
    assert.ok(Check(failure, answer))
    assert.equal(answer.error.code, 'FILE_NOT_FOUND')
    assert.match(`${answer.error.message}; ${answer.error.hint}`, /states is no folder[^]*; [^]*--state/)
  }
  const live = await listen(t, ui, 'p')
  await until(() => live.of('failed').length === 1)
  const described = await describedBy(ui)
  for (const event of live.all()) described.assertShape('LiveEvent', event)
  assert.equal(live.of('failed')[0]?.error.code, 'FILE_NOT_FOUND')
  await rm(workspace.path('states'))
  await until(() => live.of('overview').at(-1)?.pipelines[0]?.state === 'new')
  await workspace.sluice(['run', 'p', '--state', 'states'])
  await until(() => live.of('overview').at(-1)?.pipelines[0]?.state === 'stopped')
})

type Ask = <Answer>(path: string) => Promise<Answer>

async function open(ui: UiProcess): Promise<Ask> {
  const cookie = await ui.enter()
  return async (path) => {
    const { status, text } = await ui.ask({ path: `/api/v1${path}`, headers: { cookie } })
    if (status !== 200) throw new Error(`${status} ${text}`)
    return JSON.parse(text)
  }
}
