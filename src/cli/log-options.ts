import type { ArgumentsCamelCase, InferredOptionTypes, Options } from 'yargs'
import { SluiceError } from '../errors.ts'
import { openLog } from '../observe/log.ts'
import type { Log, LogFormat, LogLevel } from '../observe/log.ts'
import { levels } from '../observe/messages/info.ts'
import { setProcessLog } from './process-log.ts'

const LEVELS: readonly LogLevel[] = [...levels, 'silent']
const FORMATS: readonly LogFormat[] = ['json', 'pretty']

const LEVEL_VARIABLE = 'SLUICE_LOG_LEVEL'
const FORMAT_VARIABLE = 'SLUICE_LOG_FORMAT'

/** Options of all commands that log. */
export const logOptions = {
  'log-level': {
    type: 'string',
    choices: LEVELS,
    describe: `Least important lines of the log; default: the variable ${LEVEL_VARIABLE}, or info`,
    requiresArg: true,
  },
  'log-format': {
    type: 'string',
    choices: FORMATS,
    describe: `Lines of JSON, or text; default: the variable ${FORMAT_VARIABLE}, or pretty`,
    requiresArg: true,
  },
  json: { type: 'boolean', default: false, describe: '--log-format json, and the report at the end as JSON' },
} as const satisfies { [name: string]: Options }

export type LogArguments = Pick<
  ArgumentsCamelCase<InferredOptionTypes<typeof logOptions>>,
  'logLevel' | 'logFormat'
> & {
  readonly json: boolean
}

export interface LogChoice {
  readonly format: LogFormat
  readonly level: LogLevel
}

/**
 * What the command line asks for, or else the environment.
 * @throws SluiceError USAGE if a variable has another value
 */
export function logChoice({ json, logFormat, logLevel }: LogArguments): LogChoice {
  const asked = logFormat ?? (json ? 'json' : undefined)
  return {
    format: oneOf(FORMATS, asked) ?? fromEnvironment(FORMAT_VARIABLE, FORMATS) ?? 'pretty',
    level: oneOf(LEVELS, logLevel) ?? fromEnvironment(LEVEL_VARIABLE, LEVELS) ?? 'info',
  }
}

/** Opens the log of the process: what is not about one run goes there. */
export async function openProcessLog(choice: LogChoice): Promise<Log> {
  const log = await openLog(choice)
  setProcessLog(log)
  return log
}

function fromEnvironment<Name extends string>(variable: string, names: readonly Name[]): Name | undefined {
  const value = process.env[variable]
  if (value === undefined || value === '') return undefined
  const name = oneOf(names, value)
  if (name !== undefined) return name
  throw new SluiceError('USAGE', `${variable}=${value}: no such value`, { hint: `it is one of ${names.join(', ')}` })
}

function oneOf<Name extends string>(names: readonly Name[], value: string | undefined): Name | undefined {
  return names.find((name) => name === value)
}
