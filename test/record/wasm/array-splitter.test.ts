import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../../src/errors.ts'
import { ArraySplitter, createElementBuilder } from '../../../src/record/lines/array-splitter.ts'
import { START } from '../../../src/record/lines/splitter.ts'
import type { LineChunk } from '../../../src/record/lines/splitter.ts'
import { WasmArraySplitter } from '../../../src/record/wasm/array-splitter.ts'
import { WasmScanner } from '../../../src/record/wasm/scanner.ts'
import { createEventSet } from '../../servers/events.ts'
import { splitAt, linesOf, overwritten } from '../split-input.ts'
import { scaled } from '../../support/scale.ts'

const RUNS = scaled(5000)

const { module } = new WasmScanner()

interface Task {
  readonly text: string
  readonly offsets: readonly number[]
  readonly maxLine: number
  readonly single: boolean
  readonly flush: boolean
}

interface Outcome {
  readonly chunks: LineChunk[]
  readonly count: number
  readonly error: string
  /** With `single`: the rest of each part. */
  readonly rests: (string | undefined)[]
}

function split({ text, offsets, maxLine, single, flush }: Task, fast: WasmArraySplitter | undefined): Outcome {
  const builder = single ? createElementBuilder(maxLine, START) : undefined
  const splitter = new ArraySplitter({ name: 'page', maxLine, ...(builder && { builder }) }, () => fast)
  let offset = 0
  const chunks: LineChunk[] = []
  const rests: (string | undefined)[] = []
  let error = ''
  try {
    for (const part of overwritten(splitAt(Buffer.from(text, 'latin1'), offsets))) {
      if (single) {
        const end = splitter.readArray(part, offset)
        rests.push(splitter.isOpen ? undefined : part.toString('latin1', end))
        offset += end
      } else chunks.push(...splitter.push(part))
      if (flush || single) chunks.push(...splitter.flush())
    }
    chunks.push(...splitter.end())
  } catch (thrown) {
    assert.ok(thrown instanceof SluiceError)
    error = `${thrown.code} ${thrown.message}`
    if (single) chunks.push(...splitter.flush())
  }
  return { chunks, count: splitter.count, error, rests }
}

const texts = fc.string({
  unit: fc.constantFrom('a', ' ', '"', '\\', '[', ']', '{', '}', ',', 'é', '\n'),
  maxLength: 6,
})
/** Repeated characters, some longer than a block of the search. */
const longTexts = fc
  .tuple(fc.constantFrom('x', '\\', ']', '"', '}{', ' '), fc.nat({ max: 140 }), texts)
  .map(([unit, times, end]) => unit.repeat(times / unit.length) + end)
const strings = fc.oneof({ weight: 3, arbitrary: texts }, longTexts)
const values = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    strings,
    fc.constantFrom(null, true, -1.5e300, 0),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(strings, tie('value'), { maxKeys: 3 }),
  ),
})).value
const objects = fc.dictionary(strings, values, { maxKeys: 4 })

const elements = fc
  .tuple(fc.oneof({ weight: 6, arbitrary: objects }, values), fc.constantFrom('', '', ' ', '    ', '\t'))
  .map(([value, indent]) => JSON.stringify(value, null, indent))
const spaces = fc.constantFrom('', '', '', '\n', ' ', '\r\n\t', ' '.repeat(70))

/** Several arrays in a row, and objects outside of arrays. */
const documents = fc
  .array(fc.tuple(fc.array(elements, { maxLength: 6 }), fc.boolean(), spaces, spaces), { maxLength: 3 })
  .map((parts) => {
    const written = parts.map(([group, bare, a, b]) =>
      bare ? group.join(a) + b : `[${a}${group.join(`${b},${a}`)}${b}]`,
    )
    return written.join('')
  })

const junk = fc.constantFrom('"', '\\', '\\"', '[', ']', '{', '}', ',', '\n', ' ', '1', 'tr ue', '1 2', '}\n,\n{', '\0')
const damage = fc.record({ at: fc.nat(), text: junk, kind: fc.constantFrom('insert', 'delete', 'replace') })
const damaged = fc
  .tuple(documents, fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, fc.array(damage, { maxLength: 4 })))
  .map(([document, damages]) => {
    let text = document
    for (const { at, text: inserted, kind } of damages) {
      const place = at % (text.length + 1)
      text =
        text.slice(0, place) + (kind === 'delete' ? '' : inserted) + text.slice(kind === 'insert' ? place : place + 1)
    }
    return text
  })
