import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Report } from '../../../src/observe/report.ts'
import type { StatusSnapshot } from '../../../src/observe/status/snapshot.ts'
import { openDivided, openWatched } from './watched-pipeline.ts'

test('the last status of a run has the sums of its report', async (t) => {
  const { workspace, start, stop } = await openWatched(t)
  const run = await start(['run', 'p', '--report', 'report.json'])
  const top = workspace.start(['top', '--json'])
  const snapshots = (): StatusSnapshot[] =>
    top.output.stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line))
  while (!snapshots().some(({ windowSeconds, commits }) => windowSeconds > 0 && commits.count > 0))
    await new Promise((resolve) => setTimeout(resolve, 10))
  await stop()
  assert.equal((await run.ended).code, 0)
  assert.equal((await top.ended).code, 0)
  const measured = snapshots().find(({ windowSeconds }) => windowSeconds > 0)
  assert.deepEqual(
    measured?.stages.map(({ stage, kind }) => [stage, kind]),
    [
      ['endless', 'source'],
      ['filter', 'transform'],
      ['redact', 'transform'],
      ['compute', 'transform'],
      ['delivery', 'delivery'],
    ],
  )
  assert.ok(measured?.stages.every(({ recordsPerSecond }) => recordsPerSecond > 0))
  const last = snapshots().at(-1)
  const report: Report = JSON.parse(await readFile(workspace.path('report.json'), 'utf8'))
  const { read, added, written, duplicate, rejected } = report
  const dropped = Object.values(report.dropped).reduce((sum, count) => sum + count, 0)
  assert.deepEqual(last?.ledger, { read, added, written, duplicate, rejected, dropped })
  assert.equal(last?.read.records, read)
  const [sink] = last?.sinks ?? []
  assert.deepEqual(sink?.published, { objects: report.objects.length, bytes: report.bytesOut })
  assert.deepEqual(sink?.waiting, { objects: 0, bytes: 0 })
})

test('a run that dies is no end like others', async (t) => {
  const { workspace, start } = await openWatched(t)
  const run = await start()
  const top = workspace.start(['top', 'p', '--json'])
  while (top.output.stdout === '') await new Promise((resolve) => setTimeout(resolve, 10))
  run.kill('SIGKILL')
  const { code, stderr } = await top.ended
  assert.equal(code, 6)
  assert.match(stderr, /NOT_RUNNING: process \d+, which ran p, has died/)
})

test('the status of a divided backfill has its shards, and its records cannot be tapped', async (t) => {
  const { workspace, start } = await openDivided(t)
  const run = start()
  let shards: StatusSnapshot['shards']
  let hasEnded = false
  void run.ended.then(() => (hasEnded = true))
  while (shards === undefined || shards.executing === 0) {
    assert.ok(!hasEnded, run.output.stderr)
    const { code, stdout } = await workspace.sluice(['top', 'p', '--once', '--json'])
    if (code !== 0) continue
    const snapshot: StatusSnapshot = JSON.parse(stdout)
    shards = snapshot.shards
  }
  assert.ok(shards.shards > 4)
  assert.equal(shards.done, 0)
  const { stdout } = await workspace.sluice(['top', 'p', '--once'])
  assert.match(stdout, /^shards +0 of \d+ done/m)
  const tapped = await workspace.sluice(['tap', 'p', '--limit', '1'])
  assert.equal(tapped.code, 2)
  assert.match(tapped.stderr, /UNSUPPORTED: the input is divided among workers/)
  await workspace.write('go', '')
  const { code, stderr } = await run.ended
  assert.equal(code, 0, stderr)
})
