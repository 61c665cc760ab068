import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { openDatabase } from '../../../src/delivery/state/database.ts'
import { FORMAT } from '../../../src/delivery/state/formats.ts'
import type { Workspace } from '../../support/command.ts'
import { listSamples, openSample } from '../../support/state-samples.ts'

const samples = await listSamples()

test('each format since the oldest one that is migrated has a stored sample', () => {
  const formats = new Set(samples.map(({ format }) => format))
  const missing = Array.from({ length: FORMAT - 3 }, (_, at) => at + 4).filter((format) => !formats.has(format))
  assert.deepEqual(missing, [], 'store a sample, see test/support/state-samples.ts')
})

interface Shown {
  readonly totals: { readonly written: number; readonly rejected: number; readonly sinks: object }
  readonly dedup: readonly { readonly keys: number }[]
  readonly changes: readonly { readonly action: string; readonly what: string }[]
}

const run = async (workspace: Workspace, args: readonly string[], code = 0) => {
  const ended = await workspace.sluice(args)
  assert.equal(ended.code, code, ended.stderr)
  return ended
}
const show = async (workspace: Workspace): Promise<Shown> =>
  JSON.parse((await run(workspace, ['state', 'show', 'sample', '--json'])).stdout)

describe('the state of an older Sluice', () => {
  for (const { name, format } of samples) {
    test(`${name} is shown as it is, and continues with its keys, totals and rejects`, async (t) => {
      const workspace = await openSample(t, name)
      const before = await show(workspace)
      assert.deepEqual(
        before.changes.filter(({ action }) => action === 'migrate'),
        [],
      )
      if (name.includes('given-away')) await takeBack(workspace)
      // Everything else waits for an unfinished backfill. It can be given up.
      if (name.includes('shards')) await run(workspace, ['runs', 'cancel', 'sample', '--yes'])
      const waiting = countRejects((await run(workspace, ['rejects', 'show', 'sample'])).stdout)
      const report = await workspace.report(['run', 'sample'])
      assert.equal(report.written, 0)
      // A reject that was read before is a duplicate, too.
      assert.deepEqual([report.read, report.duplicate], [6, 6])
      const after = await show(workspace)
      assert.equal(after.totals.written, before.totals.written)
      assert.deepEqual(after.totals.sinks, { sink: before.totals.written })
      const migrated = after.changes.filter(({ action }) => action === 'migrate').map(({ what }) => what)
      assert.equal(migrated.length, format < FORMAT ? 1 : 0)
      if (format < FORMAT) assert.match(migrated[0], new RegExp(`^to format ${FORMAT}, by Sluice \\d`))

      await workspace.write('pipelines/s.json', '{}')
      const replay = await workspace.report(['rejects', 'replay', 'sample'])
      assert.deepEqual([replay.read, replay.written], [waiting, waiting])
      assert.match((await run(workspace, ['rejects', 'show', 'sample'])).stdout, /no rejects/)
    })
  }

  test('is refused by the number of a newer format, which names the version that can read it', async (t) => {
    const workspace = await openSample(t, `${FORMAT}`)
    const db = await openDatabase(workspace.path('.sluice/sample/state'))
    db.transactionSync(() => db.putSync('meta', { ...db.get('meta'), format: FORMAT + 1, sluice: '7.8.9' }))
    await db.close()
    for (const args of [['run'], ['state', 'show'], ['state', 'compact'], ['rejects', 'show']]) {
      const { stderr } = await run(workspace, [...args, 'sample'], 6)
      assert.match(stderr, /STATE_MISMATCH: the state has format 7, written by Sluice 7\.8\.9; this is Sluice .* to 6/)
      assert.match(stderr, /use Sluice 7\.8\.9 or a later one/)
    }
  })

  test('is not migrated by a run that is refused for another reason', async (t) => {
    const workspace = await openSample(t, '4')
    const key = workspace.path('pipelines/sample.yaml')
    await writeFile(
      key,
      `source: { type: file, path: in.ndjson }
transforms: [{ type: dedup, key: [name] }]
sink: { type: file, path: out, key: all, compression: none }
`,
    )
    assert.match((await run(workspace, ['run', 'sample'], 6)).stderr, /STATE_MISMATCH: the configuration has changed/)
    assert.deepEqual((await show(workspace)).changes, [])
  })
})

/** A state that was given away continues from its export. */
async function takeBack(workspace: Workspace): Promise<void> {
  assert.match((await run(workspace, ['run', 'sample'], 6)).stderr, /STATE_MOVED/)
  await run(workspace, ['state', 'export', 'sample', 'again.export'])
  await run(workspace, ['state', 'reset', 'sample', '--yes'])
  await run(workspace, ['state', 'import', 'sample', 'again.export'])
}

function countRejects(text: string): number {
  const [, count = '0'] = /^SCHEMA_VIOLATION at validate: (\d+)$/m.exec(text) ?? []
  return Number(count)
}
