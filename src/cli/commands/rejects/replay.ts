import type { CommandModule } from 'yargs'
import { execute, executeOptions, type ExecuteArguments } from '../../execute.ts'
import { loadOrFail } from '../../load.ts'

interface ReplayArguments extends ExecuteArguments {
  pipeline: string
  file: string[] | undefined
}

export const command: CommandModule<object, ReplayArguments> = {
  command: 'replay <pipeline>',
  describe: 'Put rejects through the stages again, from the one that refused them; what is written is forgotten',
  builder: (parser) =>
    parser
      .positional('pipeline', { type: 'string', demandOption: true, describe: 'Name or path' })
      .options(executeOptions)
      .option('file', {
        type: 'string',
        array: true,
        requiresArg: true,
        describe: 'Mended lines of rejects show --json; without it all rejects as they are',
      })
      .example('$0 rejects replay jumpcloud', 'behind a change of the schema or of a transform')
      .example('$0 rejects replay jumpcloud --file mended.ndjson', 'records that were mended by hand'),
  handler: async (args) => {
    const [pipeline] = await loadOrFail([args.pipeline], { mode: 'run', set: args.set ?? [] })
    await execute([{ pipeline, follow: false, replay: { files: args.file } }], args)
  },
}
