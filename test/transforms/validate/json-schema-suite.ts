import type { Json, JsonObject } from '../../../src/record/json/json.ts'

/**
 * Cases in the style of the official JSON-Schema-Test-Suite, by keyword, where draft-07 and 2020-12
 * agree. Instances are JSON text, because the fast path depends on the spelling.
 */
export interface Group {
  readonly about: string
  readonly schema: JsonObject
  readonly valid: readonly string[]
  readonly invalid: readonly string[]
}

const NO_STRINGS = ['12', '13.7', '{}', '[]', 'false', 'null']

export const groups: readonly Group[] = [
  ...types({
    integer: ['1', '1.0', '-0', '1e2', '123456789012345678901234567890'],
    number: ['1', '1.0', '1.1', '-1.5e-3'],
    string: ['"foo"', '"1"', '""', '"\\u0031"', '"true"'],
    object: ['{}', '{"a":1}'],
    array: ['[]', '[1]'],
    boolean: ['true', 'false'],
    null: ['null'],
  }),
  {
    about: 'multiple types can be specified in an array',
    schema: { type: ['integer', 'string'] },
    valid: ['1', '"foo"'],
    invalid: ['1.1', '{}', '[]', 'true', 'null'],
  },
  { about: 'type as array with one item', schema: { type: ['string'] }, valid: ['"foo"'], invalid: ['123'] },
  {
    about: 'type: array or object',
    schema: { type: ['array', 'object'] },
    valid: ['[1,2,3]', '{"foo":123}'],
    invalid: ['123', '"foo"', 'null'],
  },
  {
    about: 'type: array, object or null',
    schema: { type: ['array', 'object', 'null'] },
    valid: ['[1,2,3]', '{"foo":123}', 'null'],
    invalid: ['123', '"foo"'],
  },

  {
    about: 'required validation',
    schema: { properties: { foo: {}, bar: {} }, required: ['foo'] },
    valid: ['{"foo":1}', '{"f\\u006fo":null}', '[]', '""', '12', 'null', 'true'],
    invalid: ['{"bar":1}', '{}', '{"Foo":1}', '{"a":{"foo":1}}'],
  },
  { about: 'required default validation', schema: { properties: { foo: {} } }, valid: ['{}'], invalid: [] },
  {
    about: 'required with empty array',
    schema: { properties: { foo: {} }, required: [] },
    valid: ['{}'],
    invalid: [],
  },
  {
    about: 'required with escaped characters',
    schema: { required: ['foo\nbar', 'foo"bar', 'foo\\bar', 'foo\rbar', 'foo\tbar', 'foo\fbar'] },
    valid: ['{"foo\\nbar":1,"foo\\"bar":1,"foo\\\\bar":1,"foo\\rbar":1,"foo\\tbar":1,"foo\\fbar":1}'],
    invalid: ['{"foo\\nbar":"1","foo\\"bar":"1"}'],
  },
  {
    about: 'required properties whose names are Javascript object property names',
    schema: { required: ['__proto__', 'toString', 'constructor'] },
    valid: ['[]', '12', '{"__proto__":12,"toString":{"length":"foo"},"constructor":37}'],
    invalid: [
      '{}',
      '{"__proto__":"foo"}',
      '{"toString":{"length":37}}',
      '{"constructor":{"length":37}}',
      '{"__proto__":{"toString":1,"constructor":1}}',
    ],
  },

  {
    about: 'object properties validation',
    schema: { properties: { foo: { type: 'integer' }, bar: { type: 'string' } } },
    valid: ['{"foo":1,"bar":"baz"}', '{"quux":[]}', '[]', '12', '{"foo":"x","foo":1}'],
    invalid: ['{"foo":1,"bar":{}}', '{"foo":[],"bar":{}}', '{"foo":1,"foo":"x"}', '{"f\\u006fo":"x"}'],
  },
  {
    about: 'properties with boolean schema',
    schema: { properties: { foo: true, bar: false } },
    valid: ['{}', '{"foo":1}'],
    invalid: ['{"bar":2}', '{"foo":1,"bar":2}'],
  },
  {
    about: 'properties with escaped characters',
    schema: {
      properties: {
        'foo\nbar': { type: 'number' },
        'foo"bar': { type: 'number' },
        'foo\\bar': { type: 'number' },
        'foo\tbar': { type: 'number' },
      },
    },
    valid: ['{"foo\\nbar":1,"foo\\"bar":1,"foo\\\\bar":1,"foo\\tbar":1}'],
    invalid: ['{"foo\\nbar":"1"}', '{"foo\\"bar":"1"}', '{"foo\\u005cbar":"1"}', '{"foo\\u0009bar":"1"}'],
  },
  {
    about: 'properties with null valued instance properties',
    schema: { properties: { foo: { type: 'null' } } },
    valid: ['{"foo":null}', '{}'],
    invalid: ['{"foo":0}'],
  },
  {
    about: 'properties whose names are Javascript object property names',
    schema: {
      properties: {
        toString: { properties: { length: { type: 'string' } } },
        constructor: { type: 'number' },
      },
    },
    valid: ['[]', '12', '{}', '{"__proto__":12,"toString":{"length":"foo"},"constructor":37}'],
    invalid: ['{"toString":{"length":37}}', '{"constructor":{"length":37}}'],
  },

  { about: 'const validation', schema: { const: 2 }, valid: ['2', '2.0', '2e0'], invalid: ['5', '"a"', '"2"'] },
  {
    about: 'const with object',
    schema: { const: { foo: 'bar', baz: 'bax' } },
    valid: ['{"foo":"bar","baz":"bax"}', '{"baz":"bax","foo":"bar"}'],
    invalid: ['{"foo":"bar"}', '[1,2]'],
  },
  {
    about: 'const with array',
    schema: { const: [{ foo: 'bar' }] },
    valid: ['[{"foo":"bar"}]'],
    invalid: ['[2]', '[1,2,3]'],
  },
  { about: 'const with null', schema: { const: null }, valid: ['null'], invalid: ['0', '""', 'false'] },
  { about: 'const with false does not match 0', schema: { const: false }, valid: ['false'], invalid: ['0', '0.0'] },
  { about: 'const with true does not match 1', schema: { const: true }, valid: ['true'], invalid: ['1', '1.0'] },
  { about: 'const with [false] does not match [0]', schema: { const: [false] }, valid: ['[false]'], invalid: ['[0]'] },
  { about: 'const with {"a": true}', schema: { const: { a: true } }, valid: ['{"a":true}'], invalid: ['{"a":1}'] },
  {
    about: 'const with 0 does not match other zero-like types',
    schema: { const: 0 },
    valid: ['0', '0.0', '-0'],
    invalid: ['false', '{}', '[]', '""', '"0"', 'null'],
  },
  { about: 'const with 1 does not match true', schema: { const: 1 }, valid: ['1', '1.0'], invalid: ['true', '"1"'] },
  {
    about: 'const with -2.0 matches integer and float types',
    schema: { const: -2 },
    valid: ['-2', '-2.0'],
    invalid: ['2', '2.0', '-2.00001'],
  },
  {
    about: 'float and integers are equal up to 64-bit representation limits',
    schema: { const: 9007199254740992 },
    valid: ['9007199254740992', '9007199254740992.0'],
    invalid: ['9007199254740991', '9007199254740991.0'],
  },
  {
    about: 'nul characters in strings',
    schema: { const: 'hello\u0000there' },
    valid: ['"hello\\u0000there"'],
    invalid: ['"hellothere"', '"hello\\\\u0000there"'],
  },
  {
    about: 'characters with the same visual representation but different codepoint',
    schema: { const: '\u03bc' },
    valid: ['"\u03bc"', '"\\u03bc"'],
    invalid: ['"\u00b5"', '"\\u00b5"'],
  },
  {
    about: 'characters with the same visual representation, but different number of codepoints',
    schema: { const: 'a\u0308' },
    valid: ['"a\u0308"', '"a\\u0308"'],
    invalid: ['"\u00e4"'],
  },

  { about: 'simple enum validation', schema: { enum: [1, 2, 3] }, valid: ['1', '3.0'], invalid: ['4', '"1"', '1.5'] },
  {
    about: 'heterogeneous enum validation',
    schema: { enum: [6, 'foo', [], true, { foo: 12 }] },
    valid: ['[]', '{"foo":12}', '"foo"', 'true', '6'],
    invalid: ['null', '{"foo":false}', '{"foo":12,"boo":42}', 'false'],
  },
  {
    about: 'heterogeneous enum-with-null validation',
    schema: { enum: [6, null] },
    valid: ['null', '6'],
    invalid: ['"test"', '"null"'],
  },
  {
    about: 'enums in properties',
    schema: { properties: { foo: { enum: ['foo'] }, bar: { enum: ['bar'] } }, required: ['bar'] },
    valid: ['{"foo":"foo","bar":"bar"}', '{"bar":"bar"}', '{"bar":"b\\u0061r"}'],
    invalid: ['{"foo":"foot","bar":"bar"}', '{"foo":"foo","bar":"bart"}', '{"foo":"foo"}', '{}'],
  },
  {
    about: 'enum with escaped characters',
    schema: { enum: ['foo\nbar', 'foo\rbar'] },
    valid: ['"foo\\nbar"', '"foo\\rbar"', '"foo\\u000abar"'],
    invalid: ['"abc"', '"foo\\\\nbar"'],
  },
  { about: 'enum with false does not match 0', schema: { enum: [false] }, valid: ['false'], invalid: ['0', '0.0'] },
  { about: 'enum with [false]', schema: { enum: [[false]] }, valid: ['[false]'], invalid: ['[0]', '[0.0]'] },
  { about: 'enum with true does not match 1', schema: { enum: [true] }, valid: ['true'], invalid: ['1', '1.0'] },
  { about: 'enum with 0 does not match false', schema: { enum: [0] }, valid: ['0', '0.0'], invalid: ['false'] },
  { about: 'enum with 1 does not match true', schema: { enum: [1] }, valid: ['1', '1.0'], invalid: ['true'] },
  {
    about: 'nul characters in strings of an enum',
    schema: { enum: ['hello\u0000there'] },
    valid: ['"hello\\u0000there"'],
    invalid: ['"hellothere"'],
  },

  {
    about: 'minLength validation',
    schema: { minLength: 2 },
    valid: ['"foo"', '"fo"', '100', '"\\u0066o"'],
    invalid: ['"f"', '"\u{1f4a9}"', '"\\ud83d\\udca9"'],
  },
  {
    about: 'minLength of 1',
    schema: { minLength: 1 },
    valid: ['"f"', '" "', '"\\u0000"', '"\u{1f4a9}"', '100', 'null', '[]'],
    invalid: ['""'],
  },
  { about: 'minLength of 0', schema: { minLength: 0 }, valid: ['""', '"f"', '1'], invalid: [] },

  {
    about: 'validation of date-time strings',
    schema: { format: 'date-time' },
    valid: [
      ...NO_STRINGS,
      '"1963-06-19T08:30:06.283185Z"',
      '"1963-06-19T08:30:06Z"',
      '"1937-01-01T12:00:27.87+00:20"',
      '"1990-12-31T15:59:50.123-08:00"',
      '"1998-12-31T23:59:60Z"',
      '"1998-12-31T15:59:60.123-08:00"',
      '"1963-06-19t08:30:06.283185z"',
      '"2024-02-29T00:00:00Z"',
      '"2024-03-04T18:01:26\\u005a"',
    ],
    invalid: [
      '"1998-12-31T23:59:61Z"',
      '"1998-12-31T23:58:60Z"',
      '"1998-12-31T22:59:60Z"',
      '"1990-02-31T15:59:59.123-08:00"',
      '"2023-02-29T00:00:00Z"',
      '"1990-12-31T15:59:59-24:00"',
      '"1990-12-31T24:00:00Z"',
      '"1963-06-19T08:30:06.28123+01:00Z"',
      '"06/19/1963 08:30:06 PST"',
      '"2013-350T01:01:01"',
      '"1963-6-19T08:30:06.283185Z"',
      '"1963-06-1T08:30:06.283185Z"',
      '"1963-06-1\u09eaT00:00:00Z"',
      '"1963-06-11T0\u09ea:00:00Z"',
      '"+11963-06-19T08:30:06.283185Z"',
      '"-11963-06-19T08:30:06.283185Z"',
      '"1963-06-19T08:30:06"',
      '"1963-06-19"',
      '"1963-13-19T08:30:06Z"',
      '"1963-00-19T08:30:06Z"',
      '"1963-06-00T08:30:06Z"',
      '""',
    ],
  },
]

/**
 * Of each type: its own instances are right, those of all others are wrong, but for numbers that
 * are integers.
 */
function types(instances: { readonly [type: string]: readonly string[] }): Group[] {
  return Object.entries(instances).map(([type, own]) => {
    const foreign = Object.entries(instances).flatMap(([other, texts]) => (other === type ? [] : texts))
    const isNumeric = type === 'integer' || type === 'number'
    const right = type === 'number' ? [...own, ...instances['integer']] : own
    const wrong = foreign.filter((text) => !isNumeric || !isNumber(text) || (type === 'integer' && !isWhole(text)))
    return { about: `${type} type matches ${type}s`, schema: { type }, valid: right, invalid: wrong }
  })
}

function isNumber(text: string): boolean {
  return typeof value(text) === 'number'
}

function isWhole(text: string): boolean {
  return Number.isInteger(value(text))
}

function value(text: string): Json {
  const parsed: Json = JSON.parse(text)
  return parsed
}
