import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DEDUP_BUCKET, RecordState } from '../../src/record/batch.ts'
import type { Batch } from '../../src/record/batch.ts'
import { openBatches } from '../../src/record/open-batches.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { NO_GROUP, rebuild } from '../../src/record/rebuild.ts'
import { defaultLimits, MAX_RECORDS } from '../../src/record/scan.ts'

const SKIPPED = [{ line: 99, length: 7, digest: 'd' }]

function open(lines: readonly string[], paths = new Paths()): Batch {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  const chunk = { bytes, position: 'here', skipped: SKIPPED, lowWatermark: 8, origin: { name: 'f', line: 10 } }
  return openBatches(chunk, { partition: 'p', number: 4, paths, limits: defaultLimits })[0]
}

function made(from: number, ...lines: string[]) {
  return lines.map((line) => ({ bytes: Buffer.from(line), from }))
}

function doubled(batch: Batch) {
  return Array.from({ length: batch.count }, (_, from) => made(from, '{}', '{}')).flat()
}

function balance(batch: Batch): number {
  const dropped = [...batch.tallies.dropped.values()].reduce((sum, count) => sum + count, 0)
  return batch.tallies.read + batch.tallies.added - batch.live - dropped - batch.rejects.length
}

void test('replaces records by their lines, and moves rejects, line numbers, groups and digests', () => {
  const paths = new Paths()
  const secret = paths.add('secret')
  const batch = open(['{"n":0}', '{"n":1,"secret":"x"}', '[', '{"n":3}', '', '{"n":4}'], paths)
  batch.digests = {
    keys: Uint32Array.from({ length: 20 }, (_, n) => n),
    buckets: Int32Array.of(5, 6, 7, 8, 9),
  }
  batch.drop(0, 'boring')
  batch.edit(batch.hit(1, secret), batch.token(Buffer.from('"[redacted]"')))
  batch.reject(1, 'BAD', 'validate', 'why')
  assert.equal(balance(batch), 0)

  const [next, ...others] = rebuild(batch, [...made(3, '{"n":30}', '{"n":31}', '{"n":32}'), ...made(4, '{"n":40}')])
  assert.equal(others.length, 0)
  assert.equal(
    next.assemble([0, 1, 2, 3, 4, 5]).toString(),
    '{"n":1,"secret":"[redacted]"}\n[\n{"n":30}\n{"n":31}\n{"n":32}\n{"n":40}\n',
  )
  assert.deepEqual(
    [...next.states],
    [
      RecordState.rejected,
      RecordState.rejected,
      RecordState.live,
      RecordState.live,
      RecordState.live,
      RecordState.live,
    ],
  )
  assert.deepEqual(
    next.rejects.map(({ record, code, line, length }) => [record, code, line, length]),
    [
      [1, 'INVALID_JSON', 12, 1],
      [0, 'BAD', 11, 20],
      [-1, 'TOO_LONG', 99, 7],
    ].toSorted((a, b) => Number(b[0] === 0) - Number(a[0] === 0)),
  )
  const records = [0, 1, 2, 3, 4, 5]
  assert.deepEqual(
    records.map((record) => next.lineOf(record)),
    [11, 12, 13, 13, 13, 15],
  )
  assert.deepEqual(
    records.map((record) => next.groupOf(record)),
    [1, 2, 3, 3, 3, 4],
  )
  assert.deepEqual([...(next.digests?.buckets ?? [])], [6, 7, 8, 8, 8, 9])
  assert.deepEqual([...(next.digests?.keys.subarray(8, 16) ?? [])], [12, 13, 14, 15, 12, 13, 14, 15])
  assert.deepEqual([next.tallies.read, next.tallies.added], [6, 2])
  assert.deepEqual(
    [next.partition, next.number, next.position, next.lowWatermark, next.continues],
    ['p', 4, 'here', 8, false],
  )
  assert.equal(balance(next), 0)
})

void test('keeps the groups of the first split when a batch is rebuilt again', () => {
  const batch = open(['{}', '{}'])
  const [first] = rebuild(batch, [...made(0, '{}', '{}'), ...made(1, '{}')])
  const [second] = rebuild(first, [...made(0, '{}'), ...made(1, '{}', '{}'), ...made(2, '{}')])
  assert.deepEqual(
    [0, 1, 2, 3].map((record) => second.groupOf(record)),
    [0, 0, 0, 1],
  )
  assert.equal(second.tallies.added, 2)
  assert.equal(balance(second), 0)
})

void test('counts lines from a dropped record as added', () => {
  const batch = open(['{"n":0}', '{"n":1}'])
  batch.drop(0, 'held back')
  batch.drop(1, 'held back')
  const [next] = rebuild(batch, made(1, '{"sum":1}'))
  assert.deepEqual([next.live, next.tallies.added, balance(next)], [1, 1, 0])
})

void test('puts lines made from no record last, counts them as added and gives them no digest', () => {
  const batch = open(['{"n":0}'])
  batch.digests = { keys: Uint32Array.of(1, 2, 3, 4), buckets: Int32Array.of(5) }
  const [next] = rebuild(batch, [...made(0, '{"n":0}'), ...made(1, '{"sum":1}', '{"sum":2}')])
  assert.deepEqual([next.live, next.tallies.added, balance(next)], [3, 2, 0])
  assert.deepEqual(
    [0, 1, 2].map((record) => next.groupOf(record)),
    [0, NO_GROUP, NO_GROUP],
  )
  assert.deepEqual([...(next.digests?.buckets ?? [])], [5, NO_DEDUP_BUCKET, NO_DEDUP_BUCKET])
  const [alone] = rebuild(open([]), made(0, '{"sum":1}'))
  assert.deepEqual([alone.live, alone.tallies.added, alone.lineOf(0), balance(alone)], [1, 1, 10, 0])
})

