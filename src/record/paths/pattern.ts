import { RE2JS } from 're2js'

/** A regular expression of a configuration. It takes time proportional to the text, whatever the text and the pattern are. */
export interface Pattern {
  /** As it is written, for example `/pass(word)?/i`. */
  readonly text: string
  /**
   * True when the pattern occurs in the text as it is, or in its NFKC form: a spelling in fullwidth letters or with
   * combining marks does not slip by.
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

/** Texts that look like a pattern but have slashes inside (`/usr/bin/`) are not one: a slash in a pattern is written `\/`. */
const WRITTEN = /^\/((?:[^/\\]|\\[^])+)\/([imsu]*)$/

/** The pattern that a text such as `/phone|address/i` stands for; undefined when it does not look like one. @throws Error on bad syntax. */
export function parsePattern(text: string): Pattern | undefined {
  const written = WRITTEN.exec(text)
  if (written === null) return undefined
  return createPattern(written[1], written[2])
}

/** @throws Error when the source is not a pattern, or a flag is unknown or given twice. */
export function createPattern(source: string, flags: string): Pattern {
  const compiled = RE2JS.compile(RE2JS.translateRegExp(source), readFlags(flags))
  const known = new Map<string, boolean>()
  const decide = (text: string): boolean => {
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
        decided = decide(text)
        if (known.size === MAX_REMEMBERED) known.clear()
        if (text.length <= MAX_REMEMBERED_LENGTH) known.set(text, decided)
      }
      return decided
    },
  }
}

/** What is tested repeats (keys, names of fields); hostile texts must not pile up. */
const MAX_REMEMBERED = 4096
const MAX_REMEMBERED_LENGTH = 256

function readFlags(flags: string): number {
  let bits = 0
  for (const [at, flag] of flags.split('').entries()) {
    const bit = FLAGS.get(flag)
    if (bit === undefined) throw new Error(`unknown flag "${flag}": the flags are i, m, s and u`)
    if (flags.indexOf(flag) !== at) throw new Error(`flag "${flag}" is given twice`)
    bits |= bit
  }
  return bits
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false
  return true
}
