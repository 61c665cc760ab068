import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { recordsIn } from './support.ts'

const FILES = 4
const PER_FILE = 20

/** Cannot be opened while `FAIL` is set, so that no shard is executed. */
const FAILING = `import { defineTransform } from 'sluice'
export default defineTransform({
  summary: 'Fails.', parallel: true, fields: {},
  create() {
    if (process.env.FAIL !== undefined) throw new Error('FAIL is set')
    return (record) => record
  },
})
`

const PIPELINE = `source: { type: file, path: none }
transforms:
  - { type: ../failing.js }
  - { type: redact, rules: [{ path: user, action: mask }] }
  - { type: dedup, key: [id, at], time: at }
sink: { type: file, path: out, key: all }
`

const BACKFILL = ['backfill', 'p', 'in', '--workers', '2', '--shard-size', '1B']

function lineOf(id: number): string {
  return `${JSON.stringify({ id, at: new Date(Date.UTC(2026, 0, 1 + id)).toISOString(), user: `u${id}` })}\n`
}

/** A backfill that has its plan, and no committed shard. */
async function openUnfinished(t: TestContext, ...options: string[]): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('failing.js', FAILING)
  await workspace.write('pipelines/p.yaml', PIPELINE)
  for (let file = 0; file < FILES; file++) {
    const lines = Array.from({ length: PER_FILE }, (_, at) => lineOf(file * PER_FILE + at))
    await workspace.write(`in/${file}.ndjson.gz`, gzipSync(lines.join('')))
  }
  const { shards, error } = await workspace.report([...BACKFILL, ...options], { env: { FAIL: '1' }, code: 2 })
  assert.deepEqual([error?.code, shards?.planned, shards?.committed], ['COMPONENT_LOAD_FAILED', FILES, 0])
  return workspace
}

describe('an unfinished backfill with other options is refused by their names', () => {
  test('--since, --until, --final, --records and paths; runs retry has the right ones', async (t) => {
    const limits = ['--since', '2026-01-11', '--until', '2026-03-01']
    const workspace = await openUnfinished(t, ...limits)
    const refused: [string[], RegExp][] = [
      [[], /this command has no --since in place of 2026-01-11, no --until in place of 2026-03-01/],
      [['--since', '2026-01-12', ...limits.slice(2)], /has --since 2026-01-12 in place of 2026-01-11\n/],
      [[...limits, '--final'], /this command has --final\n/],
      [[...limits, '--records', 'Records'], /this command has --records Records\n/],
      [[...limits, 'in/0.ndjson.gz'], /this command has in and 1 more in place of in\n/],
      [[...limits, '--dry-run', '--final'], /this command has --final\n/],
    ]
    for (const [options, message] of refused) {
      const { code, stderr } = await workspace.sluice([...BACKFILL, ...options])
      assert.equal(code, 6, stderr)
      assert.match(stderr, message)
      assert.match(stderr, /SHARDS_UNFINISHED: .*\n.*runs retry p.*runs cancel p/)
    }
    const { since, until } = { since: '2026-01-11T00:00:00Z', until: '2026-03-01T01:00:00+01:00' }
    const same = await workspace.sluice([...BACKFILL, '--since', since, '--until', until, '--dry-run'])
    assert.equal(same.code, 0, same.stderr)
    const retried = await workspace.sluice(['runs', 'retry', 'p', '--workers', '1'])
    assert.equal(retried.code, 0, retried.stderr)
    const ids = (await recordsIn(workspace.path('out'))).map((line) => Number(/"id":(\d+)/.exec(line)?.[1]))
    assert.deepEqual(
      ids.toSorted((one, other) => one - other),
      Array.from({ length: 49 }, (_, at) => 10 + at),
    )
  })

  test('also when the command line was not stored', async (t) => {
    const workspace = await openUnfinished(t, '--final')
    await workspace.write('.sluice/p/backfill.json', '{}')
    const { code, stderr } = await workspace.sluice(BACKFILL)
    assert.equal(code, 6, stderr)
    assert.match(stderr, /SHARDS_UNFINISHED: .* is unfinished; this command has other paths or options\n/)
    const { written } = await workspace.report([...BACKFILL, '--final'])
    assert.equal(written, FILES * PER_FILE)
  })

  test('a forgotten --set is asked for; a changed configuration is used, and logged', async (t) => {
    const workspace = await openUnfinished(t, '--set', 'limits.maxLine=1MiB')
    const forgotten = await workspace.sluice(BACKFILL)
    assert.equal(forgotten.code, 2, forgotten.stderr)
    assert.match(forgotten.stderr, /USAGE: .*--set limits\.maxLine.*\n.*--set limits\.maxLine=…/)
    await workspace.write('pipelines/p.yaml', PIPELINE.replace('mask', 'drop'))
    const { code, stderr } = await workspace.sluice([...BACKFILL, '--set', 'limits.maxLine=2MiB'])
    assert.equal(code, 0, stderr)
    assert.match(stderr, /the configuration has changed since the backfill began: .* changed=("?)limits, redact\1/)
    assert.match(stderr, /--shard-size changes nothing/)
  })
})
