import assert from 'node:assert/strict'
import { cp } from 'node:fs/promises'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { openWorkspace, s3Environment } from '../support/command.ts'
import { startS3Server } from '../servers/s3.ts'
import type { S3Server } from '../servers/s3.ts'
import { startVendor, vendors } from '../servers/vendors.ts'
import type { Vendor } from '../servers/vendors.ts'
import { HOUR, MINUTE } from '../../src/time.ts'

const BUCKET = 'events'
const FAST = ['--set', 'source.rate.perSecond=10000', '--set', 'source.retry.maxDelay=1ms']

/** Each run has a shorter settling delay than the last one, so that a window is due at once. */
function settling(delay: string): string[] {
  return ['--set', `source.window.lag=${delay}`]
}

/** The numbers of all events in the store, including duplicates. */
function numbersIn(s3: S3Server, { numberOf }: Vendor): number[] {
  const lines = [...s3.objects(BUCKET).values()].flatMap(({ body }) => gunzipSync(body).toString().trim().split('\n'))
  return lines.map((line) => numberOf(JSON.parse(line))).toSorted((a, b) => a - b)
}

for (const vendor of vendors) {
  test(`${vendor.name}: writes every event once, across pages, windows, failures and a second run`, async (context) => {
    const api = await startVendor(context, vendor)
    const s3 = await startS3Server({ buckets: [BUCKET] })
    context.after(() => s3.close())
    const workspace = await openWorkspace(context)
    await cp('pipelines', workspace.path('pipelines'), { recursive: true })
    await cp('schemas', workspace.path('schemas'), { recursive: true })
    await cp('transforms', workspace.path('transforms'), { recursive: true })
    const env = {
      ...s3Environment(s3),
      ...vendor.env(api.origin),
      SLUICE_BUCKET: BUCKET,
      SLUICE_HMAC_KEY: 'canary-hmac-key-0123456789',
      SLUICE_SINCE: '3d',
    }
    const args = ['run', vendor.name, ...FAST, ...vendor.pages(50)]
    const start = Date.now() - 60 * HOUR
    // Several events per second, page boundaries between them, and windows without free space.
    const times = Array.from({ length: 500 }, (_, at) => start + Math.floor(at / 3) * 1200 * 1000 + (at % 3))
    api.add(times.filter((time) => time < Date.now() - HOUR))

    const first = await workspace.report([...args, ...settling('20m')], { env })
    assert.deepEqual(numbersIn(s3, vendor), [...Array(first.written).keys()])
    assert.ok(first.written > 450 && api.requests.length > 12)
    assert.equal(first.rejected, 0)

    // Some on time, and some later than the overlap reaches, but within the look-back.
    api.add([Date.now() - 30 * MINUTE, Date.now() - 100 * MINUTE])
    const swept = ['--set', 'source.window.sweepEvery=0s']
    const second = await workspace.report([...args, ...swept, ...settling('15m')], { env })
    assert.equal(second.written, 2)
    assert.deepEqual(numbersIn(s3, vendor), [...Array(first.written + 2).keys()])

    const wrong = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value.replace('canary-token', 'canary-wrong')]),
    )
    const refused = await workspace.sluice([...args, ...settling('10m')], { env: wrong })
    assert.equal(refused.code, 3)
    assert.match(refused.stderr, /SOURCE_REFUSED: .*returned 40[13]/)
    const shown = await workspace.sluice(['state', 'show', vendor.name, '--json'], { env })
    assert.doesNotMatch(refused.stderr + refused.stdout + shown.stdout + JSON.stringify([first, second]), /canary/)
  })
}
