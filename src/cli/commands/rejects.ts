import type { CommandDefinition } from '../command.ts'
import { command as replay } from './rejects/replay.ts'
import { command as show } from './rejects/show.ts'

export const command: CommandDefinition<object> = {
  builder: (parser) => parser.command(show).command(replay).demandCommand(1, 'choose an action: show or replay'),
  handler: () => Promise.resolve(),
}
