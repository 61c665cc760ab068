import { SluiceError } from '../../errors.ts'
import { suggest } from '../../fields/suggest.ts'
import { compileCondition } from '../../record/author/condition.ts'
import type { Condition } from '../../record/author/record.ts'
import { parsePath } from '../../record/paths/grammar.ts'
import { keysOf, Paths } from '../../record/paths/path.ts'
import { CLASSES, COMMON } from './classes.ts'
import type { ClassFacts } from './classes.ts'
import { isTexts, readElementPath, splitTargets, textsOf, typeOfTarget } from './mapping.ts'
import type { Assignments, EventRule, Mapping } from './mapping.ts'
import { isScalar, OBJECTS } from './objects.ts'
import type { ObjectFacts, Scalar } from './objects.ts'

/** Throws a SluiceError with the place of a value in the mapping, which its keys lead to. */
export type Fail = (keys: readonly (string | number)[], message: string) => never

/** The parsed file as a mapping. */
export function checkMapping(root: unknown, fail: Fail): Mapping {
  if (!isMap(root)) fail([], 'a mapping is a map with `type`, `all` and `events`')
  checkKeys(root, ['type', 'all', 'events'], [], fail)
  const { type, all = {}, events } = root
  if (typeof type !== 'string') fail(['type'], '`type` is the path of the member that names the kind of an event')
  checkSource(type, ['type'], fail)
  checkAssignments(all, [COMMON, ...Object.values(CLASSES)], ['all'], fail)
  if (!Array.isArray(events)) fail(['events'], '`events` is a list of rules')
  const rules = events.map((rule: unknown, at) => checkRule(rule, ['events', at], fail))
  return { type, all, events: rules }
}

function checkRule(rule: unknown, at: readonly (string | number)[], fail: Fail): EventRule {
  if (!isMap(rule)) fail(at, 'a rule is a map with `names`, `class` and `activity`')
  checkKeys(rule, ['names', 'when', 'class', 'activity', 'set'], at, fail)
  const { names, when, class: name, activity, set } = rule
  if (!isTexts(names) || names.length === 0) fail([...at, 'names'], '`names` is a list of kinds of events')
  if (when !== undefined) checkWhen(when, [...at, 'when'], fail)
  const facts = classOf(name, [...at, 'class'], fail)
  const activities = [...facts.activities, 'Unknown', 'Other']
  if (typeof activity !== 'string' || !activities.includes(activity)) {
    fail(
      [...at, 'activity'],
      `${facts.name} has no activity "${String(activity)}"; ${suggest(String(activity), activities, 'activities')}`,
    )
  }
  if (set !== undefined) checkAssignments(set, [COMMON, facts], [...at, 'set'], fail)
  return {
    names,
    class: String(name),
    activity,
    ...(isCondition(when) && { when }),
    ...(isAssignments(set) && { set }),
  }
}

function classOf(name: unknown, at: readonly (string | number)[], fail: Fail): ClassFacts {
  const facts = typeof name === 'string' && Object.hasOwn(CLASSES, name) ? CLASSES[name] : undefined
  return facts ?? fail(at, `no class "${String(name)}"; ${suggest(String(name), Object.keys(CLASSES), 'classes')}`)
}

function checkWhen(when: unknown, at: readonly (string | number)[], fail: Fail): void {
  if (!isCondition(when)) fail(at, '`when` is a condition, as in a filter')
  try {
    compileCondition(when, new Paths())
  } catch (error) {
    if (error instanceof SluiceError) fail(at, error.message)
    throw error
  }
}

type Owners = readonly Pick<ObjectFacts, 'members'>[]

function checkAssignments(
  set: unknown,
  owners: Owners,
  at: readonly (string | number)[],
  fail: Fail,
): asserts set is Assignments {
  if (!isMap(set)) fail(at, 'a map of paths in OCSF and where their values come from')
  for (const [targets, assignment] of Object.entries(set)) {
    const place = [...at, targets]
    for (const target of splitTargets(targets)) {
      const type = typeOfTarget(owners, target)
      if (typeof type === 'object') fail(place, type.refused)
      checkAssignment(assignment, type, place, fail)
    }
  }
}

