import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Edit } from '../../../src/record/batch.ts'
import type { Batch } from '../../../src/record/batch.ts'
import { openBatches } from '../../../src/record/open-batches.ts'
import type { Json, JsonObject } from '../../../src/record/json/json.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import { Rejection } from '../../../src/record/author/record.ts'
import type { Record } from '../../../src/record/author/record.ts'
import { defaultLimits } from '../../../src/record/scan.ts'
import { changedLine, isRecord, recordLine, recordView } from '../../../src/record/author/record-view.ts'
import { unchecked } from '../unchecked.ts'

const EVENT =
  '{"id":"e1", "n":9007199254740993, "rate":1.10,"huge":1e400,"user":{"name":"J\\u00f6","tags":["x" , "y"]},"changes":[{"field":"a","to":1},{"field":"b"}],"gone":null}'

function open(lines: readonly string[], paths = new Paths()): Batch {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  return openBatches({ bytes }, { partition: '', number: 0, paths, limits: defaultLimits })[0]
}

function view(line = EVENT): Record {
  return recordView(open([line]), 0)
}

function without(value: JsonObject, gone: string): JsonObject {
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== gone))
}

function lineOf(record: Record): string {
  return recordLine(record).toString()
}

function returned(line: string, change: (value: JsonObject) => unknown): string {
  const record = view(line)
  return changedLine(record, unchecked(change(record.value))).toString()
}

void test('get returns JavaScript values, text returns their spelling', () => {
  const record = view()
  assert.equal(record.get('id'), 'e1')
  assert.equal(record.get('n'), 9007199254740992)
  assert.equal(record.text('n'), '9007199254740993')
  assert.equal(record.text('rate'), '1.10')
  assert.equal(record.get('huge'), Infinity)
  assert.equal(record.text('huge'), '1e400')
  assert.equal(record.get('user.name'), 'J\u00f6')
  assert.equal(record.text('user.name'), 'J\u00f6')
  assert.deepEqual(record.get('user'), { name: 'J\u00f6', tags: ['x', 'y'] })
  assert.equal(record.text('user.tags'), '["x" , "y"]')
  assert.equal(record.get('gone'), null)
  assert.deepEqual([record.get('nope'), record.text('nope'), record.get('id.x')], [undefined, undefined, undefined])
  assert.deepEqual([record.has('gone'), record.has('nope'), record.has('user.tags')], [true, false, true])
})

void test('a path with wildcards returns the list of all its values', () => {
  const record = view()
  assert.deepEqual(record.get('changes[*].field'), ['a', 'b'])
  assert.deepEqual(record.get('changes[*].nope'), [])
  assert.equal(record.text('{n,rate}'), '[9007199254740993,1.10]')
  assert.equal(record.has('**.to'), true)
  assert.equal(record.has('**.from'), false)
})

void test('returns deeply frozen values', () => {
  const record = view()
  const values: unknown[] = [
    record.value,
    record.value.user,
    record.get('user'),
    record.get('changes'),
    record.get('changes[*].field'),
  ]
  for (const value of values) assert.ok(Object.isFrozen(value))
  assert.throws(() => Object.assign(unchecked<object>(record.get('user')), { name: 'x' }), TypeError)
  assert.throws(() => Object.assign(unchecked<readonly object[]>(record.value.changes)[0], { to: 2 }), TypeError)
})

void test('treats keys of the prototype as ordinary members', () => {
  const record = view('{"__proto__":{"admin":true},"constructor":1}')
  assert.equal(record.get('__proto__.admin'), true)
  assert.ok(Object.hasOwn(record.value, '__proto__'))
  assert.equal((record.value as { admin?: unknown }).admin, undefined)
  assert.equal(record.has('toString'), false)
  for (const path of ['__proto__', 'a.__proto__.b', 'constructor', 'a.prototype']) {
    assert.throws(() => record.set(path, 1), { code: 'PATH_INVALID' })
  }
  assert.equal(lineOf(record.delete('__proto__')), '{"constructor":1}')
})

