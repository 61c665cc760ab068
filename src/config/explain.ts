import type { ErrorObject } from 'ajv'
import type { Keys, Located } from './yaml-location.ts'
import { nodeAt } from './yaml-location.ts'
import { closest, suggest } from '../fields/suggest.ts'
import { keysText } from './override.ts'
import type { FieldSchema } from './schema.ts'
import { branchesOf, isSchema, typesOf, wordsOf } from './schema.ts'

/** An error at a location in a configuration, in words. */
export interface Explanation {
  readonly keys: Keys
  /** Set if a key of the map at `keys` is wrong, rather than a value. */
  readonly key?: string
  readonly message: string
  readonly hint?: string | undefined
}

/**
 * Explains ajv's errors (created with `verbose` and `allErrors`). Each mistake yields one
 * explanation: only the likeliest alternative of a union is explained, and a mistyped required key
 * is not reported as missing too.
 */
export function explain(errors: readonly ErrorObject[], root: Located, owner: string): Explanation[] {
  const unions = errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf')
  const outermost = unions.filter((union) => !unions.some((other) => other !== union && isWithin(union, other)))
  const plain = errors.filter((error) => !unions.includes(error) && !unions.some((union) => isWithin(error, union)))
  return [
    ...plain.filter((error) => !isMistyped(error, plain)).flatMap((error) => explainOne(error, root, owner)),
    ...outermost.flatMap((union) => explainUnion(union, errors, root, owner)),
  ]
}

/** Names a value in messages: `bucket of sink s3`. The owner alone if there are no keys. */
export function subject(keys: Keys, owner: string): string {
  return keys.length === 0 ? owner : `${keysText(keys)} of ${owner}`
}

function isWithin(error: ErrorObject, union: ErrorObject): boolean {
  return (
    error.schemaPath.startsWith(`${union.schemaPath}/`) &&
    (error.instancePath === union.instancePath || error.instancePath.startsWith(`${union.instancePath}/`))
  )
}

function isMistyped({ keyword, instancePath, params }: ErrorObject, all: readonly ErrorObject[]): boolean {
  if (keyword !== 'required') return false
  return all.some(
    (other) =>
      other.keyword === 'additionalProperties' &&
      other.instancePath === instancePath &&
      closest(String(other.params['additionalProperty']), Object.keys(schemaAround(other).properties ?? {})) ===
        params['missingProperty'],
  )
}

/** The key above that a wrongly indented key may belong to: it has no value, a map or a list. */
function sectionBefore(node: Located | undefined, key: string, known: readonly string[]): string | undefined {
  if (node?.kind !== 'map') return undefined
  const names = [...node.entries.keys()]
  const above = names.slice(0, names.indexOf(key)).findLast((name) => known.includes(name))
  const value = above === undefined ? undefined : node.entries.get(above)?.value
  return value && (value.kind !== 'scalar' || value.plain === '') ? above : undefined
}

function explainOne(error: ErrorObject, root: Located, owner: string): Explanation[] {
  const keys = keysOf(error, root)
  const schema = schemaAround(error)
  const node = nodeAt(root, keys)
  const what = subject(keys, owner)
  const { params } = error
  const explanation = (message: string, hint?: string): Explanation[] => [{ keys, message, hint }]
  const rule = (words: string): Explanation[] => explanation(`${what} ${words}`, exampleHint(schema))
  const limit = String(params['limit'])
  if (error.propertyName !== undefined && error.keyword !== 'propertyNames') return []

  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(params['additionalProperty'])
      const known = Object.keys(schema.properties ?? {})
      const hint = known.length === 0 ? 'this component has no options' : suggest(key, known, 'known keys')
      const outer = closest(key, known) === undefined ? sectionBefore(node, key, known) : undefined
      const indent = outer === undefined ? '' : `; if it belongs to "${outer}", indent it deeper`
      return [{ keys, key, message: `unknown key "${key}" in ${what}`, hint: `${hint}${indent}` }]
    }
    case 'required': {
      const key = String(params['missingProperty'])
      const description = schema.properties?.[key]?.description
      return explanation(
        `${what} is missing the key "${key}"`,
        description === undefined ? undefined : `${key}: ${description}`,
      )
    }
    case 'type':
      return explanation(...wrongType(what, schema, node))
    case 'enum':
    case 'const':
      return explanation(...wrongWord(what, schema, node))
    case 'minimum':
      return rule(`must be at least ${limit}, but is ${valueText(node, schema)}`)
    case 'maximum':
      return rule(`must be at most ${limit}, but is ${valueText(node, schema)}`)
    case 'exclusiveMinimum':
      return rule(`must be greater than ${limit}, but is ${valueText(node, schema)}`)
    case 'exclusiveMaximum':
      return rule(`must be less than ${limit}, but is ${valueText(node, schema)}`)
    case 'multipleOf':
      return rule(`must be a multiple of ${String(params['multipleOf'])}, but is ${valueText(node, schema)}`)
    case 'minLength':
      return rule(limit === '1' ? 'must not be empty' : `must have at least ${limit} characters`)
    case 'maxLength':
      return rule(`must have at most ${limit} characters`)
    case 'pattern':
      return rule(`must match /${schema.pattern}/, but is ${valueText(node, schema)}`)
    case 'minItems':
      return rule(limit === '1' ? 'must not be an empty list' : `must have at least ${limit} entries`)
    case 'maxItems':
      return rule(`must have at most ${limit} entries`)
    case 'minProperties':
      return rule(limit === '1' ? 'must not be an empty map' : `must have at least ${limit} keys`)
    case 'maxProperties':
      return rule(`must have at most ${limit} keys`)
    case 'uniqueItems': {
      const duplicate = [...keys, Number(params['i'])]
      return [{ keys: duplicate, message: `${subject(duplicate, owner)} is listed twice`, hint: 'remove one of them' }]
    }
    case 'propertyNames': {
      const key = String(params['propertyName'])
      return [{ keys, key, message: `"${key}" is not allowed as a key in ${what}` }]
    }
    case 'if':
      return []
    default:
      return rule(`violates the rule "${error.keyword}" of its schema`)
  }
}

