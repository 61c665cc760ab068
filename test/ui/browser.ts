import { execFileSync } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import type { TestContext } from 'node:test'
import { chromium } from 'playwright-core'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { SCALE } from '../support/scale.ts'
import type { UiProcess } from './ui-process.ts'

/** Debian's Chromium, if it is installed. */
const PROGRAM = find()

/** For the options of a test: why it is skipped. The browser is the same on another Node.js. */
export const withoutBrowser =
  PROGRAM === undefined ? 'chromium is not installed' : SCALE < 1 && 'SLUICE_TEST_SCALE is below 1'

/** Pictures of the screens stay there. */
const PICTURES = 'build/screenshots'

type Served = Pick<UiProcess, 'url' | 'enter'>

export interface OpenPage {
  readonly page: Page
  /** Addresses that the page has asked for, whatever came of it. */
  readonly requests: readonly string[]
  /** Errors of the page, and what its policy has refused. */
  readonly errors: readonly string[]
}

/** Opens the page of a `sluice ui`. The test's end closes the browser. */
export async function openPage(
  t: Pick<TestContext, 'after'>,
  ui: Served,
  options: BrowserContextOptions = {},
): Promise<OpenPage> {
  const browser = await chromium.launch({ executablePath: PROGRAM ?? '', args: ['--no-sandbox'] })
  t.after(() => browser.close())
  return open(browser, ui, options)
}

async function open(browser: Browser, ui: Served, options: BrowserContextOptions): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options })
  const page = await context.newPage()
  const requests: string[] = []
  const errors: string[] = []
  page.on('request', (request) => requests.push(request.url()))
  page.on('pageerror', (error) => errors.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') errors.push(message.text())
  })
  page.on('dialog', (dialog) => {
    errors.push(`dialog: ${dialog.message()}`)
    void dialog.dismiss()
  })
  const [name, value] = (await ui.enter()).split('=')
  await context.addCookies([{ name, value, url: ui.url.origin }])
  await page.goto(ui.url.origin)
  return { page, requests, errors }
}

/** Keeps a picture of the whole page. */
export async function keepPicture(page: Page, name: string): Promise<void> {
  await mkdir(PICTURES, { recursive: true })
  await page.screenshot({ path: `${PICTURES}/${name}.png`, fullPage: true })
}

function find(): string | undefined {
  try {
    return execFileSync('which', ['chromium'], { encoding: 'utf8' }).trim()
  } catch {
    return undefined
  }
}
