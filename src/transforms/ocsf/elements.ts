import type { Batch } from '../../record/batch.ts'
import type { Path, Paths } from '../../record/paths/path.ts'
import { ValueKind } from '../../record/scan.ts'
import { convert, sourceOf } from './convert.ts'
import { textsOf, typeOfTarget } from './mapping.ts'
import type { Assignment } from './mapping.ts'
import { isComplete, objectText } from './object-text.ts'
import { isScalar, OBJECTS, typeOfMember } from './objects.ts'
import type { ObjectFacts } from './objects.ts'

/** Writes a list of objects, one for each element that has what OCSF requires. */
export function compileEach(
  { each, where = {}, set }: Extract<Assignment, { each: string }>,
  object: string,
  paths: Paths,
): (batch: Batch, record: number) => string | undefined {
  const array = paths.add(each)
  const facts = OBJECTS[object]
  const conditions = Object.entries(where).map(([member, texts]) => ({ member, texts: new Set(textsOf(texts)) }))
  const root: Plan = { facts, members: new Map() }
  for (const [target, from] of Object.entries(set)) {
    const type = typeOfTarget([facts], target)
    if (typeof type !== 'string' || !isScalar(type)) continue
    const sources = textsOf(from).map((text) => text.split('.'))
    plan(root, target.split('.'), (element) => {
      for (const keys of sources) {
        const source = sourceOf(valueIn(element, keys))
        const converted = source === undefined ? undefined : convert(source, type)
        if (converted !== undefined) return converted.json
      }
      return undefined
    })
  }
  return (batch, record) => {
    const written: string[] = []
    for (const element of elementsOf(batch, record, array)) {
      if (!conditions.every(({ member, texts }) => texts.has(String(element[member])))) continue
      const text = writePlan(root, element)
      if (text !== undefined) written.push(text)
    }
    return written.length === 0 ? undefined : `[${written.join(',')}]`
  }
}

/** An object to write for an element. */
interface Plan {
  readonly facts: ObjectFacts
  readonly members: Map<string, Plan | ((element: Element) => string | undefined)>
}

function plan(root: Plan, [key, ...inner]: readonly string[], leaf: (element: Element) => string | undefined): void {
  if (inner.length === 0) {
    root.members.set(key, leaf)
    return
  }
  const known = root.members.get(key)
  const facts = OBJECTS[typeOfMember(root.facts, key) ?? '']
  const object: Plan = typeof known === 'object' ? known : { facts, members: new Map() }
  root.members.set(key, object)
  plan(object, inner, leaf)
}

function writePlan({ facts, members }: Plan, element: Element): string | undefined {
  const written = new Map<string, string>()
  for (const [key, member] of members) {
    const text = typeof member === 'function' ? member(element) : writePlan(member, element)
    if (text !== undefined) written.set(key, text)
  }
  return written.size > 0 && isComplete(facts, written) ? objectText(written) : undefined
}

interface Element {
  readonly [member: string]: unknown
}

/** The objects in an array; none if there is no array. */
export function elementsOf(batch: Batch, record: number, path: Path): readonly Element[] {
  const hit = batch.hit(record, path)
  if (hit < 0 || batch.kind(hit) !== ValueKind.array) return []
  const list: unknown = JSON.parse(batch.raw(hit).toString())
  return Array.isArray(list) ? list.filter(isElement) : []
}

/** The value at keys; undefined if there is none. */
export function valueIn(element: Element, keys: readonly string[]): unknown {
  let value: unknown = element
  for (const key of keys) value = isElement(value) && Object.hasOwn(value, key) ? value[key] : undefined
  return value
}

function isElement(value: unknown): value is Element {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
