import { styleText } from 'node:util'
import stringWidth from 'string-width'
import { safeLine } from '../output.ts'

export type Style = 'bold' | 'dim' | 'cyan' | 'yellow' | 'red' | 'green'

/** A part of a line. Without a style it is plain. */
export interface Span {
  readonly text: string
  readonly style?: Style | undefined
}

/** A line of the view: text without control characters. */
export type LiveLine = readonly Span[]

/** A part whose text may come from anywhere. */
export function span(text: string, style?: Style): Span {
  return { text: safeLine(text).replaceAll('\t', ' '), style }
}

/** Columns that a text takes: wide characters take two. */
export function widthOf(text: string): number {
  return ASCII.test(text) ? text.length : stringWidth(text)
}

const ASCII = /^[ -~]*$/

/** The start of a text that fits; what is cut off leaves an ellipsis. */
function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  if (width <= 0) return ''
  let [result, used] = ['', 0]
  for (const { segment } of graphemes.segment(text)) {
    const wide = widthOf(segment)
    if (used + wide > width - 1) break
    result += segment
    used += wide
  }
  return `${result}…`
}

const graphemes = new Intl.Segmenter()

/** The end of a text that fits: of a long key, the end says more. */
export function cutStart(text: string, width: number): string {
  if (widthOf(text) <= width) return text
  if (width <= 0) return ''
  let [result, used] = ['', 0]
  for (const { segment } of [...graphemes.segment(text)].toReversed()) {
    const wide = widthOf(segment)
    if (used + wide > width - 1) break
    result = segment + result
    used += wide
  }
  return `…${result}`
}

/** A text with blanks to this width; never longer. */
export function pad(text: string, width: number): string {
  const fitting = cut(text, width)
  return fitting + ' '.repeat(Math.max(0, width - widthOf(fitting)))
}

/** Text of the terminal for a line: at most as wide, with colours or without. */
export function paintLine(line: LiveLine, width: number, hasColour: boolean): string {
  let [result, used] = ['', 0]
  for (const { text, style } of line) {
    const fitting = cut(text, width - used)
    used += widthOf(fitting)
    result += hasColour && style !== undefined ? styleText(style, fitting, { validateStream: false }) : fitting
    if (fitting !== text) break
  }
  return result
}
