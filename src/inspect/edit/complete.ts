import { isMap, stringify } from 'yaml'
import { mergedRow, rowOf, typeAndNeed } from '../../config/field-rows.ts'
import type { FieldRow } from '../../config/field-rows.ts'
import { isTuple, branchesOf, typesOf } from '../../config/schema.ts'
import type { FieldSchema } from '../../config/schema.ts'
import type { FindComponent } from '../../registry.ts'
import { cursorsAt, wordAt } from './cursor.ts'
import type { Cursor } from './cursor.ts'
import { excerptAt } from './excerpt.ts'
import { componentAt, schemasAt } from './schemas-at.ts'
import type { Path } from './schemas-at.ts'
import { lineBreakOf } from './text-edits.ts'
import { findPair } from './yaml-nodes.ts'

/** What may be written in place of a word. */
export interface Completion {
  /** Offsets of the word, in UTF-16 units. */
  readonly from: number
  readonly to: number
  readonly options: readonly CompletionOption[]
}

interface CompletionOption {
  readonly label: string
  readonly insert: string
  readonly kind: 'key' | 'value' | 'component'
  readonly detail?: string
  readonly about?: string
}

/**
 * What may be written at a place of a pipeline text: keys that are not there yet, and values. The text need not be
 * complete.
 * @param offset in UTF-16 units
 * @param find the components whose options are known; default: the built-in ones
 */
export async function complete(text: string, offset: number, find?: FindComponent): Promise<Completion> {
  const excerpt = excerptAt(text, offset)
  const word = wordAt(excerpt.text, excerpt.offset)
  const options = new Map<string, CompletionOption>()
  for (const cursor of excerpt.text.length > LONGEST ? [] : cursorsAt(excerpt.text, word)) {
    const schemas = await schemasAt(cursor.contents, cursor.path, find)
    const found =
      cursor.kind === 'key'
        ? keyOptions(schemas, cursor, { lineBreak: lineBreakOf(text), hasColon: word.hasColon })
        : valueOptions(schemas, cursor)
    for (const option of found) if (!options.has(option.insert)) options.set(option.insert, option)
  }
  return { from: word.from + excerpt.shift, to: word.to + excerpt.shift, options: [...options.values()] }
}

/** Characters of an excerpt that takes too long to parse again and again: a test with many records. */
const LONGEST = 32_768

interface Writing {
  readonly lineBreak: string
  readonly hasColon: boolean
}

function keyOptions(schemas: readonly FieldSchema[], cursor: Cursor, writing: Writing): CompletionOption[] {
  return rowsOf(schemas)
    .filter(([{ name }]) => !cursor.siblings.includes(name))
    .map(([row, alternatives]) => ({
      label: row.name,
      insert: `${cursor.before}${row.name}${writing.hasColon ? '' : opening(alternatives, cursor, writing)}`,
      kind: 'key',
      detail: typeAndNeed(row),
      about: row.description,
    }))
}

/** The fields of maps, each with the schemas of its alternatives. Required ones are first. */
function rowsOf(schemas: readonly FieldSchema[]): [FieldRow, FieldSchema[]][] {
  const found = new Map<string, { rows: FieldRow[]; schemas: FieldSchema[] }>()
  for (const { properties = {}, required = [] } of schemas)
    for (const [name, schema] of Object.entries(properties)) {
      const known = found.get(name) ?? { rows: [], schemas: [] }
      known.rows.push(rowOf(name, schema, required.includes(name)))
      known.schemas.push(...branchesOf(schema))
      found.set(name, known)
    }
  const all = [...found.values()].flatMap(({ rows, schemas: own }): [FieldRow, FieldSchema[]][] => {
    const row = mergedRow(rows)
    return row === undefined ? [] : [[row, own]]
  })
  return all.toSorted(([a], [b]) => Number(b.required) - Number(a.required))
}

/** What follows a new key: the beginning of its value. */
function opening(schemas: readonly FieldSchema[], { isFlow, column }: Cursor, { lineBreak }: Writing): string {
  const below = `:${lineBreak}${' '.repeat(column + 2)}`
  if (isFlow) return ': '
  if (schemas.every(({ type }) => type === 'object')) return below
  if (
    schemas.every(({ type, items }) => type === 'array' && items !== undefined && !isTuple(items) && isMapOnly(items))
  )
    return `${below}- `
  return ': '
}

function isMapOnly(schema: FieldSchema): boolean {
  return branchesOf(schema).every(({ type }) => type === 'object')
}

function valueOptions(schemas: readonly FieldSchema[], { contents, path, before }: Cursor): CompletionOption[] {
  const isType = path.at(-1) === 'type' && componentAt(path.slice(0, -1)) !== undefined
  const words = isSinkName(path)
    ? sinkNames(contents).map((name): FieldSchema => ({ const: name, description: 'A sink of this pipeline.' }))
    : schemas.flatMap(wordsIn)
  return words.map(({ const: word, description }) => ({
    label: spell(word),
    insert: before + spell(word),
    kind: isType ? 'component' : 'value',
    ...(description !== undefined && { about: description }),
  }))
}

/** A schema for each word that a schema allows. */
function wordsIn(schema: FieldSchema): FieldSchema[] {
  if ('const' in schema) return [schema]
  if (schema.enum !== undefined) return schema.enum.map((word) => ({ const: word }))
  return typesOf(schema).includes('boolean') ? [{ const: true }, { const: false }] : []
}

/** As a plain scalar, or in quotes where YAML would take it for something else. */
function spell(value: unknown): string {
  return stringify(value, { lineWidth: 0, singleQuote: true }).trimEnd()
}

/** `routes[].to`, `default`, or an item of one of them. */
function isSinkName(path: Path): boolean {
  const [top, , key] = path
  return (top === 'routes' && key === 'to') || top === 'default'
}

function sinkNames(contents: unknown): string[] {
  const sinks = isMap(contents) ? findPair(contents, 'sinks')?.value : undefined
  return isMap(sinks) ? sinks.items.map(({ key }) => String(key)) : []
}
