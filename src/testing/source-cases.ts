import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Chunk, SourceDeclaration } from '../component.ts'
import { SluiceError } from '../errors.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import {
  ABORT_AFTER,
  ABORT_MS,
  canonical,
  isAbort,
  liveBytes,
  nameOf,
  openHandles,
  shorten,
  turns,
  withoutHanging,
} from './contract-case.ts'
import {
  afterChunks,
  checkChunk,
  checkYield,
  jsonCopy,
  positionsAfter,
  readOptions,
  recordsOf,
  resumePoints,
} from './source-bench.ts'
import type { Bench, SourceInput } from './source-bench.ts'

/** Memory that a source may hold beyond the chunk it has just yielded. */
const MAX_HELD = 32 << 20
const LARGE = 96 << 20
/** Time in which a source that follows its input has looked at it again. */
const FOLLOW_MS = 2500

export async function readsAll<Input extends SourceInput>(bench: Bench<Input>, inOrder: boolean): Promise<void> {
  assert.ok(bench.expected.length >= 20, 'the fixture has at least 20 records')
  const { chunks, records } = await bench.readWell()
  checkYield(records.flat(), bench.expected, bench.declaration.repeats, 'in one reading')
  assert.ok(positionsAfter(chunks).size > 0, 'no chunk has a position, so no run could resume')
  if (!inOrder) return
  const places = new Map(bench.expected.map((record, at) => [record, at]))
  const last = new Map<string, number>()
  for (const [at, { partition = '' }] of chunks.entries()) {
    for (const record of records[at] ?? []) {
      const place = places.get(record) ?? Infinity
      const before = last.get(partition) ?? -1
      if (place < before && bench.declaration.repeats) continue
      assert.ok(place > before, `record ${shorten([record])} is out of order in its partition`)
      last.set(partition, place)
    }
  }
}

export async function resumesEverywhere<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const whole = await bench.readWell()
  for (const count of resumePoints(whole.chunks)) {
    const committed = whole.chunks.slice(0, count)
    const positions = positionsAfter(committed)
    // Chunks after the last position of their partition are read again.
    const kept = new Set(
      committed.flatMap((chunk, at) => {
        const after = committed.slice(at).some((one) => one.partition === chunk.partition && one.position !== undefined)
        return after ? (whole.records[at] ?? []) : []
      }),
    )
    const wanted = bench.expected.filter((record) => !kept.has(record))
    const { records } = await bench.readWell({ positions })
    checkYield(
      records.flat(),
      wanted,
      bench.declaration.repeats,
      `when reading resumes ${afterChunks(whole.chunks, count)}`,
    )
  }
}

export async function keepsYieldedMemory<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const texts: string[] = []
  const { chunks } = await bench.readWell({
    onChunk: async ({ chunks: soFar }) => {
      texts.push(contentOf(soFar.at(-1)))
      await turns(1)
    },
  })
  await turns(3)
  for (const [at, chunk] of chunks.entries()) {
    assert.ok(contentOf(chunk) === texts[at], `chunk ${at} was changed after it was yielded`)
  }
}

function contentOf(chunk: Chunk | undefined): string {
  return chunk?.bytes?.toString('latin1') ?? JSON.stringify(chunk?.records)
}

export async function readsTwice<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const readings = await Promise.all([bench.readWell(), bench.readWell()])
  for (const { records } of readings) {
    checkYield(records.flat(), bench.expected, bench.declaration.repeats, 'when two instances read at once')
  }
}

export async function aborts<Input extends SourceInput>(bench: Bench<Input>, follow: boolean): Promise<void> {
  const { chunks } = await bench.readWell()
  const before = openHandles()
  const yields = follow ? [chunks.length] : [0, 1, 2, chunks.length].filter((count) => count <= chunks.length)
  for (const count of new Set(yields)) {
    for (const wait of ABORT_AFTER) await abortOnce(bench, { count, wait, follow })
  }
  if (before !== undefined) await releases(before + MAX_KEPT)
}

/** Files and sockets that a source may keep for its next reading: connections to an API, for example. */
const MAX_KEPT = 2

