import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Edit, NO_DEDUP_BUCKET, RecordState } from '../../src/record/batch.ts'
import type { Batch } from '../../src/record/batch.ts'
import { openBatches } from '../../src/record/open-batches.ts'
import { Paths } from '../../src/record/paths/path.ts'
import type { Path } from '../../src/record/paths/path.ts'
import { NO_GROUP, rebuild } from '../../src/record/rebuild.ts'
import { defaultLimits, MAX_RECORDS, scan } from '../../src/record/scan.ts'
import { appendMembers } from '../../src/record/reuse-lines.ts'
import type { NewLine } from '../../src/record/reuse-lines.ts'
import { pathText, recordText, valueText } from './arbitrary.ts'
import { scaled } from '../support/scale.ts'

/**
 * A random record, its treatment by earlier stages, and the lines that this stage makes from it.
 */
interface Drawn {
  readonly text: string
  readonly before: 'live' | 'dropped' | 'rejected'
  readonly edits: readonly number[]
  readonly made: readonly ('unchanged' | 'extended' | 'changed' | 'broken')[]
}

const drawn = fc.record<Drawn>({
  text: fc.oneof({ weight: 12, arbitrary: recordText }, fc.constantFrom('{', '[1]', '', ' ', '{"a":1} \r')),
  before: fc.constantFrom('live', 'live', 'live', 'live', 'dropped', 'rejected'),
  edits: fc.oneof(fc.constant([]), fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 5 })),
  made: fc.oneof(
    { weight: 4, arbitrary: fc.constant(['unchanged'] as const) },
    fc.array(fc.constantFrom('unchanged', 'extended', 'changed', 'broken'), { minLength: 1, maxLength: 3 }),
  ),
})
const members = fc.constantFrom('"new":1', '"new":{"a":[{"b":null}]},"n2":"\u00e9"', '"n3":[[1],{"password":"x"}]')
const pathTexts = fc.uniqueArray(fc.oneof(pathText, fc.constantFrom('new', 'new.a', '**.b', 'new.a[*].b')), {
  maxLength: 6,
})

test('builds the same index from reused lines as a scan of all lines', () => {
  let untouched = 0
  fc.assert(
    fc.property(
      fc.array(drawn, { minLength: 1, maxLength: 12 }),
      pathTexts,
      recordText,
      valueText,
      members,
      fc.integer({ min: 20, max: 400 }),
      (records, texts, other, value, added, maxLine) => {
        const paths = new Paths()
        const asked = texts.map((text) => paths.add(text))
        const [batch] = openBatches(
          { bytes: Buffer.from(records.map(({ text }) => `${text}\n`).join('')), origin: { name: 'f', line: 5 } },
          { partition: 'p', number: 2, paths, limits: { ...defaultLimits, maxLine } },
        )
        const numbers = records.flatMap(({ text }, at) => (text.trim() === '' ? [] : [at]))
        batch.digests = {
          keys: Uint32Array.from({ length: 4 * batch.count }, (_, at) => at * 7),
          buckets: Int32Array.from({ length: batch.count }, (_, at) => at),
        }
        const lines: (NewLine & { readonly text: Buffer })[] = []
        for (let record = 0; record < batch.count; record++) {
          const draw = records[numbers[record]]
          prepare(batch, record, draw, value)
          if (batch.states[record] !== RecordState.live) continue
          for (const kind of draw.made) {
            const own = batch.line(record)
            if (kind === 'unchanged') lines.push({ from: record, text: own })
            if (kind === 'extended') lines.push({ from: record, members: added, text: appendMembers(own, added) })
            if (kind === 'changed' || kind === 'broken') {
              const bytes = Buffer.from(kind === 'broken' ? other.slice(0, -1) : other)
              lines.push({ from: record, bytes, text: bytes })
            }
          }
          if (draw.made.every((kind) => kind === 'unchanged')) untouched++
        }
        const late = Buffer.from(other)
        lines.push({ from: batch.count, bytes: late, text: late })

        const [made, ...others] = rebuild(batch, lines, 'stage')
        assert.equal(others.length, 0)
        assert.deepEqual(made.index, scan(made.bytes, paths, batch.limits))
        assertLines(made, batch, lines, asked)
      },
    ),
    { numRuns: scaled(1500) },
  )
  assert.ok(untouched > 3000, `${untouched} records were untouched`)
})

function prepare(batch: Batch, record: number, { before, edits }: Drawn, value: string): void {
  const { records } = batch.index
  const token = Buffer.from(value)
  for (let hit = records[4 * record + 2]; hit < records[4 * record + 6] && edits.length > 0; hit++) {
    const draw = edits[hit % edits.length]
    if (draw < 2 && batch.edits[hit] !== Edit.shadowed) batch.edit(hit, draw === 0 ? Edit.delete : batch.token(token))
  }
  if (before === 'dropped') batch.drop(record, 'boring')
  if (before === 'rejected') batch.reject(record, 'BAD', 'validate')
}

/**
 * Checks all lines and their data in order: the given lines, preceded by those of rejected records.
 */
