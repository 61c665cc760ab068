import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { compileKeyTemplate } from '../../../src/delivery/outbox/partitioner.ts'
import { parseKeyTemplate } from '../../../src/fields/key-template.ts'
import { openBatches } from '../../../src/record/open-batches.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import { defaultLimits } from '../../../src/record/scan.ts'

const OPENED = Date.UTC(2026, 10, 22, 13, 5)

/** The keys of a template for lines, which may be valid JSON or not. */
function keysOf(template: string, records: readonly (object | string)[]): string[] {
  const paths = new Paths()
  const compiled = compileKeyTemplate(parseKeyTemplate(template), { pipeline: 'a pipeline', paths })
  const bytes = Buffer.from(
    records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record))).join('\n'),
  )
  const [batch] = openBatches({ bytes }, { partition: '', number: 0, paths, limits: defaultLimits })
  const partition = compiled.partitioner(OPENED)
  return records.map((_, record) => partition(batch, record))
}

const keyOf = (template: string, record: object | string): string => keysOf(template, [record])[0]

describe('a key template', () => {
  it('inserts the pipeline and the time at which the epoch was opened', () => {
    assert.equal(keyOf('x/{pipeline}/{now:yyyy-MM-dd}/{now:HHmm}', {}), 'x/a%20pipeline/2026-11-22/1305')
  })

  it('formats event times in UTC, whatever their offset', () => {
    const times = [
      '2024-03-04T23:30:00.123456789-02:30',
      '2024-03-05T02:00:00Z',
      '2024-03-04t20:59:59.9-05:00',
      '2024-03-05T02:01:00Z',
    ]
    const keys = keysOf(
      '{record.t:yyyy/MM/dd}/{record.t:HH.mm}',
      times.map((t) => ({ t })),
    )
    assert.deepEqual(keys, ['2024/03/05/02.00', '2024/03/05/02.00', '2024/03/05/01.59', '2024/03/05/02.01'])
  })

  it('reads a time in the spellings of other products', () => {
    const times = [
      '"2024-03-04T18:01:42+0000"',
      '"2024-03-04 18:01:42"',
      '1709575302',
      '1709575302123',
      '1.709575302e9',
      '"1709575302"',
      '1709575302123456789',
    ]
    const lines = times.map((time) => `{"t":${time}}`)
    assert.deepEqual(
      new Set(keysOf('dt={record.t:yyyy-MM-dd}/{record.t:HHmm}', lines)),
      new Set(['dt=2024-03-04/1801']),
    )
  })

  it('keeps the spelling of a number that JavaScript would round, and takes the last duplicate', () => {
    assert.equal(keyOf('{record.n}', '{"n":9007199254740993}'), '9007199254740993')
    assert.equal(keyOf('{record.n}', '{"n":1,"n":1.0}'), '1.0')
    assert.equal(keyOf('{record.a.n}', '{"a":{"n":1},"a":{}}'), 'unknown')
  })

  it('reads a time with JSON escapes', () => {
    assert.equal(keyOf('{record.t:yyyyTHH}', '{"t":"2024\\u002d03-04T18:00:00Z"}'), '2024T18')
  })

  it('uses unknown for an absent or unusable value, and the next record its own value', () => {
    const records = [
      { t: '2024-03-04T18:00:00Z' },
      {},
      { t: null },
      { t: 5 },
      { t: '2024-02-30T00:00:00Z' },
      { t: ['2024'] },
      '{"t":',
      'null',
      { t: '2024-03-04T18:00:00Z' },
    ]
    const keys = keysOf('d={record.t:yyyy-MM-dd}', records)
    assert.deepEqual(keys, ['d=2024-03-04', ...Array.from({ length: 7 }, () => 'd=unknown'), 'd=2024-03-04'])
  })

  it('inserts strings, numbers as spelled and booleans, but no objects, arrays and nulls', () => {
    const records = ['{"v":"a b"}', '{"v":1.50e3}', '{"v":true}', '{"v":null}', '{"v":{}}', '{"v":[1]}', '{"v":""}']
    assert.deepEqual(keysOf('{record.v}', records), [
      'a%20b',
      '1.50e3',
      'true',
      'unknown',
      'unknown',
      'unknown',
      'unknown',
    ])
  })

  it('inserts the value that JSON.parse would return for a duplicate key', () => {
    assert.equal(keyOf('{record.v}', '{"v":"a","v":"b"}'), 'b')
  })

  it('inserts one field as value and as time', () => {
    assert.equal(keyOf('{record.t}/{record.t:yyyy}', { t: '2024-03-04T18:00:00Z' }), '2024-03-04T18%3A00%3A00Z/2024')
  })

  it('keeps every value inside its segment', () => {
    const values = ['..', '.', '../x', 'a/b', 'a\\b', '\u0000\n', '%2F', '\u202e', 'é', '*?', '.hidden']
    const keys = keysOf(
      'p/{record.v}/q',
      values.map((v) => ({ v })),
    )
    assert.deepEqual(
      keys.map((key) => key.slice(2, -2)),
      ['%2E%2E', '%2E', '..%2Fx', 'a%2Fb', 'a%5Cb', '%00%0A', '%252F', '%E2%80%AE', '%C3%A9', '%2A%3F', '.hidden'],
    )
  })

  it('truncates long values and distinguishes them by a hash', () => {
    const [one, other] = keysOf('{record.v}', [{ v: `${'é'.repeat(1000)}a` }, { v: `${'é'.repeat(1000)}b` }])
    assert.notEqual(one, other)
    for (const key of [one, other]) assert.match(key, /^(%C3%A9|%C3)+-[0-9a-f]{16}$/)
    assert.ok(one.length <= 100)
  })

  it('has a key for records beyond the last key partition', () => {
    const compiled = compileKeyTemplate(parseKeyTemplate('a/{record.x}/{now:yyyy}/{record.t:HH}'), {
      pipeline: 'p',
      paths: new Paths(),
    })
    assert.equal(compiled.fallback(OPENED), 'a/__other/2026/__other')
  })

  it('accepts paths with any character', () => {
    assert.equal(keyOf('{record.a["b:}"].c}', { a: { 'b:}': { c: 'x' } } }), 'x')
    assert.equal(keyOf('{record.["a:b"]:yyyy}', { 'a:b': '2024-03-04T18:00:00Z' }), '2024')
  })

  const problems: [string, number, RegExp][] = [
    ['/a', 0, /empty segment/],
    ['a/', 2, /empty segment/],
    ['a//b', 2, /empty segment/],
    ['a/../b', 2, /segment \.\./],
    ['a/{record.id', 2, /a \{ without a matching \}/],
    ['a}b', 1, /a \} without a matching \{/],
    ['a\\b', 1, /illegal in keys/],
    ['x{recrd.id}', 1, /unknown placeholder \{recrd\.id\}/],
    ['{now}', 0, /without a format/],
    ['{now:yyyy-DD}', 10, /DD in a time format/],
    ['{now:}', 5, /empty time format/],
    ['a/{record.t:YYYY}', 12, /YYYY in a time format/],
    ['a/{record.t[*].x}', 10, /more than one value/],
    ['a/{record.**.x}', 10, /more than one value/],
  ]
  for (const [template, offset, message] of problems) {
    it(`refuses ${template} and points at character ${offset}`, () => {
      assert.throws(() => parseKeyTemplate(template), { code: 'CONFIG_INVALID', offset, message })
    })
  }

  it('points into an invalid path', () => {
    assert.throws(
      () => parseKeyTemplate('a/{record.x[}'),
      (error: { code: string; offset: number }) => {
        assert.equal(error.code, 'PATH_INVALID')
        assert.ok(error.offset >= 10 && error.offset <= 12, String(error.offset))
        return true
      },
    )
  })
})
