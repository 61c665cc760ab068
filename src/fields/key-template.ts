import { SluiceError } from '../errors.ts'
import { Paths } from '../record/paths/path.ts'

/**
 * The key of an object without its last segment: literal text with placeholders.
 * - `{record.<path>}`: the value of a scalar field.
 * - `{record.<path>:yyyy-MM-dd}`: a field with a time (`record/json/instant.ts`), in UTC. Formats
 *   consist of `yyyy`, `MM`, `dd`, `HH` and `mm`, separated by `-`, `_`, `.`, `T` or `/`.
 * - `{now:...}`: the time at which the epoch was opened, in the same formats.
 * - `{pipeline}`: the pipeline's name.
 *
 * A value stays within its segment. Characters other than `A-Z a-z 0-9 . _ = @ + -` are
 * percent-encoded, and so are the values `.` and `..`. A value of more than 100 bytes is truncated
 * and ends in a part of its SHA-256. A field that is missing, not a scalar or not a time yields
 * `unknown`.
 */
export interface KeyTemplate {
  readonly text: string
  readonly parts: readonly KeyPart[]
}

type KeyPart =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'pipeline' }
  | { readonly kind: 'now'; readonly format: TimeFormat }
  | { readonly kind: 'record'; readonly path: string; readonly format: TimeFormat | undefined }

/** Calendar fields and separators. */
export type TimeFormat = readonly string[]

/** @throws SluiceError CONFIG_INVALID or PATH_INVALID, with the offset of the mistake */
export function parseKeyTemplate(text: string): KeyTemplate {
  const template = parse(text, { checkLiteral: checkKeyLiteral, times: ', {now:yyyy-MM-dd}' })
  checkSegments(text)
  return template
}

/**
 * A text with values of a record in it, in the syntax of a key template. `{now:...}` is refused: a
 * record that is read again must become the same record. The text may contain any character, and
 * values are not encoded.
 * @throws SluiceError CONFIG_INVALID or PATH_INVALID, with the offset of the mistake
 */
export function parseRecordTemplate(text: string): KeyTemplate {
  const template = parse(text, { checkLiteral: checkBraces, times: '' })
  if (template.parts.every(({ kind }) => kind !== 'now')) return template
  throw invalid(
    text,
    text.indexOf('{now:'),
    '{now}, which would change when a record is read again; use a time of the record',
  )
}

/** What the two kinds of templates allow. */
interface TemplateRules {
  readonly checkLiteral: (text: string, at: number, literal: string) => void
  /** Further placeholders, for messages. */
  readonly times: string
}

function parse(text: string, { checkLiteral, times }: TemplateRules): KeyTemplate {
  const parts: KeyPart[] = []
  let at = 0
  while (at < text.length) {
    const open = text.indexOf('{', at)
    const literal = text.slice(at, open < 0 ? text.length : open)
    checkLiteral(text, at, literal)
    if (literal !== '') parts.push({ kind: 'literal', text: literal })
    if (open < 0) break
    const close = endOfPlaceholder(text, open)
    parts.push(parsePlaceholder(text, open, text.slice(open + 1, close), times))
    at = close + 1
  }
  return { text, parts }
}

function checkBraces(text: string, at: number, literal: string): void {
  const close = literal.indexOf('}')
  if (close >= 0) throw invalid(text, at + close, 'a } without a matching {')
}

function checkKeyLiteral(text: string, at: number, literal: string): void {
  checkBraces(text, at, literal)
  for (let i = 0; i < literal.length; i++) {
    const char = literal.charCodeAt(i)
    if (char < 0x20 || char === 0x7f || char === 0x5c)
      throw invalid(text, at + i, 'a character that is illegal in keys')
  }
}

/** A quoted key in brackets (`a["x}"]`) may contain any character. */
function endOfPlaceholder(text: string, open: number): number {
  let quoted = false
  for (let at = open + 1; at < text.length; at++) {
    if (quoted && text[at] === '\\') at++
    else if (text[at] === '"') quoted = !quoted
    else if (text[at] === '}' && !quoted) return at
  }
  throw invalid(text, open, 'a { without a matching }')
}