function explainUnion(union: ErrorObject, errors: readonly ErrorObject[], root: Located, owner: string): Explanation[] {
  const keys = keysOf(union, root)
  const node = nodeAt(root, keys)
  const schema = schemaAround(union)
  const what = subject(keys, owner)
  const inner = errors.filter((error) => isWithin(error, union))
  const hint = exampleHint(schema)
  if (inner.length === 0) return [{ keys, message: `${what} matches more than one of its alternatives` }]
  if (wordsOf(schema) !== undefined) {
    const [message, suggestion] = wrongWord(what, schema, node)
    return [{ keys, message, hint: suggestion }]
  }

  const branches = (schema.anyOf ?? schema.oneOf ?? []).map((_, i) =>
    inner.filter(({ schemaPath }) => schemaPath.startsWith(`${union.schemaPath}/${i}/`)),
  )
  const fitting = branches.filter((own) => !own.some((error) => isWrongType(error, union)))
  if (fitting.length === 0) {
    const [message, fix] = wrongType(what, schema, node)
    return [{ keys, message, hint: fix ?? hint }]
  }
  const meant = fitting.filter((own) => !own.some((error) => isDiscriminator(error, union)))
  if (meant.length === 0) return explainDiscriminator(fitting, union, root, owner)
  const missing = missingDiscriminator(fitting, union)
  if (missing !== undefined)
    return [{ keys, message: `${what} is missing the key "${missing.key}"`, hint: list(missing.words) }]
  const likeliest = meant.toSorted((a, b) => a.length - b.length)[0] ?? []
  return explain(likeliest, root, owner)
}

function isWrongType({ keyword, instancePath }: ErrorObject, union: ErrorObject): boolean {
  return keyword === 'type' && instancePath === union.instancePath
}

/** True if the error is about the member that selects the alternative, such as `type: cursor`. */
function isDiscriminator({ keyword, instancePath }: ErrorObject, union: ErrorObject): boolean {
  const below = instancePath.slice(union.instancePath.length)
  return keyword === 'const' && below.lastIndexOf('/') === 0
}

/** The key that tells the alternatives apart, if it is neither there nor mistyped. */
function missingDiscriminator(
  fitting: readonly ErrorObject[][],
  { instancePath }: ErrorObject,
): { key: string; words: string[] } | undefined {
  if (fitting.length < 2) return undefined
  let key: string | undefined
  const words: string[] = []
  for (const own of fitting) {
    const error = own.find((candidate) => {
      if (candidate.keyword !== 'required' || candidate.instancePath !== instancePath) return false
      return wordOf(candidate) !== undefined && !isMistyped(candidate, own)
    })
    const name = error && String(error.params['missingProperty'])
    if (error === undefined || (key !== undefined && name !== key)) return undefined
    key = name
    words.push(String(wordOf(error)))
  }
  return key === undefined ? undefined : { key, words }
}

/** The only value that a missing key may have; undefined if it may have several. */
function wordOf(error: ErrorObject): unknown {
  return schemaAround(error).properties?.[String(error.params['missingProperty'])]?.const
}

