import { spliceBytes } from '../edits.ts'
import { skipSpaceBack } from '../json/walk.ts'
import type { Splice } from '../edits.ts'
import type { Json, JsonObject } from '../json/json.ts'
import { jsonText, writeJson } from '../json/json-text.ts'
import { PLACE, readName, readPlaces, readSomePlaces } from '../json/walk.ts'

/**
 * The line with what differs between the object that was parsed from it and another one. What is the same (identical, or member by member
 * the same) keeps its bytes; of duplicate keys the last counts, and its twins go when it is changed or removed.
 * @throws SluiceError VALUE_INVALID
 */
export function writeChanges(line: Buffer, before: JsonObject, after: JsonObject, maxDepth: number): Buffer {
  if (before === after) return line
  if (Object.keys(after).length > 0 && !sharesMember(before, after)) return writeJson(after, maxDepth)
  const splices: Splice[] = []
  compareObjects({ line, splices }, { key: 0, start: 0, end: line.length }, before, after, maxDepth)
  return spliceBytes(
    line,
    0,
    line.length,
    splices.toSorted((a, b) => a.start - b.start),
  )
}

/**
 * The members that an object has behind all those of another one, as JSON text: none gives an empty one. Undefined when it differs in any
 * other way.
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
  readonly splices: Splice[]
}

/** Where a value is, and where its member begins (of an element, itself). */
type Part = Pick<Splice, 'key' | 'start' | 'end'>

function sharesMember(before: JsonObject, after: JsonObject): boolean {
  return Object.keys(after).some((key) => Object.hasOwn(before, key))
}

function compare(change: Change, part: Part, before: Json, after: Json, depth: number): void {
  if (Object.is(before, after)) return
  if (depth > 0 && isPlainObject(before) && isPlainObject(after))
    return compareObjects(change, part, before, after, depth)
  if (depth > 0 && Array.isArray(before) && Array.isArray(after))
    return compareArrays(change, part, before, after, depth)
  change.splices.push({ ...part, json: writeJson(after, depth) })
}

function compareObjects(change: Change, whole: Part, earlier: JsonObject, after: JsonObject, depth: number): void {
  const { line, splices } = change
  const names = Object.keys(earlier)
  const { changed, found } = findChanged(names, earlier, after)
  let missing = 0
  for (const { name, part, twins } of changed.length === 0 ? [] : locate(line, whole.start, names, changed)) {
    const before = splices.length
    const value = Object.hasOwn(after, name) ? after[name] : undefined
    if (value !== undefined) compare(change, part, earlier[name], value, depth - 1)
    else {
      splices.push({ ...part, json: undefined })
      missing++
    }
    if (splices.length > before) for (const twin of twins) splices.push({ ...twin, json: undefined })
  }
  if (found === Object.keys(after).length) return
  const added = Object.keys(after).filter((name) => !Object.hasOwn(earlier, name) && after[name] !== undefined)
  if (added.length === 0) return
  const members = added.map((name) => `${JSON.stringify(name)}:${jsonText(after[name], depth - 1)}`)
  splices.push(append(line, whole, members.join(','), names.length > missing))
}

/** The positions of names whose values are not the very same, and how many of the names are there at all. */
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
    // Mostly members stand in the order in which they stood.
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

/** A member, and those before it that have the same key: they do not count. */
interface Member {
  readonly name: string
  readonly part: Part
  readonly twins: readonly Part[]
}

/** Where some of an object's members are, given the keys of the object that was parsed from it. */
function locate(line: Buffer, start: number, names: readonly string[], wanted: readonly number[]): Member[] {
  // The parsed object has its keys in the order of the text, unless some stand twice or are array indexes, which come first.
  const places = /^\d/.test(names[0]) ? undefined : readSomePlaces(line, start, wanted, names.length)
  if (places !== undefined) {
    return wanted.map((position, at) => ({ name: names[position], part: partAt(places, at), twins: [] }))
  }
  const all = readPlaces(line, start)
  const parts = Array.from({ length: all.length / PLACE }, (_, at) => partAt(all, at))
  const spelled = parts.map(({ key }) => readName(line, key))
  return wanted.map((position) => {
    const name = names[position]
    const own = parts.filter((_, at) => spelled[at] === name)
    return { name, part: own[own.length - 1], twins: own.slice(0, -1) }
  })
}

function partAt(places: readonly number[], at: number): Part {
  return { key: places[PLACE * at], start: places[PLACE * at + 1], end: places[PLACE * at + 2] }
}

function compareArrays(
  change: Change,
  whole: Part,
  before: readonly Json[],
  after: readonly Json[],
  depth: number,
): void {
  const { line, splices } = change
  const places = readPlaces(line, whole.start)
  if (before.length === after.length) {
    for (let at = 0; at < after.length; at++) compare(change, partAt(places, at), before[at], after[at], depth - 1)
  } else if (beginAlike(before, after)) {
    for (let at = after.length; at < before.length; at++) splices.push({ ...partAt(places, at), json: undefined })
    if (after.length < before.length) return
    const added = Array.from(after.slice(before.length), (element) => jsonText(element, depth - 1))
    splices.push(append(line, whole, added.join(','), before.length > 0))
  } else {
    const spelled = spellElements(line, places, before)
    const elements = Array.from(after, (element) => spelled.get(element) ?? jsonText(element, depth - 1))
    splices.push({ ...whole, json: Buffer.from(`[${elements.join(',')}]`) })
  }
}

/** One of the two is the other one and more. */
function beginAlike(before: readonly Json[], after: readonly Json[]): boolean {
  const shared = Math.min(before.length, after.length)
  for (let at = 0; at < shared; at++) if (!Object.is(before[at], after[at])) return false
  return true
}

/** The bytes that each element brings along when elements move. Numbers that look alike but are spelled in two ways are left out. */
function spellElements(
  line: Buffer,
  places: readonly number[],
  before: readonly Json[],
): Map<Json, string | undefined> {
  const spelled = new Map<Json, string | undefined>()
  for (const [at, element] of before.entries()) {
    const { start, end } = partAt(places, at)
    const text = line.toString('utf8', start, end)
    spelled.set(element, spelled.has(element) && spelled.get(element) !== text ? undefined : text)
  }
  return spelled
}

/** Behind the last member of an object. */
function append(line: Buffer, { end }: Part, members: string, comma: boolean): Splice {
  const at = skipSpaceBack(line, end - 2) + 1
  return { key: at, start: at, end: at, json: Buffer.from(comma ? `,${members}` : members) }
}

function isPlainObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !('toJSON' in value)
}
