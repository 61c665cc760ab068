import { BACKSLASH, COLON, DOT, LOWER_E, MINUS, NINE, PLUS, QUOTE, ZERO } from './ascii.ts'
import { isPlainNumber, sameNumber } from './number.ts'
import { isMap, parseSpelled } from './spelled.ts'
import type { Spelled } from './spelled.ts'

/**
 * The text of numbers that JavaScript prints in another way, such as `1.10`: for each object or
 * array, by key or index. It counts as long as the value there is the same.
 */
export type KeptNumbers = WeakMap<object, ReadonlyMap<string, KeptNumber>>

export interface KeptNumber {
  readonly value: number | string
  readonly text: string
}

/**
 * What to do with a number that JavaScript cannot hold, such as `9007199254740993`: refuse it, give
 * it as a string with its digits, or round it as JSON.parse does.
 */
export type NumberMode = 'error' | 'text' | 'round'

/** What a JSON text has that JSON.parse would change in silence. */
export interface Peculiarities {
  /** Members of all objects in it. JSON.parse keeps one of several members with the same key. */
  readonly members: number
  /** True if JavaScript may print one of its numbers in another way. */
  readonly hasUnusualNumbers: boolean
}

/** The bytes must be a line that the scanner has accepted. */
export function findPeculiarities(json: Buffer): Peculiarities {
  let members = 0
  let hasUnusualNumbers = false
  const length = json.length
  for (let at = 0; at < length;) {
    const byte = json[at]
    if (byte === QUOTE) {
      at++
      while (json[at] !== QUOTE) at += json[at] === BACKSLASH ? 2 : 1
      at++
    } else if (byte === MINUS || (byte >= ZERO && byte <= NINE)) {
      const start = at++
      while (isNumberByte(json[at])) at++
      if (!isPlainNumber(json, start, at)) hasUnusualNumbers = true
    } else {
      if (byte === COLON) members++
      at++
    }
  }
  return { members, hasUnusualNumbers }
}

function isNumberByte(byte: number): boolean {
  return (byte >= ZERO && byte <= NINE) || byte === DOT || byte === MINUS || byte === PLUS || (byte | 0x20) === LOWER_E
}

/** The number of members of all objects in a value. */
export function countMembers(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  const inside = Object.values(value)
  let members = Array.isArray(value) ? 0 : inside.length
  for (const item of inside) if (typeof item === 'object') members += countMembers(item)
  return members
}

/**
 * Remembers the text of the unusual numbers of a value that was parsed from `json`. In the mode
 * `text` it replaces those that JavaScript cannot hold. Returns false in the mode `error` if there
 * is such a number; an infinite one is not taken in the mode `round` either.
 */
export function keepNumbers(value: object, json: string, mode: NumberMode, kept: KeptNumbers): boolean {
  return keepInside(value, parseSpelled(json), mode, kept)
}

function keepInside(holder: object, spelled: Spelled, mode: NumberMode, kept: KeptNumbers): boolean {
  if (typeof spelled === 'string') return true
  const found = new Map<string, KeptNumber>()
  const entries = isMap(spelled) ? spelled : spelled.entries()
  for (const [name, inner] of entries) {
    const value: unknown = Reflect.get(holder, name)
    if (typeof value === 'object' && value !== null) {
      if (!keepInside(value, inner, mode, kept)) return false
    } else if (typeof value === 'number' && typeof inner === 'string' && String(value) !== inner) {
      const isExact = sameNumber(inner, String(value))
      if (!isExact && (mode === 'error' || (mode === 'round' && !Number.isFinite(value)))) return false
      const given = isExact || mode === 'round' ? value : inner
      // An own member, also if it is called `__proto__`.
      if (given !== value) Reflect.set(holder, name, given)
      found.set(String(name), { value: given, text: inner })
    }
  }
  if (found.size > 0) kept.set(holder, found)
  return true
}
