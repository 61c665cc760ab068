/**
 * Escapes characters that a terminal obeys or hides, as in JSON (`\u001b`, `\n`): control
 * characters, which could move the cursor, change its title or forge a line, and the invisible ones
 * that reverse the direction of text. Tabs stay. The text of a line of JSON means the same
 * afterwards.
 */
export function printable(text: string): string {
  return text.replaceAll(UNSAFE, escape)
}

/** Joiners (U+200C, U+200D) shape letters and emoji; they move nothing. */
// oxlint-disable-next-line no-control-regex -- finds control characters
const UNSAFE = /(?![\t\u200c\u200d])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

function escape(char: string): string {
  if (char === '\n') return '\\n'
  if (char === '\r') return '\\r'
  return char
    .split('')
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('')
}
