import { styleText } from 'node:util'
import { diffArrays } from 'diff'
import { printable } from '../observe/printable.ts'
import { spelledLines } from '../record/json/spelled.ts'
import type { Spelled } from '../record/json/spelled.ts'
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
  const old = before === undefined ? '' : jsonLines(before)
  if (after.length === 0) return head + prefix(old, '  ')
  const records = after.map((record, at) => {
    const sinks = to.length === 0 ? '' : `  to ${printable(to[at].join(', '))}\n`
    return sinks + renderChange(old, jsonLines(record), colour)
  })
  return head + records.join('')
}

function jsonLines(value: Spelled): string {
  return spelledLines(value)
    .map((line) => `${printable(line)}\n`)
    .join('')
}

function renderChange(before: string, after: string, colour: boolean): string {
  return diffArrays(linesOf(before), linesOf(after), { comparator: isSameMember })
    .map(({ value, added, removed }) => {
      if (added) return paint('green', prefix(value.join(''), '+ '), colour)
      if (removed) return paint('red', prefix(value.join(''), '- '), colour)
      return prefix(value.join(''), '  ')
    })
    .join('')
}

function linesOf(text: string): string[] {
  return text.match(/.*\n/g) ?? []
}

/** Ignores a trailing comma, which a member gets when it stops being the last one. */
function isSameMember(one: string, other: string): boolean {
  return one.replace(/,\n$/, '\n') === other.replace(/,\n$/, '\n')
}

function prefix(text: string, sign: string): string {
  return text.replaceAll(/^(?=.)/gm, sign)
}

function paint(colour: 'green' | 'red', text: string, on: boolean): string {
  return on ? styleText(colour, text, { validateStream: false }) : text
}
