import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Hash } from 'node:crypto'
import * as fc from 'fast-check'
import { SluiceError } from '../../../src/errors.ts'
import { Edit, RecordState } from '../../../src/record/batch.ts'
import type { Batch } from '../../../src/record/batch.ts'
import { openBatches } from '../../../src/record/open-batches.ts'
import { parsePath } from '../../../src/record/paths/grammar.ts'
import type { Json } from '../../../src/record/json/json.ts'
import { LineSplitter } from '../../../src/record/lines/line-splitter.ts'
import { minify } from '../../../src/record/json/minify.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import { rebuild } from '../../../src/record/rebuild.ts'
import { defaultLimits, RECORD_STRIDE } from '../../../src/record/scan.ts'
import type { NewLine } from '../../../src/record/reuse-lines.ts'
import { recordChange, recordView } from '../../../src/record/author/record-view.ts'
import { pathText, plainPathText, recordText, valueText } from '../../record/arbitrary.ts'
import { splitAt } from '../../record/split-input.ts'
import { bytes as byteCases } from '../../record/grammar-cases.ts'
import { bytesOf, leadsTo, parse, render, textOf, visibleDescendants } from '../../record/model.ts'
import type { Node } from '../../record/model.ts'
import { unchecked } from '../../record/unchecked.ts'

/** Most lines in one run; a case is one line with one plan. */
const MAX_LINES = 24

export interface Tally {
  cases: number
  /**
   * For each run a hash of all results: indexes, values, codes, output. Two engines that agree have
   * the same hashes.
   */
  readonly outcomes: string[]
}

/**
 * Runs random lines through the engine of this thread and compares the results with a simple model
 * built on JSON.parse: hits and values, reject codes, and the output of edits, `set` and `delete`,
 * wherever chunks and batches end.
 */
export function runCases(seed: number, runs: number): Tally {
  const tally: Tally = { cases: 0, outcomes: [] }
  fc.assert(
    fc.property(inputs, (input) => {
      const hash = createHash('sha256')
      const lines = input.lines.flatMap(separate).map(describe)
      for (const plan of input.plans) tally.cases += runPlan(lines, plan, hash)
      tally.outcomes.push(hash.digest('base64'))
    }),
    { seed, numRuns: runs },
  )
  return tally
}

interface Plan {
  readonly paths: readonly string[]
  /** Where the parts of the input end, and after which of them the batch does. */
  readonly offsets: readonly number[]
  readonly flushes: readonly boolean[]
  /** What happens to the hits of a record: 0 deletes, 1 and 2 replace. */
  readonly edits: readonly number[]
  readonly values: readonly string[]
  /** What custom code does with each record in turn. */
  readonly actions: readonly ('keep' | 'set' | 'delete' | 'drop')[]
  readonly set: string
  readonly value: Json
  readonly delete: string
}

interface Input {
  readonly lines: readonly Buffer[]
  readonly plans: readonly Plan[]
}

const junk = fc.constantFrom(
  ...Array.from('{}[],:"\\01.e-t \u0001xu\r\u00e9'),
  '\\x',
  '\\u12g4',
  '"\\',
  '-',
  '1e',
  '"a":',
)
const mutation = fc.record({ at: fc.nat(), text: junk, kind: fc.constantFrom('insert', 'delete', 'replace') })
const damage = fc.record({ at: fc.nat(), bytes: fc.constantFrom(...Object.values(byteCases)) })

/** Records that the paths match often; freely drawn records rarely do. */
const shaped = fc.constantFrom(
  '{"a":null}',
  '{"a":{"b":null,"c":1},"b":null}',
  '{"a":{"b":{"c":"x"}},"b":{"a":[1,[2]]}}',
  '{"a":{"b":1},"a":{"b":2,"b":3}}',
  '{"a":{"b":1},"\\u0061":{}}',
  '{"a":[{"b":1},{"b":2},[{"b":3}]],"b":[[1.10],[]]}',
  '{"a":{"a":{"a":{"a":{}}}},"c":{"password":"x","pass\\u0077ord":"y"}}',
  '{"changes":[{"field":"password","from":"x","to":1.0}],"changes":{"from":null}}',
)

