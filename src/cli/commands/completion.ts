import { basename } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { printText } from '../../observe/output.ts'
import type { CommandDefinition } from '../command.ts'
import { SHELLS } from '../completion/candidates.ts'
import { scripts } from '../completion/scripts.ts'

interface CompletionArguments {
  shell?: string | undefined
}

export const command: CommandDefinition<CompletionArguments> = {
  builder: (parser) =>
    parser
      .positional('shell', { type: 'string', choices: SHELLS, describe: 'Default: the shell of $SHELL' })
      .example('eval "$($0 completion bash)"', 'in ~/.bashrc'),
  handler: async ({ shell = basename(process.env['SHELL'] ?? '') }) => {
    const script = scripts[shell]
    if (script === undefined)
      throw new SluiceError('USAGE', `there is no completion for the shell "${shell}"`, {
        hint: `name one: sluice completion ${SHELLS.join(', ')}`,
      })
    printText(script)
  },
}
