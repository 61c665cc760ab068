import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../../src/errors.ts'
import { Paths } from '../../../src/record/paths/path.ts'

const WRONG: readonly (readonly [path: string, place: string, expected: string])[] = [
  ['', 'at the end', 'empty'],
  ['a..b', 'at character 3', 'expected a key'],
  ['a.', 'at the end', 'expected a key'],
  ['.a', 'at character 1', 'expected a key'],
  ['a b', 'at character 2', 'expected "." or "["'],
  [' a', 'at character 1', 'expected a key'],
  ['a[', 'at the end', 'expected "]" for the "[" at character 2'],
  ['a[*', 'at the end', 'expected "]"'],
  ['a[0]', 'at character 3', '[*], ["odd.key"]'],
  ['a[key]', 'at character 3', '[*], ["odd.key"]'],
  ['a["b"', 'at the end', 'expected "]"'],
  ['a["\\x"]', 'at character 3', 'JSON string'],
  ['a.["b"]', 'at character 3', 'no "." before "["'],
  ['a[*]b', 'at character 5', 'expected "." or "["'],
  ['[*]', 'at character 1', 'begins with a key'],
  ['{a', 'at the end', 'expected "}" for the "{" at character 1'],
  ['{a,}', 'at character 4', 'expected a key'],
  ['{}', 'at character 2', 'expected a key'],
  ['a.{b,c', 'at the end', 'expected "}" for the "{" at character 3'],
  ['/a', 'at character 1', 'between slashes'],
  ['//', 'at character 1', 'between slashes'],
  ['/(/', 'at character 1', 'missing closing'],
  ['a./(?=b)/', 'at character 3', 'invalid'],
  ['/a/x', 'at character 1', 'unknown flag "x"'],
  ['/a/ii', 'at character 1', 'repeated'],
  ['a*', 'at character 2', 'expected "." or "["'],
  ['***', 'at character 3', 'expected "." or "["'],
  ['a"b', 'at character 2', 'expected "." or "["'],
  ['a]', 'at character 2', 'expected "." or "["'],
  ['$', 'at character 1', 'leave out "$"'],
  ['$.a', 'at character 1', 'leave out "$"'],
  ['a.b'.repeat(20).replaceAll('ba', 'b.a') + '.x', 'at character', 'at most 32 segments'],
]

for (const [path, place, expected] of WRONG) {
  void test(`the path ${JSON.stringify(path).slice(0, 30)} is rejected ${place}`, () => {
    assert.throws(
      () => new Paths().add(path),
      (error: unknown) => {
        assert.ok(error instanceof SluiceError)
        assert.equal(error.code, 'PATH_INVALID')
        assert.ok(error.message.includes(place), error.message)
        assert.ok(error.message.includes(expected), error.message)
        return true
      },
    )
  })
}

void test('a path of keys exposes its decoded keys', () => {
  const paths = new Paths()
  assert.deepEqual(paths.add('a.b-c.@version').keys, ['a', 'b-c', '@version'])
  assert.deepEqual(paths.add('a["b.c"]["\\u0064"]').keys, ['a', 'b.c', 'd'])
  assert.deepEqual(paths.add('["a b"].\u00e9.$ref').keys, ['a b', '\u00e9', '$ref'])
  assert.deepEqual(paths.add('{a}.b').keys, ['a', 'b'])
})

void test('a path with wildcards has no keys', () => {
  const paths = new Paths()
  for (const text of ['a[*]', '*', '**', 'a.*.b', '**.a', '{a,b}', '/a/', 'a./b\\/c/i.d', '**[*].a']) {
    assert.equal(paths.add(text).keys, undefined, text)
  }
})

void test('add returns one path for all its spellings, with the first text', () => {
  const paths = new Paths()
  const path = paths.add('a["b"]')
  assert.equal(paths.add('a.b'), path)
  assert.equal(paths.add('["\\u0061"].b'), path)
  assert.equal(path.text, 'a["b"]')
  assert.equal(paths.add('x.{b,a}'), paths.add('x.{a,b}'))
  assert.notEqual(paths.add('/a/'), paths.add('/a/i'))
})

void test('add also adds the parents of a path of keys, but of no other path', () => {
  const paths = new Paths()
  const path = paths.add('a.b.c')
  assert.equal(paths.size, 3)
  assert.equal(path.parent, paths.add('a.b'))
  assert.equal(path.parent?.parent, paths.add('a'))
  assert.equal(path.parent?.parent?.parent, undefined)
  assert.equal(paths.add('x[*].y').parent, undefined)
  assert.equal(paths.size, 4)
  assert.equal(paths.has('a.b'), true)
  assert.equal(paths.has('z'), false)
})

void test('an invalid path adds nothing', () => {
  const paths = new Paths()
  assert.throws(() => paths.add('a.b.'))
  assert.equal(paths.size, 0)
})
