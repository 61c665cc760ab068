import type { TProperties } from 'typebox'
import type { FieldSchema } from './schema.ts'
import { branchesOf, isTuple, strictSchema } from './schema.ts'

/** One row of the field table in the documentation. */
export interface FieldRow {
  /** `roll.maxBytes`, `rules[].path`. */
  readonly name: string
  /** In words: `string`, `duration`, `list of record path`. */
  readonly type: string
  readonly required: boolean
  readonly default: string | undefined
  readonly description: string
}

/** All fields of a component. Nested fields follow their parent. */
export function fieldRows(fields: TProperties): FieldRow[] {
  const rows = new Map<string, FieldRow>()
  for (const row of rowsOf(strictSchema(fields), '')) {
    const earlier = rows.get(row.name)
    rows.set(row.name, earlier === undefined ? row : merge(earlier, row))
  }
  return [...rows.values()]
}

/** Merges two fields with the same name, from different alternatives of a union. */
function merge(a: FieldRow, b: FieldRow): FieldRow {
  return {
    ...a,
    type: both(a.type, b.type, ' or '),
    required: a.required && b.required,
    default: a.default ?? b.default,
    description: both(a.description, b.description, ' '),
  }
}

function both(one: string, other: string, glue: string): string {
  return one.includes(other) ? one : `${one}${glue}${other}`
}

function rowsOf(schema: FieldSchema, prefix: string): FieldRow[] {
  return branchesOf(schema).flatMap((branch) => {
    if (branch.items !== undefined && !isTuple(branch.items)) return rowsOf(branch.items, `${prefix}[]`)
    const dot = prefix === '' ? '' : `${prefix}.`
    return Object.entries(branch.properties ?? {}).flatMap(([key, child]) => {
      const name = `${dot}${key}`
      return [rowOf(name, child, branch.required?.includes(key) === true), ...rowsOf(child, name)]
    })
  })
}

/** The type of a field, and its default or that it is required: `duration, default 5m`. */
export function typeAndNeed({ type, required, default: standard }: FieldRow): string {
  if (standard !== undefined) return `${type}, default ${standard}`
  return required ? `${type}, required` : type
}

/** Merges rows of one field from different alternatives of a union. At least one. */
export function mergedRow(rows: readonly FieldRow[]): FieldRow | undefined {
  return rows.length === 0 ? undefined : rows.reduce(merge)
}

export function rowOf(name: string, schema: FieldSchema, required: boolean): FieldRow {
  const description = schema.description ?? branchesOf(schema).find((branch) => branch.description)?.description ?? ''
  const shown = schema.default === undefined || isEmptyMap(schema.default) ? undefined : spell(schema.default)
  return { name, type: typeText(schema), required, default: shown, description }
}

const FORMATS: { readonly [format: string]: string } = {
  duration: 'duration',
  size: 'size',
  'record-path': 'record path',
  'records-path': 'path of records',
  'member-path': 'path of keys',
  'record-template': 'template',
  'key-template': 'key template',
  'existing-file': 'file',
  'file-path': 'path',
  'record-condition': 'condition',
}

function typeText(schema: FieldSchema): string {
  return [...new Set(branchesOf(schema).map(branchText))].join(' or ')
}

function branchText(schema: FieldSchema): string {
  if (schema.secret === true) return 'string (secret)'
  if (schema.format !== undefined && FORMATS[schema.format] !== undefined) return FORMATS[schema.format] ?? ''
  if (schema.enum !== undefined) return schema.enum.map(spell).join(', ')
  if ('const' in schema) return spell(schema.const)
  if (schema.type === 'array') {
    return isTuple(schema.items) || schema.items === undefined ? 'list' : `list of ${typeText(schema.items)}`
  }
  if (schema.type === 'object') {
    const values = Object.values(schema.patternProperties ?? {})[0]
    return values === undefined ? 'map' : `map of ${typeText(values)}`
  }
  return [schema.type ?? 'any value'].flat().join(' or ')
}

function spell(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : JSON.stringify(value)
}

function isEmptyMap(value: unknown): boolean {
  return value !== null && typeof value === 'object' && !Array.isArray(value) && Object.keys(value).length === 0
}
