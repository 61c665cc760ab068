import assert from 'node:assert/strict'
import { appendFile, readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import type { Report } from '../../../src/observe/report.ts'
import { openWorkspace } from '../../support/command.ts'
import type { Workspace } from '../../support/command.ts'
import { until } from '../../support/until.ts'

const SECONDS = '* * * * * *'

describe('sluice run --schedule', { concurrency: true }, () => {
  test('runs at its times, from where the last run has ended, and ends at once between two runs', async (t) => {
    const workspace = await openFile(t)
    const report = workspace.path('report.json')
    const run = workspace.start(['run', 'p', '--schedule', SECONDS, '--report', report])
    await until(() => run.output.stderr.includes('written   1'), run)
    const written = async (): Promise<number | undefined> => {
      const text = await readFile(report, 'utf8').catch(() => '')
      // It is rewritten at the end of each run.
      if (!text.endsWith('}\n')) return undefined
      const last: Report = JSON.parse(text)
      return last.written
    }
    await appendFile(workspace.path('in.ndjson'), '{"id":2}\n{"id":3}\n')
    await until(async () => (await written()) === 2, run)

    run.kill('SIGTERM')
    const { code, stderr } = await run.ended
    assert.equal(code, 130)
    assert.match(stderr, /waiting for the next time of the schedule at=\d{4}-/)
    assert.match(stderr, /p: done/)
  })

  test('skips times while a run takes longer, and says so', async (t) => {
    const workspace = await openFile(t, '  - { type: ../slow.js }')
    await workspace.write(
      'slow.js',
      'export default async (record) => (await new Promise((resolve) => setTimeout(resolve, 2500)), record)\n',
    )
    const run = workspace.start(['run', 'p', '--schedule', SECONDS])
    await until(() => /times were skipped skipped=[2-9]/.test(run.output.stderr), run)
    run.kill('SIGTERM')
    await run.ended
  })

  test('continues after a failure of the source, and ends after one that time does not change', async (t) => {
    const workspace = await openFile(t)
    const run = workspace.start(['run', 'p', '--schedule', SECONDS, '--set', 'source.path=absent.ndjson'])
    await until(() => run.output.stderr.includes('the schedule continues error=FILE_NOT_FOUND'), run)
    await workspace.write('absent.ndjson', '{"id":7}\n')
    await until(() => run.output.stderr.includes('written   1'), run)
    run.kill('SIGTERM')
    await run.ended

    await workspace.write('failing.js', "export default () => { throw new Error('a bug') }\n")
    const file = await readFile(workspace.path('pipelines/p.yaml'), 'utf8')
    await workspace.write('pipelines/p.yaml', `${file}transforms: [{ type: ../failing.js, onError: stop }]\n`)
    const failing = await workspace.start(['run', 'p', '--schedule', SECONDS, '--state', 'other']).ended
    assert.equal(failing.code, 1)
    assert.match(failing.stderr, /TRANSFORM_FAILED/)
  })

  test('takes a new configuration between two runs after SIGHUP', async (t) => {
    const workspace = await openFile(t)
    const run = workspace.start(['run', 'p', '--schedule', SECONDS], { detached: true })
    await until(() => run.output.stderr.includes('written   1'), run)
    await workspace.write('new.ndjson', '{"id":8}\n{"id":9}\n')
    const file = await readFile(workspace.path('pipelines/p.yaml'), 'utf8')
    await workspace.write('pipelines/p.yaml', file.replace('in.ndjson', 'new.ndjson'))
    run.kill('SIGHUP')
    await until(() => run.output.stderr.includes('written   2'), run)
    run.kill('SIGTERM')
    await run.ended
  })

  test('names the field of an expression that is wrong', async (t) => {
    const workspace = await openFile(t)
    const errorOf = async (...args: string[]) => {
      const { code, stderr } = await workspace.sluice(['run', 'p', ...args])
      assert.equal(code, 2)
      return stderr
    }
    assert.match(await errorOf('--schedule', '61 * * * *'), /--schedule "61 \* \* \* \*": Invalid value for minute: 61/)
    assert.match(await errorOf('--schedule', '0 0 30 2 *'), /no time matches it/)
    assert.match(await errorOf('--schedule', SECONDS, '--time-zone', 'Mars/Base'), /there is no time zone "Mars\/Base"/)
    assert.match(await errorOf('--schedule', SECONDS, '--follow'), /--schedule and --follow exclude each other/)
    assert.match(await errorOf('--time-zone', 'UTC'), /--time-zone is of --schedule/)
  })
})

async function openFile(t: TestContext, transforms = ''): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('in.ndjson', '{"id":1}\n')
  await workspace.write(
    'pipelines/p.yaml',
    `source: { type: file, path: in.ndjson }
sink: { type: file, path: out, key: all, compression: none }
${transforms === '' ? '' : `transforms:\n${transforms}\n`}`,
  )
  return workspace
}
