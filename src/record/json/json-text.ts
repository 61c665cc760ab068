import { SluiceError } from '../../errors.ts'

/** Deepest recursion that is safe on Node's default stack, whatever a pipeline allows. */
const SAFE_DEPTH = 1000

/**
 * A value as JSON text, as JSON.stringify writes it (members that are undefined are left out, `toJSON` is asked), but what JSON cannot hold
 * is an error and not null.
 * @throws SluiceError VALUE_INVALID for undefined, functions, symbols, NaN, infinities, bigints, cycles, and nesting beyond `maxDepth`.
 */
export function writeJson(value: unknown, maxDepth: number): Buffer {
  return Buffer.from(jsonText(value, maxDepth))
}

/** The same as a string. */
export function jsonText(value: unknown, maxDepth: number): string {
  return write(value, '', Math.min(maxDepth, SAFE_DEPTH))
}

/** The text that a string of JSON stands for. */
export function readString(json: string): string {
  const text: string = JSON.parse(json)
  return text
}

function write(value: unknown, key: string, depth: number): string {
  if (typeof value === 'string' || typeof value === 'boolean' || value === null) return JSON.stringify(value)
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw refuse(`${value}`)
    return Object.is(value, -0) ? '-0' : String(value)
  }
  if (typeof value === 'bigint') throw refuse('a bigint (write it as text)')
  if (typeof value !== 'object') throw refuse(value === undefined ? 'undefined' : `a ${typeof value}`)
  if ('toJSON' in value && typeof value.toJSON === 'function') return write(value.toJSON(key), key, depth - 1)
  if (depth <= 0) throw refuse('nested too deeply, or holds itself')
  // Array.from sees the holes that `map` would skip.
  if (Array.isArray(value))
    return `[${Array.from(value, (element, at) => write(element, String(at), depth - 1)).join(',')}]`
  const members: string[] = []
  for (const [name, member] of Object.entries(value)) {
    if (member !== undefined) members.push(`${JSON.stringify(name)}:${write(member, name, depth - 1)}`)
  }
  return `{${members.join(',')}}`
}

/** Keys may be content of a record: they are not named. */
function refuse(what: string): SluiceError {
  return new SluiceError('VALUE_INVALID', `a value is not JSON: it is ${what}`)
}
