import { readFileSync } from 'node:fs'
import { distance } from 'fastest-levenshtein'
import { isObject } from '../record/json/json.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import { parsePath } from '../record/paths/grammar.ts'
import type { Problem } from './pipeline.ts'
import type { FieldSchema } from './schema.ts'
import { branchesOf, childSchemas } from './schema.ts'
import type { Located, Location } from './yaml-location.ts'
import { problemAt } from './yaml-location.ts'

/** A text in the configuration that says where a value of a record is. */
interface FoundPath {
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
    const { key, near } = unknown
    problems.push(
      problemAt(location, `the schema of validate has no ${key} at the path ${text}`, {
        hint: near === undefined ? 'see the properties of the schema' : `did you mean ${near}?`,
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

/** All absolute record paths in the configuration of a component. */
export function pathsIn(schemas: readonly FieldSchema[], node: Located): FoundPath[] {
  const branches = schemas.flatMap(branchesOf)
  const has = (format: string): boolean => branches.some((branch) => branch.format === format)
  if (node.kind === 'scalar') {
    if (typeof node.value !== 'string') return []
    if (has('record-path')) return [{ text: node.value, location: node.location }]
    if (!has('key-template')) return []
    return [...node.value.matchAll(/\{record\.([^}:]+)/g)].map(([, text]) => ({ text, location: node.location }))
  }
  if (node.kind === 'list') {
    return node.items.flatMap((item, at) =>
      pathsIn(
        schemas.flatMap((schema) => childSchemas(schema, at)),
        item,
      ),
    )
  }
  return [...node.entries].flatMap(([key, { key: location, value }]) => {
    // Paths of `when` begin in an array element.
    if (key === 'when') return []
    if (has('record-condition')) return [{ text: key, location }]
    return pathsIn(
      schemas.flatMap((schema) => childSchemas(schema, key)),
      value,
    )
  })
}

/** The first key of a path that a schema does not know. */
function unknownKey(text: string, root: JsonObject): { key: string; near: string | undefined } | undefined {
  let schema: Json | undefined = root
  for (const segment of segmentsOf(text)) {
    if (!isObject(schema)) return undefined
    if (segment.kind === 'elements') {
      schema = schema['items']
      continue
    }
    const properties: Json | undefined = schema['properties']
    // References and alternatives: the schema may say more elsewhere.
    if (segment.kind !== 'keys' || !isObject(properties) || 'patternProperties' in schema) return undefined
    const isClosed = schema['additionalProperties'] === false
    for (const key of segment.keys) {
      if (Object.hasOwn(properties, key)) continue
      const near = nearestOf(key, Object.keys(properties))
      if (near !== undefined || isClosed) return { key, near }
    }
    schema = segment.keys.length === 1 ? properties[segment.keys[0]] : undefined
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

function segmentsOf(text: string) {
  try {
    return parsePath(text)
  } catch {
    return []
  }
}
