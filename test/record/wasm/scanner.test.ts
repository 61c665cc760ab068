import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { isUtf8 } from 'node:buffer'
import { pathToFileURL } from 'node:url'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Paths } from '../../../src/record/paths/path.ts'
import { defaultLimits, HIT_STRIDE, MAX_HITS, MAX_RECORDS } from '../../../src/record/record-index.ts'
import type { RecordIndex, ScanLimits, ScanTask } from '../../../src/record/record-index.ts'
import { scanLines } from '../../../src/record/scan-typescript.ts'
import { scannerInUse } from '../../../src/record/fast-scanner.ts'
import { scan } from '../../../src/record/scan.ts'
import { WasmScanner } from '../../../src/record/wasm/scanner.ts'
import { WATCHED } from '../../../src/transforms/redact/forms.ts'
import { createEventSet } from '../../servers/events.ts'
import { pathText, recordText } from '../arbitrary.ts'
import { bytes as byteCases, values } from '../grammar-cases.ts'
import { codeFile } from '../../support/paths.ts'
import { scaled } from '../../support/scale.ts'

interface Capacity {
  readonly maxRecords: number
  readonly maxHits: number
}

const ordinary: Capacity = { maxRecords: MAX_RECORDS, maxHits: MAX_HITS }
const wasm = new WasmScanner()

function pathsOf(texts: readonly string[]): Paths {
  const paths = new Paths()
  for (const text of texts) paths.add(text)
  return paths
}

function linesOf(texts: readonly string[]): Buffer {
  return Buffer.from(texts.map((text) => `${text}\n`).join(''))
}

function taskOf(bytes: Buffer, limits: ScanLimits = defaultLimits, capacity = ordinary): ScanTask {
  return { bytes, limits, utf8: isUtf8(bytes), ...capacity }
}

/**
 * Each scanner has its own paths, so that it does not depend on the transitions that the other one
 * computed.
 */
function assertSame(bytes: Buffer, texts: readonly string[], limits?: ScanLimits): void {
  const task = taskOf(bytes, limits)
  const index = wasm.scanLines(task, pathsOf(texts).automaton())
  assert.notEqual(index, undefined)
  assert.deepEqual(index, scanLines(task, pathsOf(texts).automaton()))
}

/** Scans all bytes, into as many indexes as needed. */
function scanAll(task: ScanTask, scanOne: (task: ScanTask) => RecordIndex): RecordIndex[] {
  const indexes: RecordIndex[] = []
  for (let at = 0; at < task.bytes.length;) {
    const index = scanOne({ ...task, bytes: task.bytes.subarray(at) })
    assert.ok(index.scanned > 0)
    indexes.push(index)
    at += index.scanned
  }
  return indexes
}

function nested(depth: number): string {
  return `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`
}

const junk = fc.constantFrom(...Array.from('{}[],:"\\01.e-t \u0001xu\r\n\u00e9'))
const mutation = fc.record({ at: fc.nat(), text: junk, kind: fc.constantFrom('insert', 'delete', 'replace') })
const line = fc
  .record({
    before: fc.constantFrom('', '', ' ', '\t ', ' '.repeat(40)),
    text: recordText,
    after: fc.constantFrom('', '', '\r', '  \r'),
    mutations: fc.oneof(fc.constant([]), fc.constant([]), fc.array(mutation, { maxLength: 2 })),
  })
  .map(({ before, text, after, mutations }) => {
    let mutated = before + text + after
    for (const { at, text: inserted, kind } of mutations) {
      const place = at % (mutated.length + 1)
      const rest = kind === 'insert' ? place : place + 1
      mutated = mutated.slice(0, place) + (kind === 'delete' ? '' : inserted) + mutated.slice(rest)
    }
    return mutated
  })
const stray = fc.constantFrom('', ' ', '\r', '\t\r', 'null', '[]', '1', '"a"', '{}')
const texts = fc.array(fc.oneof({ weight: 5, arbitrary: line }, { weight: 1, arbitrary: stray }), { maxLength: 8 })
const damage = fc.option(fc.record({ at: fc.nat(), bytes: fc.constantFrom(...Object.values(byteCases)) }), { freq: 4 })
const input = fc.tuple(texts, damage).map(([lines, damaged]) => {
  const bytes = linesOf(lines)
  if (damaged === null || bytes.length === 0) return bytes
  const at = damaged.at % bytes.length
  return Buffer.concat([bytes.subarray(0, at), Buffer.from(damaged.bytes), bytes.subarray(at)])
})
const limits = fc.record({ maxDepth: fc.integer({ min: 1, max: 8 }), maxLine: fc.integer({ min: 2, max: 300 }) })
const pathTexts = fc.array(pathText, { maxLength: 8 })

