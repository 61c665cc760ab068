import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { compressions } from './file/read-file.ts'
import { BUCKET, listsOf, namesOf, ndjson, openSource, readBucket, startBucket } from './s3/read-bucket.ts'

for (const [ending, compress] of compressions) {
  test(`reads every format of the file source${ending && ` as ${ending}`}`, async (t) => {
    const server = await startBucket(t)
    const records = [
      { of: 'x', n: 0 },
      { of: 'x', n: 1 },
    ]
    const lines = records.map((record) => JSON.stringify(record))
    const forms = {
      'a.ndjson': lines.join('\n'),
      'b.json': JSON.stringify(records),
      'c.json': `[\n${lines.join(',\n')}\n]`,
      'd.json': lines.join(''),
    }
    for (const [key, text] of Object.entries(forms)) server.add(BUCKET, key + ending, compress(Buffer.from(text)))
    const { lines: read, error } = await readBucket(server)
    assert.equal(error, undefined)
    assert.deepEqual(read, [...lines, ...lines, ...lines, ...lines])
  })
}

test('reads the records inside documents, with keyAs, as the file source does', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'trail/1.json.gz', gzipSync('{"Records":[{"n":1},{"n":2}]}'))
  server.add(BUCKET, 'accounts/1.json', '{"accounts":{"a":{"events":[{"n":1}]},"b":{"events":[{"n":2}]}}}')
  const trail = await readBucket(server, { path: `s3://${BUCKET}/trail/`, records: 'Records' })
  assert.deepEqual(trail.lines, ['{"n":1}', '{"n":2}'])
  const config = { path: `s3://${BUCKET}/accounts/`, records: 'accounts.*.events[*]', keyAs: 'account' }
  assert.deepEqual((await readBucket(server, config)).lines, ['{"account":"a","n":1}', '{"account":"b","n":2}'])
})

test('detects the compression by content, whatever the key says', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'plain.json.gz', ndjson('plain'))
  server.add(BUCKET, 'firehose-2026-11-28-10-00-00', gzipSync(ndjson('gzip')))
  assert.deepEqual(namesOf((await readBucket(server)).lines), ['gzip', 'plain'])
})

test('reads objects in the order of the bytes of their keys, over many pages', async (t) => {
  const server = await startBucket(t, { maxPage: 3 })
  const keys = ['a-b/1', 'a/1', 'a/10', 'a/2', 'a0', '\uffee', '\u{1f600}']
  for (const key of keys.toReversed()) server.add(BUCKET, key, ndjson(key))
  assert.deepEqual(namesOf((await readBucket(server)).lines), keys)
  assert.equal(server.count('ListObjectsV2'), 3)
})

test('reads keys with any characters', async (t) => {
  const server = await startBucket(t)
  const keys = [
    '../up',
    './here',
    '/root',
    'a b',
    'a%2Fb',
    'a+b',
    'a//b',
    'a\nb',
    'a\u0001b',
    'c?d#e',
    'f&<g>"h"',
    'ü/\u{1f512}',
  ]
  for (const key of keys) server.add(BUCKET, key, ndjson(JSON.stringify(key).slice(1, -1)))
  const { lines, error } = await readBucket(server)
  assert.equal(error, undefined)
  assert.deepEqual(namesOf(lines).toSorted(), keys.toSorted())
})

test('skips empty objects and marks of folders, and says so once', async (t) => {
  const server = await startBucket(t)
  for (const key of ['a/', 'a/b/', 'a/c_$folder$', 'a/d.json', 'a/e.json']) server.add(BUCKET, key, '')
  server.add(BUCKET, 'a/f.json', ndjson('f'))
  const { lines, notes } = await readBucket(server)
  assert.deepEqual(namesOf(lines), ['f'])
  assert.deepEqual(notes, [
    'skipped objects that mark folders {"reason":"objects that mark folders","count":3,"objects":"s3://logs/a/ and 2 others"}',
    'skipped empty objects {"reason":"empty objects","count":2,"objects":"s3://logs/a/d.json and 1 other"}',
  ])
})

