import { Ajv } from 'ajv'
import type { ValidateFunction } from 'ajv'
import type { TProperties } from 'typebox'
import type { Config } from '../component.ts'
import { SluiceError } from '../errors.ts'
import { compileCondition } from '../record/author/condition.ts'
import { Paths } from '../record/paths/path.ts'
import { explain, subject } from './explain.ts'
import type { Folders } from '../fields/formats.ts'
import { formats } from '../fields/formats.ts'
import type { Keys, Located, LocatedMap, Place } from './yaml-position.ts'
import { isIncomplete, keyPlaceAt, nodeAt, partOf, placeAt, problemAt } from './yaml-position.ts'
import type { Problem } from './pipeline.ts'
import type { Schema } from './schema.ts'
import { branchesOf, childSchemas, strictSchema, typesOf } from './schema.ts'

export interface FieldScope extends Folders {
  /** Whose fields they are, as messages say it: `sink s3`. */
  readonly owner: string
  /** Where to point when a key of the root is missing. */
  readonly place: Place
  readonly problems: Problem[]
  /** Values of secret fields are collected here. */
  readonly secrets: Set<string>
}

/**
 * Checks a map against declared fields, fills in defaults and converts formats (durations to milliseconds, and so on). All problems are
 * reported; the result is undefined when one of them is an error. Values that depend on variables that are not set are not judged.
 */
export function checkFields<Properties extends TProperties>(
  fields: Properties,
  node: LocatedMap,
  scope: FieldScope,
): Config<Properties> | undefined {
  const schema = strictSchema(fields)
  const problems: Problem[] = []
  const value = settle([schema], node)
  collectSecrets([schema], value, node, { ...scope, problems })
  const validate = compile(schema)
  if (!validate(value)) problems.push(...faults(validate, node, scope))
  const config = convert(schema, value, [], { ...scope, root: node, workingFolder: scope.root, problems })
  scope.problems.push(...problems)
  return isSound<Properties>(config, problems) ? config : undefined
}

/** What has been checked without an error is a configuration of its fields. */
function isSound<Properties extends TProperties>(
  config: unknown,
  problems: readonly Problem[],
): config is Config<Properties> {
  return config !== undefined && problems.every(({ severity }) => severity !== 'error')
}

/** Configuration is small and written by its owner: all errors at once cost nothing here, as they would on records. */
const ajv = new Ajv({
  allErrors: true,
  verbose: true,
  useDefaults: true,
  ownProperties: true,
  strict: false,
  validateFormats: false,
})

function compile(schema: Schema): ValidateFunction {
  return ajv.compile(schema as object)
}

function faults(validate: ValidateFunction, root: LocatedMap, scope: FieldScope): Problem[] {
  return explain(validate.errors ?? [], root, scope.owner).flatMap(({ keys, key, message, hint }) => {
    if (keys.length > 0 && isIncomplete(nodeAt(root, keys))) return []
    const place = (key === undefined ? undefined : keyPlaceAt(root, keys, key)) ?? placeAt(root, keys, scope.place)
    return [problemAt(place, message, { hint })]
  })
}

/** The value as JSON, where text from the environment becomes the number or boolean that is wanted, and unknown text a stand-in. */
function settle(schemas: readonly Schema[], node: Located): unknown {
  if (node.kind === 'list') {
    return node.items.map((item, i) =>
      settle(
        schemas.flatMap((schema) => childSchemas(schema, i)),
        item,
      ),
    )
  }
  if (node.kind === 'map') {
    const settled = [...node.entries].map(([key, { value }]) => {
      return [
        key,
        settle(
          schemas.flatMap((schema) => childSchemas(schema, key)),
          value,
        ),
      ]
    })
    return Object.fromEntries(settled)
  }
  if (node.missing === true) return standIn(schemas.flatMap(branchesOf)[0] ?? {}, String(node.value))
  if (node.interpolated === true && typeof node.value === 'string') return retype(schemas, node.value)
  return node.value
}

function retype(schemas: readonly Schema[], text: string): unknown {
  const types = schemas.flatMap(typesOf)
  if (types.length === 0 || types.includes('string')) return text
  if (types.includes('boolean') && /^(true|false)$/.test(text)) return text === 'true'
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}

function standIn(schema: Schema, text: string): unknown {
  if (schema.default !== undefined) return schema.default
  if (schema.const !== undefined) return schema.const
  if (schema.enum !== undefined) return schema.enum[0]
  const types = typesOf(schema)
  if (types.includes('integer') || types.includes('number')) return schema.minimum ?? 1
  if (types.includes('boolean')) return false
  if (schema.format === 'duration') return '1m'
  if (schema.format === 'size') return '1MiB'
  return text
}

