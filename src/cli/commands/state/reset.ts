import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { CommandModule } from 'yargs'
import { State } from '../../../delivery/state/state.ts'
import { SluiceError } from '../../../errors.ts'
import { formatCount } from '../../../observe/report.ts'
import { stateFolder, stateOption } from '../../state-folder.ts'

interface ResetArguments {
  pipeline: string
  yes: boolean
  force: boolean
  state: string
}

export const command: CommandModule<object, ResetArguments> = {
  command: 'reset <pipeline>',
  describe: 'Forget everything about a pipeline: it begins anew, and writes again what it reads again',
  builder: (parser) =>
    parser
      .positional('pipeline', { type: 'string', demandOption: true, describe: 'Name or path' })
      .option('yes', { type: 'boolean', default: false, describe: 'Do it' })
      .option('force', { type: 'boolean', default: false, describe: 'Also give up objects that are not published' })
      .option('state', stateOption),
  handler: async ({ pipeline, yes, force, state: states }) => {
    const folder = stateFolder(pipeline, states)
    const state = await State.openExisting(folder)
    try {
      const waiting = state.objects()
      const records = waiting.reduce((sum, row) => sum + row.records, 0)
      const { written } = state.tally
      process.stderr.write(
        `${folder}: positions, the keys of ${formatCount(written)} written records, the history and local rejects are deleted.\n` +
          'What the source still has is read from its beginning and written again, into new objects; published ones stay.\n',
      )
      if (waiting.length > 0 && !force) {
        throw new SluiceError(
          'USAGE',
          `${waiting.length} committed objects (${formatCount(records)} records) are not published and would be lost`,
          { hint: 'run the pipeline once to publish them, or say --force' },
        )
      }
      if (!yes) throw new SluiceError('USAGE', 'nothing was deleted', { hint: 'say --yes' })
      await empty(folder)
    } finally {
      await state.close()
    }
    process.stdout.write(`${folder} is empty\n`)
  },
}

/** The database goes last: as long as it is there, this can be done again. */
async function empty(folder: string): Promise<void> {
  const names = await readdir(folder)
  for (const name of names.toSorted((a, b) => Number(a === 'state') - Number(b === 'state'))) {
    await rm(join(folder, name), { recursive: true, force: true })
  }
}