function checkAssignment(assignment: unknown, type: string, at: readonly (string | number)[], fail: Fail): void {
  const element = /^\[(.+)\]$/.exec(type)?.[1]
  if (isMap(assignment) && 'each' in assignment) {
    if (element === undefined || element === 'string') fail(at, `the target is of type ${type}, not a list of objects`)
    checkKeys(assignment, ['each', 'where', 'set'], at, fail)
    const { each, where = {}, set } = assignment
    checkSource(each, [...at, 'each'], fail)
    if (!isMap(where) || !Object.values(where).every((one) => typeof one === 'string' || isTexts(one)))
      fail([...at, 'where'], '`where` is a map of members and their texts')
    if (!isMap(set)) fail([...at, 'set'], '`set` is a map of members of the object and paths in the element')
    for (const [target, from] of Object.entries(set)) {
      const inner = typeOfTarget([OBJECTS[element]], target)
      if (typeof inner === 'object') fail([...at, 'set', target], inner.refused)
      if (!isScalar(inner)) fail([...at, 'set', target], `${target} is a list of objects, which an element cannot fill`)
      for (const path of textsOf(from)) checkSource(path, [...at, 'set', target], fail)
    }
    return
  }
  if (isMap(assignment) && 'set' in assignment) {
    if (element === undefined || element === 'string') fail(at, `the target is of type ${type}, not a list of objects`)
    checkKeys(assignment, ['each', 'where', 'set'], at, fail)
    if ('where' in assignment)
      fail([...at, 'where'], '`where` chooses elements of an array: name the array with `each`')
    checkAssignments(assignment['set'], [OBJECTS[element]], [...at, 'set'], fail)
    return
  }
  if (!isScalar(type)) {
    fail(
      at,
      'the target is a list of objects: write { each: <path of an array>, set: … }, or { set: … } for one object',
    )
  }
  if (typeof assignment === 'string' || isTexts(assignment)) {
    for (const path of textsOf(assignment)) checkSource(path, at, fail)
    return
  }
  if (!isMap(assignment))
    fail(at, 'a path, a list of paths, { value: … }, { from: …, map: … }, { each: …, set: … } or { set: … }')
  if ('value' in assignment) {
    checkKeys(assignment, ['value'], at, fail)
    checkConstant(assignment['value'], type, [...at, 'value'], fail)
    return
  }
  checkKeys(assignment, ['from', 'map', 'else'], at, fail)
  const { from, map = {}, else: other } = assignment
  const paths = textsOf(from)
  if (paths.length === 0) fail([...at, 'from'], '`from` is a path, or a list of paths')
  for (const path of paths) checkSource(path, [...at, 'from'], fail)
  if (!isMap(map)) fail([...at, 'map'], '`map` is a map of texts and values')
  for (const [text, value] of Object.entries(map)) checkConstant(value, type, [...at, 'map', text], fail)
  if (other !== undefined) checkConstant(other, type, [...at, 'else'], fail)
}

function checkConstant(value: unknown, type: Scalar, at: readonly (string | number)[], fail: Fail): void {
  const isRight =
    type === 'integer' || type === 'time'
      ? Number.isSafeInteger(value)
      : type === 'number' || type === 'boolean'
        ? typeof value === type
        : type === '[string]'
          ? isTexts(value)
          : typeof value === 'string'
  if (!isRight) fail(at, `the target is of type ${type}`)
}

function checkSource(path: unknown, at: readonly (string | number)[], fail: Fail): void {
  if (typeof path !== 'string') fail(at, 'a path of keys, such as actor.id')
  try {
    if (readElementPath(path)?.keys.length ?? 0) return
    if (keysOf(parsePath(path)) !== undefined) return
  } catch (error) {
    if (error instanceof SluiceError) fail(at, error.message)
    throw error
  }
  fail(at, `"${path}" is not a path of keys; write target[type=User].id for a member of one element of an array`)
}

function checkKeys(map: object, known: readonly string[], at: readonly (string | number)[], fail: Fail): void {
  for (const key of Object.keys(map)) {
    if (!known.includes(key)) fail([...at, key], `no key "${key}"; ${suggest(key, known, 'known keys')}`)
  }
}

function isMap(value: unknown): value is { readonly [key: string]: unknown } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Its tests are checked when they are compiled. */
function isCondition(value: unknown): value is Condition {
  return isMap(value)
}

/** `checkAssignments` has checked it. */
function isAssignments(value: unknown): value is Assignments {
  return isMap(value)
}
