import assert from 'node:assert/strict'
import { test } from 'node:test'
import rename from '../../src/transforms/rename.ts'
import { assertStage, checkStage, runStage } from './stage.ts'
import type { Cases } from './stage.ts'

type Names = Readonly<Record<string, string>>

function membersOf(names: Names): { from: string; to: string }[] {
  return Object.entries(names).map(([from, to]) => ({ from, to }))
}

async function assertRenamed(names: Names, cases: Cases, more: object = {}) {
  await assertStage(rename, { members: membersOf(names), ...more }, cases)
}

test('moves members with their bytes, also into other objects; an absent one is no error', async () => {
  await assertRenamed({ a: 'x', 'u.email': 'user.mail', deep: 'u.deep' }, [
    ['{ "a" : 1.10 , "u":{"email":"\\u00e9","q":1}}', '{ "u":{"q":1},"x":1.10,"user":{"mail":"\\u00e9"}}'],
    ['{"deep":{"n" : 1e400},"u":{"q":1}}', '{"u":{"q":1,"deep":{"n" : 1e400}}}'],
    ['{"u":{"email":1}}', '{"u":{},"user":{"mail":1}}'],
    ['{"b":1}', '{"b":1}'],
    ['{"a":null}', '{"x":null}'],
    ['{"\\u0061":1}', '{"x":1}'],
  ])
})

test('swaps members, and moves them in a circle', async () => {
  await assertRenamed({ a: 'b', b: 'a' }, [
    ['{"a":1,"b":2}', '{"b":1,"a":2}'],
    ['{"a":1}', '{"b":1}'],
  ])
  await assertRenamed({ a: 'b', b: 'c.d', 'c.d': 'a' }, [['{"a":1,"b":2,"c":{"d":3}}', '{"c":{"d":2},"b":1,"a":3}']])
})

test('moves a parent and its child, and a member into an object of its own old name', async () => {
  await assertRenamed({ a: 'x', 'a.b': 'y' }, [['{"a":{"b":1,"c":2}}', '{"x":{"c":2},"y":1}']])
  await assertRenamed({ a: 'a.value' }, [
    ['{"a":1,"z":0}', '{"z":0,"a":{"value":1}}'],
    ['{"a":{"b":1}}', '{"a":{"value":{"b":1}}}'],
  ])
  await assertRenamed({ 'a.b': 'a' }, [['{"a":{"b":1}}', '{"a":1}']], { existing: 'replace' })
  await assertRenamed({ a: 'x', c: 'a.c' }, [['{"a":{"b":1},"c":2}', '{"x":{"b":1},"a":{"c":2}}']])
})

test('a target that exists rejects the record as it came, or is replaced', async () => {
  const members = membersOf({ a: 'b', c: 'd' })
  const lines = ['{"a":1,"b":2,"c":3}', '{"b":2}', '{"a":1}']
  const { lines: left, rejects } = await runStage(rename, { members }, lines)
  assert.deepEqual(left, ['{"b":2}', '{"b":1}'])
  assert.deepEqual(
    rejects.map(({ code, detail, text }) => [code, detail, text]),
    [['KEY_EXISTS', 'b exists', lines[0]]],
  )
  await assertRenamed({ a: 'b', c: 'd' }, [['{"a":1,"b":{"x":2},"c":3}', '{"b":1,"d":3}']], { existing: 'replace' })
})

test('a value on the way that is not an object rejects the record as it came; null makes room', async () => {
  const lines = ['{"a":1,"u":"ann"}', '{"a":1,"u":null}']
  const { lines: left, rejects } = await runStage(rename, { members: membersOf({ a: 'u.id' }) }, lines)
  assert.deepEqual(left, ['{"u":{"id":1}}'])
  assert.deepEqual([rejects[0].code, rejects[0].text], ['PATH_BLOCKED', lines[0]])
})

test('a record that would nest too deep is rejected as it came', async () => {
  const line = `{"b":1,"x":{"y":${'['.repeat(62)}"[[["${']'.repeat(62)}}}`
  const { lines, rejects } = await runStage(rename, { members: membersOf({ 'x.y': 'z.y.z', b: 'c' }) }, [line])
  assert.deepEqual([lines, rejects.map(({ code, text }) => [code, text])], [[], [['TOO_DEEP', line]]])
  await assertRenamed({ 'x.y': 'z.y' }, [[line, line.replace('"x":{', '"x":{},"z":{')]])
})

test('moves the copy of a duplicate key that a reader sees, and leaves none behind', async () => {
  await assertRenamed({ a: 'x', 'u.p': '__proto__' }, [
    ['{"a":1,"b":2,"\\u0061":3}', '{"b":2,"x":3}'],
    ['{"u":{"p":1},"u":{"p":2,"q":3}}', '{"u":{},"u":{"q":3},"__proto__":2}'],
  ])
})

test('leaves rejected records alone, and accounts for all', async () => {
  const { lines, rejects } = await runStage(rename, { members: membersOf({ a: 'b' }) }, ['{"a":1}', '{"a":2}', '['], {
    before: (batch) => batch.reject(0, 'NO_OWNER', 'owner'),
  })
  assert.deepEqual(lines, ['{"b":2}'])
  assert.deepEqual(rejects.map(({ text }) => text).toSorted(), ['[', '{"a":1}'])
})

test('check finds the likely mistakes', async () => {
  const cases: readonly (readonly [readonly (readonly [string, string])[], readonly string[]])[] = [
    [
      [
        ['a', 'b'],
        ['b', 'a'],
      ],
      [],
    ],
    [[['a', '["a"]']], ['a is renamed to itself']],
    [
      [
        ['a', 'c'],
        ['b', 'c'],
      ],
      ['c is set twice'],
    ],
    [
      [
        ['a', 'c.d'],
        ['b', 'c'],
      ],
      ['c.d is inside c, which gets a value too'],
    ],
    [
      [
        ['a', 'b'],
        ['a', 'c'],
      ],
      ['a is moved twice'],
    ],
    [[['a.*', 'b']], ['a.* may match several values; a value comes from a path of keys, such as user.email']],
  ]
  for (const [pairs, messages] of cases) {
    const members = pairs.map(([from, to]) => ({ from, to }))
    assert.deepEqual(
      (await checkStage(rename, { members })).map(({ message }) => message),
      messages,
    )
  }
})
