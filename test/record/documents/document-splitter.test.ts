import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../../src/errors.ts'
import { createSplitter } from '../../../src/sources/content/create-splitter.ts'
import { recordsSetting } from '../../../src/sources/content/records-setting.ts'
import { resumeOffset } from '../../../src/record/lines/splitter.ts'
import type { Boundary, LineChunk } from '../../../src/record/lines/splitter.ts'
import { linesOf, overwritten, splitAt } from '../split-input.ts'
import { scaled } from '../../support/scale.ts'
import { recordsIn, treesOf } from './oracle.ts'

interface Options {
  readonly format?: 'array' | 'ndjson'
  readonly keyAs?: string
  readonly maxLine?: number
  readonly from?: Boundary
  readonly flush?: boolean
}

interface Outcome {
  readonly chunks: LineChunk[]
  readonly error?: SluiceError
}

async function split(parts: Iterable<Buffer>, paths: readonly string[], options: Options = {}): Promise<Outcome> {
  const { format = 'array', keyAs, maxLine = 1 << 20, from, flush = false } = options
  const position = from && { ...from, format, head: '', headBytes: 0, bytes: 0, done: false }
  const setting = { format, records: recordsSetting(paths, keyAs), maxLine }
  const resumed = position && { ...position, document: position.document && { ...position.document } }
  const { splitter } = await createSplitter('page', setting, resumed)
  const chunks: LineChunk[] = []
  try {
    for (const part of overwritten(parts)) {
      for (const chunk of splitter.push(part)) chunks.push(chunk)
      if (flush) chunks.push(...splitter.flush())
    }
    for (const chunk of splitter.end()) chunks.push(chunk)
    return { chunks }
  } catch (error) {
    assert.ok(error instanceof SluiceError, String(error))
    return { chunks, error }
  }
}

function texts(chunks: readonly LineChunk[]): string[] {
  return [...linesOf(chunks).values()]
}

const spaces = fc.string({ unit: fc.constantFrom(' ', '\n', '\t', '\r'), maxLength: 2 })
const keys = fc.constantFrom('a', 'b', 'c', '\\u0061', 'é', '"', '')
const keyTexts = keys.map((key) => (key.startsWith('\\') ? `"${key}"` : JSON.stringify(key)))
const strings = fc.string({ unit: fc.constantFrom('a', '"', '\\', '[', '}', 'é', '😀', '\n', '\ud800'), maxLength: 5 })
const scalars = fc.oneof(
  strings.map((text) => JSON.stringify(text)),
  fc.constantFrom(
    '"\\u00e9\\/"',
    'null',
    'true',
    'false',
    '0',
    '-0',
    '1.0',
    '1E5',
    '-12345678901234567890.120',
    '1e400',
  ),
)
const values = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    scalars,
    fc
      .tuple(fc.array(tie('value'), { maxLength: 4 }), spaces)
      .map(([items, gap]) => `[${gap}${items.join(`${gap},${gap}`)}${gap}]`),
    fc
      .tuple(fc.array(fc.tuple(keyTexts, tie('value')), { maxLength: 4 }), spaces)
      .map(
        ([members, gap]) =>
          `{${gap}${members.map(([key, value]) => `${key}${gap}:${gap}${value}`).join(`,${gap}`)}${gap}}`,
      ),
  ),
})).value

