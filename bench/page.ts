/**
 * How quick is the page? Chromium opens it for a project with a running pipeline of 100 transforms, one with 10,000
 * objects and one with 100,000 rejects, and a workbench with 2 MB of samples. Each interaction is timed by the
 * browser, from the input to the next paint (Event Timing, in steps of 8 ms; below 16 ms it says nothing).
 *
 * `npm run build && node build/bench/page.js`
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { openPage } from '../test/ui/browser.ts'
import { attachUi } from '../test/ui/ui-process.ts'
import { MAIN } from '../test/support/paths.ts'

const STAGES = 100
const OBJECTS = 10_000
const PART = 1000
const REJECTS = 100_000
const SAMPLE_BYTES = 2_000_000

const SOURCE = `import { setTimeout as sleep } from 'node:timers/promises'
import { defineSource } from 'sluice'
async function* read({ position }) {
  for (let id = position('all') ?? 0; ; id += 100) {
    const lines = Array.from({ length: 100 }, (_, n) => JSON.stringify({ id: id + n, text: 'x'.repeat(200) }) + '\\n')
    yield { bytes: Buffer.from(lines.join('')), partition: 'all', position: id + 100 }
    await sleep(20)
  }
}
export default defineSource({ summary: 'Endless.', repeats: false, fields: {}, examples: [], create: () => ({ read }) })
`

/** Runs in the page before its own code. */
const OBSERVE = `window.interactions = []
new PerformanceObserver((list) => {
  for (const { duration, interactionId } of list.getEntries()) if (interactionId > 0) window.interactions.push(duration)
}).observe({ type: 'event', durationThreshold: 16, buffered: true })`

const root = await mkdtemp(join(tmpdir(), 'sluice-bench-'))
const cleanUps: (() => unknown)[] = [() => rm(root, { recursive: true })]
const after = (end: () => unknown): void => void cleanUps.push(end)
try {
  await writeProject()
  // A commit makes 1,000 objects at most.
  for (let part = 0; part < OBJECTS / PART; part++)
    await once(start(['run', 'objects', '--set', `source.path=objects-${part}.ndjson`]), 'exit')
  await once(start(['run', 'rejects']), 'exit')
  start(['run', 'stages'])
  const ui = start(['ui', '--edit'])
  const [address]: Buffer[] = await once(ui.stdout, 'data')
  const served = attachUi(address.toString().trim(), { pid: ui.pid ?? 0 })
  const { page } = await openPage({ after }, served, { viewport: { width: 1440, height: 900 } })
  await page.addInitScript(OBSERVE)
  const view = async (name: string, path: string, wanted: string): Promise<void> => {
    await page.goto(`${served.url.origin}${path}`)
    await page.locator(wanted).first().waitFor()
    const milliseconds: number = await page.evaluate('Math.round(performance.now())')
    const painted: number = await page.evaluate(
      "Math.round(performance.getEntriesByType('paint').find(({ name }) => name === 'first-contentful-paint').startTime)",
    )
    console.log(`${name}: first paint after ${painted} ms, what it shows after ${milliseconds} ms at most`)
  }
  await view('overview', '/', 'tbody tr')
  await interact(page, 'overview: focus from row to row', async () => {
    for (let step = 0; step < 20; step++) await page.keyboard.press('Tab')
  })
  await view(`a run of ${STAGES} stages`, '/pipelines/stages', '.box')
  await interact(page, 'a run: log by level, charts by time', async () => {
    for (let round = 0; round < 5; round++) {
      await page.getByText('1 hour', { exact: true }).click()
      await page.getByText('Warnings', { exact: true }).click()
      await page.getByText('10 minutes', { exact: true }).click()
      await page.getByText('All', { exact: true }).click()
    }
  })
  await view(`${OBJECTS} objects`, '/pipelines/objects', 'button:has-text("Copy")')
  await view(`${REJECTS} rejects`, '/pipelines/rejects/rejects', 'tbody tr')
  await interact(page, 'rejects: search while typing, choose all', async () => {
    await page.getByLabel('Text').pressSequentially('"id":77', { delay: 60 })
    await page.waitForTimeout(3000)
    await page.getByRole('button', { name: /Choose all/ }).click()
    for (let row = 0; row < 5; row++) await page.locator('tbody button').nth(row).click()
  })
  await view('workbench', '/pipelines/stages/workbench', '.cm-line')
  await page.getByRole('button', { name: /Choose samples/ }).click()
  await page.getByLabel('A file').check()
  await page.getByLabel('Path below the project folder').fill('samples.ndjson')
  await page.getByRole('button', { name: 'Take these' }).click()
  await page.locator('.effect-row').first().waitFor({ timeout: 60_000 })
  await interact(page, `workbench: typing, ${STAGES} stages and ${SAMPLE_BYTES} bytes of samples`, async () => {
    await page.locator('.cm-content').focus()
    await page.keyboard.press('Control+Home')
    await page.keyboard.type('# a comment that somebody types while the samples are tried again\n', { delay: 80 })
    await page.waitForTimeout(3000)
    await page.keyboard.type('# and more of it\n', { delay: 80 })
  })
} finally {
  for (const end of cleanUps.toReversed()) await end()
}

