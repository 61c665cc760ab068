import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../../src/errors.ts'
import { ArraySplitter } from '../../../src/record/lines/array-splitter.ts'
import type { Boundary, LineChunk } from '../../../src/record/lines/chunk-builder.ts'
import { atBorders, joinRuns, reusing } from '../chunked.ts'

const MAX_LINE = 64

interface Cut {
  readonly runs: LineChunk[]
  readonly error?: SluiceError
}

function cut(chunks: Iterable<Buffer>, options: { maxLine?: number; from?: Boundary; flush?: boolean } = {}): Cut {
  const { flush = false, ...rest } = options
  const cutter = new ArraySplitter({ name: 'page', maxLine: MAX_LINE, ...rest })
  const runs: LineChunk[] = []
  try {
    for (const chunk of reusing(chunks)) {
      for (const run of cutter.push(chunk)) runs.push(run)
      if (flush) runs.push(...cutter.flush())
    }
    for (const run of cutter.end()) runs.push(run)
    return { runs }
  } catch (error) {
    assert.ok(error instanceof SluiceError)
    return { runs, error }
  }
}

function cutText(text: string, borders: readonly number[] = []): { lines: string[]; error?: SluiceError } {
  const { runs, error } = cut(atBorders(Buffer.from(text), borders))
  return { lines: [...joinRuns(runs).values()], ...(error && { error }) }
}

const spaces = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r'), maxLength: 3 })
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

/** An element as it is written, and the line it becomes. */
const elements = fc.tuple(values, fc.constantFrom('', ' ', '  ', '\t', 'spaced')).map(([value, indent]) => {
  const written =
    indent === 'spaced' ? JSON.stringify(value, null, 1).replaceAll('\n', '\t') : JSON.stringify(value, null, indent)
  const line = written.includes('\n') ? JSON.stringify(value) : written
  return { written, line: Buffer.byteLength(written) > MAX_LINE ? skippedText(written) : line }
})

function skippedText(element: string): string {
  return `${Buffer.byteLength(element)} ${createHash('sha256').update(element).digest('hex')}`
}

/** Arrays one behind another, and objects between them. */
const documents = fc
  .array(fc.tuple(fc.array(elements, { maxLength: 4 }), fc.boolean(), spaces, spaces, spaces), { maxLength: 3 })
  .map((parts) => {
    let text = ''
    const lines: string[] = []
    for (const [group, bare, a, b, c] of parts) {
      const [only] = group
      if (bare && group.length === 1 && only?.written.startsWith('{')) text += a + only.written + b
      else text += `${a}[${b}${group.map(({ written }) => written).join(`${c},${a}`)}${a}]${c}`
      lines.push(...group.map(({ line }) => line))
    }
    return { text, lines }
  })

const someBorders = fc.array(fc.nat(200), { maxLength: 10 })

test('elements are the same wherever the chunks end, and keep their bytes where they fit a line', () => {
  fc.assert(
    fc.property(documents, someBorders, ({ text, lines }, at) => {
      assert.deepEqual(cutText(text, at), { lines })
    }),
    { numRuns: 1000 },
  )
})

test('cutting resumes behind every run with exactly the rest', () => {
  fc.assert(
    fc.property(documents, someBorders, ({ text, lines }, at) => {
      const bytes = Buffer.from(text)
      const { runs } = cut(atBorders(bytes, at), { flush: true })
      for (const [i, { boundary }] of runs.entries()) {
        const rest = cut([bytes.subarray(boundary.offset)], { from: boundary })
        assert.equal(rest.error, undefined)
        assert.deepEqual([...joinRuns([...runs.slice(0, i + 1), ...rest.runs]).values()], lines)
      }
    }),
    { numRuns: 300 },
  )
})

test('an array cut short at any byte gives the elements before the cut, and an error behind them', () => {
  const parts = ['{"a":"x]\\"y"}', '[1,[2]]', 'null', '"s\\\\"', '{\n "b": {}\n}', '12']
  const text = `[${parts.join(' ,\n')}]`
  for (let end = 1; end < text.length; end++) {
    const { lines, error } = cutText(text.slice(0, end), [end >> 1])
    const whole = parts.filter((part, i) => {
      const partEnd = 1 + parts.slice(0, i + 1).join(' ,\n').length
      // A number or a word ends only where something else begins.
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
  assert.equal(cutText(text).error, undefined)
})

test('anything but one comma between two elements is an error that says where', () => {
  const cases: [text: string, lines: string[], message: RegExp][] = [
    ['[{"a":1} {"b":2}]', ['{"a":1}'], /"," or "]" is expected at byte 9, behind element 1$/],
    ['[{"a":1},,{"b":2}]', ['{"a":1}'], /an element is expected at byte 9, behind element 1$/],
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
    for (const borders of [[], [4], [8, 9]]) {
      const result = cutText(text, borders)
      assert.deepEqual(result.lines, lines, text)
      assert.equal(result.error?.code, 'INPUT_CORRUPT', text)
      assert.match(result.error.message, message)
    }
  }
})

test('what is no object, or not even JSON, is handed on as a line of its own', () => {
  assert.deepEqual(cutText('[null, 1,"a" ,[],truly,{"a":1],{"b":2}]').lines, [
    'null',
    '1',
    '"a"',
    '[]',
    'truly',
    '{"a":1]',
    '{"b":2}',
  ])
})

test('bytes that are not JSON do not become JSON when an element is made to fit a line', () => {
  const broken = ['{"a":1\n2}', '{"a":tr\nue}', '{"a":"x\ny"}', '{"a"\n"b":1}']
  const { lines } = cutText(`[${broken.join(',')}]`)
  assert.equal(lines.length, broken.length)
  for (const line of lines) assert.throws(() => JSON.parse(line), SyntaxError, line)
})

test('an element that is too long is left out wherever it stands, with its number, length and digest', () => {
  const long = `{"a":"${'x'.repeat(100)}"}`
  for (const text of [`[1,${long},2]`, `[${long},${long},2]`, `[1,2,${long}]`, `${long}\n[1]`]) {
    const { runs } = cut(atBorders(Buffer.from(text), [10, 50, 90, 111]))
    const expected = text.match(/\{[^}]*\}|\d+(?=[,\]])/g)?.map((part) => (part === long ? skippedText(long) : part))
    assert.deepEqual([...joinRuns(runs).values()], expected)
  }
})

test('depth does not matter', () => {
  const deep = '['.repeat(200_000) + ']'.repeat(200_000)
  const { runs } = cut([Buffer.from(`[${deep},{}]`)], { maxLine: 1 << 20 })
  assert.deepEqual([...joinRuns(runs).values()], [deep, '{}'])
})

test('a byte order mark is left out', () => {
  assert.deepEqual(cutText('\ufeff[{"a":1}]', [1, 2]), { lines: ['{"a":1}'] })
  assert.equal(cutText('[]\ufeff').error?.code, 'INPUT_CORRUPT')
})

test('an input of nothing but space has no elements', () => {
  assert.deepEqual(cutText(' \n'), { lines: [] })
  assert.deepEqual(cutText('[\n]'), { lines: [] })
})
