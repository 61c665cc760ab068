import { OPEN_ARRAY } from '../json/ascii.ts'

/** So many bytes of a line are examined. */
export const ENVELOPE_BYTES = 64 * 1024

/**
 * The key of the first list of objects in an object, as in `{"Records":[{…},…]}`: its elements are
 * probably the records. Undefined if there is none in the first `ENVELOPE_BYTES` bytes, or if the
 * key is not a plain name.
 */
export function listOfObjects(line: Buffer): string | undefined {
  const head = line.toString('latin1', 0, Math.min(line.length, ENVELOPE_BYTES))
  let depth = 0
  let key: string | undefined
  let before = ''
  for (const [token] of head.matchAll(TOKEN)) {
    if (depth === 2 && token === '{' && before === '[' && key !== undefined) return key
    if (token === '{' || token === '[') depth++
    else if (token === '}' || token === ']') depth--
    if (before === '' && token !== '{') return undefined
    if (depth === 1 && token === ':') key = PLAIN_KEY.exec(before)?.[1]
    else if (depth === 1 && token === ',') key = undefined
    before = token
  }
  return undefined
}

/**
 * The way out for an object that is no record of the pipeline: if a list of objects is most of it,
 * its elements are probably the records. Undefined for other objects, and if the line is not JSON.
 */
export function unwrapHint(line: Buffer): string | undefined {
  const key = line.includes(OPEN_ARRAY) ? listOfObjects(line) : undefined
  if (key === undefined) return undefined
  try {
    const object: { readonly [key: string]: unknown } = JSON.parse(line.toString())
    const isMost = 2 * JSON.stringify(object[key]).length > line.length
    return isMost ? describeEnvelope(key) : undefined
  } catch {
    return undefined
  }
}

/** Why such an object is too long, and the way out. */
export function describeEnvelope(key: string): string {
  return `it holds a list of objects: if they are the records, read the output of jq -c '.${key}[]' FILE`
}

/** A string, or a bracket, colon or comma, or another literal. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s"[\]{}:,]+/gs
const PLAIN_KEY = /^"([A-Za-z_]\w{0,63})"$/
