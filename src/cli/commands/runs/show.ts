import { print, printJson } from '../../../observe/output.ts'
import type { CommandDefinition } from '../../command.ts'
import { jsonOption, pipelineArgument, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'
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
    const run = await describeRun(stateFolder(pipeline, state))
    const content = await lookIntoQueue(queueAddress(queue))
    if (json) return printJson(run === undefined ? null : { ...run, ...(content && { queue: content }) })
    if (!run) return print(`${pipeline} has no unfinished parallel backfill`)
    const failed = run.failed.map(({ shard, inputs, code, message }) => {
      const [first = '', ...more] = inputs
      return `  shard ${shard} failed: ${first}${more.length > 0 ? ' and others' : ''}: ${code}: ${message}`
    })
    print(oneLine(run), ...failed, ...renderQueued(run, content))
  },
}
