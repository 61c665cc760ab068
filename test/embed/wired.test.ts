import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { TestContext } from 'node:test'
import { fromObjects, SluiceError, sink, source, toBatches, toObjects, transform } from '../../src/index.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { filesBelow } from '../support/leaks.ts'

async function openFolder(t: TestContext, records = 1000) {
  const folder = await temporaryFolder(t)
  const input = join(folder, 'in.ndjson')
  await writeFile(input, lines(0, records))
  const to = (name = 'out') =>
    sink({
      type: 'file',
      path: join(folder, name),
      key: 'all',
      compression: 'none',
      state: join(folder, '.sluice', name),
    })
  const written = async (name = 'out') => {
    const files = await filesBelow(join(folder, name)).catch(() => new Map<string, Buffer>())
    return [...files.values()].join('')
  }
  return { folder, input, to, written }
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, at) => `{"id":${from + at},"n":1.10}\n`).join('')
}

function idsIn(text: string): number[] {
  return [...text.matchAll(/"id":(\d+)/g)].map(([, id]) => Number(id)).toSorted((a, b) => a - b)
}

function count(to: number): number[] {
  return Array.from({ length: to }, (_, id) => id)
}

test('toObjects takes the batches of a source and its transforms, deduplicated', async (t) => {
  const { input } = await openFolder(t)
  await writeFile(input, `${lines(0, 1000)}not json\n${lines(500, 1500)}`)
  const objects = toObjects()
  const seen: { id: number; n: number }[] = []
  await pipeline(
    source({ type: 'file', path: input }),
    byId(),
    objects,
    async (records: AsyncIterable<{ id: number; n: number }>) => {
      for await (const record of records) seen.push(record)
    },
  )
  assert.deepEqual(
    seen.map(({ id }) => id),
    count(1500),
  )
  assert.equal(seen[0].n, 1.1)
  const report = objects.report()
  assert.deepEqual(
    [report?.outcome, report?.written, report?.duplicate, { ...report?.rejects }],
    ['done', 1500, 500, { INVALID_JSON: 1 }],
  )
})

test('toObjects refuses what an object would not keep, also of batches', async (t) => {
  const { input } = await openFolder(t)
  await writeFile(input, '{"id":1}\n{"id":9007199254740993}\n')
  const read = (objects: ReturnType<typeof toObjects>) =>
    pipeline(source({ type: 'file', path: input }), objects, async (all: AsyncIterable<unknown>) => {
      for await (const _ of all) continue
    })
  await assert.rejects(read(toObjects()), { code: 'INPUT_CORRUPT', message: /line 2 .*NUMBER_INEXACT/ })
  const rejected: number[] = []
  await read(toObjects({ onReject: ({ line }) => rejected.push(line) }))
  assert.deepEqual(rejected, [2])
})

test('toObjects fails with the error of the pipeline', async (t) => {
  const { folder } = await openFolder(t)
  const missing = source({ type: 'file', path: join(folder, 'missing') })
  await assert.rejects(pipeline(missing, toObjects(), toNothing), { code: 'FILE_NOT_FOUND' })
  const invalid = source({ type: 'nothing' })
  await assert.rejects(pipeline(invalid, toObjects(), toNothing), { code: 'CONFIG_INVALID' })
})

test('a slow reader of objects holds the source back', async (t) => {
  const { input } = await openFolder(t, 400_000)
  const from = source({ type: 'file', path: input })
  const objects = toObjects()
  const running = pipeline(from, objects).catch((error: unknown) => error)
  const reader = objects.iterator({ destroyOnReturn: false })
  for (let read = 0; read < 10; read++) await reader.next()
  for (let before = -1, now = 0; now !== before; await new Promise((resolve) => setTimeout(resolve, 50))) {
    before = now
    now = objects.report()?.bytesIn ?? 0
  }
  assert.ok((objects.report()?.bytesIn ?? Infinity) < 6_000_000, `${objects.report()?.bytesIn} bytes were read`)
  objects.destroy()
  await running
  assert.ok(from.destroyed)
})

test('toBatches takes the place of a source, for bytes and for objects', async (t) => {
  const { to, written } = await openFolder(t)
  await pipeline(Readable.from([lines(0, 10), lines(5, 15).slice(0, -1)]), toBatches(), byId(), to())
  assert.equal(await written(), lines(0, 15))
  const objects = count(20).map((id) => ({ id, n: 1 }))
  const last = to()
  await pipeline(Readable.from(objects), fromObjects(), toBatches(), byId(), last)
  assert.deepEqual(idsIn(await written()), count(20))
  assert.deepEqual([last.report()?.written, last.report()?.duplicate], [5, 15])
})

