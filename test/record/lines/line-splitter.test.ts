import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LineSplitter } from '../../../src/record/lines/line-splitter.ts'
import { CHUNK_BYTES } from '../../../src/record/chunk-memory.ts'
import type { Boundary, LineChunk } from '../../../src/record/lines/chunk-builder.ts'
import { atBorders, joinRuns, reusing } from '../chunked.ts'

const MAX_LINE = 12

function frame(chunks: Iterable<Buffer>, options: { maxLine?: number; from?: Boundary } = {}): LineChunk[] {
  const framer = new LineSplitter({ maxLine: MAX_LINE, ...options })
  const runs: LineChunk[] = []
  for (const chunk of reusing(chunks)) runs.push(...framer.push(chunk))
  runs.push(...framer.end())
  return runs
}

/** Line number -> text, or the digest and length of a line that is too long. */
function model(text: string): Map<number, string> {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return new Map(lines.map((line, i) => [i + 1, byteLength(line) > MAX_LINE ? skippedText(line) : line]))
}

function skippedText(line: string): string {
  return `${byteLength(line)} ${createHash('sha256').update(line).digest('hex')}`
}

const byteLength = (text: string) => Buffer.byteLength(text)

/** Lines of all sizes around the limit, blank ones, carriage returns, with and without the last line feed. */
const texts = fc
  .array(
    fc.oneof(fc.string({ maxLength: 14, unit: fc.constantFrom('a', '{', '"', '\r', 'é', ' ') }), fc.constant('')),
    { maxLength: 12 },
  )
  .chain((lines) => fc.boolean().map((ended) => lines.join('\n') + (ended && lines.length > 0 ? '\n' : '')))

test('lines are the same wherever the chunks end', () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(60), { maxLength: 8 }), (text, borders) => {
      assert.deepEqual(joinRuns(frame(atBorders(Buffer.from(text), borders))), model(text))
    }),
    { numRuns: 500 },
  )
})

test('reading resumes behind every run with exactly the rest', () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(60), { maxLength: 8 }), (text, borders) => {
      const bytes = Buffer.from(text)
      const framer = new LineSplitter({ maxLine: MAX_LINE })
      const before: LineChunk[] = []
      for (const chunk of atBorders(bytes, borders)) before.push(...framer.push(chunk), ...framer.flush())
      before.push(...framer.end())
      for (const [i, { boundary }] of before.entries()) {
        const rest = frame([bytes.subarray(boundary.offset)], { from: boundary })
        assert.deepEqual(joinRuns([...before.slice(0, i + 1), ...rest]), model(text))
      }
    }),
    { numRuns: 300 },
  )
})

test('a byte order mark is left out at the start of the input only', () => {
  const bytes = Buffer.from('\ufeff{}\n\ufeff{}\n')
  for (const size of [1, 2, 3, 100]) {
    const lines = joinRuns(frame(atBorders(bytes, [size, 2 * size])))
    assert.deepEqual([...lines.values()], ['{}', '\ufeff{}'])
  }
  assert.deepEqual([...joinRuns(frame([Buffer.from([0xef, 0xbb])])).values()], [Buffer.from([0xef, 0xbb]).toString()])
})

test('a line feed that comes after the last line was taken without it is not a line of its own', () => {
  const [run] = frame([Buffer.from('one\ntwo')])
  assert.deepEqual(run?.boundary, { offset: 7, line: 2, open: true })
  for (const more of ['\nthree\n', '\r\nthree\n', 'three\n']) {
    const lines = joinRuns(frame(atBorders(Buffer.from(more), [1, 2]), { from: run.boundary }))
    assert.deepEqual([...lines], [[3, 'three']])
  }
})

test('runs are about as large as they should be, also when a line is larger', () => {
  const line = `${'x'.repeat(999)}\n`
  const large = `${'y'.repeat(2 * CHUNK_BYTES)}\n`
  const bytes = Buffer.from(line.repeat(2000) + large + line.repeat(2000))
  for (const size of [1000, 64 * 1024, 1024 * 1024]) {
    const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    )
    const runs = frame(chunks, { maxLine: 4 * CHUNK_BYTES })
    assert.ok(Buffer.concat(runs.map((run) => run.bytes)).equals(bytes))
    assert.equal(runs.at(-1)?.boundary.line, 4001)
    const sizes = runs.map((run) => run.bytes.length)
    assert.ok(sizes.every((length) => length <= CHUNK_BYTES || length === large.length))
    assert.ok(sizes.filter((length) => length < CHUNK_BYTES / 2).length <= 3, `sizes are ${sizes.join(' ')}`)
  }
})

test('a run of many lines that are too long ends before their list grows', () => {
  const runs = frame([Buffer.from(`${'x'.repeat(MAX_LINE + 1)}\n`.repeat(2500))])
  assert.equal(joinRuns(runs).size, 2500)
  assert.ok(runs.every(({ skipped }) => skipped.length <= 1000))
})
