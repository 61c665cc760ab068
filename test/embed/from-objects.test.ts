import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { stringify } from 'ndjson'
import { fromObjects } from '../../src/embed/from-objects.ts'
import type { FromObjectsOptions } from '../../src/embed/from-objects.ts'
import { SluiceError } from '../../src/errors.ts'

const cycle: { name: string; self?: unknown } = { name: 'hunter2' }
cycle.self = cycle

/** What the `ndjson` package alone writes for it without an error. */
const changed: readonly [name: string, value: unknown, alone: string][] = [
  ['NaN', { n: NaN }, '{"n":null}'],
  ['Infinity', { n: [Infinity] }, '{"n":[null]}'],
  ['a circle', cycle, '{"name":"hunter2","self":"[Circular ~]"}'],
  ['undefined in an array', { n: [undefined] }, '{"n":[null]}'],
  ['a function in an array', { n: [() => 1] }, '{"n":[null]}'],
  ['a function as a member', { n: () => 1 }, '{}'],
  ['a symbol as a member', { n: Symbol('s') }, '{}'],
  ['an invalid date', { n: new Date(NaN) }, '{"n":null}'],
  ['a Map', { n: new Map([['hunter2', 1]]) }, '{"n":{}}'],
  ['a Set', { n: new Set(['hunter2']) }, '{"n":{}}'],
  ['a promise', { n: Promise.resolve('hunter2') }, '{"n":{}}'],
  ['a regular expression', { n: /hunter2/ }, '{"n":{}}'],
  ['an Error', { n: new Error('hunter2') }, '{"n":{}}'],
  ['a typed array', { n: new Uint8Array([1]) }, '{"n":{"0":1}}'],
  ['a record that is a Map', new Map([['hunter2', 1]]), '{}'],
  ['a record that is an array', ['hunter2'], '["hunter2"]'],
  ['a record that is a string', 'hunter2', '"hunter2"'],
  ['a record that is a number', 12, '12'],
  ['a record that is a function', () => 1, 'undefined'],
  ['a record that is undefined', undefined, 'undefined'],
  ['a record whose toJSON returns a text', { toJSON: () => 'hunter2' }, '"hunter2"'],
  ['a record whose toJSON returns undefined', { toJSON: () => undefined }, 'undefined'],
]

for (const [name, value, alone] of changed) {
  test(`${name} is an error`, async () => {
    if (value !== undefined) assert.equal(await writeAlone(value), alone)
    await assertRefused(value)
  })
}

test('a bigint is an error of the stream, and not thrown out of write', async () => {
  const { write } = bareWriter()
  assert.throws(() => write({ n: 1n }), TypeError)
  await assertRefused({ n: 1n })
})

test('a getter or a toJSON that throws is an error without its message', async () => {
  await assertRefused({
    get n(): never {
      throw new Error('hunter2')
    },
  })
  await assertRefused({
    toJSON(): never {
      throw new Error('hunter2')
    },
  })
})

test('what is nested too deeply is an error, and no overflow of the stack', async () => {
  let deep: unknown = 1
  for (let level = 0; level < 20_000; level++) deep = { deep }
  await assertRefused(deep)
  await assertRefused({ a: { b: { c: 1 } } }, { maxDepth: 2 })
})

test('-0, dates, toJSON, undefined members and __proto__ are written as documented', async () => {
  const calls: string[] = []
  const value = {
    zero: -0,
    at: new Date(0),
    gone: undefined,
    id: {
      toJSON(key: string) {
        calls.push(key)
        return 'x'
      },
    },
    ['__proto__']: { a: 1 },
    text: 'é\ud800\u2028\n',
  }
  assert.equal(
    await writeAll([value]),
    '{"zero":-0,"at":"1970-01-01T00:00:00.000Z","id":"x","__proto__":{"a":1},"text":"é\\ud800\u2028\\n"}\n',
  )
  assert.deepEqual(calls, ['id'])
})

test('the same object twice in a record is no circle', async () => {
  const shared = { a: 1 }
  assert.equal(await writeAll([{ one: shared, two: [shared, shared] }]), '{"one":{"a":1},"two":[{"a":1},{"a":1}]}\n')
})

test('an object that is changed after it was written is written as it was', async () => {
  const stream = fromObjects()
  const record = { n: 1 }
  await new Promise((resolve) => stream.write(record, resolve))
  record.n = 2
  stream.end(record)
  assert.equal(Buffer.concat(await stream.toArray()).toString(), '{"n":1}\n{"n":2}\n')
})

test('onReject lets the stream continue without the object', async () => {
  const rejected: string[] = []
  const onReject = (error: SluiceError, index: number) => void rejected.push(`${index} ${error.code}`)
  assert.equal(await writeAll([{ n: 1 }, { n: NaN }, { n: 2 }], { onReject }), '{"n":1}\n{"n":2}\n')
  assert.deepEqual(rejected, ['1 VALUE_INVALID'])
})

test('a slow reader holds the writer back', async () => {
  let taken = 0
  const objects = Readable.from(
    (function* () {
      for (; taken < 100_000; taken++) yield { n: taken, text: 'x'.repeat(1000) }
    })(),
  )
  const stream = objects.pipe(fromObjects())
  const parts = stream[Symbol.asyncIterator]()
  await parts.next()
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
  assert.ok(taken < 500, `${taken} objects were taken`)
  stream.destroy()
  objects.destroy()
})

function bareWriter() {
  const stream = stringify()
  return { stream, write: (value: unknown) => stream.write(value) }
}

async function writeAlone(value: unknown): Promise<string> {
  const { stream, write } = bareWriter()
  write(value)
  stream.end()
  let text = ''
  for await (const part of stream) text += String(part)
  return text.trimEnd()
}

async function writeAll(objects: readonly unknown[], options?: FromObjectsOptions): Promise<string> {
  return Buffer.concat(await Readable.from(objects).compose(fromObjects(options)).toArray()).toString()
}

async function assertRefused(value: unknown, options?: FromObjectsOptions): Promise<void> {
  const stream = fromObjects(options)
  const failed = new Promise<unknown>((resolve) => stream.once('error', resolve))
  stream.write({ before: 1 })
  stream.write(value)
  const error = await failed
  assert.ok(error instanceof SluiceError)
  assert.equal(error.code, 'VALUE_INVALID')
  assert.match(error.message, /^object 1 cannot be written: /)
  assert.doesNotMatch(`${error.message} ${error.hint}`, /hunter2/)
}
