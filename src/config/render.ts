import { styleText } from 'node:util'
import { printable } from '../observe/printable.ts'
import type { Problem } from './pipeline.ts'

/**
 * Renders problems as text: location, message, source line with carets, hint. Notes take one line.
 * Colours are used on a terminal only, and not if `NO_COLOR` is set.
 */
export async function renderProblems(
  problems: readonly Problem[],
  stream: { readonly isTTY?: boolean } = {},
): Promise<string> {
  const colour = stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === ''
  const paint: Paint = (style, text) => (colour ? styleText(style, text, { validateStream: false }) : text)
  const widthOf = await measure(problems)
  return problems.map((problem) => renderProblem(problem, paint, widthOf)).join('')
}

type Paint = (style: 'bold' | 'red' | 'yellow' | 'dim', text: string) => string

/** Columns that a text takes in a terminal. */
type WidthOf = (text: string) => number

/** `string-width` takes 10 ms to load, and does nothing for ASCII. */
async function measure(problems: readonly Problem[]): Promise<WidthOf> {
  // oxlint-disable-next-line no-control-regex
  if (problems.every(({ text = '' }) => /^[\x00-\x7f]*$/.test(text))) return (text) => text.length
  return (await import('string-width')).default
}

const COLOURS = { error: 'red', warning: 'yellow', note: 'dim' } as const

/** Longer lines are shortened to the part around the problem. */
const MAX_LINE = 160

function renderProblem(problem: Problem, paint: Paint, widthOf: WidthOf): string {
  const { file, line, column, severity, message, hint } = problem
  const level = paint(COLOURS[severity], `${severity}:`)
  const lines = [`${paint('bold', `${printable(file)}:${line}:${column}`)} ${level} ${printable(message)}`]
  const number = String(line).padStart(5)
  const excerpt = severity === 'note' ? undefined : excerptOf(problem, widthOf)
  if (excerpt !== undefined) {
    lines.push(`${paint('dim', `${number} |`)} ${excerpt.text}`)
    lines.push(`${paint('dim', `${' '.repeat(number.length)} |`)} ${excerpt.indent}${paint('red', excerpt.caret)}`)
  }
  if (hint !== undefined) lines.push(`   ${printable(hint)}`)
  return `${lines.join('\n')}\n`
}

function excerptOf(
  { text, column, length }: Problem,
  widthOf: WidthOf,
): { text: string; indent: string; caret: string } | undefined {
  if (text === undefined || text.trim() === '') return undefined
  const from = column - 1 > MAX_LINE - 40 ? column - 41 : 0
  const shown = text.slice(from, from + MAX_LINE)
  const before = shown.slice(0, column - 1 - from)
  const marked = shown.slice(before.length, before.length + length)
  const lead = from > 0 ? '...' : ''
  const tail = from + MAX_LINE < text.length ? '...' : ''
  return {
    text: `${lead}${printable(shown)}${tail}`,
    indent: `${' '.repeat(lead.length)}${blank(before, widthOf)}`,
    caret: '^'.repeat(Math.max(1, widthOf(printable(marked)))),
  }
}

/** Blanks of the same width as the text. Tabs are kept. */
function blank(text: string, widthOf: WidthOf): string {
  return printable(text)
    .split('\t')
    .map((part) => ' '.repeat(widthOf(part)))
    .join('\t')
}
