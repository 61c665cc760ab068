import assert from 'node:assert/strict'
import { test } from 'node:test'
import { idsOf, openSource, QUICK, readSource } from '../sources/http/read-source.ts'
import { startJumpCloudServer } from '../servers/jumpcloud.ts'
import { HOUR } from '../../src/time.ts'
import { scaled } from '../support/scale.ts'

const EVENTS = scaled(300)
const SIZES = [1, 7, 1000, 10_000]
const STEPS = ['1m', '1h', '1d']

for (const limit of SIZES) {
  for (const step of STEPS) {
    test(`pages of ${limit} in windows of ${step} yield exactly all events`, async (t) => {
      const end = Date.now() - HOUR
      const server = await startJumpCloudServer({ seed: 3, events: EVENTS, start: end - 5 * HOUR, end, repeats: 0.03 })
      t.after(() => server.close())
      const source = await openSource({
        type: 'jumpcloud',
        baseUrl: server.url,
        apiKey: server.apiKey,
        limit,
        window: { since: '7h', step, overlap: '30s', sweep: '0s' },
        ...QUICK,
      })
      const reading = await readSource(source)
      assert.equal(reading.error, undefined)
      assert.deepEqual(reading.notes, [])
      const ids = idsOf(reading.lines)
      assert.equal(ids.length, EVENTS)
      assert.deepEqual(new Set(ids), new Set(server.allIds(server.organizations[0].id)))
    })
  }
}
