import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Paths } from '../../src/record/paths/path.ts'
import {
  defaultLimits,
  DUPLICATE_KEYS,
  LineFault,
  FAULT_MASK,
  HIT_STRIDE,
  ValueKind,
  MAX_HITS,
  MAX_RECORDS,
  RECORD_STRIDE,
  scan,
} from '../../src/record/scan.ts'
import type { RecordIndex } from '../../src/record/scan.ts'
import { bytes as byteCases, values } from './grammar-cases.ts'

const NAMES = ['none', 'notObject', 'syntax', 'depth', 'length', 'utf8', 'complex']

function pathsOf(...texts: string[]): Paths {
  const paths = new Paths()
  for (const text of texts) paths.add(text)
  return paths
}

function lines(...texts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(texts.flatMap((text) => [Buffer.from(text), Buffer.from('\n')]))
}

function around(before: string, bytes: readonly number[], after: string): Buffer {
  return Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])
}

function nested(depth: number): string {
  return '{"a":'.repeat(depth) + '1' + '}'.repeat(depth)
}

/** Wraps arrays into an object. */
function mixed(depth: number): string {
  return `{"a":${'['.repeat(depth - 1)}${']'.repeat(depth - 1)}}`
}

function faults(index: RecordIndex): string[] {
  return Array.from(
    { length: index.count },
    (_, record) => NAMES[index.records[RECORD_STRIDE * record + 3] & FAULT_MASK],
  )
}

function expectedFault(text: string): string {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? 'none' : 'notObject'
  } catch {
    return 'syntax'
  }
}

function kindOf(number: string): number {
  const index = scan(lines(`{"n":${number}}`), pathsOf('n'))
  return index.hits[0] >>> 16
}

/** Blank lines are not records. */
const cases = Object.entries(values).flatMap(([about, texts]) =>
  texts
    .filter((text) => !text.includes('\n'))
    .flatMap((text) =>
      [text, `{"a":${text}}`, `[${text}]`, `{"a":[0,${text},0],"b":0}`].map((line) => [about, line] as const),
    ),
)

void test('has many grammar cases, valid and invalid', () => {
  const right = cases.filter(([, line]) => expectedFault(line) !== 'syntax')
  assert.ok(cases.length > 1000)
  assert.ok(right.length > 300 && cases.length - right.length > 300)
})

for (const about of Object.keys(values)) {
  void test(`accepts a line exactly if JSON.parse does: ${about}`, () => {
    for (const [, line] of cases.filter(([name]) => name === about)) {
      assert.deepEqual(faults(scan(lines(line), pathsOf('**'))), [expectedFault(line)], JSON.stringify(line))
    }
  })
}

void test('a faulty line does not affect other lines', () => {
  const all = cases.map(([, line]) => line)
  const index = scan(lines(...all), pathsOf('a'))
  assert.deepEqual(faults(index), all.map(expectedFault))
})

for (const [about, bytes] of Object.entries(byteCases)) {
  void test(`accepts the bytes that TextDecoder accepts: ${about}`, () => {
    let expected = 'none'
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(Uint8Array.from(bytes))
    } catch {
      expected = 'utf8'
    }
    const input = lines('{"a":1}', around('{"a":"', bytes, '"}'), around('{"', bytes, '":1}'), '{"b":2}')
    assert.deepEqual(faults(scan(input, pathsOf('a'))), ['none', expected, expected, 'none'])
  })
}

void test('a line that is not UTF-8 has no hits', () => {
  const index = scan(lines(Buffer.from('7b2261223a22ff227d', 'hex'), '{"a":1}'), pathsOf('a'))
  assert.equal(index.hits.length, HIT_STRIDE)
  assert.deepEqual([...index.columns], [0, 1])
})

void test('marks numbers as unusual that JavaScript may print differently', () => {
  const plain = [
    '0',
    '1',
    '-1',
    '10',
    '100000',
    '123456789012345',
    '0.5',
    '-0.5',
    '0.000001',
    '45.8491',
    '-119.7143',
    '0.1',
  ]
  const unusual = [
    '-0',
    '-0.0',
    '1.0',
    '1.10',
    '1e2',
    '1E2',
    '1e400',
    '0.0000001',
    '-0.00000012',
    '1234567890123456',
    '9007199254740993',
    '0.1234567890123456',
    '0e0',
    '0.0',
  ]
  for (const number of plain) assert.equal(kindOf(number), ValueKind.number, number)
  for (const number of unusual) assert.equal(kindOf(number), ValueKind.unusual, number)
  for (const number of plain) assert.equal(String(Number(number)), number)
})

void test('distinguishes the kinds of values', () => {
  const index = scan(lines('{"a":["x","\\n",{},[],true,false,null,1,1.0]}'), pathsOf('a[*]'))
  const kinds = Array.from({ length: 9 }, (_, hit) => index.hits[HIT_STRIDE * hit] >>> 16)
  assert.deepEqual(kinds, [1, 2, 3, 4, 5, 6, 7, 8, 9])
})

