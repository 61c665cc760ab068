import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openWatched } from '../cli/commands/watched-pipeline.ts'
import { openProject } from '../support/cli-project.ts'
import { startBucketServer } from '../support/bucket-server.ts'
import { until } from '../support/until.ts'
import { readPage } from '../../src/ui/page-files.ts'
import { assertAccessible } from './axe.ts'
import { keepPicture, openPage, withoutBrowser } from './browser.ts'
import { CANARY } from './rejecting-project.ts'
import { startUi } from './ui-process.ts'

const options = { skip: withoutBrowser }

test('a run of another process appears, its rates move, and its end is seen', options, async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const { page, requests, errors } = await openPage(t, await startUi(workspace))
  await page.getByRole('rowheader', { name: 'p' }).waitFor()
  const run = await start()
  await page.getByRole('cell', { name: /[1-9][\d,]* records\/s/ }).waitFor()
  await page.getByRole('link', { name: 'p', exact: true }).click()
  await page.getByText(`process ${run.pid} on`).waitFor()
  const box = page.locator('.box').filter({ hasText: 'filter' }).first()
  await box.getByText(/[1-9][\d,]* records\/s/).waitFor()
  const before = await box.innerText()
  await until(async () => (await box.innerText()) !== before)
  // The numbers of a run belong to its stages by name: a new one in its file has none.
  const file = workspace.path('pipelines/p.yaml')
  const written = await readFile(file, 'utf8')
  await writeFile(file, written.replace('transforms:\n', 'transforms:\n  - { type: keep, paths: [id, n, text] }\n'))
  await page.locator('.box').filter({ hasText: 'keep' }).getByText('–').first().waitFor()
  await box.getByText(/[1-9][\d,]* records\/s/).waitFor()
  await writeFile(file, written)
  // A link to this view works by itself.
  await page.reload()
  await page.getByText(`process ${run.pid} on`).waitFor()
  await stop()
  await run.ended
  await page.getByText('The run is over').waitFor()
  // Its last numbers are there for who comes later.
  await page.reload()
  await page.getByText('The run is over').waitFor()
  await box.getByText(/[1-9][\d,]* records\/s/).waitFor()
  assert.ok(requests.every((url) => new URL(url).hostname === '127.0.0.1'))
  assert.deepEqual(errors, [])
})

test(
  'the log of a run appears, is filtered by level and text, and stays after the end of the run',
  options,
  async (t) => {
    const { workspace, start, stop } = await openWatched(t)
    const ui = await startUi(workspace)
    const { page, errors } = await openPage(t, ui)
    await page.goto(`${ui.url.origin}/pipelines/p`)
    await page.getByText('Lines appear while the pipeline runs.').waitFor()
    const run = await start()
    const log = page.getByRole('region', { name: 'Log' }).getByRole('listitem')
    await log.filter({ hasText: 'published' }).first().waitFor()
    await page.getByRole('searchbox').fill('run started')
    await until(async () => (await log.count()) === 1)
    await page.getByRole('searchbox').fill('')
    await page.getByText('Errors', { exact: true }).click()
    await page.getByText(/^None of \d+ lines is like that/).waitFor()
    await page.getByText('All', { exact: true }).click()
    await stop()
    await run.ended
    await page.getByText('The run is over').waitFor()
    await log.filter({ hasText: 'run ended' }).waitFor()
    assert.deepEqual(errors, [])
  },
)

test('the filter of the log is in the address, with back, forward and reload', options, async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const ui = await startUi(workspace)
  const run = await start()
  const { page, errors } = await openPage(t, ui)
  await page.getByRole('link', { name: 'p', exact: true }).click()
  const log = page.getByRole('region', { name: 'Log' }).getByRole('listitem')
  const shows = (text: string, level: string): Promise<void> =>
    until(
      async () =>
        (await page.getByRole('searchbox').inputValue()) === text &&
        (await page.getByRole('radio', { name: level, exact: true }).isChecked()),
    )
  await log.filter({ hasText: 'run started' }).waitFor()
  await stop()
  await run.ended
  await page.getByRole('searchbox').fill('run started')
  await page.waitForURL(/\/pipelines\/p\?text=run\+started$/)
  await page.getByText('Warnings', { exact: true }).click()
  await page.waitForURL(/\?text=run\+started&level=warn$/)
  await page.getByText(/^None of \d+ lines is like that/).waitFor()
  await page.reload()
  await shows('run started', 'Warnings')
  await page.getByText(/^None of \d+ lines is like that/).waitFor()
  await page.goBack()
  await shows('run started', 'All')
  await until(async () => (await log.count()) === 1)
  await page.goForward()
  await shows('run started', 'Warnings')
  await page.goBack()
  await page.goBack()
  await page.getByRole('heading', { name: 'Pipelines' }).waitFor()
  await page.goForward()
  await shows('run started', 'All')
  await until(async () => (await log.count()) === 1)
  assert.deepEqual(errors, [])
})

