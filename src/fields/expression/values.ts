import { canonicalNumber } from '../../record/json/number.ts'

/** A value of an expression. CEL ints are bigints, doubles are numbers. Doubles are finite. */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | readonly Value[]
  | ValueMap
  | Timestamp
  | Duration
  | Optional
  | TypeName
  | OddNumber

export type ValueMap = ReadonlyMap<Value, Value>

/** A time in nanoseconds since 1970. */
export class Timestamp {
  readonly nanoseconds: bigint
  constructor(nanoseconds: bigint) {
    this.nanoseconds = nanoseconds
  }
}

export class Duration {
  readonly nanoseconds: bigint
  constructor(nanoseconds: bigint) {
    this.nanoseconds = nanoseconds
  }
}

export class Optional {
  readonly value: Value | undefined
  constructor(value: Value | undefined) {
    this.value = value
  }
}

export const NONE = new Optional(undefined)

export class TypeName {
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

/**
 * A number of a record that is neither an int nor a double: an integer of more than 64 bits, or beyond
 * the range of doubles. It can be copied and compared with another one, and keeps its digits.
 */
export class OddNumber {
  readonly json: string
  constructor(json: string) {
    this.json = json
  }
}

/** The JSON text of lists and maps that are values of the record, as long as nothing changes them. */
export const spellings = new WeakMap<object, string>()

export const MAX_INT = 2n ** 63n - 1n
export const MIN_INT = -(2n ** 63n)

/** Array.isArray does not narrow to readonly arrays. */
export function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value)
}

export function isMap(value: Value): value is ValueMap {
  return value instanceof Map
}

/** The CEL type of a value. */
export function typeName(value: Value): string {
  switch (typeof value) {
    case 'boolean':
      return 'bool'
    case 'bigint':
      return 'int'
    case 'number':
      return 'double'
    case 'string':
      return 'string'
    default:
      if (value === null) return 'null_type'
      if (isList(value)) return 'list'
      if (isMap(value)) return 'map'
      if (value instanceof Timestamp) return 'google.protobuf.Timestamp'
      if (value instanceof Duration) return 'google.protobuf.Duration'
      if (value instanceof Optional) return 'optional_type'
      return value instanceof OddNumber ? 'number' : 'type'
  }
}

/** A type for a message: `a string`, `an int`. */
export function kindOf(value: Value): string {
  const name = typeName(value)
  return KINDS.get(name) ?? `${name === 'int' ? 'an' : 'a'} ${name}`
}

const KINDS = new Map([
  ['null_type', 'null'],
  ['google.protobuf.Timestamp', 'a timestamp'],
  ['google.protobuf.Duration', 'a duration'],
  ['optional_type', 'an optional'],
  ['number', 'a number beyond 64 bits'],
])

/** Whether two values are equal. Values of different types are not, except for ints and doubles. */
export function isEqual(a: Value, b: Value, spend: (steps: number) => void): boolean {
  if (typeof a === 'string') {
    if (typeof b !== 'string' || a.length !== b.length) return false
    spend(a.length >> 4)
    return a === b
  }
  if (a === b) return true
  if (typeof a === 'bigint' || typeof a === 'number') {
    // oxlint-disable-next-line eqeqeq -- JavaScript compares a bigint and a number exactly
    return (typeof b === 'bigint' || typeof b === 'number') && a == b
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (isList(a)) {
    if (!isList(b) || a.length !== b.length) return false
    spend(a.length)
    return a.every((item, at) => isEqual(item, b[at], spend))
  }
  if (isMap(a)) {
    if (!isMap(b) || a.size !== b.size) return false
    spend(a.size)
    for (const [key, value] of a) {
      const other = memberOf(b, key)
      if (other === undefined || !isEqual(value, other, spend)) return false
    }
    return true
  }
  if (a instanceof Timestamp) return b instanceof Timestamp && a.nanoseconds === b.nanoseconds
  if (a instanceof Duration) return b instanceof Duration && a.nanoseconds === b.nanoseconds
  if (a instanceof TypeName) return b instanceof TypeName && a.name === b.name
  if (a instanceof OddNumber) return b instanceof OddNumber && canonicalNumber(a.json) === canonicalNumber(b.json)
  if (!(b instanceof Optional)) return false
  if (a.value === undefined || b.value === undefined) return a.value === b.value
  return isEqual(a.value, b.value, spend)
}

/** Negative, 0 or positive; undefined if the values have no order. Strings are ordered by code point. */
export function order(a: Value, b: Value): number | undefined {
  if (isNumber(a)) return isNumber(b) ? sign(a, b) : undefined
  if (typeof a === 'string') return typeof b === 'string' ? orderTexts(a, b) : undefined
  if (typeof a === 'boolean') return typeof b === 'boolean' ? Number(a) - Number(b) : undefined
  if (a instanceof Timestamp) return b instanceof Timestamp ? sign(a.nanoseconds, b.nanoseconds) : undefined
  if (a instanceof Duration) return b instanceof Duration ? sign(a.nanoseconds, b.nanoseconds) : undefined
  return undefined
}

export function isNumber(value: Value): value is bigint | number {
  return typeof value === 'bigint' || typeof value === 'number'
}

function sign(a: bigint | number, b: bigint | number): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function orderTexts(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const [one, other] = [a.charCodeAt(at), b.charCodeAt(at)]
    if (one === other) continue
    // Surrogates are the halves of code points after all others.
    const [isHigh, isOtherHigh] = [isSurrogate(one), isSurrogate(other)]
    return isHigh === isOtherHigh ? one - other : isHigh ? 1 : -1
  }
  return a.length - b.length
}

function isSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xe000
}

/** The member of a map; undefined if there is none. An integral double finds the int. */
export function memberOf(map: ValueMap, key: Value): Value | undefined {
  return map.get(typeof key === 'number' && Number.isInteger(key) ? BigInt(key) : key)
}
