import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { openWatched } from '../cli/commands/watched-pipeline.ts'
import { openProject } from '../support/cli-project.ts'
import { until } from '../support/until.ts'
import { assertAccessible } from './axe.ts'
import { openPage, withoutBrowser } from './browser.ts'
import { CANARY, openRejecting, published } from './rejecting-project.ts'
import { startUi } from './ui-process.ts'

const options = { skip: withoutBrowser }

/** The body of the table of rejects. */
const rowsOf = (page: Page) => page.locator('.reject-table tbody tr')

test('a reject is corrected, replayed and gone, and its record is in the output', options, async (t) => {
  const workspace = await openRejecting(t)
  const ui = await startUi(workspace, ['--edit'])
  const { page, errors } = await openPage(t, ui)
  await page.getByRole('cell', { name: '9', exact: true }).getByRole('link').click()
  await page.getByRole('heading', { name: 'Rejects of p' }).waitFor()
  const row = rowsOf(page).filter({ hasText: 'Findable' })
  await row.getByRole('button').click()
  await page.getByRole('heading', { name: /Reject \d+-\d+/ }).waitFor()
  await page.getByRole('button', { name: 'Correct the record' }).click()
  const editor = page.getByLabel('Corrected record')
  await editor.fill('{\n  "id": 3,\n  "name": nobody\n}')
  await page.getByText('line 3, column 11: "nobody" does not belong here').waitFor()
  assert.ok(await page.getByRole('button', { name: 'What will happen' }).isDisabled())
  await editor.fill('{\n  "id": 3,\n  "name": "corrected"\n}')
  await page.getByText('This is a record.').waitFor()
  assert.equal(await page.getByRole('button', { name: /^Replay/ }).count(), 0)
  await page.getByRole('button', { name: 'What will happen' }).click()
  await page.getByText('will be written').waitFor()
  await page.locator('summary').getByText('{ "id": 3, "name": "corrected", "loud": "CORRECTED" }').waitFor()
  assert.equal((await published(workspace)).length, 3)
  await page.getByRole('button', { name: 'Replay 1 reject' }).click()
  await page.getByText('Replayed 1 reject: 1 record written.').waitFor()
  await row.waitFor({ state: 'detached' })
  assert.equal(await rowsOf(page).count(), 8)
  assert.ok((await published(workspace)).includes('{"id":3,"name":"corrected","loud":"CORRECTED"}'))
  assert.deepEqual(errors, [])
})

test('all that match are replayed at once', options, async (t) => {
  const workspace = await openRejecting(t)
  await workspace.write('pipelines/s.json', '{}')
  const ui = await startUi(workspace, ['--edit'])
  const { page } = await openPage(t, ui)
  await page.goto(`${ui.url.origin}/pipelines/p/rejects?code=SCHEMA_VIOLATION`)
  await page.getByRole('button', { name: 'Choose all 8 that match' }).click()
  await page.getByRole('button', { name: 'What will happen' }).click()
  await page.getByRole('button', { name: 'Replay 8 rejects' }).click()
  await page.getByText('Replayed 8 rejects: 8 records written.').waitFor()
  await page.getByText('No reject matches.').waitFor()
  await page.getByRole('button', { name: 'Clear the filter' }).click()
  await rowsOf(page).filter({ hasText: 'INVALID_JSON' }).waitFor()
  assert.equal(await rowsOf(page).count(), 1)
})

test('a filter is in the address, and a link to it works by itself', options, async (t) => {
  const ui = await startUi(await openRejecting(t))
  const { page } = await openPage(t, ui)
  await page.goto(`${ui.url.origin}/pipelines/p/rejects`)
  await page.getByLabel('Code').selectOption('INVALID_JSON')
  await page.getByText('1 match').waitFor()
  await page.getByLabel('Code').selectOption('')
  await page.getByLabel('Text').fill('fINDable')
  await page.getByText('1 match').waitFor()
  await page.waitForURL(/\?text=fINDable$/)
  await until(async () => (await rowsOf(page).count()) === 1)
  await rowsOf(page).getByRole('button').click()
  await page.waitForURL(/&id=\d+-\d+$/)
  await page.reload()
  await page.getByRole('heading', { name: /Reject \d+-\d+/ }).waitFor()
  assert.equal(await rowsOf(page).count(), 1)
  await page.keyboard.press('Escape')
  await page.getByRole('heading', { name: /Reject \d+-\d+/ }).waitFor({ state: 'detached' })
  assert.equal(await page.evaluate("document.activeElement.closest('tr') !== null"), true)
  await page.getByLabel('Before (UTC)').fill('2001-01-01T00:00')
  await page.keyboard.press('Tab')
  await page.getByText('No reject matches.').waitFor()
})

