import type { JsonObject } from '../record/json/json.ts'

/** Not a Date, a Map or a Buffer: what has a prototype of its own is not meant as a record. */
export function isPlainObject(value: unknown): value is JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
