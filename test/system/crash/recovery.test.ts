import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFile, cp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { TestContext } from 'node:test'
import type { ObjectSink } from '../../../src/component.ts'
import type { Chunk } from '../../../src/record/chunk.ts'
import { openDatabase } from '../../../src/delivery/state/database.ts'
import { realFiles } from '../../../src/files.ts'
import type { Files } from '../../../src/files.ts'
import { readState } from '../../../src/delivery/state/state-reader.ts'
import { SluiceError } from '../../../src/errors.ts'
import { Paths } from '../../../src/record/paths/path.ts'
import {
  events,
  fileTarget,
  lines,
  openEvents,
  readIds,
  readRecords,
  rollWith,
  stream,
} from '../../delivery/support.ts'
import type { Setup } from '../../delivery/support.ts'
import { codeFile } from '../../support/paths.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const DEDUP = { stage: 'dedup', memory: 64 << 20 }
const KEY = { dedupKey: ['id', 'timestamp'], dedupTime: 'timestamp' }

/** Twenty chunks with positions; every third event is repeated in the next chunk. */
const SOURCE = Array.from({ length: 20 }, (_, i) => ({
  bytes: lines(...events(i * 7, i * 7 + 10), { id: `no time ${i}` }),
  position: i + 1,
}))
const EXPECTED = [
  ...new Set(Array.from({ length: 20 }, (_, i) => events(i * 7, i * 7 + 10).map(({ id }) => id)).flat()),
]

