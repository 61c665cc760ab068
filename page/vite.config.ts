import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

/** The server of `sluice ui` sends a strict Content-Security-Policy: everything is a file of its own. */
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: '/',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: '../build/dist/page',
    emptyOutDir: true,
    assetsDir: 'assets',
    // No data: URLs.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    license: { fileName: 'licenses.md' },
    target: 'es2022',
  },
})