void test('set and delete change nothing else', () => {
  const record = view()
  const result = record
    .set('id', 'e2')
    .set('user.tags', [])
    .set('seen.by.me', true)
    .delete('gone')
    .delete('user.name')
    .set('z', null)
  assert.equal(result, record)
  assert.equal(
    lineOf(record),
    '{"id":"e2", "n":9007199254740993, "rate":1.10,"huge":1e400,"user":{"tags":[]},"changes":[{"field":"a","to":1},{"field":"b"}],"seen":{"by":{"me":true}},"z":null}',
  )
  assert.deepEqual(
    [record.get('seen'), record.get('user'), record.has('gone')],
    [{ by: { me: true } }, { tags: [] }, false],
  )
})

void test('set treats null on the way as missing, and rejects any other value', () => {
  assert.equal(lineOf(view('{"a":null,"b":1}').set('a.b.c', 1)), '{"a":{"b":{"c":1}},"b":1}')
  for (const value of ['1', '"x"', '[]', 'true']) {
    assert.throws(() => view(`{"a":${value}}`).set('a.b', 1), {
      code: 'VALUE_INVALID',
      message: /cannot set a\.b: a is not an object/,
    })
  }
})

void test('set keeps the spacing of empty and spaced objects', () => {
  assert.equal(lineOf(view('{}').set('a', 1)), '{"a":1}')
  assert.equal(lineOf(view('{  }').set('a', 1)), '{"a":1  }')
  assert.equal(lineOf(view('{ "a" : { } }').set('a.b', 1).set('c', 2)), '{ "a" : {"b":1 },"c":2 }')
})

void test('set keeps one of several duplicates, delete removes all', () => {
  assert.equal(lineOf(view('{"a":1,"k":0,"\\u0061":2}').set('a', 3)), '{"k":0,"\\u0061":3}')
  assert.equal(lineOf(view('{"a":1,"k":0,"\\u0061":2}').delete('a')), '{"k":0}')
  assert.equal(lineOf(view('{"a":{"b":1},"a":{}}').set('a.b', 2)), '{"a":{},"a":{"b":2}}')
})

void test('set rejects wildcards and values that are not JSON, and then changes nothing', () => {
  const record = view('{"a":1}')
  for (const path of ['a[*]', '*', '**.a', '{a,b}', '/a/'])
    assert.throws(() => record.set(path, 1), { code: 'PATH_INVALID' })
  assert.throws(() => record.set('a..b', 1), { code: 'PATH_INVALID' })
  const cyclic: { [key: string]: unknown } = {}
  cyclic.self = cyclic
  for (const value of [
    undefined,
    NaN,
    Infinity,
    1n,
    () => 1,
    Symbol('s'),
    cyclic,
    [undefined],
    Array(2),
    { a: { b: NaN } },
  ]) {
    assert.throws(() => record.set('a', unchecked(value)), { code: 'VALUE_INVALID' })
  }
  assert.equal(lineOf(record), '{"a":1}')
})

void test('omits undefined members and calls toJSON', () => {
  const value: Json = unchecked({ at: new Date(0), none: undefined, text: '\ud800"' })
  assert.equal(lineOf(view('{}').set('a', value)), '{"a":{"at":"1970-01-01T00:00:00.000Z","text":"\\ud800\\""}}')
})

void test('rejects a value that would nest deeper than the limit', () => {
  let deep: Json = 1
  for (let depth = 0; depth < 62; depth++) deep = [deep]
  const record = view('{}').set('a.b', deep)
  assert.ok(record.has('a.b'))
  assert.throws(() => record.set('a.b.c'.repeat(1), 1), { code: 'VALUE_INVALID' })
  assert.throws(() => record.set('a.b', [deep]), { code: 'VALUE_INVALID' })
})