/** Random brackets, quotes and escapes. */
const heaps = fc
  .array(fc.constantFrom('"', '"', '\\', '[', ']', '{', '{"', '"}', '}', ',', '\n', ' ', '},{', 'aaaaaaaaaaaaaaaa'), {
    maxLength: 80,
  })
  .map((parts) => `[{${parts.join('')}`)

const tasks = fc.record<Task>({
  text: fc.oneof({ weight: 4, arbitrary: damaged }, heaps),
  offsets: fc.array(fc.nat(900), { maxLength: 6 }),
  maxLine: fc.constantFrom(20, 100, 1000),
  single: fc.boolean(),
  flush: fc.boolean(),
})
/** Window sizes; small ones give many borders between windows. */
const windows = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(undefined))

test('gives the same chunks, boundaries and errors in WebAssembly and TypeScript', () => {
  let whole = 0
  fc.assert(
    fc.property(tasks, windows, (task, window) => {
      const expected = split(task, undefined)
      assert.deepEqual(split(task, new WasmArraySplitter(module, window)), expected)
      if (expected.error === '' && expected.count > 1) whole++
    }),
    { numRuns: RUNS },
  )
  assert.ok(whole > RUNS / 20, `${whole} of ${RUNS} were whole`)
})

test('splits compact and pretty arrays of events alike, in parts as a file gives them', () => {
  const set = createEventSet({ seed: 5, count: 1500, start: 1.7e12, end: 1.71e12 })
  for (const layout of ['pretty', undefined] as const) {
    const events = Array.from({ length: set.count }, (_, index) => set.text(index, layout))
    const text = Buffer.from(`[\n${events.join(',\n')}\n]\n`).toString('latin1')
    const offsets = Array.from({ length: text.length / 100_000 }, (_, at) => at * 100_000)
    const task = { text, offsets, maxLine: 1 << 20, single: false, flush: false }
    const [fast, plain] = [split(task, new WasmArraySplitter(module)), split(task, undefined)]
    assert.deepEqual(linesOf(fast.chunks), linesOf(plain.chunks))
    assert.deepEqual(fast.chunks.at(-1)?.boundary, plain.chunks.at(-1)?.boundary)
    assert.equal(fast.count, set.count)
    assert.ok(fast.chunks.length > 2)
  }
})

test('minifies elements of many lines alike, and keeps tokens apart, wherever the whitespace is', () => {
  for (const token of ['1 2', 'tr\n\tue', '1\r\n', '1 , 2', '" 1\t" ', `1${' '.repeat(70)}2`, '"\\" "']) {
    for (let before = 0; before < 140; before++) {
      const text = `[{\r\n"a":"${'x'.repeat(before)}",${token}},{}]`
      const task = { text, offsets: [], maxLine: 1000, single: false, flush: false }
      assert.deepEqual(split(task, new WasmArraySplitter(module)), split(task, undefined), text)
      assert.equal(new WasmArraySplitter(module).splitElements(Buffer.from(text), 1, true, 1000).count, 2)
    }
  }
})

test('splits neighbouring elements in one call, whatever whitespace separates them', () => {
  const splitter = new WasmArraySplitter(module)
  const splitFrom = (text: string, at: number, inArray = true) => {
    splitter.begin()
    const { lines, ...rest } = splitter.splitElements(Buffer.from(text), at, inArray, 150)
    return { lines: lines.toString(), ...rest }
  }
  const whole = { count: 3, end: 31, openStart: undefined }
  assert.deepEqual(splitFrom('[{"a":"]"} ,[ [], 1 ],{\n"b":1}\n]', 1), {
    ...whole,
    lines: '{"a":"]"}\n[ [], 1 ]\n{"b":1}\n',
    end: 30,
  })
  assert.deepEqual(splitFrom('{} {"a":{}}\n{}[]', 0, false), { ...whole, lines: '{}\n{"a":{}}\n{}\n', end: 14 })
  assert.deepEqual(splitFrom('[{},{"a":"\\', 1), { count: 1, lines: '{}\n', end: 3, openStart: 4 })
  assert.deepEqual(splitter.state, { depth: 1, inString: true, escaped: true })
  // Ends exactly at the end of a block.
  const long = `{"a":"${'x'.repeat(118)}"}`
  for (const left of ['{"a":\\"}"}', '"a"', '1', long.replace('x', 'x'.repeat(40)), '{"a":\n"\n"}']) {
    const { lines, end } = splitFrom(`[${long},${left},{}]`, 1)
    assert.deepEqual({ lines, end }, { lines: `${long}\n`, end: 1 + long.length }, left)
  }
})
