import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import {
  defineSink,
  defineSource,
  defineTransform,
  Secret,
  sink,
  source,
  SluiceError,
  transform,
  Type,
} from '../../../src/index.ts'
import type { Batch, SinkWritable } from '../../../src/index.ts'
import { openWorkspace, s3Environment } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'
import { startS3Server } from '../../servers/s3.ts'

/** A file of 1000 records in a workspace, and the sink of a folder there. */
async function openProject(t: TestContext, records = 1000) {
  const workspace = await openWorkspace(t)
  const lines = Array.from({ length: records }, (_, id) => `{"id":${id},"email":"user${id}@example.com"}\n`)
  await workspace.write('in.ndjson', lines.join(''))
  return { workspace, input: { type: 'file', path: workspace.path('in.ndjson') }, output: folderSink(workspace) }
}

function folderSink(workspace: Workspace) {
  return {
    type: 'file',
    path: workspace.path('out'),
    key: 'all',
    compression: 'none',
    state: workspace.path('.sluice/mine'),
  }
}

async function recordsIn(workspace: Workspace): Promise<{ id: number; [name: string]: unknown }[]> {
  const entries = await readdir(workspace.path('out'), { recursive: true, withFileTypes: true })
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const texts = await Promise.all(files.map((file) => readFile(file, 'utf8')))
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line): { id: number } => JSON.parse(line)),
  )
}

async function failureOf(running: Promise<void>): Promise<SluiceError> {
  const error: unknown = await running.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  assert.ok(error instanceof SluiceError, String(error))
  return error
}

function throwing(): never {
  throw new Error('mine')
}

function reportOf(last: SinkWritable) {
  const report = last.report()
  assert.ok(report)
  return report
}

describe('a pipeline wired in code', () => {
  test('writes what the same pipeline file writes, and resumes where it stopped', async (t) => {
    const s3 = await startS3Server({ buckets: ['audit'] })
    t.after(() => s3.close())
    Object.assign(process.env, s3Environment(s3))
    const { workspace, input } = await openProject(t)
    const run = async () => {
      const last = sink({
        type: 's3',
        bucket: 'audit',
        endpoint: s3.endpoint,
        forcePathStyle: true,
        compression: 'none',
        roll: { maxAge: '1m', maxBytes: '1MiB' },
        state: workspace.path('.sluice/mine'),
      })
      await pipeline(
        source(input),
        transform({ type: 'redact', rules: [{ path: 'email', action: 'mask' }] }),
        transform({ type: 'dedup', key: ['id'] }),
        last,
      )
      return reportOf(last)
    }

    const [first, second] = [await run(), await run()]

    assert.deepEqual([first.pipeline, first.outcome, first.read, first.written], ['mine', 'done', 1000, 1000])
    assert.deepEqual([second.outcome, second.read, second.written], ['done', 0, 0])
    const show = await workspace.sluice(['state', 'show', 'mine'])
    assert.equal(show.code, 0, show.stderr)
  })

  test('takes functions, declared components and files of the project', async (t) => {
    const { workspace, output } = await openProject(t)
    await workspace.write('tag.ts', "export default (record: any) => record.set('tagged', true)\n")
    const numbers = defineSource({
      type: 'numbers',
      summary: 'Counts.',
      repeats: false,
      fields: { count: Type.Integer({ description: 'How many.' }) },
      create: ({ count }) => ({
        async *read() {
          for (let id = 0; id < count; id++) yield { records: [{ id }], position: id }
        },
      }),
    })
    const double = defineTransform({
      summary: 'Doubles.',
      fields: { by: Type.Integer({ default: 2, description: 'Factor.' }) },
      create:
        ({ by }) =>
        (record) =>
          record.set('doubled', Number(record.get('id')) * by),
    })

    await pipeline(
      source({ type: numbers, count: 3 }, { folder: workspace.folder }),
      transform(double),
      transform((record) => record.set('seen', true)),
      transform({ type: './tag.ts' }),
      sink({ ...output, path: workspace.path('out') }),
    )

    assert.deepEqual(
      await recordsIn(workspace),
      [0, 1, 2].map((id) => ({ id, doubled: id * 2, seen: true, tagged: true })),
    )
  })

  test('passes batches through a Transform of the program', async (t) => {
    const { workspace, input, output } = await openProject(t)
    const through = new Transform({ objectMode: true, transform: (batch, _encoding, done) => done(null, batch) })
    await pipeline(source(input), through, transform({ type: 'dedup', key: ['id'] }), sink(output))
    assert.equal((await recordsIn(workspace)).length, 1000)
  })

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

  test('rejects with all problems of its configuration, and reads nothing', async (t) => {
    const { input, output } = await openProject(t)
    const error = await failureOf(
      pipeline(
        source({ ...input, pth: 1 }),
        transform({ type: 'redact' }),
        transform({ type: 'dedup', key: ['id'], within: '5 parsecs' }),
        sink(output),
      ),
    )
    assert.equal(error.code, 'CONFIG_INVALID')
    assert.match(error.message, /pth/)
    assert.match(error.message, /within of transform dedup/)
  })
})
