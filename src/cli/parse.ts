import yargs from 'yargs'
import type { FallbackCompletionFunction } from 'yargs'
import { SluiceError } from '../errors.ts'
import { listCommands, prepare } from './commands.ts'
import { ASK } from './completion/ask.ts'
import { loadEnvironment } from './load-environment.ts'
import { print } from '../observe/output.ts'
import { envFileOption } from './options.ts'

/**
 * Parses a command line. Returns the work of its command; undefined for `--help`.
 * @throws SluiceError USAGE, after the help of the command was printed; or an error of yargs
 */
export async function parse(args: readonly string[]): Promise<(() => Promise<void>) | undefined> {
  let work: (() => Promise<void>) | undefined
  let found: Promise<readonly string[]> | undefined
  const commands = listCommands((chosen) => (work = chosen))
  await prepare(commands, args.includes(ASK) ? args.slice(args.indexOf(ASK) + 2) : args)
  const {
    _: [command],
    envFile,
  } = await yargs(args.map((arg) => (arg === '-' ? DASH : arg)))
    .scriptName('sluice')
    .locale('en')
    .usage('$0 <command>\n\nStreams audit events from APIs and archives to S3 or files, effectively exactly once.')
    .version(false)
    .option('version', { type: 'boolean', describe: 'Show the versions of Sluice and Node.js, and the scanner in use' })
    .command(commands)
    .option('env-file', envFileOption)
    .middleware(restoreDashes)
    .demandCommand(1, 'choose one of the commands above')
    .strict()
    .recommendCommands()
    .alias('h', 'help')
    .wrap(Math.min(110, process.stdout.columns ?? 80))
    .epilogue('A pipeline is given by its name in pipelines/ or by a path. Documentation: docs/')
    .completion(
      'shell-script',
      false,
      completeWords(args, (words) => {
        found = words
      }),
    )
    .exitProcess(false)
    .fail((message, error, parser) => {
      // A command line that is still being written has mistakes. Its candidates are printed all the same.
      if (args.includes(ASK)) return
      if (error && !isYargsError(error)) throw error
      parser.showHelp('error')
      throw new SluiceError('USAGE', message || error.message)
    })
    .parseAsync()
  if (args.includes(ASK)) return async () => print(...((await found) ?? []))
  if (work === undefined || (WITHOUT_ENVIRONMENT.has(String(command)) && envFile === undefined)) return work
  loadEnvironment(envFile?.some((path) => typeof path !== 'string') === true ? false : envFile)
  return work
}

/** A mistake in `.env` does not keep these from their work. */
const WITHOUT_ENVIRONMENT = new Set(['init', 'new', 'list', 'completion'])

/** Answers a shell that completes a command line. yargs knows commands, options and choices. */
function completeWords(
  args: readonly string[],
  answer: (words: Promise<readonly string[]>) => void,
): FallbackCompletionFunction {
  return (_current, _parsed, ask, done) => {
    // Asked at once: later the parser is at another place of the command line.
    const known = new Promise<string[]>((resolve) => ask((_error, words = []) => resolve(words)))
    const words = args.slice(args.indexOf(ASK) + 2)
    answer(import('./completion/candidates.ts').then(({ candidates }) => candidates(words, known)))
    done([])
  }
}

/**
 * True for errors in the command line. With lazily loaded builders, yargs does not pass all of them
 * to `fail`.
 */
function isYargsError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'YError'
}

/** Arguments cannot contain NUL, so this is unambiguous. */
const DASH = '\0-'

/** yargs drops `-` from positional arguments, so that standard input would be skipped silently. */
function restoreDashes(args: { [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(args)) {
    args[name] = Array.isArray(value) ? value.map(restoreDash) : restoreDash(value)
  }
}

function restoreDash(value: unknown): unknown {
  return value === DASH ? '-' : value
}
