import type { ErrorObject } from 'ajv'
import type { Keys, Located } from './yaml-position.ts'
import { nodeAt } from './yaml-position.ts'
import { closest, suggest } from '../fields/suggest.ts'
import { keysText } from './override.ts'
import type { Schema } from './schema.ts'
import { branchesOf, isSchema, typesOf, wordsOf } from './schema.ts'

/** What is wrong at a place of a configuration, in words. */
export interface Fault {
  readonly keys: Keys
  /** Set when a key itself is wrong, not its value: a key of the map at `keys`. */
  readonly key?: string
  readonly message: string
  readonly hint?: string
}

/**
 * ajv's errors (with `verbose` and `allErrors`) in words. One mistake gives one fault: of the alternatives of a union only the
 * likeliest is explained, and a key that is missing because it was mistyped is told once.
 */
export function explain(errors: readonly ErrorObject[], root: Located, owner: string): Fault[] {
  const unions = errors.filter(({ keyword }) => keyword === 'anyOf' || keyword === 'oneOf')
  const outermost = unions.filter((union) => !unions.some((other) => other !== union && isWithin(union, other)))
  const plain = errors.filter((error) => !unions.includes(error) && !unions.some((union) => isWithin(error, union)))
  return [
    ...plain.filter((error) => !isMistyped(error, plain)).flatMap((error) => explainOne(error, root, owner)),
    ...outermost.flatMap((union) => explainUnion(union, errors, root, owner)),
  ]
}

/** `bucket of sink s3`, or the owner alone for its root. */
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

function explainOne(error: ErrorObject, root: Located, owner: string): Fault[] {
  const keys = keysOf(error, root)
  const schema = schemaAround(error)
  const node = nodeAt(root, keys)
  const what = subject(keys, owner)
  const { params } = error
  const fault = (message: string, hint?: string): Fault[] => [
    { keys, message, ...(hint === undefined ? {} : { hint }) },
  ]
  const rule = (words: string): Fault[] => fault(`${what} ${words}`, exampleHint(schema))
  const limit = String(params['limit'])
  if (error.propertyName !== undefined && error.keyword !== 'propertyNames') return []

  switch (error.keyword) {
    case 'additionalProperties': {
      const key = String(params['additionalProperty'])
      const known = Object.keys(schema.properties ?? {})
      const hint = known.length === 0 ? 'it takes no options' : suggest(key, known, 'known keys')
      return [{ keys, key, message: `unknown key "${key}" in ${what}`, hint }]
    }
    case 'required': {
      const key = String(params['missingProperty'])
      const description = schema.properties?.[key]?.description
      return fault(`${what} needs the key "${key}"`, description === undefined ? undefined : `${key}: ${description}`)
    }
    case 'type':
      return fault(...wrongType(what, schema, node))
    case 'enum':
    case 'const':
      return fault(...wrongWord(what, schema, node))
    case 'minimum':
      return rule(`must be ${limit} or more, but is ${valueText(node, schema)}`)
    case 'maximum':
      return rule(`must be ${limit} or less, but is ${valueText(node, schema)}`)
    case 'exclusiveMinimum':
      return rule(`must be more than ${limit}, but is ${valueText(node, schema)}`)
    case 'exclusiveMaximum':
      return rule(`must be less than ${limit}, but is ${valueText(node, schema)}`)
    case 'multipleOf':
      return rule(`must be a multiple of ${String(params['multipleOf'])}, but is ${valueText(node, schema)}`)
    case 'minLength':
      return rule(limit === '1' ? 'must not be empty' : `must have ${limit} characters or more`)
    case 'maxLength':
      return rule(`must have ${limit} characters or less`)
    case 'pattern':
      return rule(`does not have the right form: ${valueText(node, schema)} does not match /${schema.pattern}/`)
    case 'minItems':
      return rule(limit === '1' ? 'must not be an empty list' : `must have ${limit} entries or more`)
    case 'maxItems':
      return rule(`must have ${limit} entries or less`)
    case 'minProperties':
      return rule(limit === '1' ? 'must not be an empty map' : `must have ${limit} keys or more`)
    case 'maxProperties':
      return rule(`must have ${limit} keys or less`)
    case 'uniqueItems': {
      const twin = Number(params['i'])
      return [
        { keys: [...keys, twin], message: `${subject([...keys, twin], owner)} is there twice`, hint: 'remove one' },
      ]
    }
    case 'propertyNames': {
      const key = String(params['propertyName'])
      return [{ keys, key, message: `"${key}" is not allowed as a key in ${what}` }]
    }
    case 'if':
      return []
    default:
      return rule(`breaks the rule "${error.keyword}" of its schema`)
  }
}

function explainUnion(union: ErrorObject, errors: readonly ErrorObject[], root: Located, owner: string): Fault[] {
  const keys = keysOf(union, root)
  const node = nodeAt(root, keys)
  const schema = schemaAround(union)
  const what = subject(keys, owner)
  const inner = errors.filter((error) => isWithin(error, union))
  const hint = exampleHint(schema)
  if (inner.length === 0) return [{ keys, message: `${what} fits more than one of its alternatives` }]
  if (wordsOf(schema) !== undefined) {
    const [message, words] = wrongWord(what, schema, node)
    return [{ keys, message, ...(words === undefined ? {} : { hint: words }) }]
  }

  const branches = (schema.anyOf ?? schema.oneOf ?? []).map((_, i) =>
    inner.filter(({ schemaPath }) => schemaPath.startsWith(`${union.schemaPath}/${i}/`)),
  )
  const fitting = branches.filter((own) => !own.some((error) => isWrongType(error, union)))
  if (fitting.length === 0) {
    const [message, quote] = wrongType(what, schema, node)
    return [{ keys, message, ...((quote ?? hint) === undefined ? {} : { hint: quote ?? hint! }) }]
  }
  const meant = fitting.filter((own) => !own.some((error) => isDiscriminator(error, union)))
  if (meant.length === 0) return explainDiscriminator(fitting, union, root, owner)
  const likeliest = meant.toSorted((a, b) => a.length - b.length)[0] ?? []
  return explain(likeliest, root, owner)
}

