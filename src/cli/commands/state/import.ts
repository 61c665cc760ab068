import { ExportReader } from '../../../delivery/replicas/export-file.ts'
import { storedReplica } from '../../../delivery/replicas/export-state.ts'
import { importMove, importWithout, reviveReplica } from '../../../delivery/replicas/import-state.ts'
import { nameOf } from '../../../delivery/replicas/replica.ts'
import { keepPrivate } from '../../../delivery/state/keep-private.ts'
import { State } from '../../../delivery/state/state.ts'
import { hasState } from '../../../delivery/state/state-reader.ts'
import { SluiceError } from '../../../errors.ts'
import { realFiles } from '../../../files.ts'
import { print, say } from '../../../observe/output.ts'
import { plural } from '../../../observe/report.ts'
import { keyDefinitionOf } from '../../../runtime/key-definition.ts'
import { loadOrFail } from '../../load.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument, setOption, stateOption } from '../../options.ts'
import { replicaOf, shardOption } from '../../shard.ts'
import { stateFolder } from '../../state-folder.ts'

interface ImportArguments {
  pipeline: string
  file: string[] | undefined
  shard: string | undefined
  without: number[] | undefined
  set: string[] | undefined
  state: string
}

export const command: CommandDefinition<ImportArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .positional('file', {
        type: 'string',
        array: true,
        describe: 'Exports; each replica takes its tenants from them',
      })
      .option('shard', { ...shardOption, describe: 'The replica that takes tenants: 6/7 is the sixth of seven' })
      .option('without', {
        type: 'number',
        array: true,
        requiresArg: true,
        describe: 'Numbers of earlier replicas whose exports are lost: their tenants start from the beginning',
      })
      .option('set', setOption)
      .option('state', stateOption)
      .example('$0 state import jumpcloud /shared/*.export --shard 6/7', 'in each of the seven replicas'),
  handler: async ({ pipeline: name, file = [], shard, without = [], set, state: states }) => {
    if (file.length === 0 && without.length === 0)
      throw new SluiceError('USAGE', 'name the exports to import', { hint: 'sluice state import NAME FILE...' })
    const replica = replicaOf(shard)
    const [pipeline] = await loadOrFail([name], { mode: 'run', parts: ['transforms'], set: set ?? [] })
    const keys = await keyDefinitionOf(pipeline)
    const folder = stateFolder(name, states)
    if (replica === undefined && !hasState(folder)) {
      throw new SluiceError('USAGE', `${folder} has no state yet: say which replica it is`, {
        hint: `sluice state import ${name} FILE... --shard 6/7`,
      })
    }
    const readers = await openAll(file)
    let state: State | undefined
    try {
      await keepPrivate(folder)
      state = await State.open({ folder, files: realFiles, pipeline: pipeline.name, keys, replica, isImport: true })
      const options = { state, folder, keys, at: Date.now() }
      await reviveReplica(replica, options)
      for (const reader of readers) {
        const { isRepeated, tenants, dedupKeys } = await importMove(reader, options)
        print(
          `${reader.path}: ${isRepeated ? 'imported before' : `${plural(tenants, 'tenant')}, ${plural(dedupKeys, 'dedup key')}`}`,
        )
      }
      if (without.length > 0) await importWithout(without, options)
      const now = storedReplica(state)
      if (now.awaits) {
        const missing = now.awaits.map((sender) => `${sender}/${now.was}`).join(', ')
        say(`${nameOf(now)} still waits for the export of ${missing}`)
      } else say(`${nameOf(now)} has all exports: it can run`)
    } finally {
      for (const reader of readers) await reader.close()
      await state?.close()
    }
  },
}

/** All of them, before anything is changed. */
async function openAll(files: readonly string[]): Promise<ExportReader[]> {
  const readers: ExportReader[] = []
  try {
    for (const file of files) readers.push(await ExportReader.open(file))
    return readers
  } catch (error) {
    for (const reader of readers) await reader.close()
    throw error
  }
}
