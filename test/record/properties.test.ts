import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { SluiceError } from '../../src/errors.ts'
import type { Batch } from '../../src/record/batch.ts'
import { Edit } from '../../src/record/batch.ts'
import { openBatches } from '../../src/record/open-batches.ts'
import { parsePath } from '../../src/record/paths/grammar.ts'
import type { Json, JsonObject } from '../../src/record/json/json.ts'
import { minify } from '../../src/record/json/minify.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { defaultLimits, HIT_STRIDE, ValueKind, RECORD_STRIDE } from '../../src/record/scan.ts'
import { changedLine, recordLine, recordView } from '../../src/record/author/record-view.ts'
import { pathText, plainPathText, recordText, valueText } from './arbitrary.ts'
import { bytesOf, descendants, effective, leadsTo, parse, render, textOf } from './model.ts'
import type { Node } from './model.ts'
import { unchecked } from './unchecked.ts'
import { scaled } from '../support/scale.ts'

const RUNS = { numRuns: scaled(1200) }
const pathTexts = fc.uniqueArray(pathText, { minLength: 1, maxLength: 6 })

function open(text: string, paths: Paths): Batch[] {
  return openBatches({ bytes: Buffer.from(text) }, { partition: '', number: 0, paths, limits: defaultLimits })
}

function openOne(line: string, paths = new Paths()): Batch {
  return open(`${line}\n`, paths)[0]
}

function minified(line: Buffer | string): string {
  return minify(Buffer.from(line)).toString('latin1')
}

/** Each hit: the numbers of its paths, and its offsets. */
function hitsOf(batch: Batch, record: number): string[] {
  const { hits, records, accepts } = batch.index
  const found: string[] = []
  for (let hit = records[RECORD_STRIDE * record + 2]; hit < records[RECORD_STRIDE * record + 6]; hit++) {
    const { key, start, end } = batch.span(hit)
    found.push(`${accepts[hits[HIT_STRIDE * hit] & 0xffff].join()} at ${key} ${start} ${end}`)
  }
  return found
}

/** The expected hits from the model. `paths` includes parents, which are matched by their text. */
function expectedHits(line: string, texts: readonly string[], offset: number): string[] {
  const segments = texts.map(parsePath)
  return descendants(parse(line)).flatMap(({ steps, key, start, end }) => {
    const ids = segments.flatMap((path, id) => (leadsTo(path, steps) ? [id] : []))
    return ids.length === 0 ? [] : [`${ids.join()} at ${key + offset} ${start + offset} ${end + offset}`]
  })
}

/** Adds the paths. Returns all texts by path id, including parents. */
function addAll(texts: readonly string[]): { paths: Paths; all: string[] } {
  const paths = new Paths()
  const all: string[] = []
  for (const text of texts) {
    for (let path: ReturnType<Paths['add']> | undefined = paths.add(text); path; path = path.parent)
      all[path.id] = path.text
  }
  return { paths, all }
}

void test('indexes exactly the values that the paths match', () => {
  fc.assert(
    fc.property(fc.array(recordText, { minLength: 1, maxLength: 4 }), pathTexts, (lines, texts) => {
      const { paths, all } = addAll(texts)
      const [batch] = open(lines.map((line) => `${line}\n`).join(''), paths)
      let offset = 0
      for (const [record, line] of lines.entries()) {
        assert.deepEqual(hitsOf(batch, record), expectedHits(line, all, offset))
        offset += bytesOf(line).length + 1
      }
    }),
    RUNS,
  )
})

void test('paths that are added after the scan find the same values', () => {
  fc.assert(
    fc.property(recordText, pathTexts, pathTexts, (line, early, late) => {
      const paths = new Paths()
      for (const text of early) paths.add(text)
      const batch = openOne(line, paths)
      const added = late.map((text) => paths.add(text))
      for (const path of added) {
        const expected = descendants(parse(line)).filter(({ steps }) => leadsTo(parsePath(path.text), steps))
        assert.deepEqual(
          batch.hits(0, path).map((hit) => batch.span(hit).start),
          expected.map(({ start }) => start),
        )
      }
    }),
    RUNS,
  )
})

