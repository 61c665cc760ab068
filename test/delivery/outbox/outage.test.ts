import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import { gunzipSync } from 'node:zlib'
import type { Commit } from '../../../src/delivery/delivery.ts'
import type { S3Server } from '../../servers/s3.ts'
import { BUCKET, createSink, startStore } from '../../sinks/s3/support.ts'
import { events, lines, openEvents, rollWith, stream } from '../support.ts'
import type { Setup } from '../support.ts'
import { HOUR } from '../../../src/time.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { RunEvents } from '../../../src/observe/bus/run-events.ts'
import { listen } from '../../../src/observe/bus/subscribe.ts'
import { listenLines } from '../../../src/observe/log-lines.ts'

/** Chunks that do not compress; each becomes one object. */
const PIECES = Array.from({ length: 12 }, (_, i) => ({
  bytes: lines(...events(i * 100, i * 100 + 100)),
  position: i + 1,
}))
const ALL = Array.from({ length: 1200 }, (_, id) => id)
const outbox = { maxBytes: 25_000 }
const roll = rollWith({ maxRecords: 100 })

describe('an unavailable store', () => {
  it('does not stop reading until the outbox is full, and reading then resumes', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    const notes: string[] = []
    const bus = new RunEvents('events')
    t.after(listenLines(bus, 'info', ({ message }) => notes.push(message)))
    server.throttle(0)
    const commit = await openStore(t, server, base, { events: bus })
    let yielded = 0
    async function* chunks() {
      for (const chunk of PIECES) {
        yielded++
        yield chunk
      }
    }
    const streamed = stream({ commit, chunks: chunks() })
    await until(() => notes.some((note) => note.startsWith('the outbox is full')))
    const held = yielded
    assert.ok(held < PIECES.length)
    assert.equal(server.objects(BUCKET).size, 0)
    server.throttle(undefined)
    await streamed
    assert.ok(notes.includes('the outbox has space again'))
    assert.deepEqual(idsIn(server), ALL)
    assert.equal(commit.totals().written, 1200)
  })

  it('fails the run, and the next run publishes its objects', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    await server.outage(true)
    const first = await openStore(t, server, base, { drainTimeouts: { done: 50, interrupted: 50 } })
    const end = { kind: 'interrupted' } as const
    await assert.rejects(stream({ commit: first, chunks: PIECES.slice(0, 2), end }), {
      code: 'SINK_UNAVAILABLE',
      exit: 4,
      message: /^2 committed objects .* next run publishes/,
    })
    assert.equal(first.position(), 2)
    await first.close()
    assert.equal((await readdir(join(base, 'state', 'events', 'outbox'))).length, 2)

    await server.outage(false)
    const second = await openStore(t, server, base)
    await stream({ commit: second, chunks: [] })
    assert.deepEqual(idsIn(server), ALL.slice(0, 200))
    assert.equal(second.totals().objects.length, 0)
  })

  it('that was never there names the way to another place, before and after its address is corrected', async (t) => {
    const [wrong, right] = [await startStore(t), await startStore(t)]
    const base = await temporaryFolder(t)
    await wrong.outage(true)
    const drainTimeouts = { done: 50, interrupted: 50 }
    const first = await openStore(t, wrong, base, { drainTimeouts })
    const end = { kind: 'interrupted' } as const
    await assert.rejects(stream({ commit: first, chunks: PIECES.slice(0, 2), end }), {
      code: 'SINK_UNAVAILABLE',
      hint: /^if the address is wrong, correct it in the pipeline file, then send what waits there with `sluice state redirect events`$/,
    })
    await first.close()

    const notes: unknown[] = []
    const note = (message: string, fields: object = {}): void => void notes.push({ message, ...fields })
    const second = await openStore(t, right, base, { drainTimeouts, note })
    const hint =
      /^2 objects were committed for s3:\/\/events at \S+, and the pipeline file now names s3:\/\/events at \S+: stop the run, and send them there with `sluice state redirect events`$/
    await assert.rejects(stream({ commit: second, chunks: [], end }), { code: 'SINK_UNAVAILABLE', hint })
    const [started] = notes
    assert.ok(typeof started === 'object' && started && 'hint' in started)
    assert.match(String(started.hint), hint)
  })

  it('does not delay a run that is asked to end after it has read everything', { timeout: 60_000 }, async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    await server.outage(true)
    const stopping = new AbortController()
    const bus = new RunEvents('events')
    t.after(listen('sluice:object:retry', { run: bus.run }, () => stopping.abort()))
    const drainTimeouts = { done: HOUR, interrupted: 50 }
    const commit = await openStore(t, server, base, { events: bus, drainTimeouts, stopping: stopping.signal })
    await assert.rejects(stream({ commit, chunks: PIECES.slice(0, 2) }), { code: 'SINK_UNAVAILABLE' })
  })

  it('lets a run that is asked to end commit its last batches although the outbox is full', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    server.throttle(0)
    const stopping = new AbortController()
    const bus = new RunEvents('events')
    t.after(listen('sluice:outbox:full', { run: bus.run }, () => stopping.abort()))
    const drainTimeouts = { done: 50, interrupted: 50 }
    const commit = await openStore(t, server, base, { events: bus, drainTimeouts, stopping: stopping.signal })
    async function* chunks() {
      for (const chunk of PIECES) {
        if (stopping.signal.aborted) return
        yield chunk
      }
    }
    const end = { kind: 'interrupted' } as const
    await assert.rejects(stream({ commit, chunks: chunks(), end }), { code: 'SINK_UNAVAILABLE' })
    const position = Number(commit.position())
    assert.ok(position > 1 && position < 12)
    await commit.close()
    server.throttle(undefined)
    const next = await openStore(t, server, base)
    await stream({ commit: next, chunks: PIECES.slice(position) })
    assert.deepEqual(idsIn(server), ALL)
  })

  it('that returns gets the objects of a run that waits for it', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    server.throttle(0)
    const commit = await openStore(t, server, base)
    const streamed = stream({ commit, chunks: PIECES.slice(0, 1) })
    await until(() => server.requests.length > 0)
    server.throttle(undefined)
    await streamed
    assert.deepEqual(idsIn(server), ALL.slice(0, 100))
  })

  it('does not delay a run that is destroyed', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    server.throttle(0)
    const stop = new Error('given up')
    const bus = new RunEvents('events')
    const commit = await openStore(t, server, base, { events: bus })
    t.after(listen('sluice:outbox:full', { run: bus.run }, () => commit.writable().destroy(stop)))
    await assert.rejects(stream({ commit, chunks: PIECES }), stop)
    await commit.close()
    server.throttle(undefined)
    const next = await openStore(t, server, base)
    await stream({ commit: next, chunks: PIECES.slice(Number(next.position())) })
    assert.deepEqual(idsIn(server), ALL)
  })
})

