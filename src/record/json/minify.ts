import { BACKSLASH, LINE_FEED, QUOTE, RETURN, SPACE, TAB } from './ascii.ts'

/**
 * One JSON value without the whitespace between its tokens, so that it fits one line. Strings stay byte for byte. Bytes that are not JSON do
 * not become JSON: a space is left where two literals would grow together.
 * @param into Memory for the result, at least as long; may be that of the value itself.
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

/** What a byte outside of strings belongs to. */
const KINDS = new Uint8Array(256).fill(LITERAL)
for (const byte of Buffer.from('{}[]:,')) KINDS[byte] = STRUCTURE
for (const byte of [SPACE, TAB, RETURN, LINE_FEED]) KINDS[byte] = WHITESPACE
KINDS[QUOTE] = STRING
