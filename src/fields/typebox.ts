import type { Type as TypeBox } from 'typebox'

type Builders = Pick<
  typeof TypeBox,
  | 'Array'
  | 'Boolean'
  | 'Integer'
  | 'Literal'
  | 'Number'
  | 'Object'
  | 'Optional'
  | 'Record'
  | 'String'
  | 'Union'
  | 'Unsafe'
>

interface JsonSchema {
  readonly [keyword: string]: unknown
}

/**
 * The TypeBox builders that built-in declarations use. They have TypeBox's types and return the
 * same JSON schemas. Importing TypeBox itself opens hundreds of files, a fifth of the start-up time
 * of a command. Component authors get all of TypeBox from `src/index.ts`.
 */
// A test compares the schemas with TypeBox's. The types cannot be expressed by these functions.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
export const Type = {
  Array: (items: JsonSchema, options?: JsonSchema) => ({ type: 'array', items, ...options }),
  Boolean: (options?: JsonSchema) => ({ type: 'boolean', ...options }),
  Integer: (options?: JsonSchema) => ({ type: 'integer', ...options }),
  Literal: (value: boolean | number | string, options?: JsonSchema) => ({
    type: typeof value,
    const: value,
    ...options,
  }),
  Number: (options?: JsonSchema) => ({ type: 'number', ...options }),
  Object: (properties: { readonly [key: string]: JsonSchema }, options?: JsonSchema) => {
    const required = Object.keys(properties).filter((key) => properties[key][OPTIONAL] !== true)
    return { type: 'object', ...(required.length > 0 && { required }), properties, ...options }
  },
  Optional: (schema: JsonSchema) => Object.defineProperty({ ...schema }, OPTIONAL, { value: true }),
  Record: (_key: JsonSchema, value: JsonSchema, options?: JsonSchema) => ({
    type: 'object',
    patternProperties: { '^.*$': value },
    ...options,
  }),
  String: (options?: JsonSchema) => ({ type: 'string', ...options }),
  Union: (anyOf: readonly JsonSchema[], options?: JsonSchema) => ({ anyOf, ...options }),
  Unsafe: (schema: JsonSchema) => schema,
} as unknown as Builders

/**
 * TypeBox's marker for an optional property. It is not enumerable, because it is not a JSON Schema
 * keyword.
 */
const OPTIONAL = '~optional'
