import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { openWorkspace } from '../../support/command.ts'

const pipeline = `source: { type: file, path: absent.ndjson }
transforms:
  - { type: dedup, key: [id, time], time: time }
sink: { type: file, path: out, key: all }
`

const lines = [1, 2, 3, 4].map((day) => `{"id":"a","time":"2026-03-0${day}T12:00:00Z"}\n`).join('')

test('backfill reads the given files instead of the source, and writes no duplicates', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('old/a.ndjson', lines)
  await workspace.write('old/deep/b.json', `[${lines.trim().replaceAll('\n', ',')}]`)
  const first = await workspace.report(['backfill', 'p', 'old'])
  assert.deepEqual([first.read, first.written, first.duplicate], [8, 4, 4])
  const second = await workspace.report(['backfill', 'p', 'old/*.ndjson'])
  assert.equal(second.read, 0, 'the position of the file was restored')
})

test('--since and --until limit the time range, and count other records as dropped', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('a.ndjson', lines)
  const report = await workspace.report([
    'backfill',
    'p',
    'a.ndjson',
    '--since',
    '2026-03-02',
    '--until',
    '2026-03-04T12:00:00Z',
  ])
  assert.deepEqual([report.read, report.written], [4, 2])
  assert.deepEqual(report.dropped, { 'outside-time-limits': 2 })
})

test('a time that validate accepts is a time for dedup, --until and the key', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('s.json', '{"required":["time"],"properties":{"time":{"type":"string","format":"date-time"}}}')
  await workspace.write(
    'pipelines/p.yaml',
    pipeline
      .replace('transforms:', 'transforms:\n  - { type: validate, schema: ../s.json }')
      .replace('key: all', 'key: "dt={record.time:yyyy-MM-dd}"'),
  )
  const times = [
    '2026-03-01T12:00:00Z',
    '2026-03-01T12:00:00+0000',
    '2026-03-01 13:00:00+01',
    '2026-03-02T12:00:00-0000',
  ]
  await workspace.write('a.ndjson', times.map((time) => `{"id":"a","time":"${time}"}\n`).join(''))
  const report = await workspace.report(['backfill', 'p', 'a.ndjson', '--until', '1772407800'])
  assert.deepEqual(
    [report.read, report.written, report.duplicate, report.dropped],
    [4, 1, 2, { 'outside-time-limits': 1 }],
  )
  assert.match(report.objects[0].key, /^dt=2026-03-01\//)
})

test('--dry-run shows the amount of input and changes nothing', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('a.ndjson', lines)
  const { code, stdout } = await workspace.sluice(['backfill', 'p', 'a.ndjson', '--dry-run'])
  assert.equal(code, 0)
  assert.match(stdout, /^p: would read 1\d\d B from 1 input;/)
  assert.deepEqual((await readdir(workspace.folder)).toSorted(), ['a.ndjson', 'package.json', 'pipelines'])
})

test('--dry-run fails if no file matches', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  const { code, stderr } = await workspace.sluice(['backfill', 'p', '*.ndjson', '--dry-run'])
  assert.equal(code, 3)
  assert.match(stderr, /FILE_NOT_FOUND: no file matches/)
})

test('reads standard input, alone and together with files', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('a.ndjson', lines)
  const alone = await workspace.report(['backfill', 'p', '-'], { input: lines })
  assert.deepEqual([alone.read, alone.written], [4, 4])
  const combined = await workspace.report(['backfill', 'p', 'a.ndjson', '-'], { input: lines })
  assert.deepEqual([combined.read, combined.duplicate], [8, 8])
})

test('--set takes one value in any position', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('a.ndjson', lines)
  const report = await workspace.report(['backfill', '--set', 'sink.key=other', 'p', 'a.ndjson'])
  assert.match(report.objects[0].key, /^other\//)
  const { code, stderr } = await workspace.sluice(['backfill', 'p', 'a.ndjson', '--set'])
  assert.equal(code, 2)
  assert.match(stderr, /USAGE: Not enough arguments following: set/)
})

