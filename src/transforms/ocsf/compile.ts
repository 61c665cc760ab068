import type { Batch } from '../../record/batch.ts'
import { compileCondition } from '../../record/author/condition.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { ValueKind } from '../../record/scan.ts'
import { CATEGORIES, CLASSES, COMMON, SEVERITIES, STATUSES, VERSION } from './classes.ts'
import type { ClassFacts } from './classes.ts'
import { convert, sourceAt, sourceOf, textOf } from './convert.ts'
import { compileEach, elementsOf, valueIn } from './elements.ts'
import { isComplete, objectText } from './object-text.ts'
import type { Source } from './convert.ts'
import { readElementPath, splitTargets, textsOf, typeOfTarget } from './mapping.ts'
import type { Assignment, Assignments, EventRule, Mapping } from './mapping.ts'
import { isScalar, OBJECTS, typeOfMember } from './objects.ts'
import type { ObjectFacts, Scalar } from './objects.ts'

/** An event of OCSF without `unmapped` and the closing brace. */
export interface Event {
  readonly json: string
  /** Paths whose values the event has word for word. */
  readonly used: readonly Path[]
}

/** Writes the event of a record; undefined if the record has no time. */
export function compileMapping(mapping: Mapping, paths: Paths): (batch: Batch, record: number) => Event | undefined {
  const type = paths.add(mapping.type)
  const rules = mapping.events.map((rule) => ({
    matches: namesTest(rule.names),
    holds: rule.when === undefined ? undefined : compileCondition(rule.when, paths),
    write: compileRule(rule, mapping.all, paths),
  }))
  const base = compileRule({ names: [], class: 'base_event', activity: 'Other' }, mapping.all, paths)
  const known = new Map<string, typeof rules>()
  const rulesFor = (name: string) => {
    const found = known.get(name) ?? rules.filter(({ matches }) => matches(name))
    if (known.size < MAX_KNOWN) known.set(name, found)
    return found
  }
  return (batch, record) => {
    const name = sourceAt(batch, batch.hit(record, type))
    for (const { holds, write } of rulesFor(name?.text ?? '')) {
      if (holds !== undefined && !holds(batch, record)) continue
      const event = write(batch, record, name)
      if (event !== undefined) return event
    }
    // An event that lacks what every class requires stays an event.
    return base(batch, record, name)
  }
}

/** Kinds of events whose rules are remembered. */
const MAX_KNOWN = 10_000

function namesTest(names: readonly string[]): (name: string) => boolean {
  const exact = new Set(names.filter((name) => !name.includes('*')))
  const parts = names.filter((name) => name.includes('*')).map((name) => name.split('*'))
  return (name) => exact.has(name) || parts.some((texts) => matchesParts(name, texts))
}

/** Whether a name consists of these texts, in this order, with anything between them. */
function matchesParts(name: string, [first, ...rest]: readonly string[]): boolean {
  if (!name.startsWith(first)) return false
  let at = first.length
  const last = rest.at(-1) ?? ''
  for (const text of rest.slice(0, -1)) {
    const found = name.indexOf(text, at)
    if (found < 0) return false
    at = found + text.length
  }
  return name.length >= at + last.length && name.endsWith(last)
}

type Write = (batch: Batch, record: number, name: Source | undefined) => Event | undefined

function compileRule(rule: EventRule, all: Assignments, paths: Paths): Write {
  const facts = CLASSES[rule.class]
  const root: Tree = { facts: { ...facts, members: {} }, members: new Map() }
  const owners = [COMMON, facts]
  fill(root, owners, { ...FIXED, ...all, ...rule.set }, paths)
  const activity = facts.activities.indexOf(rule.activity) + 1 || (rule.activity === 'Other' ? 99 : 0)
  const head = headOf(facts, activity, rule.activity)
  return (batch, record, name) => {
    const used: Path[] = []
    const members = writeMembers(root, batch, record, used)
    if (!members.has('time') || !isComplete(facts, members)) return undefined
    named(members, 'severity', SEVERITIES, '1')
    named(members, 'status', STATUSES)
    let json = head
    if (activity === 99) json += `,"activity_name":${name === undefined ? '"Other"' : textOf(name)}`
    for (const [key, text] of members) json += `,"${key}":${text}`
    return { json, used }
  }
}

const FIXED: Assignments = { 'metadata.version': { value: VERSION }, 'metadata.profiles': { value: ['cloud'] } }

function headOf({ uid, name, category, activities }: ClassFacts, activity: number, activityName: string): string {
  const shown = activity === 0 || activity > activities.length ? activityName : activities[activity - 1]
  const head = {
    class_uid: uid,
    class_name: name,
    category_uid: category,
    category_name: CATEGORIES[category],
    type_uid: uid * 100 + activity,
    type_name: `${name}: ${shown}`,
    activity_id: activity,
    ...(activity !== 99 && { activity_name: shown }),
  }
  return JSON.stringify(head).slice(0, -1)
}

/** Adds the name of an id, and the usual id if there is none. */
function named(members: Map<string, string>, name: string, names: { readonly [id: string]: string }, usual?: string) {
  const id = members.get(`${name}_id`) ?? usual
  if (id === undefined) return
  members.set(`${name}_id`, id)
  const caption = names[id]
  if (!members.has(name) && caption !== undefined) members.set(name, JSON.stringify(caption))
}

/** An object to write. */
interface Tree {
  readonly facts: ObjectFacts
  readonly members: Map<string, Tree | Leaf>
}

/** The JSON text of a value; undefined if the record has none. Adds the paths that it makes superfluous. */
type Leaf = (batch: Batch, record: number, used: Path[]) => string | undefined

