#!/usr/bin/env node
import { realpathSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import yargs from 'yargs'
import { asSluiceError, SluiceError } from '../errors.ts'
import { commands } from './commands.ts'

/** Runs one command. Only here an error becomes an exit status; `process.exit` would cut what is still on its way to a pipe. */
export async function main(args: readonly string[]): Promise<void> {
  try {
    await yargs(args.map((arg) => (arg === '-' ? DASH : arg)))
      .scriptName('sluice')
      .usage('$0 <command>\n\nMoves audit events from where they are made to where they are kept, every event once.')
      .command(commands)
      .middleware(restoreDashes)
      .demandCommand(1, 'say what to do: one of the commands above')
      .strict()
      .recommendCommands()
      .alias('h', 'help')
      .wrap(Math.min(110, process.stdout.columns ?? 80))
      .epilogue('A pipeline is a name in pipelines/ or a path. Documentation: docs/')
      .exitProcess(false)
      .fail((message, error, parser) => {
        if (error && !isYargsError(error)) throw error
        parser.showHelp('error')
        throw new SluiceError('USAGE', message || error.message)
      })
      .parseAsync()
  } catch (thrown) {
    const error = isYargsError(thrown)
      ? new SluiceError('USAGE', thrown.message)
      : asSluiceError(thrown, 'INTERNAL', 'this is a defect in Sluice')
    process.stderr.write(`\nsluice: ${error.code}: ${error.message}\n`)
    if (error.hint !== undefined) process.stderr.write(`  ${error.hint}\n`)
    if (error.code === 'INTERNAL') process.stderr.write(`${error.stack}\n`)
    process.exitCode = error.exit
  }
}

/** Errors that yargs itself throws are about the command line. With a builder that is loaded not all of them go through `fail`. */
function isYargsError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'YError'
}

/** An argument cannot hold a NUL: nobody else means this. */
const DASH = '\0-'

/** yargs drops `-` where it fills in what stands without an option, so that standard input would be left out silently. */
function restoreDashes(args: { [name: string]: unknown }): void {
  for (const [name, value] of Object.entries(args)) {
    args[name] = Array.isArray(value) ? value.map(restoreDash) : restoreDash(value)
  }
}

function restoreDash(value: unknown): unknown {
  return value === DASH ? '-' : value
}

if (process.argv[1] !== undefined && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2))
}
