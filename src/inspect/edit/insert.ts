import { isMap, isNode, isScalar, isSeq } from 'yaml'
import type { Pair, YAMLMap, YAMLSeq } from 'yaml'
import { pipelineFields } from '../../config/pipeline-fields.ts'
import { SluiceError } from '../../errors.ts'
import type { Json } from '../../record/json/json.ts'
import { render, valueText } from './render-value.ts'
import { applyEdits, columnOf } from './text-edits.ts'
import type { Edit } from './text-edits.ts'
import { endOf, findPair, parseNodes, startOf } from './yaml-nodes.ts'

/** A pipeline text with an addition. */
export interface Inserted {
  readonly text: string
  /** Where it was added, from 1. */
  readonly line: number
}

/** What is added: the last edit, after `lead` characters of its text. An edit before it adds a comma. */
interface Addition {
  readonly edits: readonly Edit[]
  readonly lead: number
}

/** A text and its map, in which a part is added. */
interface Place {
  readonly text: string
  readonly root: YAMLMap
  readonly isFlow: boolean
}

/**
 * Adds an item to a list at the top level of a pipeline text, and the list if it is not there. The rest of the text
 * stays as it is.
 * @param at Number of items before it. Default: the end.
 * @throws SluiceError CONFIG_INVALID if the text is not YAML, or has something else than a list there
 */
export function insertItem(text: string, list: TopKey, item: Json, at = Infinity): Inserted {
  const place = placeIn(text)
  if (place === undefined) return insertValue(text, list, [item])
  const pair = findPair(place.root, list)
  const found = pair?.value
  if (pair === undefined || isUnset(found) || (isSeq(found) && found.items.length === 0 && isBlank(found, text)))
    return insertValue(text, list, [item])
  if (!isSeq(found)) throw new SluiceError('CONFIG_INVALID', `\`${list}\` is not a list`, { hint: 'make it a list' })
  const index = Math.min(at, found.items.length)
  if (found.flow === true)
    return finish(text, flowAddition(found, index, { text, content: render(item, 0, true).trim() }))
  const column = columnOf(startOf(found), text)
  const from =
    index === 0
      ? endOfKey(pair, text) + commentAt(text, endOfKey(pair, text))
      : endWithComments(found.items[index - 1], { text, column })
  return finish(text, blockAddition(from, `\n${' '.repeat(column)}`, `- ${render(item, column + 2, false)}`))
}

/**
 * Adds a key to the top level of a pipeline text, at its usual place. A key without a value gets it.
 * @throws SluiceError CONFIG_INVALID if the text is not YAML
 */
export function insertValue(text: string, key: TopKey, value: Json): Inserted {
  const place = placeIn(text)
  if (place === undefined) {
    const lead = text === '' || text.endsWith('\n') ? '' : '\n'
    return finish(text, blockAddition(text.length, lead, `${key}:${blockText(value, { text, root: undefined })}\n`))
  }
  const { root, isFlow } = place
  const found = findPair(root, key)
  const content = isFlow ? valueText(value, 0, true) : blockText(value, place)
  if (found !== undefined) {
    const colon = endOfKey(found, text)
    const end = Math.max(colon, endOf(found.value, text))
    // A comment on its line stays there.
    const from = end + (isFlow ? 0 : commentAt(text, end))
    const edits = [...(end > colon ? [{ from: colon, to: end, text: '' }] : []), { from, to: from, text: content }]
    return finish(text, { edits, lead: content.length - content.trimStart().length })
  }
  const index = root.items.findLastIndex((pair) => rankOf(isScalar(pair.key) ? pair.key.value : '') < rankOf(key)) + 1
  if (isFlow) return finish(text, flowAddition(root, index, { text, content: `${key}:${content}` }))
  const gap = hasBlankLines(root, text) ? '\n' : ''
  if (index === 0) {
    const from = startOf(root.items[0]?.key)
    return finish(text, { edits: [{ from, to: from, text: `${key}:${content}\n${gap}` }], lead: 0 })
  }
  const from = endWithComments(root.items[index - 1], { text, column: 0 })
  return finish(text, blockAddition(from, `\n${gap}`, `${key}:${content}`))
}

/**
 * Adds a key to a map at the top level of a pipeline text.
 * @throws SluiceError CONFIG_INVALID if there is no such map
 */
export function insertEntry(text: string, map: TopKey, key: string, value: Json): Inserted {
  const place = placeIn(text)
  const found = place && findPair(place.root, map)?.value
  if (!isMap(found)) throw new SluiceError('CONFIG_INVALID', `\`${map}\` is not a map`, { hint: 'make it a map' })
  if (found.flow === true) {
    const content = `${key}:${valueText(value, 0, true)}`
    return finish(text, flowAddition(found, found.items.length, { text, content }))
  }
  const column = columnOf(startOf(found), text)
  const from = endWithComments(found.items.at(-1), { text, column })
  return finish(text, blockAddition(from, `\n${' '.repeat(column)}`, `${key}:${valueText(value, column + 2, false)}`))
}

