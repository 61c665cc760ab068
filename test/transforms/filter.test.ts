import assert from 'node:assert/strict'
import { test } from 'node:test'
import filter from '../../src/transforms/filter.ts'
import { checkStage, runStage } from './stage.ts'

const RECORDS = [
  { service: 'sso', success: false },
  { service: 'sso', success: true },
  { service: 'ldap', success: false },
  {},
]

test('keep lets matching records pass and counts the others as dropped', async () => {
  const outcome = await runStage(filter, { keep: { service: ['sso', 'radius'], success: false } }, RECORDS)
  assert.deepEqual(outcome.lines, ['{"service":"sso","success":false}'])
  assert.deepEqual(outcome.dropped, { filter: 3 })
})

test('drop removes matching records', async () => {
  const outcome = await runStage(filter, { drop: { service: '/^s/' } }, RECORDS)
  assert.deepEqual(outcome.lines, ['{"service":"ldap","success":false}', '{}'])
  assert.deepEqual(outcome.dropped, { filter: 2 })
})

test('does not count records again that are already dropped or rejected', async () => {
  const outcome = await runStage(filter, { drop: { service: { exists: true } } }, RECORDS, {
    before(batch) {
      batch.reject(0, 'NO_OWNER', 'owner')
      batch.drop(1, 'earlier')
    },
  })
  assert.deepEqual(outcome.dropped, { earlier: 1, filter: 1 })
  assert.equal(outcome.rejects.length, 1)
})

test('check requires exactly one of keep and drop, with at least one test', async () => {
  assert.deepEqual(await checkStage(filter, { keep: { a: 1 } }), [])
  for (const config of [{}, { keep: { a: 1 }, drop: { a: 1 } }, { keep: {} }]) {
    assert.equal((await checkStage(filter, config)).length, 1)
  }
})

test('a hidden duplicate of a key neither drops nor keeps a record', async () => {
  const lines = [
    '{"service":"ldap","service":"sso"}',
    '{"service":"ldap","\\u0073ervice":"sso"}',
    '{"changes":[{"field":"ldap"}],"changes":[{"field":"x"}],"service":"sso"}',
    '{"service":"sso","service":"ldap"}',
  ]
  const drop = { service: 'ldap' }
  assert.deepEqual((await runStage(filter, { drop }, lines)).lines, lines.slice(0, 3))
  assert.deepEqual((await runStage(filter, { keep: drop }, lines)).lines, lines.slice(3))
  assert.deepEqual((await runStage(filter, { drop: { '**.field': 'ldap' } }, lines)).lines, lines)
  assert.deepEqual((await runStage(filter, { keep: { 'changes[*].field': { not: 'ldap' } } }, lines)).lines, lines)
})

test('compares numbers to the last digit, and finds one that JavaScript rounds as it is spelled', async () => {
  const lines = [
    '{"id":9007199254740993}',
    '{"id":9007199254740992}',
    '{"id":1e400}',
    '{"id":1.0}',
    '{"id":1.00000000000000000001}',
  ]
  const kept = async (id: unknown): Promise<readonly string[]> =>
    (await runStage(filter, { keep: { id } }, lines)).lines
  assert.deepEqual(await kept('/^9007199254740993$/'), [lines[0]])
  assert.deepEqual(await kept(9007199254740992), [lines[1]])
  assert.deepEqual(await kept('/^1e400$/'), [lines[2]])
  assert.deepEqual(await kept(1), [lines[3]])
})

test('where keeps the records for which an expression is true', async () => {
  const where = 'record.service in ["sso", "radius"] && record.success == false'
  const lines = ['{"service":"sso","success":false}', '{"service":"sso","success":true}', '{"service":"ldap"}']
  const outcome = await runStage(filter, { where }, lines)
  assert.deepEqual(outcome.lines, lines.slice(0, 1))
  assert.deepEqual(outcome.dropped, { filter: 2 })
})

test('a record for which an expression has no result is rejected, kept or dropped, as configured', async () => {
  const lines = ['{"n":1}', '{"n":-1}', '{}', '{"n":"x"}']
  const where = 'record.n > 0'
  const rejected = await runStage(filter, { where }, lines)
  assert.deepEqual(rejected.lines, lines.slice(0, 1))
  assert.deepEqual(
    rejected.rejects.map(({ code, detail, text }) => [code, detail, text]),
    [
      ['EXPRESSION_FAILED', 'where: at character 1: record.n is absent', lines[2]],
      ['EXPRESSION_FAILED', 'where: at character 1: a string and an int cannot be compared', lines[3]],
    ],
  )
  assert.deepEqual((await runStage(filter, { where, onError: 'keep' }, lines)).lines, [lines[0], lines[2], lines[3]])
  assert.deepEqual((await runStage(filter, { where, onError: 'drop' }, lines)).dropped, { filter: 3 })
  const flag = await runStage(filter, { where: 'record.n' }, lines)
  assert.deepEqual(
    flag.rejects.map(({ detail }) => detail),
    [
      'where: at character 1: the result is an int, not a bool',
      'where: at character 1: the result is an int, not a bool',
      'where: at character 1: record.n is absent',
      'where: at character 1: the result is a string, not a bool',
    ],
  )
})

test('check requires one of keep, drop and where, and says that onError has no effect without where', async () => {
  assert.deepEqual(await checkStage(filter, { where: 'true' }), [])
  assert.equal((await checkStage(filter, { where: 'true', keep: { a: 1 } })).length, 1)
  assert.deepEqual(
    (await checkStage(filter, { keep: { a: 1 }, onError: 'drop' })).map(({ severity }) => severity),
    ['warning'],
  )
})
