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
  const rows = text.split('\n')
  const lines = rows.flatMap((row, at) => linesOfRow(row, at < rows.length - 1))
  return new Map(lines.map((line, i) => [i + 1, written(line)]))
}

/** The lines of a text without line feeds: NUL bytes separate them. */
function linesOfRow(row: string, isEnded: boolean): string[] {
  const lines: string[] = []
  const parts = row.split(/\0+/)
  let isAfterLine = false
  for (const [at, part] of parts.entries()) {
    const text: string = isAfterLine ? part.replace(/^[ \r]+/, '') : part
    const line: string = text.replace(/^\ufeff+/, '')
    const isEndOfLine = isEnded && at === parts.length - 1 && !(isAfterLine && text === '')
    if (line !== '' || isEndOfLine) lines.push(line)
    isAfterLine = line !== '' || (isAfterLine && text === '')
  }
  return lines
}

function written(line: string): string {
  if (byteLength(line) <= MAX_LINE) return line
  const text = line.replaceAll(/^[ \r]+|[ \r]+$/g, '')
  return byteLength(text) > MAX_LINE ? skippedText(line) : text
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
    fc.oneof(
      fc.string({ maxLength: 14, unit: fc.constantFrom('a', '{', '"', '\r', 'é', ' ', '\0', '\ufeff') }),
      fc.constant(''),
    ),
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

test('skips and counts byte order marks and NUL bytes in front of a line', () => {
  const bytes = Buffer.from('\ufeff{}\n\ufeff\ufeff{}\n\0\0\0{}\n\0\ufeff{}\0\n{"cut":"\0\0{}\n\0')
  for (let size = 1; size <= bytes.length; size++) {
    const splitter = new LineSplitter({ maxLine: MAX_LINE })
    const parts = splitAt(bytes, [size, 2 * size, 3 * size])
    const chunks = [...parts.flatMap((part) => splitter.push(part)), ...splitter.end()]
    assert.deepEqual(
      [...linesOf(chunks)],
      ['{}', '{}', '{}', '{}', '{"cut":"', '{}'].map((line, at) => [at + 1, line]),
    )
    assert.deepEqual(splitter.stray, { nulBytes: 8, orderMarks: 3 })
  }
  assert.deepEqual([...linesOf(split([Buffer.from([0xef, 0xbb])])).values()], [Buffer.from([0xef, 0xbb]).toString()])
})

const megabytes = (text: string) => Array.from({ length: 100 }, () => Buffer.from(text.repeat(40_000)))

test('NUL bytes and white space of megabytes are no line that is too long', () => {
  const bytes = [
    ...megabytes('\0'),
    Buffer.from('{"a":1}'),
    ...megabytes(' '),
    Buffer.from('\n'),
    ...megabytes('\0'),
    ...megabytes(' '),
  ]
  const lines = linesOf(split([...bytes, Buffer.from('{"b":2}\r\n'), ...megabytes('\t\r'), Buffer.from('\n')]))
  assert.deepEqual([...lines.values()], ['{"a":1}', '{"b":2}', ''])
})

test('a line of exactly the limit is not too long, whatever white space is around it', () => {
  const line = 'x'.repeat(MAX_LINE)
  for (const spelled of [line, `${line}\r`, `${line} \t\r`, ` ${line}`, `\ufeff${line}\r`, `\t\t${line}\0`]) {
    for (const end of ['\n', '']) {
      for (const offsets of [[], [MAX_LINE], [1, MAX_LINE + 1]]) {
        const [text] = linesOf(split(splitAt(Buffer.from(spelled + end), offsets))).values()
        assert.equal(text.trim(), line)
      }
    }
  }
  assert.equal(linesOf(split([Buffer.from(`${line}x\r\n`)])).get(1), skippedText(`${line}x\r`))
})

function suspended(text: string) {
  const splitter = new LineSplitter({ maxLine: 100 })
  const chunks = [...splitter.push(Buffer.from(text)), ...splitter.suspend()]
  return { lines: [...linesOf(chunks).values()], offset: chunks.at(-1)?.boundary.offset, left: splitter.left }
}

test('leaves an unfinished line for later, and takes a finished one', () => {
  const nothing = { lines: ['{}'], offset: 3, left: 'nothing' }
  assert.deepEqual(suspended('{}\n'), nothing)
  for (const text of ['{"a":"b', '{"a":1', '12', '\ufeff{"a', '{"a":1} {', '"', 'x', '{"a":\0\0'])
    assert.deepEqual(suspended(`{}\n${text}`), { ...nothing, left: 'record' }, text)
  for (const text of ['{"a":1}', '{"a":1}\r', ' {"a":1} ', '[]', 'null'])
    assert.deepEqual(suspended(`{}\n${text}`), { lines: ['{}', text], offset: 3 + text.length, left: 'nothing' }, text)
  assert.deepEqual(suspended('{}\n\0\0'), { ...nothing, left: 'padding' })
  assert.deepEqual(suspended('{}\n{"a":1}\0'), { lines: ['{}', '{"a":1}'], offset: 10, left: 'padding' })
  const long = `{"a":"${'x'.repeat(100)}`
  assert.deepEqual(suspended(long), { lines: [], offset: 0, left: 'record' })
  assert.deepEqual(suspended(`${long}"}`), { lines: [skippedText(`${long}"}`)], offset: 108, left: 'nothing' })
  // Half of a character, and half of a byte order mark.
  for (const bytes of [[0xe2, 0x82], [0xef], [0xef, 0xbb]]) {
    const splitter = new LineSplitter({ maxLine: 100 })
    splitter.push(Buffer.from(bytes))
    assert.equal(splitter.suspend().at(-1)?.boundary.offset, 0)
    assert.equal(splitter.left, 'record')
  }
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