const line = fc
  .record({
    before: fc.constantFrom('', '', '', ' ', '\t '),
    text: fc.oneof({ weight: 4, arbitrary: recordText }, shaped),
    after: fc.constantFrom('', '', '', '\r', ' \r'),
    mutations: fc.oneof({ weight: 5, arbitrary: fc.constant([]) }, fc.array(mutation, { minLength: 1, maxLength: 2 })),
    damaged: fc.option(damage, { freq: 12 }),
  })
  .map(({ before, text, after, mutations, damaged }) => {
    let mutated = before + text + after
    for (const { at, text: inserted, kind } of mutations) {
      const place = at % (mutated.length + 1)
      const rest = kind === 'insert' ? place : place + 1
      mutated = mutated.slice(0, place) + (kind === 'delete' ? '' : inserted) + mutated.slice(rest)
    }
    const bytes = Buffer.from(mutated)
    if (damaged === null) return bytes
    const at = damaged.at % (bytes.length + 1)
    return Buffer.concat([bytes.subarray(0, at), Buffer.from(damaged.bytes), bytes.subarray(at)])
  })
const stray = fc.constantFrom('', ' ', '\r', 'null', '[]', '1', '"a"', '{}', `{"a":${'['.repeat(70)}${']'.repeat(70)}}`)

const plans = fc.record<Plan>({
  paths: fc.uniqueArray(pathText, { minLength: 1, maxLength: 6 }),
  offsets: fc.array(fc.nat(4000), { maxLength: 6 }),
  flushes: fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }),
  edits: fc.array(fc.nat({ max: 7 }), { minLength: 1, maxLength: 7 }),
  values: fc.array(valueText, { minLength: 1, maxLength: 2 }),
  actions: fc.array(fc.constantFrom('keep', 'keep', 'set', 'delete', 'drop'), { minLength: 1, maxLength: 5 }),
  set: plainPathText,
  value: fc.constantFrom<Json>(null, 7, 'new', [1, { a: 'x' }], { b: { c: [] } }),
  delete: pathText,
})

const inputs = fc.record<Input>({
  lines: fc.array(
    fc.oneof({ weight: 14, arbitrary: line }, { weight: 1, arbitrary: stray.map((text) => Buffer.from(text)) }),
    { minLength: 8, maxLength: MAX_LINES },
  ),
  plans: fc.array(plans, { minLength: 4, maxLength: 4 }),
})

/** A line in the model. */
interface Line {
  readonly bytes: Buffer
  /** Without the whitespace around it; undefined if it is rejected. */
  readonly text: string | undefined
  readonly root: Node | undefined
  readonly code: string | undefined
}

/** NUL bytes end a line, and a byte order mark before one is skipped. */
function separate(bytes: Buffer): Buffer[] {
  const parts = bytes.toString('latin1').split(/\0+/)
  const texts = parts
    .map((part, at) => (at > 0 ? part.replace(/^[ \t\r]+/, '') : part))
    .map((text) => text.replace(/^(\u00ef\u00bb\u00bf)+/, ''))
    .filter((text) => text !== '')
  return (texts.length > 0 ? texts : ['']).map((text) => Buffer.from(text, 'latin1'))
}

function describe(bytes: Buffer): Line {
  const code = codeOf(bytes)
  const text = code === undefined ? bytes.toString().replace(/^[ \t\r]+|[ \t\r]+$/g, '') : undefined
  return { bytes, text, code, root: text === undefined ? undefined : parse(text) }
}

function codeOf(bytes: Buffer): string | undefined {
  let value: unknown
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes))
  } catch (error) {
    return error instanceof SyntaxError ? 'INVALID_JSON' : 'INVALID_UTF8'
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'NOT_AN_OBJECT'
  return isDeep(value, defaultLimits.maxDepth) ? 'TOO_DEEP' : undefined
}

