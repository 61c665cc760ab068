import type { Scalar } from 'yaml'

/**
 * Where each character of a text value is in the YAML source: quotes, escapes, indentation and folded
 * lines stand between them.
 * @param start offset of the scalar in the source
 * @returns one offset for each UTF-16 unit of the value, and the end; undefined if they cannot be found
 */
export function sourceOffsets(
  yaml: string,
  { type, value, range }: Pick<Scalar, 'type' | 'value' | 'range'>,
): readonly number[] | undefined {
  if (typeof value !== 'string' || !range) return undefined
  const [start, end] = range
  const isBlock = type === 'BLOCK_LITERAL' || type === 'BLOCK_FOLDED'
  const isQuoted = type === 'QUOTE_DOUBLE' || type === 'QUOTE_SINGLE'
  let at = isBlock ? yaml.indexOf('\n', start) + 1 : isQuoted ? start + 1 : start
  const offsets: number[] = []
  for (const unit of value.split('')) {
    if (BLANK.test(unit)) {
      offsets.push(at)
      // In double quotes, a blank may be an escape.
      if (type === 'QUOTE_DOUBLE' && yaml[at] === '\\') at += escapeLength(yaml, at)
      else if (yaml[at] === unit) at++
      continue
    }
    while (at < end && BLANK.test(yaml[at])) at++
    // A line that ends in a backslash is continued.
    if (type === 'QUOTE_DOUBLE') {
      CONTINUED.lastIndex = at
      at += CONTINUED.exec(yaml)?.[0].length ?? 0
    }
    if (at >= end) return undefined
    offsets.push(at)
    if (type === 'QUOTE_DOUBLE' && yaml[at] === '\\') at += escapeLength(yaml, at)
    else if (type === 'QUOTE_SINGLE' && unit === "'") at += 2
    else if (yaml[at] === unit) at++
    else return undefined
  }
  return [...offsets, at]
}

const BLANK = /\s/
const CONTINUED = /(?:\\\r?\n\s*)+/y

/** `\n`, `\x41`, `\u0041`, `\U00000041`. */
function escapeLength(yaml: string, at: number): number {
  return 2 + (ESCAPES[yaml[at + 1]] ?? 0)
}

const ESCAPES: { readonly [letter: string]: number } = { x: 2, u: 4, U: 8 }
