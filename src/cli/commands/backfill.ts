import { join, resolve } from 'node:path'
import type { ArgumentsCamelCase } from 'yargs'
import { SluiceError } from '../../errors.ts'
import type { ShardRun } from '../../delivery/shards/shard.ts'
import { openLog } from '../../observe/log.ts'
import { logChoice } from '../log-options.ts'
import { withTimeLimits } from '../../runtime/time-range.ts'
import { describeConfiguration } from '../../shards/describe-configuration.ts'
import type { WorkerWishes } from '../../shards/choose-workers.ts'
import type { Job } from '../../shards/job.ts'
import type { CommandDefinition } from '../command.ts'
import { checkBackfilled } from '../backfill-replica.ts'
import { checkContinued } from '../continue-backfill.ts'
import type { GivenCommand } from '../continue-backfill.ts'
import { execute, executeOptions, keepGoingOption, type ExecuteArguments, type JobOptions } from '../run/execute.ts'
import { loadOrFail } from '../load.ts'
import { metricsOptions, withMetrics, type MetricsArguments } from '../metrics-options.ts'
import { fileSource, finalOption, pipelineArgument, recordsOption, shardOptions, shardWishes } from '../options.ts'
import { queueAddress, queueOption } from '../queue-options.ts'
import { runWithWorkers } from '../run-with-workers.ts'
import { showPlan } from '../show-plan.ts'
import { uiOptions, withUi, type UiArguments, type WatchRun } from '../ui-options.ts'
import { setPathsOf, storeCommand } from '../stored-command.ts'

interface BackfillArguments extends ExecuteArguments {
  pipeline: string
  path: string[]
  records: string[] | undefined
  since: string | undefined
  until: string | undefined
  workers: number | undefined
  'shard-size': string | undefined
  queue: string | undefined
  shard: string | undefined
  'dry-run': boolean
  final: boolean
  'keep-going': boolean
}

export const command: CommandDefinition<BackfillArguments & MetricsArguments & UiArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .positional('path', {
        type: 'string',
        array: true,
        demandOption: true,
        describe: 'Files, folders, globs, s3:// paths, or - for standard input',
      })
      .options(executeOptions)
      .option('since', { type: 'string', describe: 'Drop records before this time', requiresArg: true })
      .option('until', { type: 'string', describe: 'Drop records at or after this time', requiresArg: true })
      .option('records', recordsOption)
      .option('final', finalOption)
      .option('keep-going', keepGoingOption(true))
      .options(shardOptions)
      .option('queue', queueOption)
      .option('shard', {
        type: 'string',
        describe: 'The state is that of this replica, and all records are of its tenants: 2/5 is the second of five',
        requiresArg: true,
      })
      .options(metricsOptions)
      .options(uiOptions)
      .option('dry-run', { type: 'boolean', default: false, describe: 'Show what would be read, and stop' })
      .example('$0 backfill jumpcloud ./archive', 'add archived events that were not collected'),
  handler: (args) => withMetrics(args, () => withUi(args, (watch) => backfill(args, { watch }))),
}

/** @param how `continues`: an unfinished one, also with a single worker. */
export async function backfill(
  args: ArgumentsCamelCase<BackfillArguments>,
  { continues = false, watch }: Partial<Pick<WorkerWishes, 'continues'>> & { watch?: WatchRun | undefined } = {},
): Promise<void> {
  const wishes = { ...shardWishes(args), continues, queue: queueOf(args) }
  const source = fileSource(args.path, args.records)
  const set = args.set ?? []
  const [pipeline] = await loadOrFail([args.pipeline], { mode: 'run', set, source })
  const limited = withTimeLimits(pipeline, args)
  const stateFolder = resolve(args.state)
  const given = commandOf(args)
  if (!continues) await checkBackfilled(pipeline.name, join(stateFolder, pipeline.name), args.shard)
  const { note } = await openLog(logChoice(args))
  await checkContinued(pipeline, { stateFolder, given, set, shardBytes: wishes.shardBytes, note })
  if (args.dryRun) return showPlan(limited, { ...args, stateFolder, wishes })
  const began = async (folder: string, { id }: ShardRun) => {
    const configuration = await describeConfiguration(pipeline)
    await storeCommand(folder, { run: id, ...given, setPaths: setPathsOf(set), cwd: process.cwd(), configuration })
  }
  const options = { follow: false, final: args.final, keepGoing: args.keepGoing }
  const run = (running: JobOptions) => runWithWorkers(running, jobOf(args, source), { ...wishes, began })
  await execute([{ pipeline: limited, ...options, run }], args, { watch })
}

/** `--workers` takes precedence over the queue of the environment. */
function queueOf({ queue, workers }: Pick<BackfillArguments, 'queue' | 'workers'>): string | undefined {
  if (workers === undefined) return queueAddress(queue)
  if (queue === undefined) return undefined
  throw new SluiceError('USAGE', '--queue and --workers exclude each other: shards are executed there or here', {
    hint: 'leave one of them out; `sluice worker --concurrency` says how many shards a machine executes',
  })
}

function commandOf(args: ArgumentsCamelCase<BackfillArguments>): GivenCommand {
  const { pipeline, path, records, since, until, final, keepGoing } = args
  return { pipeline, path, records, since, until, final, keepGoing }
}

/** The command line, as a worker needs it to load the same pipeline. */
function jobOf(args: ArgumentsCamelCase<BackfillArguments>, source: Job['source']): Job {
  const { pipeline, set = [], since, until, final, keepGoing } = args
  return { pipeline, set, source, since, until, final, keepGoing }
}
