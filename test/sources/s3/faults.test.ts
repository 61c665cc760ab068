import assert from 'node:assert/strict'
import { test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { BUCKET, namesOf, ndjson, readBucket, startBucket } from './read-bucket.ts'

const text = ndjson('large', 100_000)

test('resumes a response that breaks, at the byte where it broke', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a.ndjson', text)
  server.faults.add({ kind: 'reset', at: 'body', afterBytes: 1_000_000, operation: 'GetObject', times: 2 })
  const { lines, error } = await readBucket(server)
  assert.equal(error, undefined)
  assert.equal(`${lines.join('\n')}\n`, text)
  const ranges = server.requests.filter(({ operation }) => operation === 'GetObject').map(({ range }) => range)
  assert.equal(ranges.length, 3)
  const starts = ranges.map((range) => Number(/\d+/.exec(range ?? '')?.[0]))
  assert.equal(starts[0], 0)
  assert.ok(starts[1] > 0 && starts[1] <= 1_000_000 && starts[2] > starts[1], ranges.join())
})

test('notices a body that is shorter than asked for, and ends without an error', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a.ndjson', text)
  server.faults.add({ kind: 'resize', bytes: -500_000, operation: 'GetObject', times: 3 })
  const { lines, error } = await readBucket(server)
  assert.equal(error, undefined)
  assert.equal(`${lines.join('\n')}\n`, text)
})

test('refuses a body that is longer than the object', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a.ndjson', text)
  server.faults.add({ kind: 'resize', bytes: 500_000, operation: 'GetObject', times: 1000 })
  const { error } = await readBucket(server)
  assert.equal(error?.code, 'SOURCE_REFUSED')
  assert.match(error.message, /the store sends more of "s3:\/\/logs\/a.ndjson" than its \d+ bytes/)
})

test('repeats a response that is too slow, and resumes it', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a.ndjson', text)
  server.faults.add({ kind: 'slow', bytesPerSecond: 2_000_000, operation: 'GetObject', times: 1 })
  server.faults.add({ kind: 'hang', at: 'start', operation: 'GetObject', times: 1 })
  const { lines, error } = await readBucket(server, { timeout: '100ms' })
  assert.equal(error, undefined)
  assert.equal(`${lines.join('\n')}\n`, text)
})

for (const operation of ['GetObject', 'ListObjectsV2'] as const) {
  test(`waits while the store throttles ${operation} or fails`, async (t) => {
    const server = await startBucket(t, { maxPage: 1 })
    for (const key of ['a', 'b', 'c']) server.add(BUCKET, key, ndjson(key))
    server.faults.add({ kind: 'error', code: 'SlowDown', operation, times: 2, after: 1 })
    server.faults.add({ kind: 'error', code: 'InternalError', operation, times: 1 })
    server.faults.add({ kind: 'reset', at: 'response', operation, times: 1 })
    const { lines, error } = await readBucket(server)
    assert.equal(error, undefined)
    assert.deepEqual(namesOf(lines), ['a', 'b', 'c'])
  })
}

test('an object that is replaced while it is read is an error that names the way out', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a.ndjson', ndjson('old', 900_000))
  let isReplaced = false
  const replace = (): void => {
    if (!isReplaced) server.add(BUCKET, 'a.ndjson', ndjson('new', 900_000))
    isReplaced = true
  }
  const first = await readBucket(server, {}, { onLines: replace })
  assert.equal(first.error?.code, 'INPUT_CORRUPT')
  assert.equal(first.error.message, '"s3://logs/a.ndjson" was replaced while it was read')
  assert.match(first.error.hint ?? '', /^run again: the new object is read from its start/)
  const second = await readBucket(server, {}, { positions: first.positions })
  assert.equal(second.error, undefined)
  assert.equal(second.lines.length, 900_000)
  assert.deepEqual(namesOf(second.lines), ['new'])
  assert.match(second.notes.join(), /the object was replaced: reading the object from its start/)
})

test('a version that is replaced while it is read is read to its end', async (t) => {
  const server = await startBucket(t, { versioned: true })
  const old = ndjson('old', 900_000)
  server.add(BUCKET, 'a.ndjson', old)
  let isReplaced = false
  const replace = (): void => {
    if (!isReplaced) server.add(BUCKET, 'a.ndjson', ndjson('new', 5))
    isReplaced = true
  }
  const { lines, error } = await readBucket(server, {}, { onLines: replace })
  assert.equal(error, undefined)
  assert.equal(`${lines.join('\n')}\n`, old)
})

test('with --keep-going, reads the others and tries again what could not be read', async (t) => {
  const server = await startBucket(t)
  for (const key of ['a', 'c', 'g']) server.add(BUCKET, key, ndjson(key))
  server.add(BUCKET, 'b', ndjson('b'), { storageClass: 'GLACIER' })
  server.add(BUCKET, 'd', gzipSync(ndjson('d', 100_000)).subarray(0, 100_000))
  server.add(BUCKET, 'e', Buffer.from('PAR1\0\0\x15\x04', 'latin1'))
  server.add(BUCKET, 'f', ndjson('f'))
  server.faults.add({ kind: 'error', code: 'AccessDenied', key: 'f', operation: 'GetObject', times: 1 })
  const first = await readBucket(server, {}, { keepGoing: true })
  assert.equal(first.error, undefined)
  assert.deepEqual(namesOf(first.lines), ['a', 'c', 'd', 'g'])
  assert.deepEqual(first.failures, [
    's3://logs/b: FILE_NOT_FOUND',
    's3://logs/d: INPUT_CORRUPT',
    's3://logs/e: INPUT_CORRUPT',
    's3://logs/f: FILE_NOT_FOUND',
  ])
  const good = first.lines.filter((line) => line.includes('"d"')).length
  assert.ok(good > 1000)
  // Restored, repaired, deleted; the right was given.
  server.add(BUCKET, 'b', ndjson('b'))
  server.add(BUCKET, 'd', gzipSync(ndjson('d repaired')))
  server.remove(BUCKET, 'e')
  const second = await readBucket(server, {}, { positions: first.positions, keepGoing: true })
  assert.deepEqual(namesOf(second.lines).toSorted(), ['b', 'd repaired', 'f'])
  assert.deepEqual(second.failures, [])
  const third = await readBucket(server, { lookBackEvery: '1ms' }, { positions: second.positions })
  assert.deepEqual(third.lines, [])
})