test('rejects an invalid time, and time limits without a time field', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('pipelines/q.yaml', pipeline.replace(', time: time', ''))
  await workspace.write('a.ndjson', lines)
  const wrong = await workspace.sluice(['backfill', 'p', 'a.ndjson', '--since', 'yesterday'])
  assert.equal(wrong.code, 2)
  assert.match(wrong.stderr, /--since "yesterday" is not a time\n +write 2026-03-04/)
  const unknown = await workspace.sluice(['backfill', 'q', 'a.ndjson', '--since', '2026-03-02'])
  assert.equal(unknown.code, 2)
  assert.match(unknown.stderr, /set `time` in the pipeline's dedup transform/)
})

test("the pipeline's own records and keyAs hold for a backfill and a preview, and --records replaces them", async (t) => {
  const workspace = await openWorkspace(t)
  const source = `source: { type: file, path: absent, records: 'accounts.*.events', keyAs: '\${env:KEY:-account}' }`
  await workspace.write('pipelines/p.yaml', pipeline.replace(/^source.*/, source))
  const document =
    '{"accounts":{"12":{"events":[{"id":"a","time":"2026-03-01"}]},"13":{"events":[{"id":"b","time":"2026-03-02"}]}}}'
  await workspace.write('a.json', document)
  const dryRun = await workspace.sluice(['backfill', 'p', 'a.json', '--dry-run'])
  assert.match(dryRun.stdout, /from 1 input, the records at accounts\.\*\.events; nothing was read/)
  const preview = await workspace.sluice(['preview', 'p', 'a.json'])
  assert.match(preview.stdout, /"account": "12"/)
  const own = await workspace.report(['backfill', 'p', 'a.json', '--since', '2026-03-02'])
  assert.deepEqual([own.read, own.written, own.dropped], [2, 1, { 'outside-time-limits': 1 }])
  const piped = await workspace.report(['backfill', 'p', '-'], { input: gzipSync(document) })
  assert.deepEqual([piped.read, piped.written, piped.duplicate], [2, 1, 1])

  const trail = '{"Records":[{"id":"c","time":"2026-03-01"}]}\n{"Records":[{"id":"d","time":"2026-03-01"}]}\n'
  await workspace.write('trail.ndjson', trail)
  const other = await workspace.report(['backfill', 'p', 'trail.ndjson', '--records', 'Records'])
  assert.deepEqual([other.read, other.written], [2, 2])
  await workspace.write('plain.ndjson', '{"id":"e","time":"2026-03-01"}\n')
  const plain = await workspace.report(['backfill', 'p', 'plain.ndjson', '--records', '$'])
  assert.deepEqual([plain.read, plain.written], [1, 1])
})

test('a backfill does not take the records of a source of another type', async (t) => {
  const workspace = await openWorkspace(t)
  const source = `source: { type: http, request: { url: 'http://127.0.0.1:9/' }, records: data.events }`
  await workspace.write('pipelines/p.yaml', pipeline.replace(/^source.*/, source))
  await workspace.write('a.ndjson', lines)
  assert.equal((await workspace.report(['backfill', 'p', 'a.ndjson'])).written, 4)
})

test('with --keep-going, documents without records are listed, and the others are read', async (t) => {
  const workspace = await openWorkspace(t)
  await workspace.write('pipelines/p.yaml', pipeline)
  await workspace.write('trail/a.json', '{"Records":[{"id":"a","time":"2026-03-01"}]}')
  await workspace.write('trail/b.json', '{"digestStartTime":"2026-03-01"}')
  await workspace.write('trail/c.json', '{"Records":[{"id":"c","time":"2026-03-01"}]}')
  const { read, written } = await workspace.report(['backfill', 'p', 'trail', '--records', 'Records'], { code: 3 })
  assert.deepEqual([read, written], [2, 2])
  const { code, stderr } = await workspace.sluice(['backfill', 'p', 'trail', '--records', 'Record', '--no-keep-going'])
  assert.equal(code, 3)
  assert.match(
    stderr,
    /INPUT_CORRUPT: "trail\/a\.json" has nothing at "Record" \(records\)\n.*did you mean "Records"\?/,
  )
})
