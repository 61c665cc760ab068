import { addPair, membersOf } from './pairs.ts'
import type { Pairs, Parsed } from './pairs.ts'

/**
 * Parses a URL query as a form: `+` is a space, `%C3%A9` is UTF-8. A key without `=` has an empty text.
 * Of a URL, and of a path that begins with `/`, it takes what is between the `?` and the `#`.
 */
export function parseQuery(text: string): Parsed {
  const pairs: Pairs = new Map()
  for (const part of queryOf(text.trim()).split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const key = decode(equals < 0 ? part : part.slice(0, equals))
    const value = equals < 0 ? '' : decode(part.slice(equals + 1))
    if (key === undefined || value === undefined) return { problem: 'a percent escape in it is not UTF-8' }
    addPair(pairs, key, value)
  }
  return { json: membersOf(pairs) }
}

function queryOf(text: string): string {
  if (text.startsWith('?')) return withoutFragment(text.slice(1))
  if (!/^(?:\/|[a-z][a-z\d+.-]*:\/\/)/i.test(text)) return text
  const url = withoutFragment(text)
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark + 1)
}

function withoutFragment(text: string): string {
  const hash = text.indexOf('#')
  return hash < 0 ? text : text.slice(0, hash)
}

/** Undefined if an escape is incomplete, or if escapes are not UTF-8. */
function decode(text: string): string | undefined {
  const spaced = text.replaceAll('+', ' ')
  if (!spaced.includes('%')) return spaced
  try {
    return decodeURIComponent(spaced)
  } catch {
    return undefined
  }
}
