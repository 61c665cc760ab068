import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../../src/errors.ts'
import { ArraySplitter } from '../../../src/record/lines/array-splitter.ts'
import type { Boundary, LineChunk } from '../../../src/record/lines/splitter.ts'
import { splitAt, linesOf, overwritten } from '../split-input.ts'
import { scaled } from '../../support/scale.ts'

const MAX_LINE = 64

interface Outcome {
  readonly chunks: LineChunk[]
  readonly error?: SluiceError
}

function split(parts: Iterable<Buffer>, options: { maxLine?: number; from?: Boundary; flush?: boolean } = {}): Outcome {
  const { flush = false, ...rest } = options
  const splitter = new ArraySplitter({ name: 'page', maxLine: MAX_LINE, ...rest })
  const chunks: LineChunk[] = []
  try {
    for (const part of overwritten(parts)) {
      for (const chunk of splitter.push(part)) chunks.push(chunk)
      if (flush) chunks.push(...splitter.flush())
    }
    for (const chunk of splitter.end()) chunks.push(chunk)
    return { chunks }
  } catch (error) {
    assert.ok(error instanceof SluiceError)
    return { chunks, error }
  }
}

function splitText(text: string, offsets: readonly number[] = []): { lines: string[]; error?: SluiceError } {
  const { chunks, error } = split(splitAt(Buffer.from(text), offsets))
  return { lines: [...linesOf(chunks).values()], ...(error && { error }) }
}

const spaces = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r', '\0'), maxLength: 3 })
const between = fc
  .tuple(spaces, fc.constantFrom('', '', '\ufeff', '\ufeff\0\ufeff'), spaces)
  .map((parts) => parts.join(''))
const strings = fc.string({ unit: fc.constantFrom('a', '"', '\\', '[', ']', '{', '}', ',', 'é', '\n'), maxLength: 6 })
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    strings,
    fc.constantFrom(null, true, false, -1.5e300, 0),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(strings, tie('value'), { maxKeys: 3 }),
  ),
})).value

/** An element as the input spells it, and the line it becomes. */
const elements = fc.tuple(values, fc.constantFrom('', ' ', '  ', '\t', 'spaced')).map(([value, indent]) => {
  const written =
    indent === 'spaced' ? JSON.stringify(value, null, 1).replaceAll('\n', '\t') : JSON.stringify(value, null, indent)
  const line = written.includes('\n') ? JSON.stringify(value) : written
  return { written, line: Buffer.byteLength(line) > MAX_LINE ? skippedText(written) : line }
})

function skippedText(element: string): string {
  return `${Buffer.byteLength(element)} ${createHash('sha256').update(element).digest('hex')}`
}

/** Several arrays in a row, with objects between them. */
const documents = fc
  .array(fc.tuple(fc.array(elements, { maxLength: 4 }), fc.boolean(), between, spaces, spaces), { maxLength: 3 })
  .map((parts) => {
    let text = ''
    const lines: string[] = []
    for (const [group, bare, a, b, c] of parts) {
      const [only] = group
      if (bare && group.length === 1 && only?.written.startsWith('{')) text += a + only.written + b
      else text += `${a}[${b}${group.map(({ written }) => written).join(`${c},${b}`)}${b}]${c}`
      lines.push(...group.map(({ line }) => line))
    }
    return { text, lines }
  })

const someOffsets = fc.array(fc.nat(200), { maxLength: 10 })

test('gives the same elements wherever the input is split, and keeps the bytes of one-line elements', () => {
  fc.assert(
    fc.property(documents, someOffsets, ({ text, lines }, at) => {
      assert.deepEqual(splitText(text, at), { lines })
    }),
    { numRuns: scaled(1000) },
  )
})

