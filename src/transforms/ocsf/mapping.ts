import { suggest } from '../../fields/suggest.ts'
import type { Condition } from '../../record/author/record.ts'
import { parsePath } from '../../record/paths/grammar.ts'
import { keysOf } from '../../record/paths/path.ts'
import { memberNames, OBJECTS, typeOfMember } from './objects.ts'
import type { ObjectFacts } from './objects.ts'

/** How the events of one vendor become events of OCSF. See docs/ocsf.md for the file. */
export interface Mapping {
  /** Path of the member that says what kind of event a record is. */
  readonly type: string
  /** Members of every event, as far as its class has them. */
  readonly all: Assignments
  /** The first rule that matches, and whose class gets what it requires, decides. */
  readonly events: readonly EventRule[]
}

export interface EventRule {
  /** Kinds of events; an asterisk stands for any text. */
  readonly names: readonly string[]
  readonly when?: Condition
  /** A key of `CLASSES`. */
  readonly class: string
  /** One of the class's activities, `Unknown` or `Other`. */
  readonly activity: string
  readonly set?: Assignments
}

/** Values by target: a path in the class, or several with `|` between them, of which the first takes the value that can. */
export interface Assignments {
  readonly [targets: string]: Assignment
}

export type Assignment = string | readonly string[] | Constant | Copy | Each | One

interface Constant {
  readonly value: unknown
}

interface Copy {
  /** Paths of keys. The first one with a value of the target's type counts. */
  readonly from: string | readonly string[]
  /** The target's value for a source's value; `*` stands for any other. */
  readonly map?: { readonly [text: string]: string | number | boolean }
  /** The target's value if no source has one of `map`. */
  readonly else?: string | number | boolean
}

/** A list of objects, one for each element of an array of objects. */
interface Each {
  readonly each: string
  /** Members of the element and their texts: only such elements count. */
  readonly where?: { readonly [member: string]: string | readonly string[] }
  readonly set: { readonly [target: string]: string | readonly string[] }
}

/** A list of one object, made of the record itself. */
interface One {
  readonly set: Assignments
}

/** `target[type=User].id`: a member of the first element of an array that has this text. */
export interface ElementPath {
  readonly array: string
  readonly member: string
  readonly text: string
  readonly keys: readonly string[]
}

const ELEMENT = /^([^[\]]+)\[([\w-]+)=([^[\]=]+)\]\.(.+)$/

/** The parts of an element path; undefined for any other path. */
export function readElementPath(text: string): ElementPath | undefined {
  const [, array, member, wanted, inner] = ELEMENT.exec(text) ?? []
  return inner === undefined ? undefined : { array, member, text: wanted, keys: keysOf(parsePath(inner)) ?? [] }
}

/** The alternatives of a target. */
export function splitTargets(targets: string): string[] {
  return targets.split('|').map((target) => target.trim())
}

/** One text or several; none for anything else. */
export function textsOf(value: unknown): readonly string[] {
  return typeof value === 'string' ? [value] : isTexts(value) ? value : []
}

export function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

/** The type of the value at a target, or why there is none. */
export function typeOfTarget(
  facts: readonly Pick<ObjectFacts, 'members'>[],
  target: string,
): string | { readonly refused: string } {
  let at = facts
  let type: string | undefined
  const keys = target.split('.')
  for (const [depth, key] of keys.entries()) {
    type = at.map((one) => typeOfMember(one, key)).find((found) => found !== undefined)
    const names = at.flatMap(memberNames)
    const above = keys.slice(0, depth).join('.')
    if (type === undefined) {
      return { refused: `${above === '' ? 'the class' : above} has no ${key}; ${suggest(key, names, 'members')}` }
    }
    const inner = OBJECTS[type]
    if (inner === undefined && depth < keys.length - 1)
      return { refused: `${keys.slice(0, depth + 1).join('.')} is not an object` }
    if (inner !== undefined) at = [inner]
  }
  if (type === undefined || type in OBJECTS)
    return { refused: `${target} is an object: write a path to a member of it` }
  return type
}
