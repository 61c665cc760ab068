import { SluiceError } from '../../errors.ts'

/** Maximum recursion depth that is safe on Node's default stack, whatever limit a pipeline sets. */
const SAFE_DEPTH = 1000

/**
 * Writes a value as JSON text like JSON.stringify: it omits undefined members and calls `toJSON`.
 * Unlike JSON.stringify it throws for values that JSON cannot represent; JSON.stringify writes null
 * for NaN and infinities.
 * @throws SluiceError VALUE_INVALID for undefined, functions, symbols, NaN, infinities, bigints,
 * cycles, and nesting beyond `maxDepth`.
 */
export function writeJson(value: unknown, maxDepth: number): Buffer {
  return Buffer.from(jsonText(value, maxDepth))
}

/** `writeJson`, as a string. */
export function jsonText(value: unknown, maxDepth: number): string {
  return write(value, '', Math.min(maxDepth, SAFE_DEPTH))
}

/** Decodes a JSON string. */
export function readString(json: string): string {
  const text: string = JSON.parse(json)
  return text
}

function write(value: unknown, key: string, depth: number): string {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalid(`${value}`)
    return Object.is(value, -0) ? '-0' : String(value)
  }
  if (typeof value === 'bigint') throw invalid('a bigint (write it as text)')
  if (typeof value !== 'object') throw invalid(value === undefined ? 'undefined' : `a ${typeof value}`)
  if ('toJSON' in value && typeof value.toJSON === 'function') return write(value.toJSON(key), key, depth - 1)
  if (depth <= 0) throw invalid('nested too deeply, or contains itself')
  // Array.from visits holes, which `map` skips.
  if (Array.isArray(value))
    return `[${Array.from(value, (element, at) => write(element, String(at), depth - 1)).join(',')}]`
  const members: string[] = []
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${write(member, name, depth - 1)}`)
  }
  return `{${members.join(',')}}`
}

/** The message names no keys, because keys may be content of a record. */
function invalid(what: string): SluiceError {
  return new SluiceError('VALUE_INVALID', `a value is not JSON: it is ${what}`)
}
