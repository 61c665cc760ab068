import type { Argv, ArgumentsCamelCase } from 'yargs'

/** A command without its name and summary, which `commands.ts` lists. */
export interface CommandDefinition<Args> {
  readonly builder: (parser: Argv) => Argv<Args>
  readonly handler: (args: ArgumentsCamelCase<Args>) => Promise<void>
}
