import { createRequire } from 'node:module'
import { extname } from 'node:path'
import type { ArgumentsCamelCase, CommandModule } from 'yargs'
import type { CommandDefinition } from './command.ts'

const require = createRequire(import.meta.url)

/** All commands. The code of a command is loaded when it is used, so that `--help` stays fast. */
export const commands: CommandModule[] = [
  lazy('run <pipeline...>', 'Run pipelines until they have caught up', () => import('./commands/run.ts')),
  lazy(
    'backfill <pipeline> <path...>',
    'Read archives instead of the source. Records that were already written are not written again.',
    () => import('./commands/backfill.ts'),
  ),
  lazy(
    'check [pipeline...]',
    'Find all mistakes in pipelines without running them',
    () => import('./commands/check.ts'),
  ),
  lazy('test [pipeline...]', 'Run the tests in pipeline files', () => import('./commands/test.ts')),
  lazy(
    'preview <pipeline> [input]',
    'Show records before and after the transforms. Writes nothing.',
    () => import('./commands/preview.ts'),
  ),
  lazy('list', 'List the pipelines of this project and the built-in components', () => import('./commands/list.ts')),
  lazy(
    'describe <component>',
    'Show the fields, defaults and examples of a component',
    () => import('./commands/describe.ts'),
  ),
  lazy(
    'new <kind> [name]',
    'Create a pipeline, a custom transform with a pipeline that tests it, or a key for pseudonyms',
    () => import('./commands/new.ts'),
  ),
  lazy(
    'state <action>',
    "Show, rewind, redirect, accept or reset a pipeline's state",
    () => import('./commands/state.ts'),
  ),
  lazy('rejects <action>', 'Inspect and replay rejected records', () => import('./commands/rejects.ts')),
  lazy(
    'verify <pipeline>',
    'Download every published object and compare it with the commit history. Safe during a run.',
    () => import('./commands/verify.ts'),
  ),
]

function lazy<Args>(
  command: string,
  describe: string,
  importCommand: () => Promise<{ readonly command: CommandDefinition<Args> }>,
): CommandModule {
  const load = () => {
    // `import` opens all files at once and can exceed the limit on open files. `require` loads them
    // one by one, and faster.
    require(`./commands/${command.split(' ', 1)[0]}${extname(import.meta.filename)}`)
    return importCommand()
  }
  return {
    command,
    describe,
    builder: async (parser) => (await load()).command.builder(parser),
    handler: async (args) => {
      const { command: loaded } = await load()
      // The command's own builder has parsed the arguments.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      await loaded.handler(args as ArgumentsCamelCase<Args>)
    },
  }
}
