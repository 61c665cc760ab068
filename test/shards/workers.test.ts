import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { recordsIn } from './support.ts'

/** Masks a member, rejects some records and drops others. Archives overlap, so that shards share keys. */
const PIPELINE = `
source: { type: file, path: none }
transforms:
  - { type: filter, drop: { kind: noise } }
  - { type: validate, schema: schema.json }
  - { type: redact, rules: [{ path: user, action: mask }] }
  - { type: dedup, key: [id, at], time: at }
sink: { type: file, path: out, key: 'kind={record.kind}' }
`
const SCHEMA = { type: 'object', properties: { kind: { not: { const: 'bad' } } } }
const KINDS = ['one', 'two', 'noise', 'bad', 'three']

const COUNT = 3000

function line(id: number): string {
  const at = new Date(Date.UTC(2026, 0, 1) + id * 60_000).toISOString()
  return `${JSON.stringify({ id, at, kind: KINDS[id % KINDS.length], user: `u${id}@example.com`, pad: 'x'.repeat(60) })}\n`
}

function lines(from: number, to: number): string {
  return Array.from({ length: to - from }, (_, at) => line(from + at)).join('')
}

/** Plain and compressed archives that overlap, and one of the lines that are not JSON. */
async function openArchives(t: TestContext): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/events.yaml', PIPELINE)
  await workspace.write('pipelines/schema.json', JSON.stringify(SCHEMA))
  await workspace.write('in/a.ndjson', lines(0, 1500))
  await workspace.write('in/b.ndjson.gz', gzipSync(lines(1000, 2000)))
  await workspace.write('in/c.ndjson', `${lines(1900, COUNT)}{"id":\n`)
  await workspace.write('in/d.ndjson.gz', gzipSync(lines(2500, COUNT)))
  await workspace.write('in/e.json', `[${lines(0, 100).trim().split('\n').join(',')}]`)
  return workspace
}

const SMALL = ['--shard-size', '20KiB']

interface Shown {
  readonly partitions: readonly { readonly partition: string; readonly position: unknown }[]
  readonly totals: { readonly [name: string]: unknown }
}

async function stateOf(workspace: Workspace, state: string): Promise<Shown> {
  const { stdout } = await workspace.sluice(['state', 'show', 'events', '--json', '--state', state])
  return JSON.parse(stdout)
}

/** Runs the backfill with an output and a state of its own. */
function backfill(name: string, ...options: string[]): string[] {
  return ['backfill', 'events', 'in', '--set', `sink.path=out-${name}`, '--state', `state-${name}`, ...options]
}

test('1, 2 and 8 workers write the same records, and leave the same positions', async (t) => {
  const workspace = await openArchives(t)
  const serial = await workspace.report(backfill('1', '--workers', '1'))
  assert.equal(serial.shards, undefined)
  const expected = await recordsIn(workspace.path('out-1'))
  assert.equal(expected.length, serial.written)
  const state = await stateOf(workspace, 'state-1')
  for (const workers of ['2', '8']) {
    const report = await workspace.report(backfill(workers, '--workers', workers, ...SMALL))
    assert.ok((report.shards?.planned ?? 0) > 8, JSON.stringify(report.shards))
    assert.deepEqual(await recordsIn(workspace.path(`out-${workers}`)), expected)
    const { read, added, written, duplicate, rejected, rejects, dropped, unfinished, bytesIn, rules } = serial
    const same = { read, added, written, duplicate, rejected, rejects, dropped, unfinished, bytesIn, rules }
    assert.deepEqual(Object.fromEntries(Object.keys(same).map((name) => [name, Reflect.get(report, name)])), same)
    const after = await stateOf(workspace, `state-${workers}`)
    assert.deepEqual(after.partitions, state.partitions)
    assert.deepEqual(after.totals, state.totals)
    const again = await workspace.report(backfill(workers, '--workers', '1'))
    assert.deepEqual([again.read, again.bytesIn], [0, 0])
    const verified = await workspace.sluice([
      'verify',
      'events',
      '--set',
      `sink.path=out-${workers}`,
      '--state',
      `state-${workers}`,
    ])
    assert.equal(verified.code, 0, verified.stdout + verified.stderr)
  }
})

test('a sink that refuses ends the run at once, while workers are busy', async (t) => {
  const workspace = await openArchives(t)
  await workspace.write('out', 'not a folder')
  const { code, stderr } = await workspace.sluice(['backfill', 'events', 'in', '--workers', '2', ...SMALL])
  assert.equal(code, 4, stderr)
  assert.match(stderr, /SINK_REFUSED/)
})

test('a sink that refuses later ends the run, and the same command continues it', async (t) => {
  const workspace = await openArchives(t)
  await workspace.write(
    'pipelines/slow.ts',
    `
    import { setTimeout } from 'node:timers/promises'
    import { defineTransform } from 'sluice'
    export default defineTransform({ summary: 'Is slow.', parallel: true, fields: {}, create: () => async (record) => {
      await setTimeout(5)
      return record
    } })`,
  )
  await workspace.write(
    'pipelines/events.yaml',
    PIPELINE.replace('transforms:', 'transforms:\n  - { type: ./slow.ts }'),
  )
  const run = () => workspace.start(['backfill', 'events', 'in', '--workers', '2', ...SMALL])
  const first = run()
  const isOver = first.ended.then(({ stderr }) => Promise.reject(new Error(stderr)))
  isOver.catch(() => undefined)
  while ((await recordsIn(workspace.path('out')).catch(() => [])).length === 0) await Promise.race([sleep(20), isOver])
  await rm(workspace.path('out'), { recursive: true })
  await workspace.write('out', 'not a folder')
  const { code, stderr } = await first.ended
  assert.equal(code, 4, stderr)
  assert.match(stderr, /SINK_REFUSED/)
  await rm(workspace.path('out'))
  const second = await run().ended
  assert.equal(second.code, 0, second.stderr)
})

test('records that are repeated near each other have few shards executed twice', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/events.yaml', PIPELINE)
  await workspace.write('pipelines/schema.json', JSON.stringify(SCHEMA))
  const repeated = Array.from(
    { length: COUNT },
    (_, id) => line(id) + (id % 10 === 0 ? line(Math.max(0, id - 30)) : ''),
  )
  await workspace.write('in/a.ndjson', repeated.join(''))
  const { code, stderr } = await workspace.sluice(['backfill', 'events', 'in', '--workers', '2', ...SMALL, '--json'])
  assert.equal(code, 0, stderr)
  const count = (message: string): number => stderr.split(message).length - 1
  const shards = count('"code":"shard.committed"')
  assert.ok(shards >= 16, `${shards} shards`)
  // Where a chain of shards meets another one, both sides are executed before one is committed.
  assert.ok(count('"code":"shard.again"') <= 6, stderr)
})
