import { createRequire } from 'node:module'
import type { ArgumentsCamelCase, CommandModule } from 'yargs'
import type { CommandDefinition } from './command.ts'

const require = createRequire(import.meta.url)

/** What `sluice` can do. A command's own code is loaded when it is chosen: the help needs none of it. */
export const commands: CommandModule[] = [
  lazy('run <pipeline...>', 'Run pipelines until they have caught up', () => import('./commands/run.ts')),
  lazy(
    'backfill <pipeline> <path...>',
    "Put archives through a pipeline's transforms, sink, de-duplication and state",
    () => import('./commands/backfill.ts'),
  ),
  lazy(
    'check [pipeline...]',
    'Find every mistake in pipelines (all in pipelines/ by default) without running them',
    () => import('./commands/check.ts'),
  ),
  lazy(
    'test [pipeline...]',
    'Run the tests: blocks of pipelines (all in pipelines/ by default)',
    () => import('./commands/test.ts'),
  ),
  lazy(
    'preview <pipeline> [input]',
    'Show records before and after the transforms; nothing is written or remembered',
    () => import('./commands/preview.ts'),
  ),
  lazy('list', 'List the pipelines here and the components there are', () => import('./commands/list.ts')),
  lazy(
    'describe <component>',
    'Explain a component: its fields, defaults and examples',
    () => import('./commands/describe.ts'),
  ),
  lazy(
    'new <kind> <name>',
    'Write a pipeline, or a transform with a pipeline that tests it',
    () => import('./commands/new.ts'),
  ),
  lazy('state <action>', "Look at a pipeline's state, read again, or begin anew", () => import('./commands/state.ts')),
  lazy('rejects <action>', 'Look at what was refused, and put it through again', () => import('./commands/rejects.ts')),
  lazy(
    'verify <pipeline>',
    'Read all objects back and hold them against what was committed; also while it runs',
    () => import('./commands/verify.ts'),
  ),
]

function lazy<Args>(
  command: string,
  describe: string,
  importCommand: () => Promise<{ readonly command: CommandDefinition<Args> }>,
): CommandModule {
  const load = () => {
    // `import` opens all files at once, more than a process may have open; `require` one behind the other, and sooner.
    require(`./commands/${command.split(' ', 1)[0]}.js`)
    return importCommand()
  }
  return {
    command,
    describe,
    builder: async (parser) => (await load()).command.builder(parser),
    handler: async (args) => {
      const { command: loaded } = await load()
      // Its own builder has parsed them.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion
      await loaded.handler(args as ArgumentsCamelCase<Args>)
    },
  }
}
