import assert from 'node:assert/strict'
import { access } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { JumpCloudOptions } from '../servers/jumpcloud.ts'
import { BUCKET, openMainJob } from '../support/main-job.ts'

async function openJob(t: TestContext, options: JumpCloudOptions = {}) {
  const job = await openMainJob(t, { events: 200, start: Date.now() - 36_000_000, ...options })
  const connect = (more: object = {}) =>
    job.workspace.sluice(['check', 'jumpcloud', '--connect'], { env: { ...job.env, ...more } })
  return { ...job, connect }
}

test('check --connect checks a page, the clocks and each permission in the store, and leaves nothing behind', async (t) => {
  const { jumpcloud, s3, workspace, connect } = await openJob(t)
  const { code, stdout, stderr } = await connect()
  assert.equal(code, 0, stdout + stderr)
  assert.doesNotMatch(stderr, /Warning/, 'the AWS SDK warns about this version of Node.js')
  assert.match(stdout, /ok +source: one page: responds, starting with 200 records/)
  assert.match(stdout, /ok +source: clocks: ours is [0-2] s fast/)
  for (const [part, prefix] of [
    ['sink', 'jumpcloud/'],
    ['rejects', 'jumpcloud-rejects/'],
  ]) {
    assert.ok(
      stdout.includes(`  ok     ${part}: s3:PutObject in audit below ${prefix}: allowed (an upload was`),
      stdout,
    )
    assert.ok(stdout.includes(`  ok     ${part}: s3:AbortMultipartUpload in audit below ${prefix}: allowed\n`), stdout)
  }
  assert.equal(s3.objects(BUCKET).size, 0)
  assert.equal(s3.openUploads(BUCKET), 0)
  const state = await workspace.sluice(['state', 'show', 'jumpcloud'])
  assert.notEqual(state.code, 0, 'no state was created')
  assert.equal(jumpcloud.requests.filter(({ path }) => path.endsWith('/events')).length, 1)
})

test('check --connect names the missing permission', async (t) => {
  for (const [operation, right] of [
    ['CreateMultipartUpload', 's3:PutObject'],
    ['UploadPart', 's3:PutObject'],
    ['AbortMultipartUpload', 's3:AbortMultipartUpload'],
  ] as const) {
    const { s3, connect } = await openJob(t)
    s3.faults.add({ operation, kind: 'error', code: 'AccessDenied', times: Infinity })
    const { code, stdout } = await connect()
    assert.equal(code, 4)
    const failed = stdout.split('\n').filter((line) => line.includes('FAILED'))
    assert.equal(failed.length, 2, stdout)
    assert.ok(failed[0]?.includes(`sink: ${right} in audit below jumpcloud/: `), failed[0])
    assert.match(failed[0] ?? '', new RegExp(`refused ${operation} on bucket audit: AccessDenied`))
    assert.equal(s3.objects(BUCKET).size, 0)
    if (operation !== 'AbortMultipartUpload') assert.equal(s3.openUploads(BUCKET), 0)
  }
})

test('check --connect reports rejected credentials and a wrong clock, but no secret', async (t) => {
  const { connect } = await openJob(t, { echoErrors: true, now: Date.now() - 7_200_000, frozen: true })
  const { code, stdout, stderr } = await connect({
    JUMPCLOUD_API_KEY: 'canary-0123456789',
    AWS_SECRET_ACCESS_KEY: 'canary-s3',
  })
  assert.equal(code, 3)
  assert.match(stdout, /FAILED source: one page: .*the API rejects the credentials; check apiKey/)
  assert.match(stdout, /FAILED source: clocks: ours is 7\d\d\d s fast/)
  assert.match(
    stdout,
    /FAILED sink: s3:PutObject in audit below jumpcloud\/: .*SignatureDoesNotMatch.*the secret key is wrong/,
  )
  assert.doesNotMatch(stdout + stderr, /canary/)
})

test('preview of a live source reads no more than it shows, and writes nothing', async (t) => {
  const { jumpcloud, s3, workspace, env } = await openJob(t, { events: 5000 })
  const set = ['--set', 'source.window.since=1d', '--set', 'source.limit=100']
  const { code, stdout, stderr } = await workspace.sluice(['preview', 'jumpcloud', '--limit', '3', ...set], {
    env,
  })
  assert.equal(code, 0, stderr)
  assert.equal(stdout.match(/\/events \S+ page \d+/g)?.length, 3, stdout)
  // The page that is shown and at most one prefetched page.
  assert.ok(jumpcloud.requests.filter(({ path }) => path.endsWith('/events')).length <= 2)
  assert.equal(s3.requests.length, 0)
  await assert.rejects(access(workspace.path('.sluice')))
})

test('check --connect does not connect if the pipeline has mistakes', async (t) => {
  const { jumpcloud, workspace } = await openJob(t)
  const { code, stdout } = await workspace.sluice(['check', 'jumpcloud', '--connect'])
  assert.equal(code, 2)
  assert.match(stdout, /environment variable JUMPCLOUD_API_KEY is not set/)
  assert.equal(jumpcloud.requests.length, 0)
})
