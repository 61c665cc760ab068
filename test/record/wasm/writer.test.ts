import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { Edit, FIRST_TOKEN, RANGE_STRIDE } from '../../../src/record/edits.ts'
import type { Edited } from '../../../src/record/edits.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import { defaultLimits, HIT_STRIDE } from '../../../src/record/record-index.ts'
import type { RecordIndex } from '../../../src/record/record-index.ts'
import { Tokens } from '../../../src/record/tokens.ts'
import { scanWhole } from '../../../src/record/scan.ts'
import { WasmScanner } from '../../../src/record/wasm/scanner.ts'
import { WasmWriter } from '../../../src/record/wasm/writer.ts'
import { findRanges, sizeOf, writeRanges } from '../../../src/record/write-lines.ts'
import { createEventSet } from '../../servers/events.ts'
import { pathText, recordText, valueText } from '../arbitrary.ts'
import { scaled } from '../../support/scale.ts'

const wasm = new WasmWriter(new WasmScanner().module)

function scanned(lines: readonly string[], texts: readonly string[]): { bytes: Buffer; index: RecordIndex } {
  const paths = new Paths()
  for (const text of texts) paths.add(text)
  const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''))
  return { bytes, index: scanWhole(bytes, paths, { ...defaultLimits, maxLine: 1 << 24 }) }
}

/**
 * Edits hits by random numbers: 0 keeps, higher numbers delete or replace. `shadows` marks the hits
 * inside an edited value as shadowed, like `Batch.edit`.
 */
function edited(
  { bytes, index }: { bytes: Buffer; index: RecordIndex },
  draws: readonly number[],
  values: readonly string[],
  shadows: boolean,
): Edited {
  const { hits } = index
  const edits = new Uint32Array(hits.length / HIT_STRIDE)
  let shadow = 0
  for (let hit = 0; hit < edits.length; hit++) {
    const draw = draws[hit % draws.length]
    if (shadows && hits[HIT_STRIDE * hit + 2] < shadow) edits[hit] = Edit.shadowed
    else if (draw !== Edit.shadowed) edits[hit] = draw < FIRST_TOKEN ? draw : FIRST_TOKEN + (draw % values.length)
    if (edits[hit] === Edit.delete || edits[hit] >= FIRST_TOKEN) shadow = Math.max(shadow, hits[HIT_STRIDE * hit + 3])
  }
  const tokens = new Tokens()
  for (const value of values) tokens.add(Buffer.from(value))
  return { bytes, hits, edits, tokens }
}

/**
 * Checks that both write the same bytes, unless the module leaves them to TypeScript. Returns the
 * length.
 */
function assertSame(changes: Edited, index: RecordIndex, list: readonly number[]): number | undefined {
  const ranges = findRanges(index.records, list)
  const expected = Buffer.alloc(sizeOf(changes, ranges))
  const length = writeRanges(changes, ranges, expected)
  const out = Buffer.alloc(expected.length)
  const written = wasm.write(changes, ranges, out)
  if (written === undefined) return undefined
  assert.equal(out.toString('latin1', 0, written), expected.toString('latin1', 0, length))
  return written
}

const pathTexts = fc.uniqueArray(pathText, { minLength: 1, maxLength: 6 })
const lines = fc.array(recordText, { minLength: 1, maxLength: 6 })
const draws = fc.array(fc.constantFrom(0, 0, 1, 1, 1, 3, 4, 5), { minLength: 1, maxLength: 7 })
const values = fc.array(valueText, { minLength: 1, maxLength: 3 })

test('writes the same bytes as TypeScript for any edits of any records', () => {
  let changed = 0
  fc.assert(
    fc.property(
      lines,
      pathTexts,
      draws,
      values,
      fc.boolean(),
      fc.array(fc.nat({ max: 5 }), { maxLength: 6 }),
      (texts, paths, drawn, tokens, shadows, picked) => {
        const input = scanned(texts, paths)
        const changes = edited(input, drawn, tokens, shadows)
        const all = texts.map((_, record) => record)
        const written = assertSame(changes, input.index, all)
        assert.notEqual(written, undefined)
        if (written !== input.bytes.length) changed++
        assertSame(
          changes,
          input.index,
          picked.map((record) => record % texts.length),
        )
      },
    ),
    { numRuns: scaled(3000) },
  )
  assert.ok(changed > 500, `${changed} changed`)
})

test('writes the same batches of events as TypeScript, whatever records and edits are chosen', () => {
  const set = createEventSet({ seed: 5, count: 1500, start: 1.7e12, end: 1.71e12 })
  const texts = Array.from({ length: set.count }, (_, index) => set.text(index))
  const input = scanned(texts, ['client_ip', 'changes[*].{from,to}', 'geoip.*', '**./name|id/', 'initiated_by'])
  const all = texts.map((_, record) => record)
  for (const drawn of [[0], [1], [3], [0, 0, 1], [1, 3, 0, 1, 1], [0, 4, 1]]) {
    const changes = edited(input, drawn, ['"[redacted]"', `"${'x'.repeat(200)}"`], true)
    assert.ok(assertSame(changes, input.index, all) !== undefined)
    assertSame(
      changes,
      input.index,
      all.filter((record) => record % 7 !== 3),
    )
    assertSame(changes, input.index, all.toReversed())
    assert.equal(assertSame(changes, input.index, []), 0)
  }
})

test('leaves input to TypeScript that exceeds the memory of the module', () => {
  const long = scanned([`{"a":1,"b":"${'x'.repeat(1 << 20)}"}`, '{"a":1}'], ['a'])
  assert.equal(assertSame(edited(long, [3], ['2'], true), long.index, [0]), undefined)
  assert.equal(assertSame(edited(long, [3], ['2'], true), long.index, [1]), 8)
  const many = scanned(
    Array.from({ length: 200 }, () => '{"a":1}'),
    ['a'],
  )
  const all = Array.from({ length: 200 }, (_, record) => record)
  assert.equal(assertSame(edited(many, [3], ['x'.repeat(1 << 14)], true), many.index, all), undefined)
  assert.equal(assertSame(edited(many, [3], ['x'.repeat(1 << 20)], true), many.index, [1]), undefined)
  assert.equal(findRanges(many.index.records, all).length, RANGE_STRIDE)
})