const patterns: [string, string[]][] = [
  ['', ['a/1.json', 'a/2.json.gz', 'a/b/3.json', 'ab/4.json']],
  ['a', ['a/1.json', 'a/2.json.gz', 'a/b/3.json']],
  ['a/', ['a/1.json', 'a/2.json.gz', 'a/b/3.json']],
  ['a/1.json', ['a/1.json']],
  ['a*/', ['a/1.json', 'a/2.json.gz', 'a/b/3.json', 'ab/4.json']],
  ['a/*', ['a/1.json', 'a/2.json.gz']],
  ['a/*.gz', ['a/2.json.gz']],
  ['**/*.json', ['a/1.json', 'a/b/3.json', 'ab/4.json']],
  ['a/**', ['a/1.json', 'a/2.json.gz', 'a/b/3.json']],
  ['a/[1-2].json', ['a/1.json']],
  ['a/[!2].*', ['a/1.json']],
  ['{ab,a/b}/?.json', ['a/b/3.json', 'ab/4.json']],
  ['a\\/1.json', ['a/1.json']],
]
for (const [pattern, expected] of patterns) {
  test(`the pattern s3://logs/${pattern} matches the right keys`, async (t) => {
    const server = await startBucket(t)
    for (const key of ['a/1.json', 'a/2.json.gz', 'a/b/3.json', 'ab/4.json']) server.add(BUCKET, key, ndjson(key))
    const { lines, error } = await readBucket(server, { path: `s3://${BUCKET}/${pattern}` })
    assert.equal(error, undefined)
    assert.deepEqual(namesOf(lines), expected)
  })
}

test('reads several paths, each with a position of its own', async (t) => {
  const server = await startBucket(t)
  for (const key of ['a/1', 'b/1', 'c/1']) server.add(BUCKET, key, ndjson(key))
  const config = { path: [`s3://${BUCKET}/c/`, `s3://${BUCKET}/a/`] }
  const first = await readBucket(server, config)
  assert.deepEqual(namesOf(first.lines), ['c/1', 'a/1'])
  server.add(BUCKET, 'a/2', ndjson('a/2'))
  const second = await readBucket(server, config, { positions: first.positions })
  assert.deepEqual(namesOf(second.lines), ['a/2'])
})

const days = ['2026/09/30', '2026/10/01', '2026/10/31', '2026/11/01', '2026/11/02']

test('limits by the date in the key, and lists only the folders that can hold one', async (t) => {
  const server = await startBucket(t)
  for (const account of ['111', '222']) {
    for (const day of days)
      server.add(BUCKET, `AWSLogs/${account}/CloudTrail/us-east-1/${day}/x.json`, ndjson(`${account} ${day}`))
    server.add(BUCKET, `AWSLogs/${account}/CloudTrail-Digest/us-east-1/2026/10/31/x.json`, ndjson('digest'))
  }
  const path = `s3://${BUCKET}/AWSLogs/*/CloudTrail/*/{yyyy}/{MM}/{dd}/*.json`
  const { lines } = await readBucket(server, { path, since: '2026-10-01', until: '2026-11-01T00:00:00Z' })
  assert.deepEqual(namesOf(lines), ['111 2026/10/01', '111 2026/10/31', '222 2026/10/01', '222 2026/10/31'])
  assert.deepEqual(
    listsOf(server, 'start-after').filter((after) => after !== undefined),
    ['111', '222'].map((account) => `AWSLogs/${account}/CloudTrail/us-east-1/2026/10/01`),
  )
})

const datePatterns = {
  'dt={yyyy-MM-dd}/hour={HH}/*': 'dt=2026-10-01/hour=07/x',
  '{yyyy}/{MM}/{dd}/{HH}/*': '2026/10/01/07/x',
  '*_{yyyy}{MM}{dd}T{HH}{mm}Z_*': 'trail_20261001T0730Z_x',
  '**/{yyyy}-{MM}/*': 'deep/er/2026-10/x',
  '{yyyy}/*': '2026/x',
}
for (const [pattern, key] of Object.entries(datePatterns)) {
  test(`a key has a date by the pattern ${pattern}`, async (t) => {
    const server = await startBucket(t)
    server.add(BUCKET, key, ndjson('this'))
    server.add(BUCKET, key.replace('2026', '2025'), ndjson('before'))
    server.add(BUCKET, key.replace('2026', '2027'), ndjson('after'))
    const config = { path: `s3://${BUCKET}/${pattern}`, since: '2026-10-01T07:30:00Z', until: '2026-10-01T07:31:00Z' }
    assert.deepEqual(namesOf((await readBucket(server, config)).lines), ['this'])
  })
}

