import assert from 'node:assert/strict'
import { availableParallelism } from 'node:os'
import { describe, test } from 'node:test'
import type { TestContext } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openWorkspace } from '../support/command.ts'
import type { Workspace } from '../support/command.ts'
import { recordsIn } from './support.ts'

const SHARDS = 6
const PER_FILE = 50

/** A custom transform whose thread dies at one record: as `HOW` says, once, or each time without `ONCE`. */
const DEADLY = `import { existsSync, writeFileSync } from 'node:fs'
import { defineTransform } from 'sluice'
const kept = []
export default defineTransform({
  summary: 'Dies.', parallel: true, fields: {}, examples: [],
  create: () => (record) => {
    const { HOW, ONCE } = process.env
    if (record.get('id') !== 120 || HOW === undefined || (ONCE !== undefined && existsSync(ONCE))) return record
    if (ONCE !== undefined) writeFileSync(ONCE, '')
    if (HOW === 'exit') process.exit(7)
    if (HOW === 'heap') for (;;) kept.push(Array.from({ length: 50_000 }, () => ({})))
    setImmediate(() => { throw new Error('outside of every call') })
    return new Promise(() => {})
  },
})
`

const PIPELINE =
  'source: { type: file, path: none }\ntransforms: [{ type: ../mine.js }, { type: dedup, key: [id] }]\nsink: { type: file, path: out, key: all }\n'

async function openJob(t: TestContext, transform = DEADLY): Promise<Workspace> {
  const workspace = await openWorkspace(t)
  await workspace.write('mine.js', transform)
  await workspace.write('pipelines/p.yaml', PIPELINE)
  for (let file = 0; file < SHARDS; file++) await workspace.write(`in/${file}.ndjson.gz`, gzipSync(lines(file)))
  return workspace
}

function lines(file: number): string {
  return Array.from({ length: PER_FILE }, (_, at) => `{"id":${file * PER_FILE + at}}\n`).join('')
}

function backfill(workers: string): string[] {
  return ['backfill', 'p', 'in', '--workers', workers, '--shard-size', '1B']
}

const BACKFILL = backfill('2')

describe('a thread that dies', () => {
  for (const [how, node] of [
    ['exit', []],
    ['throw', []],
    ['heap', ['--max-old-space-size=96']],
  ] as const) {
    test(`has its shard executed again: ${how}`, async (t) => {
      const workspace = await openJob(t)
      const env = { HOW: how, ONCE: workspace.path('died') }
      const { shards, written } = await workspace.report(BACKFILL, { env, node })
      assert.deepEqual(shards, { planned: SHARDS, committed: SHARDS, left: 0, failed: [] })
      assert.equal(written, SHARDS * PER_FILE)
      assert.equal(new Set(await recordsIn(workspace.path('out'))).size, SHARDS * PER_FILE)
    })
  }

  test('with each execution of a shard fails this shard alone, and the same command tries it alone', async (t) => {
    const workspace = await openJob(t)
    const report = await workspace.report(BACKFILL, { env: { HOW: 'exit' }, code: 3 })
    assert.equal(report.error?.code, 'SHARDS_FAILED')
    const { failed, ...counts } = report.shards ?? { failed: [] }
    assert.deepEqual(counts, { planned: SHARDS, committed: SHARDS - 1, left: 0 })
    assert.deepEqual(
      failed.map(({ shard, inputs, code }) => ({ shard, inputs, code })),
      [{ shard: 2, inputs: ['in/2.ndjson.gz'], code: 'WORKER_LOST' }],
    )
    const { stdout } = await workspace.sluice(['runs', 'show', 'p'])
    assert.match(
      stdout,
      /^p {2}5 of 6 shards .*1 failed.*\n {2}reads in, from .*\n {2}shard 2 failed: in\/2\.ndjson\.gz: WORKER_LOST: /,
    )
    const after = await workspace.report(BACKFILL)
    assert.deepEqual(after.shards, { planned: SHARDS, committed: 1, left: 0, failed: [] })
    assert.equal(after.read, PER_FILE)
    assert.equal((await recordsIn(workspace.path('out'))).length, SHARDS * PER_FILE)
    assert.match((await workspace.sluice(['runs', 'list'])).stdout, /^no unfinished/)
  })
})

const TAG = `import { defineTransform } from 'sluice'
export default defineTransform({ summary: 'Tags.', fields: {}, create: () => (record) => record.set('tag', 1) })
`

describe('several workers are refused', () => {
  test('by the name of a custom transform that does not declare parallel', async (t) => {
    const workspace = await openJob(t, TAG)
    const { code, stderr } = await workspace.sluice(BACKFILL)
    assert.equal(code, 2)
    assert.match(stderr, /UNSUPPORTED: the transform \.\.\/mine\.js does not declare `parallel: true`/)
    if (availableParallelism() === 1) return
    const alone = await workspace.sluice(['backfill', 'p', 'in', '--shard-size', '10B'])
    assert.equal(alone.code, 0, alone.stderr)
    assert.match(alone.stderr, /one worker is used: the transform \.\.\/mine\.js does not declare/)
  })

  test('for a stream sink, for standard input, and for a number that is none', async (t) => {
    const workspace = await openJob(t)
    const stream = await workspace.sluice([...BACKFILL, '--set', 'sink={ type: stdout }'])
    assert.match(stream.stderr, /UNSUPPORTED: the sink stdout is a stream/)
    const stdin = await workspace.sluice(['backfill', 'p', '-', '--workers', '2'], { input: lines(0) })
    assert.match(stdin.stderr, /UNSUPPORTED: standard input can be read only once/)
    for (const wrong of ['0', '1.5', 'x', '1000']) {
      const { code, stderr } = await workspace.sluice(['backfill', 'p', 'in', '--workers', wrong])
      assert.equal(code, 2, stderr)
      assert.match(stderr, /USAGE: --workers/)
    }
    assert.match(
      (await workspace.sluice(['backfill', 'p', 'in', '--shard-size', 'big'])).stderr,
      /USAGE: --shard-size big is not a size/,
    )
  })
})