/** Fails unless the files and sockets of aborted readings are closed within a while. */
async function releases(limit: number): Promise<void> {
  for (let waited = 0; (openHandles() ?? 0) > limit; waited += RELEASE_POLL_MS) {
    const open = (openHandles() ?? 0) - limit
    assert.ok(waited < ABORT_MS, `aborted readings have left ${open + MAX_KEPT} files or sockets open`)
    await sleep(RELEASE_POLL_MS)
  }
}

const RELEASE_POLL_MS = 50

/** Takes some chunks, asks for the next one, and aborts while the source is at it. */
async function abortOnce<Input extends SourceInput>(
  bench: Bench<Input>,
  { count, wait, follow }: { count: number; wait: number; follow: boolean },
): Promise<void> {
  const stop = new AbortController()
  const source = await bench.create()
  const reading = source.read(readOptions({ signal: stop.signal, follow }))[Symbol.asyncIterator]()
  const when = `after ${count} ${count === 1 ? 'chunk' : 'chunks'} and ${wait} turns of the event loop`
  for (let taken = 0; taken < count; taken++) await withoutHanging('reading', reading.next())
  const end = untilEnd(reading)
  await turns(wait)
  stop.abort(new Error('the run ends'))
  const error = await withoutHanging(`a source that was aborted ${when}`, end, ABORT_MS)
  if (error === undefined || isAbort(error, stop.signal)) return
  assert.fail(`a source that was aborted ${when} threw ${nameOf(error)}, which is neither the reason nor an AbortError`)
}

/** Takes everything that still comes; the error that it ends with. */
async function untilEnd(reading: AsyncIterator<Chunk>): Promise<unknown> {
  try {
    while ((await reading.next()).done !== true);
    return undefined
  } catch (error) {
    return error
  }
}

/**
 * After the input was changed, reading on from an old position fails, or yields everything that is
 * there. A position that covers only records that are still there may be resumed.
 */
export async function skipsNothing<Input extends SourceInput>(
  bench: Bench<Input>,
  how: string,
  change: (input: Input) => Promise<readonly JsonObject[]>,
): Promise<void> {
  const { chunks, records: before } = await bench.readWell()
  const present = (await change(bench.input)).map(canonical)
  assert.ok(present.length > 0, 'the fixture leaves records in the input')
  for (const count of resumePoints(chunks).filter((one) => one > 0)) {
    const { records, error } = await bench.read({ positions: positionsAfter(chunks.slice(0, count)) })
    const when = `of the ${how} input, with the position of the old one ${afterChunks(chunks, count)}`
    if (error === undefined) {
      const committed = new Set(before.slice(0, count).flat())
      const isPrefix = [...committed].every((record) => present.includes(record))
      const wanted = isPrefix ? present.filter((record) => !committed.has(record)) : present
      checkYield(
        records.flat(),
        wanted,
        true,
        `${when}: a position identifies its input, and notices that it is shorter`,
      )
    } else assert.ok(error instanceof SluiceError, `reading ${when} threw ${nameOf(error)}, which is not a SluiceError`)
  }
}

export async function readsAppended<Input extends SourceInput>(
  bench: Bench<Input>,
  append: (input: Input) => Promise<readonly JsonObject[]>,
): Promise<void> {
  const before = await bench.readWell()
  const added = (await append(bench.input)).map(canonical)
  const { records } = await bench.readWell({ positions: positionsAfter(before.chunks) })
  checkYield(records.flat(), added, bench.declaration.repeats, 'in the run after records were appended')
}

export async function followsAppended<Input extends SourceInput>(
  bench: Bench<Input>,
  append: (input: Input) => Promise<readonly JsonObject[]>,
): Promise<void> {
  const stop = new AbortController()
  const wanted = new Set(bench.expected)
  let added: string[] | undefined
  const { error } = await bench.read({
    follow: true,
    signal: stop.signal,
    onChunk: async ({ records }) => {
      for (const record of records.at(-1) ?? []) wanted.delete(record)
      if (wanted.size > 0) return
      if (added !== undefined) return stop.abort()
      added = (await append(bench.input)).map(canonical)
      for (const record of added) wanted.add(record)
    },
  })
  if (error !== undefined && !isAbort(error, stop.signal)) throw error
  assert.deepEqual([...wanted], [], 'records that were appended while the source followed are missing')
}

