import { isMap, isPair, isScalar, isSeq, visit } from 'yaml'
import type { Document, YAMLMap, YAMLSeq } from 'yaml'
import type { Path } from './schemas-at.ts'
import { columnOf } from './text-edits.ts'
import { parseNodes, startOf } from './yaml-nodes.ts'

/** What could be written at a place of a YAML text, which need not be complete. */
export interface Cursor {
  readonly kind: 'key' | 'value'
  /** Of the map that gets the key, or of the value. */
  readonly path: Path
  /** The whole text, as far as it was understood. At the place is a word that means nothing. */
  readonly contents: unknown
  /** Names of keys that the map has. */
  readonly siblings: readonly string[]
  readonly isFlow: boolean
  /** To be written before the word, so that it is what it is meant to be: a space, or `- `. */
  readonly before: string
  /** Column of the key, from 0. */
  readonly column: number
}

/** The word at a place: it is replaced by what is chosen. Offsets in UTF-16 units. */
interface Word {
  readonly from: number
  readonly to: number
  /** A colon follows: it is a key already. */
  readonly hasColon: boolean
}

/** The word around an offset, with its quotes. */
export function wordAt(text: string, offset: number): Word {
  const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset)
  const before = WORD_BEFORE.exec(line)?.[0].length ?? 0
  const after = WORD_AFTER.exec(text.slice(offset))?.[0].length ?? 0
  const quote = /["']$/.exec(text.slice(0, offset - before))?.[0]
  const from = offset - before - (quote === undefined ? 0 : 1)
  const to = offset + after + (quote !== undefined && text[offset + after] === quote ? 1 : 0)
  return { from, to, hasColon: /^[ \t]*:(\s|$)/.test(text.slice(to)) }
}

/* A colon that is followed by a space ends a word. */
const WORD_BEFORE = /(?:[^\s,[\]{}"'#:]|#(?<=\S#)|:(?=[^\s,[\]{}"']))*$/u
const WORD_AFTER = /^(?:[^\s,[\]{}"':]|:(?=[^\s,[\]{}"']))*/u

/**
 * What the word at a place could be. It is replaced by one that no file has, as a key and as a value, and the
 * result is parsed: with all of the text, and with what comes before alone, since that which is being typed may make
 * the rest something else.
 */
export function cursorsAt(text: string, { from, to, hasColon }: Word): Cursor[] {
  const lineStart = text.lastIndexOf('\n', from - 1) + 1
  const before = text.slice(lineStart, from)
  const space = before.endsWith(':') ? ' ' : ''
  const isBare = /^\s*$/.test(before)
  const forms: readonly Form[] = hasColon
    ? [{ kind: 'key', before: '', after: '' }]
    : [
        { kind: 'key', before: '', after: ': x' },
        ...(isBare ? [{ kind: 'key', before: '- ', after: ': x' } as const] : []),
        { kind: 'value', before: space, after: '' },
        ...(isBare ? [{ kind: 'value', before: '- ', after: '' } as const] : []),
      ]
  return forms.flatMap((form) => {
    const head = text.slice(0, from) + form.before + MARK + form.after
    for (const tail of tailsOf(head, text.slice(to))) {
      const document = parseNodes(head + tail)
      const cursor = find(document, form, { text: head + tail, at: from + form.before.length })
      if (cursor !== undefined) return [cursor]
      // It is something else.
      if (document.errors.length === 0) return []
    }
    return []
  })
}

/** What may follow the place: all of the text, then less and less of it, with what is open closed. */
function tailsOf(head: string, rest: string): Set<string> {
  const block = /^[^]*?(?=\n\w|$)/.exec(rest)?.[0] ?? ''
  const line = /^.*/.exec(rest)?.[0] ?? ''
  const closing = closingOf(head)
  return new Set([rest, closing + rest, block, line, line + closingOf(head + line), closing])
}

interface Form {
  readonly kind: Cursor['kind']
  readonly before: string
  readonly after: string
}

const MARK = 'sluice\uE000cursor'

/** The cursor in a text with the mark at `at`; undefined if the text is wrong there, or it is something else. */
function find(
  document: Document,
  { kind, before }: Form,
  { text, at }: { readonly text: string; readonly at: number },
): Cursor | undefined {
  // What is wrong above is of no matter here.
  if (document.errors.some(({ code, pos }) => pos[1] >= at - 1 && code !== 'DUPLICATE_KEY')) return undefined
  let found: Cursor | undefined
  visit(document, {
    Scalar(role, node, ancestors) {
      if (node.value !== MARK) return undefined
      if ((role === 'key') !== (kind === 'key')) return visit.BREAK
      const collections = ancestors.filter((one) => isMap(one) || isSeq(one))
      const parent = collections.at(-1)
      const path = pathOf([...ancestors, node])
      if (parent !== undefined && (parent.flow === true || isAligned(parent, text)))
        found = {
          kind,
          path: kind === 'key' ? path.slice(0, -1) : path,
          contents: document.contents,
          siblings: isMap(parent) ? keysOf(parent) : [],
          isFlow: collections.some(({ flow }) => flow === true),
          before,
          column: columnOf(at, text),
        }
      return visit.BREAK
    },
  })
  return found
}

/** The parser takes a key at a wrong column as one of an outer map. */
function isAligned(collection: YAMLMap | YAMLSeq, text: string): boolean {
  if (isSeq(collection)) return true
  const columns = collection.items.map(({ key }) => columnOf(startOf(key), text))
  return columns.every((column) => column === columns[0])
}

function keysOf(map: YAMLMap): string[] {
  return map.items.flatMap(({ key }) => (isScalar(key) && key.value !== MARK ? [String(key.value)] : []))
}

/** The keys and indices that lead to the last of these nodes. */
export function pathOf(nodes: readonly unknown[]): Path {
  return nodes.flatMap((node, i): (string | number)[] => {
    const parent = nodes[i - 1]
    if (isSeq(parent)) return [parent.items.indexOf(node)]
    return isPair(node) ? [isScalar(node.key) ? String(node.key.value) : ''] : []
  })
}

/** Closes the brackets and braces that a text leaves open since the last line that begins at the margin. */
function closingOf(text: string): string {
  const open: string[] = []
  let quote: string | undefined
  for (let i = 0; i < text.length; i++) {
    const character = text[i]
    const previous = text[i - 1] ?? '\n'
    if (quote !== undefined) {
      if (character === '\\' && quote === '"') i++
      else if (character === quote) quote = undefined
    } else if (character === '#' && /\s/.test(previous)) {
      const end = text.indexOf('\n', i)
      i = end < 0 ? text.length : end - 1
    } else if (/["']/.test(character) && /[\s,[{:]/.test(previous)) quote = character
    else if (/[[{]/.test(character) && (open.length > 0 || /[\s,[{]/.test(previous))) open.push(character)
    else if (/[\]}]/.test(character)) open.pop()
    // A line at the margin ends what an earlier mistake has left open.
    else if (character === '\n' && /^[A-Za-z]/.test(text.slice(i + 1, i + 2))) {
      open.length = 0
      quote = undefined
    }
  }
  return open
    .toReversed()
    .map((one) => (one === '{' ? ' }' : ' ]'))
    .join('')
}
