import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Edit } from '../../src/record/batch.ts'
import set from '../../src/transforms/set.ts'
import { assertStage, checkStage, runStage } from './stage.ts'
import type { Cases } from './stage.ts'

async function assertSet(members: readonly object[], cases: Cases, more: object = {}): Promise<void> {
  await assertStage(set, { members, ...more }, cases)
}

test('sets constants of any kind, and keeps the bytes of all other members', async () => {
  await assertSet(
    [
      { path: 'a', value: 'x"é' },
      { path: 'b.c', value: { d: [1, null] } },
      { path: '["odd.key"]', value: null },
    ],
    [
      ['{}', '{"a":"x\\"é","b":{"c":{"d":[1,null]}},"odd.key":null}'],
      [
        '{ "n" : 1.10, "a" : 5 , "b":{ "c":1, "x":"\\u00e9" } }',
        '{ "n" : 1.10, "a" : "x\\"é" , "b":{ "c":{"d":[1,null]}, "x":"\\u00e9" },"odd.key":null }',
      ],
      ['{"b":{},"odd.key":{"x":1}}', '{"b":{"c":{"d":[1,null]}},"odd.key":null,"a":"x\\"é"}'],
    ],
  )
})

test('makes the objects on the way, also in place of null, and puts members of one object together', async () => {
  await assertSet(
    [
      { path: 'a.b.c', value: 1 },
      { path: 'a.b.d', value: 2 },
      { path: 'a.e', value: 3 },
      { path: '__proto__.x', value: 4 },
    ],
    [
      ['{"z":0}', '{"z":0,"a":{"b":{"c":1,"d":2},"e":3},"__proto__":{"x":4}}'],
      ['{"a":{"b":{"q":1}},"__proto__":{}}', '{"a":{"b":{"q":1,"c":1,"d":2},"e":3},"__proto__":{"x":4}}'],
      ['{"a":{"b":null},"__proto__":null}', '{"a":{"b":{"c":1,"d":2},"e":3},"__proto__":{"x":4}}'],
      ['{"a":null,"__proto__":{"x":9}}', '{"a":{"b":{"c":1,"d":2},"e":3},"__proto__":{"x":4}}'],
    ],
  )
})

test('a value on the way that is not an object rejects the record as it came', async () => {
  const lines = ['{"a":"text","x":1}', '{"a":[{"b":1}]}', '{"a":{"b":1}}']
  const outcome = await runStage(
    set,
    {
      members: [
        { path: 'x', value: 2 },
        { path: 'a.b', value: 2 },
      ],
    },
    lines,
  )
  assert.deepEqual(outcome.lines, ['{"a":{"b":2},"x":2}'])
  assert.deepEqual(
    outcome.rejects.map(({ code, detail, text }) => [code, detail, text]),
    [
      ['PATH_BLOCKED', 'a is not an object', lines[0]],
      ['PATH_BLOCKED', 'a is not an object', lines[1]],
    ],
  )
})

test('copies values with their bytes, all as they came in, whatever the order of the list', async () => {
  await assertSet(
    [
      { path: 'a', from: 'b' },
      { path: 'b', from: 'a' },
      { path: 'c', from: 'n.x' },
    ],
    [
      [
        '{"a":1.10,"b":{"x" : 1e400},"n":{"x":123456789012345678901234567890}}',
        '{"a":{"x" : 1e400},"b":1.10,"n":{"x":123456789012345678901234567890},"c":123456789012345678901234567890}',
      ],
      ['{"b":null}', '{"b":null,"a":null}'],
      ['{"x":1}', '{"x":1}'],
    ],
  )
})

test('a copy has the value that earlier stages have left, and never the one that they removed', async () => {
  const before = ['{"secret":"hunter2","gone":1}', '{"secret":"x","secret":"hunter2","gone":1,"\\u0067one":2}']
  const { lines } = await runStage(
    set,
    {
      members: [
        { path: 'copy', from: 'secret' },
        { path: 'b', from: 'gone' },
      ],
    },
    before,
    {
      before(batch) {
        const mask = batch.token(Buffer.from('"***"'))
        const [secret, gone] = [batch.paths.add('secret'), batch.paths.add('gone')]
        for (let record = 0; record < batch.count; record++) {
          for (const hit of batch.hits(record, secret)) batch.edit(hit, mask)
          for (const hit of batch.hits(record, gone)) batch.edit(hit, Edit.delete)
        }
      },
    },
  )
  assert.deepEqual(lines, ['{"secret":"***","copy":"***"}', '{"secret":"***","secret":"***","copy":"***"}'])
})

test('a text takes values of any scalar; without one, the target stays as it is', async () => {
  await assertSet(
    [{ path: 'kind', template: '{pipeline}: {record.a}-{record.b.c}' }],
    [
      ['{"a":"x\\"\\u00e9","b":{"c":1.10}}', '{"a":"x\\"\\u00e9","b":{"c":1.10},"kind":"test: x\\"é-1.10"}'],
      ['{"a":true,"b":{"c":""}}', '{"a":true,"b":{"c":""},"kind":"test: true-"}'],
      ['{"a":"x","b":{"c":null},"kind":1}', '{"a":"x","b":{"c":null},"kind":1}'],
      ['{"a":["x"],"b":{"c":1}}', '{"a":["x"],"b":{"c":1}}'],
      ['{"b":{"c":1}}', '{"b":{"c":1}}'],
    ],
  )
  await assertSet(
    [{ path: 'day', template: '{record.t:yyyy-MM-dd}' }],
    [
      ['{"t":"2024-03-04T23:30:00-02:00"}', '{"t":"2024-03-04T23:30:00-02:00","day":"2024-03-05"}'],
      ['{"t":"yesterday"}', '{"t":"yesterday"}'],
    ],
  )
})

