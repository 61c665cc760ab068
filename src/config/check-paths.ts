import { readFileSync } from 'node:fs'
import { distance } from 'fastest-levenshtein'
import { isObject } from '../record/json/json.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import { formatPath, parsePath } from '../record/paths/grammar.ts'
import type { Problem } from './pipeline.ts'
import type { FieldSchema } from './schema.ts'
import { branchesOf, childSchemas } from './schema.ts'
import { elementsOf, memberOf } from './record-schema.ts'
import type { Located, LocatedMap, Location } from './yaml-location.ts'
import { problemAt } from './yaml-location.ts'

/** A text in the configuration that says where a value of a record is. */
export interface FoundPath {
  readonly text: string
  readonly location: Location
}

/**
 * Warns about record paths that the JSON schema of an earlier `validate` does not know. Where the
 * schema allows other members, it only warns about a name that is a letter or two from a known one.
 */
export function checkPaths(paths: readonly FoundPath[], schema: JsonObject, problems: Problem[]): void {
  for (const { text, location } of paths) {
    const unknown = unknownKey(text, schema)
    if (unknown === undefined) continue
    const { key, hint } = unknown
    problems.push(
      problemAt(location, `the schema of validate has no ${key} at the path ${text}`, {
        hint,
        severity: 'warning',
      }),
    )
  }
}

/** The schema that `validate` checks records against; undefined if it cannot be read. */
export function readRecordSchema(file: string): JsonObject | undefined {
  try {
    const schema: Json = JSON.parse(readFileSync(file, 'utf8'))
    return isObject(schema) ? schema : undefined
  } catch {
    return undefined
  }
}

/**
 * All record paths in the configuration of a component. `base` is put before the paths of
 * conditions.
 */
export function pathsIn(schemas: readonly FieldSchema[], node: Located, base = ''): FoundPath[] {
  const branches = schemas.flatMap(branchesOf)
  const has = (format: string): boolean => branches.some((branch) => branch.format === format)
  if (node.kind === 'scalar') {
    if (typeof node.value !== 'string') return []
    if (has('record-path')) return [{ text: node.value, location: node.location }]
    if (!has('key-template') && !has('record-template')) return []
    return [...node.value.matchAll(/\{record\.([^}:]+)/g)].map(([, text]) => ({ text, location: node.location }))
  }
  if (node.kind === 'list') {
    return node.items.flatMap((item, at) =>
      pathsIn(
        schemas.flatMap((schema) => childSchemas(schema, at)),
        item,
        base,
      ),
    )
  }
  return [...node.entries].flatMap(([key, { key: location, value }]) => {
    if (has('record-condition'))
      return [{ text: key.startsWith('[') ? `${base.replace(/\.$/, '')}${key}` : `${base}${key}`, location }]
    return pathsIn(
      schemas.flatMap((schema) => childSchemas(schema, key)),
      value,
      key === 'when' ? elementOf(node) : base,
    )
  })
}

/** The paths of `when` begin in the innermost array element of the path beside it. */
function elementOf({ entries }: LocatedMap): string {
  const path = entries.get('path')?.value
  if (path?.kind !== 'scalar' || typeof path.value !== 'string') return ''
  const segments = segmentsOf(path.value)
  const end = segments.findLastIndex(({ kind }) => kind === 'elements') + 1
  return end === 0 ? '' : `${formatPath(segments.slice(0, end))}.`
}

/** The first key of a path that a schema does not know. */
function unknownKey(text: string, root: JsonObject): { key: string; hint: string } | undefined {
  let schema: Json | undefined = root
  for (const segment of segmentsOf(text)) {
    if (segment.kind === 'elements') {
      schema = elementsOf(schema, root)
      continue
    }
    if (segment.kind !== 'keys') return undefined
    const children: Json[] = []
    for (const key of segment.keys) {
      const { kind, names, child } = memberOf(schema, key, root)
      if (kind === 'known') {
        children.push(child ?? true)
        continue
      }
      if (kind === 'array') return { key, hint: `it is in the elements of an array: write [*] before .${key}` }
      const near = nearestOf(key, names)
      if (near !== undefined) return { key, hint: `did you mean ${near}?` }
      if (kind === 'refused') return { key, hint: 'see the properties of the schema' }
    }
    schema = { anyOf: children }
  }
  return undefined
}

/** A name that is one or two letters away; short names are too often near by chance. */
function nearestOf(key: string, names: readonly string[]): string | undefined {
  const allowed = key.length < 5 ? 0 : key.length < 8 ? 1 : 2
  return names.find((name) => {
    const isSwapped =
      key.toLowerCase().split('').toSorted().join('') === name.toLowerCase().split('').toSorted().join('')
    return allowed > 0 && (isSwapped || distance(key.toLowerCase(), name.toLowerCase()) <= allowed)
  })
}

/** Empty if the path has a mistake, which is reported elsewhere. */
export function segmentsOf(text: string) {
  try {
    return parsePath(text)
  } catch {
    return []
  }
}
