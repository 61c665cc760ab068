import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ownerOf } from '../../src/delivery/replicas/replica.ts'
import { HOUR } from '../../src/time.ts'
import { move, openMoving, range } from '../support/replicas.ts'

describe('the number of replicas', () => {
  test('changes from five to three and then to seven, and every event is written once', async (t) => {
    const { fleet } = await openMoving(t, 5)
    const { jumpcloud, run, sluice } = fleet
    let was = 5
    for (const count of [3, 7]) {
      const key = await move(fleet, was, count)
      jumpcloud.clock.set(jumpcloud.clock.now() + 4 * HOUR)
      for (const number of range(count)) {
        const options = { env: { SLUICE_SHARD_KEY: key } }
        const first = await run(number, count, options)
        assert.ok(first.read < 30 * 12, 'a tenant starts at its checkpoint')
        // All of it again: only the dedup keys that came along make it duplicates.
        assert.equal((await sluice(['state', 'rewind', 'events'], number)).code, 0)
        const before = jumpcloud.requests.length
        const again = await run(number, count, options)
        assert.equal(again.written, 0)
        const own = jumpcloud.organizations.filter(({ id }) => ownerOf('events', id, count) === number)
        assert.deepEqual(
          new Set(jumpcloud.requests.slice(before).map(({ org }) => org)),
          new Set(own.map(({ id }) => id)),
        )
      }
      await fleet.assertOnce()
      was = count
    }
  })

  test('changes from one process to four replicas and back', async (t) => {
    const { fleet } = await openMoving(t, 1)
    const { jumpcloud, run, assertOnce, sluice } = fleet
    const key = await move(fleet, 1, 4)
    jumpcloud.clock.set(jumpcloud.clock.now() + 4 * HOUR)
    for (const number of range(4)) await run(number, 4, { env: { SLUICE_SHARD_KEY: key } })
    await assertOnce()
    await move(fleet, 4, 1)
    jumpcloud.clock.set(jumpcloud.clock.now() + 4 * HOUR)
    const { code, stderr } = await sluice(['run', 'events'], 1, { SLUICE_SHARD_KEY: '' })
    assert.equal(code, 0, stderr)
    await assertOnce()
  })
})
