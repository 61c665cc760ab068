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

/** Numbers of a place. */
export const PLACE = 3

/**
 * Where the members of the object, or elements of the array, are that begins at `start` of JSON text known to be valid. `PLACE` numbers
 * for each: start of the key (of the element), start and end of the value.
 */
export function readPlaces(bytes: Buffer, start: number): number[] {
  const places: number[] = []
  walk(bytes, start, (key, value, end) => void places.push(key, value, end))
  return places
}

/** The same for some of them, by ascending position; undefined when there is not that number of members (or elements) in all. */
export function readSomePlaces(
  bytes: Buffer,
  start: number,
  wanted: readonly number[],
  count: number,
): number[] | undefined {
  const places: number[] = []
  let at = 0
  let next = 0
  walk(bytes, start, (key, value, end) => {
    if (at++ !== wanted[next]) return
    places.push(key, value, end)
    next++
  })
  return at === count ? places : undefined
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

/** What the key that begins here spells. */
export function readName(bytes: Buffer, start: number): string {
  const raw = bytes.toString('utf8', start + 1, skipString(bytes, start) - 1)
  return raw.includes('\\') ? readString(`"${raw}"`) : raw
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

/** The position of the first byte from here on that is not whitespace. */
export function skipSpace(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === RETURN) at++
  return at
}

/** The position of the first byte from here backwards that is not whitespace. */
export function skipSpaceBack(bytes: Buffer, start: number): number {
  let at = start
  while (bytes[at] === SPACE || bytes[at] === TAB || bytes[at] === RETURN) at--
  return at
}
