import assert from 'node:assert/strict'
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { openWorkspace } from '../../support/command.ts'
import { readIds } from '../../delivery/support.ts'
import { codeFile, fixture } from '../../support/paths.ts'
import { openSample } from '../../support/state-samples.ts'
import { openFleet, shardKeyOf } from '../../support/replicas.ts'

/** A pipeline that has read three records and rejected one of them. */
async function openCollected(t: TestContext) {
  const workspace = await openWorkspace(t)
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }
transforms: [{ type: validate, schema: s.json }, { type: dedup, key: [id] }]
sink: { type: file, path: out, key: all, compression: none }
`,
  )
  await workspace.write('pipelines/s.json', JSON.stringify({ required: ['id', 'name'] }))
  await workspace.write('in.ndjson', '{"id":1,"name":"a"}\n{"id":2,"name":"b"}\n{"id":3}\n')
  await workspace.report(['run', 'p'])
  const sluice = async (args: readonly string[], code = 0) => {
    const ended = await workspace.sluice(args)
    assert.equal(ended.code, code, ended.stderr)
    return ended
  }
  const show = async (state: string): Promise<{ [name: string]: unknown }> => {
    const {
      folder: _folder,
      generation: _generation,
      changes: _changes,
      exported: _exported,
      ...shown
    } = JSON.parse((await sluice(['state', 'show', 'p', '--json', '--state', state])).stdout)
    return shown
  }
  return { workspace, sluice, show }
}

describe('sluice state export of a whole state', () => {
  test('moves positions, dedup keys, totals, history and rejects to another folder, and gives the state away', async (t) => {
    const { workspace, sluice, show } = await openCollected(t)
    await sluice(['state', 'export', 'p', 'p.export', '--yes'])
    assert.equal((await stat(workspace.path('p.export'))).mode & 0o777, 0o600)
    const refused = await sluice(['run', 'p'], 6)
    assert.match(refused.stderr, /STATE_MOVED: this state was exported at .* to be used elsewhere/)
    assert.match((await sluice(['state', 'show', 'p'])).stdout, /exported {4}\d{4}-.*, to be used elsewhere/)
    assert.match((await sluice(['rejects', 'replay', 'p'], 6)).stderr, /STATE_MOVED/)

    await sluice(['state', 'import', 'p', 'p.export', '--state', 'there'])
    assert.deepEqual(await show('there'), await show('.sluice'))
    assert.match((await sluice(['state', 'import', 'p', 'p.export', '--state', 'there'])).stdout, /imported before/)
    assert.match((await sluice(['rejects', 'show', 'p', '--state', 'there'])).stdout, /SCHEMA_VIOLATION/)
    await sluice(['verify', 'p', '--state', 'there'])

    await workspace.write('pipelines/s.json', JSON.stringify({ required: ['id'] }))
    await sluice(['rejects', 'replay', 'p', '--state', 'there'])
    await sluice(['state', 'rewind', 'p', '--state', 'there'])
    const again = await workspace.report(['run', 'p', '--state', 'there'])
    assert.deepEqual([again.read, again.duplicate, again.written], [3, 3, 0])
    assert.deepEqual(new Set(await readIds(workspace.path('out'))), new Set([1, 2, 3]))
    await sluice(['verify', 'p', '--state', 'there'])
  })

  test('repeats the same export, and imports it into a new folder only', async (t) => {
    const { workspace, sluice } = await openCollected(t)
    await sluice(['state', 'export', 'p', 'p.export', '--yes'])
    const written = await readFile(workspace.path('p.export'))
    await sluice(['state', 'export', 'p', 'p.export'])
    assert.deepEqual(await readFile(workspace.path('p.export')), written)
    await workspace.report(['run', 'p', '--state', 'other'])
    const taken = await sluice(['state', 'import', 'p', 'p.export', '--state', 'other'], 6)
    assert.match(taken.stderr, /STATE_MISMATCH: .*other\/p has a state already/)
    const damaged = Buffer.from(written)
    damaged[written.length - 100] ^= 1
    await writeFile(workspace.path('damaged.export'), damaged)
    assert.match(
      (await sluice(['state', 'import', 'p', 'damaged.export', '--state', 'there'], 6)).stderr,
      /EXPORT_INVALID/,
    )
    assert.match((await sluice(['state', 'show', 'p', '--state', 'there'], 6)).stderr, /STATE_NOT_FOUND/)
    await sluice(['state', 'import', 'p', 'p.export', '--state', 'there'])
    assert.equal((await workspace.report(['run', 'p', '--state', 'there'])).read, 0)
  })

  test('as a backup leaves the state in use, and says what an import of it means', async (t) => {
    const { workspace, sluice } = await openCollected(t)
    const made = await sluice(['state', 'export', 'p', 'p.export', '--copy'])
    assert.match(made.stderr, /this is a backup/)
    assert.equal((await workspace.report(['run', 'p'])).read, 0)
    const { stderr } = await sluice(['state', 'import', 'p', 'p.export', '--state', 'restored'])
    assert.match(stderr, /this is a backup: what was collected after \d{4}-.* is collected once more/)
    assert.equal((await workspace.report(['run', 'p', '--state', 'restored'])).read, 0)
    assert.match(
      (await sluice(['state', 'export', 'p', 'x', '--copy', '--count', '2'], 2)).stderr,
      /USAGE: --copy is for/,
    )
  })

  test('takes objects along that wait for upload, and they are published from there, once', async (t) => {
    const { workspace, sluice } = await openCollected(t)
    await rename(workspace.path('out'), workspace.path('stored'))
    await writeFile(workspace.path('out'), 'a file where the folder should be')
    await writeFile(
      workspace.path('in.ndjson'),
      '{"id":1,"name":"a"}\n{"id":2,"name":"b"}\n{"id":3}\n{"id":4,"name":"d"}\n',
    )
    await sluice(['run', 'p'], 4)
    const made = await sluice(['state', 'export', 'p', 'p.export', '--copy'])
    assert.match(made.stdout, /and 1 object that wait for upload/)
    await rm(workspace.path('out'))
    await rename(workspace.path('stored'), workspace.path('out'))
    for (const state of ['there', '.sluice']) {
      if (state === 'there') await sluice(['state', 'import', 'p', 'p.export', '--state', state])
      const report = await workspace.report(['run', 'p', '--state', state])
      assert.deepEqual([report.read, report.written], [0, 0])
      await sluice(['verify', 'p', '--state', state])
    }
    // The copy and the original have both published it: it has one name and one content.
    assert.deepEqual(
      (await readIds(workspace.path('out'))).toSorted((a, b) => Number(a) - Number(b)),
      [1, 2, 4],
    )
  })

  test('begins again with another file when an import was interrupted, and ignores what is left of the first', async (t) => {
    const { workspace, sluice, show } = await openCollected(t)
    await sluice(['state', 'export', 'p', 'first.export', '--copy'])
    await writeFile(
      workspace.path('in.ndjson'),
      '{"id":1,"name":"a"}\n{"id":2,"name":"b"}\n{"id":3}\n{"id":4,"name":"d"}\n',
    )
    await workspace.report(['run', 'p'])
    await sluice(['state', 'export', 'p', 'second.export', '--copy'])
    // Killed before the first operation that finds a state there.
    for (let at = 10, exists = false; !exists; at++) {
      await rm(workspace.path('there'), { recursive: true, force: true })
      const killed = workspace.start(['state', 'import', 'p', 'first.export', '--state', 'there'], {
        node: ['--import', codeFile('test/system/crash/support/kill-at.ts')],
        env: { KILL_AT: String(at) },
      })
      assert.equal((await killed.ended).code, null)
      const shown = await workspace.sluice(['state', 'show', 'p', '--json', '--state', 'there'])
      exists = shown.code === 0 && JSON.parse(shown.stdout).pipeline === 'p'
    }
    assert.match((await sluice(['run', 'p', '--state', 'there'], 6)).stderr, /IMPORT_MISSING/)
    const { stderr } = await sluice(['state', 'import', 'p', 'second.export', '--state', 'there'])
    assert.match(stderr, /the import of another export into this state was interrupted/)
    assert.deepEqual(await show('there'), await show('.sluice'))
    await sluice(['verify', 'p', '--state', 'there'])
  })

  test('imports what version 1 has written', async (t) => {
    const workspace = await openSample(t, '4-with-sinks')
    await workspace.write('old.export', await readFile(fixture('state/version-1.export')))
    const imported = await workspace.sluice(['state', 'import', 'sample', 'old.export', '--state', 'there'])
    assert.equal(imported.code, 0, imported.stderr)
    const report = await workspace.report(['run', 'sample', '--state', 'there'])
    assert.deepEqual([report.read, report.written], [6, 0])
    const { stdout } = await workspace.sluice(['state', 'show', 'sample', '--state', 'there'])
    assert.match(stdout, /migrate: to format \d+, by Sluice/)
    assert.match(
      (await workspace.sluice(['rejects', 'show', 'sample', '--state', 'there'])).stdout,
      /SCHEMA_VIOLATION at validate: 2/,
    )
  })

  test('keeps the replica, which runs on as before', async (t) => {
    const key = shardKeyOf(2)
    const fleet = await openFleet(t, { key, organizations: 4 })
    await fleet.run(1, 2)
    assert.equal((await fleet.sluice(['state', 'export', 'events', 'a.export', '--yes'], 1)).code, 0)
    assert.equal((await fleet.sluice(['state', 'import', 'events', 'a.export'], 9)).code, 0)
    const { code, stderr } = await fleet.sluice(['run', 'events', '--shard', '1/2'], 9)
    assert.equal(code, 0, stderr)
    assert.match((await fleet.sluice(['run', 'events'], 9)).stderr, /STATE_MISMATCH: the state belongs to replica 1\/2/)
    await fleet.run(2, 2)
    await fleet.assertOnce()
  })
})
