import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import splitChanges from '../../transforms/split-changes.ts'
import tagPrivileged from '../../transforms/tag-privileged.ts'
import type { FunctionTransform, TransformFunction } from '../../src/component.ts'
import { SluiceError } from '../../src/errors.ts'
import type { Batch } from '../../src/record/batch.ts'
import type { JsonObject } from '../../src/record/json/json.ts'
import { Paths } from '../../src/record/paths/path.ts'
import type { Outcome as Made } from '../../src/record/author/record.ts'
import { runFunction } from '../../src/runtime/custom-stage.ts'
import dedup from '../../src/transforms/dedup.ts'
import { openRecords, outcomeOf, parse, runStage } from '../transforms/stage.ts'
import type { Outcome } from '../transforms/stage.ts'

test('unchanged records keep their bytes, and the batch is the same object', async () => {
  const lines = ['{ "n" : 1.0 }', '{"big":12345678901234567890}']
  const [batch] = openRecords(lines)
  assert.deepEqual(await runFunction(batch, { transform: (record) => record }, { stage: 'same' }), [batch])
  const copied = await runFunction(batch, { transform: ({ value }) => ({ ...value }) }, { stage: 'same' })
  assert.deepEqual(copied, [batch])
  assert.deepEqual(outcomeOf(copied).lines, lines)
})

test('a changed record keeps all other bytes', async () => {
  const { lines } = await run(
    (record) => (record.has('drop') ? record.delete('drop') : record.set('a.b', [1])),
    ['{ "n" : 1.0,"drop":1 }', '{ "n" : 1e400 }', '{"a":{"b" : 0 },"n":12345678901234567890}'],
  )
  assert.deepEqual(lines, [
    '{ "n" : 1.0 }',
    '{ "n" : 1e400,"a":{"b":[1]} }',
    '{"a":{"b" : [1] },"n":12345678901234567890}',
  ])
})

test('a returned object keeps the bytes of the members it shares with the record', async () => {
  const { lines } = await run(({ value }) => ({ ...value, seen: true }), ['{ "n" : 1.0, "big":12345678901234567890 }'])
  assert.deepEqual(lines, ['{ "n" : 1.0, "big":12345678901234567890,"seen":true }'])
})

test('null drops, a rejection rejects, an array makes several records, an empty array drops', async () => {
  const outcome = await run(
    (record): Made => {
      const n = record.get('n')
      if (n === 1) return null
      if (n === 2) return record.reject('NO_OWNER', 'owner is empty')
      if (n === 3) return [record, { ...record.value, copy: 1 }, { fresh: true }]
      return n === 4 ? [] : record
    },
    [0, 1, 2, 3, 4, 5].map((n) => ({ n })),
  )
  assert.deepEqual(outcome.lines, ['{"n":0}', '{"n":3}', '{"n":3,"copy":1}', '{"fresh":true}', '{"n":5}'])
  assert.deepEqual(outcome.dropped, { custom: 2 })
  assert.deepEqual(outcome.rejects, [{ code: 'NO_OWNER', detail: 'owner is empty', line: 3, text: '{"n":2}' }])
  const [{ tallies }] = outcome.batches
  assert.deepEqual([tallies.read, tallies.added], [6, 2])
})

test('records made from one keep its line number and are deduplicated as one', async () => {
  const { batches } = await run(({ value }) => [value, { ...value, b: 1 }], [{ a: 1 }, { a: 2 }])
  const [batch] = batches
  assert.deepEqual(
    [0, 1, 2, 3].map((record) => batch.lineOf(record)),
    [1, 1, 2, 2],
  )
  assert.deepEqual(
    [0, 1, 2, 3].map((record) => batch.groupOf(record)),
    [0, 0, 1, 1],
  )
})