function collectSecrets(
  schemas: readonly Schema[],
  value: unknown,
  node: Located | undefined,
  scope: FieldScope,
): void {
  if (typeof value === 'string' && schemas.some((schema) => branchesOf(schema).some(({ secret }) => secret === true))) {
    if (value === '' || node?.kind !== 'scalar' || node.missing === true) return
    scope.secrets.add(value)
    if (node.interpolated === true || node.place.file !== scope.place.file) return
    const hint = 'take it from outside: ${env:NAME} or ${file:PATH}'
    scope.problems.push(problemAt(node.place, 'a secret is written into the file', { hint, severity: 'warning' }))
    return
  }
  if (value === null || typeof value !== 'object') return
  const children: Iterable<[string | number, unknown]> = Array.isArray(value) ? value.entries() : Object.entries(value)
  for (const [key, child] of children) {
    const inner = schemas.flatMap((schema) => childSchemas(schema, key))
    collectSecrets(inner, child, nodeAt(node, [key]), scope)
  }
}

interface Conversion extends Omit<FieldScope, 'root'> {
  readonly root: LocatedMap
  readonly workingFolder: string
}

function convert(schema: Schema, value: unknown, keys: Keys, scope: Conversion): unknown {
  const branches = schema.anyOf ?? schema.oneOf
  if (branches !== undefined) return convertUnion(branches, value, keys, scope)
  if (typeof value === 'string') return convertText(schema, value, keys, scope)
  if (Array.isArray(value)) return value.map((item, i) => convertChild(schema, i, item, [...keys, i], scope))
  if (value === null || typeof value !== 'object') return value
  if (schema.format === 'record-condition') return checkCondition(value, keys, scope)
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) => [key, convertChild(schema, key, child, [...keys, key], scope)]),
  )
}

function convertChild(schema: Schema, key: string | number, value: unknown, keys: Keys, scope: Conversion): unknown {
  const child = childSchemas(schema, key)[0]
  return child === undefined ? value : convert(child, value, keys, scope)
}

/** ajv fills in no defaults within alternatives, so each one that fits is asked by itself; the first without a problem is taken. */
function convertUnion(branches: readonly Schema[], value: unknown, keys: Keys, scope: Conversion): unknown {
  let first: { value: unknown; problems: Problem[] } | undefined
  for (const branch of branches) {
    const copy = structuredClone(value)
    if (!compile(branch)(copy)) continue
    const problems: Problem[] = []
    const converted = convert(branch, copy, keys, { ...scope, problems })
    if (problems.length === 0) return converted
    first ??= { value: converted, problems }
  }
  if (first === undefined) {
    // None fits, and that is reported already; what is wrong besides is told of the one that was meant.
    const meant = branches.filter((branch) => isMeant(branch, value))
    return meant.length === 1 ? convert(meant[0], value, keys, scope) : value
  }
  scope.problems.push(...first.problems)
  return first.value
}

/** True when the value has the type of the alternative and its tell-tale members, such as `type: cursor`. */
function isMeant(branch: Schema, value: unknown): boolean {
  if (branch.type !== (Array.isArray(value) ? 'array' : typeof value)) return false
  if (value === null || typeof value !== 'object') return true
  const members: { readonly [key: string]: unknown } = { ...value }
  return Object.entries(branch.properties ?? {}).every(
    ([key, { const: only }]) => only === undefined || members[key] === only,
  )
}

function convertText(schema: Schema, text: string, keys: Keys, scope: Conversion): unknown {
  const format = schema.format === undefined ? undefined : formats[schema.format]
  if (format === undefined) return text
  try {
    return format(text, { folder: scope.folder, root: scope.workingFolder })
  } catch (error) {
    const node = nodeAt(scope.root, keys)
    if (!isIncomplete(node)) report(error, { text, place: node?.place, keys, scope })
    return text
  }
}

function checkCondition(condition: object, keys: Keys, scope: Conversion): object {
  for (const [path, test] of Object.entries(condition)) {
    try {
      compileCondition({ [path]: test }, new Paths())
    } catch (error) {
      const isPath = error instanceof SluiceError && error.code === 'PATH_INVALID'
      if (isPath) report(error, { text: path, place: keyPlaceAt(scope.root, keys, path), keys, scope })
      else if (!isIncomplete(nodeAt(scope.root, [...keys, path]))) {
        report(error, { text: '', place: undefined, keys: [...keys, path], scope })
      }
    }
  }
  return condition
}

interface Failure {
  readonly text: string
  /** Where the text stands, when it was written. */
  readonly place: Place | undefined
  readonly keys: Keys
  readonly scope: Conversion
}

function report(error: unknown, { text, place, keys, scope }: Failure): void {
  if (!(error instanceof SluiceError)) throw error
  const { offset, length = 1, message, hint } = error
  const written = place ?? placeAt(scope.root, keys, scope.place)
  const exact = place === undefined || offset === undefined ? written : partOf(place, text, offset, length)
  scope.problems.push(problemAt(exact, `${subject(keys, scope.owner)}: ${message}`, { hint }))
}
