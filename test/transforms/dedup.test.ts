import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { NO_DEDUP_BUCKET } from '../../src/record/batch.ts'
import type { Digests } from '../../src/record/batch.ts'
import dedup from '../../src/transforms/dedup.ts'
import redact from '../../src/transforms/redact.ts'
import { checkStage, runStage } from './stage.ts'
import type { StageOptions } from './stage.ts'
import { DAY } from '../../src/time.ts'

const EVENT = { key: ['id', 'timestamp'], time: 'timestamp', within: '7d' }

test('computes keys from values: escapes, fractions of a second, offsets and number formats do not matter', async () => {
  await assertSame(EVENT, [
    '{"id":"a/b","timestamp":"2024-03-04T18:01:42Z"}',
    '{"timestamp":"2024-03-04T18:01:42.000Z", "id" : "a\\/b"}',
    '{"id":"\\u0061/b","timestamp":"2024-03-04T18:01:42.000000000Z","more":1}',
    '{"id":"a/b","timestamp":"2024-03-04T19:01:42+01:00"}',
    '{"id":"a/b","timestamp":"2024-03-04\\u005418:01:42z"}',
  ])
  await assertSame({ key: 'n' }, ['{"n":100}', '{"n":1e2}', '{"n":100.0}', '{"n":0.1E+3}', '{"n": 1000e-1}'])
  await assertSame({ key: 'n' }, ['{"n":0}', '{"n":-0}', '{"n":0.000}', '{"n":0e7}'])
  await assertSame({ key: 's' }, ['{"s":"\u{1f600}"}', '{"s":"\\ud83d\\ude00"}'])
  await assertSame({ key: ['a.b'] }, ['{"a":{"b":true}}', '{"x":1,"a":{"c":2,"b" : true}}'])
})

test('gives different values different keys, even if their bytes look alike', async () => {
  await assertDifferent({ key: 'v' }, [
    '{"v":"1"}',
    '{"v":1}',
    '{"v":-1}',
    '{"v":10}',
    '{"v":true}',
    '{"v":"true"}',
    '{"v":false}',
    '{"v":9007199254740992}',
    '{"v":9007199254740993}',
    '{"v":1e400}',
    '{"v":1e401}',
    '{"v":{"a":1}}',
    '{"v":[1]}',
    '{"v":"{\\"a\\":1}"}',
    '{"v":"\\ud800"}',
    '{"v":"\\ud801"}',
    '{"v":"\ufffd"}',
    '{"v":"é"}',
    '{"v":"e\u0301"}',
  ])
  await assertDifferent({ key: ['a', 'b'] }, [
    '{"a":"xy","b":"z"}',
    '{"a":"x","b":"yz"}',
    '{"a":"z","b":"xy"}',
    '{"a":"xyz","b":"0"}',
  ])
})

test('distinguishes times to the nanosecond', async () => {
  await assertDifferent(EVENT, [
    '{"id":"a","timestamp":"2024-03-04T18:01:42.449220296Z"}',
    '{"id":"a","timestamp":"2024-03-04T18:01:42.449220297Z"}',
    '{"id":"a","timestamp":"2024-03-04T18:01:42.449Z"}',
    '{"id":"a","timestamp":"2024-03-04T18:01:43.449Z"}',
    '{"id":"a","timestamp":"yesterday"}',
    '{"id":"a","timestamp":1709575302}',
  ])
})

test('one event has one key, however its products spell its time', async () => {
  await assertSame(EVENT, [
    '{"id":"a","timestamp":"2024-03-04T18:01:42.500Z"}',
    '{"id":"a","timestamp":"2024-03-04T18:01:42.5+0000"}',
    '{"id":"a","timestamp":"2024-03-04 18:01:42.500"}',
    '{"id":"a","timestamp":1709575302500}',
    '{"id":"a","timestamp":"1709575302500"}',
    '{"id":"a","timestamp":1709575302.5}',
    '{"id":"a","timestamp":1.7095753025E9}',
    '{"id":"a","timestamp":1709575302500000000}',
    '{"id":"a","timestamp":0,"timestamp":1709575302500}',
  ])
  await assertDifferent(EVENT, [
    '{"id":"a","timestamp":1709575302499999999}',
    '{"id":"a","timestamp":1709575302500000000}',
    '{"id":"a","timestamp":1709575302500000001}',
    '{"id":"a","timestamp":17095753025}',
    '{"id":"a","timestamp":true}',
  ])
})

