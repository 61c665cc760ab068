import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PlanProgress } from '../../../src/delivery/shards/plan/plan-progress.ts'
import type { ShardRow } from '../../../src/delivery/state/rows.ts'

test('the parts of a source partition are read one shard at a time, when they are iterated', () => {
  const shards = 1000
  const rows = Array.from({ length: shards }, (_, number): ShardRow => ({
    number,
    bytes: 1,
    partitions: ['all', 'all'],
    status: number < shards - 1 ? 'done' : 'open',
  }))
  const progress = new PlanProgress(rows)
  const read: number[] = []
  const [complete, ...others] = progress.completedBy(shards - 1, (number) => {
    read.push(number)
    const parts = [0, 1].map((at) => ({ partition: 'all', input: `${number}.${at}`, bytes: 1, detail: null }))
    return { parts, ends: [`${number}.0`, null] }
  })
  assert.deepEqual(others, [])
  assert.ok(complete)
  read.length = 0
  let at = 0
  for (const { part, end } of complete.parts) {
    const number = at >> 1
    assert.deepEqual([part.input, end], [`${number}.${at & 1}`, at & 1 ? undefined : `${number}.0`])
    assert.equal(read.length, number + 1)
    at++
  }
  assert.equal(at, 2 * shards)
})
