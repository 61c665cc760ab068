import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Batch } from '../../src/record/batch.ts'
import { Edit, RecordState } from '../../src/record/batch.ts'
import { openBatches } from '../../src/record/open-batches.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { defaultLimits, ValueKind } from '../../src/record/scan.ts'

function open(lines: readonly string[], paths = new Paths()): Batch {
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  const batches = openBatches({ bytes }, { partition: '', number: 0, paths, limits: defaultLimits })
  assert.equal(batches.length, 1)
  return batches[0]
}

function without(line: string, ...texts: string[]): string {
  const paths = new Paths()
  const added = texts.map((text) => paths.add(text))
  const batch = open([line], paths)
  for (const path of added) for (const hit of batch.hits(0, path)) batch.edit(hit, Edit.delete)
  return batch.line(0).toString()
}

const DELETIONS: readonly (readonly [line: string, paths: readonly string[], rest: string])[] = [
  ['{"a":1,"b":2,"c":3}', ['a'], '{"b":2,"c":3}'],
  ['{"a":1,"b":2,"c":3}', ['b'], '{"a":1,"c":3}'],
  ['{"a":1,"b":2,"c":3}', ['c'], '{"a":1,"b":2}'],
  ['{"a":1,"b":2,"c":3}', ['a', 'b'], '{"c":3}'],
  ['{"a":1,"b":2,"c":3}', ['b', 'c'], '{"a":1}'],
  ['{"a":1,"b":2,"c":3}', ['a', 'c'], '{"b":2}'],
  ['{"a":1,"b":2,"c":3}', ['a', 'b', 'c'], '{}'],
  ['{ "a" : 1 , "b" : 2 , "c" : 3 }', ['a'], '{ "b" : 2 , "c" : 3 }'],
  ['{ "a" : 1 , "b" : 2 , "c" : 3 }', ['b'], '{ "a" : 1 , "c" : 3 }'],
  ['{ "a" : 1 , "b" : 2 , "c" : 3 }', ['c'], '{ "a" : 1 , "b" : 2  }'],
  ['{ "a" : 1 , "b" : 2 , "c" : 3 }', ['a', 'b', 'c'], '{  }'],
  ['{"a":[1, 2, 3]}', ['a[*]'], '{"a":[]}'],
  ['{"a":{"b":1,"c":2},"d":3}', ['a.c', 'd'], '{"a":{"b":1}}'],
  ['{"a":{"b":1,"c":2},"d":3}', ['a.b', 'a'], '{"d":3}'],
  ['{"a":[{"x":1},{"x":2,"y":3}]}', ['a[*].x'], '{"a":[{},{"y":3}]}'],
  ['{"a":1,"k":0,"a":2}', ['a'], '{"k":0}'],
  ['{"a":1,"a":2,"k":0}', ['a'], '{"k":0}'],
  ['{"k":"}, ,{","a":"],[","l":[]}', ['a'], '{"k":"}, ,{","l":[]}'],
]

for (const [line, paths, rest] of DELETIONS) {
  void test(`${line} without ${paths.join(' and ')} is ${rest}`, () => {
    assert.equal(without(line, ...paths), rest)
  })
}

void test('keeps odd numbers, key order and spacing byte for byte around edits', () => {
  const line = '{"z": 9007199254740993,\t"y":1.10, "secret" :"x", "x":1e400,"w":[ 1 ,-0 ],  "v":"\\u0041" }'
  const paths = new Paths()
  const secret = paths.add('secret')
  const batch = open([line], paths)
  batch.edit(batch.hit(0, secret), batch.token(Buffer.from('"[redacted]"')))
  assert.equal(batch.line(0).toString(), line.replace('"x",', '"[redacted]",'))
})

void test('reads the last duplicate key, and reports all duplicates as hits', () => {
  const paths = new Paths()
  const a = paths.add('a')
  const batch = open(['{"a":1,"\\u0061":2}'], paths)
  assert.equal(batch.text(batch.hit(0, a)), '2')
  assert.deepEqual(
    batch.hits(0, a).map((hit) => batch.text(hit)),
    ['1', '2'],
  )
})

void test('a value inside an earlier duplicate key is absent', () => {
  const paths = new Paths()
  const path = paths.add('a.b')
  const batch = open(
    ['{"a":{"b":1},"a":{}}', '{"a":{},"a":{"b":2}}', '{"a":{"b":1},"a":3}', '{"a":{"b":1},"a":{"b":2,"b":3}}'],
    paths,
  )
  const read = [0, 1, 2, 3]
    .map((record) => batch.hit(record, path))
    .map((hit) => (hit < 0 ? undefined : batch.text(hit)))
  assert.deepEqual(read, [undefined, '2', undefined, '3'])
})

void test('reads the previous duplicate key after the last one was deleted, like a parser of the output', () => {
  const paths = new Paths()
  const a = paths.add('a')
  const batch = open(['{"a":1,"a":2}'], paths)
  batch.edit(batch.hit(0, a), Edit.delete)
  assert.equal(batch.text(batch.hit(0, a)), '1')
  assert.deepEqual(batch.value(0), { a: 1 })
})

