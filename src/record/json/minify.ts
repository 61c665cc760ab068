import { BACKSLASH, LINE_FEED, QUOTE, RETURN, SPACE, TAB } from './ascii.ts'

/**
 * Removes the whitespace between the tokens of one JSON value, so that it fits on one line. Strings
 * keep their bytes. Invalid JSON does not become valid: a space remains where two literals would
 * merge into one.
 * @param into memory for the result, at least as long as the value; may be the value's own memory.
 */
export function minify(json: Buffer, into: Buffer = Buffer.allocUnsafe(json.length)): Buffer {
  const length = json.length
  let written = 0
  let at = 0
  while (at < length) {
    const byte = json[at++]
    const kind = KINDS[byte]
    if (kind === WHITESPACE) {
      while (at < length && KINDS[json[at]] === WHITESPACE) at++
      const between = written > 0 && at < length
      if (between && KINDS[into[written - 1]] === LITERAL && KINDS[json[at]] === LITERAL) into[written++] = SPACE
      continue
    }
    into[written++] = byte
    if (kind !== STRING) continue
    while (at < length) {
      const inner = json[at++]
      into[written++] = inner
      if (inner === QUOTE) break
      if (inner === BACKSLASH && at < length) into[written++] = json[at++]
    }
  }
  return into.subarray(0, written)
}

const LITERAL = 0
const STRUCTURE = 1
const WHITESPACE = 2
const STRING = 3

/** The class of each byte outside of strings. */
const KINDS = new Uint8Array(256).fill(LITERAL)
for (const byte of Buffer.from('{}[]:,')) KINDS[byte] = STRUCTURE
for (const byte of [SPACE, TAB, RETURN, LINE_FEED]) KINDS[byte] = WHITESPACE
KINDS[QUOTE] = STRING