function fill(root: Tree, owners: Owners, assignments: Assignments, paths: Paths): void {
  for (const [targets, assignment] of Object.entries(assignments)) {
    const tried: Scalar[] = []
    for (const target of splitTargets(targets)) {
      const type = typeOfTarget(owners, target)
      // What is set for all events is left out where the class has no place for it.
      if (typeof type === 'object') continue
      plant(root, owners, target.split('.'), compileAssignment(assignment, type, [...tried], paths))
      if (isScalar(type)) tried.push(type)
    }
  }
}

type Owners = readonly Pick<ObjectFacts, 'members'>[]

function plant(tree: Tree, owners: Owners, [key, ...inner]: readonly string[], leaf: Leaf) {
  if (inner.length === 0) {
    tree.members.set(key, leaf)
    return
  }
  const facts = OBJECTS[owners.map((one) => typeOfMember(one, key)).find((type) => type !== undefined) ?? '']
  const known = tree.members.get(key)
  const object: Tree = typeof known === 'object' ? known : { facts, members: new Map() }
  tree.members.set(key, object)
  plant(object, [facts], inner, leaf)
}

function writeMembers(tree: Tree, batch: Batch, record: number, used: Path[]): Map<string, string> {
  const written = new Map<string, string>()
  for (const [key, member] of tree.members) {
    const text = typeof member === 'function' ? member(batch, record, used) : writeObject(member, batch, record, used)
    if (text !== undefined) written.set(key, text)
  }
  return written
}

/** An object that lacks what OCSF requires is left out, and its sources stay. */
function writeObject(tree: Tree, batch: Batch, record: number, used: Path[]): string | undefined {
  const before = used.length
  const members = writeMembers(tree, batch, record, used)
  if (members.size > 0 && isComplete(tree.facts, members)) return objectText(members)
  used.length = before
  return undefined
}

function compileAssignment(assignment: Assignment, type: string, tried: readonly Scalar[], paths: Paths): Leaf {
  if (typeof assignment === 'object' && 'value' in assignment) {
    const json = JSON.stringify(assignment.value)
    return () => json
  }
  if (typeof assignment === 'object' && 'each' in assignment) return compileEach(assignment, type.slice(1, -1), paths)
  if (typeof assignment === 'object' && 'set' in assignment) return compileOne(assignment.set, type.slice(1, -1), paths)
  if (!isScalar(type)) return () => undefined
  const {
    from,
    map,
    else: other,
  } = isCopy(assignment) ? assignment : { from: assignment, map: undefined, else: undefined }
  const sources = textsOf(from).map((text) => compileSource(text, type, paths))
  const reversible = reversibleTexts(map ?? {})
  const otherwise = other === undefined ? undefined : JSON.stringify(other)
  const isTaken = (batch: Batch, record: number) =>
    sources.some((source) => {
      const value = source(batch, record)?.value
      return typeof value === 'object' && tried.some((earlier) => convert(value, earlier) !== undefined)
    })
  return (batch, record, used) => {
    if (tried.length > 0 && isTaken(batch, record)) return undefined
    for (const source of sources) {
      const found = source(batch, record)
      if (found === undefined) continue
      const { value, path } = found
      if (typeof value === 'string') {
        if (path !== undefined) used.push(path)
        return value
      }
      if (map !== undefined) {
        if (Object.hasOwn(map, value.text)) {
          if (reversible.has(value.text) && path !== undefined) used.push(path)
          return JSON.stringify(map[value.text])
        }
        if (value.text === '' || !Object.hasOwn(map, '*')) continue
        return JSON.stringify(map['*'])
      }
      const converted = convert(value, type)
      if (converted === undefined) continue
      if (converted.isExact && path !== undefined) used.push(path)
      return converted.json
    }
    return otherwise
  }
}

/** Writes a list of one object. */
function compileOne(set: Assignments, object: string, paths: Paths): Leaf {
  const facts = OBJECTS[object]
  const root: Tree = { facts, members: new Map() }
  fill(root, [facts], set, paths)
  return (batch, record, used) => {
    const text = writeObject(root, batch, record, used)
    return text === undefined ? undefined : `[${text}]`
  }
}

/** The texts that follow from the value that the table has for them. */
function reversibleTexts(map: { readonly [text: string]: unknown }): Set<string> {
  const texts = Object.keys(map).filter((text) => text !== '*')
  const isAlone = (text: string) => Object.keys(map).every((other) => other === text || map[other] !== map[text])
  return new Set(texts.filter(isAlone))
}

function isCopy(assignment: Assignment): assignment is Extract<Assignment, { from: unknown }> {
  return typeof assignment === 'object' && 'from' in assignment
}

interface Found {
  /** A scalar, or the JSON text of a list of texts. */
  readonly value: Source | string
  /** Undefined if the value is inside an array, which stays whole. */
  readonly path: Path | undefined
}

function compileSource(text: string, type: Scalar, paths: Paths): (batch: Batch, record: number) => Found | undefined {
  const element = readElementPath(text)
  if (element !== undefined) {
    const array = paths.add(element.array)
    return (batch, record) => {
      const found = elementsOf(batch, record, array).find((one) => String(one[element.member]) === element.text)
      const value = found === undefined ? undefined : sourceOf(valueIn(found, element.keys))
      return value === undefined ? undefined : { value, path: undefined }
    }
  }
  const path = paths.add(text)
  return (batch, record) => {
    const hit = batch.hit(record, path)
    if (type === '[string]' && hit >= 0 && batch.kind(hit) === ValueKind.array) {
      const json = batch.raw(hit).toString()
      const list: unknown = JSON.parse(json)
      const isTexts = Array.isArray(list) && list.length > 0 && list.every((one) => typeof one === 'string')
      return isTexts ? { value: json, path } : undefined
    }
    const value = sourceAt(batch, hit)
    return value === undefined ? undefined : { value, path }
  }
}
