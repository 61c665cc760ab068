import type { Command } from './commands.ts'
import { command as show } from './rejects-show.ts'

export const command: Command<object> = {
  builder: (parser) => parser.command(show).demandCommand(1, 'say what to do with the rejects: show'),
  handler: () => Promise.resolve(),
}