/** A custom source of five parts, which reads as many as `COUNT` says. */
const COUNTING = `import { defineSource } from 'sluice'
export default defineSource({
  summary: 'Counts.', repeats: true, fields: {}, examples: [],
  create: () => ({
    async *read() {},
    async *parts() {
      for (let id = 0; id < 5; id++) yield { partition: String(id), input: String(id), bytes: 1, detail: id }
    },
    async *readParts(parts) {
      const all = [...parts, ...parts].slice(0, Number(process.env.COUNT))
      for (const { partition, detail } of all) yield [{ partition, position: detail, records: [{ id: detail }] }]
    },
  }),
})
`

test('a source that skips a part of a shard, or reads more, fails the shard', async (t) => {
  const workspace = await openJob(t, COUNTING)
  await workspace.write('pipelines/p.yaml', PIPELINE.replace('{ type: ../mine.js }, ', ''))
  const command = [
    'backfill',
    'p',
    'in',
    '--workers',
    '2',
    '--shard-size',
    '1GiB',
    '--set',
    'source={ type: ../mine.js }',
  ]
  for (const [count, found] of [
    ['4', 'only 4'],
    ['6', 'more'],
  ] as const) {
    const { code, stderr } = await workspace.sluice(command, { env: { COUNT: count } })
    assert.notEqual(code, 0)
    const message = `SOURCE_FAILED: readParts of source mine was asked for 5 parts, and yielded ${found}`
    assert.ok(stderr.includes(message), stderr)
  }
  const whole = await workspace.report(command, { env: { COUNT: '5' } })
  assert.equal(whole.written, 5)
})

test('damaged archives keep their good part and are reported, as with one worker', async (t) => {
  const workspace = await openJob(t)
  const bytes = gzipSync(Array.from({ length: 20_000 }, (_, at) => `{"id":${1e6 + at}}\n`).join(''))
  await workspace.write('in/1.ndjson.gz', bytes.subarray(0, bytes.length / 2))
  await workspace.write('in/4.ndjson.gz', Buffer.from('not gzip'))
  const run = (name: string, workers: string) =>
    workspace.report([...backfill(workers), '--state', name, '--set', `sink.path=${name}`], { code: 3 })
  const serial = await run('serial', '1')
  const parallel = await run('parallel', '2')
  assert.equal(parallel.error?.code, 'INPUTS_DAMAGED')
  assert.deepEqual(parallel.damaged, serial.damaged)
  assert.deepEqual(await recordsIn(workspace.path('parallel')), await recordsIn(workspace.path('serial')))
  const stop = await workspace.sluice([...BACKFILL, '--no-keep-going', '--state', 'stop', '--set', 'sink.path=stop'])
  assert.equal(stop.code, 3)
  assert.match(stop.stderr, /INPUT_CORRUPT/)
})

test('an unfinished backfill refuses other runs until it is finished or cancelled', async (t) => {
  const workspace = await openJob(t)
  await workspace.report(BACKFILL, { env: { HOW: 'exit' }, code: 3 })
  for (const other of [
    ['backfill', 'p', 'in', '--workers', '1'],
    ['backfill', 'p', 'in/1.ndjson.gz', '--workers', '2'],
    ['run', 'p'],
  ]) {
    const { code, stderr } = await workspace.sluice(other)
    assert.equal(code, 6, stderr)
    assert.match(stderr, /SHARDS_UNFINISHED: .*\n.*runs retry p.*runs cancel p/)
  }
  const shown = await workspace.sluice(['runs', 'show', 'p'])
  assert.match(shown.stdout, /^ {2}reads in, from \/.*\n[^]*runs retry p/m)
  const state = await workspace.sluice(['state', 'show', 'p'])
  assert.match(state.stdout, /^ {2}backfill {4}unfinished: \d of \d shards committed, \d failed; see .*runs show p/m)
  const asked = await workspace.sluice(['runs', 'cancel', 'p'])
  assert.equal(asked.code, 2, asked.stderr)
  const cancelled = await workspace.sluice(['runs', 'cancel', 'p', '--yes'])
  assert.equal(cancelled.code, 0, cancelled.stderr)
  assert.match(cancelled.stdout, /the backfill is cancelled/)
  const { read, written } = await workspace.report(['backfill', 'p', 'in', '--workers', '1'])
  assert.deepEqual([read, written], [PER_FILE, PER_FILE])
  assert.equal((await recordsIn(workspace.path('out'))).length, SHARDS * PER_FILE)
})

test('a log of the level debug has a line for each step of a shard', async (t) => {
  const workspace = await openJob(t)
  const { code, stderr } = await workspace.sluice([...BACKFILL, '--log-format', 'json', '--log-level', 'debug'])
  assert.equal(code, 0, stderr)
  const events = stderr
    .split('\n')
    .filter(Boolean)
    .map((text): { code?: string; shard?: number } => JSON.parse(text))
  for (const message of ['shard.started', 'shard.executed', 'shard.committed'])
    assert.deepEqual(
      events
        .filter((event) => event.code === message)
        .map(({ shard }) => shard ?? NaN)
        .toSorted((one, other) => one - other),
      [0, 1, 2, 3, 4, 5],
      message,
    )
})