test('a leap second is not the second after it', async () => {
  await assertSame(EVENT, [
    '{"id":"a","timestamp":"2016-12-31T23:59:60Z"}',
    '{"id":"a","timestamp":"2017-01-01T00:59:60.000+01:00"}',
    '{"id":"a","timestamp":"2016-12-31 23:59:60"}',
  ])
  await assertDifferent(EVENT, [
    '{"id":"a","timestamp":"2016-12-31T23:59:59Z"}',
    '{"id":"a","timestamp":"2016-12-31T23:59:60Z"}',
    '{"id":"a","timestamp":"2016-12-31T23:59:60.5Z"}',
    '{"id":"a","timestamp":"2017-01-01T00:00:00Z"}',
  ])
})

test('treats only the time field as a time', async () => {
  await assertDifferent({ key: ['timestamp'] }, [
    '{"timestamp":"2024-03-04T18:01:42Z"}',
    '{"timestamp":"2024-03-04T18:01:42.0Z"}',
  ])
})

test('hashes all bytes of a very long key', async () => {
  const long = 'k'.repeat(100_000)
  await assertDifferent({ key: ['id'] }, [{ id: `${long}a` }, { id: `${long}b` }, { id: long }])
  await assertSame({ key: ['id'] }, [{ id: long }, { x: 1, id: long }])
})

test('uses the duplicate key that JSON.parse takes', async () => {
  await assertSame({ key: 'id' }, ['{"id":"a","id":"b"}', '{"id":"b"}', '{"\\u0069d":"c","id":"b"}'])
  await assertSame({ key: 'o.id', missing: 'pass' }, ['{"o":{"id":"a"},"o":{"id":"b"}}', '{"o":{"id":"b"}}'])
})

test('rejects a record if a part of the key is absent, null or an empty string', async () => {
  const records = ['{"id":"a"}', '{"id":"a","timestamp":null}', '{"id":"","timestamp":"2024-03-04T18:01:42Z"}', '{}']
  const { rejects, lines, batches } = await runStage(dedup, EVENT, [
    ...records,
    { id: 'a', timestamp: '2024-03-04T18:01:42Z' },
  ])
  assert.deepEqual(
    rejects.map(({ code, detail }) => [code, detail]),
    [
      ['KEY_MISSING', 'timestamp is missing'],
      ['KEY_MISSING', 'timestamp is missing'],
      ['KEY_MISSING', 'id is missing'],
      ['KEY_MISSING', 'id is missing'],
    ],
  )
  assert.equal(lines.length, 1)
  const digests = digestsOf(batches[0].digests)
  assert.deepEqual(digests.slice(0, 4), Array(4).fill('0,0,0'))
  assert.notEqual(digests[4], '0,0,0')
})

test('lets such a record pass without a dedup key with missing: pass', async () => {
  const { rejects, lines, batches } = await runStage(dedup, { ...EVENT, missing: 'pass' }, [{ id: 'a' }, { id: 'a' }])
  assert.deepEqual(rejects, [])
  assert.equal(lines.length, 2)
  assert.deepEqual(digestsOf(batches[0].digests), ['0,0,0', '0,0,0'])
  assert.deepEqual([...(batches[0].digests?.buckets ?? [])], [NO_DEDUP_BUCKET, NO_DEDUP_BUCKET])
})

test('assigns the dedup bucket of the day, and none to absurd and invalid times', async () => {
  const { batches } = await runStage(dedup, EVENT, [
    { id: 'a', timestamp: '2024-03-04T00:00:00Z' },
    { id: 'a', timestamp: '2024-03-03T23:59:59.999Z' },
    { id: 'a', timestamp: '2024-03-04T00:30:00+01:00' },
    { id: 'a', timestamp: '1989-12-31T23:59:59Z' },
    { id: 'a', timestamp: '9999-01-01T00:00:00Z' },
    eventIn(30 * DAY),
    { id: 'a', timestamp: 'soon' },
    { id: 'a', timestamp: 17095104 },
    { id: 'a', timestamp: 1709510400000 },
    { id: 'a', timestamp: '1709510399' },
    { id: 'a', timestamp: '2024-03-03 23:59:59' },
  ])
  const day = Date.UTC(2024, 2, 4) / DAY
  const none = NO_DEDUP_BUCKET
  assert.deepEqual(
    [...(batches[0].digests?.buckets ?? [])],
    [day, day - 1, day - 1, none, none, none, none, none, day, day - 1, day - 1],
  )
  const soon = await runStage(dedup, EVENT, [eventIn(DAY)])
  assert.notEqual(soon.batches[0].digests?.buckets[0], NO_DEDUP_BUCKET)
})

test('computes digests that depend on the hash key and the record only', async () => {
  const record = { id: 'a', timestamp: '2024-03-04T00:00:00Z' }
  const [first] = await keysOf(EVENT, [record], { hashKey: Buffer.alloc(16, 1) })
  const [again] = await keysOf(EVENT, [record], { hashKey: Buffer.alloc(16, 1) })
  const [other] = await keysOf(EVENT, [record], { hashKey: Buffer.alloc(16, 2) })
  assert.equal(first, again)
  assert.notEqual(first, other)
})

