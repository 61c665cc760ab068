import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { fromObjects } from '../../src/embed/from-objects.ts'
import { toObjects } from '../../src/embed/to-objects.ts'
import { canonicalNumber } from '../../src/record/json/number.ts'
import { parseSpelled, sameSpelled } from '../../src/record/json/spelled.ts'
import { splitAt } from '../record/split-input.ts'

/** Numbers in every spelling, also those that JavaScript cannot hold. */
const number = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }).map(String),
  fc.stringMatching(/^-?(0|[1-9]\d{0,20})(\.\d{1,20})?([eE][+-]?\d{1,3})?$/),
)
const text = fc.string({ unit: 'binary' }).map((value) => JSON.stringify(value))
const { object } = fc.letrec<{ object: string; value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    number,
    text,
    fc.constantFrom('null', 'true', 'false', '-0'),
    fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`),
    tie('object'),
  ),
  object: fc
    .dictionary(fc.oneof(fc.string(), fc.constantFrom('__proto__', '1', 'a:b', '"')), tie('value'), { maxKeys: 5 })
    .map(
      (members) =>
        `{${Object.entries(members)
          .map(([key, value]) => `${JSON.stringify(key)}:${value}`)
          .join(',')}}`,
    ),
}))

test('every value survives the way through objects, or its record is rejected', async () => {
  const inputs = fc.tuple(fc.array(object, { maxLength: 8 }), fc.array(fc.nat(1000), { maxLength: 5 }))
  await fc.assert(
    fc.asyncProperty(inputs, async ([records, cuts]) => {
      const bytes = Buffer.from(records.map((record) => `${record}\n`).join(''))
      const refused = new Set<number>()
      const onReject = ({ code, line }: { code: string; line: number }): void => {
        assert.equal(code, 'NUMBER_INEXACT')
        refused.add(line - 1)
      }
      const out = await Readable.from(splitAt(bytes, cuts))
        .compose(toObjects({ onReject }))
        .compose(fromObjects())
        .toArray()
      const lines = Buffer.concat(out).toString().split('\n').slice(0, -1)
      const kept = records.filter((_, at) => !refused.has(at))
      assert.equal(lines.length, kept.length)
      for (const [at, line] of lines.entries()) {
        assert.ok(sameSpelled(parseSpelled(line), parseSpelled(kept[at])), `${kept[at]} became ${line}`)
      }
      for (const at of refused) assert.ok(numbersIn(records[at]).some(isInexact), `${records[at]} was rejected`)
    }),
    { numRuns: 300 },
  )
})

function numbersIn(json: string): string[] {
  const leaves = json.match(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g) ?? []
  return leaves.filter((leaf) => !leaf.startsWith('"'))
}

function isInexact(spelled: string): boolean {
  return canonicalNumber(spelled) !== canonicalNumber(String(Number(spelled)))
}
