import { jsonParser } from 'stream-json/core/parser.js'
import type { Token } from 'stream-json/core/parser.js'
import { parseRecordsPath } from '../../../src/record/documents/records-path.ts'
import type { Segment } from '../../../src/record/paths/grammar.ts'

/** A JSON value in which nothing is lost: digits, the order of members, duplicate keys. */
export type Tree =
  | { readonly array: Tree[] }
  | { readonly object: [key: string, value: Tree][] }
  | { readonly number: string }
  | string
  | boolean
  | null

/** The values of JSON texts in sequence, by `stream-json`. Throws if they are not JSON. */
export function treesOf(text: string): Tree[] {
  const parse = jsonParser({ jsonStreaming: true, packValues: true, streamValues: false })
  // Without a byte after it, the end of a number is not known.
  const result: unknown = parse(`${text} `)
  const tokens: readonly Token[] =
    typeof result === 'object' && result !== null && 'values' in result && Array.isArray(result.values)
      ? result.values
      : []
  const roots: Tree[] = []
  const open: { add(value: Tree): void; key: string }[] = [{ add: (value) => roots.push(value), key: '' }]
  for (const token of tokens) {
    const top = open.at(-1)
    if (top === undefined) throw new Error('a bracket too many')
    switch (token.name) {
      case 'keyValue':
        top.key = token.value
        break
      case 'startArray': {
        const array: Tree[] = []
        top.add({ array })
        open.push({ add: (value) => array.push(value), key: '' })
        break
      }
      case 'startObject': {
        const object: [string, Tree][] = []
        top.add({ object })
        const inner = { key: '', add: (value: Tree) => object.push([inner.key, value]) }
        open.push(inner)
        break
      }
      case 'endArray':
      case 'endObject':
        open.pop()
        break
      case 'numberValue':
        top.add({ number: token.value })
        break
      case 'stringValue':
      case 'nullValue':
      case 'trueValue':
      case 'falseValue':
        top.add(token.value)
        break
    }
  }
  if (open.length > 1) throw new Error('a document is cut short')
  return roots
}

/** The records of a document in their order, up to a value of the wrong type in their place. */
export function recordsIn(document: Tree, paths: readonly string[]): { records: Tree[]; isWrong: boolean } {
  const records: Tree[] = []
  let isWrong = false
  const visit = (value: Tree, states: readonly (readonly Segment[])[]): void => {
    if (isWrong || states.length === 0) return
    const all = states.flatMap(closure)
    if (all.some(({ length }) => length === 0)) {
      records.push(value)
      return
    }
    const last = all.filter(({ length }) => length === 1).map(([{ kind }]) => kind)
    const isArray = typeof value === 'object' && value !== null && 'array' in value
    const isObject = typeof value === 'object' && value !== null && 'object' in value
    const strict = states.some((one) => one.length === 1)
    const fits = (isArray && last.includes('elements')) || (isObject && last.includes('members')) || value === null
    if (last.length > 0 && strict && !fits) {
      isWrong = true
      return
    }
    if (isArray)
      for (const item of value.array)
        visit(
          item,
          all.flatMap((one) => step(one, undefined)),
        )
    if (isObject)
      for (const [key, inner] of value.object)
        visit(
          inner,
          all.flatMap((one) => step(one, key)),
        )
  }
  visit(
    document,
    paths.map((path) => parseRecordsPath(path).segments),
  )
  return { records, isWrong }
}

function closure(segments: readonly Segment[]): (readonly Segment[])[] {
  return segments[0]?.kind === 'deep' ? [segments, ...closure(segments.slice(1))] : [segments]
}

/** @param key Undefined for an element. */
function step(segments: readonly Segment[], key: string | undefined): (readonly Segment[])[] {
  const [first, ...rest] = segments
  if (first === undefined) return []
  if (first.kind === 'deep') return [segments]
  const matches =
    key === undefined
      ? first.kind === 'elements'
      : first.kind === 'members' ||
        (first.kind === 'keys' && first.keys.includes(key)) ||
        (first.kind === 'pattern' && first.pattern.test(key))
  return matches ? [rest] : []
}
