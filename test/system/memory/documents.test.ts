import assert from 'node:assert/strict'
import { createWriteStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Report } from '../../../src/observe/report.ts'
import { openWorkspace } from '../../support/command.ts'
import { peakOf } from '../../support/peak-memory.ts'

const MB = 1e6
const skip = process.platform !== 'linux' && 'needs /proc'
const EVENT = `{"id":"${'a'.repeat(24)}","text":"${'x'.repeat(960)}"}`
const BLOCK = Buffer.from(`${EVENT},`.repeat(1000))

/** Reads a document from these parts; the most memory that took. */
async function peakFor(t: TestContext, records: string, parts: Iterable<Buffer | string>) {
  const workspace = await openWorkspace(t)
  const source = Readable.from(parts, { objectMode: false })
  await pipeline(source, createWriteStream(workspace.path('trail.json')))
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: trail.json, records: '${records}' }
sink: { type: file, path: out, key: all }
`,
  )
  const running = workspace.start(['run', 'p', '--report', 'report.json'])
  const peak = await peakOf(running)
  const { code, stderr } = await running.ended
  assert.equal(code, 0, stderr)
  const report: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
  return { peak, report }
}

function* documentOf(blocks: number): Generator<Buffer | string> {
  yield '{"v":1,"Records":['
  for (let block = 0; block < blocks; block++) yield BLOCK
  yield `${EVENT}]}`
}

for (const [reader, records, blocks] of [
  ['split as bytes', 'Records', 100],
  ['parsed', '{Records,events}', 25],
] as const) {
  test(`a document that is ${reader} needs no more memory if it is four times as large`, { skip }, async (t) => {
    const small = await peakFor(t, records, documentOf(blocks))
    const large = await peakFor(t, records, documentOf(4 * blocks))
    t.diagnostic(`${small.peak / MB} MB and ${large.peak / MB} MB`)
    assert.equal(large.report.written, 4000 * blocks + 1)
    // A young heap is collected when V8 thinks fit: two runs of the same document differ by this much.
    assert.ok(large.peak < small.peak + 60 * MB, `${large.peak / MB} MB after ${small.peak / MB} MB`)
    assert.ok(large.peak < 300 * MB, `${large.peak / MB} MB`)
  })

  test(`text without an end does not fill the memory if a document is ${reader}`, { skip }, async (t) => {
    function* hostile(): Generator<Buffer | string> {
      const long = Buffer.alloc(MB, 'x')
      yield '{"Records":[{"id":1},{"text":"'
      for (let n = 0; n < 100; n++) yield long
      yield '"},{"'
      for (let n = 0; n < 100; n++) yield long
      yield `":1},{"deep":${'['.repeat(20 * MB)}${']'.repeat(20 * MB)}},{"digits":`
      yield Buffer.alloc(50 * MB, '7')
      yield '},{"id":2}],"text":"'
      for (let n = 0; n < 100; n++) yield long
      yield '"}'
    }
    const { peak, report } = await peakFor(t, records, hostile())
    t.diagnostic(`${peak / MB} MB`)
    assert.deepEqual([report.read, report.written, report.rejected], [6, 2, 4])
    assert.ok(peak < 250 * MB, `${peak / MB} MB`)
  })
}