test('resumes after every chunk with exactly the rest', () => {
  fc.assert(
    fc.property(documents, someOffsets, ({ text, lines }, at) => {
      const bytes = Buffer.from(text)
      const { chunks } = split(splitAt(bytes, at), { flush: true })
      for (const [i, { boundary }] of chunks.entries()) {
        const rest = split([bytes.subarray(boundary.offset)], { from: boundary })
        assert.equal(rest.error, undefined)
        assert.deepEqual([...linesOf([...chunks.slice(0, i + 1), ...rest.chunks]).values()], lines)
      }
    }),
    { numRuns: scaled(300) },
  )
})

test('yields the elements before the end of an array truncated at any byte, then throws', () => {
  const parts = ['{"a":"x]\\"y"}', '[1,[2]]', 'null', '"s\\\\"', '{\n "b": {}\n}', '12']
  const text = `[${parts.join(' ,\n')}]`
  for (let end = 1; end < text.length; end++) {
    const { lines, error } = splitText(text.slice(0, end), [end >> 1])
    const whole = parts.filter((part, i) => {
      const partEnd = 1 + parts.slice(0, i + 1).join(' ,\n').length
      // A number or a literal ends only where another token begins.
      return end >= partEnd + (/^[\dn]/.test(part) ? 1 : 0)
    })
    assert.deepEqual(
      lines,
      whole.map((part) => part.replaceAll(/[\n ]/g, '')),
      text.slice(0, end),
    )
    assert.equal(error?.code, 'INPUT_CORRUPT')
    assert.match(error.message, new RegExp(`^page is damaged: it ends at byte ${end} where .* is expected`))
  }
  assert.equal(splitText(text).error, undefined)
})

test('throws with the offset for anything but one comma between two elements', () => {
  const cases: [text: string, lines: string[], message: RegExp][] = [
    ['[{"a":1} {"b":2}]', ['{"a":1}'], /"," or "]" is expected at byte 9, after element 1$/],
    ['[{"a":1},,{"b":2}]', ['{"a":1}'], /an element is expected at byte 9, after element 1$/],
    ['[{"a":1},]', ['{"a":1}'], /an element is expected at byte 9/],
    ['[,]', [], /an element or "]" is expected at byte 1$/],
    ['[{"a":1}},{}]', ['{"a":1}'], /"," or "]" is expected at byte 8/],
    ['[{"a":1}]]', ['{"a":1}'], /an array or an object is expected at byte 9/],
    ['[{"a":1}],[{}]', ['{"a":1}'], /an array or an object is expected at byte 9/],
    ['{"a":1}x', ['{"a":1}'], /an array or an object is expected at byte 7/],
    ['[<html>]', [], /an element or "]" is expected at byte 1/],
    ['<html>', [], /an array or an object is expected at byte 0$/],
  ]
  for (const [text, lines, message] of cases) {
    for (const offsets of [[], [4], [8, 9]]) {
      const result = splitText(text, offsets)
      assert.deepEqual(result.lines, lines, text)
      assert.equal(result.error?.code, 'INPUT_CORRUPT', text)
      assert.match(result.error.message, message)
    }
  }
})

test('passes on elements that are not objects, or not valid JSON, as lines of their own', () => {
  assert.deepEqual(splitText('[null, 1,"a" ,[],truly,{"a":1],{"b":2}]').lines, [
    'null',
    '1',
    '"a"',
    '[]',
    'truly',
    '{"a":1]',
    '{"b":2}',
  ])
})

test('does not turn invalid JSON into valid JSON when it puts an element on one line', () => {
  const broken = ['{"a":1\n2}', '{"a":tr\nue}', '{"a":"x\ny"}', '{"a"\n"b":1}']
  const { lines } = splitText(`[${broken.join(',')}]`)
  assert.equal(lines.length, broken.length)
  for (const line of lines) assert.throws(() => JSON.parse(line), SyntaxError, line)
})

test('skips an element that is too long, wherever it is, and reports its number, length and digest', () => {
  const long = `{"a":"${'x'.repeat(100)}"}`
  for (const text of [`[1,${long},2]`, `[${long},${long},2]`, `[1,2,${long}]`, `${long}\n[1]`]) {
    const { chunks } = split(splitAt(Buffer.from(text), [10, 50, 90, 111]))
    const expected = text.match(/\{[^}]*\}|\d+(?=[,\]])/g)?.map((part) => (part === long ? skippedText(long) : part))
    assert.deepEqual([...linesOf(chunks).values()], expected)
  }
})

