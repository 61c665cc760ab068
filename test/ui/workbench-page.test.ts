import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { BrowserContextOptions, Page } from 'playwright-core'
import { openProject } from '../support/cli-project.ts'
import type { Workspace } from '../support/command.ts'
import { until } from '../support/until.ts'
import { assertAccessible } from './axe.ts'
import { openPage, withoutBrowser } from './browser.ts'
import type { OpenPage } from './browser.ts'
import { startUi } from './ui-process.ts'
import type { UiProcess } from './ui-process.ts'

const options = { skip: withoutBrowser }

const PIPELINE = `source: { type: file, path: in.ndjson }
transforms:
  - type: filter
    where: record.id > 1
  - type: redact
    preset: none
    rules:
      - { path: nothing.here, action: drop }
sink: { type: file, path: out }
`

const SAMPLES = '{"id":1,"ip":"10.0.0.1"}\n{"id":2,"ip":"10.0.0.2"}\n{"id":3,"ip":"10.0.0.3"}\nno json\n'

interface OpenWorkbench extends OpenPage {
  readonly workspace: Workspace
  readonly file: string
  readonly ui: UiProcess
}

interface WorkbenchOptions extends BrowserContextOptions {
  readonly text?: string
  readonly args?: readonly string[]
}

async function openWorkbench(
  t: TestContext,
  { text = PIPELINE, args = ['--edit'], ...context }: WorkbenchOptions = {},
): Promise<OpenWorkbench> {
  const workspace = await openProject(t, { 'pipelines/p.yaml': text, 'in.ndjson': SAMPLES })
  const ui = await startUi(workspace, args)
  const opened = await openPage(t, ui, context)
  await opened.page.goto(`${ui.url.origin}/pipelines/p/workbench`)
  await opened.page.locator('.cm-content').waitFor()
  return { workspace, file: workspace.path('pipelines/p.yaml'), ui, ...opened }
}

/** Puts the cursor at the end of a line, from 1. */
async function goTo(page: Page, line: number): Promise<void> {
  await page.locator('.cm-content').focus()
  await page.keyboard.press('Control+Home')
  for (let at = 1; at < line; at++) await page.keyboard.press('ArrowDown')
  await page.keyboard.press('End')
}

async function paste(page: Page, samples: string): Promise<void> {
  await page.getByRole('button', { name: /Choose (samples|others)/ }).click()
  await page.getByLabel('Records as NDJSON').fill(samples)
  await page.getByRole('button', { name: 'Take these' }).click()
  await page.locator('.effect-row').first().waitFor()
}

async function typedText(page: Page): Promise<string> {
  return (await page.locator('.cm-line').allInnerTexts()).map((line) => line.replace(/^\n$/, '')).join('\n')
}

test('a mistake appears at its place while it is typed, and disappears', options, async (t) => {
  const { page, errors, requests } = await openWorkbench(t)
  await page.getByText('No problems').waitFor()
  await goTo(page, 4)
  await page.keyboard.type('\npriority: 3')
  await page.locator('.cm-lintRange-error', { hasText: 'priority' }).waitFor()
  assert.equal(await page.locator('.cm-lint-marker-error').count(), 1)
  assert.ok(await page.getByRole('button', { name: 'Save' }).isDisabled())
  // The list below jumps there.
  await page.keyboard.press('Control+Home')
  await page.getByRole('button', { name: 'line 5, column 5' }).click()
  await page.keyboard.press('Shift+End')
  await page.keyboard.press('Backspace')
  await page.locator('.cm-lintRange-error').waitFor({ state: 'detached' })
  await page.getByText('No problems').waitFor()
  assert.deepEqual(errors, [])
  assert.ok(requests.every((url) => new URL(url).hostname === '127.0.0.1'))
})

test('a redaction shows in the diff while it is typed, without the value', options, async (t) => {
  const { page, errors } = await openWorkbench(t)
  await paste(page, SAMPLES)
  await page.getByText('Matched nothing').waitFor()
  assert.equal(await page.locator('.is-removed').count(), 0)
  await goTo(page, 8)
  await page.keyboard.type('\n- { path: ip, action: mask }')
  await page.locator('.is-removed', { hasText: '"ip"' }).first().waitFor()
  assert.equal(await page.locator('.is-removed').count(), 2)
  assert.ok(!(await page.locator('.rows').innerText()).includes('10.0.0.'))
  // Only when asked for, and then it says so.
  await page.getByLabel('Show values before redaction').check()
  await page.locator('.is-removed', { hasText: '10.0.0.2' }).waitFor()
  await page.getByText('Values are shown as they were before redaction').waitFor()
  await page.getByLabel('Show values before redaction').uncheck()
  await page.locator('.is-removed', { hasText: '(hidden)' }).first().waitFor()
  assert.ok(!(await page.locator('main').innerText()).includes('10.0.0.'))
  assert.deepEqual(errors, [])
})

