import { styleText } from 'node:util'
import { printable } from '../observe/printable.ts'
import { spelledLines } from '../record/json/spelled.ts'
import type { Spelled } from '../record/json/spelled.ts'
import { diffLines } from './diff-lines.ts'
import type { PreviewedRecord } from './preview.ts'

/**
 * Renders a record as text. Removed lines start with `-`, added lines with `+`. In colour on a
 * terminal.
 */
export function renderPreview(
  { origin, line, before, after, to, remark }: PreviewedRecord,
  stream: NodeJS.WriteStream,
): string {
  const colour = stream.isTTY && process.env.NO_COLOR === undefined
  const head = `${printable(`${origin}:${line}${remark === undefined ? '' : `  ${remark}`}`)}\n`
  const old = before === undefined ? [] : linesOf(before)
  if (after.length === 0) return head + old.map((text) => `  ${text}\n`).join('')
  const records = after.map((record, at) => {
    const sinks = to.length === 0 ? '' : `  to ${printable(to[at].join(', '))}\n`
    return sinks + renderChange(old, linesOf(record), colour)
  })
  return head + records.join('')
}

function linesOf(value: Spelled): string[] {
  return spelledLines(value).map(printable)
}

function renderChange(before: readonly string[], after: readonly string[], colour: boolean): string {
  return diffLines(before, after)
    .map(({ sign, text }) => {
      const shown = `${sign} ${text}\n`
      if (sign === ' ') return shown
      return paint(sign === '+' ? 'green' : 'red', shown, colour)
    })
    .join('')
}

function paint(colour: 'green' | 'red', text: string, on: boolean): string {
  return on ? styleText(colour, text, { validateStream: false }) : text
}
