import { print, printJson } from '../../../observe/output.ts'
import type { CommandDefinition } from '../../command.ts'
import { jsonOption, pipelineArgument, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'
import { describeRun, oneLine } from './summary.ts'

interface ShowRunArguments {
  pipeline: string
  state: string
  json: boolean
}

export const command: CommandDefinition<ShowRunArguments> = {
  builder: (parser) =>
    parser.positional('pipeline', pipelineArgument).option('state', stateOption).option('json', jsonOption),
  handler: async ({ pipeline, state, json }) => {
    const run = await describeRun(stateFolder(pipeline, state))
    if (json) return printJson(run ?? null)
    if (!run) return print(`${pipeline} has no unfinished parallel backfill`)
    const failed = run.failed.map(({ shard, inputs, code, message }) => {
      const [first = '', ...more] = inputs
      return `  shard ${shard} failed: ${first}${more.length > 0 ? ' and others' : ''}: ${code}: ${message}`
    })
    print(oneLine(run), ...failed)
  },
}
