#!/usr/bin/env node
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import yargs from 'yargs'
import { asSluiceError, SluiceError } from '../errors.ts'
import { say } from '../observe/output.ts'
import { forgetSecrets } from '../observe/secrets.ts'
import { describeCauses } from '../runtime/causes.ts'
import { commands } from './commands.ts'
import { addEnvironmentSecrets } from './environment-secrets.ts'
import { runToTheEnd } from './last-resort.ts'

/**
 * Runs one command. This is the only place where an error becomes an exit status. It never calls
 * `process.exit`, which would truncate output to a pipe.
 */
export async function main(args: readonly string[]): Promise<void> {
  forgetSecrets()
  addEnvironmentSecrets(process.env)
  try {
    await yargs(args.map((arg) => (arg === '-' ? DASH : arg)))
      .scriptName('sluice')
      .usage('$0 <command>\n\nStreams audit events from APIs and archives to S3 or files, effectively exactly once.')
      .command(commands)
      .middleware(restoreDashes)
      .demandCommand(1, 'choose one of the commands above')
      .strict()
      .recommendCommands()
      .alias('h', 'help')
      .wrap(Math.min(110, process.stdout.columns ?? 80))
      .epilogue('A pipeline is given by its name in pipelines/ or by a path. Documentation: docs/')
      .exitProcess(false)
      .fail((message, error, parser) => {
        if (error && !isYargsError(error)) throw error
        parser.showHelp('error')
        throw new SluiceError('USAGE', message || error.message)
      })
      .parseAsync()
  } catch (thrown) {
    process.exitCode = report(thrown)
  }
}

/** Prints an error. @returns the exit status */
function report(thrown: unknown): number {
  const error = isYargsError(thrown)
    ? new SluiceError('USAGE', thrown.message)
    : asSluiceError(thrown, 'INTERNAL', 'this is a bug in Sluice')
  say('', `sluice: ${error.code}: ${error.message}`)
  say(...describeCauses(error).map((cause) => `  cause: ${cause}`))
  if (error.hint !== undefined) say(`  ${error.hint}`)
  if (error.code === 'INTERNAL') say(...(rootOf(error).stack ?? '').split('\n'))
  return error.exit
}

/** The error that was thrown first: its stack shows where. */
function rootOf(error: Error): Error {
  return error.cause instanceof Error ? rootOf(error.cause) : error
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

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  // Node.js would print the error as it is. Custom code can throw outside of every call of ours.
  process.on('uncaughtException', (error) =>
    process.exit(report(asSluiceError(error, 'INTERNAL', 'no code handles this error of a component or of Sluice'))),
  )
  // Not awaited: Node.js ends a module that waits for ever with status 13.
  void runToTheEnd(() => main(process.argv.slice(2)))
}
