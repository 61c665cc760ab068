import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { stringify } from 'yaml'
import { openWorkspace } from '../../support/command.ts'

const pipeline = stringify({
  source: { type: 'file', path: 'unused' },
  transforms: [{ type: 'dedup', key: 'id' }],
  sink: { type: 'file', path: 'out', key: 'all', compression: 'none' },
})
const linesFrom = (first: number, count: number): string =>
  Array.from({ length: count }, (_, at) => `${JSON.stringify({ id: first + at, text: 'x'.repeat(80) })}\n`).join('')

const marked = (id: string, count: number) => `${JSON.stringify({ id, isFirst: true })}\n${linesFrom(0, count)}`

test('--dry-run prints the plan: inputs, contents, shards, and what was read before', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('in/a.ndjson', linesFrom(0, 1000))
  await workspace.report(['backfill', 'p', 'in'])
  await workspace.write('in/b.ndjson', linesFrom(1000, 5000))
  await workspace.write('in/c.json.gz', gzipSync(linesFrom(6000, 5000)))
  await workspace.write('in/d.json', `[${JSON.stringify({ id: 'd' })}]`)
  const args = ['backfill', 'p', 'in', '--dry-run', '--workers', '2', '--shard-size', '100KiB']
  const { code, stdout } = await workspace.sluice(args)
  assert.equal(code, 0)
  assert.match(stdout, /^p: would read 5\d\d\.\d kB from 3 inputs in \d shards; nothing was read or written\n/)
  assert.match(stdout, /^ {2}ndjson +\d+\.\d kB {2}1 input in 5 parts$/m)
  assert.match(stdout, /^ {2}gzip +\d+\.\d kB {2}1 input$/m)
  assert.match(stdout, /^ {2}plain +12 B {2}1 input$/m)
  assert.match(stdout, /^ {2}read before +\d+\.\d kB {2}by earlier runs$/m)
})

test('--dry-run --json prints each shard, and the whole, as a line', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('a.ndjson', linesFrom(0, 1000))
  const { stdout } = await workspace.sluice([
    'backfill',
    'p',
    'a.ndjson',
    'missing.json',
    '--dry-run',
    '--json',
    '--workers',
    '2',
    '--shard-size',
    '20KB',
  ])
  const events: { readonly [name: string]: unknown }[] = JSON.parse(`[${stdout.trim().replaceAll('\n', ',')}]`)
  const shards = events.filter(({ event }) => event === 'shard')
  const plan = events.at(-1) ?? {}
  assert.ok(shards.length > 3)
  assert.deepEqual(
    shards.map(({ shard }) => shard),
    shards.map((_shard, at) => at),
  )
  assert.deepEqual([plan['event'], plan['inputs'], plan['shards']], ['plan', 1, shards.length])
  assert.equal(
    shards.reduce((sum, { bytes }) => sum + Number(bytes), 0),
    plan['bytes'],
  )
  assert.equal(JSON.stringify(plan['damaged']).includes('FILE_NOT_FOUND'), true)
})

test('--dry-run lists the inputs that cannot be read, and plans the others', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('a.ndjson', linesFrom(0, 10))
  const args = ['backfill', 'p', 'nix.json', 'a.ndjson', 'nux.json', '--dry-run']
  const all = await workspace.sluice(args)
  assert.equal(all.code, 3)
  assert.match(all.stdout, /from 1 input;/)
  assert.match(all.stdout, /^ {4}nix\.json +nothing read +FILE_NOT_FOUND: does not exist/m)
  assert.match(all.stderr, /INPUTS_DAMAGED: 2 inputs cannot be read/)
  const first = await workspace.sluice([...args, '--no-keep-going'])
  assert.equal(first.code, 3)
  assert.match(first.stderr, /FILE_NOT_FOUND: "nix\.json" does not exist/)
})

test('--dry-run of standard input says that one worker reads it', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  const { code, stdout } = await workspace.sluice(['backfill', 'p', '-', '--dry-run'])
  assert.equal(code, 0)
  assert.match(stdout, /^p: would read an unknown amount with one worker \(standard input can be read only once/)
  assert.deepEqual((await readdir(workspace.folder)).toSorted(), ['package.json', 'pipelines'])
})

test('--dry-run shows what is left of an unfinished backfill, and refuses another one meanwhile', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('in/a.ndjson', linesFrom(0, 2000))
  const damaged = gzipSync(linesFrom(2000, 2000))
  await workspace.write('in/b.json.gz', damaged.subarray(0, damaged.length / 2))
  const args = ['backfill', 'p', 'in', '--workers', '2', '--shard-size', '50KiB']
  await workspace.report([...args, '--no-keep-going'], { code: 3 })
  const { code, stdout } = await workspace.sluice([...args, '--dry-run'])
  assert.equal(code, 0)
  assert.match(stdout, /^ {2}done +\d+\.\d kB {2}\d of 5 shards, 1 failed; the same command does the rest$/m)
  const other = await workspace.sluice(['backfill', 'p', 'in/a.ndjson', '--workers', '2', '--dry-run'])
  assert.equal(other.code, 6)
  assert.match(other.stderr, /SHARDS_UNFINISHED/)

  const rest = await workspace.report(args, { code: 3 })
  assert.deepEqual(
    [rest.damaged].flat().map((input) => input?.code),
    ['INPUT_CORRUPT'],
  )
  const again = await workspace.report(['backfill', 'p', 'in', '--workers', '1'], { code: 3 })
  assert.deepEqual([again.read, again.written], [0, 0])
  await workspace.write('in/b.json.gz', damaged)
  const complete = await workspace.report(args)
  assert.equal(complete.damaged, undefined)
  const written = await workspace.sluice(['state', 'show', 'p', '--json'])
  const state: { readonly totals: { readonly written: number } } = JSON.parse(written.stdout)
  assert.equal(state.totals.written, 4000)
})

test('a large input is begun first, so that it does not end last', async (t) => {
  const workspace = await openWorkspace(t)
  const simple = { source: { type: 'file', path: 'unused' }, sink: { type: 'file', path: 'out' } }
  await workspace.write('pipelines/p.yaml', stringify(simple))
  for (const id of 'abcdefgh') await workspace.write(`in/${id}.ndjson`, marked(id, 100))
  await workspace.write('in/z.json', `[${marked('z', 1000).trim().replaceAll('\n', ',')}]`)
  const log = ['--log-format', 'json', '--log-level', 'debug']
  const { stderr } = await workspace.sluice(['backfill', 'p', 'in', '--workers', '2', '--shard-size', '10KB', ...log])
  const begun = stderr
    .split('\n')
    .filter((text) => text.includes('"shard.started"'))
    .map((text): { shard: number; bytes: number } => JSON.parse(text))
  assert.equal(begun.length, 9, stderr)
  assert.equal(begun[0].bytes, Math.max(...begun.map(({ bytes }) => bytes)))
  assert.notEqual(begun[0].shard, 0)
})
