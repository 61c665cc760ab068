import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { gzipSync } from 'node:zlib'
import type { ReadPart } from '../../../src/component.ts'
import { isObject } from '../../../src/record/json/json.ts'
import type { Json } from '../../../src/record/json/json.ts'
import type { S3Server } from '../../servers/s3.ts'
import {
  BUCKET,
  namesOf,
  ndjson,
  openSource,
  planBucket,
  readBucket,
  readBucketParts,
  startBucket,
} from './read-bucket.ts'

const MIB = 1024 * 1024
const AHEAD = 16

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn()
}

/** Key and range of each request for content, after the first ones. */
function getsOf(server: S3Server, from = 0): string[] {
  const gets = server.requests.slice(from).filter(({ operation }) => operation === 'GetObject')
  return gets.map(({ key, range }) => `${key} ${range}`)
}

function withoutTimes(positions: ReadonlyMap<string, Json>): string {
  return JSON.stringify([...positions]).replaceAll(/"(listedAt|lateFrom)":\d+/g, '"$1":0')
}

test('requests of small parts are open at once, up to a limit, and each is sent once', async (t) => {
  const server = await startBucket(t)
  const keys = Array.from({ length: 60 }, (_, at) => `a/${1000 + at}`)
  for (const [at, key] of keys.entries()) server.add(BUCKET, key, at % 2 ? ndjson(key) : gzipSync(ndjson(key)))
  const parts = await planBucket(server)
  const release = server.faults.hold('GetObject')
  const reading = readBucketParts(server, parts)
  await until(() => server.open('GetObject').now === AHEAD)
  assert.deepEqual(
    getsOf(server).map((get) => get.slice(0, 6)),
    keys.slice(0, AHEAD),
  )
  release()
  const { lines, error, positions } = await reading
  assert.equal(error, undefined)
  assert.deepEqual(namesOf(lines), keys)
  const gets = getsOf(server)
  assert.equal(new Set(gets).size, keys.length)
  assert.equal(gets.length, keys.length)
  assert.equal(server.open('GetObject').most, AHEAD)
  const serial = await readBucket(server)
  assert.deepEqual(lines, serial.lines)
  // Only what depends on the clock differs: keys that a look-back must know are the same.
  assert.equal(withoutTimes(positions), withoutTimes(serial.positions))
})

test('small objects are requested ahead of their turn while the ranges of a large one are read', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a', ndjson('a', 200_000))
  for (const key of ['b', 'c', 'd']) server.add(BUCKET, key, ndjson(key))
  const parts = await planBucket(server, {}, { partBytes: MIB })
  const ranges = parts.filter(({ input }) => input === `s3://${BUCKET}/a`).length
  assert.ok(ranges >= 3 && ranges < AHEAD - 3)
  const planned = server.requests.length
  const release = server.faults.hold('GetObject')
  const reading = readBucketParts(server, parts)
  await until(() => server.open('GetObject').now === parts.length)
  release()
  const { lines } = await reading
  assert.equal(getsOf(server, planned).length, parts.length)
  assert.deepEqual(lines, (await readBucket(server)).lines)
})

test('what is read ahead has a limit of bytes', async (t) => {
  const server = await startBucket(t)
  const line = Buffer.from(`{"pad":"${'x'.repeat(1024 * 4 - 11)}"}\n`)
  const size = 3 * MIB
  const read = (start: number, end: number) => {
    const whole = Buffer.concat(Array.from({ length: Math.ceil(end / line.length) }, () => line))
    return [whole.subarray(start, end)]
  }
  for (let at = 0; at < 30; at++) server.add(BUCKET, `a/${100 + at}`, { size, read })
  const parts = await planBucket(server)
  const planned = server.requests.length
  let taken = 0
  let most = 0
  const { lines, error } = await readBucketParts(
    server,
    parts,
    {},
    {
      async onChunk({ sourceBytes = 0 }, reading) {
        taken += sourceBytes
        reading.lines.length = Math.min(reading.lines.length, 1)
        for (let turns = 0; turns < 20; turns++) await turn()
        most = Math.max(most, getsOf(server, planned).length * size - taken)
      },
    },
  )
  assert.equal(error, undefined)
  assert.equal(lines.length, 1)
  assert.equal(taken, 30 * size)
  assert.ok(most > size && most <= 16 * MIB, `${most} bytes are ahead`)
})

/** Objects of which some cannot be read, or changed after the plan. */
async function planFaulty(server: S3Server) {
  for (const key of ['a', 'e', 'g']) server.add(BUCKET, key, ndjson(key))
  server.add(BUCKET, 'b', ndjson('b'), { storageClass: 'GLACIER' })
  server.add(BUCKET, 'c', gzipSync(ndjson('c', 100_000)).subarray(0, 100_000))
  server.add(BUCKET, 'd', ndjson('d'))
  server.add(BUCKET, 'f', ndjson('f'))
  const parts = await planBucket(server)
  server.add(BUCKET, 'd', ndjson('another d'))
  server.remove(BUCKET, 'f')
  return parts
}

