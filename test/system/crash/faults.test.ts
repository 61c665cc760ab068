import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { ObjectSink } from '../../../src/component.ts'
import { loadPipeline } from '../../../src/config/load.ts'
import { errorCodes, SluiceError } from '../../../src/errors.ts'
import type { JsonObject } from '../../../src/record/json/json.ts'
import { RunEvents } from '../../../src/observe/bus/run-events.ts'
import { runPipeline } from '../../../src/runtime/run.ts'
import { createS3Client } from '../../../src/s3/client.ts'
import { uploadObject } from '../../../src/sinks/s3/upload.ts'
import { openWorkspace } from '../../support/command.ts'
import { events, lines, openEvents, rollWith, stream } from '../../delivery/support.ts'
import { BUCKET, startStore } from '../../sinks/s3/support.ts'
import { startJumpCloudServer } from '../../servers/jumpcloud.ts'
import type { JumpCloudServer } from '../../servers/jumpcloud.ts'
import type { Effect, Fault, Operation, S3Server } from '../../servers/s3.ts'
import { seededRandom } from './support/seed.ts'
import type { Random } from './support/random.ts'
import { DAY, HOUR } from '../../../src/time.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { scaled } from '../../support/scale.ts'

const { random } = seededRandom('faults')
const MIXES = scaled(4)

const storeFaults: { readonly [name: string]: Effect } = {
  'a connection reset before the request': { kind: 'reset', at: 'start' },
  'a connection reset within the request': { kind: 'reset', at: 'body' },
  'a lost response': { kind: 'reset', at: 'response' },
  'no response': { kind: 'hang', at: 'start' },
  'no response after the operation': { kind: 'hang', at: 'response' },
  'one byte per second': { kind: 'slow', bytesPerSecond: 1 },
  'status 500': { kind: 'error', code: 'InternalError' },
  'status 503 with Retry-After': { kind: 'error', code: 'SlowDown', retryAfter: 1 },
  'an error with status 200': { kind: 'errorInside200', code: 'InternalError' },
  'status 409': { kind: 'error', code: 'ConditionalRequestConflict' },
  'status 412 for an absent object': { kind: 'error', code: 'PreconditionFailed' },
  'a wrong checksum': { kind: 'wrongChecksum' },
  'an expired token': { kind: 'error', code: 'ExpiredToken' },
  'a denial': { kind: 'error', code: 'AccessDenied' },
  'no such upload': { kind: 'error', code: 'NoSuchUpload' },
}

const partOperations = ['CreateMultipartUpload', 'UploadPart', 'CompleteMultipartUpload'] as const

describe('the store answers with', { concurrency: 8 }, () => {
  for (const [name, effect] of Object.entries(storeFaults)) {
    test(`${name}, to a small object`, async (t) => {
      await assertRecovers(t, { ...effect, operation: 'PutObject' }, SMALL)
    })

    test(`${name}, to an object in parts`, async (t) => {
      for (const operation of partOperations) await assertRecovers(t, { ...effect, operation }, LARGE)
    })
  }
})

const apiFaults: { readonly [name: string]: Parameters<JumpCloudServer['faults']['add']>[0] } = {
  'a connection reset before the response': { fault: { kind: 'reset-before' } },
  'a connection reset within the response': { fault: { kind: 'reset-during' } },
  'no response': { fault: { kind: 'hang' } },
  'one byte per second': { fault: { kind: 'slow' } },
  'status 500': { fault: { kind: 'status', status: 500 } },
  'status 503 with Retry-After': { fault: { kind: 'status', status: 503, retryAfter: 1 } },
  'status 429': { fault: { kind: 'status', status: 429 } },
  'an expired key': { fault: { kind: 'status', status: 401 } },
  'a denial': { fault: { kind: 'status', status: 403 } },
  'a bad request': { fault: { kind: 'status', status: 400 } },
  'truncated gzip': { fault: { kind: 'truncated-gzip' } },
  'a body truncated at a record, shorter than its Content-Length': { fault: { kind: 'cut', contentLength: true } },
  'a body truncated at a record that looks complete': { fault: { kind: 'cut', contentLength: false } },
  'HTML with status 200': { fault: { kind: 'html' } },
  'the cursor of the request': { fault: { kind: 'repeat-cursor' } },
  'a full page without a cursor': { fault: { kind: 'no-cursor' } },
  'a redirect to another origin': { fault: { kind: 'redirect', to: 'http://127.0.0.1:9' } },
}

