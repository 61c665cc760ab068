import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import type { Finding } from '../component.ts'
import { Choice, Duration, RecordPath, Size } from '../fields/fields.ts'
import { Edit, NO_DEDUP_BUCKET, RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { createDigester, HASH_KEY_BYTES } from '../record/digest.ts'
import { nanosecondsOf, parseInstant } from '../record/json/instant.ts'
import type { Path } from '../record/paths/path.ts'
import { Paths } from '../record/paths/path.ts'
import { HIT_STRIDE, Kind } from '../record/scan.ts'
import { KeyBytes } from './dedup/key-bytes.ts'
import { DAY } from '../time.ts'

/**
 * Computes the digest of each live record; the sink settles who was first. Digests are of values: escapes decoded, numbers by value, the
 * time as an instant. A record without a claim has a digest of zeros.
 */
export default defineTransform({
  type: 'dedup',
  summary: 'Lets the first record of a key through and counts the others as duplicates, across restarts and backfills.',
  fields: {
    key: Type.Union(
      [RecordPath({ description: 'A path.' }), Type.Array(RecordPath({ description: 'A path.' }), { minItems: 1 })],
      {
        description:
          'Paths of the values that make a record what it is. Nothing else is part of the key: where a pipeline reads several tenants whose ids may be alike, add the field that tells them apart, such as `organization`.',
      },
    ),
    time: Type.Optional(
      RecordPath({
        description:
          'Path of the event time, one of the key. It is compared as an instant, so `…:42Z` is `…:42.000Z`, and old claims can be forgotten by it.',
      }),
    ),
    within: Type.Optional(
      Duration({
        description:
          'How far apart two copies can be in event time. Claims are forgotten when the source has moved on by more than this; never without it.',
      }),
    ),
    memory: Size({
      default: '1GiB',
      description:
        'Memory for the claims, about 24 bytes each. The run stops when it is used up; nothing is forgotten silently.',
    }),
    missing: Choice(['reject', 'pass'], {
      default: 'reject',
      description:
        'What to do with a record in which a part of the key is absent, null or empty text: `reject` it with KEY_MISSING, or let it `pass` without looking for copies.',
    }),
  },
  examples: [
    { title: 'Events with an id and a time', config: { key: ['id', 'timestamp'], time: 'timestamp', within: '7d' } },
    { title: 'Several tenants', config: { key: ['organization', 'id', 'timestamp'], time: 'timestamp', within: '7d' } },
    { title: 'An id alone', config: { key: 'id', memory: '256MiB', missing: 'pass' } },
  ],
  check: ({ key, time, within }) => findings(key, time, within),
  reusesBuffers: true,
  dedup: ({ key, time, within, memory, missing }) => ({
    key: listOf(key),
    time,
    within,
    memory,
    requiresKey: missing === 'reject',
  }),
  create({ key, time, missing }, { paths, stage, hashKey }) {
    const parts = listOf(key).map((text) => paths.add(text))
    const timePart = time === undefined ? undefined : paths.add(time)
    const digester = createDigester(hashKey ?? Buffer.alloc(HASH_KEY_BYTES))
    const bytes = new KeyBytes()

    return {
      batch(batch) {
        const keys = new Uint32Array(batch.count * 4)
        const buckets = new Int32Array(batch.count).fill(NO_DEDUP_BUCKET)
        const owners = gatherKeys(batch, { parts, timePart, missing, stage }, buckets, bytes)
        const contents = new Uint32Array(batch.count)
        digester.hashMessages(bytes.bytes, bytes.ends, bytes.count, keys)
        digester.hashContents(batch.bytes, batch.index.records, batch.count, contents)
        // From where they were made to where they belong, the last one first: that is never further to the front.
        for (let i = owners.length - 1; i >= 0; i--) {
          const from = i * 4
          const at = owners[i] * 4
          const first = keys[from]
          const second = keys[from + 1]
          const third = keys[from + 2]
          if (at > from) keys.fill(0, from, from + 4)
          // Zeros mean that there is no claim.
          keys[at] = (first | second | third) === 0 ? 1 : first
          keys[at + 1] = second
          keys[at + 2] = third
          keys[at + 3] = contents[owners[i]]
        }
        batch.digests = { keys, buckets, time: timePart }
      },
    }
  },
})

/** Times outside are absurd: they get no bucket of their own, so that hostile times cannot make buckets without end. */
const EARLIEST = Date.UTC(1990)
const MAX_AHEAD = 2 * DAY
/** What `addPart` returns in place of a day when there is no value. */
const ABSENT = 0x7fffffff

interface KeyOptions {
  readonly parts: readonly Path[]
  readonly timePart: Path | undefined
  readonly missing: 'reject' | 'pass'
  readonly stage: string
}

/** Puts the keys of the live records into `bytes` and their days into `buckets`. Returns whose keys they are; who has none is rejected or passes. */
function gatherKeys(
  batch: Batch,
  { parts, timePart, missing, stage }: KeyOptions,
  buckets: Int32Array,
  bytes: KeyBytes,
): Uint32Array {
  const owners = new Uint32Array(batch.count)
  let length = 0
  const latest = Date.now() + MAX_AHEAD
  bytes.clear()
  for (let record = 0; record < batch.count; record++) {
    if (batch.states[record] !== RecordState.live) continue
    let absent: Path | undefined
    // No iterator: this is done for each record.
    for (let i = 0; i < parts.length && absent === undefined; i++) {
      const day = addPart(batch, record, parts[i], bytes, parts[i] === timePart ? latest : undefined)
      if (day === ABSENT) absent = parts[i]
      else if (day !== NO_DEDUP_BUCKET) buckets[record] = day
    }
    if (absent === undefined) {
      bytes.close()
      owners[length++] = record
      continue
    }
    bytes.undo()
    buckets[record] = NO_DEDUP_BUCKET
    if (missing === 'reject') batch.reject(record, 'KEY_MISSING', stage, `${absent.text} is missing`)
  }
  return owners.subarray(0, length)
}

/**
 * Adds a value to the key. Returns its day, `NO_BUCKET` when it has none, `ABSENT` when there is no value.
 * @param latest the latest instant that has a day, if the value is the time.
 */
function addPart(batch: Batch, record: number, part: Path, bytes: KeyBytes, latest: number | undefined): number {
  const hit = batch.hit(record, part)
  if (hit < 0) return ABSENT
  const { hits } = batch.index
  if (batch.edits[hit] === Edit.keep && hits[hit * HIT_STRIDE] >>> 16 === Kind.string) {
    return addText(batch.bytes, hits[hit * HIT_STRIDE + 2] + 1, hits[hit * HIT_STRIDE + 3] - 1, bytes, latest)
  }
  return addValue(batch, hit, bytes, latest)
}

/** @param source UTF-8 without escapes. */
function addText(source: Buffer, start: number, end: number, bytes: KeyBytes, latest: number | undefined): number {
  if (start === end) return ABSENT
  if (latest !== undefined) {
    const instant = parseInstant(source, start, end)
    if (!Number.isNaN(instant)) {
      bytes.addInstant(instant, nanosecondsOf(source, start, end))
      return instant >= EARLIEST && instant <= latest ? Math.floor(instant / DAY) : NO_DEDUP_BUCKET
    }
  }
  bytes.addUtf8(source, start, end)
  return NO_DEDUP_BUCKET
}

/** Values that are not plain strings, and those that an earlier stage has changed. */
function addValue(batch: Batch, hit: number, bytes: KeyBytes, latest: number | undefined): number {
  const kind = batch.kind(hit)
  if (kind === Kind.null) return ABSENT
  if (kind === Kind.string || kind === Kind.escaped) {
    const text = batch.text(hit)
    const utf8 = Buffer.from(text)
    if (utf8.toString() === text) return addText(utf8, 0, utf8.length, bytes, latest)
    bytes.addSurrogates(text)
  } else if (kind === Kind.number || kind === Kind.unusual) bytes.addNumber(batch.text(hit))
  else if (kind === Kind.true || kind === Kind.false) bytes.addBoolean(kind === Kind.true)
  else bytes.addJson(batch.raw(hit))
  return NO_DEDUP_BUCKET
}

function* findings(
  key: string | readonly string[],
  time: string | undefined,
  within: number | undefined,
): Generator<Finding> {
  const paths = new Paths()
  const parts = listOf(key).map((text) => paths.add(text))
  for (const [index, part] of parts.entries()) {
    const at = typeof key === 'string' ? ['key'] : ['key', index]
    if (part.keys === undefined) {
      yield { at, message: `${part.text} may match several values: a key is made of plain paths` }
    } else if (parts.indexOf(part) !== index) {
      yield { at, message: `${part.text} is in the key twice` }
    }
  }
  if (time !== undefined && !parts.includes(paths.add(time))) {
    yield {
      at: ['time'],
      message: `${time} is not in the key`,
      hint: `a claim lies with the time of its record: add ${time} to key`,
    }
  }
  if (within !== undefined && time === undefined) {
    yield {
      at: ['within'],
      message: 'within needs the event time',
      hint: 'give the path of the time as time: and have it in key:',
    }
  }
}

function listOf(key: string | readonly string[]): readonly string[] {
  return typeof key === 'string' ? [key] : key
}
