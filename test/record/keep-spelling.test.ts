import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JsonObject } from '../../src/record/json/json.ts'
import { keepSpelling } from '../../src/record/keep-spelling.ts'
import { appendMembers } from '../../src/record/reuse-lines.ts'
import { scaled } from '../support/scale.ts'

function respell(before: string, after: string): string {
  const line = Buffer.from(before)
  const { bytes, members } = keepSpelling(line, Buffer.from(after))
  return (members === undefined ? (bytes ?? line) : appendMembers(line, members)).toString()
}

test('equal values keep their bytes: spaces, escapes, order, spellings of numbers', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['{ "a" : 1.10, "b":[ 1e2, -0.0 ] }', '{"b":[100,-0],"a":1.1}'],
    ['{"e":"\\u00e9\\/","\\u0061":{}}', '{"a": {}, "e": "é/"}'],
    [
      '{"big":12345678901234567890123,"x":{"y":0.1000000000000000055}}',
      '{"big":12345678901234567000000,"x":{"y":0.1}}',
    ],
    ['\t{"a":1} \r', '{"a":1}'],
  ]
  for (const [before, after] of cases) assert.equal(respell(before, after), before)
})

test('different values are those of the new line, with its bytes', () => {
  const cases: readonly (readonly [string, string, string])[] = [
    ['{ "a" : 1.10, "b":2 }', '{"a":1.1,"b":3.0}', '{ "a" : 1.10, "b":3.0 }'],
    ['{"a":{"b":1 ,"c":2},"d":0}', '{"a":{"c":2,"x":"\\u00e9"}}', '{"a":{"c":2,"x":"\\u00e9"}}'],
    ['{"a":[1,{"b": 2}]}', '{"a":[1,{"b":2,"c":3}],"n":null}', '{"a":[1,{"b": 2,"c":3}],"n":null}'],
    ['{"a":[1, 2]}', '{"a":[1,2,3]}', '{"a":[1,2,3]}'],
    ['{"a":1}', '{"b":1}', '{"b":1}'],
    ['{"a":1,"a":2}', '{"a":2}', '{"a":2}'],
    ['{"a":1}', '{}', '{}'],
    ['{}', '{"a" : 1}', '{"a" : 1}'],
    ['{"n":12345678901234567890}', '{"n":12345678901234567891}', '{"n":12345678901234567891}'],
    ['{"n":1e400,"a":1}', '{"n":1.7976931348623157e308,"a":1}', '{"n":1.7976931348623157e308,"a":1}'],
    ['{"__proto__":{"x":1},"b":1}', '{"b":1}', '{"b":1}'],
    ['{"a":"1"}', '{"a":1}', '{"a":1}'],
  ]
  for (const [before, after, expected] of cases) assert.equal(respell(before, after), expected)
})

test('whatever changes, the record has the values of the new line', () => {
  let seed = 7
  const random = (below: number): number => {
    seed = (seed * 1103515245 + 12345) % 2147483648
    return Math.floor((seed / 2147483648) * below)
  }
  const value = (depth: number): unknown => {
    const kind = random(depth > 0 ? 7 : 5)
    if (kind === 5) return Array.from({ length: random(3) }, () => value(depth - 1))
    if (kind === 6) return object(depth - 1)
    return [null, true, random(3), 'é"', `${random(3)}`][kind]
  }
  const object = (depth: number): { [key: string]: unknown } =>
    Object.fromEntries(Array.from({ length: random(5) }, () => [['a', 'b', 'é', '1', 'd'][random(5)], value(depth)]))
  for (let round = 0; round < scaled(3000); round++) {
    const before = JSON.stringify(object(3), undefined, random(2))
      .replaceAll('\n', ' ')
      .replaceAll('é', random(2) === 0 ? '\\u00e9' : 'é')
    const after = object(3)
    const made = respell(before, JSON.stringify(after))
    const parsed: JsonObject = JSON.parse(made)
    assert.deepEqual(parsed, after, `${before} and ${JSON.stringify(after)}`)
    assert.equal(respell(before, JSON.stringify(JSON.parse(before))), before)
  }
})
