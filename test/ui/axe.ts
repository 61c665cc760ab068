import assert from 'node:assert/strict'
import { createRequire } from 'node:module'
import type { Page } from 'playwright-core'
import { keepPicture } from './browser.ts'

/**
 * Asserts that axe finds no serious fault in what the page shows, and that nothing sticks out: light and dark, narrow
 * and wide. Keeps a picture of each. The page needs `bypassCSP`: axe comes from outside of it.
 */
export async function assertAccessible(page: Page, name: string): Promise<void> {
  for (const width of [360, 1440])
    for (const colorScheme of ['light', 'dark'] as const) {
      const look = `${name}-${colorScheme}-${width}`
      await page.setViewportSize({ width, height: 900 })
      await page.emulateMedia({ colorScheme })
      await keepPicture(page, look)
      assert.deepEqual(await faultsOf(page), [], look)
      assert.ok(await page.evaluate('document.documentElement.scrollWidth <= window.innerWidth'), look)
    }
}

/** The serious and critical faults that axe finds. */
async function faultsOf(page: Page): Promise<string[]> {
  if (!(await page.evaluate<boolean>("'axe' in window")))
    await page.addScriptTag({ path: createRequire(import.meta.url).resolve('axe-core/axe.min.js') })
  const found: { id: string; impact: string; nodes: { target: string[] }[] }[] = await page.evaluate(
    'axe.run().then(({ violations }) => violations)',
  )
  return found
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target.join(' ')).join(', ')}`)
}