test('a throw rejects the record with the kind and place of the error, never its message', async () => {
  const secret = 'hunter2'
  const failures: readonly (() => never)[] = [
    () => fail(new TypeError(secret)),
    () => fail(Object.assign(new Error(secret), { name: secret.repeat(40) })),
    () => fail(new Error(`${secret}\n    at ${secret} (/${secret}:1:1)`)),
    () => fail(reworded(new Error('x'), secret)),
    () => fail(secret),
    () => fail(null),
    () => fail(new SluiceError('VALUE_INVALID', secret)),
  ]
  const { rejects, lines } = await run(
    (record) => {
      const n = Number(record.get('n'))
      return n < failures.length ? failures[n]() : record
    },
    Array.from({ length: failures.length + 1 }, (_, n) => ({ n })),
  )
  assert.deepEqual(lines, [`{"n":${failures.length}}`])
  assert.ok(rejects.every(({ code }) => code === 'TRANSFORM_FAILED'))
  const place = /^(\w+)( at custom-stage\.test\.[jt]s:\d+:\d+)?$/
  const details = rejects.map(({ detail = '' }) => detail)
  assert.ok(!details.join().includes(secret), details.join())
  assert.deepEqual(
    details.map((detail) => place.exec(detail)?.[1] ?? detail),
    ['TypeError', 'Error', 'Error', 'Error', 'threw string', 'threw null', 'VALUE_INVALID'],
  )
  assert.match(details[0], / at /)
  assert.doesNotMatch(details[3], / at /)
})

test('a result that is not an outcome rejects the record', async () => {
  const results: readonly unknown[] = [
    undefined,
    'text',
    7,
    true,
    [null],
    [[{}]],
    new Date(),
    new Map(),
    { n: Number.NaN },
    { f: () => 1 },
    { n: 1n },
    deepObject(100),
    Promise.resolve(undefined),
  ]
  const { rejects, lines } = await run(
    (record) => untyped(results[Number(record.get('n'))]),
    results.map((_, n) => ({ n })),
  )
  assert.deepEqual(lines, [])
  assert.deepEqual(
    rejects.map(({ code, text }) => [code, text]),
    results.map((_, n) => ['TRANSFORM_FAILED', `{"n":${n}}`]),
  )
  assert.deepEqual(
    rejects.slice(0, 4).map(({ detail }) => detail),
    ['returned undefined', 'returned string', 'returned number', 'returned boolean'],
  )
})

test('a line that grows beyond the limits is rejected, not written', async () => {
  const { rejects, lines } = await run((record) => record.set('x', 'y'.repeat(2 << 20)), [{ a: 1 }])
  assert.deepEqual(lines, [])
  assert.equal(rejects.length, 1)
  assert.equal(rejects[0].code, 'TOO_LONG')
})

test('promises run concurrently up to the limit and keep their order', async () => {
  let running = 0
  let most = 0
  const outcome = await run(
    async (record) => {
      most = Math.max(most, ++running)
      const n = Number(record.get('n'))
      for (let turn = 0; turn < (n * 7) % 5; turn++) await setImmediate()
      running--
      if (n % 10 === 3) throw new RangeError('late')
      return n % 10 === 4 ? null : record
    },
    Array.from({ length: 60 }, (_, n) => ({ n })),
    { concurrency: 4 },
  )
  assert.equal(most, 4)
  assert.deepEqual(
    outcome.lines.map((line) => parse(line)),
    Array.from({ length: 60 }, (_, n) => ({ n })).filter(({ n }) => n % 10 !== 3 && n % 10 !== 4),
  )
  assert.equal(outcome.rejects.length, 6)
  assert.match(outcome.rejects[0].detail ?? '', /^RangeError at /)
})

test('the function does not see dropped and rejected records', async () => {
  const [batch] = openRecords(['{"n":0}', 'no json', '{"n":2}'])
  batch.drop(0, 'filter')
  const seen: unknown[] = []
  const made = await runFunction(
    batch,
    { transform: (record) => (seen.push(record.get('n')), record) },
    { stage: 'custom' },
  )
  assert.deepEqual(seen, [2])
  assert.deepEqual(outcomeOf(made).lines, ['{"n":2}'])
})

