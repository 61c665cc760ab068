import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { MINUTE } from '../../../src/time.ts'
import { exportAll, openMoving, range, shardKeyOf } from '../../support/replicas.ts'

describe('sluice state export and import', () => {
  test('nobody collects a tenant between export and import', async (t) => {
    const { fleet, key: old } = await openMoving(t, 2)
    const { sluice, jumpcloud } = fleet
    const refuse = async (number: number, shard: string, key: string, message: RegExp): Promise<void> => {
      const before = jumpcloud.requests.length
      const { code, stderr } = await sluice(['run', 'events', '--shard', shard], number, { SLUICE_SHARD_KEY: key })
      assert.equal(code, 6, stderr)
      assert.match(stderr, message)
      assert.equal(jumpcloud.requests.length, before)
    }
    // Whoever changes the count only starts nothing, not even a new replica.
    await refuse(1, '1/3', old, /STATE_MISMATCH: the state belongs to replica 1\/2, not to replica 1\/3/)
    await refuse(3, '3/3', old, /STATE_MISMATCH: SLUICE_SHARD_KEY is that of 2 replicas, and this is replica 3\/3/)
    const { files, key } = await exportAll(fleet, 2, 3)
    await refuse(1, '1/2', old, /STATE_MISMATCH: the state belongs to replica 1\/3, not to replica 1\/2/)
    await refuse(3, '3/3', key, /IMPORT_MISSING: replica 3\/3 must not collect .* replica 1\/2, 2\/2\n/)
    const half = await sluice(['state', 'import', 'events', files[0], '--shard', '3/3'], 3, { SLUICE_SHARD_KEY: key })
    assert.match(half.stderr, /replica 3\/3 still waits for the export of 2\/2/)
    await refuse(3, '3/3', key, /IMPORT_MISSING: replica 3\/3 must not collect .* replica 2\/2\n/)
    assert.match((await sluice(['state', 'show', 'events'], 3)).stdout, /replica {5}3\/3, waits for the export of 2\/2/)
    await sluice(['state', 'import', 'events', files[1]], 3)
    for (const number of range(3)) await fleet.run(number, 3, { env: { SLUICE_SHARD_KEY: key } })
    await fleet.assertOnce()

    await exportAll({ ...fleet, sluice: (args, number) => sluice(args, number, { SLUICE_SHARD_KEY: key }) }, 3, 1)
    await refuse(3, '3/3', key, /STATE_MOVED: the tenants of replica 3\/3 were moved to 1 replica/)
    assert.match((await sluice(['state', 'show', 'events'], 3)).stdout, /replica {5}3\/3, removed/)
  })

  test('an export that is given up starts its tenants from the beginning', async (t) => {
    const { fleet } = await openMoving(t, 2)
    const { files, key } = await exportAll(fleet, 2, 3)
    const run = (args: readonly string[]) => fleet.sluice(args, 3, { SLUICE_SHARD_KEY: key })
    const wrong = await run(['state', 'import', 'events', '--without', '3', '--shard', '3/3'])
    assert.match(wrong.stderr, /USAGE: replica 3\/3 does not wait for the export of replica 3\n.*it waits for 1, 2/)
    const given = await run(['state', 'import', 'events', files[0], '--without', '2', '--shard', '3/3'])
    assert.equal(given.code, 0, given.stderr)
    assert.equal((await run(['run', 'events', '--shard', '3/3'])).code, 0)
    const late = await run(['state', 'import', 'events', files[1]])
    assert.equal(late.code, 6)
    assert.match(
      late.stderr,
      /STATE_MISMATCH: .* has jumpcloud:\w+, which this replica collects already: nothing was imported/,
    )
  })

  test('importing twice, and exporting twice, changes nothing', async (t) => {
    const { fleet } = await openMoving(t, 2)
    const { sluice, workspace } = fleet
    const { files, key } = await exportAll(fleet, 2, 3)
    const state = async (number: number): Promise<string> =>
      (await sluice(['state', 'show', 'events', '--json'], number)).stdout
    const importAll = async () => {
      const { code, stdout, stderr } = await sluice(['state', 'import', 'events', ...files, '--shard', '3/3'], 3, {
        SLUICE_SHARD_KEY: key,
      })
      assert.equal(code, 0, stderr)
      return stdout
    }
    assert.match(await importAll(), /1\.export: \d tenants?, \d+ dedup keys/)
    const before = await state(3)
    assert.match(await importAll(), /1\.export: imported before\n.*2\.export: imported before\n$/)
    assert.equal(await state(3), before)

    const source = await state(1)
    const written = await readFile(files[0])
    await exportAll(fleet, 2, 3)
    assert.deepEqual(await readFile(files[0]), written)
    assert.equal(await state(1), source)
    const other = await sluice(['state', 'export', 'events', files[1], '--count', '3', '--yes'], 1)
    assert.match(other.stderr, /USAGE: .*2\.export exists already/)
    const same = await sluice(['state', 'export', 'events', workspace.path('again'), '--count', '3', '--yes'], 1)
    assert.equal(same.code, 0)
    assert.deepEqual(await readFile(workspace.path('again')), written)
  })

  test('refuses an export that is damaged, incomplete, or no export, and leaves the state as it was', async (t) => {
    const { fleet } = await openMoving(t, 2)
    const { files, key } = await exportAll(fleet, 2, 3)
    const bytes = await readFile(files[0])
    const file = fleet.workspace.path('damaged.export')
    const refuse = async (content: Buffer, message: RegExp): Promise<void> => {
      await writeFile(file, content)
      const { code, stderr } = await fleet.sluice(['state', 'import', 'events', file, '--shard', '3/3'], 3, {
        SLUICE_SHARD_KEY: key,
      })
      assert.equal(code, 6, stderr)
      assert.match(stderr, message)
      assert.ok(!stderr.includes('SyntaxError'))
    }
    const body = bytes.indexOf('\n')
    for (const at of [body + 5, (body + bytes.length) >> 1, bytes.length - 20]) {
      const changed = Buffer.from(bytes)
      changed[at] ^= 1
      await refuse(changed, /EXPORT_INVALID: .*damaged\.export is (damaged|incomplete): nothing was imported from it/)
    }
    for (const length of [bytes.length - 1, (body + bytes.length) >> 1, body + 1])
      await refuse(bytes.subarray(0, length), /EXPORT_INVALID: .*damaged\.export is incomplete/)
    for (const text of ['', '{}\n', 'hello\n', '\u0000'.repeat(100_000)])
      await refuse(Buffer.from(text), /EXPORT_INVALID: .*damaged\.export is not an export of a state/)
    await refuse(
      Buffer.from(bytes.toString('latin1').replace('"version":2', '"version":3'), 'latin1'),
      /STATE_MISMATCH: .* has version 3, this Sluice supports versions 1 to 2/,
    )
    await refuse(
      Buffer.from(bytes.toString('latin1').replace(/"format":\d/, '"format":3'), 'latin1'),
      /STATE_MISMATCH: .* has format 3; this is Sluice .*, which reads the formats 4 to 6/,
    )
    const missing = await fleet.sluice(['state', 'import', 'events', 'absent.export'], 3)
    assert.match(missing.stderr, /FILE_NOT_FOUND: cannot open absent\.export: ENOENT/)
    const good = await fleet.sluice(['state', 'import', 'events', ...files], 3)
    assert.equal(good.code, 0, good.stderr)
  })

  test('refuses the export of another pipeline, of another key, of another count, and another dedup key', async (t) => {
    const { fleet } = await openMoving(t, 2)
    const { workspace, sluice } = fleet
    const { files, key } = await exportAll(fleet, 2, 3)
    const refuse = async (
      args: readonly string[],
      message: RegExp,
      env: { readonly [name: string]: string } = { SLUICE_SHARD_KEY: key },
    ) => {
      const { code, stderr } = await sluice(['state', 'import', ...args], 9, env)
      assert.equal(code, 6, stderr)
      assert.match(stderr, message)
    }
    const text = await readFile(workspace.path('pipelines/events.yaml'), 'utf8')
    await workspace.write('pipelines/others.yaml', text)
    await refuse(
      ['others', files[0], '--shard', '3/3'],
      /STATE_MISMATCH: .* is an export of the pipeline events, not of others/,
    )
    await refuse(
      ['events', files[0], '--shard', '4/4'],
      /STATE_MISMATCH: .* was made with another SLUICE_SHARD_KEY|moves tenants of 2 replicas to 3, and this is replica 4\/4/,
      { SLUICE_SHARD_KEY: shardKeyOf(4) },
    )
    await workspace.write(
      'pipelines/events.yaml',
      text.replace('key: [id, timestamp]', 'key: [id]').replace('time: timestamp, within: 7d', 'memory: 1GiB'),
    )
    const changed = await sluice(['state', 'import', 'events', files[0], '--shard', '3/3'], 8, {
      SLUICE_SHARD_KEY: key,
    })
    assert.equal(changed.code, 6, changed.stderr)
    assert.match(
      changed.stderr,
      /STATE_MISMATCH: .* has dedup keys that were made in another way: dedup\.key, dedup\.time/,
    )
    await workspace.write('pipelines/events.yaml', text)
    const other = shardKeyOf(3)
    const foreign = await sluice(['state', 'import', 'events', files[0], '--shard', '3/3'], 7, {
      SLUICE_SHARD_KEY: other,
    })
    assert.match(foreign.stderr, /STATE_MISMATCH: .* was made with another SLUICE_SHARD_KEY than this state/)
    const unnamed = await sluice(['state', 'import', 'events', files[0]], 6)
    assert.match(unnamed.stderr, /USAGE: .* has no state yet: say which replica it is/)
  })

  test('a replica that will be removed must have published everything, and says what stays behind', async (t) => {
    const { fleet } = await openMoving(t, 2)
    const { workspace, run, sluice, jumpcloud } = fleet
    const text = await readFile(workspace.path('pipelines/events.yaml'), 'utf8')
    const schema = { type: 'object', required: ['absent'] }
    await workspace.write('pipelines/s.json', JSON.stringify(schema))
    await workspace.write(
      'pipelines/events.yaml',
      text.replace('transforms: [', 'transforms: [{ type: validate, schema: s.json }, '),
    )
    jumpcloud.clock.set(jumpcloud.clock.now() + 30 * MINUTE)
    const { rejected } = await run(2, 2)
    assert.ok(rejected > 0)
    const file = workspace.path('file')
    const refused = await sluice(['state', 'export', 'events', file, '--count', '1', '--yes'], 2)
    assert.equal(refused.code, 2)
    assert.match(
      refused.stderr,
      new RegExp(`USAGE: ${rejected} rejects? of this replica, which will be removed, would stay behind`),
    )
    const left = await sluice(['state', 'export', 'events', file, '--count', '1', '--yes', '--leave-rejects'], 2)
    assert.equal(left.code, 0, left.stderr)
    const again = await sluice(['state', 'export', 'events', `${file}2`, '--count', '4', '--yes'], 2)
    assert.match(again.stderr, /STATE_MOVED: the tenants of this replica were moved to 1 before/)
    const same = await sluice(['state', 'export', 'events', `${file}3`, '--count', '2', '--yes'], 1)
    assert.match(same.stderr, /USAGE: there are 2 already: this is replica 1\/2/)
    const unsure = await sluice(['state', 'export', 'events', `${file}3`, '--count', '1'], 1)
    assert.match(unsure.stderr, /USAGE: nothing was changed/)
  })
})
