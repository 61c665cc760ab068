import assert from 'node:assert/strict'
import { PassThrough, Transform } from 'node:stream'
import { test } from 'node:test'
import type { JsonObject } from '../../src/record/json/json.ts'
import type { Record } from '../../src/record/author/record.ts'
import dedup from '../../src/transforms/dedup.ts'
import { makeRecord, rehearse } from '../../src/testing/index.ts'

test('makeRecord makes a record that a function can be called with', () => {
  const record = makeRecord({ id: 1, user: { name: 'ann' } })
  assert.equal(record.get('user.name'), 'ann')
  assert.deepEqual(record.set('user.admin', true).value, { id: 1, user: { name: 'ann', admin: true } })
  assert.equal(makeRecord('{"big":12345678901234567890}').text('big'), '12345678901234567890')
  assert.throws(() => makeRecord('[1]'), /NOT_AN_OBJECT/)
  assert.throws(() => makeRecord('{"a":'), /INVALID_JSON/)
})

test('rehearse runs a function, and tells what it wrote, dropped and rejected', async () => {
  const input: (JsonObject | string)[] = [{ id: 0 }, { drop: true }, { bad: true }, { many: 1 }, '{"n":1.10}']
  const { output, lines, rejects, dropped, duplicates } = await rehearse(tag, input)
  assert.deepEqual(output, [{ id: 0 }, { many: 1 }, { copy: true }, { n: 1.1 }])
  assert.equal(lines.at(-1), '{"n":1.10}')
  assert.deepEqual(rejects, [{ index: 2, code: 'BAD', detail: 'it is bad' }])
  assert.deepEqual([dropped, duplicates], [1, 0])
})

test('rehearse runs a flush, an object stream, and async functions', async () => {
  let held: JsonObject[] = []
  const pair = {
    transform(record: Record) {
      held.push(record.value)
      return []
    },
    flush: () => {
      const all = held
      held = []
      return all
    },
  }
  const input = [{ id: 1 }, { id: 2 }]
  assert.deepEqual((await rehearse(pair, input)).output, input)
  assert.equal((await rehearse({ duplex: doubled }, input)).output.length, 4)
  assert.deepEqual((await rehearse({ duplex: () => new PassThrough({ objectMode: true }) }, input)).output, input)
  assert.deepEqual((await rehearse(async (record) => Promise.resolve(record), input)).output, input)
})

test('rehearse checks the configuration of a declaration, and deduplicates like a run', async () => {
  const input = [{ id: 1 }, { id: 2 }, { id: 1 }]
  const { output, duplicates } = await rehearse(dedup, input, { config: { key: 'id' } })
  assert.deepEqual([output, duplicates], [input.slice(0, 2), 1])
  await assert.rejects(rehearse(dedup, input, { config: { keys: 'id' } }), /CONFIG_INVALID|unknown key|did you mean/i)
})

function tag(record: Record) {
  if (record.get('drop') === true) return null
  if (record.get('bad') === true) return record.reject('BAD', 'it is bad')
  return record.has('many') ? [record.value, { copy: true }] : record
}

function doubled(): Transform {
  return new Transform({
    objectMode: true,
    transform(object: JsonObject, _encoding, done) {
      this.push(object)
      this.push({ ...object, copy: true })
      done()
    },
  })
}