test('records and stages are chosen to see their way', options, async (t) => {
  const { page } = await openWorkbench(t)
  await paste(page, SAMPLES)
  await page.locator('.is-record', { hasText: 'Dropped' }).waitFor()
  await page.locator('.is-record', { hasText: 'Rejected' }).waitFor()
  await page.getByRole('button', { name: 'Record 2', exact: true }).click()
  await page.locator('.effect-row', { hasText: 'As it was read' }).waitFor()
  await page.locator('.effect-row', { hasText: 'no change' }).first().waitFor()
  await page.getByRole('button', { name: 'Next record' }).click()
  await page.getByText('Record 3 of 4').waitFor()
  await page.getByRole('button', { name: 'Show all records' }).click()
  await page.getByRole('button', { name: 'redact', exact: true }).click()
  // The first was dropped before, and the last is no record.
  assert.deepEqual(await page.locator('.effect-row button').allInnerTexts(), ['Record 2', 'Record 3'])
})

test('what is shown of the effects is in the address, but nothing that is typed, and no values', options, async (t) => {
  const { page, ui, errors } = await openWorkbench(t)
  await page.getByRole('button', { name: 'Choose samples' }).click()
  await page.getByText('A file', { exact: true }).click()
  await page.getByLabel('Path below the project folder').fill('in.ndjson')
  await page.getByRole('button', { name: 'Take these' }).click()
  await page.waitForURL(/\/workbench\?file=in\.ndjson$/)
  await page.getByRole('button', { name: 'Record 2', exact: true }).click()
  await page.waitForURL(/&record=2$/)
  await page.getByRole('button', { name: 'redact', exact: true }).click()
  await page.waitForURL(/&stage=redact$/)
  await page.getByLabel('Show values before redaction').check()
  await page.getByText('Values are shown as they were before redaction').waitFor()
  assert.equal(new URL(page.url()).search, '?file=in.ndjson&record=2&stage=redact')
  // A link shows the same, without the values.
  await page.reload()
  await page.getByText('Record 2 of 4').waitFor()
  assert.deepEqual(await page.locator('.effect-row button').allInnerTexts(), ['Record 2'])
  assert.equal(await page.getByRole('button', { name: 'redact', exact: true }).getAttribute('aria-pressed'), 'true')
  assert.ok(!(await page.getByLabel('Show values before redaction').isChecked()))
  await page.goBack()
  await page.locator('.effect-row', { hasText: 'As it was read' }).waitFor()
  await page.goBack()
  await page.getByText('Records 1 to 4 of 4').waitFor()
  await page.getByText('Tests', { exact: true }).click()
  await page.waitForURL(/\?file=in\.ndjson&view=tests$/)
  await page.reload()
  await page.getByRole('button', { name: 'Run the tests' }).waitFor()
  await page.goBack()
  await page.getByText('Records 1 to 4 of 4').waitFor()
  await paste(page, '{"id":7}\n')
  await page.getByText('1 record', { exact: true }).waitFor()
  assert.equal(new URL(page.url()).search, '')
  await page.goBack()
  await page.getByText('Records 1 to 4 of 4').waitFor()
  assert.deepEqual(errors, [])
  // No link reads a file outside of the project.
  await page.goto(`${ui.url.origin}/pipelines/p/workbench?file=..%2Fother`)
  await page.getByText('The samples could not be tried').waitFor()
})

test('a link to a record of a later page of the samples shows it', options, async (t) => {
  const { page, ui, workspace } = await openWorkbench(t)
  await workspace.write('many.ndjson', Array.from({ length: 120 }, (_, id) => `{"id":${id}}\n`).join(''))
  await page.goto(`${ui.url.origin}/pipelines/p/workbench?file=many.ndjson&first=110&record=61`)
  await page.getByText('Record 61 of 110').waitFor()
  await page.locator('.effect-row', { hasText: 'As it was read' }).waitFor()
  await page.getByRole('button', { name: 'Show all records' }).click()
  await page.getByText('Records 51 to 100 of 110').waitFor()
  await page.getByRole('button', { name: 'Next records' }).click()
  await page.waitForURL(/&from=101$/)
  await page.getByText('Records 101 to 110 of 110').waitFor()
  await page.reload()
  await page.getByText('Records 101 to 110 of 110').waitFor()
  await page.goBack()
  await page.getByText('Records 51 to 100 of 110').waitFor()
})

