import { _, str } from 'ajv'
import type { Ajv, KeywordCxt } from 'ajv'
import { canonicalNumber } from '../../record/json/number.ts'
import { compareNumbers, isMultiple } from './decimal.ts'
import type { Spellings } from './exact-json.ts'
import type { Work } from './work.ts'

/**
 * Replaces the keywords of ajv that compare values. They compare numbers as they are spelled, in
 * the record and in the schema; ajv compares what JavaScript rounds them to. `uniqueItems` takes
 * linear time; ajv compares each pair of items.
 */
export function addExactKeywords(ajv: Ajv, schemaSpellings: Spellings, work: Work): void {
  for (const keyword of [...Object.keys(LIMITS), 'multipleOf', 'const', 'enum', 'uniqueItems'])
    ajv.removeKeyword(keyword)

  for (const [keyword, { sign, holds }] of Object.entries(LIMITS)) {
    addNumberTest(keyword, `must be ${sign}`, (value, limit) =>
      typeof value === 'number' && typeof limit === 'number'
        ? holds(value - limit)
        : holds(compareNumbers(String(value), String(limit))),
    )
  }
  addNumberTest('multipleOf', 'must be multiple of', (value, of) =>
    Number.isSafeInteger(value) && Number.isSafeInteger(of)
      ? Number(value) % Number(of) === 0
      : isMultiple(String(value), String(of)),
  )

  ajv.addKeyword({
    keyword: 'const',
    error: { message: 'must be equal to constant' },
    code(cxt) {
      addTest(cxt, createMatcher([{ value: cxt.schema, parent: cxt.parentSchema, key: 'const' }]))
    },
  })
  ajv.addKeyword({
    keyword: 'enum',
    schemaType: 'array',
    error: { message: 'must be equal to one of the allowed values' },
    code(cxt) {
      const list: readonly unknown[] = cxt.schema
      addTest(cxt, createMatcher(list.map((value, key) => ({ value, parent: list, key }))))
    },
  })
  ajv.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    error: { message: 'must NOT have duplicate items' },
    code(cxt) {
      if (cxt.schema !== true) return
      addTest(cxt, (value) => {
        const items: readonly unknown[] = Array.isArray(value) ? value : []
        const known = new Set<string>()
        return items.every((item, at) => {
          known.add(textOf(item, items, at))
          return known.size === at + 1
        })
      })
    },
  })

  /** A number is a text if JavaScript cannot represent it. */
  function addNumberTest(
    keyword: string,
    message: string,
    holds: (value: number | string, expected: number | string) => boolean,
  ): void {
    ajv.addKeyword({
      keyword,
      type: 'number',
      schemaType: 'number',
      error: { message: ({ params: { expected } }) => str`${message} ${expected}` },
      code(cxt) {
        const expected: number | string = schemaSpellings.of(cxt.parentSchema, keyword) ?? cxt.schema
        cxt.setParams({ expected })
        addTest(cxt, (value, parent, key) => {
          const spelling = work.spellings.of(parent, key)
          if (spelling !== undefined) work.spend(spelling.length)
          return holds(spelling ?? Number(value), expected)
        })
      },
    })
  }

  function createMatcher(
    expected: readonly { readonly value: unknown; readonly parent: unknown; readonly key: string | number }[],
  ): Test {
    const texts = new Set(expected.map(({ value, parent, key }) => canonicalText(value, parent, key, schemaSpellings)))
    const sizes = new Set(expected.map(({ value }) => sizeOf(value)))
    return (value, parent, key) => sizes.has(measure(value)) && texts.has(textOf(value, parent, key))
  }

  function measure(value: unknown): string {
    const size = sizeOf(value)
    if (size.startsWith('{')) work.spend(Number(size.slice(1)) / 4)
    return size
  }

  function textOf(value: unknown, parent: unknown, key: string | number): string {
    const text = canonicalText(value, parent, key, work.spellings)
    work.spend(Math.ceil(text.length / 4))
    return text
  }
}

const LIMITS: {
  readonly [keyword: string]: { readonly sign: string; readonly holds: (difference: number) => boolean }
} = {
  maximum: { sign: '<=', holds: (difference) => difference <= 0 },
  minimum: { sign: '>=', holds: (difference) => difference >= 0 },
  exclusiveMaximum: { sign: '<', holds: (difference) => difference < 0 },
  exclusiveMinimum: { sign: '>', holds: (difference) => difference > 0 },
}

/** Whether a value, in this member or element of its parent, is valid. */
type Test = (value: unknown, parent: unknown, key: string | number) => boolean

function addTest(cxt: KeywordCxt, holds: Test): void {
  const { gen, data, it } = cxt
  const test = gen.scopeValue('keyword', { ref: holds })
  cxt.fail(_`!${test}(${data}, ${it.parentData}, ${it.parentDataProperty})`)
}

/** Equal values have the same size. */
function sizeOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return ''
  return Array.isArray(value) ? `[${value.length}` : `{${Object.keys(value).length}`
}

/**
 * The same text for equal values and only for them, as JSON Schema defines it: 1 equals 1.0, and
 * the order of members does not matter.
 */
function canonicalText(value: unknown, parent: unknown, key: string | number, spellings: Spellings): string {
  if (typeof value === 'string') return JSON.stringify(value)
  if (typeof value === 'number') {
    const spelling = spellings.of(parent, key)
    return spelling === undefined && Number.isSafeInteger(value) ? `${value}` : canonicalNumber(spelling ?? `${value}`)
  }
  if (typeof value !== 'object' || value === null) return String(value)
  let text = ''
  if (Array.isArray(value)) {
    for (let at = 0; at < value.length; at++) text += `,${canonicalText(value[at], value, at, spellings)}`
    return `[${text}]`
  }
  const members = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  for (const [name, member] of members)
    text += `,${JSON.stringify(name)}:${canonicalText(member, value, name, spellings)}`
  return `{${text}}`
}
