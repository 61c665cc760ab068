import { State } from '../../../delivery/state/state.ts'
import { print, say } from '../../../observe/output.ts'
import { formatCount } from '../../../observe/report.ts'
import { keyDefinitionOf } from '../../../runtime/key-definition.ts'
import { confirm, yesOption } from '../../confirm.ts'
import { loadOrFail } from '../../load.ts'
import type { CommandDefinition } from '../../command.ts'
import { pipelineArgument, setOption, stateOption } from '../../options.ts'
import { stateFolder } from '../../state-folder.ts'

interface AcceptArguments {
  pipeline: string
  yes: boolean
  set: string[] | undefined
  state: string
}

export const command: CommandDefinition<AcceptArguments> = {
  builder: (parser) =>
    parser
      .positional('pipeline', pipelineArgument)
      .option('yes', yesOption)
      .option('set', setOption)
      .option('state', stateOption)
      .example('$0 state accept jumpcloud', 'after the secret of a redacted key field was rotated'),
  handler: async ({ pipeline: name, yes, set, state: states }) => {
    // The definition of the key needs the transforms and their secrets, but no source and no sink.
    const [pipeline] = await loadOrFail([name], { mode: 'run', parts: ['transforms'], set: set ?? [] })
    const keys = await keyDefinitionOf(pipeline)
    const state = await State.openExisting(stateFolder(name, states))
    try {
      const changed = await state.keyChanges(keys)
      if (changed.length === 0) {
        print('nothing to accept: dedup keys are made as before')
        return
      }
      say(
        `changed: ${changed.join(', ')}`,
        `The dedup keys of ${formatCount(state.tally.written)} written records will not be recognized any more: whatever the source shows again is written again.`,
        'Positions, waiting objects and rejects stay.',
      )
      await confirm('Accept the change?', { yes, undone: 'nothing was changed' })
      await state.accept(keys, Date.now())
    } finally {
      await state.close()
    }
    print('accepted: the next run makes dedup keys in the new way')
  },
}