void test('shows and keeps the edits of its batch', () => {
  const paths = new Paths()
  const id = paths.add('id')
  const gone = paths.add('gone')
  const batch = open([EVENT], paths)
  batch.edit(batch.hit(0, id), batch.token(Buffer.from('"[redacted]"')))
  batch.edit(batch.hit(0, gone), Edit.delete)
  const record = recordView(batch, 0)
  assert.deepEqual([record.get('id'), record.value.id, record.has('gone')], ['[redacted]', '[redacted]', false])
  record.set('n', 1).delete('changes')
  assert.equal(
    lineOf(record),
    '{"id":"[redacted]", "n":1, "rate":1.10,"huge":1e400,"user":{"name":"J\\u00f6","tags":["x" , "y"]}}',
  )
  assert.equal(batch.line(0).includes('"changes"'), true)
})

void test('adds a path that no stage has registered to the index on its first use', () => {
  const batch = open(['{"a":1}', '{"a":2}'])
  assert.equal(recordView(batch, 0).get('a'), 1)
  const index = batch.index
  assert.equal(recordView(batch, 1).get('a'), 2)
  assert.equal(batch.index, index)
})

void test('answers paths that are made up for each record without storing them', () => {
  const batch = open(['{"k5":{"x":1},"k1999":2}'])
  const record = recordView(batch, 0)
  const found = Array.from({ length: 2000 }, (_, n) => n).filter((n) => record.has(`k${n}`))
  assert.deepEqual(found, [5, 1999])
  assert.ok(batch.paths.size < 600)
  assert.equal(record.set('k1999', 3).get('k1999'), 3)
  assert.equal(record.delete('k5.x').text('k5'), '{}')
  assert.equal(record.matches({ k1999: 3, 'never.seen': { exists: false } }), true)
})

void test('matches takes conditions written as in filter', () => {
  const record = view()
  assert.equal(record.matches({ id: ['x', 'e1'], 'user.name': '/^j/i', nope: { exists: false } }), true)
  assert.equal(record.matches({ id: 'e1', n: 9007199254740992 }), false)
  assert.equal(record.set('id', 'e9').matches({ id: 'e9' }), true)
})

void test('reject creates a rejection, and isRecord distinguishes a record from an object', () => {
  const rejection = view().reject('NO_OWNER', 'owner is empty')
  assert.ok(rejection instanceof Rejection)
  assert.deepEqual([rejection.code, rejection.detail], ['NO_OWNER', 'owner is empty'])
  assert.deepEqual([isRecord(view()), isRecord({ ...view().value }), isRecord(null)], [true, false, false])
})

