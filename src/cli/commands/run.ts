import type { CommandDefinition } from '../command.ts'
import { execute, executeOptions, keepGoingOption, type ExecuteArguments } from '../run/execute.ts'
import { loadAgain } from '../run/load-again.ts'
import { loadOrFail } from '../load.ts'
import { metricsOptions, withMetrics, type MetricsArguments } from '../metrics-options.ts'
import { finalOption } from '../options.ts'
import { parseSchedule } from '../run/schedule.ts'
import { replicaOf, shardOption } from '../shard.ts'
import { uiOptions, withUi, type UiArguments } from '../ui-options.ts'
import { SluiceError } from '../../errors.ts'

interface RunArguments extends ExecuteArguments, MetricsArguments, UiArguments {
  pipeline: string[]
  follow: boolean
  final: boolean
  schedule: string | undefined
  'time-zone': string | undefined
  'keep-going': boolean
  shard: string | undefined
}

export const command: CommandDefinition<RunArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', { type: 'string', array: true, demandOption: true, describe: 'Pipeline names or paths' })
      .options(executeOptions)
      .option('follow', { type: 'boolean', default: false, describe: 'Keep polling after catching up' })
      .option('schedule', {
        type: 'string',
        requiresArg: true,
        describe: "Run at the times of a cron expression until stopped, for example '*/5 * * * *'",
      })
      .option('time-zone', { type: 'string', requiresArg: true, describe: 'Of --schedule; default: UTC' })
      .option('final', finalOption)
      .option('keep-going', keepGoingOption(false))
      .option('shard', shardOption)
      .options(metricsOptions)
      .options(uiOptions)
      .example('$0 run jumpcloud --follow', 'collect until stopped')
      .example("$0 run jumpcloud --schedule '0 3 * * *' --time-zone Europe/Berlin", 'once each night')
      .example('$0 run jumpcloud --follow --shard 2/5', 'as the second of five processes that divide the tenants')
      .example('$0 run jumpcloud --set source.window.since=7d --report run.json', 'collect the last week, once'),
  handler: async (args) => {
    if (args.follow && args.final) {
      throw new SluiceError('USAGE', '--follow and --final exclude each other: a file that is followed is not complete')
    }
    if (args.schedule !== undefined && (args.follow || args.final))
      throw new SluiceError('USAGE', `--schedule and --${args.follow ? 'follow' : 'final'} exclude each other`, {
        hint: '--follow polls without an end; --schedule runs until it has caught up, and runs again later',
      })
    if (args.timeZone !== undefined && args.schedule === undefined)
      throw new SluiceError('USAGE', '--time-zone is of --schedule, which is not given')
    const schedule = args.schedule === undefined ? undefined : await parseSchedule(args.schedule, args.timeZone)
    const replica = replicaOf(args.shard)
    const options = { mode: 'run', set: args.set ?? [] } as const
    const pipelines = await loadOrFail(args.pipeline, options)
    const { follow, final, keepGoing } = args
    const jobs = pipelines.map((pipeline, i) => ({
      pipeline,
      load: () => loadAgain(args.pipeline[i], options),
      follow,
      final,
      keepGoing,
      replica,
    }))
    await withMetrics(args, () => withUi(args, (watch) => execute(jobs, args, { schedule, watch })))
  },
}
