import { SluiceError } from '../../errors.ts'
import type { KeptNumber, KeptNumbers } from './kept-numbers.ts'

/** Maximum recursion depth that is safe on Node's default stack, whatever limit a pipeline sets. */
const SAFE_DEPTH = 1000

/**
 * Writes a value as JSON text like JSON.stringify: it omits undefined members, calls `toJSON`, and
 * keeps the text of JSON.rawJSON. Unlike JSON.stringify it throws for values that JSON cannot
 * represent. JSON.stringify writes null for NaN, infinities and invalid dates, `{}` for a Map, a Set
 * or a promise, and omits functions.
 * @throws SluiceError VALUE_INVALID for undefined, functions, symbols, NaN, infinities, bigints,
 * invalid dates, objects whose content is not in their properties, cycles, and nesting beyond
 * `maxDepth`.
 */
export function writeJson(value: unknown, maxDepth: number): Buffer {
  return Buffer.from(jsonText(value, maxDepth))
}

/** `writeJson`, as a string. Numbers in `kept` are written with their text. */
export function jsonText(value: unknown, maxDepth: number, kept?: KeptNumbers): string {
  return write(value, '', Math.min(maxDepth, SAFE_DEPTH), kept)
}

/** Decodes a JSON string. */
export function readString(json: string): string {
  const text: string = JSON.parse(json)
  return text
}

function write(value: unknown, key: string, depth: number, kept: KeptNumbers | undefined): string {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value)
  if (typeof value !== 'object') {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(describeLeaf(value))
    return Object.is(value, -0) ? '-0' : String(value)
  }
  if ('toJSON' in value && typeof value.toJSON === 'function')
    return write(readToJson(value, key), key, depth - 1, kept)
  if (depth <= 0) throw invalid('nested too deeply, or contains itself')
  const numbers = kept?.get(value)
  // Array.from visits holes, which `map` skips.
  if (Array.isArray(value)) {
    const writeElement = (element: unknown, at: number): string =>
      keptText(numbers, String(at), element) ?? write(element, String(at), depth - 1, kept)
    return `[${Array.from(value, writeElement).join(',')}]`
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    const raw = rawText(value)
    if (raw !== undefined) return raw
    checkKind(value)
  }
  const members: string[] = []
  for (const [name, member] of Object.entries(value)) {
    if (member === undefined) continue
    const text = keptText(numbers, name, member) ?? write(member, name, depth - 1, kept)
    members.push(`${JSON.stringify(name)}:${text}`)
  }
  return `{${members.join(',')}}`
}

function keptText(
  numbers: ReadonlyMap<string, KeptNumber> | undefined,
  name: string,
  value: unknown,
): string | undefined {
  if (numbers === undefined) return undefined
  const number = numbers.get(name)
  return number !== undefined && Object.is(number.value, value) ? number.text : undefined
}

/**
 * Whether JSON.stringify writes the value as `jsonText` does. If not, only `jsonText` keeps it: it
 * contains -0, JSON.rawJSON, a number in `kept`, or an object with `toJSON`, which is called once
 * only.
 * @throws SluiceError VALUE_INVALID, as `jsonText` does
 */
export function isOrdinaryJson(value: unknown, maxDepth: number, kept?: KeptNumbers): boolean {
  return isOrdinary(value, Math.min(maxDepth, SAFE_DEPTH), kept)
}

function isOrdinary(value: unknown, depth: number, kept: KeptNumbers | undefined): boolean {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return true
  if (typeof value !== 'object') {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw invalid(describeLeaf(value))
    return !Object.is(value, -0)
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') return false
  if (depth <= 0) throw invalid('nested too deeply, or contains itself')
  let isSame = kept?.has(value) !== true
  if (Array.isArray(value)) {
    // An index visits holes, which are undefined.
    for (let at = 0; at < value.length; at++) if (!isOrdinary(value[at], depth - 1, kept)) isSame = false
    return isSame
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) {
    if (rawText(value) !== undefined) return false
    checkKind(value)
  }
  for (const member of Object.values(value)) {
    if (member !== undefined && !isOrdinary(member, depth - 1, kept)) isSame = false
  }
  return isSame
}

/** A leaf that is not JSON, for the message. */
function describeLeaf(value: unknown): string {
  if (typeof value === 'number') return `${value}`
  if (typeof value === 'bigint') return 'a bigint (write it as text)'
  return value === undefined ? 'undefined' : `a ${typeof value}`
}

function readToJson(value: object & { readonly toJSON: unknown }, key: string): unknown {
  if (Object.prototype.toString.call(value) === '[object Date]' && Number.isNaN(Number(value)))
    throw invalid('an invalid date')
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the caller has checked it
  return (value.toJSON as (key: string) => unknown).call(value, key)
}

/** The text of an object made by JSON.rawJSON (Node.js 22 or later). */
function rawText(value: object): string | undefined {
  if (Object.getPrototypeOf(value) !== null || isRawJson?.(value) !== true) return undefined
  const text: unknown = Reflect.get(value, 'rawJSON')
  return typeof text === 'string' ? text : undefined
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- newer than the types
const isRawJson = Reflect.get(JSON, 'isRawJSON') as ((value: unknown) => boolean) | undefined

/**
 * Refuses objects whose content is not in their properties: Map, Set, a promise that was not
 * awaited, RegExp, Error, String objects, buffers. Instances of classes are written as their
 * properties.
 */
function checkKind(value: object): void {
  const tag = Object.prototype.toString.call(value)
  if (tag !== '[object Object]') throw invalid(`an object of the kind ${tag.slice('[object '.length, -1)}`)
}

/** The message names no keys, because keys may be content of a record. */
function invalid(what: string): SluiceError {
  return new SluiceError('VALUE_INVALID', `a value is not JSON: it is ${what}`)
}