void test('a plain path finds the value that JSON.parse would take', () => {
  fc.assert(
    fc.property(recordText, plainPathText, (line, text) => {
      const paths = new Paths()
      const path = paths.add(text)
      const batch = openOne(line, paths)
      const hit = batch.hit(0, path)
      let expected: unknown = JSON.parse(line)
      for (const key of path.keys ?? []) {
        const inside =
          typeof expected === 'object' && expected !== null && !Array.isArray(expected) && Object.hasOwn(expected, key)
        expected = inside ? unchecked<{ [key: string]: unknown }>(expected)[key] : undefined
      }
      assert.equal(hit >= 0, expected !== undefined)
      if (hit < 0) return
      assert.deepEqual(JSON.parse(batch.raw(hit).toString()), expected)
      if (typeof expected === 'string') assert.equal(batch.text(hit), expected)
      if (batch.kind(hit) === ValueKind.number) assert.equal(String(expected), batch.text(hit))
    }),
    RUNS,
  )
})

/**
 * Turns random numbers into edits of hits: 0 deletes, 1 to 3 replace, others keep. Returns the same
 * edits for the model.
 */
function editHits(batch: Batch, draws: readonly number[], values: readonly string[]) {
  const changes = new Map<number, string | null>()
  for (let hit = 0; hit < batch.edits.length; hit++) {
    const draw = draws[hit % draws.length]
    if (draw > 3 || batch.edits[hit] === Edit.shadowed) continue
    const value = draw === 0 ? null : values[draw % values.length]
    batch.edit(hit, value === null ? Edit.delete : batch.token(Buffer.from(value)))
    changes.set(batch.span(hit).start, value === null ? null : bytesOf(value))
  }
  return (node: Node): string | null | undefined => (node.steps.length === 0 ? undefined : changes.get(node.start))
}

const draws = fc.array(fc.nat({ max: 6 }), { minLength: 1, maxLength: 7 })
const replacements = fc.array(valueText, { minLength: 1, maxLength: 3 })

void test('edits change the edited values and nothing else', () => {
  fc.assert(
    fc.property(recordText, pathTexts, draws, replacements, (line, texts, drawn, values) => {
      const { paths } = addAll(texts)
      const batch = openOne(line, paths)
      const change = editHits(batch, drawn, values)
      const expected = render(parse(line), change)
      const assembled = batch.assemble()
      assert.equal(assembled.at(-1), 10)
      assert.equal(minified(assembled), minified(textOf(expected)))
      assert.deepEqual(batch.line(0), assembled.subarray(0, -1))
      assert.deepEqual(batch.value(0), JSON.parse(textOf(expected)))
    }),
    RUNS,
  )
})

void test('replacements keep every other byte, including spacing', () => {
  fc.assert(
    fc.property(recordText, pathTexts, draws, replacements, (line, texts, drawn, values) => {
      const { paths } = addAll(texts)
      const batch = openOne(line, paths)
      const change = editHits(
        batch,
        drawn.map((draw) => Math.max(1, draw)),
        values,
      )
      let expected = bytesOf(line)
      const replaced = descendants(parse(line)).filter((node) => typeof change(node) === 'string')
      for (const node of replaced.toReversed()) {
        expected = expected.slice(0, node.start) + String(change(node)) + expected.slice(node.end)
      }
      assert.equal(batch.line(0).toString('latin1'), expected)
    }),
    RUNS,
  )
})

void test('edits survive a path that is added after them', () => {
  fc.assert(
    fc.property(recordText, pathTexts, pathTexts, draws, replacements, (line, early, late, drawn, values) => {
      const { paths } = addAll(early)
      const batch = openOne(line, paths)
      editHits(batch, drawn, values)
      const before = batch.line(0)
      for (const text of late) batch.hit(0, paths.add(text))
      assert.deepEqual(batch.line(0), before)
    }),
    RUNS,
  )
})

