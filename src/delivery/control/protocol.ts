import type { Json } from '../../record/json/json.ts'

/** Version of requests and answers. */
export const CONTROL_VERSION = 1

/** A request or a part of an answer. Undefined if the line is not JSON. */
export function parseLine(line: string): Json | undefined {
  try {
    const value: Json = JSON.parse(line)
    return value
  } catch {
    return undefined
  }
}
