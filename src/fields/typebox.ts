import type { Type as TypeBox } from 'typebox'

type Builders = Pick<
  typeof TypeBox,
  'Array' | 'Boolean' | 'Integer' | 'Number' | 'Object' | 'Optional' | 'Record' | 'String' | 'Union' | 'Unsafe'
>

interface Built {
  readonly [keyword: string]: unknown
}

/**
 * The few builders of TypeBox that our own declarations are made with: its types, and the JSON schemas that it makes. TypeBox itself is hundreds of
 * files, a fifth of the time that a command takes to start; the authors of components, who get it from `src/index.ts`, are free to use all of it.
 */
// The schemas are the same, see the test; their types say more than these functions can.
// oxlint-disable-next-line typescript/no-unsafe-type-assertion
export const Type = {
  Array: (items: Built, options?: Built) => ({ type: 'array', items, ...options }),
  Boolean: (options?: Built) => ({ type: 'boolean', ...options }),
  Integer: (options?: Built) => ({ type: 'integer', ...options }),
  Number: (options?: Built) => ({ type: 'number', ...options }),
  Object: (properties: { readonly [key: string]: Built }, options?: Built) => {
    const required = Object.keys(properties).filter((key) => properties[key][OPTIONAL] !== true)
    return { type: 'object', ...(required.length > 0 && { required }), properties, ...options }
  },
  Optional: (schema: Built) => Object.defineProperty({ ...schema }, OPTIONAL, { value: true }),
  Record: (_key: Built, value: Built, options?: Built) => ({
    type: 'object',
    patternProperties: { '^.*$': value },
    ...options,
  }),
  String: (options?: Built) => ({ type: 'string', ...options }),
  Union: (anyOf: readonly Built[], options?: Built) => ({ anyOf, ...options }),
  Unsafe: (schema: Built) => schema,
} as unknown as Builders

/** TypeBox's own mark of a member that need not be there: hidden, it is no keyword of JSON Schema. */
const OPTIONAL = '~optional'
