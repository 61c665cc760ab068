import assert from 'node:assert/strict'
import { once } from 'node:events'
import { join } from 'node:path'
import { Worker, isMainThread, parentPort, workerData } from 'node:worker_threads'
import { openPipeline, sink, source, toObjects, transform } from '../../../src/index.ts'

/*
 * A program that embeds pipelines, for process.test.ts: it must end by itself, in whatever state it
 * leaves a pipeline, and print nothing. Not a test file.
 */
async function abortAll(folder: string): Promise<void> {
  const archive = await openPipeline('archive', { folder })
  const readable = archive.readable()
  for await (const _ of readable) break
  const unread = archive.readable()
  unread.destroy()

  const duplex = archive.duplex()
  duplex.write('{"id":1}\n{"id":')
  await new Promise((resolve) => duplex.once('data', resolve))
  duplex.destroy()

  const opening = archive.writable()
  opening.destroy()
  await once(opening, 'close')
  const writable = archive.writable()
  writable.write('{"id":1}\n')
  await writable.commit()
  writable.write('{"id":2}\n')
  writable.destroy()
  await once(writable, 'close')
  // The state is free again.
  const next = archive.writable()
  next.end('{"id":3}\n')
  await once(next, 'close')

  const objects = source({ type: 'file', path: join(folder, 'in') })
    .pipe(transform({ type: 'dedup', key: ['id'] }))
    .pipe(toObjects())
  for await (const _ of objects) break

  const end = sink({ type: 'file', path: join(folder, 'out'), key: 'all', state: join(folder, '.sluice', 'code') })
  source({ type: 'file', path: join(folder, 'in') }).pipe(end)
  await new Promise(setImmediate)
  end.destroy()
}

async function follow(folder: string): Promise<void> {
  const stop = new AbortController()
  const archive = await openPipeline('archive', { folder })
  const running = archive.run({
    follow: true,
    signal: stop.signal,
    onProgress: ({ records }) => records === 50_000 && stop.abort(),
  })
  assert.deepEqual([(await running).outcome, (await archive.run()).read], ['interrupted', 0])
}

async function inWorkers(folder: string): Promise<void> {
  const run = async (state: string) => {
    const archive = await openPipeline('archive', { folder, state, set: { 'sink.path': state } })
    return (await archive.run()).written
  }
  if (!isMainThread) {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- not a window
    parentPort?.postMessage(await run(String(workerData)))
    return
  }
  const argv = process.argv.slice(2)
  const workers = ['one', 'two'].map((state) => new Worker(import.meta.filename, { argv, workerData: state }))
  const counts = await Promise.all([
    run('main'),
    ...workers.map(async (worker) => {
      // Both can come in one turn of the event loop.
      const exited = once(worker, 'exit')
      const [written] = await once(worker, 'message')
      await exited
      return Number(written)
    }),
  ])
  assert.deepEqual(counts, [50_000, 50_000, 50_000])
}

const [part, folder = ''] = process.argv.slice(2)
if (part === 'abort') await abortAll(folder)
if (part === 'follow') await follow(folder)
if (part === 'worker') await inWorkers(folder)
