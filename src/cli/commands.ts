import type { ArgumentsCamelCase, Argv, CommandModule } from 'yargs'
import type { CommandDefinition } from './command.ts'

/** Takes the work of the command that was chosen. It runs once the whole command line is parsed. */
export type Choose = (work: () => Promise<void>) => void

interface LazyCommand extends CommandModule {
  /**
   * Loads the command that the rest of a command line names. With all of it loaded, yargs does not
   * wait; where it waits, it renders the help in advance, which takes longer than to load a command.
   */
  prepare(rest: readonly string[]): Promise<void>
}

/**
 * All commands. The code of a command is loaded when it is used, so that other commands and
 * `--help` stay fast.
 */
export function listCommands(choose: Choose): LazyCommand[] {
  const lazy = <Args>(
    command: string,
    describe: string,
    load: () => Promise<{ readonly command: CommandDefinition<Args> }>,
  ): LazyCommand => {
    let loaded: CommandDefinition<Args> | undefined
    const definition = async (): Promise<CommandDefinition<Args>> => (loaded ??= (await load()).command)
    return {
      command,
      describe,
      prepare: async () => void (await definition()),
      get builder() {
        const { builder } = loaded ?? {}
        return builder === undefined ? async (parser: Argv) => (await definition()).builder(parser) : builder
      },
      handler: (args) => {
        choose(async () => {
          // The command's own builder has parsed the arguments.
          // oxlint-disable-next-line typescript/no-unsafe-type-assertion
          await (await definition()).handler(args as ArgumentsCamelCase<Args>)
        })
      },
    }
  }
  return [
    lazy('run <pipeline...>', 'Run pipelines until they have caught up', () => import('./commands/run.ts')),
    lazy(
      'reload [pipeline...]',
      'Replace the configuration of running pipelines at a commit. They keep the old one if the new one has mistakes.',
      () => import('./commands/reload.ts'),
    ),
    lazy(
      'backfill <pipeline> <path...>',
      'Read archives instead of the source. Records that were already written are not written again.',
      () => import('./commands/backfill.ts'),
    ),
    lazy(
      'worker',
      'Execute shards of the backfills that wait in a queue, until stopped',
      () => import('./commands/worker.ts'),
    ),
    lazy(
      'check [pipeline...]',
      'Find all mistakes in pipelines without running them',
      () => import('./commands/check.ts'),
    ),
    lazy('test [pipeline...]', 'Run the tests of pipelines', () => import('./commands/test.ts')),
    lazy(
      'record <pipeline>',
      'Record what the source reads as a test, without secrets. Writes to no sink, and keeps no state.',
      () => import('./commands/record.ts'),
    ),
    lazy(
      'preview <pipeline> [input]',
      'Show records before and after the transforms. Writes nothing.',
      () => import('./commands/preview.ts'),
    ),
    lazy('list', 'List the pipelines of this project and the built-in components', () => import('./commands/list.ts')),
    lazy(
      'describe <component> [pipeline...]',
      'Show the fields, defaults and examples of a component, or with --iam the rights that pipelines need in S3',
      () => import('./commands/describe.ts'),
    ),
    lazy(
      'graph [pipeline...]',
      'Draw pipelines as a Mermaid diagram or as an SVG picture. Shows no variables and no secrets.',
      () => import('./commands/graph.ts'),
    ),
    lazy(
      'init [folder]',
      'Create a project with a pipeline, its test and settings for editors. Changes no file that exists.',
      () => import('./commands/init.ts'),
    ),
    lazy(
      'new <kind> [name]',
      'Create a pipeline, a custom transform with a pipeline that tests it, a key for pseudonyms, or a key of replicas',
      () => import('./commands/new.ts'),
    ),
    group('state', "Show, export, import, compact, rewind, redirect, accept or reset a pipeline's state", [
      lazy(
        'show <pipeline>',
        'Show positions, totals, unpublished objects and dedup keys. Safe during a run.',
        () => import('./commands/state/show.ts'),
      ),
      lazy(
        'export <pipeline> <file>',
        'Write tenants that move to other replicas, or the whole state, into a file. They are not collected here any more.',
        () => import('./commands/state/export.ts'),
      ),
      lazy(
        'import <pipeline> [file...]',
        'Take over tenants from exports of other replicas, or a whole state. Importing twice is harmless.',
        () => import('./commands/state/import.ts'),
      ),
      lazy(
        'compact <pipeline>',
        'Give back the disk space that the state no longer needs. Merges small files of rejects.',
        () => import('./commands/state/compact.ts'),
      ),
      lazy(
        'rewind <pipeline>',
        'Move positions back. Dedup drops records that were already written.',
        () => import('./commands/state/rewind.ts'),
      ),
      lazy(
        'accept <pipeline>',
        'Keep the state although the dedup key is now made in another way.',
        () => import('./commands/state/accept.ts'),
      ),
      lazy(
        'redirect <pipeline>',
        'Send committed objects that wait for upload to the sinks of the pipeline file. Dedup keys stay.',
        () => import('./commands/state/redirect.ts'),
      ),
      lazy(
        'reset <pipeline>',
        "Delete a pipeline's state. The next run reads from the beginning and writes all records again.",
        () => import('./commands/state/reset.ts'),
      ),
    ]),
    group('runs', 'Inspect, retry and cancel parallel backfills that are not finished', [
      lazy('list', 'List the unfinished parallel backfills of all pipelines', () => import('./commands/runs/list.ts')),
      lazy(
        'show <pipeline>',
        "Show how far a pipeline's parallel backfill is, and its failed shards. Safe during a run.",
        () => import('./commands/runs/show.ts'),
      ),
      lazy(
        'retry <pipeline>',
        'Continue a parallel backfill with the paths and options that it was started with',
        () => import('./commands/runs/retry.ts'),
      ),
      lazy(
        'cancel <pipeline>',
        'Give up a parallel backfill. What is committed stays.',
        () => import('./commands/runs/cancel.ts'),
      ),
    ]),
    group('rejects', 'Inspect and replay rejected records', [
      lazy(
        'show <pipeline>',
        'Show the rejects in the state folder by code and stage. Safe during a run.',
        () => import('./commands/rejects/show.ts'),
      ),
      lazy(
        'replay <pipeline>',
        'Replay rejects from the stage that rejected them. Records that pass are removed from the rejects.',
        () => import('./commands/rejects/replay.ts'),
      ),
    ]),
    lazy(
      'verify <pipeline>',
      'Download every published object and compare it with the commit history. Safe during a run.',
      () => import('./commands/verify.ts'),
    ),
    lazy(
      'top [pipeline]',
      'Watch pipelines that run: rates, the bottleneck, what is committed and published. Changes nothing.',
      () => import('./commands/top.ts'),
    ),
    lazy(
      'ui',
      'Show the pipelines of this folder on a page in the browser: files, states, runs. Changes nothing.',
      () => import('./commands/ui.ts'),
    ),
    lazy(
      'tap <pipeline>',
      'Show records as they pass a stage of a pipeline that runs, redacted unless you ask for more',
      () => import('./commands/tap.ts'),
    ),
    lazy(
      'completion [shell]',
      'Print a script with which bash, zsh or fish complete commands, options and names of pipelines',
      () => import('./commands/completion.ts'),
    ),
  ]
}

/** Loads the command of a command line, unless it is not named first. */
export async function prepare(commands: readonly LazyCommand[], [name, ...rest]: readonly string[]): Promise<void> {
  await commands.find(({ command }) => nameOf(command) === name)?.prepare(rest)
}

function group(command: string, describe: string, actions: readonly LazyCommand[]): LazyCommand {
  return {
    command: `${command} <action>`,
    describe,
    prepare: (rest) => prepare(actions, rest),
    builder: (parser) => parser.command([...actions]).demandCommand(1, `choose an action: ${namesOf(actions)}`),
    handler: () => {},
  }
}

/** `show, rewind or reset` */
function namesOf(commands: readonly CommandModule[]): string {
  const names = commands.map(({ command }) => nameOf(command))
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`
}

function nameOf(command: CommandModule['command']): string {
  return String(command).split(' ', 1)[0] ?? ''
}
