import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import keep from '../../src/transforms/keep.ts'
import { scaled } from '../support/scale.ts'
import { assertStage, checkStage, parse, runStage } from './stage.ts'
import type { Cases } from './stage.ts'

async function assertKept(paths: readonly string[], cases: Cases): Promise<void> {
  await assertStage(keep, { paths }, cases)
}

test('keeps the listed members with their bytes and removes all others', async () => {
  await assertKept(
    ['id', 'user.email', 'geo'],
    [
      [
        '{ "id" : 1.10, "x":1, "user":{"name":"a","email" : "\\u00e9"}, "geo":{"a":[1]} }',
        '{ "id" : 1.10, "user":{"email" : "\\u00e9"}, "geo":{"a":[1]} }',
      ],
      ['{"x":{"id":1},"y":[{"id":2}],"\\u0069d":3}', '{"\\u0069d":3}'],
      ['{"x":1}', '{}'],
      ['{"id":null}', '{"id":null}'],
      ['{"__proto__":{"id":1},"id":123456789012345678901234567890}', '{"id":123456789012345678901234567890}'],
    ],
  )
})

test('objects on the way stay, also empty; another value in their place is removed', async () => {
  await assertKept(
    ['user.email'],
    [
      ['{"user":{"name":"a"}}', '{"user":{}}'],
      ['{"user":"ann@example.com","a":1}', '{}'],
      ['{"user":[{"email":1}]}', '{}'],
      ['{"user":null}', '{}'],
    ],
  )
})

test('keeps members of every array element, alternatives, patterns and any depth', async () => {
  await assertKept(
    ['changes[*].{field,to}', 'labels./^x/', 'tags[*]'],
    [
      [
        '{"changes":[{"field":1,"from":2,"to":3},"text",[1],{"from":1}],"labels":{"xa":1,"b":2},"tags":["a",{"b":1}]}',
        '{"changes":[{"field":1,"to":3},{}],"labels":{"xa":1},"tags":["a",{"b":1}]}',
      ],
      ['{"changes":{"field":1},"tags":"a"}', '{}'],
    ],
  )
  await assertKept(
    ['**.id', 'data.**'],
    [
      [
        '{"id":1,"a":[{"id":{"x":2},"b":3},4],"c":5,"data":{"x":[1]}}',
        '{"id":1,"a":[{"id":{"x":2}}],"data":{"x":[1]}}',
      ],
    ],
  )
})

test('a hidden copy of a key does not appear because the copy that hides it is removed', async () => {
  await assertKept(
    ['user.id'],
    [
      ['{"user":{"id":1},"user":5}', '{}'],
      ['{"user":5,"user":{"id":1,"x":2}}', '{"user":{"id":1}}'],
      ['{"user":{"id":1,"\\u0069d":2,"x":3}}', '{"user":{"id":1,"\\u0069d":2}}'],
    ],
  )
  await assertKept(['a[*].b.c'], [['{"a":[{"b":{"c":1},"b":[]},{"b":{"c":2}}]}', '{"a":[{},{"b":{"c":2}}]}']])
})

test('keeps exactly what a walk over the parsed record keeps', async () => {
  const key = fc.constantFrom('a', 'b', 'c', 'é')
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 3 },
      fc.integer(),
      fc.constant('x'),
      fc.array(tie('value'), { maxLength: 3 }),
      tie('object'),
    ),
    object: fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
  }))
  const path = fc.array(key, { minLength: 1, maxLength: 3 }).map((keys) => keys.join('.'))
  await fc.assert(
    fc.asyncProperty(
      fc.array(value.object, { minLength: 1, maxLength: 5 }),
      fc.uniqueArray(path, { minLength: 1, maxLength: 4 }),
      async (records, paths) => {
        const { lines } = await runStage(
          keep,
          { paths },
          records.map((one) => JSON.stringify(one)),
        )
        assert.deepEqual(
          lines.map(parse),
          records.map((record) =>
            reduced(
              record,
              paths.map((one) => one.split('.')),
            ),
          ),
        )
      },
    ),
    { numRuns: scaled(100) },
  )
})

/** The plain model: keys only. */
function reduced(value: unknown, paths: readonly string[][]): unknown {
  const result: { [key: string]: unknown } = {}
  for (const [key, member] of Object.entries(value ?? {})) {
    const inner = paths.filter(([first]) => first === key).map((path) => path.slice(1))
    if (inner.some((path) => path.length === 0)) result[key] = member
    else if (inner.length > 0 && typeof member === 'object' && member !== null && !Array.isArray(member)) {
      result[key] = reduced(member, inner)
    }
  }
  return result
}

test('effectOn: a dedup key changes unless the list keeps it whole', () => {
  const context = { pipeline: 'p', stage: 'keep', folder: '/' }
  const effect = (paths: string[], key: string[]) => keep.effectOn?.({ paths }, key, context)
  assert.equal(effect(['user', 'id'], ['id', 'user.name']), undefined)
  assert.deepEqual(effect(['user.name', 'id'], ['user']), { settings: { paths: ['id', 'user.name'] } })
})

test('check finds a path that keeps everything', async () => {
  assert.deepEqual(await checkStage(keep, { paths: ['id', 'user.email'] }), [])
  const [{ message }] = await checkStage(keep, { paths: ['**'] })
  assert.equal(message, '** keeps all members')
})
