import { resolve } from 'node:path'
import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs'
import { SluiceError } from '../errors.ts'
import type { RunEvents } from '../observe/bus/run-events.ts'
import { say } from '../observe/output.ts'
import { readVersion } from '../package.ts'
import { openLog } from '../observe/log.ts'
import { logChoice } from './log-options.ts'
import type { LogArguments } from './log-options.ts'

/** Options of the commands that serve the page while they run. */
export const uiOptions = {
  ui: { type: 'boolean', default: false, describe: 'Serve a page with the run; its address is on stderr' },
  'ui-port': { type: 'number', requiresArg: true, describe: 'Port of the page; default: any that is free' },
} as const satisfies { [name: string]: Options }

export type UiArguments = InferredOptionTypes<typeof uiOptions>

type Given = ArgumentsCamelCase<UiArguments> & LogArguments & { readonly state: string }

/** Watches a run from before its begin. Returns a function that ends it. */
export type WatchRun = (events: RunEvents) => () => void

/**
 * Does the work of a command while the page is served, if it is asked for.
 * @param work gets what shows a run on the page; undefined if nothing does
 * @throws SluiceError USAGE before the work if the page cannot be served
 */
export async function withUi(args: Given, work: (watch: WatchRun | undefined) => Promise<void>): Promise<void> {
  const { ui, uiPort } = args
  if (!ui) {
    if (uiPort !== undefined) throw new SluiceError('USAGE', '--ui-port is of the page, which is not served', ADD_UI)
    return work(undefined)
  }
  const port = checkPort('--ui-port', uiPort ?? 0)
  const { serveUi } = await import('../ui/server.ts')
  const server = await serveUi({
    root: process.cwd(),
    states: resolve(args.state),
    address: { host: '127.0.0.1', port, written: `--ui-port ${port}` },
    edit: false,
    version: readVersion(),
  })
  try {
    await sayAddress(server.url, args)
    await work(server.watch)
  } finally {
    await server.close()
  }
}

const ADD_UI = { hint: 'add --ui' }

/** Standard output may carry records. */
async function sayAddress(url: string, args: Given): Promise<void> {
  const choice = logChoice(args)
  if (choice.format === 'pretty') return say(`The page of this run, an address that works once: ${url}`)
  const { note } = await openLog(choice)
  note('ui.served', { url })
}

/** @throws SluiceError USAGE */
export function checkPort(option: string, port: number): number {
  if (Number.isInteger(port) && port >= 0 && port <= 65_535) return port
  throw new SluiceError('USAGE', `${option} ${port} is not a port`, { hint: 'give a whole number from 0 to 65535' })
}
