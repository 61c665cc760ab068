import type { Fail } from './fault.ts'
import { isList, isMap, kindOf, OddNumber, spellings, Timestamp, Duration } from './values.ts'
import type { Value } from './values.ts'

/** JSON cannot have more members inside each other than a later reader takes. */
const MAX_DEPTH = 100

/**
 * The JSON text of a value: a timestamp as RFC 3339 in UTC, a duration in seconds (`90s`). Lists and maps
 * of the record keep their bytes.
 * @param spend is called with the length of each text, so that a value that is in the result many times
 *   cannot fill the memory
 */
export function writeValue(value: Value, fail: Fail, spend: (steps: number) => void): string {
  return write(value, MAX_DEPTH, fail, spend)
}

function write(value: Value, depth: number, fail: Fail, spend: (steps: number) => void): string {
  switch (typeof value) {
    case 'string':
      spend(value.length)
      return JSON.stringify(value)
    case 'bigint':
    case 'boolean':
      return String(value)
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    default:
  }
  if (value === null) return 'null'
  if (value instanceof OddNumber) return value.json
  if (value instanceof Timestamp) return `"${timestampText(value)}"`
  if (value instanceof Duration) return `"${durationText(value)}"`
  const json = spellings.get(value)
  if (json !== undefined) {
    spend(json.length)
    return json
  }
  if (depth === 0) return fail('the result is nested too deeply')
  if (isList(value)) {
    spend(value.length)
    return `[${value.map((item) => write(item, depth - 1, fail, spend)).join(',')}]`
  }
  if (!isMap(value)) return fail(`the result has ${kindOf(value)} in it, which is not JSON`)
  const members: string[] = []
  spend(value.size)
  for (const [key, member] of value) {
    if (typeof key !== 'string') return fail(`the result has a map with ${kindOf(key)} as a key; write string(…)`)
    spend(key.length)
    members.push(`${JSON.stringify(key)}:${write(member, depth - 1, fail, spend)}`)
  }
  return `{${members.join(',')}}`
}

/** RFC 3339 in UTC, with 0, 3, 6 or 9 digits of a fraction. */
export function timestampText({ nanoseconds }: Timestamp): string {
  const [seconds, rest] = split(nanoseconds)
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}${fraction(rest)}Z`
}

/** Seconds, with 0, 3, 6 or 9 digits of a fraction: `90s`, `-0.500s`. */
export function durationText({ nanoseconds }: Duration): string {
  const isNegative = nanoseconds < 0n
  const [seconds, rest] = split(isNegative ? -nanoseconds : nanoseconds)
  return `${isNegative ? '-' : ''}${seconds}${fraction(rest)}s`
}

export const NANOSECONDS = 1_000_000_000n

function split(nanoseconds: bigint): [bigint, bigint] {
  const rest = ((nanoseconds % NANOSECONDS) + NANOSECONDS) % NANOSECONDS
  return [(nanoseconds - rest) / NANOSECONDS, rest]
}

function fraction(nanoseconds: bigint): string {
  if (nanoseconds === 0n) return ''
  const digits = nanoseconds.toString().padStart(9, '0')
  return `.${digits.replace(/(?:000){1,2}$/, '')}`
}
