import assert from 'node:assert/strict'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import type { ObjectTarget } from '../../../src/delivery/commit-options.ts'
import type { Routes } from '../../../src/delivery/routes/routes.ts'
import { compileCondition } from '../../../src/record/author/condition.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import type { S3Server } from '../../servers/s3.ts'
import { BUCKET, createSink, startStore } from '../../sinks/s3/support.ts'
import { events, fileTarget, lines, openEvents, readIds, rollWith, stream } from '../support.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { RunEvents } from '../../../src/observe/bus/run-events.ts'
import { listen } from '../../../src/observe/bus/subscribe.ts'

/** Chunks of 100 events; each becomes one object of each sink that gets it. */
const CHUNKS = Array.from({ length: 12 }, (_, i) => ({
  bytes: lines(...events(i * 100, i * 100 + 100)),
  position: i + 1,
}))
const ALL = Array.from({ length: 1200 }, (_, id) => id)
const roll = rollWith({ maxRecords: 100 })

async function targets(t: TestContext, server: S3Server, base: string): Promise<ObjectTarget[]> {
  const sink = await createSink(t, server)
  const common = { compression: 'none', roll, outbox: { maxBytes: 25_000 } } as const
  return [
    await fileTarget(join(base, 'unused'), { ...common, name: 'siem', stage: 'siem', type: 's3', sink }),
    await fileTarget(join(base, 'archive'), { ...common, name: 'archive', stage: 'archive' }),
  ]
}

function idsIn(server: S3Server): number[] {
  const texts = [...server.objects(BUCKET).values()].map(({ body }) => body.toString())
  const found = texts.join('').split('\n').slice(0, -1)
  return found.map((line): number => JSON.parse(line).id).toSorted((a, b) => a - b)
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await isTrue())) await sleep(5)
}

describe('a sink that is away', () => {
  it('holds the run when its share of the outbox is full, and the others publish meanwhile', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    const full: string[] = []
    const bus = new RunEvents('events')
    t.after(listen('sluice:outbox:full', { run: bus.run }, ({ sink }) => full.push(sink)))
    server.throttle(0)
    const sinks = await targets(t, server, base)
    const commit = await openEvents(t, { base, sinks, events: bus, connectTimeout: 100 })
    let yielded = 0
    async function* chunks() {
      for (const chunk of CHUNKS) {
        yielded++
        yield chunk
      }
    }
    const streamed = stream({ commit, chunks: chunks() })
    await until(() => full.length > 0)
    assert.equal(full[0], 'siem')
    const held = yielded
    assert.ok(held < CHUNKS.length)
    const committed = Number(commit.position()) * 100
    await until(async () => (await readIds(join(base, 'archive'))).length === committed)
    assert.deepEqual(idsIn(server), [])
    const { siem, archive } = commit.totals().sinks
    assert.deepEqual([siem?.records, archive?.records, siem?.unpublished.records], [committed, committed, committed])
    server.throttle(undefined)
    await streamed
    assert.deepEqual([idsIn(server), await readIds(join(base, 'archive'))], [ALL, ALL])
  })

  it('does not hold a run whose records go to other sinks', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    await server.outage(true)
    const paths = new Paths()
    const routes: Routes = {
      routes: [{ takes: (all) => compileCondition({ id: 0 }, all), to: ['siem'] }],
      others: ['archive'],
    }
    const drainTimeouts = { done: 50, interrupted: 50 }
    const sinks = await targets(t, server, base)
    const commit = await openEvents(t, { base, sinks, routes, paths, drainTimeouts, connectTimeout: 100 })
    await assert.rejects(stream({ commit, chunks: CHUNKS, paths }), {
      code: 'SINK_UNAVAILABLE',
      message: /^1 committed object for siem not published/,
    })
    assert.deepEqual(await readIds(join(base, 'archive')), ALL.slice(1))
    await commit.close()

    await server.outage(false)
    const next = await openEvents(t, { base, sinks: await targets(t, server, base), routes, paths })
    assert.equal(next.position(), 12)
    await stream({ commit: next, chunks: [], paths })
    assert.deepEqual([idsIn(server), await readIds(join(base, 'archive'))], [[0], ALL.slice(1)])
  })
})

describe('a sink that refuses', () => {
  it('ends the run when the others have published what is committed for them', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
    const [siem, archive] = await targets(t, server, base)
    const refused = (): boolean =>
      server.requests.some(({ operation, status }) => operation === 'PutObject' && status === 403)
    const slow: ObjectTarget = {
      ...archive,
      sink: {
        destination: (key) => archive.sink.destination(key),
        maxKeyBytes: archive.sink.maxKeyBytes,
        async publish(...args) {
          await until(refused)
          await sleep(50)
          await archive.sink.publish(...args)
        },
      },
    }
    const commit = await openEvents(t, { base, sinks: [siem, slow] })
    await assert.rejects(stream({ commit, chunks: CHUNKS }), { code: 'SINK_REFUSED', message: /AccessDenied/ })
    const position = Number(commit.position())
    assert.ok(position > 0)
    assert.deepEqual(await readIds(join(base, 'archive')), ALL.slice(0, position * 100))
  })
})