describe('the API answers with', { concurrency: 8 }, () => {
  for (const [name, rule] of Object.entries(apiFaults)) {
    for (const times of [1, 100]) {
      test(`${name}, ${times === 1 ? 'once' : 'repeatedly'}`, async (t) => {
        const { jumpcloud, run, assertAll } = await openJob(t)
        const tally = jumpcloud.faults.add({ after: 3, ...rule, times })
        const error = await run()
        assert.ok(tally.fired > 0, 'the fault was triggered')
        if (error) assertSourceOrSinkError(error)
        jumpcloud.faults.clear()
        assert.equal(await run(), undefined)
        assertAll()
      })
    }
  }
})

describe('random faults of both', () => {
  test(`in ${MIXES} mixes leave every event written exactly once`, async (t) => {
    for (let mix = 0; mix < MIXES; mix++) {
      const { jumpcloud, s3, run, assertAll } = await openJob(t)
      mixFaults(random, jumpcloud, s3)
      for (let attempt = 0; attempt < 3; attempt++) {
        const error = await run()
        if (error) assertSourceOrSinkError(error)
      }
      jumpcloud.faults.clear()
      s3.faults.clear()
      assert.equal(await run(), undefined)
      assertAll()
    }
  })
})

const SMALL = [1, 2, 3].map((n) => ({ bytes: lines(...events(n * 10, n * 10 + 10)), position: n }))
const LARGE = [{ bytes: lines(...events(0, 1400).map((event) => ({ ...event, text: 'x'.repeat(4096) }))), position: 3 }]

/** Triggers the fault once, and asserts that the next run completes. */
async function assertRecovers(t: TestContext, fault: Fault, chunks: typeof SMALL): Promise<void> {
  const server = await startStore(t)
  const base = await temporaryFolder(t)
  const active = server.faults.add(fault)
  const run = async (): Promise<SluiceError | undefined> => {
    const sink = {
      type: 's3',
      sink: sinkWithShortTimeouts(t, server),
      compression: 'none' as const,
      roll: rollWith({ maxRecords: 10 }),
    }
    const commit = await openEvents(t, { base, sink, drainTimeouts: { done: 10_000, interrupted: 1000 } })
    try {
      const position = Number(commit.position() ?? 0)
      await stream({ commit, chunks: chunks.filter((chunk) => chunk.position > position) })
      return undefined
    } catch (error) {
      assert.ok(error instanceof SluiceError, String(error))
      return error
    } finally {
      await commit.close()
    }
  }
  const error = await run()
  assert.equal(active.triggered, 1)
  if (error) assertSourceOrSinkError(error)
  active.remove()
  assert.equal(await run(), undefined)
  const ids = idsIn(server)
    .map(Number)
    .toSorted((a, b) => a - b)
  const expected = chunks
    .flatMap(({ bytes }) => bytes.toString().trim().split('\n'))
    .map((line): number => JSON.parse(line).id)
  assert.deepEqual(ids, expected)
  // An upload whose id was lost is left to the lifecycle rule of the bucket.
  const unknown = fault.operation === 'CreateMultipartUpload' ? 1 : 0
  assert.ok(server.openUploads(BUCKET) <= unknown, 'an upload was not aborted')
}

