import { RE2JS } from 're2js'

/**
 * A regular expression from a configuration. RE2 matches in linear time, whatever the text and the
 * pattern are.
 */
export interface Pattern {
  /** As written, for example `/pass(word)?/i`. */
  readonly text: string
  /**
   * True if the pattern occurs in the text or in its NFKC form, so fullwidth letters and combining
   * marks do not evade it.
   */
  test(text: string): boolean
}

const FLAGS = new Map([
  ['i', RE2JS.CASE_INSENSITIVE],
  ['m', RE2JS.MULTILINE],
  ['s', RE2JS.DOTALL],
  // Patterns always work on code points.
  ['u', 0],
])

/**
 * A text with more slashes inside (`/usr/bin/`) is not a pattern: within a pattern, a slash is
 * written `\/`.
 */
const WRITTEN = /^\/((?:[^/\\]|\\[^])+)\/([imsu]*)$/

/**
 * Parses a text such as `/phone|address/i`; undefined if it is not written as a pattern.
 * @throws Error on invalid syntax.
 */
export function parsePattern(text: string): Pattern | undefined {
  const written = WRITTEN.exec(text)
  if (written === null) return undefined
  return createPattern(written[1], written[2])
}

/** @throws Error if the source is not a valid pattern, or a flag is unknown or repeated. */
export function createPattern(source: string, flags: string): Pattern {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(source), readFlags(flags))
  const known = new Map<string, boolean>()
  const matches = (text: string): boolean => {
    if (compiled.test(text)) return true
    if (isAscii(text)) return false
    const normal = text.normalize('NFKC')
    return normal !== text && compiled.test(normal)
  }
  return {
    text: `/${source}/${flags}`,
    test(text) {
      let decided = known.get(text)
      if (decided === undefined) {
        decided = matches(text)
        if (known.size === MAX_REMEMBERED) known.clear()
        if (text.length <= MAX_REMEMBERED_LENGTH) known.set(text, decided)
      }
      return decided
    },
  }
}

/**
 * Results are cached, because the same keys and field names come again and again. The limits keep
 * hostile texts from filling the cache.
 */
const MAX_REMEMBERED = 4096
const MAX_REMEMBERED_LENGTH = 256

function readFlags(flags: string): number {
  let bits = 0
  for (const [at, flag] of flags.split('').entries()) {
    const bit = FLAGS.get(flag)
    if (bit === undefined) throw new Error(`unknown flag "${flag}"; the flags are i, m, s and u`)
    if (flags.indexOf(flag) !== at) throw new Error(`flag "${flag}" is repeated`)
    bits |= bit
  }
  return bits
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}
