import { readFile, rename, writeFile, stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { Document, isMap, isScalar, isSeq, parseDocument, visit } from 'yaml'
import type { Node, Pair, YAMLMap } from 'yaml'
import type { PipelineTest } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { isObject } from '../record/json/json.ts'
import type { Json } from '../record/json/json.ts'
import type { Expectation } from './pipeline-tests.ts'

/**
 * Writes a result into the file of its test, as the new `expect`. Only what differs is written:
 * comments, quotes and line breaks elsewhere stay.
 * @throws SluiceError CONFIG_INVALID if the file has changed since the test was read
 */
export async function updateExpect({ path, file, keys, name }: PipelineTest, actual: Expectation): Promise<void> {
  const text = await readFile(path, 'utf8')
  const updated = withExpect(text, keys, name, asJson(actual))
  if (updated === undefined)
    throw new SluiceError('CONFIG_INVALID', `${file} has changed while its tests ran`, { hint: 'run the tests again' })
  if (updated === text) return
  // Whoever reads the file meanwhile gets all of it.
  const { mode } = await stat(path)
  await writeFile(`${path}.${process.pid}.tmp`, updated, { mode })
  await rename(`${path}.${process.pid}.tmp`, path)
}

function asJson(actual: Expectation): Json {
  const value: Json = JSON.parse(JSON.stringify(actual))
  return value
}

interface Edit {
  readonly from: number
  readonly to: number
  readonly text: string
}

function withExpect(
  text: string,
  keys: PipelineTest['keys'],
  name: string,
  actual: Json | undefined,
): string | undefined {
  const document = parseDocument(text, { version: '1.2', schema: 'core', merge: false })
  if (document.errors.length > 0) return undefined
  const test = keys.length === 0 ? document.contents : document.getIn(keys, true)
  if (!isMap(test) || test.get('name') !== name) return undefined
  const pair = test.items.find(({ key }) => isScalar(key) && key.value === 'expect')
  const edits = pair ? editsOf(pair, actual, { text, isFlow: test.flow === true }) : [addition(test, actual, text)]
  let result = text
  for (const { from, to, text: inserted } of edits.toSorted((a, b) => b.from - a.from))
    result = result.slice(0, from) + inserted + result.slice(to)
  return result
}

interface Scope {
  readonly text: string
  /** Inside of `{}` or `[]`, where everything is. */
  readonly isFlow: boolean
}

/** The value of a key: changed inside if it has the same keys or length, and replaced otherwise. */
function editsOf({ key, value }: Pair, actual: Json | undefined, scope: Scope): Edit[] {
  const inner = innerEdits(value, actual, scope)
  if (inner) return inner
  const colon = scope.text.indexOf(':', endOf(key, scope.text))
  const to = isNodeWithRange(value) ? endOf(value, scope.text) : colon + 1
  const indent = columnOf(startOf(key), scope.text) + 2
  return [{ from: colon + 1, to: Math.max(to, colon + 1), text: valueText(actual, indent, scope.isFlow) }]
}

/** Edits within a value; undefined if all of it has to be replaced. */
function innerEdits(node: unknown, actual: Json | undefined, { text, isFlow }: Scope): Edit[] | undefined {
  if (isEqual(node, actual)) return []
  if (isMap(node) && isObject(actual)) {
    const keys = node.items.map(({ key }) => (isScalar(key) ? String(key.value) : ''))
    if (!isDeepStrictEqual(keys.toSorted(), Object.keys(actual).toSorted())) return undefined
    const scope = { text, isFlow: isFlow || node.flow === true }
    return node.items.flatMap((pair, i) => editsOf(pair, actual[keys[i] ?? ''], scope))
  }
  if (isSeq(node) && Array.isArray(actual) && node.items.length === actual.length) {
    const scope = { text, isFlow: isFlow || node.flow === true }
    return node.items.flatMap((item, i) => innerEdits(item, actual[i], scope) ?? [itemEdit(item, actual[i], scope)])
  }
  return undefined
}

function itemEdit(item: unknown, actual: Json | undefined, { text, isFlow }: Scope): Edit {
  const from = startOf(item)
  return { from, to: endOf(item, text), text: render(actual, columnOf(from, text), isFlow).trimStart() }
}

function isEqual(node: unknown, actual: Json | undefined): boolean {
  if (!isNodeWithRange(node)) return node === actual
  const written: unknown = node.toJSON()
  if (isDeepStrictEqual(written, actual)) return true
  // A record as JSON text.
  if (typeof written !== 'string' || typeof actual !== 'object') return false
  try {
    return isDeepStrictEqual(JSON.parse(written), actual)
  } catch {
    return false
  }
}

/** `expect` as the last key of a test that has none. */
function addition(test: YAMLMap, actual: Json | undefined, text: string): Edit {
  if (test.flow === true) {
    const at = text.lastIndexOf('}', (test.range?.[1] ?? 0) - 1)
    return { from: at, to: at, text: `, expect:${valueText(actual, 0, true)} ` }
  }
  const column = columnOf(startOf(test.items[0]?.key), text)
  const end = endOf(test, text)
  // A comment after the last value stays with it.
  const [comment = ''] = /^[ \t]+#.*/.exec(text.slice(end)) ?? []
  const at = end + comment.length
  return { from: at, to: at, text: `\n${' '.repeat(column)}expect:${valueText(actual, column + 2, false)}` }
}

/** After the colon of a key. */
function valueText(value: Json | undefined, indent: number, isFlow: boolean): string {
  const text = render(value, indent, isFlow)
  return text.includes('\n') ? `\n${' '.repeat(indent)}${text}` : ` ${text}`
}

/** YAML whose first line is not indented, and whose others are. */
function render(value: Json | undefined, indent: number, isFlow: boolean): string {
  const document = new Document(value)
  const width = Math.max(40, LINE - indent)
  visit(document, {
    Collection(_key, node, path) {
      // One line for each record, and for each of its members if it is long.
      const isRecord = path.some(isSeq) || (isSeq(document.contents) && path.length > 1)
      if (isFlow || node.items.length === 0) node.flow = true
      else if (isRecord && JSON.stringify(node.toJSON()).length < width) node.flow = true
    },
  })
  const text = document.toString({ lineWidth: 0, flowCollectionPadding: true, singleQuote: true }).trimEnd()
  const lines = isFlow ? [text.replaceAll(/\n\s*/g, ' ')] : text.split('\n')
  return lines.map((line, i) => (i === 0 || line === '' ? line : ' '.repeat(indent) + line)).join('\n')
}

/** Longest line that a value in braces may make. */
const LINE = 110

function isNodeWithRange(node: unknown): node is Node {
  return typeof node === 'object' && node !== null && 'range' in node
}

function startOf(node: unknown): number {
  return (isNodeWithRange(node) ? node.range?.[0] : undefined) ?? 0
}

/** Without the line breaks and comments after a block. */
function endOf(node: unknown, text: string): number {
  const last = lastIn(node)
  const end = (isNodeWithRange(last) ? last.range?.[1] : undefined) ?? 0
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

function columnOf(offset: number, text: string): number {
  return offset - (text.lastIndexOf('\n', offset - 1) + 1)
}
