/*
 * The last writers: everything that a command writes to the terminal, a pipe or a report goes
 * through here or through `log.ts`. Secrets are hidden and control characters escaped once, so no
 * caller has to think of either. Only records leave by another way, as they are: the `stdout` sink
 * and `rejects show --json`.
 */
import { printable } from './printable.ts'
import { hideInJson, hideSecrets } from './secrets.ts'

/** Writes lines to stdout. A line feed within one is escaped. */
export function print(...lines: readonly string[]): void {
  writeLines(process.stdout, lines)
}

/** Writes lines to stderr. A line feed within one is escaped. */
export function say(...lines: readonly string[]): void {
  writeLines(process.stderr, lines)
}

/** Writes text of several lines to stdout. */
export function printText(text: string): void {
  print(...text.replace(/\n$/, '').split('\n'))
}

/** Writes a JSON value to stdout, indented. */
export function printJson(value: unknown): void {
  process.stdout.write(`${safeJson(value, 2)}\n`)
}

/**
 * Writes text whose parts were made printable by the renderer, because it colours them. Hides
 * secrets only.
 */
export function writeRendered(stream: NodeJS.WriteStream, text: string): void {
  stream.write(hideSecrets(text))
}

/**
 * Writes a record to stdout, for another program: as it is, so that nothing about it changes. On a
 * terminal its control characters are escaped, which means the same in JSON.
 */
export async function writeRecord(json: string): Promise<void> {
  const { stdout } = process
  // Its reader has gone: `drain` would never come.
  if (stdout.destroyed || stdout.write(`${stdout.isTTY ? printable(json) : json}\n`)) return
  await new Promise<void>((resolve) => {
    const finish = (): void => {
      stdout.off('drain', finish).off('close', finish)
      resolve()
    }
    stdout.once('drain', finish).once('close', finish)
  })
}

/** JSON text without secrets in its texts, and with all control characters escaped. */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(hideInJson(value), undefined, indent).split('\n').map(printable).join('\n')
}

/** Text for one line. */
export function safeLine(text: string): string {
  return printable(hideSecrets(text))
}

function writeLines(stream: NodeJS.WriteStream, lines: readonly string[]): void {
  stream.write(lines.map((line) => `${safeLine(line)}\n`).join(''))
}