export async function waitsForTheEnd<Input extends SourceInput>(
  bench: Bench<Input>,
  unfinished: (input: Input) => Promise<() => Promise<JsonObject>>,
): Promise<void> {
  const stop = new AbortController()
  const source = await bench.create()
  const reading = source.read(readOptions({ signal: stop.signal, follow: true }))[Symbol.asyncIterator]()
  const take = async (count: number): Promise<string[]> => {
    const found: string[] = []
    while (found.length < count) {
      const next = await withoutHanging('following', reading.next())
      assert.ok(next.done !== true, 'a source that follows its input ended by itself')
      found.push(...recordsOf(next.value))
    }
    return found
  }
  await take(bench.expected.length)
  const finish = await unfinished(bench.input)
  const next = take(1)
  const early = await Promise.race([next, sleep(FOLLOW_MS)])
  assert.ok(early === undefined, `the beginning of a record was yielded: ${shorten(early ?? [])}`)
  const whole = canonical(await finish())
  assert.deepEqual(await next, [whole], 'the record was not yielded as a whole')
  stop.abort()
  await withoutHanging('an aborted reading', untilEnd(reading), ABORT_MS)
}

export async function reportsFailure<Input extends SourceInput>(
  bench: Bench<Input>,
  fail: (input: Input) => Promise<void>,
): Promise<void> {
  await fail(bench.input)
  const { error } = await bench.read()
  assert.notEqual(error, undefined, 'reading an input that cannot be read ended without an error')
  assert.ok(error instanceof SluiceError, `a source throws a SluiceError with a code, not ${nameOf(error)}`)
}

export async function staysSmall<Input extends SourceInput>(
  bench: Bench<Input>,
  enlarge: (input: Input, bytes: number) => Promise<void>,
): Promise<void> {
  await enlarge(bench.input, LARGE)
  const source = await bench.create()
  const before = liveBytes()
  let chunks = 0
  for await (const chunk of source.read(readOptions({}))) {
    checkChunk(chunk)
    // A slow pipeline: a source that reads ahead of it fills the memory meanwhile.
    if (chunks++ === 0) await sleep(200)
    if (chunks % 16 !== 1) continue
    const held = liveBytes() - before
    assert.ok(held < MAX_HELD, `after ${chunks} chunks the source holds ${held} bytes; ${MAX_HELD} are allowed`)
  }
}

export async function rewinds<Input extends SourceInput>(
  bench: Bench<Input>,
  declaration: SourceDeclaration,
): Promise<void> {
  const whole = await bench.readWell()
  const positions = new Map<string, Json>()
  for (const [partition, position] of positionsAfter(whole.chunks)) {
    const rewound = declaration.rewind?.(position, 0)
    if (rewound === undefined) positions.set(partition, position)
    else {
      assert.deepEqual(jsonCopy(rewound.position), rewound.position, 'a position is JSON')
      positions.set(partition, rewound.position)
    }
  }
  const { records } = await bench.readWell({ positions })
  checkYield(records.flat(), bench.expected, true, 'after a rewind to 1970')
}

export async function dividesTenants<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const tenants = await bench.tenants()
  assert.ok(tenants.length > 0, '`tenants` names at least one source partition')
  assert.equal(new Set(tenants).size, tenants.length, '`tenants` names a source partition twice')
  const all: string[] = []
  for (const tenant of tenants) {
    const { chunks, records } = await bench.readWell({ tenants: new Set([tenant]) })
    for (const { partition = '' } of chunks)
      assert.equal(partition, tenant, `a chunk of "${partition}" while only "${tenant}" is asked for`)
    all.push(...records.flat())
  }
  checkYield(all, bench.expected, bench.declaration.repeats, 'when its tenants are read one by one')
  const { records } = await bench.readWell({ tenants: new Set() })
  assert.equal(records.flat().length, 0, 'records are yielded although no tenant is asked for')
}

export async function checksConnection<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const source = await bench.create()
  if (source.connect !== undefined) {
    const checks = source.connect(AbortSignal.timeout(10_000))
    await withoutHanging('a connection check', drain(checks))
  }
  const { records } = await bench.readWell()
  checkYield(records.flat(), bench.expected, bench.declaration.repeats, 'after a connection check')
}

async function drain(items: AsyncIterable<{ readonly error?: Error }>): Promise<void> {
  for await (const { error } of items) if (error !== undefined) throw error
}