function assertLines(
  made: Batch,
  batch: Batch,
  lines: readonly (NewLine & { readonly text: Buffer })[],
  paths: readonly Path[],
): void {
  let record = 0
  let next = 0
  for (let from = 0; from <= batch.count; from++) {
    if (from < batch.count && batch.states[from] === RecordState.rejected) {
      assert.equal(made.states[record], RecordState.rejected)
      assert.deepEqual(made.line(record), batch.line(from))
      const reject = batch.rejects.find((candidate) => candidate.record === from)
      assert.deepEqual(
        made.rejects.find((candidate) => candidate.record === record),
        { ...reject, record },
      )
      assertSameHits(made, record++, batch, from, paths)
    }
    for (; next < lines.length && lines[next].from === from; next++, record++) {
      const { text, bytes, members: added } = lines[next]
      const [alone] = openBatches(
        { bytes: Buffer.concat([text, Buffer.from('\n')]) },
        { partition: '', number: 0, paths: batch.paths, limits: batch.limits },
      )
      const unchanged = bytes === undefined && added === undefined
      assert.deepEqual(made.line(record), unchanged ? batch.line(from) : alone.line(0))
      assert.equal(made.states[record], unchanged ? RecordState.live : alone.states[0])
      assert.equal(
        made.rejects.find((candidate) => candidate.record === record)?.code,
        unchanged ? undefined : alone.rejects[0]?.code,
      )
      assert.equal(made.lineOf(record), from < batch.count ? batch.lineOf(from) : 5)
      assert.equal(made.groupOf(record), from < batch.count ? batch.groupOf(from) : NO_GROUP)
      assert.equal(made.digests?.buckets[record], from < batch.count ? from : NO_DEDUP_BUCKET)
      assert.deepEqual(
        [...(made.digests?.keys.subarray(4 * record, 4 * record + 4) ?? [])],
        [0, 1, 2, 3].map((word) => (from < batch.count ? (4 * from + word) * 7 : 0)),
      )
      if (unchanged) assertSameHits(made, record, batch, from, paths)
      else assertSameHits(made, record, alone, 0, paths)
    }
  }
  assert.deepEqual([record, next], [made.count, lines.length])
  assert.equal(made.tallies.added, batch.tallies.added + lines.length - batch.live)
}

function assertSameHits(made: Batch, record: number, expected: Batch, from: number, paths: readonly Path[]): void {
  for (const path of paths) {
    assert.deepEqual(describeHits(made, record, path), describeHits(expected, from, path), path.text)
  }
}

function describeHits(batch: Batch, record: number, path: Path): string[] {
  const hit = batch.hit(record, path)
  return [...batch.hits(record, path), ...(hit < 0 ? [] : [hit])].map(
    (found) => `${batch.kind(found)} ${batch.raw(found).toString()}`,
  )
}

test('keeps the edits of unchanged lines, and allows further edits', () => {
  const paths = new Paths()
  const [a, b] = [paths.add('a'), paths.add('b')]
  const [batch] = openBatches(
    { bytes: Buffer.from('{"a":1,"b":2}\n{"a":3,"b":4}\n') },
    { partition: '', number: 0, paths, limits: defaultLimits },
  )
  batch.edit(batch.hit(1, a), batch.token(Buffer.from('"x"')))
  const [made] = rebuild(batch, [{ from: 0, members: '"c":1' }, { from: 1 }])
  assert.equal(made.assemble().toString(), '{"a":1,"b":2,"c":1}\n{"a":"x","b":4}\n')
  made.edit(made.hit(1, b), made.token(Buffer.from('"y"')))
  made.edit(made.hit(0, a), Edit.delete)
  assert.equal(made.assemble().toString(), '{"b":2,"c":1}\n{"a":"x","b":"y"}\n')
  assert.equal(batch.assemble().toString(), '{"a":1,"b":2}\n{"a":"x","b":4}\n')
})

test('finds paths that were added after the scan in reused lines', () => {
  const paths = new Paths()
  const [batch] = openBatches(
    { bytes: Buffer.from('{"a":1}\n{"a":2}\n') },
    { partition: '', number: 0, paths, limits: defaultLimits },
  )
  const a = paths.add('a')
  const [made] = rebuild(batch, [{ from: 0, members: '"b":{"a":1}' }, { from: 1 }])
  const deep = paths.add('**.a')
  assert.deepEqual(
    [0, 1].map((record) => made.hits(record, deep).length),
    [2, 1],
  )
  assert.equal(made.text(made.hit(1, a)), '2')
})

test('splits records that one index cannot hold, like a scan', () => {
  const [batch] = openBatches(
    { bytes: Buffer.from('{"a":1}\n{"a":2}\n') },
    { partition: '', number: 0, paths: new Paths(), limits: defaultLimits },
  )
  batch.edit(batch.hit(0, batch.paths.add('a')), batch.token(Buffer.from('"x"')))
  const twice = [0, 1].flatMap((from) => Array.from({ length: MAX_RECORDS }, () => ({ from })))
  const parts = rebuild(batch, twice)
  assert.deepEqual(
    parts.map(({ count }) => count),
    [MAX_RECORDS, MAX_RECORDS],
  )
  assert.equal(parts[0].line(7).toString(), '{"a":"x"}')
  assert.equal(parts[1].line(7).toString(), '{"a":2}')
})
