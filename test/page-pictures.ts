/**
 * Takes the pictures of the page in docs/images: `npm run picture`. A project with some of the pipelines of this
 * checkout collects from a JumpCloud API of this process into an S3 server of this process. The figures in the
 * pictures are those of the machine.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Page } from 'playwright-core'
import { DAY, HOUR } from '../src/time.ts'
import { startJumpCloudServer } from './servers/jumpcloud.ts'
import { startS3Server } from './servers/s3.ts'
import { s3Environment } from './support/command.ts'
import { MAIN } from './support/paths.ts'
import { createFolder } from './support/temporary-folder.ts'
import { openPage } from './ui/browser.ts'
import { attachUi } from './ui/ui-process.ts'

const IMAGES = 'docs/images'
const SIZE = { width: 1200, height: 800 }

const { path: folder, remove } = await createFolder()
const cleanUps: (() => unknown)[] = [remove]
const after = (end: () => unknown): void => void cleanUps.push(end)
try {
  const s3 = await startS3Server({ buckets: ['audit'] })
  after(() => s3.close())
  const end = Date.now() - HOUR
  const jumpcloud = await startJumpCloudServer({ seed: 7, events: 400_000, start: end - 9 * DAY, end, repeats: 0.02 })
  after(() => jumpcloud.close())
  const root = join(folder, 'audit-events')
  await mkdir(join(root, 'pipelines'), { recursive: true })
  for (const name of ['archive', 'jumpcloud', 'cloudtrail'])
    await cp(`pipelines/${name}.yaml`, join(root, `pipelines/${name}.yaml`))
  for (const name of ['schemas', 'transforms', 'samples', 'package.json'])
    await cp(name, join(root, name), { recursive: true })
  const env = {
    ...process.env,
    ...s3Environment(s3),
    JUMPCLOUD_API_KEY: jumpcloud.apiKey,
    JUMPCLOUD_BASE_URL: jumpcloud.url,
    SLUICE_BUCKET: 'audit',
    SLUICE_HMAC_KEY: 'a key for the pictures',
    SLUICE_SINCE: '9d',
    CLOUDTRAIL_BUCKET: 'audit',
  }
  const start = (args: readonly string[]) => {
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: root, env, stdio: ['ignore', 'pipe', 'ignore'] })
    after(() => child.kill('SIGKILL'))
    return child
  }
  await once(start(['run', 'archive']), 'exit')
  start(['run', 'jumpcloud', '--follow', '--set', 'source.rate.perSecond=4', '--set', 'sink.roll.maxAge=5s'])
  const ui = start(['ui', '--edit'])
  const [address]: Buffer[] = await once(ui.stdout, 'data')
  const served = attachUi(address.toString().trim(), { pid: ui.pid ?? 0 })
  const { page } = await openPage({ after }, served, { viewport: SIZE, deviceScaleFactor: 1 })
  await page.getByRole('cell', { name: /[1-9][\d,]* records\/s/ }).waitFor()
  // Charts and sparklines need some history.
  await sleep(60_000)
  await take(page, 'page-overview', 520)
  await page.goto(`${served.url.origin}/pipelines/jumpcloud`)
  await page
    .getByText(/[1-9][\d,]* records\/s/)
    .first()
    .waitFor()
  await sleep(3000)
  await take(page, 'page-pipeline', SIZE.height)
  await page.goto(`${served.url.origin}/pipelines/archive/workbench`)
  await page.getByRole('button', { name: /Choose samples/ }).click()
  await page.getByLabel('A file').check()
  await page.getByLabel('Path below the project folder').fill('samples/2024-03-04-all.ndjson')
  await page.getByRole('button', { name: 'Take these' }).click()
  await page.locator('.effect-row').nth(1).click()
  await sleep(1000)
  await take(page, 'page-workbench', SIZE.height)
} finally {
  for (const end of cleanUps.toReversed()) await end()
}

async function take(page: Page, name: string, height: number): Promise<void> {
  const path = join(IMAGES, `${name}.png`)
  await page.screenshot({ path, clip: { x: 0, y: 0, width: SIZE.width, height } })
  process.stdout.write(`written: ${path}\n`)
}
