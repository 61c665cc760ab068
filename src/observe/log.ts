import { safeJson, safeLine } from './output.ts'

/** The log of a run, on stderr. It hides secrets and escapes control characters. */
export interface Log {
  readonly note: Note
  /** Shows a line that the next one overwrites. No-op unless `live`. */
  status(text: string): void
  /** True on a terminal. */
  readonly live: boolean
  /** Logs one line for programs. No-op unless the log is JSON. */
  event?(message: string, fields: LogFields): void
}

/** Logs one line. Never pass a record's content. */
export type Note = (message: string, fields?: LogFields) => void

type LogFields = { readonly [name: string]: string | number | boolean }

interface LogOptions {
  readonly json: boolean
  /** Precedes each message when several pipelines share the terminal. */
  readonly prefix?: string
  readonly stream?: LogStream
}

/** The part of a stream that a log uses. */
interface LogStream {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export function openLog({ json, prefix = '', stream = process.stderr }: LogOptions): Log {
  const live = stream.isTTY === true && !json
  let shown = ''
  const clear = () => {
    if (shown !== '') stream.write('\r\u001b[K')
    shown = ''
  }
  const note: Note = (message, fields = {}) => {
    clear()
    const time = new Date().toISOString()
    const line = json
      ? safeJson({ time, message: prefix + message, ...fields })
      : safeLine(`${time} ${prefix}${message}${formatFields(fields)}`)
    stream.write(`${line}\n`)
  }
  return {
    live,
    note,
    ...(json && { event: note }),
    status(text) {
      if (!live) return
      // Terminals of unknown width report 0.
      shown = safeLine(text).slice(0, ((stream.columns ?? 0) || 80) - 1)
      stream.write(`\r\u001b[K${shown}`)
    },
  }
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .map(
      ([name, value]) =>
        ` ${name}=${typeof value === 'string' && /[\s"=]/.test(value) ? JSON.stringify(value) : value}`,
    )
    .join('')
}