test('both scanners return the same index for any lines, paths and limits', () => {
  fc.assert(
    fc.property(input, pathTexts, limits, (bytes, paths, limit) => assertSame(bytes, paths, limit)),
    { numRuns: scaled(3000) },
  )
})

test('both scanners end a full index at the same line', () => {
  const capacity = fc.record({ maxRecords: fc.integer({ min: 1, max: 5 }), maxHits: fc.integer({ min: 1, max: 20 }) })
  let splits = 0
  let left = 0
  fc.assert(
    fc.property(input, pathTexts, limits, capacity, (bytes, paths, limit, capacityLimit) => {
      const task = taskOf(bytes, limit, capacityLimit)
      const fast = pathsOf(paths).automaton()
      const plain = pathsOf(paths).automaton()
      const indexes = scanAll(task, (part) => {
        const index = wasm.scanLines(part, fast)
        if (index === undefined) left++
        else if (index.scanned < part.bytes.length) splits++
        return index ?? scanLines(part, fast)
      })
      assert.deepEqual(
        indexes,
        scanAll(task, (part) => scanLines(part, plain)),
      )
    }),
    { numRuns: scaled(1500) },
  )
  assert.ok(splits > 1000 && left > 10, `${splits} splits, ${left} left to TypeScript`)
})

test('both scanners return the same index for every grammar case, alone and among others', () => {
  const cases = Object.values(values)
    .flat()
    .filter((text) => !text.includes('\n'))
    .flatMap((text) => [text, `{"a":${text}}`, `[${text}]`, `{"a":[0,${text},0],"b":0}`])
  assert.ok(cases.length > 1000)
  for (const text of cases) assertSame(linesOf([text]), ['a', '**'])
  assertSame(linesOf(cases), ['a', 'a[*]', 'b', '**'])
  const invalid = Object.values(byteCases).map((bytes) =>
    Buffer.concat([Buffer.from('{"a":"'), Buffer.from(bytes), Buffer.from('"}\n{"b":1}\n')]),
  )
  for (const bytes of [...invalid, Buffer.concat(invalid)]) assertSame(bytes, ['a', 'b'])
})

test('both scanners return the same index for events, wherever a line is in the window', () => {
  const set = createEventSet({ seed: 7, count: 4000, start: 1.7e12, end: 1.71e12 })
  const events = Array.from({ length: set.count }, (_, index) => set.text(index))
  const paths = ['id', 'timestamp', 'initiated_by.username', 'changes[*].{from,to}', '**./pass|secret/i', 'geoip']
  assertSame(linesOf(events), paths)
  const mixed = events.flatMap((event, at) => [event, at % 5 === 0 ? ' '.repeat(at) : `{"id":"${'x'.repeat(at * 3)}"}`])
  assertSame(linesOf(mixed), paths)
  for (const length of [131_071, 131_072, 131_073, 1_048_575]) {
    const long = `{"id":"${'x'.repeat(length - 10)}"}`
    assertSame(linesOf([events[0], long, events[1], long, '', events[2]]), paths)
  }
})

test('leaves a line that exceeds the memory of the module to TypeScript', () => {
  const bytes = linesOf(['{"a":1}', `{"a":"${'x'.repeat(1 << 20)}"}`, '{"a":2}'])
  const limit = { maxDepth: 64, maxLine: 1 << 22 }
  const paths = pathsOf(['a'])
  assert.equal(wasm.scanLines(taskOf(bytes, limit), paths.automaton()), undefined)
  assert.equal(scan(bytes, paths, limit).hits.length, 3 * HIT_STRIDE)
})

test('scans nesting as deep as a pipeline may allow, and leaves deeper nesting to TypeScript', () => {
  assertSame(linesOf([nested(999), nested(1000), nested(1001)]), ['**.a', 'a.a.a'], { maxDepth: 1000, maxLine: 1e6 })
  const limit = { maxDepth: 5000, maxLine: 1e6 }
  const paths = pathsOf(['**.a'])
  assert.equal(wasm.scanLines(taskOf(linesOf([nested(2000)]), limit), paths.automaton()), undefined)
  assert.equal(scan(linesOf([nested(2000)]), paths, limit).hits.length, 2000 * HIT_STRIDE)
})

test('returns the same columns if many paths match a value, and if the columns exceed the memory of the module', () => {
  const many = ['a', '*', '**', '{a,b}', '{a,c}', '{a,d}', '/a/', '/^a/', '/a$/', '**.a', '**.*']
  assertSame(linesOf(['{"a":1,"b":2}', '{"b":1}', '{"a":{"a":1},"a":2}']), many)
  const wide = Array.from({ length: 40 }, (_, key) => `k${key}`)
  assertSame(linesOf(Array.from({ length: 8000 }, (_, at) => `{"k${at % 50}":${at},"k3":1}`)), wide)
})

