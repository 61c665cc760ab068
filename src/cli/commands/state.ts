import type { CommandDefinition } from '../command.ts'
import { command as accept } from './state/accept.ts'
import { command as redirect } from './state/redirect.ts'
import { command as reset } from './state/reset.ts'
import { command as rewind } from './state/rewind.ts'
import { command as show } from './state/show.ts'

export const command: CommandDefinition<object> = {
  builder: (parser) =>
    parser
      .command(show)
      .command(rewind)
      .command(accept)
      .command(redirect)
      .command(reset)
      .demandCommand(1, 'choose an action: show, rewind, accept, redirect or reset'),
  handler: () => Promise.resolve(),
}
