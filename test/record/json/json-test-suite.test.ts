import assert from 'node:assert/strict'
import { isUtf8 } from 'node:buffer'
import { test } from 'node:test'
import { openBatches } from '../../../src/record/open-batches.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import { defaultLimits, FAULT_MASK, MAX_HITS, MAX_RECORDS, RECORD_STRIDE } from '../../../src/record/record-index.ts'
import type { RecordIndex, ScanLimits, ScanTask } from '../../../src/record/record-index.ts'
import { scanLines } from '../../../src/record/scan-typescript.ts'
import { WasmScanner } from '../../../src/record/wasm/scanner.ts'
import { accepted, blank, chosen, refused } from './json-test-suite.ts'
import type { Text } from './json-test-suite.ts'

const NAMES = ['none', 'notObject', 'syntax', 'depth', 'length', 'utf8', 'complex']
const CODES: { readonly [fault: string]: string | undefined } = {
  notObject: 'NOT_AN_OBJECT',
  syntax: 'INVALID_JSON',
  depth: 'TOO_DEEP',
  utf8: 'INVALID_UTF8',
}
const wasm = new WasmScanner()

/** The faults of the lines; checks that both scanners return the same index. */
function scanFaults(text: Buffer, limits: ScanLimits = defaultLimits): string {
  const bytes = Buffer.concat([text, Buffer.from('\n')])
  const task: ScanTask = { bytes, limits, utf8: isUtf8(bytes), maxRecords: MAX_RECORDS, maxHits: MAX_HITS }
  const [fast, plain] = [wasm.scanLines(task, pathsOf().automaton()), scanLines(task, pathsOf().automaton())]
  assert.deepEqual(fast, plain)
  return faultsOf(plain)
}

function pathsOf(): Paths {
  const paths = new Paths()
  for (const text of ['**', 'a', 'a[*]']) paths.add(text)
  return paths
}

function faultsOf({ count, records }: RecordIndex): string {
  return Array.from({ length: count }, (_, record) => NAMES[records[RECORD_STRIDE * record + 3] & FAULT_MASK]).join()
}

/** The expected fault, from the decoder and the parser of JavaScript. */
function expected(text: Buffer): string {
  try {
    const value: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(text))
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? 'none' : 'notObject'
  } catch (error) {
    return error instanceof SyntaxError ? 'syntax' : 'utf8'
  }
}

function codeOf(text: Buffer): string | undefined {
  const bytes = Buffer.concat([text, Buffer.from('\n')])
  const [batch] = openBatches({ bytes }, { partition: '', number: 0, paths: new Paths(), limits: defaultLimits })
  return batch.rejects[0]?.code
}

function asValue(text: Text): Buffer {
  return Buffer.concat([Buffer.from('{"a":'), Buffer.from(text), Buffer.from('}')])
}

test('has as many cases as the suite', () => {
  const sizes = [accepted, { ...refused, ...blank }, chosen].map((cases) => Object.keys(cases).length)
  assert.ok(sizes[0] >= 95 && sizes[1] >= 188 && sizes[2] >= 35, String(sizes))
  const names = [accepted, refused, blank, chosen].flatMap((cases) => Object.keys(cases))
  assert.equal(new Set(names).size, names.length)
})

for (const [name, text] of Object.entries(accepted)) {
  test(name, () => {
    const line = Buffer.from(text)
    assert.ok(['none', 'notObject'].includes(expected(line)))
    assert.equal(scanFaults(line), expected(line))
    assert.equal(codeOf(line), CODES[expected(line)])
    assert.equal(scanFaults(asValue(text)), 'none')
    assert.equal(codeOf(asValue(text)), undefined)
  })
}

for (const [name, text] of Object.entries(refused)) {
  test(name, () => {
    for (const line of [Buffer.from(text), asValue(text)]) {
      const fault = line.length >= 100_000 ? 'depth' : expected(line)
      assert.ok(['syntax', 'utf8', 'depth'].includes(fault))
      assert.equal(scanFaults(line), fault)
      assert.equal(codeOf(line), CODES[fault])
    }
  })
}

for (const [name, text] of Object.entries(blank)) {
  test(name, () => {
    assert.equal(scanFaults(Buffer.from(text)), '')
    assert.equal(codeOf(Buffer.from(text)), undefined)
    assert.equal(scanFaults(asValue(text)), 'syntax')
  })
}

for (const [name, { text, fault, why }] of Object.entries(chosen)) {
  test(`${name}: ${fault === 'none' ? 'accepted' : 'rejected'}, ${why}`, () => {
    const line = asValue(text)
    assert.equal(scanFaults(line), fault)
    assert.equal(codeOf(line), CODES[fault])
    assert.equal(scanFaults(line, { ...defaultLimits, maxDepth: 600 }), expected(line))
    if (fault !== 'depth') assert.equal(fault, expected(line))
  })
}

test('writes accepted values unchanged', () => {
  const texts = [
    ...Object.values(accepted),
    ...Object.values(chosen).flatMap(({ text, fault }) => (fault === 'none' ? [text] : [])),
  ]
  const lines = texts.map((text) => `${asValue(text).toString()}\n`).join('')
  const options = { partition: '', number: 0, paths: pathsOf(), limits: defaultLimits }
  const [batch] = openBatches({ bytes: Buffer.from(lines) }, options)
  assert.equal(batch.live, texts.length)
  assert.equal(batch.assemble().toString(), lines)
})