test('gives equal content equal content hashes, and changed content another one', async () => {
  const { batches } = await runStage(dedup, { key: 'id' }, ['{"id":"a","v":1}', '{"id":"a","v":2}', '{"id":"a","v":1}'])
  const keys = batches[0].digests?.keys ?? []
  assert.equal(keys[3], keys[11])
  assert.notEqual(keys[3], keys[7])
})

test('gives each record the same digest as alone, whichever neighbours have no key', async () => {
  const lines = Array.from({ length: 12 }, (_, at) => `{"id":"event ${at}","v":${at * at}}`)
  const alone: string[] = []
  for (const line of lines) {
    const { batches } = await runStage(dedup, { key: 'id' }, [line])
    alone.push(String(batches[0].digests?.keys))
  }
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), async (keyless) => {
      const records = lines.map((line, at) => (keyless[at] ? '{"v":1}' : line))
      const { batches } = await runStage(dedup, { key: 'id', missing: 'pass' }, records)
      const keys = batches[0].digests?.keys ?? new Uint32Array()
      const found = records.map((_, at) => String(keys.subarray(4 * at, 4 * at + 4)))
      assert.deepEqual(
        found,
        alone.map((digest, at) => (keyless[at] ? '0,0,0,0' : digest)),
      )
    }),
  )
})

test('computes no digest for dropped and rejected records', async () => {
  const { batches } = await runStage(dedup, { key: 'id' }, [{ id: 'a' }, { id: 'b' }, { id: 'c' }], {
    before(batch) {
      batch.drop(0, 'filter')
      batch.reject(1, 'NO_OWNER', 'owner')
    },
  })
  const digests = digestsOf(batches[0].digests)
  assert.deepEqual(digests.slice(0, 2), ['0,0,0', '0,0,0'])
  assert.notEqual(digests[2], '0,0,0')
})

test('uses the replacement that an earlier stage put in place of a value', async () => {
  const rules = [{ path: 'id', action: 'hmac', key: 'k' }]
  const { batches } = await runStage(redact, { preset: 'none', rules }, [{ id: 'a' }, { id: 'a', x: 1 }, { id: 'b' }])
  const pseudonyms = batches[0].assemble().toString().trim().split('\n')
  const transform = await keysOf({ key: 'id' }, pseudonyms)
  const { batches: both } = await runStage(dedup, { key: 'id' }, [{ id: 'a' }, { id: 'a', x: 1 }, { id: 'b' }], {
    before(batch) {
      for (const record of [0, 1, 2]) {
        const hit = batch.hit(record, batch.paths.add('id'))
        batch.edit(hit, batch.token(Buffer.from(JSON.stringify(JSON.parse(pseudonyms[record]).id))))
      }
    },
  })
  assert.deepEqual(digestsOf(both[0].digests), transform)
})

test('check requires plain paths, a time that is part of the key, and a time for within', async () => {
  assert.deepEqual(await checkStage(dedup, EVENT), [])
  assert.deepEqual(await checkStage(dedup, { key: 'id' }), [])
  assert.deepEqual(await placesOf({ key: ['id', 'tags[*]'] }), ['key.1'])
  assert.deepEqual(await placesOf({ key: '**.id' }), ['key'])
  assert.deepEqual(await placesOf({ key: ['id', '["id"]'] }), ['key.1'])
  assert.deepEqual(await placesOf({ key: ['id'], time: 'timestamp' }), ['time'])
  assert.deepEqual(await placesOf({ key: ['id'], within: 1000 }), ['within'])
})

function eventIn(offset: number): object {
  return { id: 'a', timestamp: new Date(Date.now() + offset).toISOString() }
}

async function placesOf(config: object): Promise<string[]> {
  return (await checkStage(dedup, { ...config })).map(({ at }) => at.join('.'))
}

async function assertSame(config: object, records: readonly (string | object)[]): Promise<void> {
  assert.equal(new Set(await keysOf(config, records)).size, 1)
}

async function assertDifferent(config: object, records: readonly (string | object)[]): Promise<void> {
  assert.equal(new Set(await keysOf(config, records)).size, records.length)
}

async function keysOf(
  config: object,
  records: readonly (string | object)[],
  options?: StageOptions,
): Promise<string[]> {
  const { batches, rejects } = await runStage(dedup, { ...config }, records, options)
  assert.deepEqual(rejects, [])
  const keys = batches.flatMap((batch) => digestsOf(batch.digests))
  assert.ok(!keys.includes('0,0,0'))
  return keys
}

/** The 96 bits of each key. */
function digestsOf(digests: Digests | undefined): string[] {
  assert.ok(digests)
  const { keys } = digests
  return Array.from({ length: keys.length / 4 }, (_, record) => keys.subarray(record * 4, record * 4 + 3).join(','))
}