for (const [name, end] of [
  ['line feeds', '\n'],
  ['carriage returns', '\r\n'],
])
  test(`a saved file equals what was typed, with ${name}`, options, async (t) => {
    const text = PIPELINE.replaceAll('\n', end)
    const { page, file } = await openWorkbench(t, { text })
    await page.getByText('Saved', { exact: true }).waitFor()
    await goTo(page, 1)
    await page.keyboard.type('\ndescription: "Zwölf ☕ 𝄞"')
    await page.getByText('Unsaved changes').waitFor()
    const expected = text.replace(end, `${end}description: "Zwölf ☕ 𝄞"${end}`)
    await page.keyboard.press('Control+s')
    await page.getByText('Saved', { exact: true }).first().waitFor()
    assert.equal(await readFile(file, 'utf8'), expected)
    // Undo is a change like any other.
    await page.keyboard.press('Control+z')
    await page.getByText('Unsaved changes').waitFor()
  })

test('a file that has changed on the disk is not overwritten, and nothing typed is lost', options, async (t) => {
  const { page, file } = await openWorkbench(t)
  await goTo(page, 1)
  await page.keyboard.type('\ndescription: mine')
  const others = `# of somebody else\n${PIPELINE}`
  await writeFile(file, others)
  await page.keyboard.press('Control+s')
  await page.getByText('The file has changed on the disk').first().waitFor()
  assert.equal(await readFile(file, 'utf8'), others)
  assert.match(await typedText(page), /description: mine/)
  await page.getByRole('button', { name: 'See the difference' }).click()
  await page.locator('.is-removed', { hasText: 'of somebody else' }).waitFor()
  await page.locator('.is-added', { hasText: 'description: mine' }).waitFor()
  await page.getByRole('button', { name: 'Load it again' }).click()
  await until(async () => (await typedText(page)) === others)
  await page.locator('.cm-content').focus()
  await page.keyboard.press('Control+z')
  await until(async () => (await typedText(page)).includes('description: mine'))
  // What is typed now replaces what was seen.
  await page.keyboard.press('Control+s')
  await until(async () => (await readFile(file, 'utf8')).includes('description: mine'))
  assert.ok(!(await readFile(file, 'utf8')).includes('somebody else'))
})

test('what is typed stays on other screens, and leaving the page asks first', options, async (t) => {
  const { page } = await openWorkbench(t)
  await goTo(page, 1)
  await page.keyboard.type('\ndescription: mine')
  await page.getByRole('link', { name: 'Sluice: all pipelines' }).click()
  await page.getByRole('heading', { name: 'Pipelines' }).waitFor()
  await page.goBack()
  await page.locator('.cm-content').waitFor()
  assert.match(await typedText(page), /description: mine/)
  let asked = ''
  page.removeAllListeners('dialog')
  page.on('dialog', (dialog) => {
    asked = dialog.type()
    void dialog.dismiss()
  })
  await page.close({ runBeforeUnload: true })
  await until(() => asked === 'beforeunload')
})

test('without its server the page says so, and what is typed stays', options, async (t) => {
  const { page, ui } = await openWorkbench(t)
  await page.getByText('No problems').waitFor()
  process.kill(ui.pid, 'SIGKILL')
  await goTo(page, 1)
  await page.keyboard.type('\ndescription: mine')
  await page.getByText('could not be checked; nothing typed is lost').waitFor()
  await page.keyboard.press('Control+s')
  await page.getByText('Not saved; nothing typed is lost').waitFor()
  await page.getByText('The connection to sluice ui is lost').first().waitFor()
  assert.match(await typedText(page), /description: mine/)
})

test('without --edit the file is tried as it is, and nothing changes it', options, async (t) => {
  const { page, file, errors } = await openWorkbench(t, { args: [] })
  await page.locator('.save-bar', { hasText: 'Read-only' }).waitFor()
  await goTo(page, 1)
  await page.keyboard.type('x')
  await page.keyboard.press('Home')
  await page.keyboard.press('F1')
  await page.locator('.cm-about').waitFor()
  await page.keyboard.press('Escape')
  await page.keyboard.press('Control+s')
  await paste(page, SAMPLES)
  await page.locator('.effect-row', { hasText: 'Written' }).first().waitFor()
  assert.equal(await page.getByRole('button', { name: 'Save' }).count(), 0)
  await page.getByRole('button', { name: 'Choose others' }).click()
  assert.ok(await page.getByLabel('The live source').isDisabled())
  assert.equal(await typedText(page), PIPELINE)
  assert.equal(await readFile(file, 'utf8'), PIPELINE)
  assert.deepEqual(errors, [])
})

