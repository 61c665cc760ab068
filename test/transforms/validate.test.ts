import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'
import * as fc from 'fast-check'
import type { Json, JsonObject } from '../../src/record/json/json.ts'
import { Paths } from '../../src/record/paths/path.ts'
import type { Finding } from '../../src/component.ts'
import validate from '../../src/transforms/validate.ts'
import { analyzeSchema } from '../../src/transforms/validate/constraints.ts'
import { createFastPath } from '../../src/transforms/validate/fast-path.ts'
import { compileSchema } from '../../src/transforms/validate/compile-schema.ts'
import { loadSchema } from '../../src/transforms/validate/schema.ts'
import { jsonText } from '../../src/record/json/json-text.ts'
import { createEventSet } from '../servers/events.ts'
import { checkStage, openRecords, runStage } from './stage.ts'
import type { Outcome, StageOptions } from './stage.ts'
import { REPOSITORY } from '../support/paths.ts'
import { scaled } from '../support/scale.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const folder = await temporaryFolder({ after })

const EVENT_SCHEMA = join(REPOSITORY, 'schemas/jumpcloud-event.schema.json')

test('rejects records that violate the schema, with a pointer and the rule', async () => {
  const schema = {
    type: 'object',
    required: ['id'],
    properties: {
      id: { type: 'string', minLength: 1 },
      at: { type: 'string', format: 'date-time' },
      changes: { type: 'array', items: { type: 'object', properties: { field: { type: 'string' } } } },
      'a/b': { properties: { 'c~d': { type: 'null' } } },
    },
  }
  const outcome = await validateLines(schema, [
    { id: 'a', at: '2024-03-04T18:01:26Z', changes: [{ field: 'x' }] },
    {},
    { id: '' },
    { id: 1 },
    { id: 'a', at: 'today' },
    { id: 'a', changes: [{}, { field: 1 }] },
    { id: 'a', 'a/b': { 'c~d': 1 } },
  ])
  assert.deepEqual(outcome.lines, ['{"id":"a","at":"2024-03-04T18:01:26Z","changes":[{"field":"x"}]}'])
  assert.ok(outcome.rejects.every(({ code }) => code === 'SCHEMA_VIOLATION'))
  assert.deepEqual(
    outcome.rejects.map(({ line, detail }) => [line, detail]),
    [
      [2, "must have required property 'id'"],
      [3, '/id must NOT have fewer than 1 characters'],
      [4, '/id must be string'],
      [5, '/at must match format "date-time"'],
      [6, '/changes/1/field must be string'],
      [7, '/a~1b/c~0d must be null'],
    ],
  )
})

test('does not put names into the reason that only the record contains', async () => {
  const schema = {
    additionalProperties: { type: 'object', additionalProperties: { type: 'array', items: { type: 'string' } } },
    properties: { known: {} },
    propertyNames: { maxLength: 20 },
  }
  const outcome = await validateLines(schema, [
    { hunter2: { hunter2: ['x', 1] } },
    { '5551234': 1 },
    { known: 1, hunter2: { known: 1 } },
    { hunter2hunter2hunter2hunter2: {} },
  ])
  assert.deepEqual(
    outcome.rejects.map(({ detail }) => detail),
    ['/*/*/1 must be string', '/* must be object', '/*/known must be array', 'property name must be valid'],
  )
})

test('mode: tag adds the reason as a member and keeps all other bytes', async () => {
  const lines = ['{"id":"a"}', '{ "id" : 1.0, "big":12345678901234567890 }', '{"id":"b", "x":1e400}']
  const outcome = await validateLines({ properties: { id: { type: 'string' } } }, lines, { mode: 'tag' })
  assert.deepEqual(outcome.rejects, [])
  assert.deepEqual(outcome.lines, [
    lines[0],
    '{ "id" : 1.0, "big":12345678901234567890,"_schema_violation":"/id must be string" }',
    lines[2],
  ])
})