function explainDiscriminator(
  fitting: readonly ErrorObject[][],
  union: ErrorObject,
  root: Located,
  owner: string,
): Explanation[] {
  const errors = fitting.flat().filter((error) => isDiscriminator(error, union))
  const first = errors[0]
  if (first === undefined) return []
  const words = errors
    .filter(({ instancePath }) => instancePath === first.instancePath)
    .map(({ params }) => params['allowedValue'])
  const keys = keysOf(first, root)
  const [message, hint] = wrongWord(subject(keys, owner), { enum: [...new Set(words)] }, nodeAt(root, keys))
  return [{ keys, message, hint }]
}

function wrongType(what: string, schema: FieldSchema, node: Located | undefined): [string, string?] {
  const types = typesOf(schema)
  const expected = [...new Set(branchesOf(schema).map(typeWords))].join(' or ')
  if (node?.kind === 'scalar' && node.plain === '' && node.value === null) {
    return [`${what} has no value`, `write ${expected} after the colon, or remove the key`]
  }
  const unit = branchesOf(schema).find(({ format }) => format === 'duration' || format === 'size')?.format
  if (unit !== undefined && node?.kind === 'scalar' && typeof node.value === 'number') {
    const units = unit === 'duration' ? ['ms', 's', 'm'] : ['B', 'KiB', 'MiB']
    const examples = units.map((name) => `${node.value}${name}`).join(', ')
    return [`${what} needs a unit: ${node.plain ?? node.value} is a bare number`, `for example ${examples}`]
  }
  if (
    types.includes('string') &&
    node?.kind === 'scalar' &&
    node.plain !== undefined &&
    typeof node.value !== 'string'
  ) {
    const read =
      node.value === null ? 'as null' : `as ${typeof node.value === 'number' ? 'the number ' : ''}${node.value}`
    return [`${what} must be a string, but YAML reads ${node.plain} ${read}`, `quote it: "${node.plain}"`]
  }
  const message = `${what} must be ${expected}, but is ${valueText(node, schema)}`
  if (types.includes('boolean') && node?.kind === 'scalar') return [message, booleanHint(String(node.value))]
  if (types.every((type) => type === 'number' || type === 'integer') && node?.kind === 'scalar') {
    return [message, node.plain === undefined && /^\d+$/.test(String(node.value)) ? 'remove the quotes' : undefined]
  }
  return [
    message,
    types.includes('array') && !types.includes('object') ? 'write [one, two], or one "- entry" per line' : undefined,
  ]
}

function booleanHint(text: string): string | undefined {
  if (/^(yes|on|y|true)$/i.test(text)) return 'write true'
  if (/^(no|off|n|false)$/i.test(text)) return 'write false'
  return undefined
}

function wrongWord(what: string, schema: FieldSchema, node: Located | undefined): [string, string?] {
  const words = (wordsOf(schema) ?? []).map(String)
  const text = node?.kind === 'scalar' ? String(node.value) : ''
  const near = closest(text, words)
  const message = `${what} must be ${list(words)}, but is ${valueText(node, schema)}`
  return near === undefined ? [message] : [message, `did you mean "${near}"?`]
}

function list(words: readonly string[]): string {
  return words.length === 1 ? `"${words[0]}"` : `one of ${words.join(', ')}`
}

function typeWords(schema: FieldSchema): string {
  if (schema.format === 'duration') return 'a duration such as 30s or 5m'
  if (schema.format === 'size') return 'a size such as 64KiB or 128MiB'
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`
  const words = {
    string: 'a string',
    integer: 'an integer',
    number: 'a number',
    boolean: 'true or false',
    null: 'null',
  }
  const types = [schema.type ?? []].flat()
  return types
    .map((type) => (words as { [type: string]: string })[type] ?? (type === 'array' ? 'a list' : 'a map'))
    .join(' or ')
}

function valueText(node: Located | undefined, schema: FieldSchema): string {
  if (node === undefined) return 'something else'
  if (node.kind !== 'scalar') return node.kind === 'list' ? 'a list' : 'a map'
  if (schema.secret === true) return 'something else'
  const text = JSON.stringify(node.value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}..."` : text
}

/** Values are truncated to this length in messages. */
const MAX_SHOWN = 60

function exampleHint(schema: FieldSchema): string | undefined {
  const example = schema.examples?.[0]
  return example === undefined
    ? undefined
    : `for example ${typeof example === 'string' ? example : JSON.stringify(example)}`
}

function schemaAround(error: ErrorObject): FieldSchema {
  return isSchema(error.parentSchema) ? error.parentSchema : {}
}

/** Converts a JSON pointer to keys. List indexes become numbers. */
function keysOf({ instancePath }: ErrorObject, root: Located): Keys {
  const keys: (string | number)[] = []
  for (const part of instancePath.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    keys.push(nodeAt(root, keys)?.kind === 'list' ? Number(name) : name)
  }
  return keys
}
