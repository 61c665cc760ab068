import { asSluiceError, SluiceError } from '../errors.ts'
import { print, say } from '../observe/output.ts'
import { forgetSecrets } from '../observe/secrets.ts'
import { describeCauses } from '../runtime/causes.ts'
import { addEnvironmentSecrets } from '../observe/environment-secrets.ts'
import { ASK } from './completion/ask.ts'
import { runToTheEnd } from './last-resort.ts'
import { jsonLog, setProcessLog } from './process-log.ts'
import { versionText } from './version.ts'

/**
 * Runs one command. This is the only place where an error becomes an exit status. It never calls
 * `process.exit`, which would truncate output to a pipe.
 */
export async function main(args: readonly string[]): Promise<void> {
  forgetSecrets()
  setProcessLog(undefined)
  addEnvironmentSecrets(process.env)
  try {
    const work = workWithoutParser(args) ?? (await (await import('./parse.ts')).parse(args))
    await work?.()
  } catch (thrown) {
    process.exitCode = report(thrown)
  }
}

/** Prints an error. @returns the exit status */
function report(thrown: unknown): number {
  const error = isYargsError(thrown)
    ? new SluiceError('USAGE', thrown.message)
    : asSluiceError(thrown, 'INTERNAL', 'this is a bug in Sluice')
  const causes = describeCauses(error)
  const stack = error.code === 'INTERNAL' ? (rootOf(error).stack ?? '') : undefined
  const log = jsonLog()
  if (log) {
    const { code, message, hint } = error
    log.note('process.failed', { error: code, reason: message, causes: causes.join('; ') || undefined, hint, stack })
    return error.exit
  }
  say('', `sluice: ${error.code}: ${error.message}`)
  say(...causes.map((cause) => `  cause: ${cause}`))
  if (error.hint !== undefined) say(`  ${error.hint}`)
  if (stack !== undefined) say(...stack.split('\n'))
  return error.exit
}

/** The error that was thrown first: its stack shows where. */
function rootOf(error: Error): Error {
  return error.cause instanceof Error ? rootOf(error.cause) : error
}

/** An error of yargs: a mistake in the command line. */
function isYargsError(error: unknown): error is Error {
  return error instanceof Error && error.name === 'YError'
}

/**
 * The command lines that scripts and shells run most. They take less time than the parser takes to
 * load, and have nothing to parse.
 */
function workWithoutParser(args: readonly string[]): (() => Promise<void>) | undefined {
  const line = args.join(' ')
  if (args.includes('--version') && !args.includes(ASK)) return async () => print(await versionText())
  if (line !== 'list' && line !== 'list --json') return undefined
  return async () => (await import('./commands/list.ts')).list({ json: line.endsWith('--json') })
}

/** Runs the command line of this process, and ends the process with it. */
export async function runAsProcess(): Promise<void> {
  // Node.js would print the error as it is. Custom code can throw outside of every call of ours.
  process.on('uncaughtException', (error) =>
    process.exit(report(asSluiceError(error, 'INTERNAL', 'no code handles this error of a component or of Sluice'))),
  )
  await runToTheEnd(() => main(process.argv.slice(2)))
}