void test('a hit reads as it is written later', () => {
  fc.assert(
    fc.property(recordText, pathTexts, plainPathText, draws, replacements, (line, texts, asked, drawn, values) => {
      const { paths } = addAll(texts)
      const path = paths.add(asked)
      const batch = openOne(line, paths)
      editHits(batch, drawn, values)
      const hit = batch.hit(0, path)
      if (hit < 0) return
      const written = openOne(batch.line(0).toString(), paths)
      const again = written.hit(0, path)
      assert.deepEqual(
        [written.raw(again), written.kind(again), written.text(again)],
        [batch.raw(hit), batch.kind(hit), batch.text(hit)],
      )
    }),
    RUNS,
  )
})

void test('set changes the effective value, removes its duplicates, and changes nothing else', () => {
  fc.assert(
    fc.property(recordText, plainPathText, (line, text) => {
      const segments = parsePath(text)
      const keys = segments.flatMap((segment) => (segment.kind === 'keys' ? segment.keys : []))
      const root = parse(line)
      const target = effective(root, keys)
      if (target === undefined) return
      const expected = render(root, (node) => {
        if (node.start === target.start && node.steps.length === target.steps.length) return '[1,"new"]'
        return node.steps.length > 0 && leadsTo(segments, node.steps) ? null : undefined
      })
      const record = recordView(openOne(line), 0).set(text, [1, 'new'])
      assert.equal(minified(recordLine(record)), minified(textOf(expected)))
      assert.deepEqual(record.get(text), [1, 'new'])
    }),
    RUNS,
  )
})

void test('set creates missing objects', () => {
  fc.assert(
    fc.property(recordText, fc.constantFrom('new', 'a.new', 'a.b.new', 'new.b.c', '["n w"]'), (line, text) => {
      const keys = parsePath(text).flatMap((segment) => (segment.kind === 'keys' ? segment.keys : []))
      const record = recordView(openOne(line), 0)
      const parents = keys.slice(0, -1).map((_, depth) => effective(parse(line), keys.slice(0, depth + 1)))
      if (parents.some((node) => node !== undefined && node.raw !== 'null' && node.raw[0] !== '{')) {
        assert.throws(() => record.set(text, 7), { code: 'VALUE_INVALID' })
        assert.equal(recordLine(record).toString(), line)
        return
      }
      record.set(text, 7)
      const expected: unknown = JSON.parse(line)
      let holder = unchecked<{ [key: string]: unknown }>(expected)
      for (const key of keys.slice(0, -1)) {
        holder[key] ??= {}
        holder = unchecked(holder[key])
      }
      holder[keys.at(-1) ?? ''] = 7
      assert.deepEqual(JSON.parse(recordLine(record).toString()), expected)
      assert.deepEqual(record.value, expected)
    }),
    RUNS,
  )
})

void test('delete removes every duplicate, on every path', () => {
  fc.assert(
    fc.property(recordText, pathText, (line, text) => {
      const segments = parsePath(text)
      const record = recordView(openOne(line), 0).delete(text)
      const expected = render(parse(line), (node) =>
        node.steps.length > 0 && leadsTo(segments, node.steps) ? null : undefined,
      )
      assert.equal(minified(recordLine(record)), minified(textOf(expected)))
      assert.equal(record.has(text), false)
    }),
    RUNS,
  )
})

/**
 * A changed copy: random numbers decide for each member whether it stays, is removed, is replaced
 * or is changed inside.
 */
