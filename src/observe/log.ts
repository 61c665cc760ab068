/** Where a run tells what happens: stderr. Values that came from secrets are hidden, whoever put them into a message. */
export interface Log {
  readonly note: Note
  /** A line that is overwritten by the next one; only on a terminal. */
  status(text: string): void
  readonly live: boolean
}

/** Tells a thing worth a line in the log. Never a record's content, never a secret. */
export type Note = (message: string, facts?: Facts) => void

type Facts = { readonly [name: string]: string | number | boolean }

interface LogOptions {
  readonly json: boolean
  /** Put before each message, when several pipelines share the terminal. */
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
    note(message, facts = {}) {
      clear()
      const line = json
        ? JSON.stringify({ time: new Date().toISOString(), message: prefix + message, ...facts })
        : `${new Date().toISOString()} ${prefix}${message}${formatFacts(facts)}`
      stream.write(`${hideSecrets(line, secrets)}\n`)
    },
    status(text) {
      if (!live) return
      // A terminal that does not tell its width says 0.
      shown = text.slice(0, (stream.columns || 80) - 1)
      stream.write(`\r\u001b[K${shown}`)
    },
  }
}

/** Every occurrence of a secret, also as it stands in JSON, replaced by `***`. Secrets shorter than 4 characters would hide half of any text and stay. */
export function hideSecrets(text: string, secrets: readonly string[]): string {
  let hidden = text
  for (const secret of secrets) {
    if (secret.length < 4) continue
    hidden = hidden.replaceAll(secret, '***').replaceAll(JSON.stringify(secret).slice(1, -1), '***')
  }
  return hidden
}

function formatFacts(facts: Facts): string {
  return Object.entries(facts)
    .map(
      ([name, value]) =>
        ` ${name}=${typeof value === 'string' && /[\s"=]/.test(value) ? JSON.stringify(value) : value}`,
    )
    .join('')
}