test('missing: reject rejects a record without the value, unchanged', async () => {
  const members = [
    { path: 'x', value: 1 },
    { path: 'kind', template: '{record.a}' },
  ]
  const { lines, rejects } = await runStage(set, { members, missing: 'reject' }, ['{"a":1}', '{"x":0}'])
  assert.deepEqual(lines, ['{"a":1,"x":1,"kind":"1"}'])
  assert.deepEqual(
    rejects.map(({ code, detail, text }) => [code, detail, text]),
    [['VALUE_MISSING', 'no value for kind', '{"x":0}']],
  )
})

test('ifAbsent sets a default; null, an empty text and a hidden copy count as what they are', async () => {
  await assertSet(
    [{ path: 'u.level', value: 'low', ifAbsent: true }],
    [
      ['{}', '{"u":{"level":"low"}}'],
      ['{"u":{"level":null}}', '{"u":{"level":null}}'],
      ['{"u":{"level":""}}', '{"u":{"level":""}}'],
      ['{"u":{"\\u006cevel":1}}', '{"u":{"\\u006cevel":1}}'],
      ['{"u":{"level":1},"u":{}}', '{"u":{"level":1},"u":{"level":"low"}}'],
    ],
  )
})

test('of duplicate keys the last one gets the value, and the others are removed', async () => {
  await assertSet(
    [{ path: 'a', value: 9 }],
    [
      ['{"a":1,"b":2,"\\u0061":3}', '{"b":2,"\\u0061":9}'],
      ['{"a":{"x":1},"a":[1]}', '{"a":9}'],
    ],
  )
})

test('a record that would grow beyond the limit is rejected as it came', async () => {
  const line = `{"a":"${'x'.repeat(600_000)}"}`
  const { lines, rejects } = await runStage(set, { members: [{ path: 'b', from: 'a' }] }, [line, '{"a":1}'])
  assert.deepEqual(lines, ['{"a":1,"b":1}'])
  assert.deepEqual([rejects[0].code, rejects[0].text === line], ['TOO_LONG', true])
  const replaced = await runStage(set, { members: [{ path: 'a', value: 1 }] }, [line])
  assert.deepEqual(replaced.lines, ['{"a":1}'])
})

test('leaves rejected and dropped records alone, and accounts for all', async () => {
  const { lines, rejects, dropped } = await runStage(
    set,
    { members: [{ path: 'b', value: 1 }] },
    ['{"a":0}', '{"a":1}', 'no JSON', '{"a":2}'],
    {
      before(batch) {
        batch.reject(0, 'NO_OWNER', 'owner')
        batch.drop(1, 'filter')
      },
    },
  )
  assert.deepEqual(lines, ['{"a":2,"b":1}'])
  assert.deepEqual(rejects.map(({ text }) => text).toSorted(), ['no JSON', '{"a":0}'])
  assert.deepEqual(dropped, { filter: 1 })
})

test('effectOn names the settings that decide about a dedup key', () => {
  const context = { pipeline: 'p', stage: 'set', folder: '/' }
  const member = { path: 'id', template: '{record.a}', ifAbsent: false }
  const config = { members: [member, { path: 'x', value: 1, ifAbsent: false }], missing: 'skip' as const }
  assert.equal(set.effectOn?.(config, ['y'], context), undefined)
  assert.deepEqual(set.effectOn?.(config, ['id'], context), { settings: { members: [member], missing: 'skip' } })
})

test('check finds the likely mistakes', async () => {
  const cases: readonly (readonly [readonly object[], readonly string[]])[] = [
    [
      [
        { path: 'a', value: 1 },
        { path: 'b', from: 'c.d' },
      ],
      [],
    ],
    [[{ path: 'a' }], ['a gets no value']],
    [[{ path: 'a', value: 1, from: 'b' }], ['a has value and from; it can have one of them']],
    [
      [
        { path: 'a', value: 1 },
        { path: '["a"]', value: 2 },
      ],
      ['["a"] is set twice'],
    ],
    [
      [
        { path: 'a.b', value: 1 },
        { path: 'a', value: 2 },
      ],
      ['a.b is inside a, which gets a value too'],
    ],
    [[{ path: 'a', from: 'a' }], ['a is copied onto itself']],
    [
      [{ path: 'a', from: 'b[*]' }],
      ['b[*] may match several values; a value comes from a path of keys, such as user.email'],
    ],
    [
      [
        { path: 'a', value: 1 },
        { path: 'b', from: 'a' },
      ],
      ['a is read as it comes in, not as this stage sets it'],
    ],
    [[{ path: 'a', value: '{record.b}' }], ['the value of a is a constant: {record.…} in it stays as it is']],
  ]
  for (const [members, messages] of cases) {
    assert.deepEqual(
      (await checkStage(set, { members })).map(({ message }) => message),
      messages,
    )
  }
})

test('a record that would nest too deep is rejected as it came', async () => {
  const inner = `${'['.repeat(60)}${']'.repeat(60)}`
  const config = { members: [{ path: 'a.b.c.d', from: 'x' }] }
  const lines = [`{"x":[${inner}]}`, `{"x":${inner}}`]
  const { lines: left, rejects } = await runStage(set, config, lines)
  assert.deepEqual(left, [`{"x":${inner},"a":{"b":{"c":{"d":${inner}}}}}`])
  assert.deepEqual(
    rejects.map(({ code, text }) => [code, text]),
    [['TOO_DEEP', lines[0]]],
  )
})