test('a damaged object is not read again up to its damage', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a', gzipSync(ndjson('a', 100_000)).subarray(0, 100_000))
  server.add(BUCKET, 'b', ndjson('b'))
  const first = await readBucket(server, {}, { keepGoing: true })
  const second = await readBucket(server, {}, { positions: first.positions, keepGoing: true })
  assert.deepEqual(second.lines, [])
  assert.deepEqual(second.failures, ['s3://logs/a: INPUT_CORRUPT'])
})

test('without --keep-going, the first object that cannot be read ends the run, and the next run begins there', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a', ndjson('a'))
  server.add(BUCKET, 'b', ndjson('b'), { storageClass: 'DEEP_ARCHIVE' })
  server.add(BUCKET, 'c', ndjson('c'))
  const first = await readBucket(server)
  assert.equal(first.error?.code, 'FILE_NOT_FOUND')
  assert.equal(first.error.message, '"s3://logs/b" is archived and cannot be read')
  assert.match(first.error.hint ?? '', /restore-object/)
  assert.deepEqual(namesOf(first.lines), ['a'])
  server.add(BUCKET, 'b', ndjson('b'))
  assert.deepEqual(namesOf((await readBucket(server, {}, { positions: first.positions })).lines), ['b', 'c'])
})

test('an object that is deleted after it was listed is named', async (t) => {
  const server = await startBucket(t)
  for (let at = 10; at < 60; at++) server.add(BUCKET, `${at}`, ndjson(`${at}`))
  const remove = (): void => server.remove(BUCKET, '59')
  const { error, lines } = await readBucket(server, {}, { onLines: remove })
  assert.equal(error?.message, '"s3://logs/59" does not exist any more')
  assert.equal(lines.length, 49)
})

test('refuses a store that ignores ranges, but reads its small objects', async (t) => {
  const server = await startBucket(t, { ignoreRanges: true })
  server.add(BUCKET, 'a', ndjson('a'))
  assert.deepEqual(namesOf((await readBucket(server)).lines), ['a'])
  server.add(BUCKET, 'b', ndjson('b', 300_000))
  const { error } = await readBucket(server)
  assert.equal(error?.code, 'SOURCE_REFUSED')
})

const secret = 'test/secret+key'
const refusals: [string, object, NodeJS.ProcessEnv, RegExp][] = [
  ['an absent bucket', { path: 's3://nowhere/a/' }, {}, /NoSuchBucket .*correct the name of the bucket in `path`/],
  ['another region', { region: 'eu-west-1' }, {}, /the bucket is in another region: set `region`/],
  ['another owner', { expectedBucketOwner: '999999999999' }, {}, /AccessDenied .*the credentials need s3:ListBucket/],
  [
    'an unknown access key',
    {},
    { AWS_ACCESS_KEY_ID: 'AKIANOBODY', AWS_SECRET_ACCESS_KEY: secret },
    /InvalidAccessKeyId/,
  ],
  ['a wrong secret', {}, { AWS_SECRET_ACCESS_KEY: 'wrong' }, /the secret key is wrong/],
]
for (const [what, config, env, message] of refusals) {
  test(`${what} is refused with the way out`, async (t) => {
    const server = await startBucket(t)
    server.add(BUCKET, 'a', ndjson('a'))
    Object.assign(process.env, env)
    const { error } = await readBucket(server, { ...config })
    assert.equal(error?.code, 'SOURCE_REFUSED')
    assert.match(error.message, message)
    assert.ok(!error.message.includes(secret))
  })
}

test('the right to read is named where only listing is allowed', async (t) => {
  const server = await startBucket(t, { denyRead: true })
  server.add(BUCKET, 'a', ndjson('a'))
  server.add(BUCKET, 'b', ndjson('b'))
  const { error } = await readBucket(server)
  assert.equal(error?.code, 'FILE_NOT_FOUND')
  assert.match(error.message, /"s3:\/\/logs\/a" cannot be read: .*AccessDenied.*the credentials need s3:GetObject/)
})

test('a store that is away is an outage, which a later run may survive', async (t) => {
  const server = await startBucket(t)
  const { endpoint } = server
  await server.close()
  const { error } = await readBucket({ ...server, endpoint }, { timeout: '1s' })
  assert.equal(error?.code, 'SOURCE_UNAVAILABLE')
  assert.equal(error.retryable, true)
})

test('a list whose response is an error with status 200 is repeated', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a', ndjson('a'))
  server.faults.add({ kind: 'errorInside200', code: 'InternalError', operation: 'ListObjectsV2', times: 1 })
  const { error, lines } = await readBucket(server)
  assert.equal(error?.code ?? namesOf(lines).join(), 'a')
})
