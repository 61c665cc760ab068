import { SluiceError } from '../../errors.ts'
import { readString } from '../json/json-text.ts'
import { createPattern } from './pattern.ts'
import type { Pattern } from './pattern.ts'

/** A segment of a path: a step from a value to values inside it. */
export type Segment =
  | { readonly kind: 'keys'; readonly keys: readonly string[] }
  | { readonly kind: 'pattern'; readonly pattern: Pattern }
  /** `*`: every member of an object. */
  | { readonly kind: 'members' }
  /** `[*]`: every element of an array. */
  | { readonly kind: 'elements' }
  /**
   * `**`: the value itself and all values inside it; as the last segment, only the values inside
   * it.
   */
  | { readonly kind: 'deep' }

/** Maximum number of segments of a path. */
const MAX_SEGMENTS = 32

/**
 * A key without characters that have a meaning in paths. Other keys are written `["like.this"]`.
 */
const PLAIN_KEY = /[^.[\]{}*/"',\s\p{Cc}][^.[\]{}*"',\s\p{Cc}]*/uy
const PATTERN = /\/((?:[^/\\]|\\[^])+)\/(\p{L}*)/uy
const QUOTED = /\[("(?:[^"\\\p{Cc}]|\\[^])*")\]/uy

/**
 * Parses a path: `a.b`, `["odd.key"]` (a JSON string), `[*]` (elements), `*` (members), `**` (any
 * depth), `{a,b}` (alternatives), `/regex/i` (a key pattern).
 * @throws SluiceError PATH_INVALID with the number of the character (from 1) and what was expected
 * there.
 */
export function parsePath(text: string): Segment[] {
  return parse(text, 'record')
}

/** Parses a path that begins at a document. A document may be an array: the path may begin with `[*]`. */
export function parseDocumentPath(text: string): Segment[] {
  return parse(text, 'document')
}

function parse(text: string, root: 'record' | 'document'): Segment[] {
  const segments: Segment[] = []
  let at = 0

  function fail(where: number, expected: string): never {
    const place = where < text.length ? `character ${where + 1}` : 'the end'
    throw new SluiceError('PATH_INVALID', `path ${JSON.stringify(text)}: at ${place}: ${expected}`, {
      offset: where,
      length: 1,
    })
  }

  function take(expression: RegExp): RegExpExecArray | null {
    expression.lastIndex = at
    const found = expression.exec(text)
    if (found !== null) at += found[0].length
    return found
  }

  function readBracket(): Segment {
    const start = at
    if (text.startsWith('[*]', at)) {
      if (segments.length === 0 && root === 'record') fail(at, 'a record is an object, so a path begins with a key')
      at += 3
      return { kind: 'elements' }
    }
    const quoted = take(QUOTED)
    if (quoted === null) {
      if (!text.includes(']', at)) fail(text.length, `expected "]" for the "[" at character ${start + 1}`)
      return fail(at + 1, 'expected * or a key in double quotes: [*], ["odd.key"]')
    }
    try {
      return { kind: 'keys', keys: [readString(quoted[1])] }
    } catch {
      return fail(start + 1, 'expected a key written as a JSON string')
    }
  }

  function readAlternatives(): Segment {
    const start = at
    const close = text.indexOf('}', at)
    if (close < 0) fail(text.length, `expected "}" for the "{" at character ${start + 1}`)
    const keys: string[] = []
    do {
      at++
      const key = take(PLAIN_KEY)
      if (key === null) fail(at, 'expected a key: alternatives are written {from,to}')
      keys.push(key[0])
    } while (text[at] === ',')
    if (text[at] !== '}') fail(at, 'expected "," or "}"')
    at++
    return { kind: 'keys', keys: [...new Set(keys)] }
  }

  function readPattern(): Segment {
    const start = at
    const written = take(PATTERN)
    if (written === null) fail(start, 'expected a pattern between slashes: /regex/i')
    try {
      return { kind: 'pattern', pattern: createPattern(written[1], written[2]) }
    } catch (error) {
      return fail(start, error instanceof Error ? error.message : String(error))
    }
  }

  function readSegment(): Segment {
    if (text.startsWith('**', at)) {
      at += 2
      return { kind: 'deep' }
    }
    const first = text[at]
    if (first === '*') {
      at++
      return { kind: 'members' }
    }
    if (first === '{') return readAlternatives()
    if (first === '/') return readPattern()
    if (first === '[') return readBracket()
    if (text === '$' || (at === 0 && /^\$[.[]/.test(text)))
      fail(0, 'a path begins with a key: leave out "$" (or write ["$"])')
    const key = take(PLAIN_KEY)
    if (key === null) return fail(at, 'expected a key, *, **, {a,b}, /regex/ or ["odd.key"]')
    return { kind: 'keys', keys: [key[0]] }
  }

  if (text === '') fail(0, 'a path cannot be empty')
  segments.push(readSegment())
  while (at < text.length) {
    if (segments.length === MAX_SEGMENTS) fail(at, `a path has at most ${MAX_SEGMENTS} segments`)
    if (text[at] === '.') {
      at++
      if (text[at] === '[') fail(at, 'no "." before "["')
      segments.push(readSegment())
    } else if (text[at] === '[') {
      segments.push(readBracket())
    } else {
      fail(at, 'expected "." or "["; a key with other characters is written ["like this"]')
    }
  }
  return segments
}

/** The canonical text of a path: the same text for every spelling of it. */
export function formatPath(segments: readonly Segment[]): string {
  let text = ''
  for (const segment of segments) {
    const part = formatSegment(segment)
    text += text === '' || part.startsWith('[') ? part : `.${part}`
  }
  return text
}

function formatSegment(segment: Segment): string {
  if (segment.kind === 'members') return '*'
  if (segment.kind === 'elements') return '[*]'
  if (segment.kind === 'deep') return '**'
  if (segment.kind === 'pattern') return segment.pattern.text
  if (segment.keys.length > 1) return `{${segment.keys.toSorted().join(',')}}`
  const [key] = segment.keys
  return isPlainKey(key) ? key : `[${JSON.stringify(key)}]`
}

function isPlainKey(key: string): boolean {
  PLAIN_KEY.lastIndex = 0
  return PLAIN_KEY.exec(key)?.[0] === key && key !== '$'
}
