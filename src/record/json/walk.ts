import {
  BACKSLASH,
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  RETURN,
  SPACE,
  TAB,
} from './ascii.ts'
import { readString } from './json-text.ts'

/** Numbers per member or element in the results of `readMembers`. */
export const MEMBER_STRIDE = 3

/**
 * Returns the offsets of the members (or elements) of the object (or array) at `start`, in JSON
 * text known to be valid. `MEMBER_STRIDE` numbers for each: start of the key (in an array, of the
 * element), start and end of the value.
 */
export function readMembers(bytes: Buffer, start: number): number[] {
  const offsets: number[] = []
  walk(bytes, start, (key, value, end) => void offsets.push(key, value, end))
  return offsets
}

/**
 * Returns the offsets of the members at the `wanted` positions, in ascending order. Undefined if
 * the number of all members is not `count`.
 */
export function readSomeMembers(
  bytes: Buffer,
  start: number,
  wanted: readonly number[],
  count: number,
): number[] | undefined {
  const offsets: number[] = []
  let at = 0
  let next = 0
  walk(bytes, start, (key, value, end) => {
    if (at++ !== wanted[next]) return
    offsets.push(key, value, end)
    next++
  })
  return at === count ? offsets : undefined
}

function walk(bytes: Buffer, start: number, visit: (key: number, value: number, end: number) => void): void {
  const isObject = bytes[start] === OPEN_OBJECT
  let at = skipSpace(bytes, start + 1)
  while (bytes[at] !== CLOSE_OBJECT && bytes[at] !== CLOSE_ARRAY) {
    const key = at
    if (isObject) at = skipSpace(bytes, skipSpace(bytes, skipString(bytes, at)) + 1)
    const value = at
    at = skipValue(bytes, at)
    visit(key, value, at)
    if (bytes[at] !== COMMA) at = skipSpace(bytes, at)
    if (bytes[at] === COMMA) at = skipSpace(bytes, at + 1)
  }
}

/** Decodes the key at `start`. */
export function readName(bytes: Buffer, start: number): string {
  const raw = bytes.toString('utf8', start + 1, skipString(bytes, start) - 1)
  return raw.includes('\\') ? readString(`"${raw}"`) : raw
}

/** The names of the members of an object, also those that are there twice. */
export function readNames(object: Buffer): string[] {
  const names: string[] = []
  walk(object, 0, (key) => void names.push(readName(object, key)))
  return names
}

/** The end of the value that begins at `start`. */
export function skipValue(bytes: Buffer, start: number): number {
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

/** How deeply objects and arrays are nested in a JSON text; 0 for any other value. */
export function depthOf(json: Buffer, start = 0, end = json.length): number {
  if (json[start] !== OPEN_OBJECT && json[start] !== OPEN_ARRAY) return 0
  let deepest = 0
  let depth = 0
  for (let at = start; at < end; at++) {
    const byte = json[at]
    if (byte === QUOTE) at = skipString(json, at) - 1
    else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) deepest = Math.max(deepest, ++depth)
    else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) depth--
  }
  return deepest
}

export function skipString(bytes: Buffer, start: number): number {
  let at = start + 1
  for (;;) {
    let byte = bytes[at]
    while (byte !== QUOTE && byte !== BACKSLASH) byte = bytes[++at]
    if (byte === QUOTE) return at + 1
    at += 2
  }
}

function isEnd(byte: number): boolean {
  return byte === COMMA || byte === CLOSE_OBJECT || byte === CLOSE_ARRAY || byte <= SPACE
}

/** The position of the first byte at or after `start` that is not whitespace. */
export function skipSpace(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === RETURN) at++
  return at
}

/** The position of the last byte at or before `start` that is not whitespace. */
export function skipSpaceBack(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === RETURN) at--
  return at
}
