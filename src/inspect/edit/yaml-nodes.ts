import { isMap, isNode, isScalar, isSeq, parseDocument } from 'yaml'
import type { Document, Pair, YAMLMap } from 'yaml'

/** The nodes of a YAML text, with their ranges. Of a text with mistakes, those that were understood. */
export function parseNodes(text: string): Document.Parsed {
  return parseDocument(text, { version: '1.2', schema: 'core', merge: false, prettyErrors: false })
}

export function findPair(map: YAMLMap, name: string): Pair | undefined {
  return map.items.find(({ key }) => isScalar(key) && key.value === name)
}

export function startOf(node: unknown): number {
  return (isNode(node) ? node.range?.[0] : undefined) ?? 0
}

/** Without the line breaks and comments after a block. */
export function endOf(node: unknown, text: string): number {
  const last = lastIn(node)
  const end = (isNode(last) ? last.range?.[1] : undefined) ?? 0
  return text.slice(0, end).trimEnd().length
}

/** The range of a block ends after the comments that follow it: that of its last value does not. */
function lastIn(node: unknown): unknown {
  if (isMap(node) && node.flow !== true && node.items.length > 0) {
    const { key, value } = node.items.at(-1) ?? {}
    return value === null || value === undefined ? key : lastIn(value)
  }
  if (isSeq(node) && node.flow !== true && node.items.length > 0) return lastIn(node.items.at(-1))
  return node
}
