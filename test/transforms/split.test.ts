import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import split from '../../src/transforms/split.ts'
import { checkStage, runStage } from './stage.ts'

async function assertSplit(config: object, line: string, expected: readonly string[]): Promise<void> {
  const { lines, rejects } = await runStage(split, { path: 'e', ...config }, [line])
  assert.deepEqual(rejects, [])
  assert.deepEqual(lines, expected)
}

async function assertRejected(config: object, line: string, code: string, detail: RegExp): Promise<void> {
  const { lines, rejects } = await runStage(split, { path: 'e', ...config }, [line])
  assert.deepEqual(lines, [])
  assert.deepEqual([rejects[0].code, rejects[0].text], [code, line])
  assert.match(rejects[0].detail ?? '', detail)
}

test('makes records of elements, with their bytes and in their order', async () => {
  await assertSplit({}, '{"id":1,"e":[{"x" : 1.10},  { } ,{"\\u00e9":1e400,"e":[1]}]}', [
    '{"x" : 1.10}',
    '{ }',
    '{"\\u00e9":1e400,"e":[1]}',
  ])
  await assertSplit({ path: 'a.e' }, '{"a":{"e":[{"b":"}]"}]}}', ['{"b":"}]"}'])
})

test('copies members of the record, also under other names; an absent one is no error', async () => {
  const copy = ['id', 'actor.mail', { from: 'actor.ip', to: 'source.ip' }, 'none', { from: 'n', to: 'actor.n' }]
  await assertSplit({ copy }, '{"id":12345678901234567890,"actor":{"mail":null,"ip":[1 ]},"n":-0.0,"e":[{"x":1},{}]}', [
    '{"x":1,"id":12345678901234567890,"actor":{"mail":null,"n":-0.0},"source":{"ip":[1 ]}}',
    '{"id":12345678901234567890,"actor":{"mail":null,"n":-0.0},"source":{"ip":[1 ]}}',
  ])
  await assertSplit({ copy: ['$&'], index: 'a.n' }, '{"$&":"$1 \\u0002","e":[{},{}]}', [
    '{"$&":"$1 \\u0002","a":{"n":0}}',
    '{"$&":"$1 \\u0002","a":{"n":1}}',
  ])
})

test('puts elements of any kind into a member, and numbers them', async () => {
  await assertSplit({ as: 'e', index: 'n', copy: ['id'] }, '{"id":"$&","e":[{"x":1},"a",null,[2],1.0]}', [
    '{"e":{"x":1},"id":"$&","n":0}',
    '{"e":"a","id":"$&","n":1}',
    '{"e":null,"id":"$&","n":2}',
    '{"e":[2],"id":"$&","n":3}',
    '{"e":1.0,"id":"$&","n":4}',
  ])
  await assertSplit({ as: 'a.b', copy: [{ from: 'id', to: 'a.id' }] }, '{"id":7,"e":[{"id":1}]}', [
    '{"a":{"b":{"id":1},"id":7}}',
  ])
})

test('the array and the copies are what a reader of duplicate keys sees, after the edits of earlier stages', async () => {
  await assertSplit({ copy: ['id'] }, '{"id":1,"e":[{"x":1}],"\\u0065":[{"x":2}],"id":3}', ['{"x":2,"id":3}'])
})

test('a record without elements stays, is dropped or is rejected, as configured', async () => {
  const lines = ['{"q":1}', '{"e":null}', '{ "e":[ ]}']
  assert.deepEqual((await runStage(split, { path: 'e' }, lines)).lines, lines)
  const { dropped, lines: left } = await runStage(split, { path: 'e', empty: 'drop' }, [...lines, '{"e":[{}]}'])
  assert.deepEqual([dropped, left], [{ split: 3 }, ['{}']])
  const { rejects } = await runStage(split, { path: 'e', empty: 'reject' }, lines)
  assert.deepEqual(
    rejects.map(({ code, detail, text }) => [code, detail, text]),
    lines.map((line) => ['VALUE_MISSING', 'e has no elements', line]),
  )
})

test('a record is rejected as it came if one element cannot become a record', async () => {
  await assertRejected({}, '{"e":{}}', 'NOT_AN_ARRAY', /^e is not an array$/)
  await assertRejected({}, '{"e":"[{}]"}', 'NOT_AN_ARRAY', /^e is not an array$/)
  await assertRejected({}, '{"e":[{},{"x":1},5]}', 'NOT_AN_OBJECT', /^element 2 of e is not an object$/)
  await assertRejected(
    { copy: ['id'] },
    '{"id":1,"e":[{"x":1},{"\\u0069d":2}]}',
    'KEY_EXISTS',
    /^element 1 of e has id$/,
  )
  const copy = [{ from: 'id', to: 'meta.id' }]
  await assertRejected({ copy }, '{"id":1,"e":[{"meta":1}]}', 'KEY_EXISTS', /^element 0 of e has meta$/)
  await assertRejected({ index: 'n' }, '{"e":[{"n":1}]}', 'KEY_EXISTS', /^element 0 of e has n$/)
})

