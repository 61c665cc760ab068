import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import { defineSink, defineSource, Secret, sink, source, SluiceError, transform } from '../../../src/index.ts'
import type { Batch } from '../../../src/index.ts'
import { failureOf, openProject, recordsIn, reportOf } from './support.ts'

describe('a program with pipelines', () => {
  test('runs again at once after it failed in a stream of the program', async (t) => {
    const { workspace, input, output } = await openProject(t)
    for (let attempt = 0; attempt < 3; attempt++) {
      const failing = new Transform({
        objectMode: true,
        transform: (batch: Batch, _encoding, done) => (batch.count > 0 ? done(new Error('mine')) : done(null, batch)),
      })
      await assert.rejects(pipeline(source(input), failing, sink(output)), /mine/)
    }
    await pipeline(source(input), sink(output))
    assert.equal((await recordsIn(workspace)).length, 1000)
  })

  test('fails with STATE_IN_USE when its state belongs to another pipeline of the program', async (t) => {
    const { input, output } = await openProject(t)
    const held = new AbortController()
    let opened: () => void
    const isOpen = new Promise<void>((resolve) => (opened = resolve))
    const endless = defineSource({
      type: 'endless',
      summary: 'Waits.',
      repeats: false,
      fields: {},
      create: () => ({
        async *read({ signal }) {
          yield { records: [{ id: 1 }], position: 1 }
          opened()
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
        },
      }),
    })
    const first = sink(output)
    const running = pipeline(source(endless, { signal: held.signal }), first)
    await isOpen
    const error = await failureOf(pipeline(source(input), sink(output)))
    assert.equal(error.code, 'STATE_IN_USE')
    held.abort()
    await running
    assert.deepEqual([reportOf(first).outcome, reportOf(first).written], ['interrupted', 1])
  })

  test('drops what is not committed when the signal of pipeline aborts, and closes everything', async (t) => {
    const { workspace, input, output } = await openProject(t)
    const controller = new AbortController()
    const stop = new Transform({
      objectMode: true,
      transform(batch: Batch, _encoding, done) {
        if (batch.end) controller.abort()
        done(null, batch)
      },
    })
    await assert.rejects(pipeline(source(input), stop, sink(output), { signal: controller.signal }), {
      name: 'AbortError',
    })
    await pipeline(source(input), sink(output))
    assert.equal((await recordsIn(workspace)).length, 1000)
  })

  test('hides its secrets in errors, the report and the log', async (t) => {
    const { output } = await openProject(t)
    const lines: string[] = []
    const leaky = defineSource({
      type: 'leaky',
      summary: 'Quotes its secret.',
      repeats: false,
      fields: { token: Secret({ description: 'A token.' }) },
      create: ({ token }) => ({
        async *read({ note }) {
          note(`asking with ${token}`, { token })
          yield { records: [{ id: 1 }], position: 1 }
          throw new SluiceError('SOURCE_REFUSED', `refused: ${token}`, {
            hint: `not ${token}`,
            cause: new Error(`the server said ${token}`),
          })
        },
      }),
    })
    const last = sink(output)
    const log = (message: string, facts?: object): void => void lines.push(`${message} ${JSON.stringify(facts)}`)
    const error = await failureOf(pipeline(source({ type: leaky, token: 'tok-4711-secret' }, { log }), last))
    const texts = [error.message, error.hint, error.stack, String(error.cause), JSON.stringify(last.report()), ...lines]
    assert.match(error.message, /^refused: \*\*\*$/)
    assert.ok(lines.length > 0)
    for (const text of texts) assert.ok(text?.includes('4711') === false, text)
    assert.deepEqual([reportOf(last).outcome, reportOf(last).written], ['failed', 1])
  })

  test('fails when its log throws', async (t) => {
    const { input, workspace } = await openProject(t)
    await workspace.write('in.ndjson', '{"id":1}\nnot json\n')
    const noisy = transform({ type: 'redact', rules: [{ path: 'absent', action: 'mask' }] })
    const stdout = defineSink({
      type: 'null',
      summary: 'Takes lines.',
      delivers: 'stream',
      fields: {},
      create: () => ({ write: () => Promise.resolve(), flush: () => Promise.resolve() }),
    })
    const error = await failureOf(pipeline(source(input, { log: throwing }), noisy, sink(stdout)))
    assert.equal(error.code, 'USAGE')
    assert.match(error.message, /log threw/)
  })

  test('keeps the memory of batches that a stream of the program keeps', async (t) => {
    const { workspace, input, output } = await openProject(t, 40_000)
    const kept: Batch[] = []
    const keep = new Transform({
      objectMode: true,
      highWaterMark: 1,
      transform(batch: Batch, _encoding, done) {
        kept.push(batch)
        done(null, batch)
      },
    })
    await pipeline(source(input), keep, transform({ type: 'dedup', key: ['id'] }), sink(output))
    const first = source(input)
    const seen: Batch[] = []
    first.on('data', (batch: Batch) => seen.push(batch))
    await pipeline(first, sink({ ...output, state: workspace.path('.sluice/other') }))

    const expected = await readFile(workspace.path('in.ndjson'))
    for (const batches of [kept, seen]) {
      assert.ok(batches.length > 4)
      assert.ok(Buffer.concat(batches.map(({ bytes }) => bytes)).equals(expected))
    }
  })

  test('runs beside others in one process, and leaves no listener', async (t) => {
    const { workspace, input, output } = await openProject(t)
    const warnings: Error[] = []
    const onWarning = (warning: Error): void => void warnings.push(warning)
    process.on('warning', onWarning)
    t.after(() => process.off('warning', onWarning))
    const listening = listeners()
    const { signal } = new AbortController()
    const ends = Array.from({ length: 15 }, (_, at) => sink({ ...output, state: workspace.path(`.sluice/p${at}`) }))
    await Promise.all(
      ends.map((end) => pipeline(source(input, { signal }), transform({ type: 'dedup', key: ['id'] }), end)),
    )
    assert.deepEqual(
      ends.map((end) => reportOf(end).written),
      ends.map(() => 1000),
    )
    assert.deepEqual(listeners(), listening)
    assert.deepEqual(warnings.map(String), [])
  })
})

function listeners(): string[] {
  return process.eventNames().map((name) => `${String(name)} ${process.listenerCount(name)}`)
}

function throwing(): never {
  throw new Error('mine')
}
