import assert from 'node:assert/strict'
import { readdir, readFile, rename } from 'node:fs/promises'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { isObject } from '../../src/record/json/json.ts'
import type { Json } from '../../src/record/json/json.ts'
import type { PipelineDetail, StatusSnapshot } from '../../src/ui/api.ts'
import { openDivided, openWatched } from '../cli/commands/watched-pipeline.ts'
import { openProject } from '../support/cli-project.ts'
import type { RunningCommand, Workspace } from '../support/command.ts'
import { openMainJob } from '../support/main-job.ts'
import { firstColumn } from '../support/markdown.ts'
import { until } from '../support/until.ts'
import { describedBy } from './described.ts'
import type { Described } from './described.ts'
import { listen } from './live-events.ts'
import { openRejecting } from './rejecting-project.ts'
import { askJson, startUi } from './ui-process.ts'
import type { UiProcess } from './ui-process.ts'

test('every answer of the API is what its OpenAPI document says', async (t) => {
  const workspace = await openRejecting(t)
  const text = await readFile(workspace.path('pipelines/p.yaml'), 'utf8')
  const wrong = text.replace('key: [id]', 'kye: [id]')
  const tests = `${text}tests:\n  - { name: wrong, input: [{ id: 1 }], expect: { output: [] } }\n`
  await workspace.write('pipelines/wrong.yaml', wrong)
  const ui = await startUi(workspace, ['--edit'])
  const described = await describedBy(ui)
  const asked = new Set<string>()
  const ask = asking(ui, described, asked)
  await ask('get /project')
  await ask('get /pipelines')
  await ask('get /components')
  for (const name of ['p', 'wrong']) {
    await ask('get /pipelines/{name}', { name })
    await ask('get /pipelines/{name}/series', { name })
    await ask('get /pipelines/{name}/log', { name })
    await ask('get /pipelines/{name}/file', { name })
    await ask('post /pipelines/{name}/check', { name, body: {} })
  }
  const { rejects } = await ask<{ rejects: { id: string }[] }>('get /pipelines/{name}/rejects')
  for (const { id } of rejects) await ask('get /pipelines/{name}/rejects/{id}', { id })
  const ids = rejects.map(({ id }) => id)
  const [id = ''] = ids
  await ask('post /pipelines/{name}/rejects/try', {
    body: { ids, corrections: [{ id, record: '{"id":99,"name":"corrected"}' }] },
  })
  await ask('post /pipelines/{name}/rejects/replay', { body: { corrections: [{ id, record: '{"id":99}' }] } })
  const pasted = '{"id":1,"name":"a"}\n{"id":1,"name":"a"}\n{"id":2}\n{"id":3,"name":"unwanted"}\n{\n'
  const { sample } = await ask<{ sample: string }>('post /pipelines/{name}/samples', { body: { pasted } })
  for (const tried of [text, wrong])
    await ask('post /pipelines/{name}/try', { body: { text: tried, sample, from: 0, count: 50 } })
  await ask('post /pipelines/{name}/tests', { body: { text: tests } })
  await ask('post /pipelines/{name}/add-test', { body: { text, sample, records: [0], name: 'new' } })
  await ask('post /pipelines/{name}/add-component', { body: { text, kind: 'transform', type: 'remove' } })
  for (const path of ['complete', 'describe'])
    await ask(`post /pipelines/{name}/${path}`, { body: { text, offset: text.indexOf('validate') } })
  const { version } = await ask<{ version: string }>('get /pipelines/{name}/file')
  await ask('put /pipelines/{name}/file', { body: { text: tests, version } })
  await ask('put /pipelines/{name}/file', { body: { text, version }, status: 409 })
  await ask('get /pipelines/{name}', { name: 'none', status: 404 })
  await ask('get /pipelines/{name}/rejects/{id}', { id: '99-0', status: 404 })
  const all = Object.entries(described.document.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  assert.deepEqual([...asked, 'get /live'].toSorted(), all.toSorted())
})

test('every event, and every status of `top`, is what the OpenAPI document says', async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: ../endless.js }
transforms:
  - { type: filter, where: 'record.id % 2 == 0' }
  - { type: compute, members: [{ path: x, value: '[1, 2][record.id % 4]' }, { path: group, value: 'record.id / 8' }] }
  - { type: dedup, key: group }
sinks:
  even: { type: file, path: even, roll: { maxAge: 1s } }
  odd: { type: file, path: odd, roll: { maxAge: 1s } }
routes:
  - { where: 'record.group % 2 == 0', to: [even] }
default: odd
rejects: { type: file, path: bad }
`,
  )
  const ui = await startUi(workspace)
  const described = await describedBy(ui)
  const ask = asking(ui, described)
  const live = await listen(t, ui, 'p')
  const run = await start()
  const status = () => live.of('status').at(-1)?.snapshot
  await until(() => hasAll(status()), run)
  const { stdout } = await workspace.sluice(['top', '--json', '--once'])
  described.assertShape('StatusSnapshot', JSON.parse(stdout))
  for (const path of ['/pipelines', '/pipelines/{name}', '/pipelines/{name}/series', '/pipelines/{name}/log'])
    await ask(`get ${path}`)
  await stop()
  assert.equal((await run.ended).code, 0)
  await until(() => live.of('ended').length > 0)
  const { lastRun } = await ask<{ lastRun?: object }>('get /pipelines/{name}')
  assert.ok(lastRun)
  for (const event of live.all()) described.assertShape('LiveEvent', event)
  assert.deepEqual(new Set(live.all().map(({ event }) => event)), new Set(['overview', 'log', 'status', 'ended']))
})

test('members of the status that only a newer version has are sent too', async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const run = await start()
  await makeNewer(t, workspace.path('.sluice/p'))
  const ui = await startUi(workspace)
  const live = await listen(t, ui, 'p')
  await until(() => live.of('status').length > 0, run)
  assert.ok('newer' in live.of('status')[0].snapshot)
  await stop()
  await until(() => live.of('ended').length > 0)
  const { lastRun } = await askJson<PipelineDetail>(ui, '/pipelines/p')
  assert.ok(lastRun && 'newer' in lastRun.snapshot)
})

test('the status of a source of event times, and of a parallel backfill, is what the OpenAPI document says', async (t) => {
  const described = await describedBy(await startUi(await openProject(t, {})))
  const top = async (workspace: Workspace, pipeline: string, run: RunningCommand, isWanted: Wanted): Promise<void> => {
    await until(async () => {
      const { code, stdout } = await workspace.sluice(['top', pipeline, '--json', '--once'])
      if (code !== 0) return false
      const snapshot: StatusSnapshot = JSON.parse(stdout)
      described.assertShape('StatusSnapshot', snapshot)
      return isWanted(snapshot)
    }, run)
  }
  const { workspace, env } = await openMainJob(t, { events: 500 })
  // Its committed positions are known at the start of the next run.
  await workspace.report(['run', 'jumpcloud'], { env })
  const follows = workspace.start(['run', 'jumpcloud', '--follow'], { env })
  await top(
    workspace,
    'jumpcloud',
    follows,
    ({ freshness, read }) => freshness.behind.length > 0 && read.fromAt !== undefined,
  )
  const { workspace: divided, start } = await openDivided(t)
  await top(divided, 'p', start(), ({ shards }) => shards !== undefined && shards.executing > 0)
})

test('every route has shapes for its answers, with members that are described and may be added to', async (t) => {
  const { document } = await describedBy(await startUi(await openProject(t, {})))
  for (const [path, methods] of Object.entries(document.paths))
    for (const [method, { responses }] of Object.entries(methods)) {
      assert.deepEqual(Object.keys(responses), ['200', '4XX', '5XX'], `${method} ${path}`)
      for (const [status, { content }] of Object.entries(responses))
        for (const media of Object.values(content)) assertShaped(media['schema'], `${method} ${path} ${status}`)
    }
  for (const [name, schema] of Object.entries(document.components.schemas)) assertShaped(schema, name)
  assert.ok(!JSON.stringify(document).includes('"additionalProperties":false'))
})

test('docs/ui.md has every path', async (t) => {
  const { document } = await describedBy(await startUi(await openProject(t, {})))
  assert.equal(document.openapi, '3.1.0')
  const page = await readFile('docs/ui.md', 'utf8')
  const documented = [...page.matchAll(/^\| `\/api\/v1(\/[^`?]*)/gm)].map(([, path = '']) =>
    path.replace('NAME', '{name}').replace('ID', '{id}'),
  )
  assert.deepEqual(Object.keys(document.paths).toSorted(), documented.toSorted())
})

test('docs/watch-a-run.md has every member of the status', async (t) => {
  const { document } = await describedBy(await startUi(await openProject(t, {})))
  const { properties } = document.components.schemas['StatusSnapshot']
  const written = firstColumn(await readFile('docs/watch-a-run.md', 'utf8'), 'The status as JSON')
  const members = written.map((name) => name.replace('[]', ''))
  assert.deepEqual(members.toSorted(), Object.keys(properties ?? {}).toSorted())
})

/** Fails if something in a schema may be anything. */
function assertShaped(schema: Json | undefined, where: string): void {
  assert.ok(isObject(schema), where)
  const { type, properties, items, anyOf, additionalProperties } = schema
  if (isObject(properties))
    for (const [name, member] of Object.entries(properties)) assertShaped(member, `${where} ${name}`)
  else if (Array.isArray(anyOf)) for (const one of anyOf) assertShaped(one, where)
  else if (type === 'array') assertShaped(items, `${where} []`)
  else if (type === 'object') assertShaped(additionalProperties, `${where} {}`)
  else assert.ok(schema['$ref'] ?? schema['enum'] ?? type, where)
}

interface Asked {
  /** Of a pipeline. Default: `p`. */
  readonly name?: string
  /** Of a reject. */
  readonly id?: string
  readonly body?: unknown
  /** HTTP status. Default: 200. */
  readonly status?: number
}

/** Asks the API, and looks whether the answer is what the document says. @param asked gets each route, as it is given */
function asking(ui: UiProcess, described: Described, asked = new Set<string>()) {
  return async <Answer>(route: string, { name = 'p', id = '', body, status = 200 }: Asked = {}): Promise<Answer> => {
    const [method = '', path = ''] = route.split(' ')
    const answer = await ui.ask({
      method: method.toUpperCase(),
      path: `/api/v1${path.replace('{name}', name).replace('{id}', id)}`,
      headers: { cookie: await ui.enter() },
      body,
    })
    assert.equal(answer.status, status, `${route}: ${answer.text}`)
    const value: Answer = JSON.parse(answer.text)
    described.assertAnswer({ method, path, status, value })
    asked.add(route)
    return value
  }
}

/** A run that has done all that its pipeline can do. */
function hasAll(snapshot: StatusSnapshot | undefined): boolean {
  if (snapshot === undefined) return false
  const { windowSeconds, ledger, sinks, dedup, objects, bottleneck } = snapshot
  const { duplicate, rejected, dropped } = ledger
  return (
    windowSeconds > 0 &&
    Math.min(duplicate, rejected, dropped) > 0 &&
    sinks.every(({ published }) => published.objects > 0) &&
    objects.length > 0 &&
    dedup !== undefined &&
    bottleneck !== undefined
  )
}

/** Adds a member to each status that a run sends. @param folder of its state */
async function makeNewer(t: TestContext, folder: string): Promise<void> {
  const socket = (await readdir(folder)).find((name) => name.endsWith('.sock')) ?? ''
  const old = join(folder, 'old.sock')
  await rename(join(folder, socket), old)
  const server = createServer((client) => {
    const run = connect(old)
    for (const one of [client, run]) one.on('error', () => one.destroy())
    client.pipe(run)
    createInterface(run)
      .on('line', (line) => client.write(`${line.replace('"pipeline":', '"newer":{"member":1},"pipeline":')}\n`))
      .on('close', () => client.end())
  })
  t.after(() => server.close())
  await new Promise<void>((resolve) => server.listen(join(folder, socket), resolve))
}

type Wanted = (snapshot: StatusSnapshot) => boolean
