import type { Json, JsonObject } from '../../record/json/json.ts'
import { isList, isObject } from '../../record/json/json.ts'
import { DRAFT_07, DRAFT_2020_12 } from './drafts.ts'

/**
 * True if ajv certainly accepts a schema: it has only the commonest keywords, with values as they
 * must be. Most schemas of events are like this, and then a run of valid records needs no ajv.
 */
export function isSurelyValid({ $schema, ...root }: JsonObject): boolean {
  const isKnown =
    $schema === undefined ||
    (typeof $schema === 'string' && [DRAFT_07, DRAFT_2020_12].some((draft) => draft.test($schema)))
  return isKnown && isPlain(root, 0)
}

const MAX_DEPTH = 32

function isPlain(schema: Json, depth: number): boolean {
  if (typeof schema === 'boolean') return true
  if (!isObject(schema) || depth > MAX_DEPTH) return false
  return Object.entries(schema).every(([keyword, value]) => {
    if (keyword === 'properties')
      return (
        isObject(value) &&
        Object.entries(value).every(([name, inner]) => name !== '__proto__' && isPlain(inner, depth + 1))
      )
    return Object.hasOwn(KEYWORDS, keyword) && KEYWORDS[keyword](value)
  })
}

/** Whether this value of a keyword is certainly allowed. */
const KEYWORDS: { readonly [keyword: string]: (value: Json) => boolean } = {
  title: isText,
  description: isText,
  $comment: isText,
  type: (value) => isType(value) || (isSet(value) && value.every(isType)),
  required: (value) => isList(value) && (value.length === 0 || isSet(value)),
  additionalProperties: (value) => typeof value === 'boolean',
  minLength: (value) => value === 0 || value === 1,
  format: (value) => value === 'date-time',
  enum: isSet,
  const: isText,
}

const TYPES: readonly Json[] = ['string', 'object', 'array', 'boolean', 'null', 'number', 'integer']

function isType(value: Json): boolean {
  return TYPES.includes(value)
}

function isText(value: Json): boolean {
  return typeof value === 'string'
}

/** A list of different texts, at least one. */
function isSet(value: Json): value is readonly string[] {
  return isList(value) && value.length > 0 && value.every(isText) && new Set(value).size === value.length
}