test('an object that cannot be read is reported when its turn comes, not when it is read ahead', async (t) => {
  const server = await startBucket(t)
  const parts = await planFaulty(server)
  const release = server.faults.hold('GetObject', /^a$/)
  let firstLines: string[] = []
  let failedBefore = -1
  const reading = readBucketParts(
    server,
    parts,
    {},
    {
      keepGoing: true,
      onChunk(_chunk, { lines, failures }) {
        if (failedBefore >= 0) return
        failedBefore = failures.length
        firstLines = [...lines]
      },
    },
  )
  // All have failed before the first one is here.
  await until(() => server.requests.filter(({ status }) => status !== undefined && status >= 400).length >= 3)
  release()
  const { lines, failures, error, positions } = await reading
  assert.equal(error, undefined)
  assert.equal(failedBefore, 0)
  assert.deepEqual(namesOf(firstLines), ['a'])
  assert.deepEqual(namesOf(lines), ['a', 'c', 'e', 'g'])
  assert.deepEqual(failures, [
    's3://logs/b: FILE_NOT_FOUND',
    's3://logs/c: INPUT_CORRUPT',
    's3://logs/d: INPUT_CORRUPT',
    's3://logs/f: FILE_NOT_FOUND',
  ])
  // They are tried again by the next run.
  server.add(BUCKET, 'b', ndjson('b'))
  const next = await readBucket(server, {}, { positions, keepGoing: true })
  assert.deepEqual(namesOf(next.lines).toSorted(), ['another d', 'b'])
  assert.deepEqual(next.failures, ['s3://logs/c: INPUT_CORRUPT'])
})

test('without --keep-going the parts before the one that fails are read to their end', async (t) => {
  const server = await startBucket(t)
  const parts = await planFaulty(server)
  const { lines, error } = await readBucketParts(server, parts)
  assert.equal(error?.code, 'FILE_NOT_FOUND')
  assert.equal(error.message, '"s3://logs/b" is archived and cannot be read')
  assert.deepEqual(namesOf(lines), ['a'])
})

test('a part of another version fails when its turn comes', async (t) => {
  const server = await startBucket(t)
  for (const key of ['a', 'b']) server.add(BUCKET, key, ndjson(key))
  const [first, second] = await planBucket(server)
  assert.ok(first && second)
  const { lines, error } = await readBucketParts(server, [first, { ...second, detail: { offset: 1 } }])
  assert.deepEqual(namesOf(lines), ['a'])
  assert.equal(error?.code, 'INPUT_CORRUPT')
})

test('an abort ends all requests that are open', async (t) => {
  const server = await startBucket(t)
  for (let at = 0; at < 40; at++) server.add(BUCKET, `a/${100 + at}`, ndjson('a'))
  const parts = await planBucket(server)
  server.faults.hold('GetObject')
  const stop = new AbortController()
  const reason = new Error('the run ends')
  const reading = readBucketParts(server, parts, {}, { signal: stop.signal })
  await until(() => server.open('GetObject').now === AHEAD)
  stop.abort(reason)
  await assert.rejects(reading, reason)
  await until(() => server.open('GetObject').now === 0)
  assert.equal(server.count('GetObject'), AHEAD)
})

test('a reader that ends early ends all requests that are open', async (t) => {
  const server = await startBucket(t)
  for (let at = 0; at < 40; at++) server.add(BUCKET, `a/${100 + at}`, ndjson('a'))
  const parts = await planBucket(server)
  server.faults.hold('GetObject', /[1-9]$/)
  const enough = new Error('enough')
  const reading = readBucketParts(
    server,
    parts,
    {},
    {
      async onChunk() {
        await until(() => server.open('GetObject').now >= AHEAD - 2)
        throw enough
      },
    },
  )
  await assert.rejects(reading, enough)
  await until(() => server.open('GetObject').now === 0)
})

test('the position after very many objects is made of one part at a time', async (t) => {
  const server = await startBucket(t)
  server.add(BUCKET, 'a', ndjson('a'), { lastModified: new Date('2026-01-01') })
  const [first] = await planBucket(server)
  const source = await openSource(server)
  assert.ok(first && isObject(first.detail))
  const planned = first
  const { plan, ...detail } = first.detail
  const count = 100_000
  let made = 0
  // Together they would need gigabytes.
  function* parts(): Generator<ReadPart> {
    for (let at = 0; at < count; at++) {
      const key = `a/${1_000_000 + at}/${'x'.repeat(20_000)}${at}`
      const own: Json = { ...detail, key, ...(at === 0 && plan !== undefined && { plan }) }
      made++
      yield { part: { ...planned, detail: own }, end: { done: { key, bytes: 1 } } }
    }
  }
  const position = source.positionAfter?.(parts())
  assert.equal(made, count)
  assert.ok(isObject(position))
  assert.match(JSON.stringify(position['after']), /^"a\/1099999\/x+99999"$/)
})