test('the tests of the text run, and their differences are shown', options, async (t) => {
  const { page } = await openWorkbench(t, {
    text: `${PIPELINE}tests:
  - name: keeps the second
    input: [{ id: 1 }, { id: 2 }]
    expect: { output: [{ id: 2 }] }
  - name: expects too much
    input: [{ id: 1 }]
    expect: { output: [{ id: 1 }] }
`,
  })
  await page.getByText('Tests', { exact: true }).click()
  await page.getByRole('button', { name: 'Run the tests' }).click()
  await page.getByText('2 tests, 1 failed').first().waitFor()
  await page.locator('li', { hasText: 'keeps the second' }).getByText('Passed').waitFor()
  await page.locator('li', { hasText: 'expects too much' }).locator('.is-removed').first().waitFor()
})

test('the keyboard is enough: it completes, documents, leaves the editor and saves', options, async (t) => {
  const { page, file, errors } = await openWorkbench(t)
  await page.getByText('No problems').waitFor()
  // From the start of the page into the editor.
  await page.locator('h1').focus()
  const focused = (): Promise<string> =>
    page.evaluate('(document.activeElement.shadowRoot?.activeElement ?? document.activeElement).className')
  for (let at = 0; at < 10 && !(await focused()).includes('cm-content'); at++) await page.keyboard.press('Tab')
  await page.keyboard.press('Control+End')
  await page.keyboard.type('descr')
  await page.locator('.cm-tooltip-autocomplete li', { hasText: 'description' }).first().waitFor()
  // A key that comes as the list opens is not meant for it: the editor takes it after 75 ms.
  await page.waitForTimeout(300)
  await page.keyboard.press('Enter')
  await page.keyboard.type('by hand')
  await page.keyboard.press('Home')
  await page.keyboard.press('F1')
  await page.locator('.cm-about').waitFor()
  await page.keyboard.press('Escape')
  await page.locator('.cm-about').waitFor({ state: 'detached' })
  await page.keyboard.press('Escape')
  await page.keyboard.press('Tab')
  assert.ok(!(await focused()).includes('cm-content'))
  await page.getByText('No problems').waitFor()
  await page.keyboard.press('Control+s')
  await page.getByText('Saved', { exact: true }).first().waitFor()
  assert.equal(await readFile(file, 'utf8'), `${PIPELINE}description: by hand`)
  assert.deepEqual(errors, [])
})

test('a component and a test of a record are added to the text, and undo takes each back', options, async (t) => {
  const { page, errors } = await openWorkbench(t)
  await paste(page, SAMPLES)
  await page.getByRole('button', { name: 'Record 2', exact: true }).click()
  await page.getByRole('button', { name: 'Make a test of this record' }).click()
  await page.getByRole('textbox', { name: 'Name of the test' }).fill('the second stays')
  await page.getByRole('button', { name: 'Add the test' }).click()
  await until(async () => (await typedText(page)).includes('the second stays'))
  await page.getByText('Tests', { exact: true }).click()
  await page.getByRole('button', { name: 'Run the tests' }).click()
  await page.getByText('1 test, all passed').waitFor()
  await page.locator('.cm-content').focus()
  await page.keyboard.press('Control+z')
  await until(async () => (await typedText(page)) === PIPELINE)
  await page.getByText('Components', { exact: true }).click()
  await page.getByLabel('Search').fill('dedup')
  await page.locator('summary', { hasText: 'dedup' }).first().click()
  await page.getByRole('button', { name: 'Add this transform' }).click()
  await until(async () => /type: dedup/.test(await typedText(page)))
  await page.locator('.cm-content').focus()
  await page.keyboard.press('Control+z')
  await until(async () => (await typedText(page)) === PIPELINE)
  assert.deepEqual(errors, [])
})

/** What an attacker would write. */
const CANARY = `<img src=x onerror=alert(1)><script>alert(2)</script>"'\u202e\u001b[31m https://evil.example/`

