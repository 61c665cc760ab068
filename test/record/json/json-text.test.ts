import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SluiceError } from '../../../src/errors.ts'
import { isOrdinaryJson, jsonText } from '../../../src/record/json/json-text.ts'

const cycle: { self?: unknown } = {}
cycle.self = cycle

/** Values that JSON.stringify changes or omits without an error, and what the message calls them. */
const notJson: readonly [value: unknown, name: RegExp][] = [
  [NaN, /NaN/],
  [-Infinity, /-Infinity/],
  [undefined, /undefined/],
  [() => 1, /a function/],
  [Symbol('s'), /a symbol/],
  [12n, /a bigint/],
  [cycle, /contains itself/],
  [new Date(NaN), /an invalid date/],
  [new Map([['a', 1]]), /the kind Map/],
  [new Set([1]), /the kind Set/],
  [Promise.resolve(1), /the kind Promise/],
  [/a/, /the kind RegExp/],
  [new Error('secret'), /the kind Error/],
  [new Uint8Array(2), /the kind Uint8Array/],
  [Object('text'), /the kind String/],
  [Object(1), /the kind Number/],
]

for (const [value, name] of notJson) {
  test(`a value that JSON cannot represent is an error: ${String(name)}`, () => {
    for (const holder of [[value], { deep: { list: [value] } }, { toJSON: () => value }]) {
      assert.throws(() => jsonText(holder, 64), isInvalid(name))
    }
    if (value instanceof Date) assert.equal(isOrdinaryJson([value], 64), false)
    else assert.throws(() => isOrdinaryJson({ deep: { list: [value] } }, 64), isInvalid(name))
  })
}

test('a function as a member is an error, an undefined member is left out', () => {
  assert.throws(() => jsonText({ run() {} }, 64), isInvalid(/a function/))
  assert.equal(jsonText({ a: 1, b: undefined }, 64), '{"a":1}')
  assert.equal(isOrdinaryJson({ a: 1, b: undefined }, 64), true)
})

test('a hole of an array is an error, and not null', () => {
  // oxlint-disable-next-line no-sparse-arrays
  assert.throws(() => jsonText([1, , 2], 64), isInvalid(/undefined/))
  // oxlint-disable-next-line no-sparse-arrays
  assert.throws(() => isOrdinaryJson([1, , 2], 64), isInvalid(/undefined/))
})

test('-0, dates, instances of classes and text of JSON.rawJSON are kept', () => {
  class Point {
    x = 1
    y = -0
  }
  const value = { zero: -0, at: new Date(0), point: new Point(), none: Object.create(null) }
  assert.equal(jsonText(value, 64), '{"zero":-0,"at":"1970-01-01T00:00:00.000Z","point":{"x":1,"y":-0},"none":{}}')
  const rawJson: unknown = Reflect.get(JSON, 'rawJSON')
  if (typeof rawJson === 'function') {
    assert.equal(jsonText({ id: rawJson('9007199254740993') }, 64), '{"id":9007199254740993}')
    assert.equal(isOrdinaryJson({ id: rawJson('9007199254740993') }, 64), false)
  }
})

test('what only jsonText keeps is not ordinary, and everything ordinary is written alike', () => {
  for (const value of [{ zero: -0 }, [[-0]], { at: new Date(0) }]) assert.equal(isOrdinaryJson(value, 64), false)
  for (const value of [{ a: [1, 'b', null, true, { c: 1e21, d: '\ud800' }] }, [], {}]) {
    assert.equal(isOrdinaryJson(value, 64), true)
    assert.equal(jsonText(value, 64), JSON.stringify(value))
  }
})

function isInvalid(name: RegExp) {
  return (error: unknown) => {
    assert.ok(error instanceof SluiceError)
    assert.equal(error.code, 'VALUE_INVALID')
    assert.match(error.message, name)
    assert.doesNotMatch(error.message, /secret/)
    return true
  }
}
