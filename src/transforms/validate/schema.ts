import { readFile } from 'node:fs/promises'
import { Ajv } from 'ajv'
import type { ErrorObject, Options, ValidateFunction } from 'ajv'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import { RE2JS } from 're2js'
import { asSluiceError, SluiceError } from '../../errors.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import { isList, isObject } from '../../record/json/json.ts'

/** A compiled JSON schema: the one judge of records. */
export interface Schema {
  readonly root: JsonObject
  /**
   * What is wrong with a record, or undefined when it fulfils the schema: a JSON pointer and the rule, such as `/changes/0/field must be string`.
   * Names that the schema does not know are `*` in it, so that no content gets into messages.
   */
  judge(value: unknown): string | undefined
}

/**
 * Reads and compiles a schema of draft-07 or 2020-12 (by its `$schema`; 2020-12 when it has none). References reach inside the file only.
 * @throws SluiceError SCHEMA_INVALID with the reason.
 */
export async function loadSchema(file: string): Promise<Schema> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    throw asSluiceError(error, 'SCHEMA_INVALID', `schema ${file} cannot be read`)
  }
  const known = compiled.get(text)
  if (known !== undefined) return known
  let root: Json
  try {
    const parsed: Json = JSON.parse(text)
    root = parsed
  } catch (error) {
    throw asSluiceError(error, 'SCHEMA_INVALID', `schema ${file} is not JSON`)
  }
  const schema = compileSchema(root, file)
  compiled.set(text, schema)
  return schema
}

/** By their text: the check of a pipeline compiles a schema that its run needs again, which takes as long as thousands of events. */
const compiled = new Map<string, Schema>()

/** @param name names the schema in errors. */
export function compileSchema(root: Json, name: string): Schema {
  if (!isObject(root)) throw new SluiceError('SCHEMA_INVALID', `schema ${name} is not a JSON object`)
  if (root['$async'] !== undefined) throw new SluiceError('SCHEMA_INVALID', `schema ${name}: $async is not supported`)
  let validate: ValidateFunction
  try {
    const ajv = createAjv(root['$schema'])
    addFormats.default(ajv)
    // Takes quadratic time (minutes for one line), and is no format of JSON Schema: `uri` is.
    delete ajv.formats['url']
    validate = ajv.compile(root)
  } catch (error) {
    throw asSluiceError(error, 'SCHEMA_INVALID', `schema ${name}`)
  }
  const names = new Set<string>()
  collectNames(root, names)
  return { root, judge: (value) => judge(validate, names, value) }
}

/** JavaScript's own engine takes exponential time on some patterns: https://ajv.js.org/security.html#redos-attack */
const linearRegExp = Object.assign((pattern: string) => RE2JS.compile(RE2JS.translateRegExp(pattern)), {
  code: 're2',
})

/**
 * `allErrors` would let one record cost as many errors as it has values; without `ownProperties` a required `toString` is found in `{}`.
 * Nothing that changes records is on. Unknown keywords are errors: a misspelled rule is a rule that does not act.
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

const DRAFT_07 = /^https?:\/\/json-schema\.org\/draft-07\/schema#?$/
const DRAFT_2020_12 = /^https?:\/\/json-schema\.org\/draft\/2020-12\/schema#?$/
const MAX_DETAIL = 200

function createAjv(draft: Json | undefined): Ajv {
  if (draft === undefined || (typeof draft === 'string' && DRAFT_2020_12.test(draft))) return new Ajv2020(OPTIONS)
  if (typeof draft === 'string' && DRAFT_07.test(draft)) return new Ajv(OPTIONS)
  throw new Error(
    `$schema ${JSON.stringify(draft)} is not supported: use "https://json-schema.org/draft/2020-12/schema" or "http://json-schema.org/draft-07/schema#"`,
  )
}

function judge(validate: ValidateFunction, names: ReadonlySet<string>, value: unknown): string | undefined {
  try {
    if (validate(value)) return undefined
  } catch {
    // A recursive $ref goes as deep as the record does.
    return 'the schema cannot be applied to this record'
  }
  const error = telling(validate.errors ?? [])
  const pointer = safePointer(error?.instancePath ?? '', names, value)
  const detail = `${pointer} ${error?.message ?? 'does not fulfil the schema'}`.trimStart()
  return detail.length > MAX_DETAIL ? `${detail.slice(0, MAX_DETAIL - 1)}…` : detail
}

/** The last error sums up those of alternatives; but that of an `if` only says which branch failed, not why. */
function telling(errors: readonly ErrorObject[]): ErrorObject | undefined {
  const last = errors.at(-1)
  return last?.keyword === 'if' ? errors[0] : last
}

function safePointer(pointer: string, names: ReadonlySet<string>, value: unknown): string {
  let place = value
  let safe = ''
  for (const part of pointer.split('/').slice(1)) {
    const key = part.replaceAll('~1', '/').replaceAll('~0', '~')
    safe += Array.isArray(place) || names.has(key) ? `/${part}` : '/*'
    place = typeof place === 'object' && place !== null ? Reflect.get(place, key) : undefined
  }
  return safe
}

/** The names of properties that a schema speaks of. Should there be too many (under `const`, say), they are the author's own words all the same. */
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
