import { parseInstantText } from '../../../record/json/instant.ts'
import { isObject } from '../../../record/json/json.ts'
import type { Json } from '../../../record/json/json.ts'
import { Paths } from '../../../record/paths/path.ts'

/**
 * Returns a function that finds the newest event time in complete lines, in milliseconds since
 * 1970; undefined if there is none. It parses every line, so it is meant for APIs that do not send
 * their time.
 * @param path of the event time; undefined if it is not known
 */
export function createNewestTime(path: string | undefined): (lines: Buffer) => number | undefined {
  const keys = path === undefined ? undefined : new Paths().add(path).keys
  if (keys === undefined) return () => undefined
  return (lines) => {
    let newest: number | undefined
    for (const line of lines.toString().split('\n')) {
      const value = valueAt(line, keys)
      const time = typeof value === 'string' || typeof value === 'number' ? parseInstantText(String(value)) : NaN
      if (time > (newest ?? -Infinity)) newest = time
    }
    return newest
  }
}

function valueAt(line: string, keys: readonly string[]): Json | undefined {
  try {
    let value: Json | undefined = JSON.parse(line)
    for (const key of keys) value = isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined
    return value
  } catch {
    return undefined
  }
}