test('validates records with the edits of earlier stages', async () => {
  const schema = { required: ['id'], properties: { id: { type: 'string' }, n: { type: 'number' } } }
  const outcome = await validateLines(schema, ['{"id":"a","n":1}', '{"id":"a","n":1}', '{"id":"a","n":"x"}'], {
    before(batch) {
      batch.edit(batch.hit(0, batch.paths.add('id')), 1)
      batch.edit(batch.hit(1, batch.paths.add('n')), batch.token(Buffer.from('"[redacted]"')))
      batch.edit(batch.hit(2, batch.paths.add('n')), batch.token(Buffer.from('2')))
    },
  })
  assert.deepEqual(
    outcome.rejects.map(({ detail }) => detail),
    ["must have required property 'id'", '/n must be number'],
  )
  assert.deepEqual(outcome.lines, ['{"id":"a","n":2}'])
})

test('validates the duplicate key that JSON.parse takes', async () => {
  const schema = { required: ['o'], properties: { id: { type: 'string' }, o: { required: ['x'] } } }
  const outcome = await validateLines(schema, [
    '{"id":1,"id":"a","o":{"x":1}}',
    '{"id":"a","id":1,"o":{"x":1}}',
    '{"id":"a","o":{"x":1},"o":{}}',
    '{"id":"a","\\u006f":{"x":1},"o":{}}',
  ])
  assert.deepEqual(
    outcome.rejects.map(({ line, detail }) => [line, detail]),
    [
      [2, '/id must be string'],
      [3, "/o must have required property 'x'"],
      [4, "/o must have required property 'x'"],
    ],
  )
})

test('matches any pattern in linear time', async () => {
  const outcome = await validateLines({ properties: { v: { type: 'string', pattern: '^(a+)+$' } } }, [
    { v: `${'a'.repeat(100_000)}b` },
    { v: 'a'.repeat(100_000) },
  ])
  assert.deepEqual(
    outcome.rejects.map(({ detail }) => detail),
    ['/v must match pattern "^(a+)+$"'],
  )
})

test('judges numbers as they are spelled, in the record and in the schema', async () => {
  const big = '9007199254740993'
  const cases: readonly (readonly [schema: string, valid: readonly string[], invalid: readonly string[]])[] = [
    ['{"type":"number"}', ['1e400', '-1e400', '1e-400', big, '-0'], ['"1e400"']],
    [
      '{"type":"integer"}',
      ['1.0', '1e2', '-0', '-0.0', '1e400', big, `${big}.0`, '10e-1', '0e-400'],
      [`${big}.5`, '1e-400', '1.0000000000000000001', '5e-1', '123456789012345678901234567890.5'],
    ],
    ['{"maximum":9007199254740992}', ['9007199254740992', '9007199254740992.0', '-1e400'], [big, '1e400']],
    [`{"maximum":${big}}`, [big, '9007199254740992'], ['9007199254740994', `${big}.1`]],
    ['{"exclusiveMaximum":1}', ['0.99999999999999999999'], ['1.0', '1.00000000000000000001', '1e0']],
    ['{"minimum":0}', ['0', '-0', '1e-400'], ['-1e-400', '-1e400']],
    [
      '{"exclusiveMinimum":1e400}',
      ['1.1e400', '1e401', '1e4000000000000000000'],
      ['1e400', '10e399', '1e399', '1e-9999999999999'],
    ],
    ['{"multipleOf":0.01}', ['19.99', '4.35', '0.07', '0', '1e400', '-1.1'], ['19.999', '1e-400', `${big}.001`]],
    [`{"multipleOf":${big}}`, [big, '18014398509481986', '0'], ['9007199254740992', '1']],
    [`{"const":${big}}`, [big, `${big}.0`, `${big}0e-1`], ['9007199254740992', '9007199254740994']],
    ['{"const":0}', ['-0', '0.0', '0e5'], ['1e-400', 'false']],
    [
      `{"const":{"a":[1,{"b":${big}}],"c":"x"}}`,
      [`{"c":"\\u0078","a":[1.0,{"b":${big}}]}`],
      ['{"a":[1,{"b":9007199254740992}],"c":"x"}', `{"a":[1,{"b":${big}}]}`],
    ],
    ['{"enum":[1.0000000000000000001,2]}', ['1.0000000000000000001', '2.0'], ['1', '2.0000000000000000001']],
    [
      '{"uniqueItems":true}',
      [
        `[${big},9007199254740992,1e400,1e401]`,
        '[1,true,"1",[1],[true],null,"null",{}]',
        '[{"a":"1"},{"a":1}]',
        '["[,1]",[1],"a,b",["a","b"],["a,b"]]',
        '["\\ud800","\\ud801","\ufffd"]',
      ],
      ['[1,1.0]', '[1e400,10e399]', '[{"a":1,"b":[2]},{"b":[2.0],"a":1}]', '[0,-0]', '["a","\\u0061"]'],
    ],
  ]
  for (const [schema, valid, invalid] of cases) {
    const file = await writeSchema(`{"properties":{"v":${schema}}}`)
    const { lines, rejects } = await runStage(
      validate,
      { schema: file },
      [...valid, ...invalid].map((v) => `{"v":${v}}`),
    )
    assert.deepEqual(
      lines,
      valid.map((v) => `{"v":${v}}`),
      schema,
    )
    assert.deepEqual(
      rejects.map(({ code, text }) => [code, text]),
      invalid.map((v) => ['SCHEMA_VIOLATION', `{"v":${v}}`]),
      schema,
    )
  }
})

