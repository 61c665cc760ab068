import { applyPatches } from '../edits.ts'
import type { Patch } from '../edits.ts'
import type { Json, JsonObject } from '../json/json.ts'
import { jsonText, writeJson } from '../json/json-text.ts'
import { MEMBER_STRIDE, readMembers, readName, readSomeMembers, skipSpaceBack } from '../json/walk.ts'

/**
 * Rewrites a line for a changed object. `before` was parsed from the line. Values that are
 * identical, or equal member by member, keep their bytes. Of duplicate keys the last counts; the
 * others are removed when it is changed or removed.
 * @throws SluiceError VALUE_INVALID
 */
export function writeChanges(line: Buffer, before: JsonObject, after: JsonObject, maxDepth: number): Buffer {
  if (before === after) return line
  if (Object.keys(after).length > 0 && !sharesMember(before, after)) return writeJson(after, maxDepth)
  const patches: Patch[] = []
  compareObjects({ line, patches }, { key: 0, start: 0, end: line.length }, before, after, maxDepth)
  return applyPatches(
    line,
    0,
    line.length,
    patches.toSorted((a, b) => a.start - b.start),
  )
}

/**
 * The JSON text of the members that `after` has in addition to all members of `before`; empty if
 * there are none. Undefined if the objects differ in any other way.
 * @throws SluiceError VALUE_INVALID
 */
export function writeAdded(before: JsonObject, after: JsonObject, maxDepth: number): string | undefined {
  if (before === after) return ''
  const keys = Object.keys(before)
  const values = Object.values(before)
  const newKeys = Object.keys(after)
  const newValues = Object.values(after)
  for (let at = 0; at < keys.length; at++) {
    if (newKeys[at] !== keys[at] || !Object.is(newValues[at], values[at])) return undefined
  }
  let members = ''
  for (let at = keys.length; at < newKeys.length; at++) {
    if (newValues[at] === undefined) continue
    if (members !== '') members += ','
    members += `${JSON.stringify(newKeys[at])}:${jsonText(newValues[at], maxDepth - 1)}`
  }
  return members
}

interface Change {
  readonly line: Buffer
  readonly patches: Patch[]
}

/** The offsets of a value and of its member (of an array element: of the value). */
type Span = Pick<Patch, 'key' | 'start' | 'end'>

function sharesMember(before: JsonObject, after: JsonObject): boolean {
  return Object.keys(after).some((key) => Object.hasOwn(before, key))
}

function compare(change: Change, span: Span, before: Json, after: Json, depth: number): void {
  if (Object.is(before, after)) return
  if (depth > 0 && isPlainObject(before) && isPlainObject(after))
    return compareObjects(change, span, before, after, depth)
  if (depth > 0 && Array.isArray(before) && Array.isArray(after))
    return compareArrays(change, span, before, after, depth)
  change.patches.push({ ...span, json: writeJson(after, depth) })
}

function compareObjects(change: Change, whole: Span, earlier: JsonObject, after: JsonObject, depth: number): void {
  const { line, patches } = change
  const names = Object.keys(earlier)
  const { changed, found } = findChanged(names, earlier, after)
  for (const { name, span, duplicates } of changed.length === 0 ? [] : locate(line, whole.start, names, changed)) {
    const before = patches.length
    const value = Object.hasOwn(after, name) ? after[name] : undefined
    if (value !== undefined) compare(change, span, earlier[name], value, depth - 1)
    else patches.push({ ...span, json: undefined })
    if (patches.length > before) for (const duplicate of duplicates) patches.push({ ...duplicate, json: undefined })
  }
  if (found === Object.keys(after).length) return
  const added = Object.keys(after).filter((name) => !Object.hasOwn(earlier, name) && after[name] !== undefined)
  if (added.length === 0) return
  const members = added.map((name) => `${JSON.stringify(name)}:${jsonText(after[name], depth - 1)}`)
  patches.push(append(line, whole, members.join(',')))
}

/**
 * The positions of names whose values are not identical in `after`, and the number of names that
 * `after` has.
 */