void test('values inside a deleted or replaced value are absent', () => {
  const paths = new Paths()
  const [a, ab, deep] = ['a', 'a.b', '**.c'].map((text) => paths.add(text))
  for (const edit of ['delete', 'replace']) {
    const batch = open(['{"a":{"b":{"c":1}},"c":2}'], paths)
    batch.edit(batch.hit(0, a), edit === 'delete' ? Edit.delete : batch.token(Buffer.from('{"b":7}')))
    assert.equal(batch.hit(0, ab), -1)
    assert.deepEqual(
      batch.hits(0, deep).map((hit) => batch.text(hit)),
      ['2'],
    )
  }
})

void test('ignores an edit inside a shadowed value', () => {
  const paths = new Paths()
  const [a, b] = ['a', 'a.b'].map((text) => paths.add(text))
  const batch = open(['{"a":{"b":1}}'], paths)
  const inner = batch.hit(0, b)
  batch.edit(batch.hit(0, a), batch.token(Buffer.from('0')))
  batch.edit(inner, batch.token(Buffer.from('"x"')))
  assert.equal(batch.line(0).toString(), '{"a":0}')
  assert.deepEqual([batch.kind(inner), batch.raw(inner).length, batch.text(inner)], [0, 0, ''])
})

void test('reads a replaced value as its replacement, and a container with the edits inside', () => {
  const paths = new Paths()
  const [a, b, c] = ['a', 'a.b', 'c'].map((text) => paths.add(text))
  const batch = open(['{"a":{"b":1, "x":2},"c":"old"}'], paths)
  const replacements: readonly (readonly [string, number, string])[] = [
    ['"new"', ValueKind.string, 'new'],
    ['"\\n"', ValueKind.escaped, '\n'],
    ['{}', ValueKind.object, '{}'],
    ['[1]', ValueKind.array, '[1]'],
    ['true', ValueKind.true, 'true'],
    ['false', ValueKind.false, 'false'],
    ['null', ValueKind.null, 'null'],
    ['12', ValueKind.number, '12'],
    ['1.0', ValueKind.unusual, '1.0'],
  ]
  for (const [json, kind, text] of replacements) {
    batch.edit(batch.hit(0, c), batch.token(Buffer.from(json)))
    const hit = batch.hit(0, c)
    assert.deepEqual([batch.kind(hit), batch.text(hit), batch.raw(hit).toString()], [kind, text, json])
  }
  batch.edit(batch.hit(0, b), batch.token(Buffer.from('"in"')))
  assert.equal(batch.raw(batch.hit(0, a)).toString(), '{"b":"in", "x":2}')
})

void test('returns the same token for the same Buffer', () => {
  const batch = open(['{}'])
  const json = Buffer.from('1')
  assert.equal(batch.token(json), batch.token(json))
  assert.notEqual(batch.token(Buffer.from('1')), batch.token(json))
})

void test('reports which records are edited', () => {
  const paths = new Paths()
  const a = paths.add('a')
  const batch = open(['{"a":1}', '{"a":2}'], paths)
  batch.edit(batch.hit(1, a), Edit.delete)
  assert.deepEqual([batch.isEdited(0), batch.isEdited(1)], [false, true])
})

void test('finds a path that is newer than the index, and keeps earlier edits', () => {
  const paths = new Paths()
  const a = paths.add('a')
  const batch = open(['{"x":{"a":0},"a":1,"b":{"c":2}}'], paths)
  batch.edit(batch.hit(0, a), batch.token(Buffer.from('"e"')))
  const index = batch.index
  assert.equal(batch.text(batch.hit(0, paths.add('b.c'))), '2')
  assert.notEqual(batch.index, index)
  const again = batch.index
  batch.hit(0, paths.add('b'))
  assert.equal(batch.index, again)
  assert.equal(batch.assemble().toString(), '{"x":{"a":0},"a":"e","b":{"c":2}}\n')
  batch.edit(batch.hit(0, paths.add('x')), Edit.delete)
  assert.deepEqual(
    batch.hits(0, paths.add('**.a')).map((hit) => batch.text(hit)),
    ['e'],
  )
})

void test('keeps dropped and rejected records in place and counts them once', () => {
  const batch = open(['{"a":1}', '{"a":2}', '{"a":3}', '{"a":4}'])
  batch.drop(1, 'dull')
  batch.drop(1, 'again')
  batch.reject(1, 'TOO_LATE', 'test')
  batch.reject(2, 'BAD', 'validate', 'because')
  batch.reject(2, 'WORSE', 'validate')
  batch.drop(2, 'dull')
  assert.deepEqual([...batch.states], [RecordState.live, RecordState.dropped, RecordState.rejected, RecordState.live])
  assert.equal(batch.live, 2)
  assert.deepEqual([...batch.tallies.dropped], [['dull', 1]])
  assert.deepEqual(batch.rejects, [
    { record: 2, code: 'BAD', stage: 'validate', detail: 'because', origin: '', line: 3, length: 7 },
  ])
  assert.equal(batch.assemble().toString(), '{"a":1}\n{"a":4}\n')
  assert.equal(batch.assemble(Uint32Array.of(3, 2, 0)).toString(), '{"a":4}\n{"a":3}\n{"a":1}\n')
})

void test('assembles an empty batch to no bytes', () => {
  assert.equal(open([]).assemble().length, 0)
  assert.equal(open(['{}']).assemble(Uint32Array.of()).length, 0)
})

void test('an unedited line is a view, not a copy', () => {
  const batch = open(['{"a":1}'])
  assert.equal(batch.line(0).buffer, batch.bytes.buffer)
})
