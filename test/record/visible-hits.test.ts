import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { openBatches } from '../../src/record/open-batches.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { recordView } from '../../src/record/author/record-view.ts'
import type { Record } from '../../src/record/author/record.ts'
import { defaultLimits } from '../../src/record/scan.ts'
import { scaled } from '../support/scale.ts'
import { pathText, recordText } from './arbitrary.ts'

test('a path reads the values that remain after JSON.parse, whatever keys are repeated', () => {
  let hidden = 0
  fc.assert(
    fc.property(recordText, pathText, (written, path) => {
      // JSON.stringify would write null.
      const text = written.replaceAll('1e400', '1e300')
      const parsed = JSON.stringify(JSON.parse(text))
      const [ours, plain] = [readAt(view(text), path), readAt(view(parsed), path)]
      assert.deepEqual(ours, plain, `${path} of ${text}`)
      hidden += text.length > parsed.length + 20 ? 1 : 0
    }),
    { numRuns: scaled(2000) },
  )
  assert.ok(hidden > 20, 'hardly any record had repeated keys')
})

test('has, get and text ignore a value that a later duplicate key replaces', () => {
  const record = view('{"a":[{"b":1},{"b":2,"b":3}],"c":{"b":4},"c":[],"\\u0061":[{"b":5,"\\u0062":6}]}')
  assert.deepEqual([record.get('a[*].b'), record.text('**.b')], [[6], '[6]'])
  assert.deepEqual([record.has('c.b'), record.has('c.*'), record.has('a[*].b')], [false, false, true])
})

/** JSON.parse moves keys such as "0" to the front, so values are compared without their order. */
function readAt(record: Record, path: string): string[] {
  const value = record.get(path)
  const list = Array.isArray(value) ? value : [value]
  return list.map((item) => JSON.stringify(item) ?? 'undefined').toSorted()
}

function view(line: string): Record {
  const paths = new Paths()
  const [batch] = openBatches(
    { bytes: Buffer.from(`${line}\n`) },
    { partition: '', number: 0, paths, limits: defaultLimits },
  )
  return recordView(batch, 0)
}
