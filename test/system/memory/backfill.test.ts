import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test, type TestContext } from 'node:test'
import type { Report } from '../../../src/observe/report.ts'
import { openWorkspace } from '../../support/command.ts'
import { createEventSet } from '../../servers/events.ts'
import { writeArchive } from '../../servers/events/archive.ts'
import { peakOf } from '../../support/peak-memory.ts'
import { DAY } from '../../../src/time.ts'

const MB = 1e6

async function backfill(t: TestContext, count: number): Promise<{ peak: number; report: Report }> {
  const workspace = await openWorkspace(t)
  const events = createEventSet({ seed: 9, count, start: 0, end: DAY, duplicates: 0.01 })
  await writeArchive(workspace.path('archive.json.gz'), events, { format: 'array', gzip: true })
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: none }
transforms:
  - { type: redact, preset: secrets }
  - { type: dedup, key: id }
sink: { type: file, path: out, key: all }
`,
  )
  const running = workspace.start(['backfill', 'p', 'archive.json.gz', '--report', 'report.json'])
  const peak = await peakOf(running)
  const { code, stderr } = await running.ended
  assert.equal(code, 0, stderr)
  const report: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
  return { peak, report }
}

test(
  'an archive ten times as large needs no more memory than 32 bytes for each further id',
  { skip: process.platform !== 'linux' && 'needs /proc' },
  async (t) => {
    const small = await backfill(t, 40_000)
    const large = await backfill(t, 400_000)
    assert.ok(large.report.read === 400_000 && large.report.duplicate > 3000)
    const allowed = 32 * (large.report.written - small.report.written)
    // A young heap is collected when V8 thinks fit: two runs of the same input differ by this much.
    const noise = 60 * MB
    assert.ok(large.peak < small.peak + allowed + noise, `${large.peak / MB} MB after ${small.peak / MB} MB`)
    assert.ok(large.peak < 300 * MB + 32 * large.report.written, `${large.peak / MB} MB`)
  },
)