function isDeep(value: unknown, left: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  return left === 0 || Object.values(value).some((inner) => isDeep(inner, left - 1))
}

function isBlank({ bytes }: Line): boolean {
  return /^[ \t\r]*$/.test(bytes.toString('latin1'))
}

/** Returns the number of lines that were checked. */
function runPlan(lines: readonly Line[], plan: Plan, hash: Hash): number {
  const paths = new Paths()
  for (const text of plan.paths) paths.add(text)
  const expected = lines.filter((candidate) => !isBlank(candidate))
  let next = 0
  for (const batch of open(lines, plan, paths)) {
    hash.update(batch.index.records).update(batch.index.hits).update(batch.index.columns)
    const texts: (string | undefined)[] = []
    const codes: (string | undefined)[] = []
    const own = expected.slice(next, next + batch.count)
    next += batch.count
    for (const [record, { code, text, root, bytes }] of own.entries()) {
      assert.equal(lines[batch.lineOf(record) - 1].bytes, bytes)
      const reject = batch.rejects.find((candidate) => candidate.record === record)
      assert.equal(reject?.code, code)
      codes.push(code)
      if (text === undefined || root === undefined) {
        texts.push(undefined)
        continue
      }
      compareValues(batch, record, text, root, plan, hash)
      texts.push(editRecord(batch, record, root, plan))
    }
    compareOutput(batch, texts, plan, hash)
  }
  assert.equal(next, expected.length)
  return expected.length
}

function open(lines: readonly Line[], { offsets, flushes }: Plan, paths: Paths): Batch[] {
  const bytes = Buffer.concat(lines.flatMap((one) => [one.bytes, LINE_FEED]))
  const splitter = new LineSplitter({ maxLine: defaultLimits.maxLine })
  const chunks = splitAt(bytes, offsets).flatMap((part, at) => [
    ...splitter.push(part),
    ...(flushes[at % flushes.length] ? splitter.flush() : []),
  ])
  return [...chunks, ...splitter.end()].flatMap(({ bytes: lineBytes, line: number }) =>
    openBatches(
      { bytes: lineBytes, origin: { name: '', line: number } },
      { partition: '', number: 0, paths, limits: defaultLimits },
    ),
  )
}

const LINE_FEED = Buffer.from('\n')

function compareValues(batch: Batch, record: number, text: string, root: Node, { paths }: Plan, hash: Hash): void {
  const view = recordView(batch, record)
  const value: unknown = JSON.parse(text)
  for (const path of paths) {
    const segments = parsePath(path)
    const keys = segments.flatMap((segment) =>
      segment.kind === 'keys' && segment.keys.length === 1 ? segment.keys : [],
    )
    const plain = keys.length === segments.length
    const found = plain ? navigate(value, keys) : valuesAt(root, path)
    const got = JSON.stringify(view.get(path))
    assert.equal(got, JSON.stringify(found), path)
    assert.equal(view.has(path), plain ? found !== undefined : Array.isArray(found) && found.length > 0, path)
    if (typeof found === 'string') assert.equal(view.text(path), found)
    hash.update(`${got} ${view.text(path)}`)
  }
}

function navigate(value: unknown, keys: readonly string[]): unknown {
  let inner = value
  for (const key of keys) {
    const isObject = typeof inner === 'object' && inner !== null && !Array.isArray(inner) && Object.hasOwn(inner, key)
    inner = isObject ? unchecked<{ [key: string]: unknown }>(inner)[key] : undefined
  }
  return inner
}

function valuesAt(root: Node, path: string): unknown[] {
  const segments = parsePath(path)
  return visibleDescendants(root)
    .filter(({ steps }) => leadsTo(segments, steps))
    .map(({ raw }): unknown => JSON.parse(textOf(raw)))
}

