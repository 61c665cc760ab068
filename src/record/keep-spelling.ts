import { applyPatches } from './edits.ts'
import type { Patch } from './edits.ts'
import { MINUS, NINE, OPEN_ARRAY, OPEN_OBJECT, QUOTE, ZERO } from './json/ascii.ts'
import { readString } from './json/json-text.ts'
import { canonicalNumber } from './json/number.ts'
import { MEMBER_STRIDE, readMembers, readName, skipSpace, skipSpaceBack } from './json/walk.ts'
import type { LineChange } from './reuse-lines.ts'

/**
 * The change of a record's line that gives it the values of another line, which was written by a program
 * that parsed the record. Such a program spells everything in its own way: spaces, `\u00e9`, the order of members,
 * `1.10`. Values that are the same keep the bytes of `before`; values that differ get those of `after`.
 * A number that a program has rounded to a double is the same as before.
 *
 * Both lines are valid JSON objects without a line feed. If one has a key twice, or if they share no
 * member, all of `after` is taken.
 */
export function keepSpelling(before: Buffer, after: Buffer): LineChange {
  if (before.equals(after)) return {}
  const from = skipSpace(before, 0)
  const to = skipSpace(after, 0)
  const whole = { key: from, start: from, end: skipSpaceBack(before, before.length - 1) + 1 }
  const comparison: Comparison = { before, after, patches: [] }
  const end = skipSpaceBack(after, after.length - 1) + 1
  if (!compareObjects(comparison, whole, { key: to, start: to, end })) return { bytes: after }
  const patches = comparison.patches.toSorted((a, b) => a.start - b.start)
  if (patches.length === 0) return {}
  const [only] = patches
  // Nothing but new members: the rest of the record needs no other scan.
  if (patches.length === 1 && only.start === only.end && only.end === insertionOf(before, whole)) {
    return { members: textOf(only) }
  }
  return { bytes: applyPatches(before, 0, before.length, patches) }
}

interface Comparison {
  readonly before: Buffer
  readonly after: Buffer
  readonly patches: Patch[]
}

/** The offsets of a value, and of its member (of an array element: of the value). */
type Span = Pick<Patch, 'key' | 'start' | 'end'>

/** False if the objects cannot be compared member by member. */
function compareObjects(comparison: Comparison, old: Span, made: Span): boolean {
  const { before, after, patches } = comparison
  const oldMembers = membersOf(before, old)
  const newMembers = membersOf(after, made)
  if (oldMembers === undefined || newMembers === undefined) return false
  let shared = 0
  for (const [name, span] of oldMembers) {
    const other = newMembers.get(name)
    if (other === undefined) patches.push({ ...span, json: undefined })
    else {
      shared++
      compare(comparison, span, other)
    }
  }
  if (shared === 0 && newMembers.size > 0) return false
  const added: Buffer[] = []
  for (const [name, { key, end }] of newMembers) {
    if (oldMembers.has(name)) continue
    if (added.length > 0) added.push(COMMA)
    added.push(after.subarray(key, end))
  }
  if (added.length === 0) return true
  const at = insertionOf(before, old)
  patches.push({ key: at, start: at, end: at, json: Buffer.concat(added) })
  return true
}

const COMMA = Buffer.from(',')

/** Where members are appended to an object: after its last one. */
function insertionOf(bytes: Buffer, { end }: Span): number {
  return skipSpaceBack(bytes, end - 2) + 1
}

function compare(comparison: Comparison, old: Span, made: Span): void {
  const { before, after, patches } = comparison
  if (before.compare(after, made.start, made.end, old.start, old.end) === 0) return
  const kind = before[old.start]
  if (kind === after[made.start]) {
    const mark = patches.length
    if (kind === OPEN_OBJECT && compareObjects(comparison, old, made)) return
    if (kind === OPEN_ARRAY && compareArrays(comparison, old, made)) return
    patches.length = mark
  }
  const text = before.toString('utf8', old.start, old.end)
  const other = after.toString('utf8', made.start, made.end)
  if (kind === QUOTE && after[made.start] === QUOTE && readString(text) === readString(other)) return
  if (isNumber(kind) && isNumber(after[made.start]) && isSameNumber(text, other)) return
  patches.push({ ...old, json: after.subarray(made.start, made.end) })
}

/** False if the arrays differ in length: elements that moved are not looked for. */
function compareArrays(comparison: Comparison, old: Span, made: Span): boolean {
  const from = readMembers(comparison.before, old.start)
  const to = readMembers(comparison.after, made.start)
  if (from.length !== to.length) return false
  for (let at = 0; at < from.length; at += MEMBER_STRIDE) compare(comparison, spanAt(from, at), spanAt(to, at))
  return true
}

/** Undefined if a key is there twice. */
function membersOf(bytes: Buffer, { start }: Span): Map<string, Span> | undefined {
  const offsets = readMembers(bytes, start)
  const members = new Map<string, Span>()
  for (let at = 0; at < offsets.length; at += MEMBER_STRIDE) {
    members.set(readName(bytes, offsets[at]), spanAt(offsets, at))
  }
  return members.size === offsets.length / MEMBER_STRIDE ? members : undefined
}

function spanAt(offsets: readonly number[], at: number): Span {
  return { key: offsets[at], start: offsets[at + 1], end: offsets[at + 2] }
}

function isNumber(byte: number): boolean {
  return byte === MINUS || (byte >= ZERO && byte <= NINE)
}

/**
 * True for equal values, and for a number that was rounded to the nearest double: JavaScript, jq and
 * others hold all numbers in doubles. A number with more digits than a double has was not rounded.
 */
function isSameNumber(before: string, after: string): boolean {
  const canonical = canonicalNumber(after)
  if (canonicalNumber(before) === canonical) return true
  const digits = canonical.replace(/e.*$/, '').replace(/^-/, '').length
  return digits <= DOUBLE_DIGITS && Number(before) === Number(after) && Number.isFinite(Number(after))
}

/** A double is written with 17 significant digits at most. */
const DOUBLE_DIGITS = 17

function textOf({ json }: Patch): string {
  return json?.toString() ?? ''
}
