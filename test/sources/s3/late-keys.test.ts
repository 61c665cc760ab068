import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Json } from '../../../src/record/json/json.ts'
import s3 from '../../../src/sources/s3.ts'
import { HOUR } from '../../../src/time.ts'
import { BUCKET, listsOf, namesOf, ndjson, readBucket, startBucket } from './read-bucket.ts'

const NOW = { lookBackEvery: '1ms' }
const ago = (milliseconds: number) => ({ lastModified: new Date(Date.now() - milliseconds) })
const dayBefore = (back: number) =>
  new Date(Date.now() - back * 24 * HOUR).toISOString().slice(0, 10).replaceAll('-', '/')

test('a later run lists the keys after the last one read, with one request', async (t) => {
  const server = await startBucket(t)
  for (let day = 10; day < 20; day++) server.add(BUCKET, `2026/11/${day}`, ndjson(`${day}`))
  const first = await readBucket(server)
  server.add(BUCKET, '2026/11/20', ndjson('20'))
  const lists = listsOf(server, 'start-after').length
  const second = await readBucket(server, {}, { positions: first.positions })
  assert.deepEqual(namesOf(second.lines), ['20'])
  assert.deepEqual(listsOf(server, 'start-after').slice(lists), ['2026/11/19'])
})

test('a look-back reads late keys that sort before the last one, and reads nothing twice', async (t) => {
  const server = await startBucket(t)
  for (const key of ['b/1', 'b/2', 'd/1']) server.add(BUCKET, key, ndjson(key))
  const first = await readBucket(server, NOW)
  for (const key of ['a/1', 'b/11', 'c/1', 'e/1']) server.add(BUCKET, key, ndjson(key))
  const second = await readBucket(server, NOW, { positions: first.positions })
  assert.deepEqual(namesOf(second.lines), ['a/1', 'b/11', 'c/1', 'e/1'])
  const third = await readBucket(server, NOW, { positions: second.positions })
  assert.deepEqual(third.lines, [])
})

test('a run before lookBackEvery is over leaves late keys to a later run, which reads them', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'b/1', ndjson('b/1'))
  const first = await readBucket(server)
  for (const key of ['a/1', 'c/1']) server.add(BUCKET, key, ndjson(key))
  const second = await readBucket(server, {}, { positions: first.positions })
  assert.deepEqual(namesOf(second.lines), ['c/1'])
  const third = await readBucket(server, NOW, { positions: second.positions })
  assert.deepEqual(namesOf(third.lines), ['a/1'])
})

test('a look-back takes no object that was modified before its reach', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'b/1', ndjson('b/1'))
  const first = await readBucket(server, NOW)
  server.add(BUCKET, 'a/1', ndjson('a/1'), ago(3 * HOUR))
  server.add(BUCKET, 'a/2', ndjson('a/2'), ago(HOUR / 2))
  const second = await readBucket(server, NOW, { positions: first.positions })
  assert.deepEqual(namesOf(second.lines), ['a/2'])
})

test('without a look-back late keys are never read, and all keys are listed once', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'b/1', ndjson('b/1'))
  const config = { lookBack: '0s' }
  const first = await readBucket(server, config)
  for (const key of ['a/1', 'c/1']) server.add(BUCKET, key, ndjson(key))
  const second = await readBucket(server, config, { positions: first.positions })
  assert.deepEqual(namesOf(second.lines), ['c/1'])
  assert.deepEqual(listsOf(server, 'start-after'), [undefined, 'b/1'])
})

test('a look-back lists only the folders of recent days if the path has dates', async (t) => {
  const server = await startBucket(t)
  for (const account of ['1', '2']) {
    for (const back of [400, 30, 0]) server.add(BUCKET, `${account}/${dayBefore(back)}/a`, ndjson(`${account} ${back}`))
  }
  const config = { path: `s3://${BUCKET}/*/{yyyy}/{MM}/{dd}/*`, ...NOW }
  const first = await readBucket(server, config)
  assert.equal(first.lines.length, 6)
  const lists = listsOf(server, 'start-after').length
  server.add(BUCKET, `1/${dayBefore(0)}/b`, ndjson('late'))
  const second = await readBucket(server, config, { positions: first.positions })
  assert.deepEqual(namesOf(second.lines), ['late'])
  const starts = listsOf(server, 'start-after').slice(lists)
  assert.equal(starts.filter((start) => start?.startsWith('1/20')).length, 1)
  // Folders are listed, then those of both accounts, then what follows the last key.
  assert.ok(starts.length <= 4, `${starts.length} lists`)
})

