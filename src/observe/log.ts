import type { OfRun } from './bus/events.ts'
import { componentLine, lineOf } from './messages/line.ts'
import type { Line } from './messages/line.ts'
import { levels } from './messages/info.ts'
import type { Level } from './messages/info.ts'
import { factsBeside, isMessageCode } from './messages/table.ts'
import type { Fact, Facts, Note } from './messages/table.ts'
import { printable } from './printable.ts'
import { safeLine } from './output.ts'
import { hideInJson } from './secrets.ts'

/** The log of a run, on stderr. It hides secrets and escapes control characters. */
export interface Log {
  /** Logs a line that is not about one run. */
  readonly note: Note
  /** The `note` of a stage, see `componentLine`. */
  noteOf(stage: string): (text: string, facts?: Facts) => void
  /** Logs a line. @param of The run that it is about. */
  line(line: Line, of?: OfRun): void
  /** The live view shows the progress. */
  readonly live: boolean
  /** Less important lines are left out. */
  readonly level: LogLevel
  readonly format: LogFormat
}

export type LogLevel = Level | 'silent'
export type LogFormat = 'json' | 'pretty'

export interface LogOptions {
  readonly format?: LogFormat
  readonly level?: LogLevel
  /** Precedes each message for people when several pipelines share the terminal. */
  readonly prefix?: string
  /** See `Log`. Default: false. */
  readonly live?: boolean
  readonly stream?: LogStream
}

/** The part of a stream that a log uses. */
interface LogStream {
  write(text: string): unknown
}

/** True if a log of this level has lines of that one. */
export function includes(level: LogLevel, line: Level): boolean {
  return level !== 'silent' && levels.indexOf(line) >= levels.indexOf(level)
}

export async function openLog({
  format = 'pretty',
  level = 'info',
  prefix = '',
  live = false,
  stream = process.stderr,
}: LogOptions = {}): Promise<Log> {
  const write = (text: string): void => void stream.write(`${text}\n`)
  const writeLine =
    format === 'json' && level !== 'silent'
      ? await jsonLines(level, write)
      : (line: Line) => write(pretty(line, prefix))
  const line: Log['line'] = (one, of) => {
    if (includes(level, one.level)) writeLine(one, of)
  }
  return {
    live,
    level,
    format,
    line,
    note: (...message) => line(lineOf(...message)),
    noteOf:
      (stage) =>
      (text, facts = {}) =>
        line(componentLine(text, facts, stage)),
  }
}

/** For people: time, level, message, facts. */
function pretty({ level, code, message, facts }: Line, prefix: string): string {
  const beside = isMessageCode(code) ? factsBeside(code, facts) : Object.entries(facts)
  return safeLine(`${new Date().toISOString()} ${level.padEnd(5)} ${prefix}${message}${formatFacts(beside)}`)
}

function formatFacts(facts: readonly (readonly [string, Fact])[]): string {
  return facts
    .map(
      ([name, value]) =>
        ` ${name}=${typeof value === 'string' && /[\s"=]/.test(value) ? JSON.stringify(value) : value}`,
    )
    .join('')
}

/** For programs. pino takes longer to load than a small run takes, so only this loads it. */
async function jsonLines(level: Level, write: (text: string) => void) {
  const { pino } = await import('pino')
  const logger = pino(
    {
      level,
      base: undefined,
      messageKey: MESSAGE,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
    },
    // What pino leaves as it is: characters that a terminal obeys or hides.
    { write: (text: string) => write(printable(text.trimEnd())) },
  )
  return ({ level: of, code, stage, message, facts }: Line, run?: OfRun): void => {
    const fields: unknown = hideInJson({ ...(run && named(run)), stage, code, ...renamed(facts), [MESSAGE]: message })
    logger[of](fields)
  }
}

const MESSAGE = 'message'

function named({ pipeline, run }: OfRun): Partial<OfRun> {
  return { ...(pipeline !== '' && { pipeline }), ...(run !== '' && { run }) }
}

/** Custom code may give its facts any name: those of the fields stay what they are. */
function renamed(facts: { readonly [name: string]: Fact }): { readonly [name: string]: Fact } {
  return Object.fromEntries(
    Object.entries(facts).map(([name, value]) => [RESERVED.has(name) ? `fact_${name}` : name, value]),
  )
}

const RESERVED: ReadonlySet<string> = new Set(['level', 'time', 'pipeline', 'run', 'code', MESSAGE])
