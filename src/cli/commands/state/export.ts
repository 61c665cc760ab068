import { chmod, stat } from 'node:fs/promises'
import { ExportReader } from '../../../delivery/replicas/export-file.ts'
import { planMove, planWhole, writeMove, writeWhole } from '../../../delivery/replicas/export-state.ts'
import type { PlannedMove } from '../../../delivery/replicas/export-state.ts'
import { nameOf, ownerOf } from '../../../delivery/replicas/replica.ts'
import { formatShardKey, SHARD_KEY } from '../../../delivery/replicas/shard-key.ts'
import { State } from '../../../delivery/state/state.ts'
import { SluiceError } from '../../../errors.ts'
import { print, say } from '../../../observe/output.ts'
import { plural } from '../../../observe/report.ts'
import { tenantsOf } from '../../../runtime/tenants.ts'
import type { CheckedPipeline } from '../../../config/pipeline.ts'
import { confirm, yesOption } from '../../confirm.ts'
import { loadOrFail } from '../../load.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument, setOption, stateOption } from '../../options.ts'
import { parseCount } from '../../shard.ts'
import { stateFolder } from '../../state-folder.ts'

interface ExportArguments {
  pipeline: string
  file: string
  count: string | undefined
  copy: boolean
  'leave-rejects': boolean
  yes: boolean
  set: string[] | undefined
  state: string
}

export const command: CommandDefinition<ExportArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .positional('file', { type: 'string', demandOption: true, describe: 'The file to write' })
      .option('count', {
        type: 'string',
        requiresArg: true,
        describe:
          'Move the tenants that belong to other replicas when there are so many; default: move the whole state',
      })
      .option('copy', {
        type: 'boolean',
        default: false,
        describe: 'Export a backup of the whole state, which stays in use',
      })
      .option('leave-rejects', {
        type: 'boolean',
        default: false,
        describe: 'Also if rejects stay in a state that nobody runs any more',
      })
      .option('yes', yesOption)
      .option('set', setOption)
      .option('state', stateOption)
      .example(
        '$0 state export jumpcloud /shared/2.export --count 7',
        'in each of five replicas, which shall be seven',
      ),
  handler: async (args) => {
    const { pipeline: name, file, set, state: states } = args
    const count = args.count === undefined ? undefined : parseCount(args.count, '--count')
    if (count !== undefined && args.copy)
      throw new SluiceError('USAGE', '--copy is for the export of a whole state', { hint: 'leave out --count' })
    const [pipeline] = await loadOrFail([name], { mode: 'run', parts: ['source'], set: set ?? [] })
    const folder = stateFolder(name, states)
    const state = await State.openExisting(folder)
    try {
      const options = { state, folder, source: pipeline.source.declaration.type, at: Date.now() }
      if (count === undefined) await exportWhole(options, args)
      else await exportTenants(options, { pipeline, file, count, args })
    } finally {
      await state.close()
    }
  },
}

type Options = Parameters<typeof writeWhole>[0]

async function exportTenants(
  options: Options,
  { pipeline, file, count, args }: { pipeline: CheckedPipeline; file: string; count: number; args: ExportArguments },
): Promise<void> {
  const { state } = options
  const plan = planMove(options, tenantsOf(pipeline), count)
  await checkFile(file, plan.row.id)
  if (!plan.isRepeated) {
    if (plan.replica.number > count) checkLeftovers(state, pipeline.name, args)
    say(...describe(plan, pipeline.name))
    await confirm('Move them?', { yes: args.yes, undone: 'nothing was changed' })
    // First the mark, then the file: a crash leaves tenants that nobody collects, never two that do.
    await state.move({ ...plan, what: summary(plan) })
  }
  await writeMove(options, plan, file)
  print(`${file}: ${plural(plan.moved.length, 'tenant')} of ${nameOf(plan.row.from ?? plan.replica)}`)
  sayNext(plan, state)
}

