import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../../src/errors.ts'
import { ArraySplitter } from '../../../src/record/lines/array-splitter.ts'
import type { LineChunk } from '../../../src/record/lines/chunk-builder.ts'
import { WasmArraySplitter } from '../../../src/record/wasm/array-splitter.ts'
import { WasmScanner } from '../../../src/record/wasm/scanner.ts'
import { createEventSet } from '../../servers/events.ts'
import { atBorders, joinRuns, reusing } from '../chunked.ts'

/** `CUT_RUNS=200000 node --test build/test/record/wasm/array-splitter.test.js` tries more. */
const RUNS = Number(process.env['CUT_RUNS'] ?? 5000)

const { module } = new WasmScanner()

interface Task {
  readonly text: string
  readonly borders: readonly number[]
  readonly maxLine: number
  readonly single: boolean
  readonly flush: boolean
}

interface Outcome {
  readonly runs: LineChunk[]
  readonly count: number
  readonly error: string
  /** What `single` left of each chunk. */
  readonly behind: (string | undefined)[]
}

function cut({ text, borders, maxLine, single, flush }: Task, fast: WasmArraySplitter | undefined): Outcome {
  const cutter = new ArraySplitter({ name: 'page', maxLine, single }, () => fast)
  const runs: LineChunk[] = []
  const behind: (string | undefined)[] = []
  let error = ''
  try {
    for (const chunk of reusing(atBorders(Buffer.from(text, 'latin1'), borders))) {
      runs.push(...cutter.push(chunk))
      if (flush) runs.push(...cutter.flush())
      behind.push(cutter.behind?.toString('latin1'))
    }
    runs.push(...cutter.end())
  } catch (thrown) {
    assert.ok(thrown instanceof SluiceError)
    error = `${thrown.code} ${thrown.message}`
  }
  return { runs, count: cutter.count, error, behind }
}

const texts = fc.string({
  unit: fc.constantFrom('a', ' ', '"', '\\', '[', ']', '{', '}', ',', 'é', '\n'),
  maxLength: 6,
})
/** Runs of backslashes, and as long as the bytes that are looked at together. */
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

/** Arrays one behind another, and objects in none. */
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
/** Nothing but what brackets, strings and escapes are made of. */
const heaps = fc
  .array(fc.constantFrom('"', '"', '\\', '[', ']', '{', '{"', '"}', '}', ',', '\n', ' ', '},{', 'aaaaaaaaaaaaaaaa'), {
    maxLength: 80,
  })
  .map((parts) => `[{${parts.join('')}`)

const tasks = fc.record<Task>({
  text: fc.oneof({ weight: 4, arbitrary: damaged }, heaps),
  borders: fc.array(fc.nat(900), { maxLength: 6 }),
  maxLine: fc.constantFrom(20, 100, 1000),
  single: fc.boolean(),
  flush: fc.boolean(),
})
/** Small ones, so that there are many borders between them. */
const windows = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constant(undefined))

test('the cutter in WebAssembly gives the runs, marks and errors of the one in TypeScript', () => {
  let whole = 0
  fc.assert(
    fc.property(tasks, windows, (task, window) => {
      const expected = cut(task, undefined)
      assert.deepEqual(cut(task, new WasmArraySplitter(module, window)), expected)
      if (expected.error === '' && expected.count > 1) whole++
    }),
    { numRuns: RUNS },
  )
  assert.ok(whole > RUNS / 20, `${whole} of ${RUNS} were whole`)
})

test('arrays of events are cut alike, compact and pretty, in chunks as a file gives them', () => {
  const set = createEventSet({ seed: 5, count: 1500, start: 1.7e12, end: 1.71e12 })
  for (const layout of ['pretty', undefined] as const) {
    const events = Array.from({ length: set.count }, (_, index) => set.text(index, layout))
    const text = Buffer.from(`[\n${events.join(',\n')}\n]\n`).toString('latin1')
    const borders = Array.from({ length: text.length / 100_000 }, (_, at) => at * 100_000)
    const task = { text, borders, maxLine: 1 << 20, single: false, flush: false }
    const [fast, plain] = [cut(task, new WasmArraySplitter(module)), cut(task, undefined)]
    assert.deepEqual(joinRuns(fast.runs), joinRuns(plain.runs))
    assert.deepEqual(fast.runs.at(-1)?.boundary, plain.runs.at(-1)?.boundary)
    assert.equal(fast.count, set.count)
    assert.ok(fast.runs.length > 2)
  }
})

test('whitespace goes from elements of many lines alike, and leaves two tokens apart, wherever it stands', () => {
  for (const token of ['1 2', 'tr\n\tue', '1\r\n', '1 , 2', '" 1\t" ', `1${' '.repeat(70)}2`, '"\\" "']) {
    for (let before = 0; before < 140; before++) {
      const text = `[{\r\n"a":"${'x'.repeat(before)}",${token}},{}]`
      const task = { text, borders: [], maxLine: 1000, single: false, flush: false }
      assert.deepEqual(cut(task, new WasmArraySplitter(module)), cut(task, undefined), text)
      assert.equal(new WasmArraySplitter(module).cutElements(Buffer.from(text), 1, true, 1000).count, 2)
    }
  }
})

test('elements that stand beside each other are cut at once, whatever is between them', () => {
  const cutter = new WasmArraySplitter(module)
  const cutAt = (text: string, at: number, inArray = true) => {
    cutter.begin()
    const { lines, ...rest } = cutter.cutElements(Buffer.from(text), at, inArray, 150)
    return { lines: lines.toString(), ...rest }
  }
  const whole = { count: 3, end: 31, openStart: undefined }
  assert.deepEqual(cutAt('[{"a":"]"} ,[ [], 1 ],{\n"b":1}\n]', 1), {
    ...whole,
    lines: '{"a":"]"}\n[ [], 1 ]\n{"b":1}\n',
    end: 30,
  })
  assert.deepEqual(cutAt('{} {"a":{}}\n{}[]', 0, false), { ...whole, lines: '{}\n{"a":{}}\n{}\n', end: 14 })
  assert.deepEqual(cutAt('[{},{"a":"\\', 1), { count: 1, lines: '{}\n', end: 3, openStart: 4 })
  assert.deepEqual(cutter.state, { depth: 1, inString: true, escaped: true })
  // Ends with the bytes that are looked at together.
  const long = `{"a":"${'x'.repeat(118)}"}`
  for (const left of ['{"a":\\"}"}', '"a"', '1', long.replace('x', 'x'.repeat(40)), '{"a":\n"\n"}']) {
    const { lines, end } = cutAt(`[${long},${left},{}]`, 1)
    assert.deepEqual({ lines, end }, { lines: `${long}\n`, end: 1 + long.length }, left)
  }
})
