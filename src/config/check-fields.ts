import { isSecretName } from '../transforms/redact/names.ts'
import type { ValidateFunction } from 'ajv'
import type { TProperties } from 'typebox'
import type { Config } from '../component.ts'
import { SluiceError } from '../errors.ts'
import { compileCondition } from '../record/author/condition.ts'
import { Paths } from '../record/paths/path.ts'
import { checkExpressions, expressionsIn } from './check-expressions.ts'
import { explain, subject } from './explain.ts'
import type { Folders } from '../fields/formats.ts'
import { formats } from '../fields/formats.ts'
import type { Keys, Located, LocatedMap, Location } from './yaml-location.ts'
import { isIncomplete, keyLocationAt, nodeAt, partOf, locationAt, problemAt } from './yaml-location.ts'
import type { Problem } from './pipeline.ts'
import type { FieldSchema } from './schema.ts'
import { branchesOf, childSchemas, strictSchema, typesOf } from './schema.ts'
import { validatorsOf } from './validators.ts'
import type { Validators } from './validators.ts'
import { collectSecrets } from './found-secrets.ts'
import type { FoundSecrets } from './found-secrets.ts'

export interface FieldScope extends Folders {
  /** Names the component in messages: `sink s3`. */
  readonly owner: string
  /** Name of the compiled validators, see `validatorsOf`. Undefined for custom components. */
  readonly compiledAs: string | undefined
  /** Location to report if a key of the root is missing. */
  readonly location: Location
  readonly problems: Problem[]
  /** Collects the values of secret fields, and inserted values that may be secret. Undefined for tests, which are data. */
  readonly secrets: FoundSecrets | undefined
}

/**
 * Checks a map against declared fields, fills in defaults and converts formats, such as durations
 * to milliseconds. Reports all problems, and returns undefined if one of them is an error. Skips
 * checks of values that depend on unset variables.
 */
export async function checkFields<Properties extends TProperties>(
  fields: Properties,
  node: LocatedMap,
  scope: FieldScope,
): Promise<Config<Properties> | undefined> {
  const schema = strictSchema(fields)
  const problems: Problem[] = []
  const value = jsonValue([schema], node)
  offerDefaults([schema], node, scope.problems)
  const { secrets } = scope
  if (secrets) collectSecrets([schema], value, { node, keys: [], scope: { ...scope, secrets, problems } })
  const validators = await validatorsOf(schema, scope.compiledAs)
  const validate = validators(schema)
  if (!validate(value)) problems.push(...schemaProblems(validate, node, scope))
  const config = convert(schema, value, [], { ...scope, root: node, workingFolder: scope.root, problems, validators })
  await checkExpressions(expressionsIn([schema], node), scope.owner, problems)
  scope.problems.push(...problems)
  return isValid<Properties>(config, problems) ? config : undefined
}

/** A type guard: a configuration checked without errors has the type of its fields. */
function isValid<Properties extends TProperties>(
  config: unknown,
  problems: readonly Problem[],
): config is Config<Properties> {
  return config !== undefined && problems.every(({ severity }) => severity !== 'error')
}

function schemaProblems(validate: ValidateFunction, root: LocatedMap, scope: FieldScope): Problem[] {
  return explain(validate.errors ?? [], root, scope.owner).flatMap(({ keys, key, message, hint }) => {
    if (keys.length > 0 && isIncomplete(nodeAt(root, keys))) return []
    const location =
      (key === undefined ? undefined : keyLocationAt(root, keys, key)) ?? locationAt(root, keys, scope.location)
    return [problemAt(location, message, { hint })]
  })
}

/**
 * Converts a node to a JSON value. Interpolated text becomes a number or boolean if the schema
 * expects one. A value with an unset variable is replaced by a placeholder that matches the schema.
 */
function jsonValue(schemas: readonly FieldSchema[], node: Located, within = false): unknown {
  const isTemplate = within || schemas.some(({ template }) => template === true)
  if (node.kind === 'list') {
    return node.items.map((item, i) =>
      jsonValue(
        schemas.flatMap((schema) => childSchemas(schema, i)),
        item,
        isTemplate,
      ),
    )
  }
  if (node.kind === 'map') {
    const members = [...node.entries].map(([key, { value }]) => {
      return [
        key,
        jsonValue(
          schemas.flatMap((schema) => childSchemas(schema, key)),
          value,
          isTemplate,
        ),
      ]
    })
    return Object.fromEntries(members)
  }
  if (node.missing === true) return placeholder(schemas.flatMap(branchesOf)[0] ?? {}, String(node.value))
  if (isTemplate && node.escaped !== undefined) return retype(schemas, node.escaped)
  if (node.inserted !== undefined && typeof node.value === 'string') return retype(schemas, node.value)
  return node.value
}

/**
 * Completes the problems of unset variables by a default as another way out. The field decides, and
 * only then the name: who follows a hint must not write a secret into the pipeline file.
 */
