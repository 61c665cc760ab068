import { SluiceError } from '../../errors.ts'

/** A syntax error of the library. */
interface SyntaxMistake {
  readonly code: string
  readonly summary: string
  readonly start: number
  readonly end: number
}

/** Says what is wrong with an expression, and what to write in its place. */
export function explainSyntax(text: string, { code, summary, start, end }: SyntaxMistake): SluiceError {
  const at = (from: number, length: number, message: string, hint?: string): SluiceError =>
    new SluiceError('EXPRESSION_INVALID', message, {
      offset: Math.min(from, Math.max(0, text.length - 1)),
      length: Math.max(1, length),
      ...(hint === undefined ? {} : { hint }),
    })
  if (text.trim() === '') return at(0, 1, 'the expression is empty', 'for example record.service == "sso"')

  for (const [expression, message, hint] of HABITS) {
    expression.lastIndex = 0
    for (let found = expression.exec(text); found !== null; found = expression.exec(text)) {
      const word = found[1] ?? found[0]
      const from = found.index + found[0].indexOf(word)
      if (from <= end && from + word.length >= start - 1) return at(from, word.length, `${word} ${message}`, hint)
    }
  }
  const known = KNOWN[code]
  if (known !== undefined) return at(start, end - start, ...known)
  if (start >= text.trimEnd().length) {
    const [open, , close] = OPEN_ENDS.find(([, token]) => summary.includes(token)) ?? []
    if (open !== undefined)
      return at(text.length - 1, 1, `the expression ends before ${open} is closed`, `add ${close}`)
    return at(
      text.length - 1,
      1,
      'the expression ends where a value is expected',
      'complete it, or remove the operator',
    )
  }
  const wrong = text.slice(start, Math.max(start + 1, end))
  if (summary.startsWith('Expected IDENTIFIER')) {
    return at(start, end - start, `"${wrong}" cannot be a name after a dot`, `write it in brackets: ["${wrong}"]`)
  }
  if (summary.startsWith('Expected COLON')) {
    return at(
      start,
      end - start,
      `a ":" is expected here, not "${wrong}"`,
      'a map is {"key": value}; a choice is a ? b : c',
    )
  }
  return at(start, end - start, `"${wrong}" is not expected here`, 'join values with an operator, such as && or +')
}

/** What people write by habit of other languages: what is wrong, and the way out. */
const HABITS: readonly (readonly [RegExp, string, string])[] = [
  [/[=!]==/g, 'is not an operator', 'write == or !='],
  [/(?<![=!<>])=~|~=?/g, 'is not an operator', 'for a pattern write record.name.matches("pattern")'],
  [/<>/g, 'is not an operator', 'write !='],
  [/(?<![=!<>])=(?![=~])/g, 'does not compare', 'write =='],
  [/(?<!&)&(?!&)/g, 'is not an operator', 'write &&'],
  [/(?<!\|)\|(?!\|)/g, 'is not an operator', 'write ||'],
  [/\b(and|AND|And)\b/g, 'is not an operator', 'write &&'],
  [/\b(or|OR|Or)\b/g, 'is not an operator', 'write ||'],
  [/\b(not|NOT|Not)\b/g, 'is not an operator', 'write !, for example !record.success'],
  [/\b(is|IS|like|LIKE)\b/g, 'is not an operator', 'write == to compare, or contains(), startsWith(), matches()'],
  [
    /\b(if|else|return|let|var|const|function|for)\b/g,
    'is not available',
    'write a choice as condition ? value : other',
  ],
  [/[“”‘’]/g, 'is a typographic quote', 'write " or \''],
  [/\$\.?/g, 'is not part of the language', 'the record is called record: record.service'],
  [/^\s*(\.)/g, 'cannot begin an expression', 'the record is called record: record.service'],
  [/=>/g, 'is not an operator', 'a macro is written list.exists(x, x > 1)'],
  [/\?\?/g, 'is not an operator', 'for a default write record.?name.orValue("default")'],
  [/(\?)\.[A-Za-z_]/g, 'stands after the dot', 'write record.?name'],
  [/\{\s*record\.[\w.]*\s*\}/g, 'is how templates are written', 'leave out the braces'],
  [/;/g, 'is not part of the language', 'an expression is one value'],
]

const KNOWN: { readonly [code: string]: [string, string?] } = {
  unterminated_string: ['the text that begins here is not closed', 'add the closing quote'],
  unterminated_triple_quoted_string: ['the text that begins here is not closed', 'add the three closing quotes'],
  newline_in_string: ['a line ends inside a text', 'close the quote on the same line, or write \\n'],
  invalid_escape_sequence: [
    'this escape is unknown',
    'write a pattern as a raw text, r"\\d+", or double the backslash; inside double quotes YAML has escapes of its own',
  ],
  limit_exceeded: ['the expression is too large', 'use custom code'],
}

const OPEN_ENDS: readonly (readonly [string, string, string])[] = [
  ['"("', 'RPAREN', ')'],
  ['"["', 'RBRACKET', ']'],
  ['"{"', 'RBRACE', '}'],
  ['"?"', 'COLON', ': and the other value'],
]
