import { SluiceError } from '../../errors.ts'

export type DateUnit = 'yyyy' | 'MM' | 'dd' | 'HH' | 'mm'

export type Token =
  | { readonly kind: 'text'; readonly text: string }
  /** `?` and `*` match no slash. */
  | { readonly kind: 'any' }
  | { readonly kind: 'star' }
  /** `**`; with `slash`, also that of no folder. */
  | { readonly kind: 'globstar'; readonly slash: boolean }
  | { readonly kind: 'class'; readonly regex: string }
  | { readonly kind: 'choice'; readonly options: readonly (readonly Token[])[] }
  | { readonly kind: 'date'; readonly unit: DateUnit }

/**
 * Splits a pattern of keys: `*`, `**`, `?`, `[a-z]`, `{a,b}`, and dates such as `{yyyy}` or
 * `{yyyy-MM-dd}`. A backslash takes the next character as it is.
 * @param whole For messages.
 * @throws SluiceError CONFIG_INVALID
 */
export function tokensOf(pattern: string, whole: string): Token[] {
  const tokens: Token[] = []
  const addText = (text: string): void => {
    const last = tokens.at(-1)
    if (last?.kind === 'text') tokens[tokens.length - 1] = { kind: 'text', text: last.text + text }
    else tokens.push({ kind: 'text', text })
  }
  for (const [found, escaped, stars, range, braces] of pattern.matchAll(TOKEN)) {
    if (escaped !== undefined) addText(escaped)
    else if (stars === '*') tokens.push({ kind: 'star' })
    else if (stars !== undefined) tokens.push({ kind: 'globstar', slash: stars.endsWith('/') })
    else if (found === '?') tokens.push({ kind: 'any' })
    else if (range !== undefined) tokens.push({ kind: 'class', regex: classOf(range, whole) })
    else if (braces !== undefined && DATE.test(braces)) {
      for (const [text, unit] of braces.matchAll(DATE_PART)) {
        if (isDateUnit(unit)) tokens.push({ kind: 'date', unit })
        else addText(text)
      }
    } else if (braces?.includes(',')) {
      tokens.push({ kind: 'choice', options: braces.split(',').map((option) => tokensOf(option, whole)) })
    } else if (/^[{}[\]\\]/.test(found)) {
      throw new SluiceError('CONFIG_INVALID', `"${whole}" has "${found}", which is no pattern`, {
        hint: 'write {a,b}, [a-z], {yyyy}, {MM}, {dd}, {HH} or {mm}; before a character of a key that is meant as it is, write a backslash',
      })
    } else addText(found)
  }
  return tokens
}

const TOKEN = /\\(.)|(\*\*\/|\*+)|\?|\[([^\]/]+)\]|\{([^{}]*)\}|[^\\*?[\]{}]+|./gsu
const DATE = /^(?=.*(?:yyyy|MM|dd|HH|mm))(?:yyyy|MM|dd|HH|mm|[-_/.:T])+$/
const DATE_PART = /(yyyy|MM|dd|HH|mm)|[-_/.:T]/g

function isDateUnit(text: string | undefined): text is DateUnit {
  return text !== undefined && Object.hasOwn(DIGITS, text)
}

const DIGITS: { readonly [unit in DateUnit]: string } = {
  yyyy: '\\d{4}',
  MM: '(?:0[1-9]|1[0-2])',
  dd: '(?:0[1-9]|[12]\\d|3[01])',
  HH: '(?:[01]\\d|2[0-3])',
  mm: '[0-5]\\d',
}

/** `[!a-c]` -> `[^a-c]` */
function classOf(range: string, whole: string): string {
  const isNegated = /^[!^]/.test(range)
  const members = (isNegated ? range.slice(1) : range).replaceAll(/[\\^[\]]/g, '\\$&')
  const regex = `[${isNegated ? '^/' : ''}${members}]`
  try {
    return new RegExp(regex, 'u').source
  } catch {
    throw new SluiceError('CONFIG_INVALID', `"${whole}" has "[${range}]", which is no range of characters`, {
      hint: 'write [a-z] or [!a-z]',
    })
  }
}

/** A regular expression for the flags `s` and `u`. The first of each date unit is a named group. */
export function regexOf(tokens: readonly Token[], named = new Set<DateUnit>()): string {
  return tokens.map((token) => tokenRegex(token, named)).join('')
}

function tokenRegex(token: Token, named: Set<DateUnit>): string {
  if (token.kind === 'text') return token.text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
  if (token.kind === 'any') return '[^/]'
  if (token.kind === 'star') return '[^/]*'
  if (token.kind === 'globstar') return token.slash ? '(?:.*/)?' : '.*'
  if (token.kind === 'class') return token.regex
  if (token.kind === 'choice') return `(?:${token.options.map((option) => regexOf(option, named)).join('|')})`
  const { unit } = token
  if (named.has(unit)) return DIGITS[unit]
  named.add(unit)
  return `(?<${unit}>${DIGITS[unit]})`
}

/** The text before the first wildcard. */
export function textBefore(tokens: readonly Token[]): string {
  const [first] = tokens
  return first?.kind === 'text' ? first.text : ''
}
