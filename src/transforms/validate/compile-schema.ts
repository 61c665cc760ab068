import { Ajv } from 'ajv'
import type { ErrorObject, Options, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { RE2JS } from 're2js'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { RejectCode } from '../../errors.ts'
import { isDateTimeText } from '../../record/json/instant.ts'
import type { Json } from '../../record/json/json.ts'
import { isList, isObject } from '../../record/json/json.ts'
import { DRAFT_07, DRAFT_2020_12 } from './drafts.ts'
import { parseExact } from './exact-json.ts'
import { addExactKeywords } from './exact-keywords.ts'
import { readSchema } from './read-schema.ts'
import { addSteps, countSteps, Work, WorkExceeded } from './work.ts'

/** A JSON schema compiled by ajv. */
export interface CompiledSchema {
  /**
   * Returns the first violation in a record (as JSON text); undefined if the record fulfils the
   * schema.
   */
  findViolation(json: string): Violation | undefined
}

export interface Violation {
  /**
   * SCHEMA_VIOLATION, or VALIDATION_LIMIT if the record takes so much work that it is unknown
   * whether it fulfils the schema.
   */
  readonly code: RejectCode
  /**
   * Such as `/changes/0/field must be string`. Names that do not occur in the schema are replaced
   * by `*`, so that it contains no content of records.
   */
  readonly detail: string
}

/**
 * Compiles a schema, in a few dozen milliseconds with the time to load ajv.
 * @param name the name of the schema in error messages.
 * @throws SluiceError SCHEMA_INVALID with the reason.
 */
export function compileSchema(text: string, name: string): CompiledSchema {
  const { root } = readSchema(text, name)
  if (root['$async'] !== undefined) throw new SluiceError('SCHEMA_INVALID', `schema ${name}: $async is not supported`)
  const work = new Work()
  let validate: ValidateFunction
  try {
    // ajv gets a schema of its own, with keywords that count the work.
    const counted = readSchema(text, name)
    const ajv = createAjv(root['$schema'])
    addFormats.default(ajv)
    // ajv's `url` takes quadratic time (minutes for one line), and is not a format of JSON Schema;
    // `uri` is.
    delete ajv.formats['url']
    // What is a time here, the other stages can read.
    ajv.addFormat('date-time', isDateTimeText)
    addExactKeywords(ajv, counted.spellings, work)
    countSteps(ajv, work)
    addSteps(counted.root)
    validate = ajv.compile(counted.root)
  } catch (error) {
    throw asSluiceError(error, 'SCHEMA_INVALID', `schema ${name}`)
  }
  const names = new Set<string>()
  collectNames(root, names)
  return { findViolation: (json) => findViolation({ validate, work, names }, json) }
}

/**
 * The JavaScript engine takes exponential time on some patterns:
 * https://ajv.js.org/security.html#redos-attack
 */
const linearRegExp = Object.assign((pattern: string) => RE2JS.compile(RE2JS.translateRegExp(pattern)), {
  code: 're2',
})

/**
 * With `allErrors`, one record could produce as many errors as it has values. Without
 * `ownProperties`, a required `toString` would be found in `{}`. All options that change records
 * are off. Unknown keywords are errors, because a misspelled keyword would silently check nothing.
 */
const OPTIONS: Options = {
  allErrors: false,
  ownProperties: true,
  strict: true,
  strictTypes: false,
  strictTuples: false,
  strictRequired: false,
  allowUnionTypes: true,
  addUsedSchema: false,
  logger: false,
  code: { regExp: linearRegExp },
}

const MAX_DETAIL = 200

function createAjv(draft: Json | undefined): Ajv {
  if (draft === undefined || (typeof draft === 'string' && DRAFT_2020_12.test(draft))) return new Ajv2020(OPTIONS)
  if (typeof draft === 'string' && DRAFT_07.test(draft)) return new Ajv(OPTIONS)
  throw new Error(
    `$schema ${JSON.stringify(draft)} is not supported: use "https://json-schema.org/draft/2020-12/schema" or "http://json-schema.org/draft-07/schema#"`,
  )
}

interface Compiled {
  readonly validate: ValidateFunction
  readonly work: Work
  readonly names: ReadonlySet<string>
}

function findViolation({ validate, work, names }: Compiled, json: string): Violation | undefined {
  const { value, spellings } = parseExact(json)
  work.begin(json.length, spellings)
  try {
    if (validate(value)) return undefined
  } catch (error) {
    // A recursive $ref recurses as deep as the record.
    if (error instanceof WorkExceeded || error instanceof RangeError) return TOO_MUCH_WORK
    throw error
  }
  const error = mostSpecific(validate.errors ?? [])
  const pointer = safePointer(error?.instancePath ?? '', names, value)
  const detail = `${pointer} ${error?.message ?? 'does not fulfil the schema'}`.trimStart()
  return {
    code: 'SCHEMA_VIOLATION',
    detail: detail.length > MAX_DETAIL ? `${detail.slice(0, MAX_DETAIL - 1)}…` : detail,
  }
}

const TOO_MUCH_WORK: Violation = {
  code: 'VALIDATION_LIMIT',
  detail: 'the schema takes too many steps for a record of this size',
}

/**
 * The last error summarises those of the alternatives. The error of an `if` only says which branch
 * failed, so the first error is used then.
 */
function mostSpecific(errors: readonly ErrorObject[]): ErrorObject | undefined {
  const last = errors.at(-1)
  return last?.keyword === 'if' ? errors[0] : last
}

function safePointer(pointer: string, names: ReadonlySet<string>, value: unknown): string {
  let current = value
  let safe = ''
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    safe += Array.isArray(current) || names.has(key) ? `/${part}` : '/*'
    current = typeof current === 'object' && current !== null ? Reflect.get(current, key) : undefined
  }
  return safe
}

/**
 * Collects the property names in a schema. It may collect too many (for example under `const`), but
 * all of them are the author's own text.
 */
function collectNames(schema: Json, names: Set<string>): void {
  if (isList(schema)) {
    for (const item of schema) collectNames(item, names)
    return
  }
  if (!isObject(schema)) return
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'properties' && isObject(value)) for (const name of Object.keys(value)) names.add(name)
    if (keyword === 'required' && isList(value)) for (const name of value) if (typeof name === 'string') names.add(name)
    collectNames(value, names)
  }
}