function mutate(value: Json, next: () => number, depth: number): Json {
  if (typeof value !== 'object' || value === null || depth === 0) return next() % 2 === 0 ? value : 'new'
  if (Array.isArray(value)) {
    const list = value as readonly Json[]
    const kept = list.filter(() => next() % 4 > 0)
    const changed = kept.map((element) => (next() % 3 === 0 ? mutate(element, next, depth - 1) : element))
    return next() % 3 === 0 ? [...changed, { added: true }] : changed
  }
  const members = Object.entries(value).flatMap(([key, member]): [string, Json][] => {
    const draw = next() % 6
    if (draw === 0) return []
    return [[key, draw < 3 ? mutate(member, next, depth - 1) : member]]
  })
  if (next() % 3 === 0) members.push([`added${next()}`, [null, 'x']])
  return Object.fromEntries(members)
}

void test('writes a returned object, and keeps the bytes of unchanged values', () => {
  fc.assert(
    fc.property(recordText, fc.array(fc.nat({ max: 20 }), { minLength: 1, maxLength: 15 }), (line, numbers) => {
      const record = recordView(openOne(line), 0)
      let draw = 0
      const returned: JsonObject = unchecked(mutate(record.value, () => numbers[draw++ % numbers.length], 4))
      let changed: Buffer
      try {
        changed = changedLine(record, returned)
      } catch (error) {
        // JavaScript cannot represent some numbers. If such a number has to be rewritten, writing
        // the line throws.
        assert.ok(line.includes('1e400'), String(error))
        assert.ok(error instanceof SluiceError && error.code === 'VALUE_INVALID')
        return
      }
      assert.deepEqual(JSON.parse(changed.toString()), returned)
      const before = parse(line)
      const after = parse(changed.toString())
      for (const [key, member] of Object.entries(returned)) {
        if (!Object.hasOwn(record.value, key) || !Object.is(record.value[key], member)) continue
        assert.equal(effective(after, [key])?.raw, effective(before, [key])?.raw)
      }
    }),
    RUNS,
  )
})

void test('an object without changes keeps all bytes', () => {
  fc.assert(
    fc.property(recordText, (line) => {
      const record = recordView(openOne(line), 0)
      assert.equal(changedLine(record, record.value).toString(), line)
      assert.equal(changedLine(record, { ...record.value }).toString(), line)
      assert.equal(changedLine(record, structuredClone(record.value)).toString(), line)
    }),
    RUNS,
  )
})

function textOfLines(lines: readonly string[]): string {
  return lines.map((line) => `${line}\n`).join('')
}

function describeAll(batches: readonly Batch[], lineOffset: number): string[] {
  return batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, record) =>
      [
        batch.lineOf(record) + lineOffset,
        batch.states[record],
        batch.fault(record),
        batch.line(record).toString(),
      ].join(' '),
    ),
  )
}

void test('gives the same records wherever the input is split', () => {
  const anyLine = fc.oneof(
    { weight: 4, arbitrary: recordText },
    fc.constantFrom('', ' \t', '[1]', '{', 'nul', '{"a":1}\r', '\u00e9'),
  )
  fc.assert(
    fc.property(fc.array(anyLine, { maxLength: 12 }), fc.nat({ max: 12 }), pathTexts, (lines, border, texts) => {
      const { paths } = addAll(texts)
      const whole = describeAll(open(textOfLines(lines), paths), 0)
      const parts = [
        ...describeAll(open(textOfLines(lines.slice(0, border)), paths), 0),
        ...describeAll(open(textOfLines(lines.slice(border)), paths), Math.min(border, lines.length)),
      ]
      assert.deepEqual(parts, whole)
    }),
    RUNS,
  )
})

void test('minified JSON has the same tokens and no line feed', () => {
  fc.assert(
    fc.property(valueText, fc.constantFrom(0, 1, 2, '\t'), (text, indent) => {
      const value: unknown = JSON.parse(text)
      const pretty = JSON.stringify(value, null, indent)
      assert.equal(minify(Buffer.from(pretty)).toString(), JSON.stringify(value))
      assert.equal(
        minified(text),
        render(parse(text), () => undefined),
      )
    }),
    RUNS,
  )
})
