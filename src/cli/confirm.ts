import { createInterface } from 'node:readline/promises'
import { SluiceError } from '../errors.ts'

/** `--yes` of commands that ask before they change something. */
export const yesOption = { type: 'boolean', default: false, describe: 'Do not ask' } as const

/**
 * Asks on a terminal whether to go ahead. Without a terminal, only `--yes` goes ahead.
 * @param undone what was left undone, for example `nothing was deleted`
 * @throws SluiceError USAGE
 */
export async function confirm(question: string, { yes, undone }: { yes: boolean; undone: string }): Promise<void> {
  if (yes || (process.stdin.isTTY && process.stderr.isTTY && (await ask(question)))) return
  throw new SluiceError('USAGE', undone, { hint: 'confirm with --yes' })
}

async function ask(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(`${question} [y/N] `)).trim())
  } finally {
    terminal.close()
  }
}