test('a copied member that the record lacks cannot collide', async () => {
  // The member of the element is its own.
  await assertSplit({ copy: ['id'] }, '{"e":[{"id":2}]}', ['{"id":2}'])
})

test('rejects what would be nested too deeply or become too long', async () => {
  const deep = `${'['.repeat(62)}${']'.repeat(62)}`
  await assertSplit({ as: 'a' }, `{"e":[${deep}]}`, [`{"a":${deep}}`])
  await assertRejected({ as: 'a.b.c' }, `{"e":[${deep}]}`, 'TOO_DEEP', /maxDepth/)
  await assertRejected({ copy: [{ from: 'd', to: 'x.y.z' }] }, `{"d":${deep},"e":[{}]}`, 'TOO_DEEP', /maxDepth/)
  const half = 'x'.repeat(600_000)
  const copy = [{ from: 'x', to: 'y' }, 'x']
  await assertRejected({ copy }, `{"x":"${half}","e":[{}]}`, 'TOO_LONG', /^element 0 of e would be longer than limits/)
})

test('an array of many elements becomes batches of bounded size; copies do not grow without limit', async () => {
  const elements = Array.from({ length: 100_000 }, (_, n) => `{"i":${n % 10}}`)
  const line = `{"id":"${'x'.repeat(100)}","e":[${elements.join(',')}]}`
  const { lines, batches } = await runStage(split, { path: 'e', copy: ['id'] }, [line, '{"last":1}'])
  assert.equal(lines.length, 100_001)
  assert.ok(batches.every(({ bytes }) => bytes.length <= 2 << 20))
  assert.deepEqual(
    batches.map(({ continues }) => continues),
    batches.map((_, at) => at < batches.length - 1),
  )
  const long = `{"id":"${'x'.repeat(5000)}","e":[${elements.join(',')}]}`
  await assertRejected({ copy: ['id'] }, long, 'TOO_LONG', /^the new records would together be more than 64 times/)
})

test('leaves rejected records alone, and accounts for all', async () => {
  const { lines, rejects } = await runStage(split, { path: 'e' }, ['{"e":[{}]}', '{"e":[{"a":1},{}]}', '['], {
    before: (batch) => batch.reject(0, 'NO_OWNER', 'owner'),
  })
  assert.deepEqual(lines, ['{"a":1}', '{}'])
  assert.deepEqual(rejects.map(({ text }) => text).toSorted(), ['[', '{"e":[{}]}'])
})

test('makes the records that objects would become', async () => {
  const value = fc.jsonValue({ maxDepth: 3 })
  const record = fc.record(
    { e: fc.array(fc.dictionary(fc.string(), value)), id: value, o: fc.record({ k: value }, { requiredKeys: [] }) },
    { requiredKeys: [] },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(record), async (records) => {
      const { lines } = await runStage(split, { path: 'e', as: 'e', copy: ['id', 'o.k'], index: 'n' }, records)
      const expected = records.flatMap(({ e = [], id, o }) => {
        const copies = { ...(id !== undefined && { id }), ...(o?.k !== undefined && { o: { k: o.k } }) }
        return e.length === 0 ? [undefined] : e.map((element, n) => ({ e: element, ...copies, n }))
      })
      assert.equal(lines.length, expected.length)
      for (const [at, made] of expected.entries()) {
        if (made !== undefined) assert.deepEqual(JSON.parse(lines[at]), JSON.parse(JSON.stringify(made)))
      }
    }),
    { numRuns: 100 },
  )
})

test('check finds the likely mistakes', async () => {
  const cases: readonly (readonly [object, readonly string[]])[] = [
    [{ path: 'a.b', copy: ['id', 'a.c'], as: 'a.b', index: 'a.n' }, []],
    [{ path: 'e[*]' }, ['e[*] may match several values; split reads one array']],
    [{ path: 'a.*.e' }, ['a.*.e may match several values; split reads one array']],
    [{ path: 'a.e', copy: ['a'] }, ['a is copied into each element, and contains all elements']],
    [{ path: 'e', copy: ['e.id'] }, ['e.id is inside the array e']],
    [{ path: 'e', copy: ['a', { from: 'b', to: 'a' }] }, ['a is set twice']],
    [{ path: 'e', copy: [{ from: 'b', to: 'x.y' }], as: 'x' }, ['x.y is inside x, which gets a value too']],
    [{ path: 'e', as: 'e', index: 'e' }, ['e is set twice']],
    [{ path: 'e', copy: ['a'], index: 'a.n' }, ['a.n is inside a, which gets a value too']],
    [{ path: 'e', copy: ['a'], as: 'a' }, ['a is set twice']],
    [
      { path: 'e', copy: ['a.*'] },
      ['a.* may match several values; a value comes from a path of keys, such as user.email'],
    ],
  ]
  for (const [config, messages] of cases) {
    assert.deepEqual(
      (await checkStage(split, { ...config })).map(({ message }) => message),
      messages,
    )
  }
})
