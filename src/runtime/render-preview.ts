import { styleText } from 'node:util'
import { diffLines } from 'diff'
import type { PreviewedRecord } from './preview.ts'

/** Records as text: what a transform takes away begins with `-`, what it adds with `+`. In colour on a terminal. */
export function renderPreview(records: readonly PreviewedRecord[], stream: NodeJS.WriteStream): string {
  const colour = stream.isTTY && process.env.NO_COLOR === undefined
  return records.map((record) => renderRecord(record, colour)).join('\n')
}

function renderRecord({ origin, line, before, after, remark }: PreviewedRecord, colour: boolean): string {
  const head = `${origin}:${line}${remark === undefined ? '' : `  ${remark}`}\n`
  const old = before === undefined ? '' : `${JSON.stringify(before, undefined, 2)}\n`
  if (after.length === 0) return head + mark(old, '  ')
  return head + after.map((record) => renderChange(old, `${JSON.stringify(record, undefined, 2)}\n`, colour)).join('')
}

function renderChange(before: string, after: string, colour: boolean): string {
  return diffLines(before, after)
    .map(({ value, added, removed }) => {
      if (added) return paint('green', mark(value, '+ '), colour)
      if (removed) return paint('red', mark(value, '- '), colour)
      return mark(value, '  ')
    })
    .join('')
}

function mark(text: string, sign: string): string {
  return text.replaceAll(/^(?=.)/gm, sign)
}

function paint(colour: 'green' | 'red', text: string, on: boolean): string {
  return on ? styleText(colour, text, { validateStream: false }) : text
}
