import { readFile, rename, writeFile, stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { isMap, isNode, isScalar, isSeq } from 'yaml'
import type { Pair, YAMLMap } from 'yaml'
import type { PipelineTest } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { isObject } from '../record/json/json.ts'
import type { Json } from '../record/json/json.ts'
import { render, valueText } from './edit/render-value.ts'
import { applyEdits, columnOf } from './edit/text-edits.ts'
import type { Edit } from './edit/text-edits.ts'
import { endOf, findPair, parseNodes, startOf } from './edit/yaml-nodes.ts'
import type { Expectation } from './pipeline-tests.ts'

/**
 * Writes a result into the file of its test, as the new `expect`. Only what differs is written:
 * comments, quotes and line breaks elsewhere stay.
 * @throws SluiceError CONFIG_INVALID if the file has changed since the test was read
 */
export async function updateExpect(test: PipelineTest, actual: Expectation): Promise<void> {
  const { path, file } = test
  const text = await readFile(path, 'utf8')
  const updated = withExpect(text, test, actual)
  if (updated === undefined)
    throw new SluiceError('CONFIG_INVALID', `${file} has changed while its tests ran`, { hint: 'run the tests again' })
  if (updated === text) return
  // Whoever reads the file meanwhile gets all of it.
  const { mode } = await stat(path)
  await writeFile(`${path}.${process.pid}.tmp`, updated, { mode })
  await rename(`${path}.${process.pid}.tmp`, path)
}

/** The text with a new `expect` in a test; undefined if the test is not there any more. */
export function withExpect(
  text: string,
  { keys, name }: Pick<PipelineTest, 'keys' | 'name'>,
  expectation: Expectation,
): string | undefined {
  const actual = asJson(expectation)
  const document = parseNodes(text)
  if (document.errors.length > 0) return undefined
  const test = keys.length === 0 ? document.contents : document.getIn(keys, true)
  if (!isMap(test) || test.get('name') !== name) return undefined
  const pair = findPair(test, 'expect')
  const edits = pair ? editsOf(pair, actual, { text, isFlow: test.flow === true }) : [addition(test, actual, text)]
  return applyEdits(text, edits)
}

function asJson(actual: Expectation): Json {
  const value: Json = JSON.parse(JSON.stringify(actual))
  return value
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
  const to = isNode(value) ? endOf(value, scope.text) : colon + 1
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
  if (!isNode(node)) return node === actual
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
