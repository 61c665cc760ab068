import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Edit } from '../../src/record/batch.ts'
import compute from '../../src/transforms/compute.ts'
import { assertStage, checkStage, runStage } from './stage.ts'

const one = (value: string, more: object = {}) => ({ members: [{ path: 'out', value, ...more }] })

test('gives members the values of expressions, and keeps the bytes of all other members', async () => {
  const members = [
    { path: 'total', value: 'record.count + 1' },
    { path: 'user.name', value: 'record.user.name.lowerAscii()' },
    { path: '["odd.key"]', value: '{"list": record.list, "a": [1.5, null, true]}' },
  ]
  await assertStage(compute, { members }, [
    [
      '{ "count" : 1, "user":{"name":"ANN", "x":1.10 }, "list":[ 1.10,{"b" : 1e400} ],"e":"\\u00e9" }',
      '{ "count" : 1, "user":{"name":"ann", "x":1.10 }, "list":[ 1.10,{"b" : 1e400} ],"e":"\\u00e9","total":2,"odd.key":{"list":[ 1.10,{"b" : 1e400} ],"a":[1.5,null,true]} }',
    ],
  ])
})

test('all expressions read the record as it comes in, whatever the order of the list', async () => {
  const members = [
    { path: 'a', value: 'record.b' },
    { path: 'b', value: 'record.a' },
  ]
  await assertStage(compute, { members }, [['{"a":1.10,"b":{"x" : 1}}', '{"a":{"x" : 1},"b":1.10}']])
})

test('reads a value as an earlier stage has changed it', async () => {
  const { lines } = await runStage(compute, one('[record.a, record.b.c]'), ['{"a":1,"b":{"c":2}}'], {
    before(batch) {
      batch.edit(batch.hit(0, batch.paths.add('a')), batch.token(Buffer.from('"x\\ty"')))
      batch.edit(batch.hit(0, batch.paths.add('b.c')), batch.token(Buffer.from('7')))
    },
  })
  assert.deepEqual(lines, ['{"a":"x\\ty","b":{"c":7},"out":["x\\ty",7]}'])
  const gone = await runStage(compute, one('has(record.a)'), ['{"a":1}'], {
    before: (batch) => batch.edit(batch.hit(0, batch.paths.add('a')), Edit.delete),
  })
  assert.deepEqual(gone.lines, ['{"out":false}'])
})

test('ifAbsent keeps a member that is there, also null, and does not evaluate', async () => {
  await assertStage(compute, one('record.a / 0', { ifAbsent: true }), [['{"out":null,"a":1}', '{"out":null,"a":1}']])
  await assertStage(compute, one('record.a', { ifAbsent: true }), [['{"a":1}', '{"a":1,"out":1}']])
})

test('an expression without a value rejects the record as it came, or skips, or gives the default', async () => {
  const lines = ['{"x":1,"a":{}}', '{"x":"text","a":{}}', '{"a":{}}']
  const members = [
    { path: 'a.b', value: '1' },
    { path: 'y', value: 'record.x + 1' },
  ]
  const rejected = await runStage(compute, { members }, lines)
  assert.deepEqual(rejected.lines, ['{"x":1,"a":{"b":1},"y":2}'])
  assert.deepEqual(
    rejected.rejects.map(({ code, detail, text }) => [code, detail, text]),
    [
      ['EXPRESSION_FAILED', 'members[1] y: at character 1: "+" cannot be applied to a string and an int', lines[1]],
      ['EXPRESSION_FAILED', 'members[1] y: at character 1: record.x is absent', lines[2]],
    ],
  )
  const skipped = await runStage(compute, { members, onError: 'skip' }, lines)
  assert.deepEqual(skipped.lines, ['{"x":1,"a":{"b":1},"y":2}', '{"x":"text","a":{"b":1}}', '{"a":{"b":1}}'])
  const instead = await runStage(compute, one('record.x + 1', { default: { none: [] } }), lines)
  assert.deepEqual(instead.lines[2], '{"a":{},"out":{"none":[]}}')
  const missing = await runStage(compute, one('record.x + 1', { default: null }), lines)
  assert.deepEqual(missing.lines[2], '{"a":{},"out":null}')
})

test('an optional without a value leaves the member as it is', async () => {
  await assertStage(compute, one('record.?a.?b'), [
    ['{"out":1}', '{"out":1}'],
    ['{"a":{}}', '{"a":{}}'],
    ['{"a":{"b":1.0}}', '{"a":{"b":1.0},"out":1.0}'],
  ])
  await assertStage(compute, one('record.a[?0]'), [
    ['{"a":[]}', '{"a":[]}'],
    ['{"a":[5]}', '{"a":[5],"out":5}'],
  ])
})

test('a value on the way that is not an object, and a line that becomes too long, reject the record', async () => {
  const blocked = await runStage(compute, { members: [{ path: 'a.b', value: '1' }] }, ['{"a":1}'])
  assert.deepEqual(blocked.rejects, [{ code: 'PATH_BLOCKED', detail: 'a is not an object', line: 1, text: '{"a":1}' }])
  const long = `{"a":"${'x'.repeat(700_000)}"}`
  const outcome = await runStage(compute, one('record.a + record.a'), [long])
  assert.deepEqual(
    outcome.rejects.map(({ code }) => code),
    ['TOO_LONG'],
  )
})

test('the definition of the dedup key follows the expressions that reach it', () => {
  const context = { pipeline: 'p', stage: 'compute', folder: '/' }
  const config = {
    members: [
      { path: 'id', value: 'record.a + record.user["b.c"]', ifAbsent: false },
      { path: 'other', value: 'has(record.d)', ifAbsent: false },
    ],
    onError: 'reject' as const,
  }
  assert.deepEqual(compute.effectOn?.(config, ['id'], context), {
    settings: { members: config.members.slice(0, 1), onError: 'reject' },
  })
  assert.equal(compute.effectOn?.(config, ['time'], context), undefined)
  assert.deepEqual(compute.shape?.(config), {
    writes: [
      { path: 'id', from: ['a', 'user["b.c"]'] },
      { path: 'other', from: ['d'] },
    ],
  })
})

test('check reports two writers of a member, and notes a value that is read as it comes in', async () => {
  const members = [
    { path: 'a', value: '1' },
    { path: 'a', value: '2' },
    { path: 'b', value: 'record.a' },
  ]
  assert.deepEqual(
    (await checkStage(compute, { members })).map(({ at, severity = 'error' }) => [at, severity]),
    [
      [['members', 1, 'path'], 'error'],
      [['members', 2, 'value'], 'note'],
    ],
  )
})