test(
  'pages of rejects are turned to older and newer ones, by the browser too, and are in the address',
  options,
  async (t) => {
    const workspace = await openProject(t, {
      'in.ndjson': Array.from({ length: 250 }, (_, id) => `{"id":${id}}\n`).join(''),
      'pipelines/p.yaml': `source: { type: file, path: in.ndjson }
transforms: [{ type: validate, schema: s.json }]
sink: { type: file, path: out }
`,
      'pipelines/s.json': '{"required":["name"]}',
    })
    await workspace.report(['run', 'p'])
    const ui = await startUi(workspace)
    const { page, errors } = await openPage(t, ui)
    await page.goto(`${ui.url.origin}/pipelines/p/rejects`)
    const shows = (newest: number, oldest: number): Promise<void> =>
      until(async () => {
        const texts = await rowsOf(page).allInnerTexts()
        return (texts[0]?.includes(`{"id":${newest}}`) && texts.at(-1)?.includes(`{"id":${oldest}}`)) === true
      })
    const turn = (name: string): Promise<void> => page.getByRole('button', { name, exact: true }).click()
    await shows(249, 150)
    assert.equal(await page.getByRole('button', { name: 'Newer' }).count(), 0)
    await turn('Older')
    await shows(149, 50)
    await turn('Older')
    await shows(49, 0)
    assert.equal(await page.getByRole('button', { name: 'Older' }).count(), 0)
    await turn('Newer')
    await shows(149, 50)
    await page.waitForURL(/\?before=\d+-\d+$/)
    await page.reload()
    await shows(149, 50)
    await turn('Newer')
    await shows(249, 150)
    assert.equal(await page.getByRole('button', { name: 'Newer' }).count(), 0)
    await page.goBack()
    await shows(149, 50)
    await page.goBack()
    await shows(49, 0)
    await page.goBack()
    await page.goBack()
    await shows(249, 150)
    await page.goForward()
    await shows(149, 50)
    // The open reject is a step too.
    await rowsOf(page).first().getByRole('button').click()
    await page.getByRole('heading', { name: /Reject \d+-\d+/ }).waitFor()
    await page.goBack()
    await page.getByRole('heading', { name: /Reject \d+-\d+/ }).waitFor({ state: 'detached' })
    await shows(149, 50)
    await page.goForward()
    await page.getByRole('heading', { name: /Reject \d+-\d+/ }).waitFor()
    await turn('Newest')
    await shows(249, 150)
    assert.deepEqual(errors, [])
  },
)

test('without --edit nothing is replayed, and the page says so', options, async (t) => {
  const ui = await startUi(await openRejecting(t))
  const { page } = await openPage(t, ui)
  await page.goto(`${ui.url.origin}/pipelines/p/rejects`)
  await page.getByLabel('Choose all of this page').check()
  await page.getByRole('button', { name: 'What will happen' }).click()
  await page.getByText('This page is read-only.').waitFor()
  assert.ok(await page.getByRole('button', { name: 'Replay 8 rejects' }).isDisabled())
})

test('a replay while a run owns the state says so, and what to do', options, async (t) => {
  const { workspace, start } = await openWatched(t, '  - { type: validate, schema: s.json }\n')
  await workspace.write('pipelines/s.json', '{"properties":{"id":{"minimum":1}}}')
  await start()
  const ui = await startUi(workspace, ['--edit'])
  const { page } = await openPage(t, ui)
  await page.goto(`${ui.url.origin}/pipelines/p/rejects`)
  await rowsOf(page).first().getByRole('checkbox').check()
  await page.getByRole('button', { name: 'What will happen' }).click()
  await page.getByRole('button', { name: 'Replay 1 reject' }).click()
  await page.getByRole('alert').getByText('stop the run first').waitFor()
})

