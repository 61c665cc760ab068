import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Edit } from '../../../src/record/batch.ts'
import { compileCondition, compileTest } from '../../../src/record/author/condition.ts'
import { openBatches } from '../../../src/record/open-batches.ts'
import { sameNumber } from '../../../src/record/json/number.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import type { Condition, Test } from '../../../src/record/author/record.ts'
import { defaultLimits } from '../../../src/record/scan.ts'
import { unchecked } from '../unchecked.ts'

function open(line: string, paths: Paths) {
  return openBatches({ bytes: Buffer.from(line) }, { partition: '', number: 0, paths, limits: defaultLimits })[0]
}

function holds(condition: Condition, line: string): boolean {
  const paths = new Paths()
  const compiled = compileCondition(condition, paths)
  return compiled(open(line, paths), 0)
}

const TRUE: readonly (readonly [test: Test, json: string])[] = [
  ['x', '"x"'],
  ['x', '"\\u0078"'],
  ['a"b\n', '"a\\"b\\n"'],
  ['\u00e9', '"\u00e9"'],
  ['\u00e9', '"\\u00e9"'],
  ['', '""'],
  ['\ud800', '"\\ud800"'],
  ['/usr/bin/', '"/usr/bin/"'],
  ['/^ab+/i', '"xyz ABB"'.replace('xyz ', '')],
  ['/b.d/s', '"a\\u0062\\nd"'],
  ['/phone/i', '"\uff30hone"'],
  ['/^20\\d$/', '204'],
  ['/\\.10$/', '1.10'],
  [1, '1'],
  [1, '1.0'],
  [100, '1e2'],
  [0, '-0'],
  [-1.5, '-1.5'],
  [1.1, '1.10'],
  [1e21, '1e21'],
  [9007199254740992, '9007199254740992'],
  [true, 'true'],
  [false, 'false'],
  [null, 'null'],
  [['a', 1, '/z$/'], '"xyz"'],
  [{ exists: true }, 'null'],
  [{ not: 'x' }, '"y"'],
  [{ not: ['x', 'y'] }, '"z"'],
  [{ exists: true, not: 'x' }, '1'],
  [{ not: { not: 'x' } }, '"x"'],
  [{ not: { exists: false } }, '[]'],
]

const FALSE: readonly (readonly [test: Test, json: string])[] = [
  ['x', '"X"'],
  ['x', '"xx"'],
  ['1', '1'],
  ['null', 'null'],
  ['\ufffd', '"\\ud800"'],
  ['\ud800', '"\ufffd"'],
  ['{}', '{}'],
  ['/x/', '"X"'],
  ['/x/', '["x"]'],
  ['/true/', 'true'],
  [1, '"1"'],
  [1, 'true'],
  [9007199254740992, '9007199254740993'],
  [1, '1.0000000000000000000001'],
  [0, '1e-400'],
  [true, '"true"'],
  [null, 'false'],
  [[], '1'],
  [{ exists: false }, 'null'],
  [{ not: 'x' }, '"x"'],
  [{ exists: true, not: 'x' }, '"x"'],
]

for (const [expected, list] of [
  [true, TRUE],
  [false, FALSE],
] as const) {
  for (const [condition, json] of list) {
    void test(`${json} ${expected ? 'fulfils' : 'does not fulfil'} ${JSON.stringify(condition)}`, () => {
      assert.equal(holds({ a: condition }, `{"a":${json}}`), expected)
    })
  }
}

void test('an absent path fulfils only exists: false and not', () => {
  for (const condition of [
    'x',
    1,
    true,
    null,
    '/x/',
    [],
    { exists: true },
    { not: { exists: false } },
    { exists: true, not: 'x' },
  ]) {
    assert.equal(holds({ 'a.b': condition }, '{"a":{}}'), false, JSON.stringify(condition))
  }
  for (const condition of [
    { exists: false },
    { not: 'x' },
    { not: { exists: true } },
    { exists: false, not: 'x' },
    ['x', { exists: false }],
  ]) {
    assert.equal(holds({ 'a.b': condition }, '{"a":{}}'), true, JSON.stringify(condition))
  }
})

void test('requires all tests of a condition, and always holds without tests', () => {
  assert.equal(holds({ a: 1, b: 2 }, '{"a":1,"b":2}'), true)
  assert.equal(holds({ a: 1, b: 2 }, '{"a":1,"b":3}'), false)
  assert.equal(holds({}, '{}'), true)
})

void test('a path with wildcards fulfils a test if any of its values does, and `not` if none does', () => {
  const line = '{"changes":[{"field":"phone"},{"field":"name"}]}'
  assert.equal(holds({ 'changes[*].field': 'name' }, line), true)
  assert.equal(holds({ 'changes[*].field': 'mail' }, line), false)
  assert.equal(holds({ 'changes[*].field': { not: 'name' } }, line), false)
  assert.equal(holds({ '**.field': { not: 'mail' } }, line), true)
})

