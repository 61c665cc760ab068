import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { HOUR } from '../../../src/time.ts'
import { codeFile } from '../../support/paths.ts'
import { openFleet, shardKeyOf } from '../../support/replicas.ts'
import type { Fleet } from '../../support/replicas.ts'

const KILLER = codeFile('test/system/crash/support/kill-at.ts')

describe('tenants that move', () => {
  test('belong to one replica, or to none, when the export is killed before any of its operations', async (t) => {
    const { fleet, key, files, restore } = await openMoving(t)
    const args = ['state', 'export', 'events', files[0], '--count', '3', '--yes']
    const operations = await killEverywhere(fleet, { args, number: 1, key }, restore, async (at) => {
      const { replica } = await shownOf(fleet, 1)
      // Whoever has a file may collect: the state must not do so any more.
      if (existsSync(files[0])) assert.equal(replica.count, 3, `killed before operation ${at}`)
      const old = await fleet.sluice(['run', 'events', '--shard', '1/2'], 1)
      if (replica.count === 3) assert.match(old.stderr, /STATE_MISMATCH: the state belongs to replica 1\/3/)
      else assert.equal(old.code, 0, old.stderr)
      await succeed(fleet, args, 1, key)
      await finish(fleet, files, key)
    })
    assert.ok(operations >= 6, `${operations} operations`)
  })

  test('belong to one replica, or to none, when the import is killed before any of its operations', async (t) => {
    const { fleet, key, files, restore } = await openMoving(t)
    await succeed(fleet, ['state', 'export', 'events', files[0], '--count', '3', '--yes'], 1, key)
    const args = ['state', 'import', 'events', ...files, '--shard', '3/3']
    const operations = await killEverywhere(fleet, { args, number: 3, key }, restore, async (at) => {
      const run = await fleet.sluice(['run', 'events', '--shard', '3/3'], 3, { SLUICE_SHARD_KEY: key })
      if (run.code === 0) {
        const { partitions } = await shownOf(fleet, 3)
        assert.ok(partitions.length > 0, `killed before operation ${at}`)
      } else assert.match(run.stderr, /IMPORT_MISSING: replica 3\/3/, `killed before operation ${at}`)
      await finish(fleet, files, key)
    })
    assert.ok(operations >= 12, `${operations} operations`)
  })

  test('and a whole state are complete or unusable when the import is killed before any of its operations', async (t) => {
    const { fleet, restore } = await openMoving(t)
    const { workspace, sluice } = fleet
    const file = workspace.path('1.export')
    await succeed(fleet, ['state', 'export', 'events', file, '--yes'], 1, '')
    await restore()
    const wanted = await shownOf(fleet, 1)
    const args = ['state', 'import', 'events', file]
    const operations = await killEverywhere(fleet, { args, number: 3, key: '' }, restore, async (at) => {
      const shown = await sluice(['state', 'show', 'events', '--json'], 3)
      if (shown.code === 0 && JSON.parse(shown.stdout).pipeline !== undefined) {
        const run = await sluice(['run', 'events', '--shard', '1/2'], 3)
        if (run.code !== 0) assert.match(run.stderr, /IMPORT_MISSING: an import .* was interrupted/, `operation ${at}`)
      }
      await succeed(fleet, args, 3, '')
      assert.deepEqual((await shownOf(fleet, 3)).replica, wanted.replica)
      await workspace.report(['run', 'events', '--shard', '1/2', '--state', 'state-3'], { env: fleet.env })
      await succeed(fleet, ['state', 'rewind', 'events'], 3, '')
      const again = await workspace.report(['run', 'events', '--shard', '1/2', '--state', 'state-3'], {
        env: fleet.env,
      })
      assert.deepEqual([again.written, again.read > 0], [0, true])
    })
    assert.ok(operations >= 8, `${operations} operations`)
  })
})

interface Shown {
  readonly replica: { readonly number: number; readonly count: number }
  readonly partitions: readonly object[]
}

async function shownOf({ sluice }: Fleet, number: number): Promise<Shown> {
  const shown: Shown = JSON.parse((await sluice(['state', 'show', 'events', '--json'], number)).stdout)
  return shown
}

async function succeed({ sluice }: Fleet, args: readonly string[], number: number, key: string): Promise<string> {
  const { code, stdout, stderr } = await sluice(args, number, { SLUICE_SHARD_KEY: key })
  assert.equal(code, 0, stderr)
  return stdout
}

/** Two replicas have collected, and the second one is exported for three. */
async function openMoving(t: TestContext) {
  const now = Date.now()
  const old = shardKeyOf(2)
  const options = { events: 6, organizations: 8, now: now - 10 * HOUR, start: now - 20 * HOUR, end: now, frozen: true }
  const fleet = await openFleet(t, { key: old, ...options })
  const { workspace, jumpcloud } = fleet
  for (const number of [1, 2]) await fleet.run(number, 2)
  const files = [workspace.path('1.export'), workspace.path('2.export')]
  const stdout = await succeed(fleet, ['state', 'export', 'events', files[1], '--count', '3', '--yes'], 2, old)
  const key = /^SLUICE_SHARD_KEY=(\S+)$/m.exec(stdout)?.[1] ?? ''
  jumpcloud.clock.set(jumpcloud.clock.now() + 4 * HOUR)
  return { fleet, key, files, restore: await snapshot(fleet) }
}

/** Remembers all states, exports and objects when it is first called; brings them back afterwards. */
async function snapshot({ workspace }: Fleet): Promise<() => Promise<void>> {
  const names = ['state-1', 'state-2', 'state-3', '1.export', '2.export', 'out']
  let isTaken = false
  return async () => {
    for (const name of names) {
      const [now, saved] = [workspace.path(name), workspace.path('saved', name)]
      if (isTaken) {
        await rm(now, { recursive: true, force: true })
        if (existsSync(saved)) await cp(saved, now, { recursive: true, preserveTimestamps: true })
      } else if (existsSync(now)) await cp(now, saved, { recursive: true, preserveTimestamps: true })
    }
    isTaken = true
  }
}

/** Kills a command before each of its operations. Returns their number. */
async function killEverywhere(
  { workspace, env }: Fleet,
  { args, number, key }: { readonly args: readonly string[]; readonly number: number; readonly key: string },
  restore: () => Promise<void>,
  check: (at: number) => Promise<void>,
): Promise<number> {
  for (let at = 1; ; at++) {
    await restore()
    const running = workspace.start([...args, '--state', `state-${number}`], {
      node: ['--import', KILLER],
      env: { ...env, SLUICE_SHARD_KEY: key, KILL_AT: String(at) },
    })
    const { code, stderr } = await running.ended
    if (code !== null) {
      assert.equal(code, 0, stderr)
      return at - 1
    }
    await check(at)
  }
}

/** The rest of the move; then everything must have been written once, whatever is read again. */
async function finish(fleet: Fleet, files: readonly string[], key: string): Promise<void> {
  for (const number of [1, 2, 3]) {
    await succeed(fleet, ['state', 'import', 'events', ...files, '--shard', `${number}/3`], number, key)
    await fleet.run(number, 3, { env: { SLUICE_SHARD_KEY: key } })
  }
  await fleet.sluice(['state', 'rewind', 'events'], 3)
  assert.equal((await fleet.run(3, 3, { env: { SLUICE_SHARD_KEY: key } })).written, 0)
  await fleet.assertOnce()
}
