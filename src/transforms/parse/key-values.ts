import { addPair, membersOf } from './pairs.ts'
import type { Pairs, Parsed } from './pairs.ts'

export interface Separators {
  /** Between two pairs. A space stands for any whitespace. */
  readonly pairs: string
  /** Between a key and its value. */
  readonly keys: string
}

export const DEFAULT_SEPARATORS: Separators = { pairs: ' ', keys: '=' }

/**
 * Parses `level=info msg="signed in" debug`. A key without a separator has an empty text. A key or
 * value in quotes may contain separators; in it, a backslash stands before a quote or a backslash. A
 * text without any separator between a key and a value is not of this format.
 */
export function parseKeyValues(text: string, { pairs: between, keys: separator }: Separators): Parsed {
  const pairs: Pairs = new Map()
  const isBetween = between === DEFAULT_SEPARATORS.pairs ? isSpace : startsWith(between)
  const endsPair = (at: number): boolean => at >= text.length || isBetween(text, at)
  const skipSpace = (start: number): number => {
    let at = start
    while (!endsPair(at) && isSpace(text, at)) at++
    return at
  }

  let hasValue = false
  let at = 0
  while (at < text.length) {
    if (isBetween(text, at) || isSpace(text, at)) {
      at += isBetween(text, at) ? between.length : 1
      continue
    }
    const start = at
    const name = readQuoted(text, at)
    const isQuoted = name !== undefined && name.end > 0 && text.startsWith(separator, skipSpace(name.end))
    if (isQuoted) at = skipSpace(name.end)
    while (!endsPair(at) && !text.startsWith(separator, at)) at++
    const key = isQuoted ? name.value : text.slice(start, at).trim()
    if (endsPair(at)) {
      addPair(pairs, key, '')
      continue
    }
    if (key === '') return { problem: 'a pair has no key' }
    hasValue = true
    at = skipSpace(at + separator.length)
    const quoted = readQuoted(text, at)
    if (quoted === undefined) {
      const from = at
      while (!endsPair(at)) at++
      addPair(pairs, key, text.slice(from, at).trim())
      continue
    }
    if (quoted.end < 0) return { problem: 'a quote is not closed' }
    at = skipSpace(quoted.end)
    if (!endsPair(at)) return { problem: 'a quoted value continues after its closing quote' }
    addPair(pairs, key, quoted.value)
  }
  return hasValue ? { json: membersOf(pairs) } : { problem: `it has no pairs with ${JSON.stringify(separator)}` }
}

function startsWith(part: string): (text: string, at: number) => boolean {
  return (text, at) => text.startsWith(part, at)
}

function isSpace(text: string, at: number): boolean {
  const unit = text.charCodeAt(at)
  return unit === 0x20 || (unit >= 0x09 && unit <= 0x0d)
}

/** The value in quotes at a place; undefined if there is no quote, an end of -1 if it is not closed. */
function readQuoted(text: string, start: number): { readonly value: string; readonly end: number } | undefined {
  const quote = text[start]
  if (quote !== '"' && quote !== "'") return undefined
  let value = ''
  let from = start + 1
  for (let at = from; at < text.length; at++) {
    const unit = text[at]
    if (unit === quote) return { value: value + text.slice(from, at), end: at + 1 }
    const next = text[at + 1]
    if (unit !== '\\' || (next !== '\\' && next !== quote)) continue
    value += text.slice(from, at)
    from = ++at
  }
  return { value, end: -1 }
}
