import type { JsonObject } from '../record/json/json.ts'

/**
 * True for object literals. Objects with a prototype of their own (a Date, a Map, a Buffer) are not
 * meant as records.
 */
export function isPlainObject(value: unknown): value is JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}
