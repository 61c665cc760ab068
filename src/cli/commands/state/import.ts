import { ExportReader } from '../../../delivery/replicas/export-file.ts'
import { storedReplica } from '../../../delivery/replicas/export-state.ts'
import {
  checkWhole,
  importMove,
  importWhole,
  importWithout,
  reviveReplica,
} from '../../../delivery/replicas/import-state.ts'
import { deleteState } from '../../../delivery/state/delete-state.ts'
import type { Imported } from '../../../delivery/replicas/import-state.ts'
import { nameOf } from '../../../delivery/replicas/replica.ts'
import { keepPrivate } from '../../../delivery/state/keep-private.ts'
import { State } from '../../../delivery/state/state.ts'
import type { StateOptions } from '../../../delivery/state/create-state.ts'
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
    const folder = stateFolder(name, states)
    const [pipeline] = await loadOrFail([name], { mode: 'run', parts: ['transforms'], set: set ?? [] })
    const keys = await keyDefinitionOf(pipeline)
    const readers = await openAll(file)
    try {
      await keepPrivate(folder)
      const target = { folder, files: realFiles, pipeline: pipeline.name, keys, isImport: true }
      const whole = readers.find(({ header }) => header.from === undefined)
      if (whole === undefined) await importTenants(readers, target, { shard, without })
      else if (readers.length > 1 || without.length > 0) {
        throw new SluiceError('USAGE', `${whole.path} is an export of a whole state: import it alone`)
      } else await importState(whole, target)
    } finally {
      for (const reader of readers) await reader.close()
    }
  },
}

type Target = Pick<StateOptions, 'folder' | 'files' | 'pipeline' | 'keys' | 'isImport'>

async function importTenants(
  readers: readonly ExportReader[],
  target: Target,
  { shard, without }: { readonly shard: string | undefined; readonly without: readonly number[] },
): Promise<void> {
  const replica = replicaOf(shard)
  if (replica === undefined && !hasState(target.folder)) {
    throw new SluiceError('USAGE', `${target.folder} has no state yet: say which replica it is`, {
      hint: `sluice state import ${target.pipeline} FILE... --shard 6/7`,
    })
  }
  const state = await State.open({ ...target, replica })
  try {
    const options = { ...target, state, at: Date.now() }
    await reviveReplica(replica, options)
    for (const reader of readers) sayImported(reader, await importMove(reader, options))
    if (without.length > 0) await importWithout(without, options)
    const now = storedReplica(state)
    const missing = now.awaits?.map((sender) => `${sender}/${now.was}`).join(', ')
    if (missing === undefined) say(`${nameOf(now)} has all exports: it can run`)
    else say(`${nameOf(now)} still waits for the export of ${missing}`)
  } finally {
    await state.close()
  }
}

async function importState(reader: ExportReader, target: Target): Promise<void> {
  const { id, hashKey = '', isCopy, at } = reader.header
  const content = await checkWhole(reader, target)
  const open = (): Promise<State> => State.open({ ...target, importing: { id, hashKey } })
  let state = await open()
  try {
    const { importing } = state.meta ?? {}
    if (importing !== undefined && importing !== id) {
      say('the import of another export into this state was interrupted: it begins again with this one')
      await deleteState(target.folder)
      await state.close()
      state = await open()
    }
    sayImported(reader, await importWhole(reader, content, { ...target, state, at: Date.now() }))
    if (isCopy) {
      const then = new Date(at).toISOString()
      say(`this is a backup: what was collected after ${then} is collected once more and written again`)
    }
  } finally {
    await state.close()
  }
}

function sayImported({ path }: ExportReader, { isRepeated, tenants, dedupKeys }: Imported): void {
  print(
    `${path}: ${isRepeated ? 'imported before' : `${plural(tenants, 'tenant')}, ${plural(dedupKeys, 'dedup key')}`}`,
  )
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