void test('a record extends from brace to brace, and line numbers count lines that are not records', () => {
  const text = ' \t{"a":1} \r\n\n \r\n{"a":2}\n\t\n[1]\r\n'
  const index = scan(Buffer.from(text), pathsOf('a'))
  assert.equal(index.count, 3)
  assert.equal(index.lines, 6)
  assert.deepEqual([...(index.lineNumbers ?? [])], [0, 3, 5])
  const spelled = [0, 1, 2].map((record) =>
    text.slice(index.records[RECORD_STRIDE * record], index.records[RECORD_STRIDE * record + 1]),
  )
  assert.deepEqual(spelled, ['{"a":1}', '{"a":2}', '[1]'])
})

void test('stores no line numbers if there are no blank lines', () => {
  assert.equal(scan(lines('{}', '{}'), pathsOf()).lineNumbers, undefined)
})

void test('blank lines contain no record', () => {
  const index = scan(Buffer.from('\n \n\r\n'), pathsOf('a'))
  assert.deepEqual([index.count, index.scanned, index.lines], [0, 5, 3])
})

void test('accepts nesting up to the limit and rejects it beyond', () => {
  const index = scan(lines(nested(64), nested(65), mixed(64), mixed(65), '{}'), pathsOf('**.a'))
  assert.deepEqual(faults(index), ['none', 'depth', 'none', 'depth', 'none'])
  assert.deepEqual(faults(scan(lines('{}', '{"a":[]}'), pathsOf(), { maxDepth: 1, maxLine: 99 })), ['none', 'depth'])
})

void test('nesting that would overflow a stack is a fault, not an exception', () => {
  const deep = ['{"a":', '['].map((open) => open.repeat(6000))
  assert.deepEqual(faults(scan(lines(...deep, `{"a":${'['.repeat(200_000)}`), pathsOf('**'))), [
    'depth',
    'depth',
    'depth',
  ])
  const index = scan(lines(`{"a":${'['.repeat(6000)}${']'.repeat(6000)}}`), pathsOf('**'), {
    maxDepth: 7000,
    maxLine: 1e6,
  })
  assert.deepEqual([faults(index), index.hits.length / HIT_STRIDE], [['none'], 6000])
})

void test('the length of a line includes whitespace, but not the carriage returns at its end', () => {
  const limits = { maxDepth: 64, maxLine: 10 }
  assert.deepEqual(
    faults(
      scan(
        lines(
          '{"a":1234}',
          '{"a":12345}',
          ' {"a":1234}',
          '{"\u00e9":123}',
          '{"\u00e9":1234}',
          '{"a":1234}\r\r',
          '{"a":1234} \r',
        ),
        pathsOf(),
        limits,
      ),
    ),
    ['none', 'length', 'length', 'none', 'length', 'none', 'length'],
  )
})

void test('flags a plain path that matches twice, whatever level has the duplicate key', () => {
  const doubled = [
    '{"a":1,"a":2}',
    '{"a":1,"\\u0061":2}',
    '{"x":{"y":1},"x":{}}',
    '{"x":{},"x":{"y":1}}',
    '{"x":{"y":1,"y":2}}',
    '{"x":1,"x":{"y":1}}',
  ]
  const single = [
    '{"a":1,"b":2}',
    '{"b":1,"b":2}',
    '{"c":{"a":1},"a":2}',
    '{"x":{"y":1,"z":1,"z":2}}',
    '{"p":[1,2]}',
    '{"a":{"a":{"a":1}}}',
  ]
  const paths = pathsOf('a', 'x.y', 'p[*]', '**.z')
  const flags = scan(lines(...doubled, ...single), paths)
  const flagged = Array.from(
    { length: flags.count },
    (_, record) => (flags.records[RECORD_STRIDE * record + 3] & DUPLICATE_KEYS) !== 0,
  )
  assert.deepEqual(flagged, [...doubled.map(() => true), ...single.map(() => false)])
})

void test('compares decoded keys', () => {
  const spelled = ['password', 'pass\\u0077ord', '\\u0070\\u0061\\u0073\\u0073\\u0077\\u006f\\u0072\\u0064']
  const others = ['Password', 'password ', 'pass\\\\u0077ord', 'passw\u00f6rd', '\uff50assword', 'passwor', 'passwordd']
  const index = scan(lines(...[...spelled, ...others].map((key) => `{"${key}":1}`)), pathsOf('password'))
  assert.deepEqual(
    [...index.columns].map((hit) => hit > 0),
    [...spelled.map(() => true), ...others.map(() => false)],
  )
})

void test('a key pattern also matches fullwidth, decomposed and escaped spellings', () => {
  const keys = [
    'password',
    'PASSWORD',
    '\uff50\uff41\uff53\uff53word',
    '\\uff30assword',
    'my_pass\\u0077ord',
    'passwo\u200brd',
  ]
  const index = scan(lines(...keys.map((key) => `{"x":{"${key}":1}}`)), pathsOf('**./password/i'))
  assert.deepEqual(
    [...index.columns].map((hit) => hit > 0),
    [true, true, true, true, true, false],
  )
  const accents = scan(lines('{"\u00e9":1}', '{"e\u0301":1}'), pathsOf('/\u00e9/'))
  assert.deepEqual([...accents.columns], [1, 2])
})