void test('of duplicate keys only the one that JSON.parse takes can fulfil a test', () => {
  const cases: readonly (readonly [Condition, string, boolean])[] = [
    [{ a: 1 }, '{"a":1,"a":2}', false],
    [{ a: 2 }, '{"a":1,"a":2}', true],
    [{ a: 2 }, '{"a":1,"\\u0061":2}', true],
    [{ a: 1 }, '{"\\u0061":1,"a":2}', false],
    [{ a: { not: 1 } }, '{"a":1,"a":2}', true],
    [{ 'a.b': 1 }, '{"a":{"b":1},"a":{}}', false],
    [{ 'a.b': { exists: false } }, '{"a":{"b":1},"a":null}', true],
    [{ 'a.b': 2 }, '{"a":{"b":1},"a":{"b":1,"b":2}}', true],
    [{ 'a[*].b': 1 }, '{"a":[{"b":1}],"x":0,"\\u0061":[]}', false],
    [{ 'a[*].b': 1 }, '{"a":[{"b":1,"b":2},{"b":2}]}', false],
    [{ 'a[*].b': { not: 1 } }, '{"a":[{"b":1,"b":2},{"b":2}]}', true],
    [{ 'a[*].b': 2 }, '{"a":[{"b":1,"b":2}]}', true],
    [{ '*': 1 }, '{"a":1,"b":2,"a":2}', false],
    [{ '*.*': 1 }, '{"a":{"b":1,"c":2},"b":3,"a":{"b":4}}', false],
    [{ '**.b': 1 }, '{"a":[[{"x":{"b":1}}]],"a":[[{"x":{"b":2}}]]}', false],
    [{ '**.b': 1 }, '{"b":{"b":1},"c":{"b":{"b":2}},"b":2}', false],
    [{ '**.b': 1 }, '{"b":{"b":2},"c":{"b":{"b":1}},"b":2}', true],
    [{ '{a,b}': 1 }, '{"a":1,"a":2,"b":3}', false],
    [{ '/^a/': 1 }, '{"ab":1,"ab":2}', false],
    [{ '["__proto__"].x': 1 }, '{"__proto__":{"x":1},"__proto__":{}}', false],
    [{ '*.x': 1 }, '{"__proto__":{"x":1}}', true],
  ]
  for (const [condition, line, expected] of cases) {
    assert.equal(holds(condition, line), expected, `${JSON.stringify(condition)} ${line}`)
  }
})

void test('a deleted duplicate hides nothing', () => {
  const paths = new Paths()
  const compiled = compileCondition({ 'a[*].b': 1 }, paths)
  const batch = open('{"a":[{"b":1}],"a":[{"b":2}]}', paths)
  batch.edit(batch.hits(0, paths.add('a'))[1], Edit.delete)
  assert.equal(compiled(batch, 0), true)
})

void test('tests the current value after an edit', () => {
  const paths = new Paths()
  const compiled = compileCondition({ a: 'new' }, paths)
  const gone = compileCondition({ a: { exists: false } }, paths)
  const batch = open('{"a":"old"}', paths)
  const hit = batch.hit(0, paths.add('a'))
  batch.edit(hit, batch.token(Buffer.from('"new"')))
  assert.deepEqual([compiled(batch, 0), gone(batch, 0)], [true, false])
  batch.edit(hit, Edit.delete)
  assert.deepEqual([compiled(batch, 0), gone(batch, 0)], [false, true])
})

void test('a single test takes hits', () => {
  const paths = new Paths()
  const path = paths.add('l[*]')
  const isX = compileTest('x')
  const batch = open('{"l":["x","y"]}', paths)
  const hits = batch.hits(0, path)
  assert.deepEqual([isX(batch, hits), isX(batch, [hits[1]]), isX(batch, [])], [true, false, false])
})

void test('rejects an invalid test and an invalid path', () => {
  for (const wrong of [
    {},
    { exist: true },
    { exists: 1 },
    { exists: true, x: 1 },
    { not: {} },
    undefined,
    () => 1,
    NaN,
    /x/,
    '/(/',
    [{}],
  ]) {
    assert.throws(() => compileTest(unchecked(wrong)), { code: 'CONFIG_INVALID' })
  }
  assert.throws(() => compileCondition({ 'a..b': 1 }, new Paths()), { code: 'PATH_INVALID' })
})

void test('matches a pattern in linear time', () => {
  const line = `{"a":"${'a'.repeat(50_000)}!"}`
  assert.equal(holds({ a: '/^(a+)+$/' }, line), false)
})

void test('compares numbers exactly, whatever their spelling', () => {
  const same = [
    ['1', '1.0'],
    ['1e2', '100'],
    ['0.001', '1E-3'],
    ['-0', '0.00e5'],
    ['12300', '123e2'],
    ['1e400', '10e399'],
  ]
  const different = [
    ['1', '-1'],
    ['1e400', '1e401'],
    ['9007199254740993', '9007199254740992'],
    ['0.1', '0.10000000000000001'],
  ]
  for (const [a, b] of same) assert.equal(sameNumber(a, b), true, `${a} ${b}`)
  for (const [a, b] of different) assert.equal(sameNumber(a, b), false, `${a} ${b}`)
})
