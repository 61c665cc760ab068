import type { Json, JsonObject } from '../record/json/json.ts'
import { segmentsOf } from './check-paths.ts'
import { memberOf, typesIn } from './record-schema.ts'

/** The CEL types that the value at a path of keys may have, by a JSON schema; empty if it does not say. */
export function celTypesAt(path: string, root: JsonObject): readonly string[] {
  let schema: Json | undefined = root
  for (const segment of segmentsOf(path)) {
    if (segment.kind !== 'keys' || segment.keys.length > 1) return []
    const { kind, child } = memberOf(schema, segment.keys[0], root)
    if (kind !== 'known') return []
    schema = child
  }
  const types = typesIn(schema, root) ?? []
  return types.every((type) => type in CEL_TYPES) ? [...new Set(types.flatMap((type) => CEL_TYPES[type]))] : []
}

/** A number without a fraction is an int, a number with one a double. */
const CEL_TYPES: { readonly [type: string]: readonly string[] } = {
  string: ['string'],
  integer: ['int'],
  number: ['double', 'int'],
  boolean: ['bool'],
  null: ['null'],
  array: ['list'],
  object: ['map'],
}