test('judges the number of the duplicate key that JSON.parse takes, and numbers inside lists and __proto__', async () => {
  const schema = { properties: { v: { type: 'integer', maximum: 5 }, l: { items: { type: 'integer' } } } }
  const odd = '9007199254740993.5'
  const valid = [
    `{"v":${odd},"v":1}`,
    `{"v":1e400,"\\u0076":5.0,"x":[${odd},{"v":${odd}},"\\"[${odd}"]}`,
    `{"__proto__":{"v":${odd}},"l":[1, 2e400 ]}`,
  ]
  const outcome = await validateLines(schema, [...valid, `{"v":1,"v":${odd}}`, `{"l":[1,${odd}]}`])
  assert.deepEqual(outcome.lines, valid)
  assert.deepEqual(
    outcome.rejects.map(({ detail }) => detail),
    ['/v must be integer', '/l/1 must be integer'],
  )
})

const twice = { properties: { a: { $ref: '#/$defs/node' } } }
const twiceDynamic = { properties: { a: { $dynamicRef: '#node' } } }
const HOSTILE: readonly (readonly [about: string, schema: JsonObject, line: string])[] = [
  ['a reference in two branches', { $defs: { node: { allOf: [twice, twice] } }, $ref: '#/$defs/node' }, deep('{}')],
  [
    'a reference in alternatives that fail',
    { $defs: { node: { type: 'object', anyOf: [twice, twice] } }, $ref: '#/$defs/node' },
    deep('1'),
  ],
  [
    'a dynamic reference',
    { $id: 'https://example.com/node', $dynamicAnchor: 'node', allOf: [twiceDynamic, twiceDynamic] },
    deep('{}'),
  ],
  ['conditions', { $defs: { node: { if: { not: twice }, else: twice } }, $ref: '#/$defs/node' }, deep('{}')],
  [
    'dependent schemas and unevaluated members',
    {
      $defs: { node: { dependentSchemas: { a: twice }, unevaluatedProperties: { $ref: '#/$defs/node' }, ...twice } },
      $ref: '#/$defs/node',
    },
    deep('{}'),
  ],
  [
    'lists in lists',
    {
      $defs: { node: { allOf: [{ items: { $ref: '#/$defs/node' } }], items: { $ref: '#/$defs/node' } } },
      properties: { a: { $ref: '#/$defs/node' } },
    },
    `{"a":${'['.repeat(60)}${']'.repeat(60)}}`,
  ],
  [
    'a long text under a pattern with a large program',
    { properties: { a: { pattern: '(a[ab]{1,300}){3}[^ab]' } } },
    JSON.stringify({ a: 'abbab'.repeat(100_000) }),
  ],
  [
    'long keys under such a pattern',
    { patternProperties: { '(a[ab]{1,300}){3}[^ab]': {} } },
    JSON.stringify({ ['abbab'.repeat(100_000)]: 1 }),
  ],
  [
    'hundreds of thousands of failed alternatives',
    { properties: { a: { contains: { type: 'object' } } } },
    `{"a":[${'1,'.repeat(300_000)}{}]}`,
  ],
]

