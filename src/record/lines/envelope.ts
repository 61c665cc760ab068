import { OPEN_ARRAY } from '../json/ascii.ts'

/** So many bytes of a line are examined. */
export const ENVELOPE_BYTES = 64 * 1024

/**
 * The path to a list of objects in an object, as in `{"Records":[{…},…]}`: its elements are
 * probably the records. The outermost list, and the first of these. Undefined if there is none in
 * the first `ENVELOPE_BYTES` bytes, or if a key on the way is not a plain name.
 */
export function listOfObjects(line: Buffer): string | undefined {
  const head = line.toString('latin1', 0, Math.min(line.length, ENVELOPE_BYTES))
  /** The key of each open object; null for an array. */
  const open: (string | undefined | null)[] = []
  let best: string[] | undefined
  let before = ''
  for (const [token] of head.matchAll(TOKEN)) {
    if (before === '' && token !== '{') return undefined
    if (token === '{' && before === '[') {
      const keys = open.slice(0, -1)
      if (keys.every(isKey) && (best === undefined || keys.length < best.length)) best = keys
      if (best?.length === 1) break
    }
    if (token === '{') open.push(undefined)
    else if (token === '[') open.push(null)
    else if (token === '}' || token === ']') open.pop()
    else if (open.at(-1) !== null && open.length > 0) {
      if (token === ':') open[open.length - 1] = PLAIN_KEY.exec(before)?.[1]
      else if (token === ',') open[open.length - 1] = undefined
    }
    before = token
  }
  return best?.join('.')
}

/**
 * The way out for an object that is no record of the pipeline: if a list of objects is most of it,
 * its elements are probably the records. Undefined for other objects, and if the line is not JSON.
 */
export function unwrapHint(line: Buffer): string | undefined {
  const path = line.includes(OPEN_ARRAY) ? listOfObjects(line) : undefined
  if (path === undefined) return undefined
  try {
    let value: unknown = JSON.parse(line.toString())
    for (const key of path.split('.')) value = Reflect.get(Object(value), key)
    const isMost = 2 * JSON.stringify(value).length > line.length
    return isMost ? describeEnvelope(path) : undefined
  } catch {
    return undefined
  }
}

/** Why such an object is too long, and the way out. */
export function describeEnvelope(path: string): string {
  return `it holds a list of objects: if they are the records, set \`records: ${path}\` in the source, or read a file with --records ${path}`
}

function isKey(key: string | undefined | null): key is string {
  return typeof key === 'string'
}

/** A string, or a bracket, colon or comma, or another literal. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|[[\]{}:,]|[^\s"[\]{}:,]+/gs
const PLAIN_KEY = /^"([A-Za-z_]\w{0,63})"$/