test('samples and files are text: nothing runs, nothing is fetched, the layout holds', options, async (t) => {
  const text = `# ${CANARY.replace('\u001b', '')}\n${PIPELINE.replace('nothing.here', 'ip')}`
  const { page, requests, errors } = await openWorkbench(t, { text, viewport: { width: 360, height: 800 } })
  await page.locator('.cm-line', { hasText: 'onerror' }).waitFor()
  await paste(page, `${JSON.stringify({ id: 2, ip: CANARY, [CANARY]: CANARY })}\n${CANARY}\n`)
  await page.locator('.effect-row', { hasText: 'onerror=alert' }).first().waitFor()
  await page.getByRole('button', { name: 'Record 2', exact: true }).click()
  await page.getByRole('button', { name: 'Show all records' }).click()
  await page.getByLabel('Show values before redaction').check()
  await page.locator('.is-removed', { hasText: 'evil.example' }).waitFor()
  await goTo(page, 1)
  await page.keyboard.type(`\n"<img src=x onerror=alert(3)>": 1`)
  await page.locator('.editor-problems', { hasText: 'onerror=alert(3)' }).waitFor()
  assert.equal(await page.locator('main img[src="x"], main script').count(), 0)
  assert.ok(!(await page.locator('body').innerText()).includes('\u202e'))
  assert.ok(!(await page.locator('.cm-content').innerText()).includes('\u202e'))
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'))
  assert.ok(requests.every((url) => new URL(url).hostname === '127.0.0.1'))
  assert.deepEqual(errors, [])
})

test('many stages and large samples never make typing wait', options, async (t) => {
  const stages = Array.from(
    { length: 100 },
    (_, at) => `  - { type: compute, members: [{ path: m${at}, value: record.id }] }`,
  )
  const { page } = await openWorkbench(t, {
    text: PIPELINE.replace(/transforms:[^]*?(?=sink)/, `transforms:\n${stages.join('\n')}\n`),
  })
  const line = JSON.stringify({
    id: 1,
    ...Object.fromEntries(Array.from({ length: 30 }, (_, at) => [`k${at}`, 'x'.repeat(200)])),
  })
  await paste(page, `${line}\n`.repeat(300))
  await goTo(page, 1)
  // Nothing that is typed waits for what the server makes of it.
  let answer: (() => void) | undefined
  const isTyped = new Promise<void>((resolve) => (answer = resolve))
  await page.route('**/try', (route) => isTyped.then(() => route.continue()))
  const asks = page.waitForRequest('**/try')
  await page.keyboard.type(' # one')
  await asks
  await page.keyboard.type(', two')
  await page.getByText('# one, two').waitFor()
  assert.equal(await page.locator('.answer.is-old').count(), 1)
  answer?.()
  await page.locator('.answer:not(.is-old)').waitFor()
  // Rows that are not seen are not in the document.
  assert.ok((await page.locator('.effect-row').count()) < 200)
})

test('axe finds no serious fault', options, async (t) => {
  const { page, errors } = await openWorkbench(t, {
    text: PIPELINE.replace('nothing.here', 'ip').replace('path: out', 'paht: out'),
    bypassCSP: true,
  })
  await page
    .getByText(/^\d errors?$/)
    .first()
    .waitFor()
  await paste(page, SAMPLES)
  await assertAccessible(page, 'workbench')
  await page.getByLabel('Show values before redaction').check()
  await page.getByRole('button', { name: 'Record 2', exact: true }).click()
  await page.getByRole('button', { name: 'Make a test of this record' }).click()
  await assertAccessible(page, 'workbench-record')
  await page.getByText('Tests', { exact: true }).click()
  await page.getByRole('button', { name: 'Run the tests' }).click()
  await page.getByText('The file has errors.').waitFor()
  await assertAccessible(page, 'workbench-tests')
  await page.getByText('Components', { exact: true }).click()
  await page.getByLabel('Search').fill('redact')
  await page.locator('summary', { hasText: 'redact' }).first().click()
  await page.getByRole('button', { name: 'Add this transform' }).waitFor()
  // Its documentation has code and links.
  await page
    .locator('td code', { hasText: /^hmac$/ })
    .first()
    .waitFor()
  assert.doesNotMatch(await page.locator('.components').innerText(), /`|\]\(/)
  await assertAccessible(page, 'workbench-components')
  await page.getByText('Effects', { exact: true }).click()
  await page.getByRole('button', { name: 'Choose others' }).click()
  await assertAccessible(page, 'workbench-samples')
  assert.deepEqual(errors, [])
})