test('whole lists and the time of the charts are in the address', options, async (t) => {
  const workspace = await openProject(t, {
    ...Object.fromEntries(Array.from({ length: 25 }, (_, id) => [`in/${id}.ndjson`, `{"id":${id}}\n`])),
    'pipelines/p.yaml': `source: { type: file, path: 'in/*.ndjson' }
sink: { type: file, path: out, key: '{record.id}' }
`,
  })
  await workspace.report(['run', 'p'])
  const ui = await startUi(workspace)
  const { page, errors } = await openPage(t, ui)
  await page.goto(`${ui.url.origin}/pipelines/p`)
  const objects = page.getByRole('region', { name: 'Objects', exact: true })
  const charts = page.getByRole('radio', { name: '1 hour' })
  const hasRows = (count: number): Promise<void> =>
    until(async () => (await objects.locator('tbody tr').count()) === count)
  await hasRows(20)
  await objects.getByRole('button', { name: 'Show all 25' }).click()
  await hasRows(25)
  await page.getByRole('button', { name: 'Show all 25' }).click()
  await page.waitForURL(/\?all=objects\+partitions$/)
  await page.getByText('1 hour', { exact: true }).click()
  await page.waitForURL(/&charts=1h$/)
  await page.reload()
  await hasRows(25)
  assert.ok(await charts.isChecked())
  assert.equal(await page.getByRole('button', { name: 'Show fewer' }).count(), 2)
  await page.goBack()
  await until(async () => !(await charts.isChecked()))
  await page.goBack()
  await page.goBack()
  await hasRows(20)
  await page.goForward()
  await hasRows(25)
  assert.deepEqual(errors, [])
})

test('a chart has a line for each code of rejects, and the epochs what they hold', options, async (t) => {
  const { workspace, start } = await openWatched(
    t,
    "  - { type: compute, members: [{ path: x, value: '[1, 2][record.id % 3]' }] }\n  - { type: validate, schema: ../even.json }\n",
  )
  await workspace.write('even.json', '{"properties":{"id":{"type":"integer","multipleOf":2}}}')
  await start()
  const ui = await startUi(workspace)
  const { page, errors } = await openPage(t, ui)
  await page.goto(`${ui.url.origin}/pipelines/p`)
  for (const code of ['EXPRESSION_FAILED', 'SCHEMA_VIOLATION'])
    await page
      .locator('.chart-lines li')
      .filter({ hasText: code })
      .getByText(/[1-9][\d,]*$/)
      .waitFor()
  await page.getByRole('region', { name: 'Epochs' }).getByRole('row').nth(2).waitFor()
  await keepPicture(page, 'pipeline-rejects')
  assert.deepEqual(errors, [])
})

test('a folder of states that cannot be read is shown with the way out, until it can be read', options, async (t) => {
  const workspace = await openProject(t, {
    'in.ndjson': '{"id":1}\n',
    'pipelines/p.yaml': 'source: { type: file, path: in.ndjson }\nsink: { type: file, path: out }\n',
    states: 'a file',
  })
  const { page } = await openPage(t, await startUi(workspace, ['--state', 'states']))
  await page.getByText('states is no folder').first().waitFor()
  await page.getByText('name the folder with --state').waitFor()
  await rm(workspace.path('states'))
  await page.getByRole('rowheader', { name: 'p' }).waitFor()
  await page.getByText('name the folder with --state').waitFor({ state: 'detached' })
})

