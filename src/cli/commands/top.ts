import { basename } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { isSnapshot, watchRuns } from '../../inspect/watch-runs.ts'
import type { WatchOptions } from '../../inspect/watch-runs.ts'
import { print, safeJson, writeRendered } from '../../observe/output.ts'
import type { CommandDefinition } from '../command.ts'
import { stateOption } from '../options.ts'
import { stateFolder } from '../state-folder.ts'
import { renderOnce, showTop } from '../top-view.ts'

interface TopArguments {
  pipeline: string | undefined
  state: string
  once: boolean
  wait: boolean
  json: boolean
}

export const command: CommandDefinition<TopArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', { type: 'string', describe: 'Pipeline name or path; default: all that run' })
      .option('state', stateOption)
      .option('once', { type: 'boolean', default: false, describe: 'Show the status once, after a second' })
      .option('wait', { type: 'boolean', default: false, describe: 'Wait for a run to begin, and for the next ones' })
      .option('json', { type: 'boolean', default: false, describe: 'Print the status as JSON, a line each second' })
      .example('$0 top', 'watch everything that runs with the states in .sluice')
      .example('$0 top jumpcloud --once --json', 'the status for a script'),
  handler: top,
}

async function top({ pipeline, state, once, wait, json }: TopArguments): Promise<void> {
  if (once && wait) throw new SluiceError('USAGE', '--once and --wait exclude each other')
  if (!json && !once && !process.stdout.isTTY)
    throw new SluiceError('USAGE', 'stdout is not a terminal', { hint: 'add --json or --once' })
  const ending = new AbortController()
  const end = (): void => ending.abort()
  process.on('SIGINT', end).on('SIGTERM', end)
  const folder = pipeline === undefined ? undefined : stateFolder(pipeline, state)
  const watched: WatchOptions = {
    states: state,
    run: folder === undefined ? undefined : { name: basename(folder), folder },
    wait,
    once,
    signal: ending.signal,
  }
  try {
    if (json || once) await printSnapshots(watched, json)
    else await showTop((take) => watchRuns(watched, take), end, ending.signal)
  } finally {
    ending.abort()
    process.off('SIGINT', end).off('SIGTERM', end)
  }
}

async function printSnapshots(watched: WatchOptions, json: boolean): Promise<void> {
  await watchRuns(watched, ({ data }) => {
    if (data === undefined) return
    if (json) print(safeJson(data))
    else if (isSnapshot(data)) writeRendered(process.stdout, renderOnce(data))
  })
}