/** The map of a pipeline text, or undefined of a text without content. */
export function placeIn(text: string): Place | undefined {
  const { contents, errors } = parseNodes(text)
  if (errors.length > 0)
    throw new SluiceError('CONFIG_INVALID', 'nothing can be added to a text with mistakes in its YAML', {
      hint: 'correct them first: they are marked',
    })
  if (contents === null || isUnset(contents)) return undefined
  if (isMap(contents)) return { text, root: contents, isFlow: contents.flow === true }
  throw new SluiceError('CONFIG_INVALID', 'the text is not a map', { hint: 'start with `source:`' })
}

export function isUnset(value: unknown): boolean {
  return value === undefined || value === null || (isScalar(value) && value.value === null)
}

type TopKey = keyof typeof pipelineFields

/** The order of keys in pipeline files. Unknown ones are last. */
function rankOf(key: unknown): number {
  const rank = Object.keys(pipelineFields).indexOf(String(key))
  return rank < 0 ? Infinity : rank
}

function finish(text: string, { edits, lead: before }: Addition): Inserted {
  const last = edits.at(-1)
  const above = last === undefined ? '' : text.slice(0, last.from) + last.text.slice(0, before)
  return { text: applyEdits(text, edits), line: above.split('\n').length }
}

function blockAddition(from: number, before: string, content: string): Addition {
  return { edits: [{ from, to: from, text: before + content }], lead: before.length }
}

/** In braces or brackets, with the commas around it. */
function flowAddition(
  collection: YAMLMap | YAMLSeq,
  index: number,
  { text, content }: { readonly text: string; readonly content: string },
): Addition {
  const open = startOf(collection) + 1
  const first = collection.items[0]
  if (first === undefined) return { edits: [{ from: open, to: open, text: ` ${content} ` }], lead: 1 }
  const start = startOfItem(first)
  const hasLines = text.slice(open, start).includes('\n')
  const before = hasLines ? `\n${' '.repeat(columnOf(start, text))}` : ' '
  if (index === 0) return { edits: [{ from: start, to: start, text: `${content},${before}` }], lead: 0 }
  const end = endOfItem(collection.items[index - 1], text)
  if (!hasLines) return { edits: [{ from: end, to: end, text: `, ${content}` }], lead: 2 }
  const [rest = '', comma] = /^(\s*,)?([ \t]*#.*)?/.exec(text.slice(end)) ?? []
  const item = { from: end + rest.length, to: end + rest.length, text: `${before}${content}${comma ? ',' : ''}` }
  if (comma !== undefined) return { edits: [item], lead: before.length }
  if (rest === '') return { edits: [{ ...item, text: `,${item.text}` }], lead: before.length + 1 }
  return { edits: [{ from: end, to: end, text: ',' }, item], lead: before.length }
}

/** A value below or after its key, as the file does it. */
function blockText(value: Json, { text, root }: { readonly text: string; readonly root: YAMLMap | undefined }): string {
  const values = root?.items.map((pair) => pair.value) ?? []
  const inner = values.find((one) => isMap(one) && one.flow !== true)
  const step = inner === undefined ? 2 : columnOf(startOf(inner), text)
  if (!Array.isArray(value)) return valueText(value, step, false)
  const list = values.find((one) => isSeq(one) && one.flow !== true && one.items.length > 0)
  const column = list === undefined ? step : columnOf(startOf(list), text)
  return value.map((item: Json) => `\n${' '.repeat(column)}- ${render(item, column + 2, false)}`).join('')
}

/** After the colon of a key. */
function endOfKey({ key }: Pair, text: string): number {
  return text.indexOf(':', endOf(key, text)) + 1
}

/** Characters of the comment on the rest of a line. */
function commentAt(text: string, offset: number): number {
  return /^[ \t]+#.*/.exec(text.slice(offset))?.[0].length ?? 0
}

/** Where a block ends: after a comment on its last line, and those below it that are indented like its content. */
function endWithComments(item: unknown, { text, column }: { readonly text: string; readonly column: number }): number {
  const end = endOfItem(item, text)
  const inner = new RegExp(`^(?:[ \\t]+#.*)?(?:\\r?\\n {${column + 1},}#.*)*`)
  return end + (inner.exec(text.slice(end))?.[0].length ?? 0)
}

function endOfItem(item: unknown, text: string): number {
  if (isNode(item)) return endOf(item, text)
  const { key, value } = pairOf(item)
  return Math.max(endOf(key, text), endOf(value, text))
}

function startOfItem(item: unknown): number {
  return startOf(isNode(item) ? item : pairOf(item).key)
}

function pairOf(item: unknown): { readonly key?: unknown; readonly value?: unknown } {
  return typeof item === 'object' && item !== null ? item : {}
}

/** A list without items and without comments. */
function isBlank(node: YAMLSeq, text: string): boolean {
  return /^\[\s*\]$/.test(text.slice(startOf(node), endOf(node, text)))
}

function hasBlankLines(root: YAMLMap, text: string): boolean {
  return root.items.some(
    (pair, i) => i > 0 && /\n[ \t]*\r?\n/.test(text.slice(endOfItem(root.items[i - 1], text), startOf(pair.key))),
  )
}