test('the function sees edits of earlier stages, and they are in the output', async () => {
  const paths = new Paths()
  const [batch] = openRecords(['{"a":"secret","b":1}', '{"a":"secret","b":2}'], paths)
  for (const record of [0, 1]) batch.edit(batch.hit(record, paths.add('a')), batch.token(Buffer.from('"[redacted]"')))
  const made = await runFunction(
    batch,
    { transform: (record) => (record.get('b') === 1 ? record.set('seen', record.get('a') ?? null) : record) },
    { stage: 'custom' },
  )
  assert.deepEqual(outcomeOf(made).lines, ['{"a":"[redacted]","b":1,"seen":"[redacted]"}', '{"a":"[redacted]","b":2}'])
})

test('records from flush come after the batch and have no dedup key', async () => {
  const held: JsonObject[] = []
  const transform: FunctionTransform = {
    transform: (record) => (held.push(record.value), null),
    flush: () => [{ held: held.splice(0).length }],
  }
  const { batches: digested } = await runStage(dedup, { key: 'id' }, [{ id: 'a' }, { id: 'b' }, { id: 'c' }])
  const outcome = await runAll(digested, transform)
  assert.deepEqual(outcome.lines, ['{"held":3}'])
  assert.deepEqual(outcome.dropped, { custom: 3 })
  const [{ tallies, digests }] = outcome.batches
  assert.deepEqual([tallies.read, tallies.added], [3, 1])
  assert.deepEqual([...(digests?.keys.subarray(0, 3) ?? [])], [0, 0, 0])
})

test('a flush without records changes nothing', async () => {
  const [batch] = openRecords([{ a: 1 }])
  assert.deepEqual(
    await runFunction(batch, { transform: (record) => record, flush: () => null }, { stage: 'custom' }),
    [batch],
  )
})

test('a flush that fails ends the run', async () => {
  const [batch] = openRecords([{ a: 1 }])
  await assert.rejects(
    runFunction(batch, { transform: (record) => record, flush: failing }, { stage: 'custom' }),
    (error) => {
      assert.ok(error instanceof SluiceError)
      assert.equal(error.code, 'TRANSFORM_FAILED')
      assert.match(error.message, /^flush of stage custom: TypeError at /)
      return true
    },
  )
})

test('with onError: stop the first failure ends the run', async () => {
  const [batch] = openRecords([{ a: 1 }])
  await assert.rejects(runFunction(batch, { transform: failing }, { stage: 'custom', onError: 'stop' }), {
    code: 'TRANSFORM_FAILED',
    message: /^stage custom: TypeError at /,
  })
})

test('with onError: stop the error is that of the first record, whichever ends first', async () => {
  const [batch] = openRecords([1, 2, 3, 4].map((n) => ({ n })))
  const called: unknown[] = []
  const transform: TransformFunction = async (record) => {
    const n = record.get('n')
    called.push(n)
    if (n === 2) {
      await setImmediate()
      throw new RangeError('late')
    }
    if (n === 3) throw new TypeError('at once')
    return record
  }
  await assert.rejects(runFunction(batch, { transform }, { stage: 'custom', onError: 'stop' }), /RangeError/)
  const sync: TransformFunction = (record) => {
    called.push(record.get('n'))
    if (record.get('n') === 2) throw new TypeError('at once')
    return record
  }
  called.length = 0
  await assert.rejects(runFunction(batch, { transform: sync }, { stage: 'custom', onError: 'stop' }), /TypeError/)
  assert.deepEqual(called, [1, 2], 'nothing is called after the failure')
})