/** Works like the s3 sink, with short timeouts. */
function sinkWithShortTimeouts(t: TestContext, { endpoint, region }: S3Server): ObjectSink {
  const place = { region, endpoint, forcePathStyle: true }
  const client = createS3Client({ ...place, requestTimeout: 1000, idleTimeout: 1000, maxAttempts: 2 })
  t.after(() => client.destroy())
  return {
    maxKeyBytes: 1024,
    destination: (key) => ({ key }),
    async publish(file, destination, signal, attempt) {
      await uploadObject({
        client,
        file,
        destination: { ...place, bucket: BUCKET, key: keyOf(destination), partSize: 5 << 20 },
        signal,
        attempt,
      })
    },
  }
}

function keyOf({ key }: JsonObject): string {
  assert.ok(typeof key === 'string')
  return key
}

function idsIn(server: S3Server): string[] {
  return [...server.objects(BUCKET).values()].flatMap(({ key, body, puts }) => {
    assert.equal(puts, 1, `${key} was written again`)
    const text = body.toString()
    return text
      .slice(0, -1)
      .split('\n')
      .map((line) => String(JSON.parse(line).id))
  })
}

function assertSourceOrSinkError(error: SluiceError): void {
  const { exit } = errorCodes[error.code]
  assert.ok(exit === 3 || exit === 4, `${error.code}: ${error.message}`)
}

async function openJob(t: TestContext) {
  const end = Date.now() - HOUR
  const jumpcloud = await startJumpCloudServer({
    events: 1500,
    start: end - DAY,
    end,
    faultSeed: random.below(2 ** 31),
  })
  t.after(() => jumpcloud.close())
  const s3 = await startStore(t)
  const workspace = await openWorkspace(t)
  const path = await workspace.write(
    'pipelines/events.yaml',
    `source:
  type: jumpcloud
  apiKey: ${jumpcloud.apiKey}
  baseUrl: ${jumpcloud.url}
  limit: 100
  rate: { perSecond: 1000 }
  retry: { attempts: 4, maxDelay: 30ms }
  timeout: { headers: 500ms, body: 500ms, request: 2s }
  window: { since: 2d, step: 6h, lag: 5m, overlap: 5m, sweep: 0s }
transforms:
  - { type: dedup, key: [id, timestamp], time: timestamp, within: 7d }
sink: { type: s3, bucket: ${BUCKET}, endpoint: '${s3.endpoint}', forcePathStyle: true, compression: none, roll: { maxRecords: 200 } }
`,
  )
  return {
    jumpcloud,
    s3,
    run: async (): Promise<SluiceError | undefined> => {
      const { pipeline, problems } = await loadPipeline(path, { root: workspace.folder, mode: 'run' })
      assert.ok(pipeline, JSON.stringify(problems))
      const stop = new AbortController().signal
      const { error } = await runPipeline({
        pipeline,
        stateFolder: workspace.path('.sluice'),
        follow: false,
        stop,
        events: new RunEvents(),
      })
      return error
    },
    assertAll: (): void => {
      const [{ id }] = jumpcloud.organizations
      assert.deepEqual(idsIn(s3).toSorted(), [...jumpcloud.allIds(id)].toSorted())
    },
  }
}

/**
 * Adds some faults of each side, each for a few requests. Faults that cost a long timeout are left
 * to the tests above.
 */
function mixFaults(chance: Random, jumpcloud: JumpCloudServer, s3: S3Server): void {
  const operations: readonly Operation[] = ['PutObject']
  for (const [name, effect] of Object.entries(storeFaults)) {
    if (effect.kind === 'hang' || effect.kind === 'slow' || !chance.chance(0.4)) continue
    const isRefusal = /denial|expired/.test(name)
    s3.faults.add({
      ...effect,
      operation: operations,
      times: isRefusal ? 1 : 20,
      probability: isRefusal ? 0.03 : 0.1,
      seed: chance.below(2 ** 31),
    })
  }
  for (const rule of Object.values(apiFaults)) {
    if (chance.chance(0.3)) jumpcloud.faults.add({ ...rule, probability: 0.05 })
  }
}
