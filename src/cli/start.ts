#!/usr/bin/env node
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { useCompileCache } from './compile-cache.ts'

/** Runs one command line in this process, see `main.ts`. */
export async function main(args: readonly string[]): Promise<void> {
  const { main: run } = await import('./main.ts')
  await run(args)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // All other code is loaded after this.
  useCompileCache()
  // Not awaited: Node.js ends a module that waits for ever with status 13.
  void import('./main.ts').then(({ runAsProcess }) => runAsProcess())
}
