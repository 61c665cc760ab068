import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { gunzipSync } from 'node:zlib'
import { DAY, HOUR } from '../../src/time.ts'
import { writeArchive } from './events/archive.ts'
import { createEventSet, FUTURE_SHIFT, SECRET_MARK } from './events.ts'
import type { EventOptions, EventSet } from './events.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const START = Date.UTC(2026, 0, 1)

function makeSet(options: Partial<EventOptions> = {}): EventSet {
  return createEventSet({ seed: 7, count: 5000, start: START, end: START + DAY, ...options })
}

function texts(set: EventSet): string[] {
  return Array.from({ length: set.count }, (_, index) => set.text(index))
}

function parse(text: string): Record<string, unknown> {
  const event: Record<string, unknown> = JSON.parse(text)
  return event
}

function idsIn(array: string): unknown[] {
  const events: { id: unknown }[] = JSON.parse(array)
  return events.map((event) => event.id)
}

void test('equal options give equal events in any order, and another seed gives others', () => {
  const backwards = makeSet()
  const expected = texts(makeSet())
  for (let index = expected.length - 1; index >= 0; index -= 13) assert.equal(backwards.text(index), expected[index])
  assert.notEqual(makeSet({ seed: 8 }).text(0), expected[0])
})

void test('id, timestamp and service match the text of the event', () => {
  const set = makeSet({ duplicates: 0.05, future: 0.05 })
  for (let index = 0; index < set.count; index++) {
    const event = parse(set.text(index))
    assert.equal(event['id'], set.id(index))
    assert.equal(event['timestamp'], set.timestamp(index))
    assert.equal(event['service'], set.service(index))
    assert.equal(Math.floor(Date.parse(set.timestamp(index))), set.millis(index))
  }
})

void test('ids are unique: ObjectIds, and upper-case UUIDs for radius', () => {
  const set = makeSet()
  const ids = new Set<string>()
  for (let index = 0; index < set.count; index++) {
    const radius = set.service(index) === 'radius'
    assert.match(set.id(index), radius ? /^[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}$/ : /^[0-9a-f]{24}$/)
    ids.add(set.id(index))
  }
  assert.equal(ids.size, set.count)
})

void test('timestamps never decrease, stay in range, share instants and have 0 to 9 fraction digits', () => {
  const set = makeSet()
  const digits = new Set<number>()
  let ties = 0
  for (let index = 0; index < set.count; index++) {
    const fraction = /\.(\d+)Z$/.exec(set.timestamp(index))
    digits.add(fraction?.[1]?.length ?? 0)
    if (index === 0) continue
    assert.ok(set.instant(index) >= set.instant(index - 1), `event ${index} is before its predecessor`)
    if (set.instant(index) === set.instant(index - 1)) ties++
  }
  assert.deepEqual(
    [...digits].toSorted((a, b) => a - b),
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
  )
  assert.ok(ties > 0)
  assert.ok(set.millis(0) >= START && set.millis(set.count - 1) < START + DAY)
})

void test('timestamps stay in order at a microsecond per event', () => {
  const set = makeSet({ count: 2000, end: START + 2 })
  for (let index = 1; index < set.count; index++) assert.ok(set.instant(index) >= set.instant(index - 1))
  assert.throws(() => makeSet({ count: 2001, end: START + 2 }), RangeError)
})

void test('an event falls exactly on every full hour', () => {
  const set = makeSet()
  for (let hour = START; hour < START + DAY; hour += HOUR) {
    const instant = BigInt(hour) * 1_000_000n
    assert.equal(set.instant(set.firstAt(instant)), instant)
  }
})

void test('a time range maps to a range of indices', () => {
  const set = makeSet()
  for (let index = 0; index < set.count; index += 97) {
    const first = set.firstAt(set.instant(index))
    assert.ok(first <= index && set.instant(first) === set.instant(index))
    if (first > 0) assert.ok(set.instant(first - 1) < set.instant(index))
  }
  assert.equal(set.firstAt(BigInt(START + DAY) * 1_000_000n), set.count)
})

