import { print, printJson } from '../../../observe/output.ts'
import type { CommandDefinition } from '../../command.ts'
import { jsonOption, pipelineArgument, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'
import { readCommand } from '../../stored-command.ts'
import type { StoredCommand } from '../../stored-command.ts'
import { lookIntoQueue, queueAddress, queueOption } from '../../queue-options.ts'
import { renderQueued } from './queued.ts'
import { describeRun, oneLine } from './summary.ts'

interface ShowRunArguments {
  pipeline: string
  state: string
  queue: string | undefined
  json: boolean
}

export const command: CommandDefinition<ShowRunArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('state', stateOption)
      .option('queue', queueOption)
      .option('json', jsonOption),
  handler: async ({ pipeline, state, queue, json }) => {
    const folder = stateFolder(pipeline, state)
    const run = await describeRun(folder)
    const started = run && (await readCommand(folder, run.id))
    const content = await lookIntoQueue(queueAddress(queue))
    if (json) {
      const { path: paths, cwd } = started ?? {}
      return printJson(run === undefined ? null : { ...run, paths, cwd, ...(content && { queue: content }) })
    }
    if (!run) return print(`${pipeline} has no unfinished parallel backfill`)
    const failed = run.failed.map(({ shard, inputs, code, message }) => {
      const [first = '', ...more] = inputs
      return `  shard ${shard} failed: ${first}${more.length > 0 ? ' and others' : ''}: ${code}: ${message}`
    })
    print(oneLine(run), ...renderStarted(started), ...failed, ...renderQueued(run, content))
    if (run.running === undefined) {
      print(`  finish it with \`sluice runs retry ${pipeline}\`, or give it up with \`sluice runs cancel ${pipeline}\``)
    }
  },
}

/** What the backfill reads. */
function renderStarted(started: StoredCommand | undefined): string[] {
  if (started === undefined) return []
  const { path, cwd } = started
  const more = path.length > SHOWN_PATHS ? ` and ${path.length - SHOWN_PATHS} more` : ''
  return [`  reads ${path.slice(0, SHOWN_PATHS).join(', ')}${more}, from ${cwd}`]
}

/** A shell may have expanded a glob to thousands. */
const SHOWN_PATHS = 5
