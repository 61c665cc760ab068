import { BACKSLASH, CLOSE_ARRAY, CLOSE_OBJECT, COMMA, OPEN_ARRAY, OPEN_OBJECT, QUOTE, SPACE } from './ascii.ts'
import { skipSpace } from './edits.ts'
import { readString } from './json-text.ts'

/** A member or element of JSON text that is known to be valid: where it begins, and its value. */
export interface Part {
  /** Its key; empty for an element. */
  readonly name: string
  /** Start of the key, or of the element. */
  readonly key: number
  readonly start: number
  readonly end: number
}

/** The members of the object, or elements of the array, that begins at `start`. */
export function readParts(bytes: Buffer, start: number): Part[] {
  const parts: Part[] = []
  const isObject = bytes[start] === OPEN_OBJECT
  let at = skipSpace(bytes, start + 1)
  while (bytes[at] !== CLOSE_OBJECT && bytes[at] !== CLOSE_ARRAY) {
    const key = at
    let name = ''
    if (isObject) {
      at = skipString(bytes, at)
      const raw = bytes.toString('utf8', key + 1, at - 1)
      name = raw.includes('\\') ? readString(`"${raw}"`) : raw
      at = skipSpace(bytes, skipSpace(bytes, at) + 1)
    }
    const value = at
    at = skipValue(bytes, at)
    parts.push({ name, key, start: value, end: at })
    at = skipSpace(bytes, at)
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1)
  }
  return parts
}

function skipValue(bytes: Buffer, start: number): number {
  if (bytes[start] === QUOTE) return skipString(bytes, start)
  let at = start
  if (bytes[start] !== OPEN_OBJECT && bytes[start] !== OPEN_ARRAY) {
    while (!isEnd(bytes[at])) at++
    return at
  }
  let depth = 0
  do {
    const byte = bytes[at]
    if (byte === QUOTE) {
      at = skipString(bytes, at)
      continue
    }
    if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--
    at++
  } while (depth > 0)
  return at
}

export function skipString(bytes: Buffer, start: number): number {
  let at = start + 1
  while (bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1
  return at + 1
}

function isEnd(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || byte <= SPACE
}
