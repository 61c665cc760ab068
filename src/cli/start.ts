#!/usr/bin/env node
import { realpathSync } from 'node:fs'
import { useCodeCache } from './code-cache.ts'

/** Runs one command line in this process, see `main.ts`. */
export async function main(args: readonly string[]): Promise<void> {
  const { main: run } = await import('./main.ts')
  await run(args)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  // All other code is loaded after this.
  useCodeCache(process.argv[2])
  // Not awaited: Node.js ends a module that waits for ever with status 13.
  void import('./main.ts').then(({ runAsProcess }) => runAsProcess())
}
