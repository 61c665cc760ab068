/** A change of a text, by offsets in UTF-16 units. */
export interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

/** Applies edits that do not overlap. What they insert gets the line breaks of the text. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  const lineBreak = lineBreakOf(text)
  let result = text
  for (const { from, to, text: inserted } of edits.toSorted((a, b) => b.from - a.from))
    result = result.slice(0, from) + inserted.replaceAll('\n', lineBreak) + result.slice(to)
  return result
}

export function lineBreakOf(text: string): '\n' | '\r\n' {
  return /\r?\n/.exec(text)?.[0] === '\r\n' ? '\r\n' : '\n'
}

/** Columns are UTF-16 units, from 0. */
export function columnOf(offset: number, text: string): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1)
}
