import { basename, resolve } from 'node:path'
import { hasState, readState } from '../../../delivery/state/state-reader.ts'
import { RunEvents } from '../../../observe/bus/run-events.ts'
import { openLog } from '../../../observe/log.ts'
import { print, say } from '../../../observe/output.ts'
import { formatCount, plural } from '../../../observe/report.ts'
import { builtIns, findComponent } from '../../../registry.ts'
import { cancelShards } from '../../../shards/cancel.ts'
import { confirm, yesOption } from '../../confirm.ts'
import { loadOrFail } from '../../load.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument, setOption, stateOption } from '../../options.ts'
import { openQueue, queueAddress, queueOption } from '../../queue-options.ts'
import { showRun } from '../../run/show-run.ts'
import { stopOnSignals } from '../../signals.ts'
import type { QueuedRun } from '../../../queue/inspect.ts'
import { stateFolder } from '../../state-folder.ts'
import { describeRun } from './summary.ts'

interface CancelRunArguments {
  pipeline: string
  yes: boolean
  force: boolean
  set: string[] | undefined
  queue: string | undefined
  state: string
}

export const command: CommandDefinition<CancelRunArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('yes', yesOption)
      .option('force', {
        type: 'boolean',
        default: false,
        describe: 'Also if a later backfill then writes records again, because the pipeline has no dedup',
      })
      .option('set', setOption)
      .option('queue', queueOption)
      .option('state', stateOption),
  handler: async ({ pipeline: name, yes, force, set, queue, state: states }) => {
    const folder = stateFolder(name, resolve(states))
    const address = queueAddress(queue)
    const run = hasState(folder) || address === undefined ? await describeRun(folder) : undefined
    if (!run && address !== undefined) return removeFromQueue(address, (one) => one.pipeline === basename(folder))
    if (!run) return print(`${name} has no unfinished parallel backfill`)
    say(
      `${run.pipeline}: ${formatCount(run.done)} of ${plural(run.shards, 'shard')} are committed. They stay; the others are given up.`,
    )
    await confirm('Cancel it?', { yes, undone: 'nothing was changed' })
    const source = await sourceLike(folder)
    const [pipeline] = await loadOrFail([name], { mode: 'run', set: set ?? [], ...(source && { source }) })
    const signals = stopOnSignals((signal) => say('', `${signal}: stopping`))
    const events = new RunEvents(pipeline.name)
    const hide = showRun(events, await openLog())
    try {
      const options = {
        pipeline,
        stateFolder: resolve(states),
        force,
        stop: signals.stop,
        events,
      }
      const { readAgain } = await cancelShards(options)
      const again = readAgain === 0 ? '' : `; a later backfill reads the inputs of ${plural(readAgain, 'shard')} again`
      print(`${run.pipeline}: the backfill is cancelled${again}`)
      if (address !== undefined) await removeFromQueue(address, (one) => one.run === run.id)
    } finally {
      hide()
      signals.forget()
    }
  },
}

/** Workers notice that the run is gone, and give up its shards. */
async function removeFromQueue(address: string, isMeant: (run: QueuedRun) => boolean): Promise<void> {
  const { connection, seal } = await openQueue(address, (await openLog()).note)
  try {
    const { inspectQueue } = await import('../../../queue/inspect.ts')
    const { removeRun } = await import('../../../queue/remove-run.ts')
    const runs = (await inspectQueue(connection, seal)).runs.filter(isMeant)
    for (const { pipeline, run } of runs) {
      await removeRun(connection, seal, run)
      print(`${pipeline}: run ${run} is removed from the queue`)
    }
    if (runs.length === 0) print('the queue has nothing of it')
  } finally {
    await connection.close()
  }
}

/**
 * A source of the type that the backfill reads, to work out positions. `backfill` reads files in place of
 * the pipeline's own source.
 */
async function sourceLike(folder: string) {
  const partition = await readState(folder, (state) => state.shard(0)?.partitions[0] ?? '')
  const known = builtIns.find(({ kind, type }) => kind === 'source' && partition.startsWith(`${type}:`))
  const source = known && (await findComponent('source', known.type))
  const [example] = source?.examples ?? []
  return source && example && { type: source.type, config: example.config }
}