test('splits elements of any depth', () => {
  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  const { chunks } = split([Buffer.from(`[${deep},{}]`)], { maxLine: 1 << 20 })
  assert.deepEqual([...linesOf(chunks).values()], [deep, '{}'])
})

test('measures an element as it is written: white space that is removed does not count', () => {
  const exact = { a: 'x'.repeat(MAX_LINE - 9), b: 1 }
  const text = JSON.stringify(exact)
  const long = JSON.stringify({ ...exact, b: 12 })
  assert.equal(text.length, MAX_LINE + 5)
  const fitting = JSON.stringify({ a: 'x'.repeat(MAX_LINE - 14), b: 1 })
  assert.equal(fitting.length, MAX_LINE)
  const spread = `{\n${' '.repeat(500)}"a":${' '.repeat(500)}${fitting.slice(5, -7)}\n,"b":1\n}`
  for (const offsets of [[], [1], [30, 60, 90], [600, 700]]) {
    assert.deepEqual(splitText(`[${fitting},\n${spread}\n]`, offsets).lines, [fitting, fitting])
    assert.deepEqual(splitText(`[${text},${long}]`, offsets).lines, [skippedText(text), skippedText(long)])
    // Without a line feed the element is written with its spaces.
    const spaced = spread.replaceAll('\n', ' ')
    assert.deepEqual(splitText(`[${spaced},1]`, offsets).lines, [skippedText(spaced), '1'])
  }
})

test('skips and counts byte order marks and NUL bytes between values', () => {
  for (const offsets of [[], [1], [2, 3, 4], [8, 9, 10, 11, 12]]) {
    const splitter = new ArraySplitter({ name: 'page', maxLine: MAX_LINE })
    const chunks: LineChunk[] = []
    const text = '\ufeff\0\0[{"a":1}\0,\0{"b":2}]\ufeff[{"c":3}]\0\ufeff{"d":4}\0'
    for (const part of splitAt(Buffer.from(text), offsets)) chunks.push(...splitter.push(part))
    chunks.push(...splitter.end())
    assert.deepEqual([...linesOf(chunks).values()], ['{"a":1}', '{"b":2}', '{"c":3}', '{"d":4}'])
    assert.deepEqual(splitter.stray, { nulBytes: 6, orderMarks: 2 })
  }
})

test('leaves an unfinished element for later, wherever the input ends', () => {
  const parts = ['{"a":"x]\\"y"}', '[1,[2]]', 'null', '"s\\\\"', '{\n "b": {}\n}', '12']
  const text = Buffer.from(`\ufeff[${parts.join(' ,\n')}]\n`)
  const whole = split([text]).chunks
  for (let end = 0; end < text.length; end++) {
    const splitter = new ArraySplitter({ name: 'page', maxLine: MAX_LINE })
    const chunks = [...splitter.push(text.subarray(0, end)), ...splitter.suspend()]
    assert.equal(splitter.left, end === 0 || end === 3 || end >= text.length - 1 ? 'nothing' : 'record', `at ${end}`)
    const boundary = chunks.at(-1)?.boundary
    assert.ok(boundary)
    const rest = split([text.subarray(boundary.offset)], { from: boundary })
    assert.deepEqual([...linesOf([...chunks, ...rest.chunks])], [...linesOf(whole)], `at ${end}`)
  }
})

test('skips a byte order mark', () => {
  assert.deepEqual(splitText('\ufeff[{"a":1}]', [1, 2]), { lines: ['{"a":1}'] })
  assert.equal(splitText('[\ufeff]').error?.code, 'INPUT_CORRUPT')
})

test('finds no elements in an input of only whitespace', () => {
  assert.deepEqual(splitText(' \n'), { lines: [] })
  assert.deepEqual(splitText('[\n]'), { lines: [] })
})
