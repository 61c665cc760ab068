import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Edit } from '../../src/record/batch.ts'
import remove from '../../src/transforms/remove.ts'
import { assertStage, checkStage, runStage } from './stage.ts'
import type { Cases } from './stage.ts'

async function assertRemoved(paths: readonly string[], cases: Cases): Promise<void> {
  await assertStage(remove, { paths }, cases)
}

test('removes members with their comma, and keeps the bytes of all others', async () => {
  await assertRemoved(
    ['a', 'c'],
    [
      ['{ "a" : 1 , "b" : 1.10 , "c":{"x":1} }', '{ "b" : 1.10  }'],
      ['{"b":"\\u00e9","c":[1]}', '{"b":"\\u00e9"}'],
      ['{"a":1,"c":2}', '{}'],
      ['{"a":null}', '{}'],
      ['{"b":{"a":1},"n":123456789012345678901234567890}', '{"b":{"a":1},"n":123456789012345678901234567890}'],
      ['{}', '{}'],
    ],
  )
})

test('an object or array that becomes empty stays', async () => {
  await assertRemoved(
    ['user.email', 'tags[*]', 'labels.*'],
    [['{"user":{"email":"a"},"tags":["a",{"b":1}],"labels":{"x":1,"y":2}}', '{"user":{},"tags":[],"labels":{}}']],
  )
})

test('wildcards remove members of every element and at any depth', async () => {
  await assertRemoved(
    ['changes[*].{from,to}', '**./^_/', 'a["b.c"]'],
    [
      ['{"changes":[{"field":1,"from":2,"to":3},4,{"to":1}]}', '{"changes":[{"field":1},4,{}]}'],
      ['{"_x":1,"a":{"_y":{"_z":1},"b.c":1,"b":{"c":2}}}', '{"a":{"b":{"c":2}}}'],
    ],
  )
})

test('removes every copy of a duplicate key, however it is escaped', async () => {
  await assertRemoved(
    ['a', 'u.p'],
    [
      ['{"a":1,"b":2,"\\u0061":3}', '{"b":2}'],
      ['{"u":{"p":1,"q":2},"u":{"\\u0070":3}}', '{"u":{"q":2},"u":{}}'],
      ['{"__proto__":{"a":1},"a":2}', '{"__proto__":{"a":1}}'],
    ],
  )
  await assertRemoved(['__proto__'], [['{"__proto__":{"a":1},"b":2}', '{"b":2}']])
})

test('a path inside another removed path, and what an earlier stage has removed, are no trouble', async () => {
  const lines = ['{"a":{"b":1,"c":2},"d":"x"}']
  assert.deepEqual((await runStage(remove, { paths: ['a.b', 'a', 'd'] }, lines)).lines, ['{}'])
  const { lines: left } = await runStage(remove, { paths: ['a.b', 'a.c'] }, lines, {
    before(batch) {
      batch.edit(batch.hit(0, batch.paths.add('d')), batch.token(Buffer.from('"[redacted]"')))
      batch.edit(batch.hit(0, batch.paths.add('a.b')), Edit.delete)
    },
  })
  assert.deepEqual(left, ['{"a":{},"d":"[redacted]"}'])
})

test('leaves a rejected record as its stage received it, so that it can be replayed', async () => {
  const { rejects, lines } = await runStage(remove, { paths: ['a'] }, ['{"a":1,"b":1}', '{"a":2,"b":2}'], {
    before: (batch) => batch.reject(0, 'NO_OWNER', 'owner'),
  })
  assert.deepEqual(lines, ['{"b":2}'])
  assert.equal(rejects[0].text, '{"a":1,"b":1}')
})

test('effectOn names the paths that reach the dedup key, in any order', () => {
  const context = { pipeline: 'p', stage: 'remove', folder: '/' }
  const effect = (paths: string[], key: string[]) => remove.effectOn?.({ paths }, key, context)
  assert.equal(effect(['a.b', 'x'], ['id', 'a.c']), undefined)
  assert.deepEqual(effect(['z', 'a', 'id'], ['id', 'a.c']), { settings: { paths: ['a', 'id'] } })
  assert.deepEqual(effect(['a.b'], ['a']), { settings: { paths: ['a.b'] } })
})

test('check finds paths without effect and paths that match everything', async () => {
  assert.deepEqual(await messages(['a', 'b.*', '**.c']), [])
  assert.deepEqual(await messages(['a', '["a"]']), ['["a"] is in the list twice'])
  assert.deepEqual(await messages(['a.b', 'a']), ['a.b has no effect: a is in the list, and includes it'])
  assert.deepEqual(await messages(['*', 'a']), ['* removes all members'])
})

async function messages(paths: readonly string[]): Promise<string[]> {
  return (await checkStage(remove, { paths })).map(({ message }) => message)
}
