import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { finished, pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { parse } from 'ndjson'
import { fromObjects } from '../../src/embed/from-objects.ts'
import { toObjects } from '../../src/embed/to-objects.ts'
import type { RejectedLine, ToObjectsOptions } from '../../src/embed/to-objects.ts'
import { SluiceError } from '../../src/errors.ts'

/*
 * Each test shows first what the `ndjson` package alone makes of the input, without an error.
 */

test('a line `null` ends no stream: it is rejected, and the lines after it are read', async () => {
  const lines = '{"a":1}\nnull\n{"a":2}\n'
  assert.deepEqual(await alone('{"a":1}\nnull\n'), [{ a: 1 }])
  await assertRefused(lines, 'NOT_AN_OBJECT', 2)
  assert.deepEqual(await readAll(lines, collecting()), [{ a: 1 }, { a: 2 }])
})

for (const [name, line] of [
  ['an array', '[1]'],
  ['a string', '"text"'],
  ['a number', '12'],
  ['a boolean', 'false'],
]) {
  test(`a line that is ${name} is rejected`, async () => {
    assert.deepEqual(await alone(`${line}\n`), [JSON.parse(line)])
    await assertRefused(`{}\n${line}\n`, 'NOT_AN_OBJECT', 2)
  })
}

test('a number that JavaScript cannot hold is rejected, or comes as text', async () => {
  for (const number of ['9007199254740993', '-12345678901234567890', '0.12345678901234567890', '1e400', '1e-400']) {
    const line = `{"deep":[{"n":${number}}],"a":1}`
    assert.notEqual(JSON.stringify(await alone(`${line}\n`)), `[${line}]`)
    await assertRefused(`{}\n${line}\n`, 'NUMBER_INEXACT', 2)
    assert.deepEqual(await readAll(`${line}\n`, { numbers: 'text' }), [{ deep: [{ n: number }], a: 1 }])
    assert.equal(await roundTrip(`${line}\n`, { numbers: 'text' }), `${line}\n`)
  }
})

test('rounding is possible on request, but not to infinity', async () => {
  const line = '{"n":9007199254740993}\n'
  assert.deepEqual(await readAll(line, { numbers: 'round' }), [{ n: 9007199254740992 }])
  assert.equal(await roundTrip(line, { numbers: 'round' }), line)
  await assertRefused('{"n":1e400}\n', 'NUMBER_INEXACT', 1, { numbers: 'round' })
})

test('a number that is only spelled in another way keeps its digits in the object it came in', async () => {
  const line = '{"a":1.10,"b":[1e3,-0,5.0],"c":{"d":1E+2},"__proto__":0.50,"e":0.30000000000000004}\n'
  assert.notEqual(JSON.stringify((await alone(line))[0]), line.trim())
  const [object] = await readAll(line)
  assert.equal(JSON.stringify(object), '{"a":1.1,"b":[1000,0,5],"c":{"d":100},"__proto__":0.5,"e":0.30000000000000004}')
  assert.equal(await roundTrip(line), line)
})

test('a value that was changed is written as JSON.stringify does, its neighbours keep their digits', async () => {
  assert.equal(
    await roundTrip('{"a":1.10,"b":1.20,"c":{"d":1.30}}\n', {}, change),
    '{"a":2.5,"c":{"d":1.30},"extra":{"d":1.30}}\n',
  )
  assert.equal(
    await roundTrip('{"a":1.10,"c":{"d":1.30}}\n', {}, (object) => ({ ...object })),
    '{"a":1.1,"c":{"d":1.30}}\n',
  )
})

test('a key that is twice in one object is rejected', async () => {
  assert.deepEqual(await alone('{"a":1,"a":2}\n'), [{ a: 2 }])
  await assertRefused('{"x":{"a":1,"\\u0061":2}}\n', 'DUPLICATE_KEY', 1)
  assert.deepEqual(await readAll('{"x":{"a":1},"y":[{"a":1}],"z":"a:b","a\\":":2}\n'), [
    { x: { a: 1 }, y: [{ a: 1 }], z: 'a:b', 'a":': 2 },
  ])
})

test('bytes that are not UTF-8 are rejected, and a character cut in two parts is whole', async () => {
  const broken = Buffer.concat([Buffer.from('{"a":"'), Buffer.from([0xff]), Buffer.from('"}\n')])
  assert.deepEqual(await alone(broken), [{ a: '\ufffd' }])
  await assertRefused(broken, 'INVALID_UTF8', 1)
  const whole = Buffer.from('{"a":"é😀"}\n')
  for (let at = 1; at < whole.length; at++) {
    assert.deepEqual(await readAll([whole.subarray(0, at), whole.subarray(at)]), [{ a: 'é😀' }])
  }
  const text = '{"a":"é😀"}\n'
  for (let at = 1; at < text.length; at++) {
    assert.deepEqual(await readAll([text.slice(0, at), text.slice(at)]), [{ a: 'é😀' }])
  }
})

test('text with half of a character is an error', async () => {
  for (const text of [['{"a":"\ud83d"}\n'], ['{"a":"\ude00"}\n'], ['{"a":"\ud83d']]) {
    await assert.rejects(readAll(text), { code: 'INPUT_CORRUPT', message: /half of a character/ })
  }
})

test('half of a character before bytes is an error, and no object without it', async () => {
  const objects = toObjects()
  objects.write('{"a":"\ud83d')
  objects.end(Buffer.from('"}\n'))
  const given: unknown[] = []
  objects.on('data', (object) => given.push(object))
  await assert.rejects(finished(objects), { code: 'INPUT_CORRUPT', message: /half of a character/ })
  assert.deepEqual(given, [])
})

test('limits of another kind are refused, and do not reject every line', () => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a program in JavaScript
  for (const maxLine of ['1MiB' as unknown as number, 0, Number.NaN]) {
    assert.throws(() => toObjects({ maxLine }), { code: 'USAGE', message: /maxLine must be a whole number/ })
    assert.throws(() => toObjects({ maxDepth: maxLine }), { code: 'USAGE' })
    assert.throws(() => fromObjects({ maxDepth: maxLine }), { code: 'USAGE' })
  }
})