test('distinguishes keys of any length', () => {
  const keys = Array.from({ length: 80 }, (_, length) => 'k'.repeat(length))
  const near = keys.flatMap((key) => [key, `${key}x`, `x${key}`, key.slice(1) + 'x', key.replace(/^(.{20})./, '$1x')])
  const records = near.map((key, at) => `{"${key}":1,"${near[(at * 7) % near.length]}" : 2}`)
  const paths = [...keys.keys()].filter((length) => length % 3 === 1).map((length) => 'k'.repeat(length))
  assertSame(linesOf([...records, ...records.toReversed(), ...records]), [...paths, '*'])
})

test('one scanner serves many pipelines in turn', () => {
  const lines = linesOf(['{"a":{"b":1},"c":[1,2]}', '{"b":{"a":"x"},"a":[{"b":2}]}'])
  const all = Array.from({ length: 11 }, (_, at) => [['a', 'a.b', 'c[*]', 'b.a', '**.b'][at % 5], `k${at}`, 'b'])
  const pipelines = all.map((paths) => ({ own: pathsOf(paths), other: pathsOf(paths) }))
  for (let round = 0; round < 3; round++) {
    for (const [at, { own, other }] of pipelines.entries()) {
      if (round === 2) for (const paths of [own, other]) paths.add(`*.k${at}`)
      const index = wasm.scanLines(taskOf(lines), own.automaton())
      assert.deepEqual(index, scanLines(taskOf(lines), other.automaton()))
    }
  }
})

test('ever new keys take no memory', () => {
  const paths = pathsOf(['*.a', '**./secret/', 'a'])
  const other = pathsOf(['*.a', '**./secret/', 'a'])
  const automaton = paths.automaton()
  const before = wasm.memoryBytes
  for (let round = 0; round < 20; round++) {
    const records = Array.from({ length: 500 }, (_, at) => {
      const key = `${round}_${at * 7919}`
      return `{"${key}":{"a":1,"x${key}":{"secret${key}":2,"${key}${'y'.repeat(at % 60)}":3}},"a":"${key}"}`
    })
    const task = taskOf(linesOf(records))
    assert.deepEqual(wasm.scanLines(task, automaton), scanLines(task, other.automaton()))
  }
  assert.equal(wasm.memoryBytes, before)
  assert.ok(before < 8 << 20, `${before} bytes`)
  assert.equal(paths.automaton(), automaton)
})

test('a full automaton ends the index before the record that filled it, as in TypeScript', () => {
  const letters = Array.from('abcdefghijklmnop')
  const patterns = letters.map((letter) => `/${letter}/.x`)
  const keys = Array.from({ length: 40_000 }, (_, bits) =>
    letters.filter((_letter, at) => ((bits >> at) & 1) === 1).join(''),
  )
  const records = Array.from({ length: 400 }, (_, at) => keys.slice(at * 100, at * 100 + 100))
  const bytes = linesOf(records.map((part) => `{${part.map((key) => `"${key}":{"x":1}`).join(',')}}`))
  const ends = [wasm.scanLines.bind(wasm), scanLines].map((scanOne) => {
    const paths = pathsOf(patterns)
    const first = scanOne(taskOf(bytes), paths.automaton())
    assert.ok(first !== undefined && first.count > 0)
    const second = scanOne(taskOf(bytes.subarray(first.scanned)), paths.automaton())
    assert.equal(first.scanned + (second?.scanned ?? 0), bytes.length)
    return [first, second]
  })
  assert.deepEqual(ends[0], ends[1])
})

test('SLUICE_SCANNER forces a scanner', () => {
  const module = pathToFileURL(codeFile('src/record/fast-scanner.ts')).href
  const ask = (forced: string) => {
    const script = `import { fastScanner } from ${JSON.stringify(module)}; try { console.log(typeof fastScanner()) } catch (error) { console.log(error.code) }`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      env: { ...process.env, SLUICE_SCANNER: forced },
    })
    return stdout.trim()
  }
  assert.deepEqual(['', 'wasm', 'typescript', 'other'].map(ask), ['object', 'object', 'undefined', 'USAGE'])
})