function parsePlaceholder(text: string, open: number, inside: string, times: string): KeyPart {
  if (inside === 'pipeline') return { kind: 'pipeline' }
  if (inside.startsWith('now:')) return { kind: 'now', format: parseFormat(text, open + 5, inside.slice(4)) }
  if (inside === 'now') throw invalid(text, open, '{now} without a format; use {now:yyyy-MM-dd}')
  if (!inside.startsWith('record.')) {
    throw invalid(
      text,
      open,
      `the unknown placeholder {${inside}}; use {record.<path>}, {record.<path>:yyyy-MM-dd}${times} or {pipeline}`,
    )
  }
  const colon = formatColon(inside)
  const path = inside.slice('record.'.length, colon)
  checkPath(text, open + 1 + 'record.'.length, path)
  const format = colon === inside.length ? undefined : parseFormat(text, open + 2 + colon, inside.slice(colon + 1))
  return { kind: 'record', path, format }
}

function checkPath(text: string, offset: number, path: string): void {
  try {
    if (new Paths().add(path).keys !== undefined) return
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    const { code, message, hint, offset: within = 0, length } = error
    throw new SluiceError(code, message, {
      cause: error,
      offset: offset + within,
      ...(hint !== undefined && { hint }),
      ...(length !== undefined && { length }),
    })
  }
  throw invalid(text, offset, `the path ${path}, which can match more than one value`, path.length)
}

/**
 * Index of the colon before the format, which is the last unquoted one. The length of the text if
 * there is no format.
 */
function formatColon(inside: string): number {
  const colon = inside.lastIndexOf(':')
  return colon < 0 || inside.indexOf('"', colon) >= 0 ? inside.length : colon
}

const calendar = ['yyyy', 'MM', 'dd', 'HH', 'mm']

function parseFormat(text: string, at: number, format: string): TimeFormat {
  const tokens = format.match(/yyyy|MM|dd|HH|mm|[-_.T/]|[A-Za-z]+|./gu) ?? []
  let offset = at
  for (const token of tokens) {
    if (!calendar.includes(token) && !/^[-_.T/]$/.test(token)) {
      throw invalid(text, offset, `${token} in a time format; use ${calendar.join(', ')}, separated by - _ . T or /`)
    }
    offset += token.length
  }
  if (!tokens.some((token) => calendar.includes(token))) throw invalid(text, at, 'an empty time format')
  return tokens
}

/** A time (milliseconds since 1970) in UTC. */
export function formatTime(format: TimeFormat, time: number): string {
  const iso = new Date(time).toISOString()
  // Years outside 0000 to 9999 have a sign and six digits.
  const year = iso.indexOf('-', 1)
  return format
    .map((token) => {
      if (token === 'yyyy') return iso.slice(0, year)
      if (token === 'MM') return iso.slice(year + 1, year + 3)
      if (token === 'dd') return iso.slice(year + 4, year + 6)
      if (token === 'HH') return iso.slice(year + 7, year + 9)
      return token === 'mm' ? iso.slice(year + 10, year + 12) : token
    })
    .join('')
}

function checkSegments(text: string): void {
  if (text === '') return
  // A placeholder's value is never empty and never a dot segment. Text of the same length replaces
  // it, to keep offsets right.
  let at = 0
  for (const segment of text.replace(/\{[^}]*\}/g, (found) => 'x'.repeat(found.length)).split('/')) {
    if (segment === '') throw invalid(text, at, 'an empty segment; a key must not begin or end with / or contain //')
    if (segment === '.' || segment === '..') throw invalid(text, at, `the segment ${segment}`)
    at += segment.length + 1
  }
}

function invalid(text: string, offset: number, what: string, length = 1): SluiceError {
  return new SluiceError('CONFIG_INVALID', `the template has ${what}`, {
    offset,
    length: Math.min(length, text.length - offset),
  })
}
