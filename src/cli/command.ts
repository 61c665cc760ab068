import type { Argv, ArgumentsCamelCase } from 'yargs'

/** A command without its line in the help. */
export interface CommandDefinition<Args> {
  readonly builder: (parser: Argv) => Argv<Args>
  readonly handler: (args: ArgumentsCamelCase<Args>) => Promise<void>
}
