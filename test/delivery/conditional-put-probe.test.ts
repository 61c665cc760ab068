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

interface Run {
  readonly base: string
  readonly server: S3Server
  readonly records?: readonly JsonObject[]
}

const FOUR = [1, 2, 3, 4].map((id) => ({ id }))

/** Writes one object per id. Returns the log notes. */
async function run(t: TestContext, { base, server, records = FOUR }: Run): Promise<string[]> {
  const notes: string[] = []
  const paths = new Paths()
  const sink = await createSink(t, server)
  const commit = await openEvents(t, {
    base,
    paths,
    sink: { type: 's3', sink, key: '{record.id}', compression: 'none' },
    note: (message) => notes.push(message),
  })
  await stream({ commit, paths, chunks: [{ bytes: lines(...records) }] })
  await commit.close()
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

  it('that ignores conditions is detected with its first object', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t, { ignoreConditions: true })
    assert.deepEqual(await run(t, { base, server }), [
      'the store ignores If-None-Match: a repeated put replaces the object',
    ])
    assert.deepEqual(putsOf(server), [1, 1, 1, 2])
    const [{ refusesOverwrite }] = await storesOf(base)
    assert.equal(refusesOverwrite, false)
    assert.deepEqual(await run(t, { base, server }), [])
  })

  it('is probed separately for multipart uploads', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t)
    const large = Array.from({ length: 8 }, () => ({ id: 1, text: 'x'.repeat(900_000) }))
    await run(t, { base, server })
    await run(t, { base, server, records: large })
    const name = `bucket ${BUCKET} at ${server.endpoint}`
    assert.deepEqual((await storesOf(base)).map((store) => store.name).toSorted(), [name, `${name}, uploads in parts`])
    assert.deepEqual(putsOf(server), [1, 1, 1, 1, 1])
    assert.equal(server.openUploads(BUCKET), 0)
  })

  it('whose probe fails still gets its objects', async (t) => {
    const base = await temporaryFolder(t)
    const server = await startStore(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', after: 1 })
    await run(t, { base, server, records: [{ id: 1 }] })
    assert.deepEqual(putsOf(server), [1])
    assert.deepEqual(await storesOf(base), [])
  })
})
