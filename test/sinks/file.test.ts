import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import type { Finding, ObjectSink, OutboxFile } from '../../src/component.ts'
import { isObject } from '../../src/record/json/json.ts'
import type { Json } from '../../src/record/json/json.ts'
import fileSink from '../../src/sinks/file.ts'
import { fileTarget, rollWith } from '../delivery/support.ts'
import { memoryAttempt, never, outboxFile } from './s3/support.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

describe('the file sink', () => {
  it('creates a file and its folders, and leaves no temporary file', async (t) => {
    const out = join(await temporaryFolder(t), 'deep', 'out')
    const { sink } = await fileTarget(out)
    const file = await outboxFile(t, 100_000)
    await sink.publish(file, sink.destination('a/b/x.ndjson'), never, memoryAttempt())
    assert.ok((await readFile(join(out, 'a', 'b', 'x.ndjson'))).equals(file.content))
    assert.deepEqual(await readdir(join(out, 'a', 'b')), ['x.ndjson'])
  })

  it('copies a file from an outbox on another device', async (t) => {
    // Most Linux machines have a memory file system here.
    const devices = await readdir('/dev/shm').catch(() => undefined)
    if (!devices) return t.skip('no second device')
    const out = await temporaryFolder(t, '/dev/shm')
    const { sink } = await fileTarget(out)
    const file = await outboxFile(t, 100_000)
    for (let i = 0; i < 2; i++) await sink.publish(file, sink.destination('x.ndjson'), never, memoryAttempt())
    assert.ok((await readFile(join(out, 'x.ndjson'))).equals(file.content))
    assert.deepEqual(await readdir(out), ['x.ndjson'])
    return undefined
  })

  it('never overwrites a file', async (t) => {
    const out = await temporaryFolder(t)
    const { sink } = await fileTarget(out)
    await writeFile(join(out, 'x.ndjson'), 'there')
    await sink.publish(await outboxFile(t, 10), sink.destination('x.ndjson'), never, memoryAttempt())
    assert.equal(await readFile(join(out, 'x.ndjson'), 'utf8'), 'there')
  })

  it('reports whether an object exists', async (t) => {
    const { sink } = await fileTarget(await temporaryFolder(t))
    assert.equal(await sink.exists?.(sink.destination('x'), never), false)
    await sink.publish(await outboxFile(t, 10), sink.destination('x'), never, memoryAttempt())
    assert.equal(await sink.exists?.(sink.destination('x'), never), true)
    assert.equal(await sink.exists?.(sink.destination('x'), never, 1e6), false)
  })

  it('stops the run if it may not write', async (t) => {
    const base = await temporaryFolder(t)
    await writeFile(join(base, 'out'), 'a file where the folder should be')
    const { sink } = await fileTarget(join(base, 'out'))
    const published = sink.publish(await outboxFile(t, 10), sink.destination('a/x'), never, memoryAttempt())
    await assert.rejects(published, { code: 'SINK_REFUSED', message: /ENOTDIR/ })
    if (process.getuid?.() === 0) return
    await mkdir(join(base, 'closed'))
    await chmod(join(base, 'closed'), 0o500)
    const closed = await fileTarget(join(base, 'closed'))
    const refused = closed.sink.publish(await outboxFile(t, 10), closed.sink.destination('x'), never, memoryAttempt())
    await assert.rejects(refused, { code: 'SINK_REFUSED', message: /EACCES/ })
  })

  it('stages files in a hidden folder, which lists and verify do not see', async (t) => {
    const out = await temporaryFolder(t)
    const { sink } = await fileTarget(out)
    const file = await outboxFile(t, 100)
    const { handle } = await stage(sink, file, 'dt=1/x.ndjson')
    assert.deepEqual(await readdir(out), ['.sluice-staged'])
    for await (const key of sink.list?.('', never) ?? []) assert.fail(`lists ${key}`)
    // A copy: what happens to the file of the worker has no effect.
    await rm(file.path)
    assert.equal(await publish(sink, handle, file, 'dt=1/x.ndjson'), 'published')
    assert.ok((await readFile(join(out, 'dt=1/x.ndjson'))).equals(file.content))
    assert.deepEqual(await readdir(join(out, '.sluice-staged')), [])
  })

  it('stages a file from another device', async (t) => {
    const devices = await readdir('/dev/shm').catch(() => undefined)
    if (!devices) return t.skip('no second device')
    const out = await temporaryFolder(t, '/dev/shm')
    const { sink } = await fileTarget(out)
    const file = await outboxFile(t, 100_000)
    const { handle } = await stage(sink, file, 'x')
    assert.equal(await publish(sink, handle, file, 'x'), 'published')
    assert.ok((await readFile(join(out, 'x'))).equals(file.content))
    const ended = AbortSignal.abort(new Error('the run ends'))
    await assert.rejects(sink.stage?.(file, sink.destination('y'), ended) ?? Promise.resolve(), /the run ends/)
    assert.deepEqual(await readdir(join(out, '.sluice-staged')), [])
    return undefined
  })

  it('stages again what was cut short by a crash of the machine that stores it', async (t) => {
    const out = await temporaryFolder(t)
    const { sink } = await fileTarget(out)
    const file = await outboxFile(t, 100)
    const { handle, path } = await stage(sink, file, 'x')
    await truncate(path, 50)
    assert.equal(await publish(sink, handle, file, 'x'), 'gone')
    assert.deepEqual(await readdir(join(out, '.sluice-staged')), [])
  })

  it('says that a folder is not shared by all machines', async (t) => {
    const out = await temporaryFolder(t)
    const { sink } = await fileTarget(out)
    const file = await outboxFile(t, 100)
    const { handle } = await stage(sink, file, 'x')
    const staged = join(out, '.sluice-staged')
    await rm(staged, { recursive: true })
    await assert.rejects(publish(sink, handle, file, 'x'), {
      code: 'SINK_REFUSED',
      message: /\.sluice-staged does not exist on this machine.*Mount the same folder.*create it empty/,
    })
    await mkdir(staged)
    assert.equal(await publish(sink, handle, file, 'x'), 'gone')
  })

  it('refuses a handle that leads elsewhere', async (t) => {
    const out = await temporaryFolder(t)
    const { sink } = await fileTarget(out)
    const root = join(out, '.sluice-staged')
    const id = '12345678-1234-1234-1234-123456789abc'
    const handles: Json[] = [
      {},
      { root: out, name: `${id}/x` },
      { root, name: 'x' },
      { root, name: `${id}/../../x` },
      { root, name: `${id}/` },
    ]
    for (const handle of handles) {
      await assert.rejects(sink.discardStaged?.(handle, sink.destination('x'), never) ?? Promise.resolve(), {
        code: 'STATE_DAMAGED',
      })
    }
  })

  it('checks what a schema cannot express', async () => {
    const context = { pipeline: 'p', stage: 'file', folder: '.' }
    const config = {
      path: '/out',
      access: 'owner',
      key: 'k',
      compression: 'gzip',
      roll: rollWith({}),
      outbox: { maxBytes: 2 ** 33 },
    } as const
    const find = async (changes: object): Promise<Finding[]> => [
      ...((await fileSink.check?.({ ...config, ...changes }, context)) ?? []),
    ]
    assert.deepEqual(await find({}), [])
    assert.match((await find({ compressionLevel: 10 }))[0].message, /gzip does not support level 10/)
    assert.deepEqual(
      (await find({ outbox: { maxBytes: 5 } })).map(({ at, severity }) => [at, severity]),
      [[['outbox', 'maxBytes'], 'warning']],
    )
    assert.equal((await find({ compression: 'none', compressionLevel: 1 }))[0].severity, 'warning')
    const hasZstd = 'zstdCompress' in (await import('node:zlib'))
    const found = await find({ compression: 'zstd' })
    if (hasZstd) assert.deepEqual(found, [])
    else assert.match(found[0].message, /zstd needs Node\.js 22\.15/)
  })
})

async function stage(sink: ObjectSink, file: OutboxFile, key: string): Promise<{ handle: Json; path: string }> {
  const handle = await sink.stage?.(file, sink.destination(key), never)
  const { root, name } = isObject(handle) ? handle : {}
  assert.ok(typeof root === 'string' && typeof name === 'string' && handle !== undefined)
  return { handle, path: join(root, name) }
}

async function publish(sink: ObjectSink, handle: Json, file: OutboxFile, key: string) {
  return sink.publishStaged?.(handle, { ...file, isStaged: true }, sink.destination(key), never, memoryAttempt())
}