test('keys of a new account that holds old days are read', async (t) => {
  const server = await startBucket(t)
  const config = { path: `s3://${BUCKET}/*/{yyyy}/{MM}/{dd}/*`, ...NOW }
  server.add(BUCKET, '1/2026/11/28/a', ndjson('1'))
  const first = await readBucket(server, config)
  for (const day of ['2020/01/01', '2026/11/28']) server.add(BUCKET, `2/${day}/a`, ndjson(`2 ${day}`))
  const second = await readBucket(server, config, { positions: first.positions })
  assert.deepEqual(namesOf(second.lines), ['2 2020/01/01', '2 2026/11/28'])
})

test('follows a bucket: new keys, late keys and replaced objects', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'b/1', ndjson('b/1'))
  const stop = new AbortController()
  const steps = [
    () => server.add(BUCKET, 'c/1', ndjson('c/1')),
    () => server.add(BUCKET, 'a/1', ndjson('a/1')),
    () => server.add(BUCKET, 'b/1', ndjson('b/1 again')),
    () => stop.abort(),
  ]
  const { lines, error } = await readBucket(
    server,
    { poll: '10ms', ...NOW },
    { follow: true, signal: stop.signal, onLines: () => steps.shift()?.() },
  )
  assert.equal(error, undefined)
  assert.deepEqual(namesOf(lines), ['b/1', 'c/1', 'a/1', 'b/1 again'])
})

test('waits for the first object of a bucket that it follows', async (t) => {
  const server = await startBucket(t)
  const stop = new AbortController()
  const reading = readBucket(
    server,
    { poll: '10ms' },
    { follow: true, signal: stop.signal, onLines: () => stop.abort() },
  )
  while (server.count('ListObjectsV2') < 3) await new Promise((resolve) => setTimeout(resolve, 5))
  server.add(BUCKET, 'a/1', ndjson('a/1'))
  const { lines, notes } = await reading
  assert.deepEqual(namesOf(lines), ['a/1'])
  assert.match(notes.join(), /no object matches/)
})

test('a position stays small with many keys', async (t) => {
  const server = await startBucket(t)
  for (let at = 0; at < 3000; at++) server.add(BUCKET, `a/${String(at).padStart(6, '0')}`, '{}\n', ago(48 * HOUR))
  const { positions, lines } = await readBucket(server)
  assert.equal(lines.length, 3000)
  const [position] = positions.values()
  assert.ok(JSON.stringify(position).length < 200, JSON.stringify(position))
})

test('a rewind reads objects again that were modified since', async (t) => {
  const server = await startBucket(t)
  for (const [key, hours] of [
    ['a', 30],
    ['b', 20],
    ['c', 10],
  ] as const)
    server.add(BUCKET, key, ndjson(key), ago(hours * HOUR))
  const { positions } = await readBucket(server)
  const [[partition, position]] = [...positions]
  const rewound = s3.rewind?.(position, Date.now() - 25 * HOUR)
  assert.ok(rewound !== undefined && Math.abs(rewound.by - 25 * HOUR) < HOUR)
  for (const lookBack of ['1h', '0s']) {
    const again = await readBucket(server, { lookBack }, { positions: new Map([[partition, rewound.position]]) })
    assert.deepEqual(namesOf(again.lines), ['b', 'c'])
    assert.deepEqual((await readBucket(server, { lookBack }, { positions: again.positions })).lines, [])
  }
})

test('a position is described in words', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a/1', ndjson('a/1'))
  const { positions } = await readBucket(server)
  const [position]: Json[] = [...positions.values()]
  assert.equal(s3.describePosition?.(position).detail, 'keys up to a/1')
})
