import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LineSplitter } from '../../../src/record/lines/line-splitter.ts'
import { CHUNK_BYTES } from '../../../src/record/chunk-memory.ts'
import type { Boundary, LineChunk } from '../../../src/record/lines/splitter.ts'
import { splitAt, linesOf, overwritten } from '../split-input.ts'
import { scaled } from '../../support/scale.ts'

const MAX_LINE = 12

function split(parts: Iterable<Buffer>, options: { maxLine?: number; from?: Boundary } = {}): LineChunk[] {
  const splitter = new LineSplitter({ maxLine: MAX_LINE, ...options })
  const chunks: LineChunk[] = []
  for (const part of overwritten(parts)) chunks.push(...splitter.push(part))
  chunks.push(...splitter.end())
  return chunks
}

/** Line number -> text, or length and digest of a line that is too long. */
function model(text: string): Map<number, string> {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return new Map(lines.map((line, i) => [i + 1, byteLength(line) > MAX_LINE ? skippedText(line) : line]))
}

function skippedText(line: string): string {
  return `${byteLength(line)} ${createHash('sha256').update(line).digest('hex')}`
}

const byteLength = (text: string) => Buffer.byteLength(text)

/**
 * Lines of all sizes around the limit, blank lines and carriage returns, with and without the last
 * line feed.
 */
const texts = fc
  .array(
    fc.oneof(fc.string({ maxLength: 14, unit: fc.constantFrom('a', '{', '"', '\r', 'é', ' ') }), fc.constant('')),
    { maxLength: 12 },
  )
  .chain((lines) => fc.boolean().map((ended) => lines.join('\n') + (ended && lines.length > 0 ? '\n' : '')))

test('gives the same lines wherever the input is split', () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(60), { maxLength: 8 }), (text, offsets) => {
      assert.deepEqual(linesOf(split(splitAt(Buffer.from(text), offsets))), model(text))
    }),
    { numRuns: scaled(500) },
  )
})

test('resumes after every chunk with exactly the rest', () => {
  fc.assert(
    fc.property(texts, fc.array(fc.nat(60), { maxLength: 8 }), (text, offsets) => {
      const bytes = Buffer.from(text)
      const splitter = new LineSplitter({ maxLine: MAX_LINE })
      const before: LineChunk[] = []
      for (const part of splitAt(bytes, offsets)) before.push(...splitter.push(part), ...splitter.flush())
      before.push(...splitter.end())
      for (const [i, { boundary }] of before.entries()) {
        const rest = split([bytes.subarray(boundary.offset)], { from: boundary })
        assert.deepEqual(linesOf([...before.slice(0, i + 1), ...rest]), model(text))
      }
    }),
    { numRuns: scaled(300) },
  )
})

test('skips a byte order mark at the start of the input only', () => {
  const bytes = Buffer.from('\ufeff{}\n\ufeff{}\n')
  for (const size of [1, 2, 3, 100]) {
    const lines = linesOf(split(splitAt(bytes, [size, 2 * size])))
    assert.deepEqual([...lines.values()], ['{}', '\ufeff{}'])
  }
  assert.deepEqual([...linesOf(split([Buffer.from([0xef, 0xbb])])).values()], [Buffer.from([0xef, 0xbb]).toString()])
})

test('does not count a late line feed of the last line as a line of its own', () => {
  const [chunk] = split([Buffer.from('one\ntwo')])
  assert.deepEqual(chunk?.boundary, { offset: 7, line: 2, open: true })
  for (const more of ['\nthree\n', '\r\nthree\n', 'three\n']) {
    const lines = linesOf(split(splitAt(Buffer.from(more), [1, 2]), { from: chunk.boundary }))
    assert.deepEqual([...lines], [[3, 'three']])
  }
})

test('keeps chunks close to their intended size, also when one line is larger', () => {
  const line = `${'x'.repeat(999)}\n`
  const large = `${'y'.repeat(2 * CHUNK_BYTES)}\n`
  const bytes = Buffer.from(line.repeat(2000) + large + line.repeat(2000))
  for (const size of [1000, 64 * 1024, 1024 * 1024]) {
    const parts = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) =>
      bytes.subarray(i * size, (i + 1) * size),
    )
    const chunks = split(parts, { maxLine: 4 * CHUNK_BYTES })
    assert.ok(Buffer.concat(chunks.map((chunk) => chunk.bytes)).equals(bytes))
    assert.equal(chunks.at(-1)?.boundary.line, 4001)
    const sizes = chunks.map((chunk) => chunk.bytes.length)
    assert.ok(sizes.every((length) => length <= CHUNK_BYTES || length === large.length))
    assert.ok(sizes.filter((length) => length < CHUNK_BYTES / 2).length <= 3, `sizes are ${sizes.join(' ')}`)
  }
})

test('limits the number of skipped lines in one chunk', () => {
  const chunks = split([Buffer.from(`${'x'.repeat(MAX_LINE + 1)}\n`.repeat(2500))])
  assert.equal(linesOf(chunks).size, 2500)
  assert.ok(chunks.every(({ skipped }) => skipped.length <= 1000))
})