for (const [about, schema, line] of HOSTILE) {
  test(`rejects a record that takes too much work to validate: ${about}`, async () => {
    const lines = ['{"before":1}', line, '{"after":1}']
    const outcome = await validateLines(schema, lines)
    assert.deepEqual(outcome.lines, [lines[0], lines[2]])
    assert.deepEqual(
      outcome.rejects.map(({ code, detail, line: number }) => [code, detail, number]),
      [['VALIDATION_LIMIT', 'the schema takes too many steps for a record of this size', 2]],
    )
    const tagged = await validateLines(schema, ['{"a":{}}', line], { mode: 'tag' })
    assert.match(tagged.lines[1], /"_schema_violation":"the schema takes too many steps/)
  })
}

test('validates large honest records', async () => {
  const alternatives = Array.from({ length: 40 }, (_, at) => ({
    properties: { k: { const: at }, name: { type: 'string' } },
    required: ['k'],
  }))
  const cases: readonly (readonly [JsonObject, string])[] = [
    [{ properties: { a: { uniqueItems: true } } }, list((at) => `{"n":${at},"l":[${at}]}`, 8000)],
    [{ properties: { a: { uniqueItems: true } } }, list((at) => `1e4${at}`, 20_000)],
    [
      { properties: { a: { items: { oneOf: alternatives } } } },
      list((at) => `{"k":${at % 40},"name":"x","text":"some text"}`, 8000),
    ],
    [
      { properties: { a: { items: { type: 'string', minLength: 1, pattern: '^[a-z0-9-]{1,63}$' } } } },
      list((at) => `"host-${at}"`, 20),
    ],
    [{ properties: { a: { items: { format: 'uri' } } } }, list((at) => `"https://example.com/${at}"`, 10_000)],
    [{ properties: { a: { contains: { const: 'x' } } } }, list((at) => (at < 20_000 ? `${at}` : '"x"'), 20_001)],
    [
      {
        $defs: { tree: { properties: { c: { items: { $ref: '#/$defs/tree' } } }, required: ['c'] } },
        properties: { a: { items: { $ref: '#/$defs/tree' } } },
      },
      list(() => '{"c":[{"c":[]},{"c":[{"c":[]}]}]}', 8000),
    ],
  ]
  for (const [schema, line] of cases) {
    const { lines, rejects } = await validateLines(schema, [line])
    assert.deepEqual([rejects.map(({ code }) => code), lines.length], [[], 1], JSON.stringify(schema))
  }
})

test('does not find members of Object.prototype that the record does not have', async () => {
  const outcome = await validateLines({ required: ['toString'] }, [
    '{}',
    '{"toString":1}',
    '{"__proto__":{"toString":1}}',
  ])
  assert.deepEqual(
    outcome.rejects.map(({ line }) => line),
    [1, 3],
  )
})

test('applies a schema that refers to itself to deep records', async () => {
  const schema = {
    $defs: { node: { properties: { next: { $ref: '#/$defs/node' }, v: { type: 'string' } } } },
    $ref: '#/$defs/node',
  }
  const outcome = await validateLines(schema, [nest({ v: 'x' }, 50), nest({ v: 1 }, 50)])
  assert.deepEqual(
    outcome.rejects.map(({ line }) => line),
    [2],
  )
})

test('never changes a value', async () => {
  const schema = { properties: { n: { type: 'number', default: 5 }, s: { default: 'x' } }, type: 'object' }
  const lines = ['{}', '{"n":"5"}', '{"n":5,"extra":1}']
  const outcome = await validateLines(schema, lines)
  assert.deepEqual(outcome.lines, [lines[0], lines[2]])
})

test('follows the rules of both drafts', () => {
  const tuple = { items: [{ type: 'string' }], additionalItems: false }
  const cases: readonly [schema: JsonObject, valid: readonly Json[], invalid: readonly Json[]][] = [
    [draft7({ properties: { t: tuple } }), [{ t: ['a'] }, { t: [] }, { t: 1 }], [{ t: [1] }, { t: ['a', 'b'] }]],
    [
      draft2020({ properties: { t: { prefixItems: [{ type: 'string' }], items: false } } }),
      [{ t: ['a'] }],
      [{ t: [1] }, { t: ['a', 2] }],
    ],
    [draft7({ dependencies: { a: ['b'] } }), [{}, { a: 1, b: 1 }], [{ a: 1 }]],
    [draft2020({ dependentRequired: { a: ['b'] } }), [{}, { a: 1, b: 1 }], [{ a: 1 }]],
    [
      draft7({ definitions: { s: { type: 'string' } }, properties: { a: { $ref: '#/definitions/s' } } }),
      [{ a: 'x' }],
      [{ a: 1 }],
    ],
    [
      draft2020({ $defs: { s: { type: 'string' } }, properties: { a: { $ref: '#/$defs/s' } } }),
      [{ a: 'x' }],
      [{ a: 1 }],
    ],
    [draft2020({ properties: { a: true }, unevaluatedProperties: false }), [{ a: 1 }], [{ b: 1 }]],
    [
      draft2020({ properties: { a: { type: 'integer' } } }),
      [{ a: 1 }, { a: 1.0 }, { a: -0 }],
      [{ a: 1.5 }, { a: '1' }],
    ],
    [
      draft2020({ properties: { a: { const: null }, b: { enum: [1, 'x', false] } } }),
      [{ a: null, b: 1 }, { b: false }],
      [{ a: 0 }, { b: 'y' }],
    ],
    [draft2020({ properties: { a: { minLength: 1 } } }), [{ a: '\u{1f600}' }, { a: 1 }], [{ a: '' }]],
    [draft2020({ properties: { a: { minLength: 2 } } }), [{ a: 'xy' }], [{ a: '\u{1f600}' }]],
    [draft2020({ properties: { a: false } }), [{}], [{ a: 1 }]],
    [draft2020({ if: { required: ['a'] }, else: { required: ['b'] } }), [{ a: 1 }, { b: 1 }], [{}]],
    [draft2020({ oneOf: [{ required: ['a'] }, { required: ['b'] }] }), [{ a: 1 }], [{}, { a: 1, b: 1 }]],
    [draft2020({ properties: { a: { contains: { const: 1 }, minContains: 2 } } }), [{ a: [1, 1] }], [{ a: [1] }]],
    [draft2020({ properties: { a: { uniqueItems: true } } }), [{ a: [1, '1'] }], [{ a: [{ x: 1 }, { x: 1 }] }]],
  ]
  for (const [schema, valid, invalid] of cases) {
    const compiled = compileSchema(JSON.stringify(schema), 'test')
    for (const value of valid)
      assert.equal(
        compiled.findViolation(jsonText(value, 64)),
        undefined,
        `${JSON.stringify(schema)} ${JSON.stringify(value)}`,
      )
    for (const value of invalid)
      assert.ok(compiled.findViolation(jsonText(value, 64)), `${JSON.stringify(schema)} ${JSON.stringify(value)}`)
  }
})

test('check reports why a schema cannot be used', async () => {
  const reasons: readonly [schema: string | object, reason: RegExp][] = [
    ['{"type":', /is not JSON/],
    ['true', /is not a JSON object/],
    [{ type: 'strin' }, /type/],
    [{ requird: ['id'] }, /unknown keyword: "requird"/],
    [{ properties: { a: { format: 'dat-time' } } }, /unknown format "dat-time"/],
    [{ properties: { a: { format: 'url' } } }, /unknown format "url"/],
    [{ properties: { a: { pattern: '(?=x)' } } }, /invalid or unsupported/],
    [{ $ref: '#/$defs/nothing' }, /can't resolve reference/],
    [{ $ref: 'https://example.com/other.json' }, /can't resolve reference/],
    [{ $schema: 'https://json-schema.org/draft/2019-09/schema' }, /is not supported: use "https/],
    [{ $async: true }, /\$async is not supported/],
  ]
  for (const [schema, reason] of reasons) {
    const findings = await checkStage(validate, { schema: await writeSchema(schema) })
    assert.deepEqual(
      findings.map(({ at }) => at),
      [['schema']],
    )
    assert.match(findings[0].message, reason)
  }
  const missing = await checkStage(validate, { schema: join(folder, 'missing.json') })
  assert.match(missing[0].message, /cannot be read/)
  const [note, ...problems] = await checkStage(validate, { schema: await writeSchema({ type: 'object' }) })
  assert.deepEqual([note.severity, problems], ['note', []])
})

test('check reports that a schema has the fast path, or which keyword prevents it', async () => {
  const accepted: readonly JsonObject[] = [
    {},
    { type: 'object', required: ['a'], properties: { a: { type: ['string', 'null'], minLength: 1 }, b: true } },
    { properties: { a: { type: 'object', required: ['x'], properties: { x: { enum: ['a', 1, null] } } } } },
    {
      properties: { a: { format: 'date-time', description: 'x' } },
      additionalProperties: true,
      $defs: { x: { not: {} } },
    },
  ]
  for (const schema of accepted) {
    const message = 'valid records are accepted without parsing (fast path)'
    assert.deepEqual(await noteOn(schema), [{ at: ['schema'], message, severity: 'note' }])
  }
  const withoutFastPath: readonly [JsonObject, string][] = [
    [{ type: 'array' }, '/type'],
    [{ additionalProperties: false }, '/additionalProperties'],
    [{ properties: { a: { minLength: 2 } } }, '/properties/a/minLength'],
    [{ properties: { 'a/b': { properties: { c: { items: {} } } } } }, '/properties/a~1b/properties/c/items'],
    [{ properties: { a: { format: 'email' } } }, '/properties/a/format'],
    [{ properties: { a: { const: { b: 1 } } } }, '/properties/a/const'],
    [{ properties: { a: false } }, '/properties/a/not'],
    [{ $ref: '#/$defs/x', $defs: { x: {} } }, '/$ref'],
  ]
  for (const [schema, unsupported] of withoutFastPath) {
    const message = `every record is parsed and checked by ajv: the schema keyword "${unsupported}" has no fast path`
    assert.deepEqual(await noteOn(schema), [{ at: ['schema'], message, severity: 'note' }])
  }
})

async function noteOn(schema: JsonObject): Promise<Finding[]> {
  return checkStage(validate, { schema: await writeSchema(schema) })
}

test('has the fast path for the schema of JumpCloud events and all its events', async () => {
  const { root } = await loadSchema(EVENT_SCHEMA)
  const events = createEventSet({ seed: 3, count: 400, start: Date.UTC(2026, 0, 1), end: Date.UTC(2026, 0, 2) })
  const lines = Array.from({ length: events.count }, (_, at) => events.text(at))
  const outcome = await runStage(validate, { schema: EVENT_SCHEMA }, [
    ...lines,
    '{"id":"a"}',
    '{"id":"","timestamp":"2026-01-01T00:00:00Z"}',
  ])
  assert.deepEqual(outcome.lines, lines)
  assert.equal(outcome.rejects.length, 2)
  const paths = new Paths()
  const fastPath = createFastPath(analyzeSchema(root).constraints ?? [], paths)
  assert.deepEqual(
    openRecords(lines, paths).flatMap((batch) => fastPath(batch)),
    [],
  )
})

test('accepts only records on the fast path that ajv accepts', () => {
  let accepted = 0
  let invalid = 0
  fc.assert(
    fc.property(schemas, fc.array(records, { minLength: 10, maxLength: 20 }), (schema, lines) => {
      const ajv = new Ajv2020({ strictTypes: false, allowUnionTypes: true, ownProperties: true })
      addFormats.default(ajv)
      const isValid = ajv.compile(schema)
      const { constraints } = analyzeSchema(schema)
      assert.ok(constraints)
      const paths = new Paths()
      const fastPath = createFastPath(constraints, paths)
      for (const batch of openRecords(lines, paths)) {
        const undecided = new Set(fastPath(batch))
        for (let record = 0; record < batch.count; record++) {
          const valid = isValid(batch.value(record))
          if (!undecided.has(record)) assert.ok(valid, batch.line(record).toString())
          accepted += undecided.has(record) ? 0 : 1
          invalid += valid ? 0 : 1
        }
      }
    }),
    { numRuns: scaled(150) },
  )
  assert.ok(accepted > 200, `only ${accepted} records took the fast path`)
  assert.ok(invalid > 200, `only ${invalid} records were invalid`)
})

const NAMES = ['a', 'b', 'c', 'odd.key', '__proto__']
const types = fc.constantFrom('string', 'number', 'integer', 'boolean', 'null', 'object', 'array')
const literals = fc.constantFrom<Json>('', 'x', 'é', 0, 1, 1.5, -3, 1e21, true, false, null)
const { schema: schemas } = fc.letrec<{ schema: JsonObject; nested: JsonObject }>((tie) => ({
  schema: fc
    .record(
      {
        required: fc.subarray(NAMES),
        properties: fc.dictionary(fc.constantFrom(...NAMES), tie('nested'), { maxKeys: 3 }),
      },
      { requiredKeys: [] },
    )
    .map((schema) => ({ type: 'object', ...schema })),
  nested: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc
      .record(
        {
          type: fc.oneof(types, fc.uniqueArray(types, { minLength: 1, maxLength: 3 })),
          minLength: fc.constantFrom(0, 1),
          format: fc.constant('date-time'),
          const: literals,
          enum: fc.uniqueArray(literals, { minLength: 1, maxLength: 4 }),
        },
        { requiredKeys: [] },
      )
      .map((schema) => {
        const { const: only, enum: among, ...rest } = schema
        // Both together are mostly unsatisfiable.
        return only === undefined ? { ...rest, ...(among && { enum: among }) } : { ...rest, const: only }
      }),
    tie('schema'),
  ),
}))

const scalars = fc.constantFrom(
  '""',
  '"x"',
  '"\\u0078"',
  '"\\""',
  '"é"',
  '"2024-03-04T18:01:26Z"',
  '"2024-03-04T18:01:26.1+01:00"',
  '"2024-02-30T00:00:00Z"',
  '0',
  '-0',
  '1',
  '1.0',
  '1e0',
  '1.5',
  '-3',
  '1e21',
  '1e400',
  '123456789012345678901234567890',
  'true',
  'false',
  'null',
  '[]',
  '[1]',
)
const { object: records } = fc.letrec<{ object: string; value: string }>((tie) => ({
  object: fc
    .array(fc.tuple(fc.constantFrom(...NAMES.map((name) => JSON.stringify(name)), '"\\u0061"'), tie('value')), {
      maxLength: 5,
    })
    .map((members) => `{${members.map(([name, value]) => `${name}: ${value}`).join(' ,')}}`),
  value: fc.oneof({ depthSize: 'small' }, scalars, tie('object')),
}))

function nest(value: JsonObject, levels: number): JsonObject {
  return levels === 0 ? value : { next: nest(value, levels - 1) }
}

function list(item: (at: number) => string, count: number): string {
  return `{"a":[${Array.from({ length: count }, (_, at) => item(at)).join(',')}]}`
}

function deep(leaf: string): string {
  return `${'{"a":'.repeat(60)}${leaf}${'}'.repeat(60)}`
}

async function validateLines(
  schema: JsonObject,
  lines: readonly (string | object)[],
  { mode, ...options }: StageOptions & { mode?: string } = {},
): Promise<Outcome> {
  return runStage(validate, { schema: await writeSchema(schema), ...(mode && { mode }) }, lines, options)
}

let written = 0

async function writeSchema(schema: string | object): Promise<string> {
  const file = join(folder, `${written++}.json`)
  await writeFile(file, typeof schema === 'string' ? schema : JSON.stringify(schema))
  return file
}

function draft7(schema: JsonObject): JsonObject {
  return { $schema: 'http://json-schema.org/draft-07/schema#', ...schema }
}

function draft2020(schema: JsonObject): JsonObject {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', ...schema }
}