test('scannerInUse reports the scanner and the reason, and never throws', () => {
  const module = pathToFileURL(codeFile('src/record/fast-scanner.ts')).href
  const ask = (forced: string, prelude = '') => {
    const script = `${prelude}; const { scannerInUse } = await import(${JSON.stringify(module)}); console.log(JSON.stringify(scannerInUse()))`
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', script], {
      encoding: 'utf8',
      env: { ...process.env, SLUICE_SCANNER: forced },
    })
    return stdout.trim()
  }
  assert.equal(ask('wasm'), '{"name":"wasm"}')
  assert.equal(ask(process.env['SLUICE_SCANNER'] ?? ''), JSON.stringify(scannerInUse()))
  assert.equal(ask('typescript'), '{"name":"typescript","reason":"SLUICE_SCANNER is typescript"}')
  assert.match(ask('other'), /^{"name":"typescript","reason":"SLUICE_SCANNER is .* must be wasm or typescript"}$/)
  const withoutWasm = 'delete globalThis.WebAssembly'
  assert.equal(ask('', withoutWasm), '{"name":"typescript","reason":"WebAssembly is not defined"}')
  assert.match(ask('wasm', withoutWasm), /the WebAssembly scanner cannot load"}$/)
})

test('the TypeScript scanner passes the tests in scan.test.ts', () => {
  const file = codeFile('test/record/scan.test.ts')
  const { status, stdout } = spawnSync(process.execPath, ['--test', '--test-reporter=tap', file], {
    encoding: 'utf8',
    // Without NODE_TEST_CONTEXT, Node starts a separate test run.
    env: { ...process.env, NODE_TEST_CONTEXT: undefined, SLUICE_SCANNER: 'typescript' },
  })
  assert.equal(status, 0, stdout)
  assert.match(stdout, /^# pass [1-9]/m)
})

test('finds the same strings with needles as TypeScript, wherever they are in the string', () => {
  const part = fc.constantFrom(
    'Bearer ',
    '--pass',
    '2024-03-04T18:01:26Z',
    'ghp_',
    'eyJ',
    'AKIA',
    'token=',
    'key: ',
    '://',
    '@',
    'a',
    '0',
    'é',
    '\\"',
    '\\u0041',
    '\\u00e9',
    '\\/',
    '\\\\',
    ' ',
    'x'.repeat(11),
  )
  const text = fc.array(part, { maxLength: 12 }).map((parts) => `"${parts.join('')}"`)
  const lines = linesOfValues(text, fc.constant('1'))
  let found = 0
  fc.assert(
    fc.property(lines, (rows) => {
      const task = taskOf(linesOf(rows))
      const index = wasm.scanLines(task, watching().automaton())
      assert.deepEqual(index, scanLines(task, watching().automaton()))
      found += index?.hits.length ?? 0
    }),
    { numRuns: scaled(500) },
  )
  assert.ok(found > 1000)
})

/** Records with texts, numbers and texts in lists. */
function linesOfValues(text: fc.Arbitrary<string>, number: fc.Arbitrary<string>): fc.Arbitrary<string[]> {
  const value = fc.oneof(
    text,
    number,
    text.map((inner) => `{"k":[${inner}]}`),
  )
  const record = fc
    .array(value, { maxLength: 8 })
    .map((list) => `{${list.map((one, at) => `"k${at}": ${one}`).join(',')}}`)
  return fc.array(record, { maxLength: 5 })
}

function watching(): Paths {
  const paths = pathsOf(['k0', '**.k'])
  paths.watch(WATCHED)
  return paths
}

test('reports the same strings and numbers with traits as the TypeScript scanner', () => {
  const part = fc.oneof(
    fc.constantFrom('@', '%', '.', ':', '::', '-', ' ', '1', 'A', 'a', '/', '\\"', '\\u0040', '\\\\', '\\n', '\u00e9'),
    fc.stringMatching(/^[0-9]{1,9}$/),
    fc.stringMatching(/^[0-9a-f]{2}([:-][0-9a-f]{2}){0,7}$/),
    fc.constantFrom('203.0.113.', 'aabb.ccdd.eeff', 'DE89', '4111 1111 ', 'x'.repeat(13)),
  )
  const text = fc.array(part, { maxLength: 9 }).map((parts) => `"${parts.join('')}"`)
  const number = fc.stringMatching(/^-?[1-9][0-9]{0,18}(\.[0-9]{1,9})?$/)
  const lines = linesOfValues(text, number)
  let found = 0
  fc.assert(
    fc.property(lines, fc.integer({ min: 1, max: 63 }), fc.boolean(), (rows, traits, alsoNeedles) => {
      const task = taskOf(linesOf(rows))
      const tracing = (): Paths => {
        const paths = pathsOf(['k0', '**.k'])
        if (alsoNeedles) paths.watch(WATCHED)
        paths.trace(traits)
        return paths
      }
      const index = wasm.scanLines(task, tracing().automaton())
      assert.deepEqual(index, scanLines(task, tracing().automaton()))
      found += index?.hits.length ?? 0
    }),
    { numRuns: scaled(500) },
  )
  assert.ok(found > 1000)
})
