import { findDedup } from '../../../config/pipeline.ts'
import { compactState } from '../../../delivery/compact/compact-state.ts'
import type { Compaction } from '../../../delivery/compact/compact-state.ts'
import { PARTS } from '../../../delivery/compact/measure.ts'
import type { Size } from '../../../delivery/compact/measure.ts'
import { interrupted } from '../../../delivery/replicas/check-replica.ts'
import { State } from '../../../delivery/state/state.ts'
import { asSluiceError, SluiceError } from '../../../errors.ts'
import { parseDuration } from '../../../fields/units.ts'
import { print, printJson } from '../../../observe/output.ts'
import { formatBytes, plural } from '../../../observe/report.ts'
import { keyDefinitionOf } from '../../../runtime/key-definition.ts'
import { loadOrFail } from '../../load.ts'
import type { CommandDefinition } from '../../command.ts'
import { jsonOption, pipelineArgument, setOption, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'

interface CompactArguments {
  pipeline: string
  keep: string | undefined
  set: string[] | undefined
  state: string
  json: boolean
}

export const command: CommandDefinition<CompactArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('keep', {
        type: 'string',
        requiresArg: true,
        describe:
          'Forget which objects were published longer ago, so that verify no longer reads them; default: keep all',
      })
      .option('set', setOption)
      .option('state', stateOption)
      .option('json', jsonOption)
      .example('$0 state compact jumpcloud --keep 365d', 'verify then reads the objects of the last year'),
  handler: async ({ pipeline: name, keep, set, state: states, json }) => {
    const age = keep === undefined ? undefined : parseAge(keep)
    const [pipeline] = await loadOrFail([name], { mode: 'run', parts: ['transforms'], set: set ?? [] })
    const folder = stateFolder(name, states)
    const state = await State.openExisting(folder)
    const at = Date.now()
    try {
      if (state.meta?.importing !== undefined) throw interrupted(pipeline.name)
      // Keys that are made in another way now may still be wanted: the change is not accepted yet.
      const isChanged = (await state.keyChanges(await keyDefinitionOf(pipeline))).length > 0
      const result = await compactState({
        state,
        folder,
        at,
        rejectBytes: pipeline.rejectOptions.local,
        within: isChanged ? undefined : findDedup(pipeline)?.settings.within,
        keepFrom: age === undefined ? undefined : at - age,
      })
      if (json) printJson({ folder, ...result })
      else print(...render(pipeline.name, folder, result))
    } catch (error) {
      await state.close().catch(() => undefined)
      throw error
    }
  },
}

function parseAge(text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    const { message, hint } = asSluiceError(error, 'USAGE', 'not a duration')
    throw new SluiceError('USAGE', `--keep ${message}`, { hint, cause: error })
  }
}

const NAMES = { state: 'database', dedup: 'dedup', rejects: 'rejects', outbox: 'outbox', shards: 'shards' } as const

function render(pipeline: string, folder: string, { before, after, forgotten, leftovers }: Compaction): string[] {
  const parts = PARTS.filter((part) => before[part].files > 0 || after[part].files > 0)
  return [
    `${pipeline}: ${folder}`,
    ...parts.map((part) => `  ${NAMES[part].padEnd(11)} ${change(before[part], after[part])}`),
    ...(forgotten > 0 ? [`  history     ${plural(forgotten, 'published object')} forgotten`] : []),
    ...(leftovers > 0 ? [`  removed     ${plural(leftovers, 'file')} that belonged to nothing`] : []),
  ]
}

function change(before: Size, after: Size): string {
  return `${sizeOf(before)} -> ${sizeOf(after)}`
}

function sizeOf({ files, bytes }: Size): string {
  return `${formatBytes(bytes)} in ${plural(files, 'file')}`
}