/** Edits hits as redaction does. Returns the minified line that the model expects. */
function editRecord(batch: Batch, record: number, root: Node, { edits, values }: Plan): string {
  const { records } = batch.index
  const start = records[RECORD_STRIDE * record]
  const changes = new Map<number, string | null>()
  for (let hit = records[RECORD_STRIDE * record + 2]; hit < records[RECORD_STRIDE * record + 6]; hit++) {
    const draw = edits[hit % edits.length]
    if (draw > 2 || batch.edits[hit] === Edit.shadowed) continue
    const value = values[draw % values.length]
    batch.edit(hit, draw === 0 ? Edit.delete : batch.token(Buffer.from(value)))
    changes.set(batch.span(hit).start - start, draw === 0 ? null : bytesOf(value))
  }
  return textOf(render(root, (node) => (node.steps.length === 0 ? undefined : changes.get(node.start))))
}

function compareOutput(batch: Batch, texts: readonly (string | undefined)[], plan: Plan, hash: Hash): void {
  const expected: string[] = []
  const lines: NewLine[] = []
  for (const [record, text] of texts.entries()) {
    if (text === undefined) continue
    assert.equal(minified(batch.line(record)), minified(Buffer.from(text)))
    const action = plan.actions[record % plan.actions.length]
    const view = recordView(batch, record)
    if (action === 'drop') {
      batch.drop(record, 'boring')
      continue
    }
    if (action === 'keep') expected.push(canonical(text))
    if (action === 'delete') {
      view.delete(plan.delete)
      const segments = parsePath(plan.delete)
      const rest = render(parse(text), ({ steps }) => (steps.length > 0 && leadsTo(segments, steps) ? null : undefined))
      expected.push(canonical(textOf(rest)))
    }
    if (action === 'set') expected.push(setInModel(text, plan, () => void view.set(plan.set, plan.value)))
    lines.push({ ...recordChange(view, batch, record), from: record })
  }
  const parts = rebuild(batch, lines)
  const output = Buffer.concat(parts.map((part) => part.assemble()))
  const printed = output.toString().split('\n').slice(0, -1)
  assert.deepEqual(printed.map(canonical), expected)
  const codes = parts.flatMap((part) => part.rejects.map(({ code }) => code))
  assert.equal(codes.length, texts.filter((text) => text === undefined).length)
  hash.update(output).update(codes.join())
  for (const part of parts) {
    for (let record = 0; record < part.count; record++) {
      if (part.states[record] === RecordState.rejected) hash.update(part.line(record))
    }
  }
}

/**
 * The expected result of `set`; checks that `set` throws where a path leads through a value that is
 * not an object.
 */
function setInModel(text: string, { set, value }: Plan, callSet: () => void): string {
  const object: { [key: string]: unknown } = JSON.parse(text)
  const keys = parsePath(set).flatMap((segment) => (segment.kind === 'keys' ? segment.keys : []))
  let holder: { [key: string]: unknown } | undefined = object
  for (const key of keys.slice(0, -1)) {
    const inner: unknown = Object.hasOwn(holder, key) ? holder[key] : undefined
    if (inner !== undefined && inner !== null && (typeof inner !== 'object' || Array.isArray(inner))) {
      assert.throws(callSet, (error) => error instanceof SluiceError && error.code === 'VALUE_INVALID')
      return canonical(text)
    }
    holder[key] ??= {}
    holder = unchecked<{ [key: string]: unknown }>(holder[key])
  }
  callSet()
  holder[keys[keys.length - 1]] = value
  return JSON.stringify(sorted(object))
}

function minified(json: Buffer): string {
  return minify(Buffer.from(json)).toString('latin1')
}

/** The value as JSON.parse reads it, with members in a fixed order. */
function canonical(text: string): string {
  return JSON.stringify(sorted(JSON.parse(text)))
}

/** Returns entries, because an object may have a member `__proto__`. */
function sorted(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(sorted)
  return {
    members: Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, member]) => [key, sorted(member)]),
  }
}
