import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import type { Finding } from '../component.ts'
import { Choice, Duration, RecordPath, Size } from '../fields/fields.ts'
import { Edit, NO_DEDUP_BUCKET, RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { createDigester, HASH_KEY_BYTES } from '../record/digest.ts'
import { nanosecondsOf, parseInstant } from '../record/json/instant.ts'
import { unwrapHint } from '../record/lines/envelope.ts'
import type { Path } from '../record/paths/path.ts'
import { Paths } from '../record/paths/path.ts'
import { HIT_STRIDE, ValueKind } from '../record/scan.ts'
import { KeyBytes } from './dedup/key-bytes.ts'
import { DAY } from '../time.ts'

/**
 * Computes the dedup key and the content hash of each live record. It drops nothing itself: the
 * sink deduplicates when it commits, in order of arrival. The first record of a key that is written
 * owns the key. A dropped or rejected record adds no key, so the outcome does not depend on which
 * copy came first.
 *
 * A dedup key is a keyed SipHash of values, not of spellings: escapes are decoded, numbers compared
 * by value, the time as an instant (`dedup/key-bytes.ts`). The hash key is a secret of the state,
 * so nobody can construct records whose keys collide. The content hash lets the sink tell an exact
 * copy from a changed record with the same key.
 *
 * The dedup bucket is the day of the event time. The sink stores keys per dedup bucket, and forgets
 * a bucket when the low watermark of the source has passed it by more than `within`. A time outside
 * of a sane range gets no bucket.
 *
 * A record without a dedup key (`missing: pass`) has digests of zeros. All keys of a batch are
 * gathered first and hashed in one call.
 */
export default defineTransform({
  type: 'dedup',
  summary: 'Writes the first record of a key and counts the others as duplicates, across restarts and backfills.',
  fields: {
    key: Type.Union(
      [RecordPath({ description: 'A path.' }), Type.Array(RecordPath({ description: 'A path.' }), { minItems: 1 })],
      {
        description:
          'Paths of the values that identify a record. Values are compared, not spellings: `1` equals `1.0`, but not the text `1`. Nothing else is part of the dedup key: if a pipeline reads several tenants whose ids may collide, add the field that distinguishes them, such as `organization`.',
      },
    ),
    time: Type.Optional(
      RecordPath({
        description:
          'Path of the event time; must be part of the key. Times are compared as instants, whatever their spelling, so `…:42Z` equals `…:42.000+0000` and the same time in epoch milliseconds. Required to forget old dedup keys.',
      }),
    ),
    within: Type.Optional(
      Duration({
        description:
          'Maximum distance in event time between two copies. Dedup keys are forgotten when the low watermark of the source has passed them by more than this; without it, never.',
      }),
    ),
    memory: Size({
      default: '1GiB',
      description:
        'Memory for the dedup keys, about 24 bytes per key. The run stops with an error when it is used up; keys are never forgotten silently.',
    }),
    missing: Choice(['reject', 'pass'], {
      default: 'reject',
      description:
        'What to do with a record in which a part of the key is absent, null or an empty string: `reject` it with KEY_MISSING, or let it `pass` without deduplication.',
    }),
  },
  examples: [
    { title: 'Events with an id and a time', config: { key: ['id', 'timestamp'], time: 'timestamp', within: '7d' } },
    { title: 'Several tenants', config: { key: ['organization', 'id', 'timestamp'], time: 'timestamp', within: '7d' } },
    { title: 'An id only', config: { key: 'id', memory: '256MiB', missing: 'pass' } },
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
        // Move each key to its record, the last one first: a key never moves towards the front.
        for (let i = owners.length - 1; i >= 0; i--) {
          const from = i * 4
          const at = owners[i] * 4
          const first = keys[from]
          const second = keys[from + 1]
          const third = keys[from + 2]
          if (at > from) keys.fill(0, from, from + 4)
          // All zeros would mean that the record has no dedup key.
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

/**
 * Times outside this range get no dedup bucket, so that hostile times cannot create buckets without
 * limit.
 */
const EARLIEST = Date.UTC(1990)
const MAX_AHEAD = 2 * DAY
/** Returned by `addPart` in place of a day if there is no value. */
const ABSENT = 0x7fffffff
/** Returned in place of a day if the event time is not a time. */
const NO_TIME = 0x7ffffffe

interface KeyOptions {
  readonly parts: readonly Path[]
  readonly timePart: Path | undefined
  readonly missing: 'reject' | 'pass'
  readonly stage: string
}

/**
 * Writes the keys of the live records to `bytes` and their days to `buckets`. Returns the record of
 * each key. A record without a key is rejected or passes.
 */
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
    // No iterator: this loop runs for each record.
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
    if (missing === 'reject') reject(batch, record, absent, stage)
  }
  return owners.subarray(0, length)
}

function reject(batch: Batch, record: number, absent: Path, stage: string): void {
  const hint = unwrapHint(batch.line(record))
  batch.reject(record, 'KEY_MISSING', stage, `${absent.text} is missing${hint === undefined ? '' : `; ${hint}`}`)
}

/**
 * Adds a value to the key. Returns the day of the time, `NO_DEDUP_BUCKET` for other values,
 * `ABSENT` if there is no value.
 * @param latest the latest instant that gets a bucket, if the value is the event time.
 */
function addPart(batch: Batch, record: number, part: Path, bytes: KeyBytes, latest: number | undefined): number {
  const hit = batch.hit(record, part)
  if (hit < 0) return ABSENT
  const { hits } = batch.index
  if (batch.edits[hit] === Edit.keep && hits[hit * HIT_STRIDE] >>> 16 === ValueKind.string) {
    return addText(batch.bytes, hits[hit * HIT_STRIDE + 2] + 1, hits[hit * HIT_STRIDE + 3] - 1, bytes, latest)
  }
  return addValue(batch, hit, bytes, latest)
}

/** @param source UTF-8 without escapes. */
function addText(source: Buffer, start: number, end: number, bytes: KeyBytes, latest: number | undefined): number {
  if (start === end) return ABSENT
  if (latest !== undefined) {
    const day = addTime(source, start, end, bytes, latest)
    if (day !== NO_TIME) return day
  }
  bytes.addUtf8(source, start, end)
  return NO_DEDUP_BUCKET
}

/** Adds the event time. Returns its day; `NO_TIME`, and adds nothing, if it is not a time. */
function addTime(source: Buffer, start: number, end: number, bytes: KeyBytes, latest: number): number {
  const instant = parseInstant(source, start, end)
  if (Number.isNaN(instant)) return NO_TIME
  bytes.addInstant(instant, nanosecondsOf(source, start, end))
  return instant >= EARLIEST && instant <= latest ? Math.floor(instant / DAY) : NO_DEDUP_BUCKET
}

function addNumber(text: string, bytes: KeyBytes, latest: number | undefined): number {
  if (latest !== undefined) {
    const source = Buffer.from(text)
    const day = addTime(source, 0, source.length, bytes, latest)
    if (day !== NO_TIME) return day
  }
  bytes.addNumber(text)
  return NO_DEDUP_BUCKET
}

/** Adds a value that is not a plain string, or that an earlier stage has edited. */
function addValue(batch: Batch, hit: number, bytes: KeyBytes, latest: number | undefined): number {
  const kind = batch.kind(hit)
  if (kind === ValueKind.null) return ABSENT
  if (kind === ValueKind.string || kind === ValueKind.escaped) {
    const text = batch.text(hit)
    const utf8 = Buffer.from(text)
    if (utf8.toString() === text) return addText(utf8, 0, utf8.length, bytes, latest)
    bytes.addSurrogates(text)
  } else if (kind === ValueKind.number || kind === ValueKind.unusual) return addNumber(batch.text(hit), bytes, latest)
  else if (kind === ValueKind.true || kind === ValueKind.false) bytes.addBoolean(kind === ValueKind.true)
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
      yield { at, message: `${part.text} may match several values; a dedup key consists of plain paths` }
    } else if (parts.indexOf(part) !== index) {
      yield { at, message: `${part.text} is in the key twice` }
    }
  }
  if (time !== undefined && !parts.includes(paths.add(time))) {
    yield {
      at: ['time'],
      message: `${time} is not in the key`,
      hint: `dedup keys are stored by event time: add ${time} to key`,
    }
  }
  if (within !== undefined && time === undefined) {
    yield {
      at: ['within'],
      message: 'within needs the event time',
      hint: 'set time to the path of the event time, and add that path to key',
    }
  }
}

function listOf(key: string | readonly string[]): readonly string[] {
  return typeof key === 'string' ? [key] : key
}