test('limits by LastModified where keys have no date', async (t) => {
  const server = await startBucket(t)
  for (const day of ['2026-10-01', '2026-10-02', '2026-10-03']) {
    server.add(BUCKET, `a/${day}`, ndjson(day), { lastModified: new Date(`${day}T12:00:00Z`) })
  }
  const { lines } = await readBucket(server, { since: '2026-10-02', until: '2026-10-03' })
  assert.deepEqual(namesOf(lines), ['2026-10-02'])
})

test('names keys that are there if no object matches', async (t) => {
  const server = await startBucket(t, { buckets: [BUCKET, 'empty'] })
  for (const key of ['logs/2026/1.json', 'logs/2026/2.json']) server.add(BUCKET, key, ndjson(key))
  const hints: [string, string][] = [
    [`s3://${BUCKET}/logs/2026/*.gz`, 'below logs/2026/ are logs/2026/1.json, logs/2026/2.json'],
    [`s3://${BUCKET}/logs/2025/*.gz`, 'below logs/ are logs/2026/1.json, logs/2026/2.json'],
    [`s3://${BUCKET}//logs/`, 'in the bucket are logs/2026/1.json, logs/2026/2.json'],
    ['s3://empty/', 'the bucket is empty'],
  ]
  for (const [path, hint] of hints) {
    const { error } = await readBucket(server, { path })
    assert.equal(error?.code, 'FILE_NOT_FOUND')
    assert.equal(error.message, `no object matches "${path}"`)
    assert.equal(error.hint, hint)
  }
})

test('reads the version that is configured, and otherwise the current one', async (t) => {
  const server = await startBucket(t, { versioned: true })
  server.add(BUCKET, 'a.json', ndjson('old'))
  const versionId = server.objects(BUCKET).get('a.json')?.versionId
  server.add(BUCKET, 'a.json', ndjson('new'))
  assert.deepEqual(namesOf((await readBucket(server)).lines), ['new'])
  const config = { path: `s3://${BUCKET}/a.json`, versionId }
  const reading = await readBucket(server, config)
  assert.deepEqual(namesOf(reading.lines), ['old'])
  assert.deepEqual((await readBucket(server, config, { positions: reading.positions })).lines, [])
  server.remove(BUCKET, 'a.json')
  assert.deepEqual(namesOf((await readBucket(server, config)).lines), ['old'])
})

test('agrees to pay only if it is configured', async (t) => {
  const server = await startBucket(t, { requesterPays: true })
  server.add(BUCKET, 'a.json', ndjson('a'))
  assert.equal((await readBucket(server)).error?.code, 'SOURCE_REFUSED')
  assert.deepEqual(namesOf((await readBucket(server, { requesterPays: true })).lines), ['a'])
})

test('reads with an assumed role', async (t) => {
  const arn = 'arn:aws:iam::111122223333:role/reader'
  const server = await startBucket(t, { role: { arn } })
  server.add(BUCKET, 'a.json', ndjson('a'))
  assert.deepEqual(namesOf((await readBucket(server, { assumeRole: { arn } })).lines), ['a'])
  const used = server.requests.filter(({ operation }) => operation === 'GetObject').map((one) => one.accessKeyId)
  assert.notEqual(used[0], server.accessKeyId)
})

test('knows how much there is to read, and does not wait long to find out', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a/1', 'x'.repeat(100))
  server.add(BUCKET, 'a/2', 'x'.repeat(11))
  server.add(BUCKET, 'b/1', 'x')
  const source = await openSource(server, { path: `s3://${BUCKET}/a/` })
  assert.deepEqual(await source.total?.(), { bytes: 111 })
})

test('reads an object of several ranges whole, many at once', async (t) => {
  const server = await startBucket(t)
  const text = ndjson('large', 400_000)
  server.add(BUCKET, 'a.ndjson', text)
  server.add(BUCKET, 'b.ndjson.gz', gzipSync(text))
  const { lines } = await readBucket(server)
  assert.equal(lines.length, 800_000)
  assert.equal(`${lines.slice(0, 400_000).join('\n')}\n`, text)
  assert.equal(`${lines.slice(400_000).join('\n')}\n`, text)
  assert.deepEqual(
    server.requests.filter(({ key }) => key === 'a.ndjson').map(({ range }) => range),
    ['bytes=0-4194303', 'bytes=4194304-8388607', `bytes=8388608-${text.length - 1}`],
  )
})
