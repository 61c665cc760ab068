import { isList, isObject } from '../record/json/json.ts'
import type { Json, JsonObject } from '../record/json/json.ts'

/** What a JSON schema says about a member of an object. */
interface Member {
  /**
   * `known`: it describes the member. `refused`: it allows no such member. `array`: its values are
   * arrays, which have no members. `open`: it may be there.
   */
  readonly kind: 'known' | 'refused' | 'array' | 'open'
  /** The names that the schema knows. */
  readonly names: readonly string[]
  /** The schema of a known member. */
  readonly child?: Json
}

/**
 * Looks a member up in a JSON schema: in its properties, also through references within the file
 * (`$ref`) and in `allOf`, `anyOf`, `oneOf`, `then` and `else`. In doubt the answer is `open`.
 */
export function memberOf(schema: Json | undefined, key: string, root: JsonObject, depth = 0): Member {
  if (!isObject(schema) || depth > MAX_DEPTH) return OPEN
  const inner = (one: Json): Member => memberOf(one, key, root, depth + 1)
  const target = targetOf(schema, root)
  const all = [
    ownMember(schema, key),
    ...(target === undefined ? [] : [inner(target)]),
    ...listOf(schema['allOf']).map(inner),
  ]
  for (const name of ['anyOf', 'oneOf']) {
    const alternatives = listOf(schema[name]).map(inner)
    if (alternatives.length > 0) all.push(anyOf(alternatives))
  }
  for (const name of ['then', 'else']) {
    const member = schema[name] === undefined ? OPEN : inner(schema[name])
    all.push(member.kind === 'refused' || member.kind === 'array' ? { ...member, kind: 'open' } : member)
  }
  return allOf(all)
}

/**
 * The JSON types that a schema allows: `string`, `integer`, `number`, `boolean`, `null`, `array`,
 * `object`; undefined if it does not say.
 */
export function typesIn(schema: Json | undefined, root: JsonObject, depth = 0): readonly string[] | undefined {
  if (!isObject(schema) || depth > MAX_DEPTH) return undefined
  const { type } = schema
  if (typeof type === 'string') return [type]
  if (isList(type)) return type.filter((one) => typeof one === 'string')
  if (schema['const'] !== undefined) return [typeOfValue(schema['const'])]
  if (isList(schema['enum'])) return [...new Set(schema['enum'].map(typeOfValue))]
  const inner = (one: Json): readonly string[] | undefined => typesIn(one, root, depth + 1)
  const target = targetOf(schema, root)
  const all = [...(target === undefined ? [] : [target]), ...listOf(schema['allOf'])].map(inner)
  const found = all.find((types) => types !== undefined)
  if (found !== undefined) return found
  for (const name of ['anyOf', 'oneOf']) {
    const alternatives = listOf(schema[name]).map(inner)
    if (alternatives.length > 0 && alternatives.every((types) => types !== undefined)) {
      return [...new Set(alternatives.flat())]
    }
  }
  return undefined
}

function typeOfValue(value: Json): string {
  if (value === null) return 'null'
  if (isList(value)) return 'array'
  return typeof value
}

/** The schema of the elements of an array; undefined if the schema does not say. */
export function elementsOf(schema: Json | undefined, root: JsonObject, depth = 0): Json | undefined {
  if (!isObject(schema) || depth > MAX_DEPTH) return undefined
  const { items, prefixItems, additionalItems } = schema
  const own = [...listOf(items), ...listOf(prefixItems), ...[items, additionalItems].filter((one) => isObject(one))]
  const target = targetOf(schema, root)
  const others = [
    ...(target === undefined ? [] : [target]),
    ...['allOf', 'anyOf', 'oneOf'].flatMap((name) => listOf(schema[name])),
  ]
  const found = [...own, ...others.flatMap((one) => elementsOf(one, root, depth + 1) ?? [])]
  return found.length === 0 ? undefined : { anyOf: found }
}

/** Schemas may refer to themselves. */
const MAX_DEPTH = 16
const OPEN: Member = { kind: 'open', names: [] }

function ownMember(schema: JsonObject, key: string): Member {
  const { properties, patternProperties, additionalProperties, type } = schema
  const types = typeof type === 'string' ? [type] : listOf(type)
  if (types.includes('array') && !types.includes('object')) return { kind: 'array', names: [] }
  const names = isObject(properties) ? Object.keys(properties) : []
  if (isObject(properties) && Object.hasOwn(properties, key)) return { kind: 'known', names, child: properties[key] }
  for (const [pattern, child] of Object.entries(isObject(patternProperties) ? patternProperties : {})) {
    if (matches(pattern, key)) return { kind: 'known', names, child }
  }
  // A map: any key is as good as another.
  if (isObject(additionalProperties) && names.length === 0) return { kind: 'known', names, child: additionalProperties }
  const isClosed = additionalProperties === false || schema['unevaluatedProperties'] === false
  return { kind: isClosed ? 'refused' : 'open', names }
}

function matches(pattern: string, key: string): boolean {
  try {
    return new RegExp(pattern, 'u').test(key)
  } catch {
    return true
  }
}

/** All of these apply. `unevaluatedProperties` and a closed schema beside an open one: in doubt, known. */
function allOf(members: readonly Member[]): Member {
  return combine(members, ['known', 'array', 'refused', 'open'])
}

/** One of these applies. */
function anyOf(members: readonly Member[]): Member {
  return combine(members, ['known', 'open', 'refused', 'array'])
}

function combine(members: readonly Member[], order: readonly Member['kind'][]): Member {
  const kind = order.find((one) => members.some((member) => member.kind === one)) ?? 'open'
  const names = members.flatMap((member) => member.names)
  if (kind !== 'known') return { kind, names }
  const known = members.filter((member) => member.kind === 'known')
  return { kind, names, child: { anyOf: known.map(({ child }) => child ?? true) } }
}

/** The schema that `$ref` names, if it is in the same file. */
function targetOf(schema: JsonObject, root: JsonObject): Json | undefined {
  const reference = schema['$ref'] ?? schema['$dynamicRef']
  if (typeof reference !== 'string') return undefined
  if (reference === '#') return root
  if (!reference.startsWith('#/')) return definitionOf(reference, root)
  let target: Json | undefined = root
  for (const part of reference.slice(2).split('/')) {
    const key = decode(part).replaceAll('~1', '/').replaceAll('~0', '~')
    if (isObject(target)) target = Object.hasOwn(target, key) ? target[key] : undefined
    else target = isList(target) ? target[Number(key)] : undefined
  }
  return target
}

/** `#name` or an `$id` in the definitions of the file. */
function definitionOf(reference: string, root: JsonObject): Json | undefined {
  const definitions = [root['$defs'], root['definitions']].flatMap((one) => (isObject(one) ? Object.values(one) : []))
  return definitions.find(
    (one) =>
      isObject(one) &&
      (one['$id'] === reference || (typeof one['$anchor'] === 'string' && `#${one['$anchor']}` === reference)),
  )
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function listOf(value: Json | undefined): readonly Json[] {
  return isList(value) ? value : []
}
