import assert from 'node:assert/strict'
import { test } from 'node:test'
import { reaches } from '../../../src/record/paths/reaches.ts'

const cases: readonly (readonly [string, string, boolean])[] = [
  ['id', 'id', true],
  ['id', 'ID', false],
  ['user', 'user.name', true],
  ['user.name', 'user', true],
  ['user.mail', 'user.name', false],
  ['*', 'user.name', true],
  ['*.name', 'user.name', true],
  ['*.mail', 'user.name', false],
  ['**', 'id', true],
  ['user.**', 'user.name', true],
  ['user.**', 'user', true],
  ['user.**', 'id', false],
  ['**.name', 'user.name', true],
  ['**.name', 'name', true],
  ['**.name', 'user', false],
  ['**./token/i', 'access_Token', true],
  ['**./token/i', 'tokens.value', true],
  ['**./token/i', 'id', false],
  ['{id,uuid}', 'uuid', true],
  ['changes[*].from', 'changes', true],
  ['**.changes[*].from', 'changes', true],
  ['changes[*].from', 'from', false],
  ['["odd.key"]', '["odd.key"].x', true],
]

for (const [path, target, expected] of cases) {
  test(`a change at ${path} ${expected ? 'can' : 'cannot'} change the value at ${target}`, () => {
    assert.equal(reaches(path, target), expected)
  })
}
