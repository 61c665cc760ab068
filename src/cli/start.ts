#!/usr/bin/env node
import { realpathSync } from 'node:fs'
import { availableParallelism } from 'node:os'

/** Runs one command line in this process, see `main.ts`. */
export async function main(args: readonly string[]): Promise<void> {
  const { main: run } = await import('./main.ts')
  await run(args)
}

/** Of Node.js, see https://nodejs.org/api/cli.html#uv_threadpool_sizesize */
const DEFAULT_POOL = 4

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === import.meta.filename) {
  // Not awaited: Node.js ends a module that waits for ever with status 13.
  void start(process.argv.slice(2))
}

/** With the cache, all other code is loaded after it. */
async function start(args: readonly string[]): Promise<void> {
  const cores = availableParallelism()
  // The threads that compress. Node.js reads it when it starts them, and has 4 otherwise.
  if (cores > DEFAULT_POOL) process.env['UV_THREADPOOL_SIZE'] ??= String(cores)
  const [command] = args
  if (command !== 'list' && !args.includes('--version')) (await import('./code-cache.ts')).useCodeCache(command)
  const { runAsProcess } = await import('./main.ts')
  await runAsProcess()
}