void test('lines of their own have no group; what is made of one of them later has one again', () => {
  const own = made(0, '{"n":0}', '{"n":1}').map((line) => ({ ...line, isOwn: true }))
  const [next] = rebuild(open(['{"e":[]}']), own)
  assert.deepEqual([next.groupOf(0), next.groupOf(1)], [NO_GROUP, NO_GROUP])
  const [last] = rebuild(next, [...made(0, '{"n":0,"a":0}', '{"n":0,"a":1}'), ...made(1, '{"n":1}')])
  const [first, sibling, other] = [0, 1, 2].map((record) => last.groupOf(record))
  assert.deepEqual([first === sibling, first === other, first === NO_GROUP], [true, false, false])

  const batch = open(['{"e":[]}'])
  batch.digests = { keys: Uint32Array.of(1, 2, 3, 4), buckets: Int32Array.of(5) }
  const [shared] = rebuild(batch, own)
  assert.deepEqual([shared.groupOf(0), shared.groupOf(1)], [0, 0])
})

void test('rebuilds a batch without live records to a batch with its position and rejects', () => {
  const batch = open(['{"n":0}'])
  batch.drop(0, 'boring')
  const [next, ...others] = rebuild(batch, [])
  assert.equal(others.length, 0)
  assert.deepEqual([next.count, next.position, next.rejects.length, balance(next)], [0, 'here', 1, 0])
})

void test('splits a batch if the index is full, and every part balances', () => {
  const batch = open(['{"n":0}', '[', '{"n":1}'])
  batch.reject(2, 'BAD', 'validate')
  const parts = rebuild(batch, made(0, ...Array.from({ length: 2 * MAX_RECORDS }, (_, n) => `{"n":${n}}`)))
  assert.deepEqual(
    parts.map(({ count }) => count),
    [MAX_RECORDS, MAX_RECORDS, 2],
  )
  assert.deepEqual(
    parts.map(({ continues }) => continues),
    [true, true, false],
  )
  assert.deepEqual(
    parts.map(({ position }) => position),
    [undefined, undefined, 'here'],
  )
  assert.deepEqual(
    parts.map(({ number }) => number),
    [4, 4, 4],
  )
  assert.deepEqual(parts.map(balance), [0, 0, 0])
  assert.deepEqual(
    parts.map(({ rejects }) => rejects.map(({ record }) => record)),
    [[], [], [0, 1, -1]],
  )
  assert.equal(
    parts.reduce((sum, { tallies }) => sum + tallies.read, 0),
    4,
  )
  assert.equal(
    parts.reduce((sum, { tallies }) => sum + tallies.added, 0),
    2 * MAX_RECORDS - 1,
  )
  assert.equal(parts[2].groupOf(1), 2)
})

void test('parts of a part all continue, except the last part of the last part', () => {
  const bytes = Buffer.from('{}\n'.repeat(MAX_RECORDS + 1))
  const [first, last] = openBatches({ bytes }, { partition: '', number: 0, paths: new Paths(), limits: defaultLimits })
  assert.deepEqual(
    rebuild(first, doubled(first)).map(({ continues }) => continues),
    [true, true],
  )
  assert.deepEqual(
    rebuild(last, doubled(last)).map(({ continues }) => continues),
    [false],
  )
})

void test('rejects a new line that is not a record within the limits, with the name of the stage', () => {
  const batch = open(['{"n":0}', '{"n":1}', '{"n":2}', '{"n":3}'])
  const deep = '{"a":'.repeat(65) + '1' + '}'.repeat(65)
  const [next] = rebuild(batch, [...made(0, '{'), ...made(1, deep), ...made(2, ' '), ...made(3, '{"n":3}')], 'shell')
  assert.deepEqual(
    next.rejects.filter(({ record }) => record >= 0).map(({ code, stage, line }) => [code, stage, line]),
    [
      ['INVALID_JSON', 'shell', 10],
      ['TOO_DEEP', 'shell', 11],
      ['NOT_AN_OBJECT', 'shell', 12],
    ],
  )
  assert.equal(next.live, 1)
  assert.equal(balance(next), 0)
})

void test('throws for a live record without a line, and for a line without a record', () => {
  const batch = open(['{"n":0}', '{"n":1}'])
  assert.throws(() => rebuild(batch, made(1, '{}')), { code: 'LEDGER_MISMATCH' })
  assert.throws(() => rebuild(batch, [...made(0, '{}'), ...made(1, '{}'), ...made(0, '{}')]), {
    code: 'LEDGER_MISMATCH',
  })
  assert.throws(() => rebuild(batch, [...made(0, '{}'), ...made(1, '{}'), ...made(3, '{}')]), {
    code: 'LEDGER_MISMATCH',
  })
  assert.throws(() => rebuild(batch, [...made(0, '{}\n{}'), ...made(1, '{}')]), { code: 'INTERNAL' })
})
