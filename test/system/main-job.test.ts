import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { SECRET_MARK } from '../servers/events.ts'
import { writeArchive } from '../servers/events/archive.ts'
import type { S3Server } from '../servers/s3.ts'
import { BUCKET, openMainJob } from '../support/main-job.ts'

const FAST = ['--set', 'source.rate.perSecond=1000']

/** Counts how often each id occurs in the store. Asserts that no object was written twice. */
function countIds(s3: S3Server): Map<string, number> {
  const counts = new Map<string, number>()
  for (const object of s3.objects(BUCKET).values()) {
    assert.equal(object.puts, 1, `${object.key} was written again`)
    if (object.key.startsWith('jumpcloud-rejects/')) continue
    for (const line of gunzipSync(object.body).toString().split('\n')) {
      if (line === '') continue
      const { id }: { id: string } = JSON.parse(line)
      counts.set(id, (counts.get(id) ?? 0) + 1)
    }
  }
  return counts
}

function assertEachOnce(s3: S3Server, ids: Iterable<string>): void {
  const counts = countIds(s3)
  const expected = [...ids]
  assert.equal(counts.size, new Set(expected).size)
  for (const id of expected) assert.equal(counts.get(id), 1, id)
}

describe('the main job', () => {
  test('writes 100,000 events from the API to S3, each once, with a balanced ledger', async (t) => {
    const { jumpcloud, s3, workspace, env, events } = await openMainJob(t, { events: 100_000, repeats: 0.02 })
    const [id] = Object.keys(jumpcloud.totals())

    const report = await workspace.report(['run', 'jumpcloud', ...FAST], { env })

    assertEachOnce(s3, jumpcloud.allIds(id))
    assert.equal(report.written, 100_000)
    const dropped = Object.values(report.dropped).reduce((sum, count) => sum + count, 0)
    assert.equal(report.read + report.added, report.written + report.duplicate + report.rejected + dropped)
    assert.ok(report.duplicate > 1000, 'repeated events were counted as duplicates')
    assert.equal(report.rejected, 0)
    const keys = [...s3.objects(BUCKET).keys()].toSorted()
    assert.deepEqual(report.objects.map(({ key }) => key).toSorted(), keys)
    for (const { key, bytes, records } of report.objects) {
      const object = s3.objects(BUCKET).get(key)
      assert.equal(object?.size, bytes)
      assert.equal(gunzipSync(object.body).toString().split('\n').length - 1, records)
    }
    const text = [...s3.objects(BUCKET).values()].map(({ body }) => gunzipSync(body).toString()).join('')
    assert.ok(!text.includes(SECRET_MARK), 'a password was not redacted')
    assert.ok(Array.from({ length: 100 }, (_, at) => events.text(at)).some((event) => event.includes(SECRET_MARK)))
  })

  test('adds only missing events from an archive that overlaps the collected ones', async (t) => {
    const { jumpcloud, s3, workspace, env, events } = await openMainJob(t, { events: 6000 })
    const since = new Date(events.millis(2000)).toISOString()
    await workspace.report(['run', 'jumpcloud', ...FAST], { env: { ...env, SLUICE_SINCE: since } })
    await writeArchive(workspace.path('archive.json.gz'), events, {
      to: 4000,
      format: 'array',
      order: 'DESC',
      gzip: true,
    })
    await writeArchive(workspace.path('archive-again.json'), events, { from: 1000, to: 3000, format: 'pretty' })

    const report = await workspace.report(
      ['backfill', 'jumpcloud', '.', '--set', 'source.path=[archive.json.gz, archive-again.json]'],
      { env },
    )

    const [id] = Object.keys(jumpcloud.totals())
    assertEachOnce(s3, jumpcloud.allIds(id))
    assert.equal(report.read, 6000)
    assert.equal(report.written + report.duplicate, 6000)
    assert.equal((await workspace.report(['run', 'jumpcloud', ...FAST], { env })).written, 0)
  })

  test('commits on SIGTERM, and resumes from there in the next run', async (t) => {
    const { jumpcloud, s3, workspace, env } = await openMainJob(t, { events: 20_000 })
    const running = workspace.start(
      [
        'run',
        'jumpcloud',
        '--follow',
        '--report',
        'first.json',
        '--set',
        'source.rate.perSecond=20',
        '--set',
        'source.limit=500',
      ],
      { env },
    )
    while (jumpcloud.requests.filter(({ path }) => path.endsWith('/events')).length < 8) await sleep(10)
    running.kill('SIGTERM')
    const { code, stderr } = await running.ended
    assert.equal(code, 130, stderr)
    const first = JSON.parse(await readFile(workspace.path('first.json'), 'utf8'))
    assert.equal(first.outcome, 'interrupted')
    assert.ok(first.written >= 2500 && first.written < 20_000, `${first.written} were written`)
    assert.deepEqual(await readdir(workspace.path('.sluice/jumpcloud/outbox')), [], 'everything was published')

    const second = await workspace.report(['run', 'jumpcloud', ...FAST, '--set', 'source.limit=500'], { env })
    const [id] = Object.keys(jumpcloud.totals())
    assertEachOnce(s3, jumpcloud.allIds(id))
    assert.equal(first.written + second.written, 20_000)
    assert.ok(second.read < 19_000, 'the second run did not start over')
  })

  test('loses and repeats nothing when killed at any time', async (t) => {
    const { jumpcloud, s3, workspace, env } = await openMainJob(t, { events: 20_000 })
    const often = [
      '--set',
      'source.limit=500',
      '--set',
      'sink.roll.maxRecords=1500',
      '--set',
      'source.rate.perSecond=200',
    ]
    for (const requests of [3, 9, 16, 24, 33]) {
      const running = workspace.start(['run', 'jumpcloud', ...often], { env })
      const ended = running.ended.then(() => true)
      while (jumpcloud.requests.length < requests) {
        if (await Promise.race([ended, sleep(2).then(() => false)])) break
      }
      running.kill('SIGKILL')
      await ended
    }
    await workspace.report(['run', 'jumpcloud', ...often], { env })
    const [id] = Object.keys(jumpcloud.totals())
    assertEachOnce(s3, jumpcloud.allIds(id))
  })

  test('refuses a second process with the same state, and names the first', async (t) => {
    const { jumpcloud, workspace, env } = await openMainJob(t, { events: 1000 })
    const running = workspace.start(['run', 'jumpcloud', '--follow', ...FAST], { env })
    while (jumpcloud.requests.length < 1) await sleep(10)
    const { code, stderr } = await workspace.sluice(['run', 'jumpcloud'], { env })
    assert.equal(code, 6, stderr)
    assert.match(stderr, new RegExp(`STATE_IN_USE.*${running.pid}`))
    running.kill('SIGINT')
    assert.equal((await running.ended).code, 130)
  })

  test('exits with 4 if the store refuses, and publishes the committed objects in the next run', async (t) => {
    const { jumpcloud, s3, workspace, env } = await openMainJob(t, { events: 3000 })
    const fault = s3.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
    const { code, stderr } = await workspace.sluice(['run', 'jumpcloud', ...FAST], { env })
    assert.equal(code, 4, stderr)
    assert.match(stderr, /SINK_REFUSED.*AccessDenied/)
    fault.remove()
    const report = await workspace.report(['run', 'jumpcloud', ...FAST], { env })
    assert.equal(report.written, 0, 'no record was read and written again')
    const [id] = Object.keys(jumpcloud.totals())
    assertEachOnce(s3, jumpcloud.allIds(id))
  })

  test('prints no secret of the configuration, even if the API echoes it', async (t) => {
    const { jumpcloud, workspace, env } = await openMainJob(t, { events: 1000, echoErrors: true })
    for (const status of [400, 401, 402, 403]) {
      const fault = jumpcloud.faults.add({ fault: { kind: 'status', status } })
      const { code, stdout, stderr } = await workspace.sluice(['run', 'jumpcloud', '--json', ...FAST], { env })
      assert.equal(code, 3, stderr)
      for (const secret of [jumpcloud.apiKey, env.SLUICE_HMAC_KEY]) {
        assert.ok(!stdout.includes(secret) && !stderr.includes(secret), `status ${status} reveals a secret`)
      }
      fault.remove()
    }
  })
})