function start(args: readonly string[]) {
  const child = spawn(process.execPath, [MAIN, ...args], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] })
  after(() => child.kill('SIGKILL'))
  return child
}

async function writeProject(): Promise<void> {
  await mkdir(join(root, 'pipelines'))
  const write = (name: string, text: string): Promise<void> => writeFile(join(root, name), text)
  await write('package.json', '{ "type": "module" }\n')
  await write('endless.js', SOURCE)
  for (let part = 0; part < OBJECTS / PART; part++) await write(`objects-${part}.ndjson`, lines(PART, part * PART))
  await write('rejects.ndjson', lines(REJECTS))
  await write('samples.ndjson', lines(Math.ceil(SAMPLE_BYTES / record(1000).length)))
  await write('schema.json', '{ "type": "object", "required": ["missing"] }\n')
  const transforms = Array.from(
    { length: STAGES },
    (_, at) => `  - { type: compute, members: [{ path: m${at}, value: record.id + ${at} }] }\n`,
  )
  const sink = 'sink: { type: file, path: out, roll: { maxAge: 1s } }\n'
  await write('pipelines/stages.yaml', `source: { type: ../endless.js }\ntransforms:\n${transforms.join('')}${sink}`)
  await write(
    'pipelines/objects.yaml',
    `source: { type: file, path: objects-0.ndjson }\nsink: { type: file, path: objects, key: 'id={record.id}', roll: { maxPartitions: 1000 } }\n`,
  )
  await write(
    'pipelines/rejects.yaml',
    `source: { type: file, path: rejects.ndjson }\ntransforms: [{ type: validate, schema: ../schema.json }]\n${sink}`,
  )
}

async function interact(page: Page, name: string, act: () => Promise<void>): Promise<void> {
  await page.evaluate('window.interactions.length = 0')
  await act()
  await page.waitForTimeout(500)
  const durations: number[] = await page.evaluate('window.interactions')
  const sorted = durations.toSorted((a, b) => a - b)
  const longest = sorted.at(-1)
  const text =
    longest === undefined
      ? 'all below 16 ms'
      : `${sorted.length} of at least 16 ms, the median of them ${sorted[Math.floor(sorted.length / 2)]} ms, the longest ${longest} ms`
  console.log(`${name}: input to paint: ${text}`)
}

function record(id: number): string {
  return JSON.stringify({ id, name: 'n'.repeat(150), kind: id % 7 })
}

function lines(count: number, from = 0): string {
  return Array.from({ length: count }, (_, at) => `${record(from + at)}\n`).join('')
}