describe('a crash', () => {
  it('at any file system operation loses no record and writes none twice', async (t) => {
    let operations = 0
    const counted = await temporaryFolder(t)
    await runOver(t, counted, { files: watchFiles(() => void operations++) })
    await assertAll(counted)
    assert.ok(operations > 40, `${operations} operations`)

    for (let last = 1; last <= operations; last++) {
      const base = await temporaryFolder(t)
      let done = 0
      const files = watchFiles((name) => {
        if (++done >= last) throw new SluiceError('DISK_FAILED', `crashed at operation ${last}: ${name}`)
      })
      await assert.rejects(runOver(t, base, { files }), { code: 'DISK_FAILED' }, `operation ${last}`)
      await runOver(t, base, {})
      await assertAll(base)
    }
  })

  it('while an object is published leaves the object to the next run', async (t) => {
    const base = await temporaryFolder(t)
    const target = await fileTarget(join(base, 'out'))
    const sink: ObjectSink = {
      ...target.sink,
      publish: async (...call) => {
        await target.sink.publish(...call)
        throw new SluiceError('SINK_REFUSED', 'crashed after publishing')
      },
    }
    const first = await openEvents(t, { base, sink: { sink } })
    await assert.rejects(stream({ commit: first, chunks: [{ bytes: lines({ id: 1 }), position: 1 }] }), {
      code: 'SINK_REFUSED',
    })
    await first.close()
    const second = await openEvents(t, { base })
    assert.equal(second.position(), 1)
    await stream({ commit: second, chunks: [] })
    assert.deepEqual(await readIds(join(base, 'out')), [1])
    assert.deepEqual(await readdir(join(base, 'state', 'events', 'outbox')), [])
  })

  it('of the process leaves a state that the next process takes over', async (t) => {
    const base = await temporaryFolder(t)
    const child = fork(codeFile('test/system/crash/support/owner.ts'), [base], { stdio: 'ignore' })
    t.after(() => child.kill('SIGKILL'))
    await once(child, 'message')
    await assert.rejects(openEvents(t, { base }), {
      code: 'STATE_IN_USE',
      message: new RegExp(`process ${child.pid}\\b`),
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    const commit = await openEvents(t, { base })
    assert.equal(commit.position(), 'committed')
    await stream({ commit, chunks: [] })
    assert.deepEqual(await readIds(join(base, 'out')), [1])
  })
})

describe('a failed sync', () => {
  it('is final', async (t) => {
    const base = await temporaryFolder(t)
    const files = watchFiles((name) => {
      if (name === 'fdatasync') throw new SluiceError('DISK_FAILED', 'EIO')
    })
    const commit = await openEvents(t, { base, files, sink: { roll: rollWith({ maxRecords: 1 }) } })
    await assert.rejects(stream({ commit, chunks: SOURCE }), { code: 'DISK_FAILED' })
    assert.equal(commit.position(), undefined)
    assert.equal(commit.totals().epochs, 0)
  })

  it('is final while the file still grows, too', async (t) => {
    const base = await temporaryFolder(t)
    const chunks = 80
    let read = 0
    const readAtSync: number[] = []
    const files = watchFiles((name) => {
      if (name !== 'fdatasync') return
      readAtSync.push(read)
      if (readAtSync.length === 1) throw new SluiceError('DISK_FAILED', 'EIO')
    })
    const bytes = lines(...Array.from({ length: 512 }, (_, id) => ({ id, text: 'x'.repeat(1000) })))
    function* source(): Generator<Chunk> {
      for (; read < chunks; read++) yield { bytes, position: read }
    }
    const commit = await openEvents(t, { base, files, sink: { compression: 'none' } })
    await assert.rejects(stream({ commit, chunks: source() }), { code: 'DISK_FAILED' })
    assert.ok(readAtSync[0] < chunks, `${readAtSync[0]} chunks were read before the first sync`)
    assert.equal(commit.position(), undefined)
    assert.equal(commit.totals().epochs, 0)
  })
})

describe('a state', () => {
  it('has one owner at a time', async (t) => {
    const base = await temporaryFolder(t)
    const first = await openEvents(t, { base })
    await assert.rejects(openEvents(t, { base }), {
      code: 'STATE_IN_USE',
      message: new RegExp(`process ${process.pid}\\b`),
    })
    await first.close()
    await openEvents(t, { base })
  })

  it('works in a folder whose path is too long for a socket', async (t) => {
    const base = join(await temporaryFolder(t), 'x'.repeat(120))
    const first = await openEvents(t, { base })
    await assert.rejects(openEvents(t, { base }), { code: 'STATE_IN_USE' })
    await stream({ commit: first, chunks: [{ bytes: lines({ id: 1 }) }] })
    assert.deepEqual(await readIds(join(base, 'out')), [1])
  })

  it('without one of its dedup files is damaged', async (t) => {
    const base = await temporaryFolder(t)
    await runOver(t, base, {})
    await rm(join(base, 'state', 'events', 'dedup', 'd19786'))
    await assert.rejects(openEvents(t, { base, dedup: DEDUP }), {
      code: 'STATE_DAMAGED',
      message: /d19786 has no bytes/,
    })
  })

  it('with a truncated dedup file is damaged', async (t) => {
    const base = await temporaryFolder(t)
    await runOver(t, base, {})
    await truncate(join(base, 'state', 'events', 'dedup', 'd19786'), 160)
    await assert.rejects(openEvents(t, { base, dedup: DEDUP }), { code: 'STATE_DAMAGED', message: /has 160 bytes, / })
  })

  it('with a changed dedup file is damaged', async (t) => {
    const base = await temporaryFolder(t)
    await runOver(t, base, {})
    const path = join(base, 'state', 'events', 'dedup', 'd19786')
    const bytes = await readFile(path)
    bytes[17] ^= 1
    await writeFile(path, bytes)
    const commit = await openEvents(t, { base, dedup: DEDUP })
    await assert.rejects(stream({ commit, chunks: SOURCE, ...KEY }), { code: 'STATE_DAMAGED', message: /checksum/ })
  })

  it('truncates dedup files to their committed length', async (t) => {
    const base = await temporaryFolder(t)
    await runOver(t, base, {})
    await appendFile(join(base, 'state', 'events', 'dedup', 'd19786'), Buffer.alloc(100, 7))
    await appendFile(join(base, 'state', 'events', 'dedup', 'd1'), Buffer.alloc(32, 7))
    const commit = await openEvents(t, { base, dedup: DEDUP })
    await stream({ commit, chunks: SOURCE, ...KEY })
    assert.deepEqual([commit.totals().written, commit.totals().duplicate], [0, 220])
    assert.ok(!(await readdir(join(base, 'state', 'events', 'dedup'))).includes('d1'))
  })

  it('of another format is refused and not changed', async (t) => {
    const base = await temporaryFolder(t)
    await runOver(t, base, {})
    const folder = join(base, 'state', 'events')
    const db = await openDatabase(join(folder, 'state'))
    db.transactionSync(() => db.putSync('meta', { ...db.get('meta'), format: 1 }))
    await db.close()
    await writeFile(join(folder, 'rejects', 'of-that-format'), '')
    const refusal = {
      code: 'STATE_MISMATCH',
      message: /the state has format 1; this is Sluice .*, which reads the formats 4 to 6/,
    }
    await assert.rejects(openEvents(t, { base, dedup: DEDUP }), refusal)
    await assert.rejects(
      readState(folder, () => 0),
      refusal,
    )
    assert.ok((await readdir(join(folder, 'rejects'))).includes('of-that-format'))
  })

  it('without its database, but with dedup files, is damaged', async (t) => {
    const base = await temporaryFolder(t)
    await runOver(t, base, {})
    await rm(join(base, 'state', 'events', 'state'), { recursive: true })
    await assert.rejects(openEvents(t, { base }), {
      code: 'STATE_DAMAGED',
      message: /has files in dedup, but no state/,
    })
  })
})

describe('a missing outbox file', () => {
  it('stops the next run', async (t) => {
    const base = await temporaryFolder(t)
    const outbox = await leaveUnpublished(t, base)
    const [name] = await readdir(outbox)
    await rm(join(outbox, name))
    await assert.rejects(openEvents(t, { base }), { code: 'OUTBOX_LOST', message: new RegExp(`${name} is missing`) })
  })

  it('is not needed if its object is visible', async (t) => {
    const base = await temporaryFolder(t)
    const outbox = await leaveUnpublished(t, base)
    const saved = join(base, 'saved')
    await cp(join(base, 'state'), saved, { recursive: true })
    const publisher = await openEvents(t, { base })
    await stream({ commit: publisher, chunks: [] })
    await publisher.close()
    await rm(join(base, 'state'), { recursive: true })
    await cp(saved, join(base, 'state'), { recursive: true })
    for (const name of await readdir(outbox)) await rm(join(outbox, name))
    const commit = await openEvents(t, { base })
    await stream({ commit, chunks: [] })
    assert.deepEqual(await readIds(join(base, 'out')), [1])
  })

  it('is damage if it is truncated instead', async (t) => {
    const base = await temporaryFolder(t)
    const outbox = await leaveUnpublished(t, base)
    const [name] = await readdir(outbox)
    await truncate(join(outbox, name), 3)
    await assert.rejects(openEvents(t, { base }), { code: 'STATE_DAMAGED', message: /has 3 bytes/ })
  })
})

describe('unpublished objects of an earlier run', () => {
  it('keep their destination when the configuration changes', async (t) => {
    const base = await temporaryFolder(t)
    await leaveUnpublished(t, base)
    const sink = await fileTarget(join(base, 'elsewhere'))
    const commit = await openEvents(t, { base, sink })
    await stream({ commit, chunks: [{ bytes: lines({ id: 2 }) }] })
    assert.deepEqual(await readIds(join(base, 'out')), [1])
    assert.deepEqual(await readIds(join(base, 'elsewhere')), [2])
  })

  it('stop a run whose pipeline has no sink of their type', async (t) => {
    const base = await temporaryFolder(t)
    await leaveUnpublished(t, base)
    await assert.rejects(openEvents(t, { base, sink: { type: 's3' } }), {
      code: 'STATE_MISMATCH',
      message: /committed for a sink of type file/,
    })
  })

  it('stay in the outbox while the store is unavailable, and the run reports it', async (t) => {
    const base = await temporaryFolder(t)
    const outbox = await leaveUnpublished(t, base)
    assert.equal((await readdir(outbox)).length, 1)
    assert.deepEqual(await readIds(join(base, 'out')), [])
  })
})

/** One run over `SOURCE` from the committed position, with `dedup` and small epochs. */
async function runOver(t: TestContext, base: string, options: Partial<Setup>): Promise<void> {
  const paths = new Paths()
  const sink = { key: '{record.timestamp:HH}', roll: rollWith({ maxRecords: 40 }) }
  const commit = await openEvents(t, { base, paths, dedup: DEDUP, sink, ...options })
  try {
    const position = Number(commit.position() ?? 0)
    await stream({ commit, paths, chunks: SOURCE.slice(position), ...KEY })
  } finally {
    await commit.close()
  }
}

async function assertAll(base: string): Promise<void> {
  assert.deepEqual(
    (await readIds(join(base, 'out'))).toSorted((a, b) => Number(a) - Number(b)),
    EXPECTED,
  )
  const rejects = await readRecords(join(base, 'state', 'events', 'rejects'))
  assert.deepEqual(rejects.length, 20)
  assert.equal(new Set(rejects.map(({ record }) => JSON.stringify(record))).size, 20)
  assert.deepEqual(await readdir(join(base, 'state', 'events', 'outbox')), [])
}

/** Leaves one committed object unpublished. Returns the outbox folder. */
async function leaveUnpublished(t: TestContext, base: string): Promise<string> {
  const target = await fileTarget(join(base, 'out'))
  const sink: ObjectSink = {
    ...target.sink,
    publish: () => Promise.reject(new SluiceError('SINK_UNAVAILABLE', 'the store is away')),
  }
  const commit = await openEvents(t, { base, sink: { sink }, drainTimeouts: { done: 10, interrupted: 10 } })
  await assert.rejects(stream({ commit, chunks: [{ bytes: lines({ id: 1 }), position: 1 }] }), {
    code: 'SINK_UNAVAILABLE',
    message: /^1 committed object not published \(the store is away\): .* next run publishes/,
  })
  await commit.close()
  return join(base, 'state', 'events', 'outbox')
}

/** The real file system, with a callback before every operation. */
function watchFiles(before: (name: string) => void): Files {
  const open: Files['open'] = async (path, flags) => watch(await realFiles.open(path, flags), before)
  return watch({ ...realFiles, open }, before)
}

function watch<T extends object>(target: T, before: (name: string) => void): T {
  return new Proxy(target, {
    get(object, name, receiver) {
      const operation: unknown = Reflect.get(object, name, receiver)
      if (typeof operation !== 'function' || name === 'close') return operation
      return async (...values: unknown[]): Promise<unknown> => {
        before(String(name))
        return operation.apply(object, values)
      }
    },
  })
}
