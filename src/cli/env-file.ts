import { parseEnv } from 'node:util'

/** A variable that a file sets. */
export interface Assignment {
  readonly name: string
  readonly value: string
  /** From 1. */
  readonly line: number
}

/** A line that cannot be used. It may hold a secret, so the message quotes nothing of it. */
export interface BadLine {
  readonly line: number
  readonly message: string
}

/**
 * Reads the lines of an environment file. Node.js's own parser skips lines that it does not
 * understand, lets an open quote take in the lines below, and cuts a value at each `#`. So this
 * finds the assignments and refuses what would be read otherwise than it is written. Node.js makes
 * the values: quotes, escapes, lines in quotes.
 */
export function readEnvLines(text: string): {
  readonly found: readonly Assignment[]
  readonly bad: readonly BadLine[]
} {
  const lines = text.replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n')
  const found: Assignment[] = []
  const bad: BadLine[] = []
  let line = 1
  for (let at = 0; at < lines.length;) {
    const { length, name, message } = entryAt(lines, at)
    const entry = lines.slice(at, at + length)
    if (message !== undefined) bad.push({ line, message })
    if (name !== undefined) found.push({ name, value: parseEnv(entry)[name] ?? '', line })
    line += entry.split('\n').length - 1
    at += length
  }
  return { found, bad }
}

interface Entry {
  /** Characters, with the line feed at the end. */
  readonly length: number
  /** Only of an assignment. */
  readonly name?: string
  /** Only of a line that cannot be used. */
  readonly message?: string
}

const NOTHING = /[^\S\n]*(?:#.*)?(?:\n|$)/y
const START = /[^\S\n]*(?:export[^\S\n]+)?([A-Za-z_]\w*)[^\S\n]*=/y
const QUOTE = /[^\S\n]*["'`]/y
const QUOTED = /[^\S\n]*(?:"[^"]*"|'[^']*'|`[^`]*`)/y
const LINE = /.*(?:\n|$)/y
/** A comment begins with `#` after a blank. */
const PLAIN = /(?:[^\n#]*[^\S\n]#.*|[^\n#]*)(?:\n|$)/y

function entryAt(text: string, at: number): Entry {
  const rest = (pattern: RegExp, from: number): RegExpExecArray | null => {
    pattern.lastIndex = from
    return pattern.exec(text)
  }
  const nothing = rest(NOTHING, at)
  if (nothing !== null) return { length: nothing[0].length }
  const lineLength = rest(LINE, at)?.[0].length ?? 0
  const start = rest(START, at)
  if (start === null) return { length: lineLength, message: 'is not NAME=value' }
  const [assigned, name = ''] = start
  const from = at + assigned.length
  if (rest(QUOTE, from) !== null) {
    const quoted = rest(QUOTED, from)
    if (quoted === null) return { length: lineLength, message: 'opens a quote and does not close it' }
    const end = rest(NOTHING, from + quoted[0].length)
    const length = assigned.length + quoted[0].length
    if (end !== null) return { length: length + end[0].length, name }
    const more = rest(LINE, from + quoted[0].length)?.[0].length ?? 0
    return { length: length + more, message: 'has text after the closing quote' }
  }
  const plain = rest(PLAIN, from)
  if (plain === null) return { length: lineLength, message: 'has a # within a value that is not quoted' }
  return { length: assigned.length + plain[0].length, name }
}
