import { execute, executeOptions, type ExecuteArguments } from '../../run/execute.ts'
import { loadOrFail } from '../../load.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument } from '../../options.ts'
import { replayInput } from '../../../runtime/replay.ts'

interface ReplayArguments extends ExecuteArguments {
  pipeline: string
  file: string[] | undefined
}

export const command: CommandDefinition<ReplayArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .options(executeOptions)
      .option('file', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'Files with corrected lines of "rejects show --json"; default: replay all rejects unchanged',
      })
      .example('$0 rejects replay jumpcloud', 'after a change to the schema or a transform')
      .example('$0 rejects replay jumpcloud --file corrected.ndjson', 'records that were corrected by hand'),
  handler: async (args) => {
    const [pipeline] = await loadOrFail([args.pipeline], {
      mode: 'run',
      parts: ['transforms', 'sinks'],
      set: args.set ?? [],
    })
    await execute([{ pipeline, follow: false, input: replayInput({ pipeline, files: args.file }) }], args)
  },
}
