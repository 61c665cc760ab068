import assert from 'node:assert/strict'
import { randomFillSync } from 'node:crypto'
import { open, stat } from 'node:fs/promises'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { openDatabase } from '../../../src/delivery/state/database.ts'
import { openWorkspace } from '../../support/command.ts'
import { peakOf } from '../../support/peak-memory.ts'

const MB = 1e6
const KEYS = 8_000_000
const OBJECTS = 60_000

test(
  'a state of 8 million dedup keys and 60,000 objects is exported and imported with little memory',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async (t) => {
    const workspace = await openWorkspace(t)
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: file, path: in.ndjson }
transforms: [{ type: dedup, key: [id] }]
sink: { type: file, path: out, key: all }
`,
    )
    await workspace.write('in.ndjson', '{"id":1}\n')
    await workspace.report(['run', 'p'])
    await enlarge(workspace.path('.sluice/p'))

    const peaks: number[] = []
    for (const args of [
      ['export', 'p', 'p.export', '--yes'],
      ['import', 'p', 'p.export', '--state', 'there'],
    ]) {
      const running = workspace.start(['state', ...args])
      peaks.push(await peakOf(running))
      const { code, stderr } = await running.ended
      assert.equal(code, 0, stderr)
    }
    t.diagnostic(peaks.map((peak) => `${Math.round(peak / MB)} MB`).join(' and '))
    const { size } = await stat(workspace.path('p.export'))
    assert.ok(size > KEYS * 16 + OBJECTS * 200, `${size} bytes`)
    assert.ok(Math.max(...peaks) < 190 * MB, peaks.map((peak) => peak / MB).join(' and '))
    const { stdout } = await workspace.sluice(['state', 'show', 'p', '--json', '--state', 'there'])
    const { dedup, published } = JSON.parse(stdout)
    assert.deepEqual([dedup[0].keys, published], [KEYS + 1, OBJECTS + 1])
  },
)

/** Adds keys and published objects to a state, as years of runs would. */
async function enlarge(folder: string): Promise<void> {
  const path = `${folder}/dedup/p`
  const db = await openDatabase(`${folder}/state`)
  const bucket: { length: number; crc: number } = db.get(['dedupBucket', 'p'])
  let { length, crc } = bucket
  const file = await open(path, 'r+')
  const block = Buffer.alloc(KEYS)
  for (let written = 0; written < 16; written++) {
    randomFillSync(block)
    await file.write(block, 0, block.length, length)
    length += block.length
    crc = crc32(block, crc)
  }
  await file.close()
  const [{ value: object }] = [...db.getRange({ start: ['history', -1], end: ['history', Infinity] })]
  for (let from = 0; from < OBJECTS; from += 1000) {
    db.transactionSync(() => {
      for (let part = from; part < from + 1000; part++)
        db.putSync(['history', 1, part + 1], { ...object, part: part + 1 })
    })
  }
  db.transactionSync(() => db.putSync(['dedupBucket', 'p'], { ...bucket, length, crc }))
  await db.close()
}
