/** The log of a run, on stderr. It replaces all values of secrets by `***`. */
export interface Log {
  readonly note: Note
  /** Shows a line that the next one overwrites. No-op unless `live`. */
  status(text: string): void
  /** True on a terminal. */
  readonly live: boolean
}

/** Logs one line. Never pass a record's content or a secret. */
export type Note = (message: string, fields?: LogFields) => void

type LogFields = { readonly [name: string]: string | number | boolean }

interface LogOptions {
  readonly json: boolean
  /** Precedes each message when several pipelines share the terminal. */
  readonly prefix?: string
  readonly secrets: readonly string[]
  readonly stream?: NodeJS.WriteStream
}

export function openLog({ json, prefix = '', secrets, stream = process.stderr }: LogOptions): Log {
  const live = stream.isTTY && !json
  let shown = ''
  const clear = () => {
    if (shown !== '') stream.write('\r\u001b[K')
    shown = ''
  }
  return {
    live,
    note(message, fields = {}) {
      clear()
      const line = json
        ? JSON.stringify({ time: new Date().toISOString(), message: prefix + message, ...fields })
        : `${new Date().toISOString()} ${prefix}${message}${formatFields(fields)}`
      stream.write(`${hideSecrets(line, secrets)}\n`)
    },
    status(text) {
      if (!live) return
      // Terminals of unknown width report 0.
      shown = text.slice(0, (stream.columns || 80) - 1)
      stream.write(`\r\u001b[K${shown}`)
    },
  }
}

/**
 * Replaces every occurrence of a secret, plain or JSON-escaped, by `***`. Leaves secrets of less
 * than 4 characters alone, because replacing them would make any text unreadable.
 */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  let hidden = text
  for (const secret of secrets) {
    if (secret.length < 4) continue
    hidden = hidden.replaceAll(secret, '***').replaceAll(JSON.stringify(secret).slice(1, -1), '***')
  }
  return hidden
}

function formatFields(fields: LogFields): string {
  return Object.entries(fields)
    .map(
      ([name, value]) =>
        ` ${name}=${typeof value === 'string' && /[\s"=]/.test(value) ? JSON.stringify(value) : value}`,
    )
    .join('')
}
