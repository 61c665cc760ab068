/** What matters of a pipeline text for a place in it. */
export interface Excerpt {
  readonly text: string
  /** The place in the excerpt: an offset in UTF-16 units. */
  readonly offset: number
  /** To be added to offsets near the place, for those in the whole text. */
  readonly shift: number
}

/**
 * The key at the top level around a place, only with the item of its list there, and `sinks`; of other keys only
 * their names. A parser takes a second for a file with many tests, and a page asks at every key that is typed.
 */
export function excerptAt(text: string, cursor: number): Excerpt {
  const offset = Math.min(cursor, text.length)
  let result = ''
  let place = { offset, shift: 0 }
  for (const block of blocksOf(text)) {
    const isHere = block.from <= offset && (offset < block.to || block.to === text.length)
    const parts = isHere ? itemAt(text, block, offset) : [block]
    for (const { from, to } of parts) {
      if (isHere && from <= offset && offset <= to)
        place = { offset: result.length + offset - from, shift: from - result.length }
      const content = text.slice(from, to)
      result += isHere ? content : nameOnly(content)
    }
  }
  return { text: result, ...place }
}

interface Part {
  readonly from: number
  readonly to: number
}

/** A block begins with a key at the margin. */
function blocksOf(text: string): Part[] {
  return partsAt(text, { from: 0, to: text.length }, /^["'\w]/gm)
}

/** The lines before the first item, and the item around a place. */
function itemAt(text: string, block: Part, offset: number): Part[] {
  const content = text.slice(block.from, block.to)
  const dash = /^.*\r?\n(?:[ \t]*(?:#.*)?\r?\n)*( *)-(?:[ \t]|\r?\n|$)/.exec(content)
  if (dash === null) return [block]
  const [head = block, ...items] = partsAt(text, block, new RegExp(`^ {${dash[1].length}}-(?=\\s|$)`, 'gm'))
  const item = items.findLast(({ from }) => from <= offset) ?? items[0]
  return item === undefined ? [head] : [head, item]
}

/** Splits a part where the expression matches. */
function partsAt(text: string, { from, to }: Part, expression: RegExp): Part[] {
  const starts = [...text.slice(from, to).matchAll(expression)].map(({ index }) => from + index)
  const borders = [...new Set([from, ...starts]), to]
  return borders.slice(1).map((end, i) => ({ from: borders[i] ?? from, to: end }))
}

function nameOnly(block: string): string {
  const name = /^(?:\w+|"\w+"|'\w+')[ \t]*:/.exec(block)?.[0]
  return name === undefined || /^["']?sinks\b/.test(name) ? block : `${name}\n`
}
