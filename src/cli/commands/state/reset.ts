import { deleteState } from '../../../delivery/state/delete-state.ts'
import { State } from '../../../delivery/state/state.ts'
import { SluiceError } from '../../../errors.ts'
import { print, say } from '../../../observe/output.ts'
import { formatCount, plural } from '../../../observe/report.ts'
import { confirm, yesOption } from '../../confirm.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'

interface ResetArguments {
  pipeline: string
  yes: boolean
  force: boolean
  state: string
}

export const command: CommandDefinition<ResetArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('yes', yesOption)
      .option('force', { type: 'boolean', default: false, describe: 'Also discard objects that are not yet published' })
      .option('state', stateOption),
  handler: async ({ pipeline, yes, force, state: states }) => {
    const folder = stateFolder(pipeline, states)
    const state = await State.openExisting(folder)
    try {
      const waiting = state.objects()
      const records = waiting.reduce((sum, row) => sum + row.records, 0)
      const { written } = state.tally
      say(
        `${folder}: this deletes the positions, the dedup keys of ${formatCount(written)} written records, the commit history and the local rejects.`,
        'The next run reads the source from the beginning and writes all records again, to new objects. Published objects stay.',
      )
      if (waiting.length > 0 && !force) {
        throw new SluiceError(
          'USAGE',
          `unpublished objects would be lost: ${plural(waiting.length, 'object')} with ${plural(records, 'record')}`,
          { hint: 'run the pipeline to publish them, or discard them with --force' },
        )
      }
      await confirm('Delete the state?', { yes, undone: 'nothing was deleted' })
      await deleteState(folder)
    } finally {
      await state.close()
    }
    print(`${folder}: state deleted`)
  },
}
