import { Type } from '../fields/typebox.ts'
import type { TProperties } from 'typebox'

/** What this project reads of a JSON schema. TypeBox values are such objects. */
export interface Schema {
  readonly type?: string | readonly string[]
  readonly title?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly unknown[]
  readonly format?: string
  readonly secret?: boolean
  readonly pattern?: string
  readonly examples?: readonly unknown[]
  readonly minimum?: number
  readonly properties?: { readonly [key: string]: Schema }
  readonly patternProperties?: { readonly [pattern: string]: Schema }
  readonly additionalProperties?: boolean | Schema
  readonly required?: readonly string[]
  readonly items?: Schema | readonly Schema[]
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
  readonly allOf?: readonly Schema[]
}

/** The schema of a component's configuration: closed to unknown keys at every level, and what has a default is not required. */
export function strictSchema(fields: TProperties): Schema {
  const known = strictSchemas.get(fields)
  if (known !== undefined) return known
  const schema = strict(Type.Object(fields))
  strictSchemas.set(fields, schema)
  return schema
}

const strictSchemas = new WeakMap<TProperties, Schema>()

/** The alternatives of a schema; a schema without any is its own only one. */
export function branchesOf(schema: Schema): readonly Schema[] {
  const branches = schema.anyOf ?? schema.oneOf
  return branches === undefined ? [schema] : branches.flatMap(branchesOf)
}

/** The schemas that apply to one member or element, of all alternatives. */
export function childSchemas(schema: Schema, key: string | number): Schema[] {
  return [...branchesOf(schema), ...(schema.allOf ?? [])].flatMap((branch) => {
    const child = typeof key === 'number' ? itemSchema(branch, key) : memberSchema(branch, key)
    return child === undefined ? [] : [child]
  })
}

/** The JSON types that a schema lets through; empty when it does not say. */
export function typesOf(schema: Schema): string[] {
  return branchesOf(schema).flatMap((branch) => {
    if (branch.type !== undefined) return branch.type
    const values = branch.enum ?? ('const' in branch ? [branch.const] : [])
    return values.map((value) => (value === null ? 'null' : typeof value))
  })
}

/** The words of a schema that allows nothing but a few values; undefined when it allows more. */
export function wordsOf(schema: Schema): unknown[] | undefined {
  const words: unknown[] = []
  for (const branch of branchesOf(schema)) {
    if (branch.enum !== undefined) words.push(...branch.enum)
    else if ('const' in branch) words.push(branch.const)
    else return undefined
  }
  return words
}

function itemSchema({ items }: Schema, index: number): Schema | undefined {
  return isTuple(items) ? items[index] : items
}

function memberSchema(schema: Schema, key: string): Schema | undefined {
  if (schema.properties !== undefined && Object.hasOwn(schema.properties, key)) return schema.properties[key]
  for (const [pattern, child] of Object.entries(schema.patternProperties ?? {})) {
    if (new RegExp(pattern, 'u').test(key)) return child
  }
  return typeof schema.additionalProperties === 'object' ? schema.additionalProperties : undefined
}

function strict(schema: Schema): Schema {
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

function strictMembers(members: { readonly [key: string]: Schema }): { readonly [key: string]: Schema } {
  return Object.fromEntries(Object.entries(members).map(([key, schema]) => [key, strict(schema)]))
}

/** True for the elements of a tuple, each with a schema of its own. */
export function isTuple(items: Schema | readonly Schema[] | undefined): items is readonly Schema[] {
  return Array.isArray(items)
}

/** Schemas come from outside as whatever they are: a TypeBox value, or a part of an error. */
export function isSchema(value: unknown): value is Schema {
  return value !== null && typeof value === 'object'
}