void test('mixed events cover every service, nulls, number versions, escapes, non-ASCII, spaces, secrets and large events', () => {
  const set = makeSet()
  const all = texts(set)
  const events = all.map(parse)
  assert.equal(new Set(events.map((event) => event['service'])).size, 16)
  assert.equal(new Set(events.map((event) => `${String(event['service'])} ${String(event['event_type'])}`)).size, 28)
  assert.deepEqual(new Set(events.map((event) => event['@version'])), new Set(['1', 1, 0]))
  assert.ok(events.some((event) => event['organization'] === null))
  assert.ok(events.every((event) => event['service'] !== 'sso' || !('success' in event)))
  for (const marker of [
    '\\u00e9',
    '\\"',
    '\\/',
    '\\n',
    '李雷',
    '😀',
    '9007199254740993',
    '1.10',
    '{ "id" : ',
    SECRET_MARK,
  ])
    assert.ok(
      all.some((text) => text.includes(marker)),
      marker,
    )
  assert.ok(all.some((text) => /\{"field":"password","from":"hunter2-old-\d+","to":"hunter2-new-\d+"\}/.test(text)))
  assert.ok(all.some((text) => text.length > 60_000))
  assert.ok(all.every((text) => !text.includes('\n')))
})

void test('one-shape events come from one template of about 1 KB', () => {
  const all = texts(makeSet({ shape: 'one' }))
  const keys = new Set(all.map((text) => Object.keys(parse(text)).join()))
  assert.equal(keys.size, 1)
  assert.ok(all.every((text) => text.length > 1000 && text.length < 1200))
})

void test('duplicates equal earlier events byte for byte, in about the requested number', () => {
  const set = makeSet({ duplicates: 0.05 })
  const seen = new Set<string>()
  let duplicates = 0
  for (let index = 0; index < set.count; index++) {
    assert.equal(seen.has(set.text(index)), set.isDuplicate(index))
    if (set.isDuplicate(index)) duplicates++
    seen.add(set.text(index))
  }
  assert.ok(duplicates > 150 && duplicates < 350, String(duplicates))
})

void test('future events have a timestamp that is moved ahead', () => {
  const set = makeSet({ future: 0.1 })
  const ahead = Array.from({ length: set.count }, (_, index) => set.millis(index) >= START + FUTURE_SHIFT)
  const share = ahead.filter(Boolean).length / set.count
  assert.ok(share > 0.07 && share < 0.13, String(share))
})

void test('events have the requested organization', () => {
  const organization = '5a2af2a82cf2b0010053ea41'
  const owners = new Set(texts(makeSet({ organization })).map((text) => parse(text)['organization']))
  assert.deepEqual(owners, new Set([organization, null]))
})

void test('archives contain the same events in every format, order and compression', async (t) => {
  const set = makeSet({ count: 1000 })
  const ids = Array.from({ length: 600 }, (_, at) => set.id(at + 200))
  const range = { from: 200, to: 800 }
  const path = join(await temporaryFolder(t), 'archive')
  await writeArchive(path, set, { ...range, format: 'ndjson' })
  const lines = (await readFile(path, 'utf8')).split('\n')
  assert.equal(lines.pop(), '')
  assert.deepEqual(
    lines,
    ids.map((_, at) => set.text(at + 200)),
  )

  await writeArchive(path, set, { ...range, format: 'array', order: 'DESC' })
  const array = await readFile(path, 'utf8')
  assert.equal(array.split('\n').length, 601)
  assert.deepEqual(idsIn(array), ids.toReversed())

  await writeArchive(path, set, { ...range, format: 'pretty', gzip: true })
  const pretty = gunzipSync(await readFile(path)).toString()
  assert.ok(pretty.split('\n').length > 6000)
  assert.deepEqual(idsIn(pretty), ids)
  const events: unknown[] = JSON.parse(pretty)
  assert.deepEqual(events[5], JSON.parse(set.text(205)))

  await writeArchive(path, set, { from: 5, to: 5 })
  assert.equal(await readFile(path, 'utf8'), '')
  await writeArchive(path, set, { from: 5, to: 5, format: 'array' })
  assert.equal(await readFile(path, 'utf8'), '[]\n')
})