/** Documents in which the paths below are likely to lead somewhere. */
const list = fc.tuple(fc.array(values, { maxLength: 4 }), spaces).map(([items, gap]) => `[${items.join(`,${gap}`)}]`)
const likely = fc.oneof({ weight: 4, arbitrary: list }, { weight: 1, arbitrary: values })
const inner = fc.oneof(
  likely.map((b) => `{"x":1,"b":${b},"y":[{}]}`),
  { weight: 3, arbitrary: fc.tuple(list, list).map(([b, c]) => `{"b":${b},"c":${c}}`) },
  values,
)
const documents = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.tuple(keyTexts, values, inner).map(([key, value, a]) => `{${key}:${value},"a":${a}}`),
  },
  fc.tuple(inner, inner).map(([one, other]) => `{"a":[${one},${other}],"z":0}`),
  { weight: 2, arbitrary: fc.tuple(inner, inner).map(([one, other]) => `[${one},{"a":${other}}]`) },
  list.map((a) => `{"a":${a}}`),
  values.filter((text) => /^[[{]/.test(text)),
)
const inputs = fc
  .array(fc.tuple(documents, spaces), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.map(([document, gap]) => document + gap).join(''))
const someOffsets = fc.array(fc.nat(300), { maxLength: 12 })

/** The same path twice is left to the parser. */
const paths = [
  ['a'],
  ['a.b'],
  ['a', 'a'],
  ['a.b', 'a.b'],
  ['a.*'],
  ['a[*].b'],
  ['a.*[*]'],
  ['**.b'],
  ['a.{b,c}'],
  ['a["b"]', 'a.c'],
  ['[*].a.b'],
  ['*./^[bé]$/'],
]

for (const wanted of paths) {
  test(`finds the records that stream-json finds at ${wanted.join(' and ')}, wherever the input is split`, async () => {
    let withRecords = 0
    await fc.assert(
      fc.asyncProperty(inputs, someOffsets, async (text, at) => {
        const { chunks, error } = await split(splitAt(Buffer.from(text), at), wanted)
        const left = texts(chunks).flatMap(treesOf)
        if (left.length > 0) withRecords++
        // A document without records is an error, unless its array is empty.
        let mayHaveFailed = false
        for (const document of treesOf(text)) {
          const { records, isWrong } = recordsIn(document, wanted)
          if (mayHaveFailed && records.length > 0) return
          assert.deepEqual(left.splice(0, records.length), records)
          if (isWrong) {
            assert.match(error?.message ?? '', /has (nothing|no (array|object)) at/)
            assert.equal(left.length, 0)
            return
          }
          if (records.length === 0 && left.length === 0) mayHaveFailed ||= /has nothing at/.test(error?.message ?? '')
        }
        if (mayHaveFailed) return
        assert.equal(error, undefined)
        assert.deepEqual(left, [])
      }),
      { numRuns: scaled(300) },
    )
    assert.ok(withRecords > 0, `${withRecords} inputs had records`)
  })

  test(`resumes after every chunk of ${wanted.join(' and ')} with exactly the rest`, async () => {
    const lengths = fc.constantFrom(40, 1 << 20)
    await fc.assert(
      fc.asyncProperty(inputs, someOffsets, lengths, async (text, at, maxLine) => {
        const bytes = Buffer.from(text)
        const whole = await split([bytes], wanted, { maxLine })
        const { chunks } = await split(splitAt(bytes, at), wanted, { maxLine, flush: true })
        for (const [i, { boundary }] of chunks.entries()) {
          const left = bytes.subarray(resumeOffset(boundary))
          const rest = await split(splitAt(left, at), wanted, { maxLine, from: boundary })
          assert.deepEqual(texts([...chunks.slice(0, i + 1), ...rest.chunks]), texts(whole.chunks))
          assert.equal(rest.error?.code, whole.error?.code)
        }
      }),
      { numRuns: scaled(60) },
    )
  })
}

/** An input in which some bytes are missing, wrong or too many. */
const damaged = fc
  .tuple(
    inputs,
    fc.array(
      fc.tuple(fc.nat(), fc.constantFrom('', '"', '\\', '{', '}', '[', ']', ',', '\n', '\0', '\xff', '\xc3', '0', 'x')),
      {
        maxLength: 3,
      },
    ),
  )
  .map(([text, changes]) => {
    let bytes = Buffer.from(text)
    for (const [at, byte] of changes) {
      const start = at % bytes.length
      const end = start + (at % 2)
      bytes = Buffer.concat([bytes.subarray(0, start), Buffer.from(byte, 'latin1'), bytes.subarray(end)])
    }
    return bytes
  })

for (const format of ['array', 'ndjson'] as const) {
  test(`gives the same records of a damaged input, as ${format}, wherever it is split`, async () => {
    await fc.assert(
      fc.asyncProperty(damaged, someOffsets, fc.constantFrom(...paths), async (bytes, at, wanted) => {
        const options = { format, maxLine: 40 }
        const whole = outcome(await split([bytes], wanted, options))
        assert.deepEqual(outcome(await split(splitAt(bytes, at), wanted, options)), whole)
      }),
      { numRuns: scaled(1500) },
    )
  })
}

/**
 * A parser does not give the tokens right before damage in the same part. If they are wrong too (a
 * value that is no array of records, an element that is no object), they are rejected or part of
 * what is.
 */
function outcome({ chunks, error }: Outcome): object {
  const skipped = chunks.flatMap((chunk) => chunk.skipped)
  return { lines: texts(chunks).filter((line) => /^[{[]/.test(line)), skipped: skipped.length, code: error?.code }
}