async function exportWhole(options: Options, { pipeline, file, copy, yes }: ExportArguments): Promise<void> {
  const { state, at } = options
  const { row, isRepeated } = planWhole(state, at)
  await checkFile(file, row.id)
  const staged = state.objects().filter((object) => object.file === undefined).length
  if (staged > 0) {
    throw new SluiceError('USAGE', `${plural(staged, 'object')} of this state wait at the store, and not here`, {
      hint: `run the pipeline once more to publish them: \`sluice run ${pipeline}\``,
    })
  }
  if (copy) say(BACKUP)
  else if (!isRepeated) {
    say('the state goes to another place: this one will not be used any more')
    await confirm('Export it?', { yes, undone: 'nothing was changed' })
    await state.move({ row, moved: [], what: 'everything' })
  }
  await writeWhole(options, row, file, { isCopy: copy })
  const waiting = state.objects().length
  const objects = waiting > 0 ? `, and ${plural(waiting, 'object')} that wait for upload` : ''
  print(`${file}: everything; it contains the key of the dedup keys, and rejected records${objects}`)
}

const BACKUP =
  'this is a backup: if it is imported later, what is collected in between is collected once more and written again'

/** An export of another state is never overwritten: it may be the only one. */
async function checkFile(file: string, id: string): Promise<void> {
  const found = await stat(file).catch(() => undefined)
  if (found === undefined) return
  const reader = found.isFile() ? await ExportReader.open(file).catch(() => undefined) : undefined
  await reader?.close()
  if (reader?.header.id === id) return chmod(file, 0o600)
  throw new SluiceError('USAGE', `${file} exists already`, { hint: 'name a file of its own for each export' })
}

/** The state will not run again: what waits in it would be left behind. */
function checkLeftovers(state: State, pipeline: string, args: Pick<ExportArguments, 'leave-rejects'>): void {
  const waiting = state.objects()
  if (waiting.length > 0) {
    throw new SluiceError(
      'USAGE',
      `${plural(waiting.length, 'object')} of this replica, which will be removed, wait for upload`,
      {
        hint: `run it once more to publish them: \`sluice run ${pipeline}\` with its --shard`,
      },
    )
  }
  const rejects = state.localRejects().reduce((sum, { records }) => sum + records, 0)
  if (rejects === 0 || args['leave-rejects']) return
  throw new SluiceError(
    'USAGE',
    `${plural(rejects, 'reject')} of this replica, which will be removed, would stay behind`,
    {
      hint: `replay them first with \`sluice rejects replay ${pipeline}\`, or leave them with --leave-rejects`,
    },
  )
}

function describe({ row, replica, moved, stays }: PlannedMove, pipeline: string): string[] {
  const me = nameOf(row.from ?? replica)
  const { number, count } = replica
  const groups = new Map<number, string[]>()
  for (const { tenant } of moved) {
    const owner = ownerOf(pipeline, tenant, count)
    groups.set(owner, [...(groups.get(owner) ?? []), tenant === '' ? 'the only tenant' : tenant])
  }
  return [
    number > count ? `${me} will be removed` : `${me} becomes ${nameOf(replica)} and keeps ${plural(stays, 'tenant')}`,
    ...[...groups]
      .toSorted(([a], [b]) => a - b)
      .map(([owner, tenants]) => `  to ${nameOf({ number: owner, count })}: ${tenants.join(', ')}`),
  ]
}

function summary({ row, replica, moved }: PlannedMove): string {
  const { number, count } = replica
  const now = number > count ? 'removed' : `now ${nameOf(replica)}`
  return `${plural(moved.length, 'tenant')} of ${nameOf(row.from ?? replica)} for ${plural(count, 'replica')}; ${now}`
}

function sayNext({ row, replica }: PlannedMove, { hashKey }: State): void {
  const { count } = replica
  say(
    `next: export all other replicas with --count ${count}, set this variable for all replicas, and import all exports in each of 1/${count} to ${count}/${count}`,
  )
  print(`${SHARD_KEY}=${formatShardKey({ count, was: row.from?.count ?? 0, hashKey })}`)
}
