import { Type } from '../fields/typebox.ts'
import type { TProperties } from 'typebox'

/** The JSON Schema keywords that field declarations use. TypeBox values have this shape. */
export interface FieldSchema {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly format?: string
  readonly secret?: boolean
  readonly plain?: boolean
  /** Texts below are templates, in which `{{` is a literal brace. */
  readonly template?: boolean
  readonly pattern?: string
  readonly examples?: readonly unknown[]
  readonly minimum?: number
  readonly properties?: { readonly [key: string]: FieldSchema }
  readonly patternProperties?: { readonly [pattern: string]: FieldSchema }
  readonly additionalProperties?: boolean | FieldSchema
  readonly required?: readonly string[]
  readonly items?: FieldSchema | readonly FieldSchema[]
  readonly anyOf?: readonly FieldSchema[]
  readonly oneOf?: readonly FieldSchema[]
  readonly allOf?: readonly FieldSchema[]
}

/**
 * The schema of a component's configuration. Rejects unknown keys at every level. Fields with a
 * default are not required.
 */
export function strictSchema(fields: TProperties): FieldSchema {
  const known = strictSchemas.get(fields)
  if (known !== undefined) return known
  const schema = strict(Type.Object(fields))
  strictSchemas.set(fields, schema)
  return schema
}

const strictSchemas = new WeakMap<TProperties, FieldSchema>()

/**
 * The schemas that a configuration is validated against: the whole schema, and each of the
 * alternatives in it, since the first alternative that fits decides how a value is converted. Always
 * in the same order.
 */
export function validatedSchemas(root: FieldSchema): FieldSchema[] {
  return [root, ...alternativesIn(root)]
}

function alternativesIn(schema: FieldSchema): FieldSchema[] {
  const { properties, patternProperties, additionalProperties, items, anyOf, oneOf, allOf } = schema
  const branches = [...(anyOf ?? []), ...(oneOf ?? [])]
  const inner = [
    ...Object.values({ ...properties, ...patternProperties }),
    ...(typeof additionalProperties === 'object' ? [additionalProperties] : []),
    ...(isTuple(items) ? items : items === undefined ? [] : [items]),
    ...(allOf ?? []),
    ...branches,
  ]
  return [...branches, ...inner.flatMap(alternativesIn)]
}

/** The alternatives of a schema, or the schema itself if it has none. */
export function branchesOf(schema: FieldSchema): readonly FieldSchema[] {
  const branches = schema.anyOf ?? schema.oneOf
  return branches === undefined ? [schema] : branches.flatMap(branchesOf)
}

/** The schemas that apply to a member or element, from all alternatives. */
export function childSchemas(schema: FieldSchema, key: string | number): FieldSchema[] {
  return [...branchesOf(schema), ...(schema.allOf ?? [])].flatMap((branch) => {
    const child = typeof key === 'number' ? itemSchema(branch, key) : memberSchema(branch, key)
    return child === undefined ? [] : [child]
  })
}

/** The JSON types that a schema allows. Empty if it does not restrict the type. */
export function typesOf(schema: FieldSchema): string[] {
  return branchesOf(schema).flatMap((branch) => {
    if (branch.type !== undefined) return branch.type
    const values = branch.enum ?? ('const' in branch ? [branch.const] : [])
    return values.map((value) => (value === null ? 'null' : typeof value))
  })
}

/** The values of a schema that allows only a fixed list of values. Undefined for other schemas. */
export function wordsOf(schema: FieldSchema): unknown[] | undefined {
  const words: unknown[] = []
  for (const branch of branchesOf(schema)) {
    if (branch.enum !== undefined) words.push(...branch.enum)
    else if ('const' in branch) words.push(branch.const)
    else return undefined
  }
  return words
}

function itemSchema({ items }: FieldSchema, index: number): FieldSchema | undefined {
  return isTuple(items) ? items[index] : items
}

function memberSchema(schema: FieldSchema, key: string): FieldSchema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) return schema.properties[key]
  for (const [pattern, child] of Object.entries(schema.patternProperties ?? {})) {
    if (new RegExp(pattern, 'u').test(key)) return child
  }
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined
}

function strict(schema: FieldSchema): FieldSchema {
  const { properties, patternProperties, additionalProperties, items, anyOf, oneOf, allOf } = schema
  const closes = properties !== undefined && additionalProperties === undefined && patternProperties === undefined
  return {
    ...schema,
    ...(closes && { additionalProperties: false }),
    ...(properties && { properties: strictMembers(properties) }),
    ...(schema.required && { required: schema.required.filter((key) => properties?.[key]?.default === undefined) }),
    ...(patternProperties && { patternProperties: strictMembers(patternProperties) }),
    ...(typeof additionalProperties === 'object' && { additionalProperties: strict(additionalProperties) }),
    ...(items && { items: isTuple(items) ? items.map(strict) : strict(items) }),
    ...(anyOf && { anyOf: anyOf.map(strict) }),
    ...(oneOf && { oneOf: oneOf.map(strict) }),
    ...(allOf && { allOf: allOf.map(strict) }),
  }
}

function strictMembers(members: { readonly [key: string]: FieldSchema }): { readonly [key: string]: FieldSchema } {
  return Object.fromEntries(Object.entries(members).map(([key, schema]) => [key, strict(schema)]))
}

/** True for tuples, whose elements each have their own schema. */
export function isTuple(items: FieldSchema | readonly FieldSchema[] | undefined): items is readonly FieldSchema[] {
  return Array.isArray(items)
}

/** A type guard for schemas of type `unknown`, such as those in ajv errors. */
export function isSchema(value: unknown): value is FieldSchema {
  return value !== null && typeof value === 'object'
}
