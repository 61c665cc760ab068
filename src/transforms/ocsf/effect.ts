import type { RecordShape } from '../../component.ts'
import { formatPath, parsePath } from '../../record/paths/grammar.ts'
import { reaches } from '../../record/paths/reaches.ts'
import { CLASSES } from './classes.ts'
import { readElementPath, splitTargets, textsOf } from './mapping.ts'
import type { Assignment, Assignments, Mapping } from './mapping.ts'
import type { ObjectFacts } from './objects.ts'

/** What decides the values at these paths of an event. */
export function effectOf({ type, all, events }: Mapping, targets: readonly string[]): unknown {
  const inner = targets.flatMap((target) => insideUnmapped(target))
  const decides = ([names, assignment]: readonly [string, Assignment]) =>
    splitTargets(names).some((name) => targets.some((one) => reaches(name, one))) ||
    sourcesOf(assignment).some((source) => inner.some((one) => reaches(source, one)))
  const pick = (set: Assignments, isWanted = decides): Assignments =>
    Object.fromEntries(Object.entries(set).filter(isWanted))
  // What the class decides, and members of some events only, depend on which rule matches and gets
  // what its class requires.
  const isCommon = events.every(({ set = {} }) => isEmpty(pick(set))) && !targets.some((one) => ofClass(one))
  if (isCommon) return { all: pick(all) }
  const required = new Set(events.flatMap((rule) => requiredBy(CLASSES[rule.class])))
  const decidesClass = (entry: readonly [string, Assignment]) =>
    decides(entry) || splitTargets(entry[0]).some((target) => required.has(target.split('.')[0]))
  return {
    all: pick(all, decidesClass),
    type,
    events: events.map(({ set = {}, ...rule }) => ({ ...rule, set: pick(set, decidesClass) })),
  }
}

function requiredBy({ required = [], oneOf = [] }: ObjectFacts): readonly string[] {
  return [...required, ...oneOf]
}

function isEmpty(set: Assignments): boolean {
  return Object.keys(set).length === 0
}

/** The paths in the record that a path in `unmapped` stands for. */
function insideUnmapped(target: string): string[] {
  const [first, ...rest] = parsePath(target)
  const isInside = first.kind === 'keys' && first.keys[0] === 'unmapped'
  return isInside && rest.length > 0 ? [formatPath(rest)] : []
}

function ofClass(target: string): boolean {
  return /^(class|category|type|activity)_(u?id|name)$/.test(target)
}

/** The paths in the record that an assignment reads. */
export function sourcesOf(assignment: Assignment): string[] {
  return pathsOf(assignment).map((text) => readElementPath(text)?.array ?? text)
}

function pathsOf(assignment: Assignment): readonly string[] {
  if (typeof assignment !== 'object') return [assignment]
  if ('from' in assignment) return textsOf(assignment.from)
  if ('each' in assignment) return [assignment.each]
  if ('set' in assignment) return Object.values(assignment.set).flatMap(pathsOf)
  return textsOf(assignment)
}

/** Nothing stays where it was; `unmapped` has what no other member has. */
export function shapeOf({ all, events }: Mapping): RecordShape {
  const sources = new Map<string, Set<string>>()
  for (const set of [all, ...events.map((rule) => rule.set ?? {})]) {
    for (const [targets, assignment] of Object.entries(set)) {
      for (const target of splitTargets(targets)) {
        const known = sources.get(target) ?? new Set()
        for (const source of sourcesOf(assignment)) known.add(source)
        sources.set(target, known)
      }
    }
  }
  return {
    keeps: [],
    writes: [
      ...Array.from(sources, ([path, from]) => ({ path, from: [...from] })),
      ...HEAD.map((path) => ({ path, from: [] })),
      { path: 'unmapped', from: ['**'] },
    ],
  }
}

/** What every event has, whatever its record. */
const HEAD = [
  'class_uid',
  'class_name',
  'category_uid',
  'category_name',
  'type_uid',
  'type_name',
  'activity_id',
  'activity_name',
  'severity_id',
  'severity',
  'status',
  'metadata.version',
  'metadata.profiles',
]