test('texts of rejects are text: nothing runs, nothing is fetched, the layout holds', options, async (t) => {
  const workspace = await openProject(t, {
    [`in/${CANARY.replaceAll('/', '_')}.ndjson`]: `${JSON.stringify({ id: CANARY, [CANARY]: CANARY })}\n`,
    'tag.js': `export default (record) => record.reject('CANARY', record.get('id'))\n`,
    'pipelines/p.yaml': `source: { type: file, path: 'in/*.ndjson' }
transforms: [{ type: ../tag.js }]
sink: { type: file, path: out }
`,
  })
  const report = await workspace.report(['run', 'p'])
  assert.equal(report.rejected, 1)
  const ui = await startUi(workspace, ['--edit'])
  const { page, requests, errors } = await openPage(t, ui, { viewport: { width: 360, height: 800 } })
  await page.goto(`${ui.url.origin}/pipelines/p/rejects?text=onerror`)
  await rowsOf(page).getByRole('button').click()
  await page.locator('.reject-facts dd').getByText('onerror=alert').nth(1).waitFor()
  await page.getByRole('button', { name: 'Correct the record' }).click()
  assert.ok(!(await page.getByLabel('Corrected record').inputValue()).includes('\u202e'))
  await page.getByRole('button', { name: 'What will happen' }).click()
  await page.getByRole('button', { name: 'Replay 1 reject' }).click()
  await page.getByText('1 rejected again').waitFor()
  assert.equal(await page.locator('main img, main script').count(), 0)
  assert.ok(!(await page.locator('body').innerText()).includes('\u202e'))
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'))
  assert.ok(requests.every((url) => new URL(url).origin === ui.url.origin))
  assert.deepEqual(errors, [])
})

test('axe finds no serious fault in rejects', options, async (t) => {
  const ui = await startUi(await openRejecting(t), ['--edit'])
  const { page, errors } = await openPage(t, ui, { bypassCSP: true })
  await page.goto(`${ui.url.origin}/pipelines/p/rejects`)
  await rowsOf(page).filter({ hasText: 'Findable' }).getByRole('button').click()
  await page.getByRole('button', { name: 'Correct the record' }).click()
  await page.getByLabel('Corrected record').fill('{"id":3,"name":"x"}')
  await page.getByLabel('Choose all of this page').check()
  await page.getByRole('button', { name: 'What will happen' }).click()
  await page.getByText('will be written').waitFor()
  await assertAccessible(page, 'rejects')
  await page.getByLabel('Corrected record').fill('{"id":3,"name":"x')
  await page.getByText('has no end').waitFor()
  await assertAccessible(page, 'rejects-mistake')
  assert.deepEqual(errors, [])
})

test('a queue of 100,000 rejects is shown page by page, and searched beside other requests', options, async (t) => {
  const workspace = await openProject(t, {
    'in.ndjson': Array.from({ length: MANY }, (_, id) => `{"id":${id},"text":"${'x'.repeat(100)}"}\n`).join(''),
    'pipelines/p.yaml': `source: { type: file, path: in.ndjson }
transforms: [{ type: validate, schema: s.json }]
sink: { type: file, path: out }
`,
    'pipelines/s.json': '{"required":["name"]}',
  })
  assert.equal((await workspace.report(['run', 'p'])).rejected, MANY)
  const ui = await startUi(workspace)
  const { page, errors } = await openPage(t, ui)
  await page.goto(`${ui.url.origin}/pipelines/p/rejects`)
  await page.getByText('100,000, newest first').waitFor()
  await page.getByLabel('Text').pressSequentially('"id":54321,', { delay: 40 })
  await page.getByText('1 match').waitFor()
  // The server answers others while it searches.
  const headers = { cookie: await ui.enter() }
  const answered: string[] = []
  const paths = ['/api/v1/pipelines/p/rejects?text=not%20there', '/api/v1/project']
  await Promise.all(paths.map((path) => ui.ask({ path, headers }).then(() => answered.push(path))))
  assert.deepEqual(answered, paths.toReversed())
  await page.getByRole('button', { name: 'Clear the filter' }).click()
  await page.getByText('100,000, newest first').waitFor()
  for (const name of ['Older', 'Older', 'Older', 'Newer']) {
    const before = await rowsOf(page).first().innerText()
    await page.getByRole('button', { name }).click()
    await until(async () => (await rowsOf(page).first().innerText()) !== before)
    assert.equal(await rowsOf(page).count(), 100)
  }
  await page.getByLabel('Choose all of this page').check()
  for (let row = 0; row < 5; row++) await rowsOf(page).nth(row).getByRole('checkbox').uncheck()
  await page.getByText('95 rejects chosen').waitFor()
  await page.getByRole('button', { name: 'Choose all 100,000 that match' }).click()
  await page.getByRole('button', { name: 'What will happen' }).click()
  await page.getByText('will be rejected again').first().waitFor({ timeout: 120_000 })
  assert.deepEqual(errors, [])
})

const MANY = 100_000
