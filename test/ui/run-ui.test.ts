import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { test } from 'node:test'
import type { ApiLogLine, PipelineDetail, PipelineRow } from '../../src/ui/api.ts'
import { openWatched } from '../cli/commands/watched-pipeline.ts'
import { until } from '../support/until.ts'
import { attachUi } from './ui-process.ts'

const ADDRESS = /^The page of this run, an address that works once: (\S+)$/m

for (const [kind, sink] of [
  ['without a state', 'sink: { type: stdout }'],
  ['with a state', 'sink: { type: file, path: out, roll: { maxAge: 1s } }'],
])
  test(`run --ui serves the page of a pipeline ${kind}, until the end of the run`, async (t) => {
    const { workspace, stop } = await openWatched(t)
    await workspace.write(
      'pipelines/p.yaml',
      `source: { type: ../endless.js }\ntransforms: [{ type: filter, where: 'record.id % 1000 == 0' }]\n${sink}\n`,
    )
    const run = workspace.start(['run', 'p', '--ui'])
    await until(() => ADDRESS.test(run.output.stderr), run)
    const [, address = ''] = ADDRESS.exec(run.output.stderr) ?? []
    const ui = attachUi(address, run)
    const cookie = await ui.enter()
    const ask = async <Answer>(path: string): Promise<Answer> => {
      const { status, text } = await ui.ask({ path: `/api/v1${path}`, headers: { cookie } })
      assert.equal(status, 200, text)
      return JSON.parse(text)
    }
    const row = async () => (await ask<{ pipelines: PipelineRow[] }>('/pipelines')).pipelines[0]
    await until(async () => (await row()).state === 'running' && ((await row()).recordsPerSecond ?? 0) > 0, run)
    await until(async () => (await ask<{ lines: ApiLogLine[] }>('/pipelines/p/log')).lines.length > 0, run)
    const detail = await ask<PipelineDetail>('/pipelines/p')
    assert.equal(detail.graph?.transforms[0]?.name, 'filter')
    if (kind === 'with a state') {
      await until(async () => (await ask<PipelineDetail>('/pipelines/p')).lastEpochs.length >= 2, run)
      // The log comes once, not by the socket of the state too.
      const { lines } = await ask<{ lines: ApiLogLine[] }>('/pipelines/p/log')
      assert.deepEqual(
        lines.map(({ number }) => number),
        lines.map((_line, at) => at + 1),
      )
    }
    await stop()
    const { code, stdout } = await run.ended
    assert.equal(code, 0)
    if (kind === 'without a state') for (const line of stdout.trim().split('\n')) assert.match(line, /^\{"id": \d+,/)
    await assert.rejects(ui.ask({ path: '/' }), /ECONNREFUSED/)
  })

test('backfill --ui serves the page, and a log of JSON has its address', async (t) => {
  const { workspace } = await openWatched(t)
  await workspace.write(
    'wait.js',
    `import { existsSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { defineTransform } from 'sluice'
export default defineTransform({
  summary: 'Waits.', fields: {}, examples: [],
  create: () => async (record) => { while (!existsSync('stop')) await sleep(5); return record },
})
`,
  )
  await workspace.write('in.ndjson', '{"id":1}\n')
  await workspace.write(
    'pipelines/p.yaml',
    'source: { type: file, path: none.ndjson }\ntransforms: [{ type: ../wait.js }]\nsink: { type: file, path: out }\n',
  )
  const run = workspace.start(['backfill', 'p', 'in.ndjson', '--ui', '--json'])
  await until(() => run.output.stderr.includes('ui.served'), run)
  const [line = ''] = run.output.stderr.split('\n').filter((one) => one.includes('ui.served'))
  const { url }: { url: string } = JSON.parse(line)
  const ui = attachUi(url, run)
  const cookie = await ui.enter()
  await until(async () => {
    const { text } = await ui.ask({ path: '/api/v1/pipelines', headers: { cookie } })
    return text.includes('"state":"running"')
  }, run)
  await workspace.write('stop', '')
  assert.equal((await run.ended).code, 0)
})

test('a page that cannot be served is an error before the run starts', async (t) => {
  const { workspace } = await openWatched(t)
  const taken = createServer().listen(0, '127.0.0.1')
  t.after(() => taken.close())
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0
  const { code, stderr } = await workspace.sluice(['run', 'p', '--ui', '--ui-port', String(port)])
  assert.equal(code, 2)
  assert.match(stderr, new RegExp(`--ui-port ${port}: .*[^]*free port`))
  assert.ok(!stderr.includes('run started'))
  assert.match((await workspace.sluice(['run', 'p', '--ui-port', '0'])).stderr, /--ui-port is of the page[^]*add --ui/)
})
