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
  } = await yargs(args.includes(ASK) ? args : protect(args))
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
      throw new SluiceError('USAGE', (message || error.message).replaceAll(/\s*\n\s*/g, ' '))
    })
    .parseAsync()
  if (args.includes(ASK)) return async () => print(...((await found) ?? []))
  if (work === undefined || (WITHOUT_ENVIRONMENT.has(String(command)) && envFile === undefined)) return work
  const isOff = envFile?.some((path) => typeof path !== 'string') === true
  if (isOff && envFile.length > 1)
    throw new SluiceError('USAGE', '--env-file and --no-env-file exclude each other', { hint: 'leave one of them out' })
  loadEnvironment(isOff ? false : envFile)
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

/**
 * Hides a dash at the start of a positional argument from yargs: it drops `-`, so that standard input
 * would be skipped silently, and it drops all that follows `--`.
 */
function protect(args: readonly string[]): string[] {
  const end = args.includes('--') ? args.indexOf('--') : args.length
  const options = args.slice(0, end).map((arg) => (arg === '-' ? `${HIDDEN}-` : arg))
  return [...options, ...args.slice(end + 1).map((arg) => (arg.startsWith('-') ? `${HIDDEN}${arg}` : arg))]
}

/** Arguments cannot contain NUL, so this is unambiguous. */
const HIDDEN = '\0'

function restoreDashes(args: { [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(args)) {
    args[name] = Array.isArray(value) ? value.map(restoreDash) : restoreDash(value)
  }
}

function restoreDash(value: unknown): unknown {
  return typeof value === 'string' && value.startsWith(HIDDEN) ? value.slice(HIDDEN.length) : value
}