void test('ends a full index at a line border and reports the bytes covered', () => {
  const input = lines(...Array.from({ length: MAX_RECORDS + 10 }, () => '{"a":1}'))
  const index = scan(input, pathsOf('a'))
  assert.deepEqual([index.count, index.scanned, index.lines], [MAX_RECORDS, MAX_RECORDS * 8, MAX_RECORDS])
  assert.equal(scan(input.subarray(index.scanned), pathsOf('a')).count, 10)
})

void test('ends an index that is full of hits, and gives a record with too many hits an index of its own', () => {
  const half = `{"a":[${Array(MAX_HITS / 2 + 1)
    .fill('1')
    .join(',')}]}`
  const huge = `{"a":[${Array(MAX_HITS * 3)
    .fill('1')
    .join(',')}]}`
  const input = lines('{"a":[1]}', half, half, huge, '{"a":[2]}')
  const counts: number[][] = []
  for (let at = 0; at < input.length;) {
    const index = scan(input.subarray(at), pathsOf('a[*]'))
    counts.push([index.count, index.hits.length / HIT_STRIDE])
    assert.deepEqual(faults(index), faults(index).fill('none'))
    at += index.scanned
  }
  assert.deepEqual(counts, [
    [2, MAX_HITS / 2 + 2],
    [1, MAX_HITS / 2 + 1],
    [1, MAX_HITS * 3],
    [1, 1],
  ])
})

void test('later scans do not change an index', () => {
  const paths = pathsOf('a', '**.b')
  const first = scan(lines('{"a":{"b":1}}'), paths)
  const copy = structuredClone(first)
  scan(lines('{"b":[1,{"b":2}],"a":3}', '{"a":4}'), paths)
  paths.add('c')
  scan(lines('{"c":3}'), paths)
  assert.deepEqual(first, copy)
})

void test('adds a later path to the next index, and keeps the numbers of older paths', () => {
  const paths = pathsOf('a')
  const before = scan(lines('{"a":1,"b":2}'), paths)
  const b = paths.add('b')
  const after = scan(lines('{"a":1,"b":2}'), paths)
  assert.deepEqual([before.pathCount, after.pathCount], [1, 2])
  assert.deepEqual([...after.columns], [1, 2])
  assert.deepEqual(after.accepts[after.hits[HIT_STRIDE] & 0xffff], [b.id])
  assert.deepEqual(before.accepts[before.hits[0] & 0xffff], [0])
})

void test('ever new keys do not grow the automaton', () => {
  const paths = pathsOf('**./x/', '**./y/.z', 'id')
  for (let batch = 0; batch < 20; batch++) {
    const input = lines(
      ...Array.from({ length: 500 }, (_, n) => `{"k${batch}_${n}":1,"${'long'.repeat(30)}${n}":{"x${n}":2},"id":3}`),
    )
    const index = scan(input, paths)
    assert.equal(index.hits.length / HIT_STRIDE, 1000)
    assert.ok(index.accepts.length < 10)
  }
})

/**
 * Keys for 17 patterns: each key matches another combination of them. Together they need more
 * states than an automaton can number.
 */
function* combinations(): Generator<string> {
  for (let bits = 1; bits < 1 << 17; bits++) {
    let key = ''
    for (let letter = 0; letter < 17; letter++) if ((bits >> letter) & 1) key += String.fromCharCode(97 + letter)
    yield `"${key}":{}`
  }
}

void test('ends an index early if keys match too many combinations of paths, and loses no hit', () => {
  const paths = pathsOf(...Array.from({ length: 17 }, (_, letter) => `/${String.fromCharCode(97 + letter)}/.x`))
  const members = [...combinations()].slice(0, 70_000)
  const input = lines(
    ...Array.from({ length: 700 }, (_, n) => `{${members.slice(n * 100, n * 100 + 100).join(',')}}`),
    '{"abc":{"x":1}}',
  )
  let records = 0
  let scans = 0
  let hits = 0
  for (let at = 0; at < input.length; scans++) {
    const index = scan(input.subarray(at), paths)
    assert.deepEqual(faults(index), faults(index).fill('none'))
    records += index.count
    hits += index.hits.length / HIT_STRIDE
    at += index.scanned
  }
  assert.deepEqual([records, hits], [701, 1])
  assert.ok(scans > 2)

  const one = scan(lines(`{${members.join(',')}}`, '{}'), paths, { maxDepth: 64, maxLine: 1 << 24 })
  assert.deepEqual(faults(one), ['complex'])
  assert.equal(one.hits.length, 0)
})

void test('uses the documented default limits', () => {
  assert.deepEqual(defaultLimits, { maxDepth: 64, maxLine: 1_048_576 })
  assert.equal(LineFault.none, 0)
})
