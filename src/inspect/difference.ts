import { createTwoFilesPatch } from 'diff'
import { SluiceError } from '../errors.ts'
import { isMap, parseSpelled, sameSpelled, spelledLines } from '../record/json/spelled.ts'
import type { Spelled } from '../record/json/spelled.ts'

/**
 * A diff: `-` marks missing lines, `+` marks unexpected lines. Sorts members, because their order
 * does not matter. Numbers of the same value are shown as they were expected.
 */
export function difference(expected: Spelled, actual: Spelled): string {
  const [one, other] = [print(expected), print(alike(expected, actual))]
  const patch = createTwoFilesPatch('expected', 'actual', one, other, '', '', { context: 3 })
  return patch
    .split('\n')
    .slice(2)
    .filter((line) => !line.startsWith('\\') && line !== '')
    .join('\n')
}

/** A record that a test expects: an object, or its JSON text. @param name for the error: the place in the test */
export function spellRecord(record: unknown, name: string): Spelled {
  if (typeof record !== 'string') return spell(record)
  try {
    JSON.parse(record)
  } catch {
    throw new SluiceError('CONFIG_INVALID', `${name} is not JSON`, {
      hint: 'write a record, or its JSON text in quotes',
    })
  }
  return parseSpelled(record)
}

/** A record, or its JSON text if YAML would round one of its numbers. */
export function asRecord(line: string): string | Record<string, never> {
  const record: Record<string, never> = JSON.parse(line)
  return sameSpelled(parseSpelled(JSON.stringify(record)), parseSpelled(line)) ? record : line
}

/** A value of a test, spelled as JSON. */
export function spell(value: unknown): Spelled {
  return parseSpelled(JSON.stringify(value))
}

function print(value: Spelled): string {
  return `${spelledLines(sorted(value)).join('\n')}\n`
}

function sorted(value: Spelled): Spelled {
  if (typeof value === 'string') return value
  if (!isMap(value)) return value.map(sorted)
  const members = [...value].map(([key, member]): [string, Spelled] => [key, sorted(member)])
  return new Map(members.toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

/** The actual value, with the leaves of the expected one where they are equal. */
function alike(expected: Spelled | undefined, actual: Spelled): Spelled {
  if (expected === undefined) return actual
  if (typeof actual === 'string') return sameSpelled(expected, actual) ? expected : actual
  if (typeof expected === 'string') return actual
  if (!isMap(actual)) return isMap(expected) ? actual : actual.map((item, at) => alike(expected[at], item))
  if (!isMap(expected)) return actual
  return new Map([...actual].map(([key, member]) => [key, alike(expected.get(key), member)]))
}

/** The keys that are missing, or that nobody expects: as one difference, or none. */
export function differentKeys(what: string, expected: readonly string[], actual: readonly string[]): string[] {
  const missing = expected.filter((key) => !actual.includes(key))
  const unexpected = actual.filter((key) => !expected.includes(key))
  if (missing.length + unexpected.length === 0) return []
  const lines = [...missing.map((key) => `- ${key}`), ...unexpected.map((key) => `+ ${key}`)]
  return [[`${what} differ`, ...lines, ...(missing.some((key) => isNear(key, unexpected)) ? [KEYS] : [])].join('\n')]
}

/** True for a key without the name of its sink, or with the generated last segment, or with a slash at an end. */
function isNear(key: string, others: readonly string[]): boolean {
  const bare = key.replaceAll(/^\/+|\/+$/g, '')
  return others.some((other) => other === bare || other.endsWith(`/${bare}`) || bare.startsWith(`${other}/`))
}

const KEYS = 'a key has no last segment and no slash at its ends; with several sinks, the name of the sink comes first'
