/** A line whose indentation does not fit the lines above it, or that is no key for want of a space. */
export interface IndentationProblem {
  /** From 1. */
  readonly line: number
  /** From 1, of the first character that is not a space. */
  readonly column: number
  readonly length: number
  readonly message: string
  readonly hint: string
}

/**
 * Finds the first line of a block-style YAML text whose indentation cannot be right. The parser
 * stumbles at such a line, or over what comes of it later, and does not say so. Only for a text that
 * the parser refuses: what is valid YAML is not judged here.
 */
export function findIndentationProblem(rows: readonly string[]): IndentationProblem | undefined {
  const blocks: Block[] = []
  let before: Line | undefined
  for (let row = 0; row < rows.length; row++) {
    if (/^\s*(#|$)/.test(rows[row])) continue
    const line = readLine(rows[row])
    const problem = missingSpace(line) ?? place(line, blocks, before)
    if (problem) return { line: row + 1, column: line.column + 1, length: line.name.length || 1, ...problem }
    before = line
    row = endOfValue(rows, row, line)
  }
  return undefined
}

/** A map or list whose entries begin at this column, from 0. */
interface Block {
  readonly kind: 'map' | 'list'
  readonly column: number
  /** The first key, or `-`. */
  readonly first: string
}

interface Line {
  /** From 0. */
  readonly column: number
  /** Columns of its dashes, from 0. */
  readonly dashes: readonly number[]
  /** The key, without the colon; empty if the line has none. */
  readonly name: string
  /** Column of the key, from 0. */
  readonly keyColumn: number
  /** What follows on the line: the value, without a comment. */
  readonly value: string
}

const KEY = /^("(?:[^"\\]|\\.)*"|'[^']*'|[^\s'"#{}[\],&*!|>%@`-][^:#]*?|-[^\s:#][^:#]*?)\s*:(?:\s+|$)(.*)$/

function readLine(text: string): Line {
  const column = text.search(/\S/)
  const dashes: number[] = []
  let at = column
  for (let dash = /^-(\s+|$)/.exec(text.slice(at)); dash; dash = /^-(\s+|$)/.exec(text.slice(at))) {
    dashes.push(at)
    at += dash[0].length
  }
  const rest = text.slice(at)
  const [, name = '', value = rest] = KEY.exec(rest) ?? []
  return { column, dashes, name, keyColumn: at, value: value.replace(/(^|\s)#.*$/, '').trim() }
}

/** `type:file` is no key, but a text; what follows then looks like a wrong indentation. */
function missingSpace({ name, value }: Line): Pick<IndentationProblem, 'message' | 'hint'> | undefined {
  const [, key, rest = ''] = /^([A-Za-z_]\w*):(?!\/)(\S.*)$/.exec(value) ?? []
  if (name !== '' || key === undefined) return undefined
  return { message: `a space is missing after "${key}:"`, hint: `write ${key}: ${rest}` }
}

/** Adds a line to the open blocks, or says why it does not fit. */
function place(
  line: Line,
  blocks: Block[],
  before: Line | undefined,
): Pick<IndentationProblem, 'message' | 'hint'> | undefined {
  const { column, dashes, name } = line
  if (name === '' && dashes.length === 0) return undefined
  const closed: Block[] = []
  for (let top = blocks.at(-1); top && top.column > column; top = blocks.at(-1)) closed.push(...blocks.splice(-1))
  const top = blocks.at(-1)
  const kind = dashes.length > 0 ? 'list' : 'map'
  const what = kind === 'list' ? 'this list entry' : `"${name}"`
  const opens = before !== undefined && before.value === '' && closed.length === 0
  const parent = before && (before.name === '' ? (before.dashes.at(-1) ?? 0) : before.keyColumn)

  if (top?.column === column && top.kind === kind) {
    open(line, blocks)
    return undefined
  }
  if (!before) {
    open(line, blocks)
    return undefined
  }
  // A list may begin at the column of its key.
  if (opens && parent !== undefined && (column > parent || (kind === 'list' && column === parent))) {
    open(line, blocks)
    return undefined
  }
  if (kind === 'map' && top?.kind === 'list' && top.column === column) {
    const inner = closed.at(-1)
    return {
      message: `${what} is indented like the - of the list, not like the keys of an entry`,
      hint: inner ? `${indentBy(inner.column)}, like "${inner.first}"` : 'indent it deeper than the -',
    }
  }
  const list = blocks.findLast((block) => block.kind === 'list')
  if (closed.length === 0 && before.value !== '' && top && column > top.column) {
    const above = before.name === '' ? 'the line above' : `"${before.name}"`
    const message = `${what} is indented deeper than ${above}, which already has a value`
    if (kind === 'map') return { message, hint: indentBy(before.keyColumn) }
    return { message, hint: list ? indentBy(list.column) : `delete the value of ${above}, or the list` }
  }
  if (top?.column === column) {
    if (kind === 'map') return { message: `${what} is among the entries of a list`, hint: 'begin the entry with "- "' }
    const hint = list ? `${indentBy(list.column)}, like the - above` : 'begin each entry with a -, or remove this one'
    return { message: 'a list entry is among the keys of a map', hint }
  }
  const choices = [...closed, ...blocks.toReversed()].filter((block) => block.kind === kind)
  const hints = [choices.at(0), choices.find((block) => block.column < column)].flatMap((block) => {
    return block ? [`by ${spaces(block.column)} like ${kind === 'list' ? 'the - above' : `"${block.first}"`}`] : []
  })
  return {
    message: `the indentation of ${what} (${spaces(column)}) fits no line above`,
    hint: hints.length === 0 ? 'remove the indentation' : `indent it ${[...new Set(hints)].join(', or ')}`,
  }
}

function indentBy(column: number): string {
  return column === 0 ? 'remove the indentation' : `indent it by ${spaces(column)}`
}

function open({ dashes, name, keyColumn }: Line, blocks: Block[]): void {
  const add = (block: Block): void => {
    if (blocks.at(-1)?.column !== block.column) blocks.push(block)
    else if (blocks.at(-1)?.kind !== block.kind) blocks.push(block)
  }
  for (const column of dashes) add({ kind: 'list', column, first: '-' })
  if (name !== '') add({ kind: 'map', column: keyColumn, first: name })
}

function spaces(count: number): string {
  return count === 1 ? '1 space' : `${count} spaces`
}

/** The last row of a value that continues on further rows: a block scalar, `{`, `[` or a quote. */
function endOfValue(rows: readonly string[], row: number, { value, column }: Line): number {
  if (/^[|>][-+\d]*$/.test(value)) {
    let end = row
    while (end + 1 < rows.length && (rows[end + 1].trim() === '' || rows[end + 1].search(/\S/) > column)) end++
    return end
  }
  if (/^[{[]/.test(value)) return endOfFlow(rows, row, value)
  const quote = /^["']/.exec(value)?.[0]
  if (quote === undefined || new RegExp(`^${quote}.*${quote}$`).test(value)) return row
  const end = rows.findIndex((text, at) => at > row && text.includes(quote))
  return end < 0 ? row : end
}

function endOfFlow(rows: readonly string[], row: number, value: string): number {
  let depth = 0
  for (let at = row; at < rows.length; at++) {
    const text = (at === row ? value : rows[at]).replace(/"(?:[^"\\]|\\.)*"|'[^']*'/g, '')
    depth += (text.match(/[{[]/g)?.length ?? 0) - (text.match(/[}\]]/g)?.length ?? 0)
    if (depth <= 0) return at
  }
  return row
}