test('digests and rejects follow their records when lines change', async () => {
  const { batches } = await runStage(dedup, { key: 'id' }, [{ id: 'a' }, { x: 1 }, { id: 'b' }, { id: 'c' }])
  const before = [...(batches[0].digests?.keys ?? [])]
  const outcome = await runAll(batches, {
    transform: (record) => (record.get('id') === 'b' ? null : [record, { ...record.value, copy: true }]),
  })
  assert.deepEqual(outcome.lines, ['{"id":"a"}', '{"id":"a","copy":true}', '{"id":"c"}', '{"id":"c","copy":true}'])
  assert.deepEqual(outcome.rejects, [{ code: 'KEY_MISSING', detail: 'id is missing', line: 2, text: '{"x":1}' }])
  const [{ digests, rejects }] = outcome.batches
  const a = before.slice(0, 4)
  const c = before.slice(12, 16)
  assert.deepEqual([...(digests?.keys ?? [])], [...a, ...a, 0, 0, 0, 0, ...c, ...c])
  assert.equal(rejects[0].record, 2)
})

test('a batch that outgrows its index comes out as several', async () => {
  const outcome = await run(({ value }) => Array.from({ length: 30 }, (_, n) => ({ ...value, n })), many(1000))
  assert.equal(outcome.lines.length, 30_000)
  assert.ok(outcome.batches.length > 1)
  assert.deepEqual(
    outcome.batches.map(({ continues }) => continues),
    outcome.batches.map((_, at) => at < outcome.batches.length - 1),
  )
  assert.equal(
    outcome.batches.reduce((sum, { tallies }) => sum + tallies.added, 0),
    29_000,
  )
})

test('the example tag-privileged marks only privileged events', async () => {
  const paths = new Paths()
  const context = { pipeline: 'p', stage: 'tag', folder: '/', paths, path: (text: string) => paths.add(text) }
  const transform = await tagPrivileged.create({ eventTypes: ['admin_update'], member: 'labels.privileged' }, context)
  assert.ok(typeof transform === 'function')
  const { lines } = await run(transform, ['{"event_type":"admin_update", "n":1.0}', '{"event_type":"sso_auth"}', '{}'])
  assert.deepEqual(lines, [
    '{"event_type":"admin_update", "n":1.0,"labels":{"privileged":true}}',
    '{"event_type":"sso_auth"}',
    '{}',
  ])
})

test('the example split-changes makes an event of each change', async () => {
  const outcome = await run(splitChanges, [
    '{"id":"a","changes":[{"field":"x","to":1.0},{"field":"y"}]}',
    '{"id":"b","changes":[{"field":"x"}]}',
    '{"id":"c"}',
    '{"id":"d","success":false,"changes":[]}',
  ])
  assert.deepEqual(outcome.lines, [
    '{"id":"a","changes":[{"field":"x","to":1.0}]}',
    '{"id":"a","changes":[{"field":"y"}]}',
    '{"id":"b","changes":[{"field":"x"}]}',
    '{"id":"c"}',
  ])
  assert.deepEqual(outcome.dropped, { custom: 1 })
})

async function run(
  transform: TransformFunction,
  records: readonly (string | object)[],
  options: { concurrency?: number } = {},
): Promise<Outcome> {
  return runAll(openRecords(records), { transform }, options)
}

async function runAll(
  batches: readonly Batch[],
  transform: FunctionTransform,
  options: { concurrency?: number } = {},
): Promise<Outcome> {
  const made: Batch[] = []
  for (const batch of batches) made.push(...(await runFunction(batch, transform, { stage: 'custom', ...options })))
  return outcomeOf(made)
}

/**
 * An error whose stack has been written before its message was changed: the two cannot be told
 * apart.
 */
function reworded(error: Error, message: string): Error {
  assert.ok(error.stack)
  return Object.assign(error, { message })
}

/** What an author without types may return. */
function untyped(value: unknown): Made {
  const box: { value: Made } = JSON.parse('{}')
  return Object.assign(box, { value }).value
}

function failing(): never {
  return fail(new TypeError('hunter2'))
}

function fail(error: unknown): never {
  throw error
}

function deepObject(levels: number): JsonObject {
  return levels === 0 ? {} : { next: deepObject(levels - 1) }
}

function many(count: number): JsonObject[] {
  return Array.from({ length: count }, (_, id) => ({ id }))
}