const RETURNS: readonly (readonly [name: string, line: string, change: (value: never) => unknown, expected: string])[] =
  [
    ['a new member comes last', '{ "a":1.10 }', (v: JsonObject) => ({ ...v, seen: true }), '{ "a":1.10,"seen":true }'],
    ['order follows the line', '{"a":1,"b":2}', () => ({ b: 2, a: 1 }), '{"a":1,"b":2}'],
    ['a missing member goes', '{"a":1, "b":1e400}', (v: JsonObject) => without(v, 'a'), '{"b":1e400}'],
    ['undefined is missing', '{"a":1,"b":2}', (v: JsonObject) => ({ ...v, a: undefined }), '{"b":2}'],
    ['all members go', '{ "a":1 }', () => ({}), '{  }'],
    [
      'an object with no shared member is rewritten',
      '{ "a":1 }',
      () => ({ x: [1, { y: 'z' }] }),
      '{"x":[1,{"y":"z"}]}',
    ],
    [
      'a change inside keeps its neighbours',
      '{"u":{"n":9007199254740993, "m":1}}',
      (v: { u: JsonObject }) => ({ u: { ...v.u, m: 2 } }),
      '{"u":{"n":9007199254740993, "m":2}}',
    ],
    [
      'a renamed value is rewritten',
      '{"a":"x","b":1}',
      ({ a, ...v }: JsonObject) => ({ ...v, c: a }),
      '{"b":1,"c":"x"}',
    ],
    [
      'elements that stay keep their bytes',
      '{"l":[{"n":1.10}, {"n":2.0},{"n":1e400}]}',
      (v: { l: Json[] }) => ({ l: v.l.slice(1) }),
      '{"l":[{"n":2.0},{"n":1e400}]}',
    ],
    [
      'an element is changed in place',
      '{"l":[1.0, {"n":2.0,"k":1}]}',
      (v: { l: JsonObject[] }) => ({ l: v.l.map((e) => (typeof e === 'object' ? { ...e, k: 2 } : e)) }),
      '{"l":[1.0, {"n":2.0,"k":2}]}',
    ],
    ['an element is added', '{"l":[1.0, 2]}', (v: { l: Json[] }) => ({ l: [...v.l, 'x'] }), '{"l":[1.0, 2,"x"]}'],
    [
      'elements at the end go',
      '{"l":[ 9007199254740993, 9007199254740992 , {"n":1.0}, 2 ]}',
      (v: { l: Json[] }) => ({ l: v.l.slice(0, 2) }),
      '{"l":[ 9007199254740993, 9007199254740992  ]}',
    ],
    ['an element is added to an empty list', '{"l":[ ]}', (v: { l: Json[] }) => ({ l: [...v.l, 1] }), '{"l":[1 ]}'],
    [
      'numbers that JavaScript cannot distinguish keep their spelling when they move',
      '{"l":[0,9007199254740992,9007199254740993,5.0]}',
      (v: { l: Json[] }) => ({ l: v.l.slice(1) }),
      '{"l":[9007199254740992,9007199254740992,5.0]}',
    ],
    ['a changed duplicate remains alone', '{"a":1,"k":0,"a":2}', (v: JsonObject) => ({ ...v, a: 3 }), '{"k":0,"a":3}'],
    [
      'removing a key removes all duplicates',
      '{"a":"secret","k":0,"a":2}',
      (v: JsonObject) => without(v, 'a'),
      '{"k":0}',
    ],
    ['unchanged duplicates stay', '{"a":1,"k":0,"a":2}', (v: JsonObject) => ({ ...v, k: 1 }), '{"a":1,"k":1,"a":2}'],
    ['an object becomes a list', '{"a":{"0":1}}', () => ({ a: [1] }), '{"a":[1]}'],
    ['minus zero is not zero', '{"a":-0,"b":1}', (v: JsonObject) => ({ ...v, a: 0 }), '{"a":0,"b":1}'],
    [
      'a date is text',
      '{"a":{"x":1},"b":1}',
      (v: JsonObject) => ({ ...v, a: new Date(0) }),
      '{"a":"1970-01-01T00:00:00.000Z","b":1}',
    ],
  ]

for (const [name, line, change, expected] of RETURNS) {
  void test(`writes a returned object: ${name}`, () => {
    assert.equal(returned(line, unchecked(change)), expected)
  })
}

void test('rejects a returned object that JSON cannot represent', () => {
  const cyclic: { [key: string]: unknown } = { a: 1 }
  cyclic.self = cyclic
  let deep: unknown = 1
  for (let depth = 0; depth < 100_000; depth++) deep = [deep]
  for (const value of [cyclic, { a: deep }, { other: deep }, { a: 1, n: NaN }, { a: 1n }, { a: [() => 1] }]) {
    assert.throws(() => returned('{"a":1}', () => value), { code: 'VALUE_INVALID' })
  }
})

void test('the value of a changed record includes the changes', () => {
  const record = view('{"a":1.0,"b":2}').set('b', 3)
  assert.equal(changedLine(record, { ...record.value, c: 4 }).toString(), '{"a":1.0,"b":3,"c":4}')
})