test('an onReject that throws is a mistake of the program', async () => {
  await assert.rejects(readAll('x\n', { onReject: fails }), { code: 'USAGE', message: /onReject threw/ })
  await assert.rejects(
    Readable.from([{ a: Number.NaN }])
      .pipe(fromObjects({ onReject: fails }))
      .toArray(),
    { code: 'USAGE' },
  )
})

test('blank lines, carriage returns and byte order marks belong to no record, and lines are counted', async () => {
  const lines = '\ufeff{"a":1}\r\n\r\n   \n\ufeff{"a":2}\n\n{"a":3}'
  await assert.rejects(alone('   \n'))
  await assert.rejects(alone('\ufeff{}\n'))
  assert.deepEqual(await readAll(lines), [{ a: 1 }, { a: 2 }, { a: 3 }])
  await assertRefused('\n\n{"a":\n', 'INVALID_JSON', 3)
})

test('a line that is too long is rejected, in whatever parts it comes, and the next one is read', async () => {
  const long = `{"a":"${'x'.repeat(2000)}"}`
  const lines = `${long}\n{"b":1}\n`
  // The limit of the package is for the rest after the last line feed, and `skipOverflow` is silent.
  assert.deepEqual((await alone(lines, { maxLength: 1000 })).length, 2)
  for (const parts of [[lines], lines.match(/[^]{1,700}/g) ?? []]) {
    const seen = collecting({ maxLine: 1000 })
    assert.deepEqual(await readAll(parts, seen), [{ b: 1 }])
    assert.deepEqual(
      seen.rejects.map(({ code, line }) => [code, line]),
      [['TOO_LONG', 1]],
    )
  }
})

test('a line that is too deep is rejected', async () => {
  assert.equal((await alone(deep(2000))).length, 1)
  await assertRefused(deep(65), 'TOO_DEEP', 1)
  assert.equal((await readAll(deep(64))).length, 1)
})

test('a line that is not JSON fails the stream, and its text is not in the error', async () => {
  const lines = '{"a":1}\n{"secret": hunter2}\n{"a":2}\n'
  // The package emits an error and continues; `strict: false` drops the line without one.
  assert.deepEqual(await alone(lines, { strict: false }), [{ a: 1 }, { a: 2 }])
  const error = await readAll(lines).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof SluiceError)
  assert.equal(error.code, 'INPUT_CORRUPT')
  assert.match(error.message, /^line 2 does not become an object: INVALID_JSON: /)
  assert.doesNotMatch(`${error.message}${error.hint}${String(error.cause)}`, /hunter2/)
})

test('a truncated last line is rejected, and a whole one needs no line feed', async () => {
  await assertRefused('{"a":1}\n{"a":2', 'INVALID_JSON', 2)
  assert.deepEqual(await readAll('{"a":1}\n{"a":2}'), [{ a: 1 }, { a: 2 }])
})

test('a key __proto__ is a member and changes no prototype', async () => {
  const line = '{"__proto__":{"polluted":true},"constructor":1}\n'
  const [object] = await readAll(line)
  assert.deepEqual(Object.keys(Object(object)), ['__proto__', 'constructor'])
  assert.equal(Reflect.get({}, 'polluted'), undefined)
  assert.equal(await roundTrip(line), line)
})

test('keys that look like indexes keep their values', async () => {
  assert.deepEqual(await readAll('{"b":1,"2":2,"1":3}\n'), [{ b: 1, '2': 2, '1': 3 }])
})