function findChanged(
  names: readonly string[],
  earlier: JsonObject,
  after: JsonObject,
): { changed: number[]; found: number } {
  const values = Object.values(earlier)
  const newNames = Object.keys(after)
  const newValues = Object.values(after)
  const changed: number[] = []
  let next = 0
  let found = 0
  for (let at = 0; at < names.length; at++) {
    const name = names[at]
    // Usually the members are in their old order.
    if (newNames[next] === name) {
      if (!Object.is(newValues[next++], values[at])) changed.push(at)
      found++
    } else if (Object.hasOwn(after, name)) {
      if (!Object.is(after[name], values[at])) changed.push(at)
      found++
    } else changed.push(at)
  }
  return { changed, found }
}

/** A member, and the earlier members with the same key, which do not count. */
interface Member {
  readonly name: string
  readonly span: Span
  readonly duplicates: readonly Span[]
}

/**
 * Finds the offsets of some members of an object. `names` are the keys of the object that was
 * parsed from it.
 */
function locate(line: Buffer, start: number, names: readonly string[], wanted: readonly number[]): Member[] {
  // The parsed object has its keys in the order of the text, unless there are duplicates or integer
  // keys, which come first.
  const offsets = /^\d/.test(names[0]) ? undefined : readSomeMembers(line, start, wanted, names.length)
  if (offsets !== undefined) {
    return wanted.map((position, at) => ({ name: names[position], span: spanAt(offsets, at), duplicates: [] }))
  }
  const all = readMembers(line, start)
  const spans = Array.from({ length: all.length / MEMBER_STRIDE }, (_, at) => spanAt(all, at))
  const texts = spans.map(({ key }) => readName(line, key))
  return wanted.map((position) => {
    const name = names[position]
    const own = spans.filter((_, at) => texts[at] === name)
    return { name, span: own[own.length - 1], duplicates: own.slice(0, -1) }
  })
}

function spanAt(offsets: readonly number[], at: number): Span {
  return {
    key: offsets[MEMBER_STRIDE * at],
    start: offsets[MEMBER_STRIDE * at + 1],
    end: offsets[MEMBER_STRIDE * at + 2],
  }
}

function compareArrays(
  change: Change,
  whole: Span,
  before: readonly Json[],
  after: readonly Json[],
  depth: number,
): void {
  const { line, patches } = change
  const offsets = readMembers(line, whole.start)
  if (before.length === after.length) {
    for (let at = 0; at < after.length; at++) compare(change, spanAt(offsets, at), before[at], after[at], depth - 1)
  } else if (isPrefix(before, after)) {
    for (let at = after.length; at < before.length; at++) patches.push({ ...spanAt(offsets, at), json: undefined })
    if (after.length < before.length) return
    const added = Array.from(after.slice(before.length), (element) => jsonText(element, depth - 1))
    patches.push(append(line, whole, added.join(',')))
  } else {
    const texts = elementTexts(line, offsets, before)
    const elements = Array.from(after, (element) => texts.get(element) ?? jsonText(element, depth - 1))
    patches.push({ ...whole, json: Buffer.from(`[${elements.join(',')}]`) })
  }
}

/** True if one array is a prefix of the other. */
function isPrefix(before: readonly Json[], after: readonly Json[]): boolean {
  const shared = Math.min(before.length, after.length)
  for (let at = 0; at < shared; at++) if (!Object.is(before[at], after[at])) return false
  return true
}

/**
 * The text of each element, for elements that move. Equal numbers with different spellings are left
 * out.
 */
function elementTexts(
  line: Buffer,
  offsets: readonly number[],
  before: readonly Json[],
): Map<Json, string | undefined> {
  const texts = new Map<Json, string | undefined>()
  for (const [at, element] of before.entries()) {
    const { start, end } = spanAt(offsets, at)
    const text = line.toString('utf8', start, end)
    texts.set(element, texts.has(element) && texts.get(element) !== text ? undefined : text)
  }
  return texts
}

/** A patch that appends to an object or array. */
function append(line: Buffer, { end }: Span, members: string): Patch {
  const at = skipSpaceBack(line, end - 2) + 1
  return { key: at, start: at, end: at, json: Buffer.from(members) }
}

function isPlainObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('toJSON' in value)
}