function isWrongType({ keyword, instancePath }: ErrorObject, union: ErrorObject): boolean {
  return keyword === 'type' && instancePath === union.instancePath
}

/** A member of few words that tells the alternatives apart, such as `type: cursor`. */
function isDiscriminator({ keyword, instancePath }: ErrorObject, union: ErrorObject): boolean {
  const below = instancePath.slice(union.instancePath.length)
  return keyword === 'const' && below.lastIndexOf('/') === 0
}

function explainDiscriminator(
  fitting: readonly ErrorObject[][],
  union: ErrorObject,
  root: Located,
  owner: string,
): Fault[] {
  const errors = fitting.flat().filter((error) => isDiscriminator(error, union))
  const first = errors[0]
  if (first === undefined) return []
  const words = errors
    .filter(({ instancePath }) => instancePath === first.instancePath)
    .map(({ params }) => params['allowedValue'])
  const keys = keysOf(first, root)
  const [message, hint] = wrongWord(subject(keys, owner), { enum: [...new Set(words)] }, nodeAt(root, keys))
  return [{ keys, message, ...(hint === undefined ? {} : { hint }) }]
}

function wrongType(what: string, schema: Schema, node: Located | undefined): [string, string?] {
  const types = typesOf(schema)
  const wanted = [...new Set(branchesOf(schema).map(typeWords))].join(' or ')
  if (node?.kind === 'scalar' && node.plain === '' && node.value === null) {
    return [`${what} has no value`, `write ${wanted} behind the colon, or remove the key`]
  }
  const unit = branchesOf(schema).find(({ format }) => format === 'duration' || format === 'size')?.format
  if (unit !== undefined && node?.kind === 'scalar' && typeof node.value === 'number') {
    const units = unit === 'duration' ? ['ms', 's', 'm'] : ['B', 'KiB', 'MiB']
    const spelled = units.map((name) => `${node.value}${name}`).join(', ')
    return [`${what} needs a unit: ${node.plain ?? node.value} is a bare number`, `write one of ${spelled}`]
  }
  if (
    types.includes('string') &&
    node?.kind === 'scalar' &&
    node.plain !== undefined &&
    typeof node.value !== 'string'
  ) {
    const read =
      node.value === null ? 'as nothing' : `as ${typeof node.value === 'number' ? 'the number ' : ''}${node.value}`
    return [`${what} must be text, but YAML reads ${node.plain} ${read}`, `quote it: "${node.plain}"`]
  }
  const message = `${what} must be ${wanted}, but is ${valueText(node, schema)}`
  if (types.includes('boolean') && node?.kind === 'scalar') return [message, booleanHint(String(node.value))]
  if (types.every((type) => type === 'number' || type === 'integer') && node?.kind === 'scalar') {
    return [message, node.plain === undefined && /^\d+$/.test(String(node.value)) ? 'remove the quotes' : undefined]
  }
  return [
    message,
    types.includes('array') && !types.includes('object') ? 'write [one, two], or one "- entry" a line' : undefined,
  ]
}

function booleanHint(text: string): string | undefined {
  if (/^(yes|on|y|true)$/i.test(text)) return 'write true'
  if (/^(no|off|n|false)$/i.test(text)) return 'write false'
  return undefined
}

function wrongWord(what: string, schema: Schema, node: Located | undefined): [string, string?] {
  const words = (wordsOf(schema) ?? []).map(String)
  const text = node?.kind === 'scalar' ? String(node.value) : ''
  const near = closest(text, words)
  const message = `${what} must be ${list(words)}, but is ${valueText(node, schema)}`
  return near === undefined ? [message] : [message, `did you mean "${near}"?`]
}

function list(words: readonly string[]): string {
  return words.length === 1 ? `"${words[0]}"` : `one of ${words.join(', ')}`
}

function typeWords(schema: Schema): string {
  if (schema.format === 'duration') return 'a duration such as 30s or 5m'
  if (schema.format === 'size') return 'a size such as 64KiB or 128MiB'
  if (schema.const !== undefined) return JSON.stringify(schema.const)
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`
  const words = {
    string: 'text',
    integer: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    null: 'null',
  }
  const types = [schema.type ?? []].flat()
  return types
    .map((type) => (words as { [type: string]: string })[type] ?? (type === 'array' ? 'a list' : 'a map'))
    .join(' or ')
}

function valueText(node: Located | undefined, schema: Schema): string {
  if (node === undefined) return 'something else'
  if (node.kind !== 'scalar') return node.kind === 'list' ? 'a list' : 'a map'
  if (schema.secret === true) return 'something else'
  const text = JSON.stringify(node.value)
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}..."` : text
}

/** Longest value that a message repeats. */
const MAX_SHOWN = 60

function exampleHint(schema: Schema): string | undefined {
  const example = schema.examples?.[0]
  return example === undefined
    ? undefined
    : `for example ${typeof example === 'string' ? example : JSON.stringify(example)}`
}

function schemaAround(error: ErrorObject): Schema {
  return isSchema(error.parentSchema) ? error.parentSchema : {}
}

/** JSON pointer to keys; an index is a number where the node is a list. */
function keysOf({ instancePath }: ErrorObject, root: Located): Keys {
  const keys: (string | number)[] = []
  for (const part of instancePath.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~')
    keys.push(nodeAt(root, keys)?.kind === 'list' ? Number(name) : name)
  }
  return keys
}