test('escapes of a lone surrogate are kept', async () => {
  assert.equal(await roundTrip('{"a":"\\ud800"}\n'), '{"a":"\\ud800"}\n')
})

test('onReject gets every line that does not become an object', async () => {
  const seen = collecting()
  const lines = '[]\n{"a":1}\n{"n":1e999}\n{"a":1,"a":1}\n{bad\n{"a":2}\n'
  assert.deepEqual(await readAll(lines, seen), [{ a: 1 }, { a: 2 }])
  assert.deepEqual(seen.rejects.map(({ code, stage, line }) => `${line} ${stage} ${code}`).toSorted(), [
    '1 source NOT_AN_OBJECT',
    '3 toObjects NUMBER_INEXACT',
    '4 toObjects DUPLICATE_KEY',
    '5 source INVALID_JSON',
  ])
})

test('objects come out at once, and not when a chunk is full', async () => {
  const stream = toObjects()
  stream.write('{"a":1}\n{"a":')
  const objects = stream[Symbol.asyncIterator]()
  assert.deepEqual((await objects.next()).value, { a: 1 })
  stream.end('2}')
  assert.deepEqual((await objects.next()).value, { a: 2 })
  assert.equal((await objects.next()).done, true)
})

test('a slow reader holds the writer back', async () => {
  const part = '{"a":"0123456789"}\n'.repeat(1000)
  let taken = 0
  const source = Readable.from(
    (function* () {
      for (; taken < 1000; taken++) yield part
    })(),
    { objectMode: true, highWaterMark: 1 },
  )
  const stream = source.pipe(toObjects())
  const objects = stream[Symbol.asyncIterator]()
  for (let count = 0; count < 100; count++) await objects.next()
  for (let turn = 0; turn < 100; turn++) await new Promise(setImmediate)
  assert.ok(taken < 5, `${taken} parts were taken for 100 objects`)
  assert.ok(stream.readableLength <= 16)
  stream.destroy()
  source.destroy()
})

test('what is not NDJSON is an error that says what to do', async () => {
  await assert.rejects(readAll([{ a: 1 }]), { code: 'USAGE', hint: /fromObjects/ })
  // @ts-expect-error -- as in a program without types
  assert.throws(() => toObjects({ numbers: 'bigint' }), { code: 'USAGE', message: /error, text, round/ })
})

function change(object: Changing): Changing {
  object.a = 2.5
  delete object.b
  object.extra = object.c
  return object
}

function deep(levels: number): string {
  return `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}\n`
}

interface Changing {
  [key: string]: unknown
}

async function alone(content: string | Buffer, options?: object): Promise<unknown[]> {
  const objects: unknown[] = []
  const parser = parse({ ...options })
  const parsed = new Promise<void>((resolve, reject) => {
    parser.on('data', (object: unknown) => objects.push(object))
    parser.on('end', resolve)
    parser.on('error', reject)
  })
  parser.end(Buffer.from(content))
  await parsed
  return objects
}

async function readAll(
  content: string | Buffer | readonly unknown[],
  options: ToObjectsOptions = {},
): Promise<unknown[]> {
  const objects: unknown[] = []
  const parts = typeof content === 'string' || Buffer.isBuffer(content) ? [content] : content
  await pipeline(Readable.from(parts), toObjects(options), collect(objects))
  return objects
}

async function roundTrip(
  content: string,
  options: ToObjectsOptions = {},
  changeOne: (object: Changing) => unknown = (object) => object,
): Promise<string> {
  const out: Buffer[] = []
  await pipeline(
    Readable.from([content]),
    toObjects(options),
    async function* (objects: AsyncIterable<Changing>) {
      for await (const object of objects) yield changeOne(object)
    },
    fromObjects(),
    async (parts: AsyncIterable<Buffer>) => {
      for await (const part of parts) out.push(part)
    },
  )
  return Buffer.concat(out).toString()
}

function collect(into: unknown[]): Writable {
  return new Writable({
    objectMode: true,
    write(item, _encoding, done) {
      into.push(item)
      done()
    },
  })
}

function collecting(options: ToObjectsOptions = {}) {
  const rejects: RejectedLine[] = []
  return { ...options, rejects, onReject: (reject: RejectedLine) => void rejects.push(reject) }
}

async function assertRefused(
  content: string | Buffer,
  code: string,
  line: number,
  options: ToObjectsOptions = {},
): Promise<void> {
  const seen = collecting(options)
  await readAll(content, seen)
  assert.deepEqual(
    seen.rejects.map((reject) => [reject.code, reject.line]),
    [[code, line]],
  )
  const message = new RegExp(`^line ${line} does not become an object: ${code}`)
  await assert.rejects(readAll(content, options), { code: 'INPUT_CORRUPT', message })
}

function fails(): never {
  throw new Error('mine')
}
