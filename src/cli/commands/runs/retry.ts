import type { ArgumentsCamelCase } from 'yargs'
import { SluiceError } from '../../../errors.ts'
import { print } from '../../../observe/output.ts'
import type { CommandDefinition } from '../../command.ts'
import { executeOptions } from '../../run/execute.ts'
import type { ExecuteArguments } from '../../run/execute.ts'
import { pipelineArgument, shardOptions } from '../../options.ts'
import { queueOption } from '../../queue-options.ts'
import { stateFolder } from '../../state-folder.ts'
import { readCommand, requireSet } from '../../stored-command.ts'
import { backfill } from '../backfill.ts'
import { describeRun } from './summary.ts'

interface RetryArguments extends ExecuteArguments {
  pipeline: string
  queue: string | undefined
  workers: number | undefined
  'shard-size': string | undefined
  'keep-going': boolean | undefined
}

export const command: CommandDefinition<RetryArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .options(executeOptions)
      .options(shardOptions)
      .option('keep-going', { type: 'boolean', describe: 'As for `backfill`; default: as the backfill was started' })
      .option('queue', queueOption)
      .example('$0 runs retry jumpcloud', 'try the failed shards again, and finish the others'),
  handler: retry,
}

async function retry(args: ArgumentsCamelCase<RetryArguments>): Promise<void> {
  const folder = stateFolder(args.pipeline, args.state)
  const run = await describeRun(folder)
  if (run === undefined) return print(`${args.pipeline} has no unfinished parallel backfill`)
  const stored = await readCommand(folder, run.id)
  if (stored === undefined)
    throw new SluiceError('USAGE', `the command of the backfill is not in ${folder}`, {
      hint: 'start the backfill again with the same paths and options',
    })
  requireSet(stored, args.set ?? [])
  if (stored.cwd !== process.cwd())
    throw new SluiceError('USAGE', `the backfill was started in ${stored.cwd}, and its paths may be relative to it`, {
      hint: `change to that folder: cd ${stored.cwd}`,
    })
  const { path, records, since, until, final } = stored
  const { keepGoing = stored.keepGoing } = args
  const again = { path: [...path], records: records && [...records], since, until, final }
  await backfill(
    {
      ...args,
      ...again,
      keepGoing,
      'keep-going': keepGoing,
      shard: undefined,
      dryRun: false,
      'dry-run': false,
    },
    { continues: true },
  )
}
