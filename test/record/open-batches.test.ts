import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { endBatch, openBatches } from '../../src/record/open-batches.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { MAX_RECORDS } from '../../src/record/scan.ts'

const limits = { maxDepth: 4, maxLine: 40 }

function open(chunk: Parameters<typeof openBatches>[0], paths = new Paths()) {
  return openBatches(chunk, { partition: 'p', number: 7, paths, limits })
}

function sha256(text: string | Buffer): string {
  return createHash('sha256').update(text).digest('hex')
}

void test('rejects lines that are not records, with code, line, length and digest', () => {
  const bad: readonly (readonly [string, string | Buffer])[] = [
    ['INVALID_JSON', '{"a":'],
    ['INVALID_JSON', '['],
    ['NOT_AN_OBJECT', 'null'],
    ['NOT_AN_OBJECT', '1'],
    ['NOT_AN_OBJECT', '[]'],
    ['NOT_AN_OBJECT', '"x"'],
    ['TOO_DEEP', '{"a":{"a":{"a":{"a":{}}}}}'],
    ['TOO_LONG', `{"a":"${'x'.repeat(40)}"}`],
    ['INVALID_UTF8', Buffer.from([0x22, 0xff, 0x22])],
  ]
  const bytes = Buffer.concat([
    Buffer.from('\n{"a":0}\n'),
    ...bad.flatMap(([, line]) => [Buffer.from(line), Buffer.from('\r\n\n')]),
    Buffer.from('{"a":9}'),
  ])
  const [batch, ...others] = open({ bytes, origin: { name: 'file', line: 101 } })
  assert.equal(others.length, 0)
  assert.deepEqual([batch.count, batch.live, batch.tallies.read], [11, 2, 11])
  assert.deepEqual(
    batch.rejects,
    bad.map(([code, line], n) => ({
      record: n + 1,
      code,
      stage: 'source',
      origin: 'file',
      line: 103 + 2 * n,
      length: line.length,
      digest: sha256(line),
    })),
  )
  assert.equal(batch.assemble().toString(), '{"a":0}\n{"a":9}\n')
  assert.equal(batch.lineOf(10), 121)
})

void test('turns skipped lines into rejects without a record, and counts them as read', () => {
  const skipped = [{ line: 3, length: 5000, digest: 'd' }]
  const [batch] = open({ bytes: Buffer.from('{}\n{}\n'), skipped, origin: { name: 'f', line: 1 } })
  assert.equal(batch.tallies.read, 3)
  assert.deepEqual(batch.rejects, [
    { record: -1, code: 'TOO_LONG', stage: 'source', origin: 'f', line: 3, length: 5000, digest: 'd' },
  ])
})

void test('writes objects as lines, and throws for values that JSON cannot represent', () => {
  const [batch] = open({ records: [{ a: 1 }, { 'b\n': '\n' }] })
  assert.equal(batch.assemble().toString(), '{"a":1}\n{"b\\n":"\\n"}\n')
  const cyclic: { [key: string]: never } = {}
  Object.assign(cyclic, { cyclic })
  assert.throws(() => open({ records: [cyclic] }), { code: 'SOURCE_FAILED' })
})

void test('rejects an object that is too deep, and does not throw', () => {
  const [batch] = open({ records: [{ a: { b: { c: { d: {} } } } }] })
  assert.deepEqual(
    batch.rejects.map(({ code }) => code),
    ['TOO_DEEP'],
  )
})

void test('opens an empty chunk as one empty batch with its position', () => {
  const [batch, ...others] = open({ position: { at: 9 }, sourceBytes: 12, lowWatermark: 5 })
  assert.equal(others.length, 0)
  assert.deepEqual(
    [
      batch.count,
      batch.live,
      batch.position,
      batch.sourceBytes,
      batch.lowWatermark,
      batch.partition,
      batch.number,
      batch.continues,
    ],
    [0, 0, { at: 9 }, 12, 5, 'p', 7, false],
  )
})

void test('continues in another batch of the same number if the index is full', () => {
  const count = 2 * MAX_RECORDS + 5
  const bytes = Buffer.from('{"a":1}\n\n'.repeat(count))
  const skipped = [{ line: 1e6, length: 50, digest: 'd' }]
  const batches = open({ bytes, position: 1, skipped, lowWatermark: 3, origin: { name: 'f', line: 11 } })
  assert.deepEqual(
    batches.map(({ count: records }) => records),
    [MAX_RECORDS, MAX_RECORDS, 5],
  )
  assert.deepEqual(
    batches.map(({ continues }) => continues),
    [true, true, false],
  )
  assert.deepEqual(
    batches.map(({ number }) => number),
    [7, 7, 7],
  )
  assert.deepEqual(
    batches.map(({ position }) => position),
    [undefined, undefined, 1],
  )
  assert.deepEqual(
    batches.map(({ lowWatermark }) => lowWatermark),
    [undefined, undefined, 3],
  )
  assert.deepEqual(
    batches.map(({ tallies }) => tallies.read),
    [MAX_RECORDS, MAX_RECORDS, 6],
  )
  assert.deepEqual(
    batches.map(({ sourceBytes }) => sourceBytes),
    [0, 0, bytes.length],
  )
  assert.equal(batches[2].lineOf(4), 11 + 2 * (count - 1))
})

void test('splits a huge chunk into batches of a few megabytes', () => {
  const line = `{"a":"${'x'.repeat(1000)}"}\n`
  const bytes = Buffer.from(line.repeat(6000))
  const batches = openBatches(
    { bytes },
    { partition: '', number: 0, paths: new Paths(), limits: { maxDepth: 4, maxLine: 2000 } },
  )
  assert.ok(batches.length > 2)
  assert.ok(batches.every((batch) => batch.bytes.length <= 2 << 20))
  assert.equal(Buffer.concat(batches.map((batch) => batch.assemble())).equals(bytes), true)
})

void test('uses the bytes of a chunk without a copy', () => {
  const bytes = Buffer.from('{"a":1}\n')
  assert.equal(open({ bytes })[0].bytes.buffer, bytes.buffer)
})

void test('ends a run with an empty batch', () => {
  const batch = endBatch({ kind: 'done' }, { paths: new Paths(), limits })
  assert.deepEqual([batch.count, batch.end, batch.tallies.read, batch.position], [0, { kind: 'done' }, 0, undefined])
})