test('a sink that is away is marked in the drawing', options, async (t) => {
  const server = await startBucketServer(t, 'audit')
  const { workspace, start, stop } = await openWatched(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: ../endless.js }
sink: { type: s3, bucket: audit, key: out, roll: { maxAge: 1s }, endpoint: '${server.endpoint}', region: us-east-1 }
`,
  )
  const run = await start()
  const { page } = await openPage(t, await startUi(workspace))
  await page.getByRole('link', { name: 'p', exact: true }).click()
  await page.locator('.box').first().waitFor()
  assert.equal(await page.getByText('Away:').count(), 0)
  server.faults.add({ kind: 'error', code: 'ServiceUnavailable', operation: 'PutObject', times: 1000 })
  await page.locator('.box').getByText('Away:').waitFor()
  server.faults.clear()
  await page.locator('.box').getByText('Away:').waitFor({ state: 'detached' })
  await stop()
  await run.ended
})

test('texts of others are text: nothing runs, nothing is fetched, the layout holds', options, async (t) => {
  const workspace = await openProject(t, {
    'in.ndjson': `${JSON.stringify({ id: 1, team: CANARY })}\n{"id":2}\n`,
    'pipelines/p.yaml': `description: ${JSON.stringify(CANARY)}
source: { type: file, path: in.ndjson }
sink: { type: file, path: out, key: 'x/{record.team}' }
`,
    'pipelines/wrong.yaml': `source: { type: ${JSON.stringify(CANARY)} }\n`,
  })
  await workspace.sluice(['run', 'p'])
  const ui = await startUi(workspace)
  const { page, requests, errors } = await openPage(t, ui, { viewport: { width: 360, height: 800 } })
  await page.getByText('onerror=alert').first().waitFor()
  for (const name of ['p', 'wrong']) {
    await page.goto(`${ui.url.origin}/pipelines/${name}`)
    await page.getByText('onerror=alert').first().waitFor()
    assert.equal(await page.locator('main img, main script').count(), 0)
    assert.ok(!(await page.locator('body').innerText()).includes('\u202e'))
    assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'), name)
  }
  assert.ok(requests.every((url) => new URL(url).origin === ui.url.origin))
  assert.deepEqual(errors, [])
})

/** A name of a file that an attacker would choose. */
const CANARY_NAME = '<img src=x onerror=alert(1)>\u202e\u001b[31m.ndjson'

for (const width of [360, 2560])
  test(`every screen holds names of files, errors and keys of others, ${width} pixels wide`, options, async (t) => {
    const workspace = await openProject(t, {
      [`in/${CANARY_NAME}`]: `${JSON.stringify({ id: 1, team: 'y'.repeat(300) })}\nno json <script>alert(1)</script>\n`,
      'pipelines/p.yaml': `source: { type: file, path: 'in/*.ndjson' }
transforms: [{ type: ../fails.js }]
sink: { type: file, path: out, key: 'x/{record.team}' }
`,
      'fails.js': `export default (record) => { if (record.get('id') === 2) throw new Error(${JSON.stringify(CANARY)}); return record }`,
    })
    await workspace.sluice(['run', 'p'])
    const ui = await startUi(workspace, ['--edit'])
    const { page, requests, errors } = await openPage(t, ui, { viewport: { width, height: 1000 } })
    for (const [path, wanted] of [
      ['', 'rowheader'],
      ['/pipelines/p', 'Objects'],
      ['/pipelines/p/rejects', 'onerror=alert'],
      ['/pipelines/p/workbench', 'Effects'],
    ]) {
      await page.goto(`${ui.url.origin}${path}`)
      await (
        wanted === 'rowheader' ? page.getByRole('rowheader', { name: 'p' }) : page.getByText(wanted).first()
      ).waitFor()
      assert.equal(await page.locator('main img, main script').count(), 0, path)
      assert.ok(!(await page.locator('body').innerText()).includes('\u202e'), path)
      assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'), path)
      await keepPicture(page, `names-${path.split('/').at(-1) ?? ''}-${width}`)
    }
    assert.ok(requests.every((url) => new URL(url).origin === ui.url.origin))
    assert.deepEqual(errors, [])
  })

test('the page has at most 300 kB, compressed', () => {
  const files = [...(readPage() ?? [])]
  assert.ok(files.length > 3)
  const bytes = files.reduce((sum, [, file]) => sum + gzipSync(file.bytes).length, 0)
  assert.ok(bytes <= 300_000, `${bytes} bytes`)
})

test('axe finds no serious fault', options, async (t) => {
  const { workspace, start } = await openWatched(t)
  await workspace.write('pipelines/wrong.yaml', 'source: { type: flie }\n')
  await workspace.write(
    'pipelines/new.yaml',
    'source: { type: file, path: in.ndjson }\nsink: { type: file, path: out }\n',
  )
  await start()
  const ui = await startUi(workspace)
  const { page, errors } = await openPage(t, ui, { bypassCSP: true })
  await page.getByRole('cell', { name: /[1-9][\d,]* records\/s/ }).waitFor()
  await assertAccessible(page, 'overview')
  for (const name of ['p', 'wrong', 'new']) {
    await page.goto(`${ui.url.origin}/pipelines/${name}`)
    await page.getByRole('heading', { name, exact: true }).waitFor()
    if (name === 'p')
      await page
        .getByText(/[1-9][\d,]* records\/s/)
        .first()
        .waitFor()
    await assertAccessible(page, `pipeline-${name}`)
  }
  assert.deepEqual(errors, [])
})
