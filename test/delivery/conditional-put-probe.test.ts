import assert from 'node:assert/strict'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { readState } from '../../src/delivery/state/state-reader.ts'
import type { JsonObject } from '../../src/record/json/json.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { BUCKET, createSink, startStore } from '../sinks/s3/support.ts'
import type { S3Server } from '../servers/s3.ts'
import { lines, openEvents, stream } from './support.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { noteTo } from '../support/notes.ts'

const PARTS = Array.from({ length: 8 }, () => ({ id: 1, text: 'x'.repeat(900_000) }))

interface Run {
  readonly base: string
  readonly server: S3Server
  readonly records?: readonly JsonObject[]
  /** The run is interrupted, and waits 300 ms for its uploads. */
  readonly isInterrupted?: boolean
}

const FOUR = [1, 2, 3, 4].map((id) => ({ id }))

/** Writes one object per id. Returns the log notes. */
async function run(t: TestContext, { base, server, records = FOUR, isInterrupted = false }: Run): Promise<string[]> {
  const notes: string[] = []
  const paths = new Paths()
  const sink = await createSink(t, server)
  const commit = await openEvents(t, {
    base,
    paths,
    sink: { type: 's3', sink, key: '{record.id}', compression: 'none' },
    drainTimeouts: { done: 2000, interrupted: 300 },
    note: noteTo(({ message, facts }) => notes.push([message, facts['reason']].filter(Boolean).join(': '))),
  })
  try {
    const end = { kind: isInterrupted ? 'interrupted' : 'done' } as const
    await stream({ commit, paths, chunks: [{ bytes: lines(...records) }], end })
  } finally {
    await commit.close()
  }
  return notes
}

const storesOf = (base: string) => readState(join(base, 'state', 'events'), (state) => state.stores())

function putsOf(server: S3Server): number[] {
  return [...server.objects(BUCKET).values()].map(({ puts }) => puts).toSorted((a, b) => a - b)
}

describe('a store', () => {
  it('that refuses to replace objects is probed once, and replaces no object', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t)
    assert.deepEqual(await run(t, { base, server }), [])
    const name = `bucket ${BUCKET} at ${server.endpoint}`
    assert.deepEqual(await storesOf(base), [{ name, refusesOverwrite: true }])
    assert.equal(server.count('PutObject'), 5)
    await run(t, { base, server })
    assert.equal(server.count('PutObject'), 9)
    assert.deepEqual(putsOf(server), [1, 1, 1, 1, 1, 1, 1, 1])
  })

  it('that ignores conditions is detected without a second put of an object', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t, { ignoreConditions: true, ignoreDigests: true })
    assert.deepEqual(await run(t, { base, server }), [
      'the store ignores If-None-Match: a repeated put replaces the object',
    ])
    assert.deepEqual(putsOf(server), [1, 1, 1, 1])
    const [{ refusesOverwrite }] = await storesOf(base)
    assert.equal(refusesOverwrite, false)
    assert.deepEqual(await run(t, { base, server }), [])
  })

  it('that ignores conditions and refuses to delete keeps one tiny object, which is named', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t, { ignoreConditions: true, denyDelete: true })
    const [, note] = await run(t, { base, server, records: [{ id: 1 }] })
    const [left] = [...server.objects(BUCKET).values()].filter(({ key }) => key.includes('_sluice-probe-'))
    assert.ok(left.size <= 1)
    assert.match(note, new RegExp(`left the object ${left.key} in bucket ${BUCKET}, delete it: .*AccessDenied`))
    assert.match(left.key, /^1\/_sluice-probe-/)
  })

  it('that withholds the right to read cannot be probed, which is logged and kept', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t, { denyRead: true, denyList: true })
    const [note] = await run(t, { base, server })
    assert.match(note, /no answer to the conditional put: .*AccessDenied/)
    assert.deepEqual(await storesOf(base), [{ name: `bucket ${BUCKET} at ${server.endpoint}` }])
    assert.deepEqual(putsOf(server), [1, 1, 1, 1])
    assert.deepEqual(await run(t, { base, server }), [])
  })

  it('is probed separately for multipart uploads', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t)
    await run(t, { base, server })
    await run(t, { base, server, records: PARTS })
    const name = `bucket ${BUCKET} at ${server.endpoint}`
    assert.deepEqual((await storesOf(base)).map((store) => store.name).toSorted(), [name, `${name}, uploads in parts`])
    assert.deepEqual(putsOf(server), [1, 1, 1, 1, 1])
    assert.equal(server.openUploads(BUCKET), 0)
  })

  it('that answers 304 to Complete and deletes the object on Abort keeps every published object', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t, { answer304: true, abortDeletes: true })
    await run(t, { base, server, records: PARTS })
    const [object, ...others] = server.objects(BUCKET).values()
    assert.deepEqual(others, [])
    assert.ok(object.size > 7_000_000)
    assert.deepEqual(
      (await storesOf(base)).map(({ refusesOverwrite }) => refusesOverwrite),
      [true],
    )
  })

  it('whose probe fails still gets its objects, and is probed again', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t)
    const fault = server.faults.add({
      kind: 'error',
      code: 'ConditionalRequestConflict',
      operation: 'PutObject',
      after: 1,
    })
    const [note] = await run(t, { base, server, records: [{ id: 1 }] })
    assert.equal(fault.triggered, 1)
    assert.match(note, /the conditional-put probe failed; the next run repeats it: .*ConditionalRequestConflict/)
    assert.deepEqual(putsOf(server), [1])
    assert.deepEqual(await storesOf(base), [])
    await run(t, { base, server, records: [{ id: 2 }] })
    assert.equal((await storesOf(base)).length, 1)
  })
})

describe('an object that an earlier run has sent', () => {
  it('is looked up, and not sent again', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t)
    server.faults.add({ kind: 'hang', at: 'response', operation: 'PutObject' })
    await assert.rejects(run(t, { base, server, records: [{ id: 1 }], isInterrupted: true }), {
      code: 'SINK_UNAVAILABLE',
    })
    assert.equal(server.count('PutObject'), 1)
    await run(t, { base, server, records: [] })
    const [{ key, puts }] = server.objects(BUCKET).values()
    assert.deepEqual([puts, server.count('PutObject', key)], [1, 1])
  })
})
