import assert from 'node:assert/strict'
import { Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { describe, test } from 'node:test'
import { defineSource, defineTransform, sink, source, transform, Type } from '../../../src/index.ts'
import type { Record } from '../../../src/index.ts'
import { startS3Server } from '../../servers/s3.ts'
import { s3Environment } from '../../support/command.ts'
import { failureOf, openProject, recordsIn, reportOf } from './support.ts'

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

  test('logs that a function before dedup has changed', async (t) => {
    const { input, output } = await openProject(t)
    const lines: string[] = []
    const log = (message: string): void => void lines.push(message)
    for (const change of [before, before, after]) {
      lines.push('run')
      await pipeline(source(input, { log }), transform({ type: change }), transform(DEDUP), sink(output))
    }
    const logged = lines
      .filter((line) => /^(run$|custom code before dedup differs)/.test(line))
      .map((line) => line.slice(0, 6))
    assert.deepEqual(logged, ['run', 'run', 'run', 'custom'])
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

const DEDUP = { type: 'dedup', key: ['id'] }

/** Two functions of one name, as before and after a change. */
const [before, after] = [
  { change: (record: Record) => record }.change,
  { change: (record: Record) => record.set('changed', true) }.change,
]