test('records can be written as JSON arrays and as objects in sequence', async (t) => {
  const { to, written } = await openFolder(t)
  const array = '[{"id":0,"n":1.10},\n {"id":1,\n"n":1.10}]{"id":2,"n":1.10}{"id":3,"n":1.10}'
  for (let at = 1; at < array.length; at += 7) {
    const parts = [array.slice(0, at), array.slice(at)]
    const objects = await Readable.from(parts)
      .compose(toObjects({ format: 'array' }))
      .toArray()
    assert.deepEqual(
      objects,
      count(4).map((id) => ({ id, n: 1.1 })),
    )
  }
  await pipeline(Readable.from([array]), toBatches({ format: 'array' }), to())
  assert.equal(await written(), lines(0, 4))
  const truncated = Readable.from([array.slice(0, 30)]).compose(toObjects({ format: 'array' }))
  await assert.rejects(truncated.toArray(), { code: 'INPUT_CORRUPT' })
  // @ts-expect-error -- as in a program without types
  assert.throws(() => toObjects({ format: 'csv' }), { code: 'USAGE' })
})

test('commit of toBatches resolves when everything before it is published', async (t) => {
  const { to, written } = await openFolder(t)
  const batches = toBatches()
  const running = pipeline(batches, byId(), to())
  batches.write(lines(0, 10))
  await batches.commit()
  assert.deepEqual(idsIn(await written()), count(10))
  batches.write(lines(10, 20))
  await Promise.all([batches.commit(), batches.commit()])
  assert.deepEqual(idsIn(await written()), count(20))
  batches.end()
  await running
  await assert.rejects(batches.commit(), { code: 'USAGE' })
})

test('a commit of toBatches that the end overtakes is published', async (t) => {
  const { to, written } = await openFolder(t)
  const batches = toBatches()
  const running = pipeline(batches, to())
  batches.write(lines(0, 10))
  const committed = batches.commit()
  batches.end()
  await committed
  assert.deepEqual(idsIn(await written()), count(10))
  await running
})

test('a stage that gets bytes or objects says where toBatches belongs', async (t) => {
  const { to } = await openFolder(t)
  for (const first of [Readable.from([Buffer.from(lines(0, 1))]), Readable.from([{ id: 1 }])]) {
    await assert.rejects(pipeline(first, byId(), to()), {
      code: 'CONFIG_INVALID',
      hint: /begin the pipeline with toBatches/,
    })
  }
})

test('toBatches fails with its pipeline, and the pipeline with it', async (t) => {
  const { folder, to, written } = await openFolder(t)
  const invalid = pipeline(Readable.from([lines(0, 10)]), toBatches(), transform({ type: 'nothing' }), to())
  await assert.rejects(invalid, { code: 'CONFIG_INVALID' })
  await writeFile(join(folder, 'blocked'), '')
  const batches = toBatches()
  const refused = pipeline(batches, to('blocked'))
  batches.write(lines(0, 10))
  const failures = await Promise.allSettled([batches.commit(), refused])
  const codes = failures.map((result) => (result.status === 'rejected' ? codeOf(result.reason) : 'none'))
  assert.equal(codes[0], codes[1])
  assert.notEqual(codes[0], 'none')
  const broken = Readable.from(
    (function* () {
      yield lines(0, 10)
      throw new Error('mine')
    })(),
  )
  await assert.rejects(pipeline(broken, toBatches(), to()), /mine/)
  assert.equal(await written(), '')
})

function codeOf(error: unknown): string {
  return error instanceof SluiceError ? error.code : String(error)
}

function byId() {
  return transform({ type: 'dedup', key: ['id'] })
}

async function toNothing(all: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of all) continue
}

test('a sink leaves no listener on standard output, also when the source fails', async (t) => {
  const { folder, input } = await openFolder(t, 0)
  const before = process.stdout.listenerCount('error')
  await pipeline(source({ type: 'file', path: input }), sink({ type: 'stdout' }))
  const missing = source({ type: 'file', path: join(folder, 'missing') })
  await assert.rejects(pipeline(missing, sink({ type: 'stdout' })), { code: 'FILE_NOT_FOUND' })
  await setImmediate()
  assert.equal(process.stdout.listenerCount('error'), before)
})