function offerDefaults(schemas: readonly FieldSchema[], node: Located, problems: Problem[]): void {
  if (node.kind !== 'scalar') {
    const children =
      node.kind === 'list' ? node.items.entries() : [...node.entries].map(([key, { value }]) => [key, value] as const)
    for (const [key, child] of children) {
      const inner = schemas.flatMap((schema) => childSchemas(schema, key))
      offerDefaults(inner, child, problems)
    }
    return
  }
  const branches = schemas.flatMap(branchesOf)
  // Without a schema, nobody knows what the value is.
  if (branches.length === 0 || branches.some(({ secret }) => secret === true)) return
  for (const { variable, problem } of node.unset ?? []) {
    const at = problems.indexOf(problem)
    if (at < 0 || isSecretName(variable)) continue
    const hint = `${problem.hint}, or, if it is not secret, add a default: \${env:${variable}:-default}`
    problems[at] = { ...problem, hint }
  }
}

function retype(schemas: readonly FieldSchema[], text: string): unknown {
  const types = schemas.flatMap(typesOf)
  if (types.length === 0 || types.includes('string')) return text
  if (types.includes('boolean') && /^(true|false)$/.test(text)) return text === 'true'
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text
}

function placeholder(schema: FieldSchema, text: string): unknown {
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

interface Conversion extends Omit<FieldScope, 'root'> {
  readonly root: LocatedMap
  readonly workingFolder: string
  readonly validators: Validators
}

function convert(schema: FieldSchema, value: unknown, keys: Keys, scope: Conversion): unknown {
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

function convertChild(
  schema: FieldSchema,
  key: string | number,
  value: unknown,
  keys: Keys,
  scope: Conversion,
): unknown {
  const child = childSchemas(schema, key)[0]
  return child === undefined ? value : convert(child, value, keys, scope)
}

/**
 * Converts a value with the first matching alternative that reports no problem. Validates each
 * alternative separately, because ajv fills in no defaults inside `anyOf` and `oneOf`.
 */
function convertUnion(branches: readonly FieldSchema[], value: unknown, keys: Keys, scope: Conversion): unknown {
  let first: { value: unknown; problems: Problem[] } | undefined
  for (const branch of branches) {
    const copy = structuredClone(value)
    if (!scope.validators(branch)(copy)) continue
    const problems: Problem[] = []
    const converted = convert(branch, copy, keys, { ...scope, problems })
    if (problems.length === 0) return converted
    first ??= { value: converted, problems }
  }
  if (first === undefined) {
    // The mismatch is already reported. If one alternative was clearly meant, report its format
    // errors too.
    const likely = branches.filter((branch) => isLikely(branch, value))
    return likely.length === 1 ? convert(likely[0], value, keys, scope) : value
  }
  scope.problems.push(...first.problems)
  return first.value
}

/** True if the value has the alternative's type and its constant members: `type: cursor`. */
function isLikely(branch: FieldSchema, value: unknown): boolean {
  if (branch.type !== (Array.isArray(value) ? 'array' : typeof value)) return false
  if (value === null || typeof value !== 'object') return true
  const members: { readonly [key: string]: unknown } = { ...value }
  return Object.entries(branch.properties ?? {}).every(
    ([key, { const: only }]) => only === undefined || members[key] === only,
  )
}

function convertText(schema: FieldSchema, text: string, keys: Keys, scope: Conversion): unknown {
  const format = schema.format === undefined ? undefined : formats[schema.format]
  if (format === undefined) return text
  try {
    return format(text, { folder: scope.folder, root: scope.workingFolder })
  } catch (error) {
    const node = nodeAt(scope.root, keys)
    if (!isIncomplete(node)) report(error, { text, location: node?.location, keys, scope })
    return text
  }
}

function checkCondition(condition: object, keys: Keys, scope: Conversion): object {
  for (const [path, test] of Object.entries(condition)) {
    try {
      compileCondition({ [path]: test }, new Paths())
    } catch (error) {
      const isPath = error instanceof SluiceError && error.code === 'PATH_INVALID'
      if (isPath) report(error, { text: path, location: keyLocationAt(scope.root, keys, path), keys, scope })
      else if (!isIncomplete(nodeAt(scope.root, [...keys, path]))) {
        report(error, { text: '', location: undefined, keys: [...keys, path], scope })
      }
    }
  }
  return condition
}

interface FailedValue {
  readonly text: string
  /** Location of the text. Undefined for a default value. */
  readonly location: Location | undefined
  readonly keys: Keys
  readonly scope: Conversion
}

function report(error: unknown, { text, location, keys, scope }: FailedValue): void {
  if (!(error instanceof SluiceError)) throw error
  const { offset, length = 1, message, hint } = error
  const written = location ?? locationAt(scope.root, keys, scope.location)
  const exact = location === undefined || offset === undefined ? written : partOf(location, text, offset, length)
  scope.problems.push(problemAt(exact, `${subject(keys, scope.owner)}: ${message}`, { hint }))
}