describe('a store that refuses', () => {
  it('stops the run and keeps committed objects', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    const refusal = server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
    const first = await openStore(t, server, base)
    await assert.rejects(stream({ commit: first, chunks: PIECES }), {
      code: 'SINK_REFUSED',
      exit: 4,
      message: /AccessDenied/,
    })
    await first.close()
    refusal.remove()
    const second = await openStore(t, server, base)
    const position = Number(second.position())
    assert.ok(position > 0 && position < 12)
    await stream({ commit: second, chunks: PIECES.slice(position) })
    assert.deepEqual(idsIn(server), ALL)
  })

  it('stops the next run before it has read a record', async (t) => {
    const server = await startStore(t)
    const base = await temporaryFolder(t)
    server.faults.add({ kind: 'error', code: 'AccessDenied', operation: 'PutObject', times: 1000 })
    const first = await openStore(t, server, base)
    await assert.rejects(stream({ commit: first, chunks: PIECES }), { code: 'SINK_REFUSED' })
    await first.close()
    const refused = server.requests.length
    const second = await openStore(t, server, base)
    await until(() => server.requests.length > refused)
    await until(() => server.requests.at(-1)?.status === 403)
    await assert.rejects(stream({ commit: second, chunks: PIECES }), { code: 'SINK_REFUSED' })
  })
})

async function openStore(
  t: TestContext,
  server: S3Server,
  base: string,
  options: Partial<Setup> = {},
): Promise<Commit> {
  const sink = await createSink(t, server)
  return openEvents(t, { base, ...options, sink: { type: 's3', stage: 's3', sink, compression: 'none', roll, outbox } })
}

function idsIn(server: S3Server): number[] {
  const bodies = [...server.objects(BUCKET).values()].map(({ key, body }) =>
    key.endsWith('.gz') ? gunzipSync(body) : body,
  )
  const found = bodies.flatMap((body) => body.toString().trim().split('\n')).map((line): number => JSON.parse(line).id)
  return found.toSorted((a, b) => a - b)
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5))
}
