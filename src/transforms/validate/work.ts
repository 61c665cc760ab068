import { _, Name } from 'ajv'
import type { Ajv } from 'ajv'
import { RE2JS } from 're2js'
import { isList, isObject } from '../../record/json/json.ts'
import type { Json, JsonObject } from '../../record/json/json.ts'
import { Spellings } from './exact-json.ts'

/**
 * The work that one record may cause. A schema that refers to itself in two branches visits a value
 * twice as often on each level of a record, so a short record can block a run for hours.
 *
 * The work is counted, not timed: the same record has the same outcome on every machine. A step is
 * the use of one subschema on one value, about 5 ns. The steps grow with the record, so that an
 * honest record has many times what it needs.
 */
export class Work {
  spellings = new Spellings()
  /** Steps; unlimited while ajv checks the schema itself. */
  left = Infinity

  /** @param length of the record in characters. */
  begin(length: number, spellings: Spellings): void {
    this.left = FREE_STEPS + STEPS_PER_CHARACTER * length
    this.spellings = spellings
  }

  /** @throws WorkExceeded */
  spend(steps: number): void {
    this.left -= steps
    if (this.left < 0) throw new WorkExceeded()
  }
}

export class WorkExceeded extends Error {}

const FREE_STEPS = 500_000
const STEPS_PER_CHARACTER = 8
/**
 * ajv collects the errors of all alternatives that failed, about 200 bytes each. For each reference
 * it copies the errors so far, which takes time only if there are many.
 */
const MAX_ERRORS = 200_000
const FREE_ERRORS = 1000

/** No keyword of JSON Schema contains a colon. */
const KEYWORD = 'sluice:steps'

/** Makes ajv count the work of every subschema that `addSteps` has prepared. */
export function countSteps(ajv: Ajv, work: Work): void {
  // Before all other keywords: what fails is counted, too.
  const first = ajv.RULES.rules[0]?.rules[0]?.keyword
  ajv.addKeyword({
    keyword: KEYWORD,
    ...(first !== undefined && { before: first }),
    code({ gen, data, parentSchema }) {
      const { fixed, ...cost } = costOf(parentSchema)
      const copiesErrors = '$ref' in parentSchema || '$dynamicRef' in parentSchema
      const check = (errors: readonly unknown[] | null): void => {
        if (errors !== null && errors.length > MAX_ERRORS) throw new WorkExceeded()
        work.spend(copiesErrors && errors !== null && errors.length > FREE_ERRORS ? errors.length : 0)
      }
      const counter = gen.scopeValue('keyword', { ref: work })
      const errors = new Name('vErrors')
      gen.if(_`(${counter}.left -= ${fixed}) < 0 || (${errors} !== null && ${errors}.length > ${FREE_ERRORS})`, () =>
        gen.code(_`${gen.scopeValue('keyword', { ref: check })}(${errors})`),
      )
      if (Object.values(cost).every((steps) => steps === 0)) return
      const spend = (value: unknown): void => work.spend(stepsFor(cost, value))
      gen.code(_`${gen.scopeValue('keyword', { ref: spend })}(${data})`)
    },
  })
}

/** Adds the keyword to every subschema of a schema, in place. */
export function addSteps(schema: unknown): void {
  if (!isSchema(schema)) return
  for (const [keyword, value] of Object.entries(schema)) {
    if (SCHEMA_MAPS.has(keyword) && isObject(value)) for (const inner of Object.values(value)) addSteps(inner)
    else if (isList(value) && SCHEMAS.has(keyword)) for (const inner of value) addSteps(inner)
    else if (SCHEMAS.has(keyword)) addSteps(value)
  }
  // An empty schema has nothing to do, and ajv knows that.
  if (Object.keys(schema).length > 0) schema[KEYWORD] = true
}

const SCHEMA_MAPS = new Set('properties patternProperties $defs definitions dependentSchemas dependencies'.split(' '))
const SCHEMAS = new Set(
  'allOf anyOf oneOf not if then else items prefixItems additionalItems contains unevaluatedItems additionalProperties propertyNames unevaluatedProperties'.split(
    ' ',
  ),
)

function isSchema(value: unknown): value is { [keyword: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The steps of one use of a subschema, without those inside it. */
interface Cost {
  readonly fixed: number
  readonly perCharacter: number
  readonly perElement: number
  readonly perKey: number
  readonly perKeyCharacter: number
}

/** Keywords that visit each element, or each key, of a value. */
const OF_ELEMENTS = ['items', 'prefixItems', 'additionalItems', 'contains', 'unevaluatedItems']
const OF_KEYS = [
  'additionalProperties',
  'patternProperties',
  'propertyNames',
  'unevaluatedProperties',
  'minProperties',
  'maxProperties',
]
/** ajv's formats take up to 25 ns a character, `regex` more. */
const FORMAT_STEPS = 5

function costOf(schema: JsonObject): Cost {
  const { pattern, format, minLength, maxLength, properties, required, patternProperties } = schema
  const names = (isObject(properties) ? Object.keys(properties).length : 0) + (isList(required) ? required.length : 0)
  return {
    fixed: 1 + (names >> 3),
    perCharacter:
      (typeof pattern === 'string' ? patternSteps(pattern) : 0) +
      (format === undefined ? 0 : FORMAT_STEPS) +
      (minLength === undefined && maxLength === undefined ? 0 : 0.25),
    perElement: OF_ELEMENTS.some((keyword) => keyword in schema) ? 1 : 0,
    perKey: OF_KEYS.some((keyword) => keyword in schema) ? 1 : 0,
    perKeyCharacter: isObject(patternProperties)
      ? Object.keys(patternProperties).reduce((sum, each) => sum + patternSteps(each), 0)
      : 0,
  }
}

/** RE2 takes up to 10 ns a character for each instruction of its program, but rarely so much. */
function patternSteps(pattern: string): number {
  return Math.ceil(RE2JS.compile(RE2JS.translateRegExp(pattern)).programSize() / 4)
}

function stepsFor(cost: Omit<Cost, 'fixed'>, value: unknown): number {
  if (typeof value === 'string') return cost.perCharacter * value.length
  if (typeof value !== 'object' || value === null) return 0
  if (Array.isArray(value)) return cost.perElement * value.length
  if (cost.perKey === 0) return 0
  const keys = Object.keys(value)
  const characters = cost.perKeyCharacter === 0 ? 0 : keys.reduce((sum, key) => sum + key.length, 0)
  return cost.perKey * keys.length + cost.perKeyCharacter * characters
}
