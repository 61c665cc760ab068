import { skipSpaceBack, spliceBytes } from './edits.ts'
import type { Splice } from './edits.ts'
import type { Json, JsonObject } from './json.ts'
import { jsonText, writeJson } from './json-text.ts'
import { readParts } from './walk.ts'
import type { Part } from './walk.ts'

/**
 * The line with what differs between the object that was parsed from it and another one. What is the same (identical, or member by member
 * the same) keeps its bytes; of duplicate keys the last counts, and its twins go when it is changed or removed.
 * @throws SluiceError VALUE_INVALID
 */
export function writeChanges(line: Buffer, before: JsonObject, after: JsonObject, maxDepth: number): Buffer {
  if (before === after) return line
  if (Object.keys(after).length > 0 && !sharesMember(before, after)) return writeJson(after, maxDepth)
  const splices: Splice[] = []
  compareObjects({ line, splices }, { name: '', key: 0, start: 0, end: line.length }, before, after, maxDepth)
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
  const parts = readParts(line, whole.start)
  const { last, others } = separateTwins(parts, Object.keys(earlier).length)
  const touched = new Set<string>()
  let kept = parts.length
  for (const part of last) {
    const { name } = part
    const value = Object.hasOwn(after, name) ? after[name] : undefined
    const before = splices.length
    if (value === undefined) {
      splices.push({ ...part, json: undefined })
      kept--
    } else {
      compare(change, part, earlier[name], value, depth - 1)
    }
    if (splices.length > before) touched.add(name)
  }
  for (const part of others) {
    if (!touched.has(part.name)) continue
    splices.push({ ...part, json: undefined })
    kept--
  }
  const added = Object.keys(after).filter((name) => !Object.hasOwn(earlier, name) && after[name] !== undefined)
  if (added.length === 0) return
  const members = added.map((name) => `${JSON.stringify(name)}:${writeJson(after[name], depth - 1).toString()}`)
  splices.push(append(line, whole, members.join(','), kept > 0))
}

/** Of members with the same key the last one counts. */
function separateTwins(parts: readonly Part[], names: number): { last: readonly Part[]; others: readonly Part[] } {
  if (parts.length === names) return { last: parts, others: [] }
  const lastOf = new Map(parts.map((part) => [part.name, part]))
  return { last: [...lastOf.values()], others: parts.filter((part) => lastOf.get(part.name) !== part) }
}

function compareArrays(
  change: Change,
  whole: Part,
  before: readonly Json[],
  after: readonly Json[],
  depth: number,
): void {
  const { line, splices } = change
  const parts = readParts(line, whole.start)
  if (before.length === after.length) {
    for (const [at, part] of parts.entries()) compare(change, part, before[at], after[at], depth - 1)
  } else if (beginAlike(before, after)) {
    for (const part of parts.slice(after.length)) splices.push({ ...part, json: undefined })
    if (after.length < before.length) return
    const added = Array.from(after.slice(before.length), (element) => writeJson(element, depth - 1).toString())
    splices.push(append(line, whole, added.join(','), before.length > 0))
  } else {
    const spelled = spellElements(line, parts, before)
    const elements = Array.from(after, (element) => spelled.get(element) ?? writeJson(element, depth - 1).toString())
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
function spellElements(line: Buffer, parts: readonly Part[], before: readonly Json[]): Map<Json, string | undefined> {
  const spelled = new Map<Json, string | undefined>()
  for (const [at, { start, end }] of parts.entries()) {
    const text = line.toString('utf8', start, end)
    spelled.set(before[at], spelled.has(before[at]) && spelled.get(before[at]) !== text ? undefined : text)
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
