#!/usr/bin/env node
import { realpathSync } from 'node:fs'

/** Runs one command line in this process, see `main.ts`. */
export async function main(args: readonly string[]): Promise<void> {
  const { main: run } = await import('./main.ts')
  await run(args)
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  // Not awaited: Node.js ends a module that waits for ever with status 13.
  void start(process.argv.slice(2))
}

/** With the cache, all other code is loaded after it. */
async function start(args: readonly string[]): Promise<void> {
  const [command] = args
  if (command !== 'list' && !args.includes('--version')) (await import('./code-cache.ts')).useCodeCache(command)
  const { runAsProcess } = await import('./main.ts')
  await runAsProcess()
}
