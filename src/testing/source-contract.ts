import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Chunk, ReadOptions, Source, SourceDeclaration } from '../component.ts'
import { SluiceError } from '../errors.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import { contextOf, configure } from './configure.ts'
import {
  ABORT_AFTER,
  ABORT_MS,
  canonical,
  casesWith,
  isAbort,
  liveBytes,
  nameOf,
  openHandles,
  shorten,
  turns,
  withoutHanging,
} from './contract-case.ts'
import type { ContractCase, NotApplicable } from './contract-case.ts'

/** An input for a source, fresh for each case. */
export interface SourceInput {
  /** The source's configuration as in a pipeline file, without `type`. */
  readonly config: object
  /**
   * All records of the input, each different from the others, in the order in which the source
   * yields them. At least 20.
   */
  readonly records: readonly JsonObject[]
  readonly close?: () => Promise<void> | void
}

/**
 * What the suite does to an input. Where something is not possible, give the reason as text in place
 * of the function.
 */
export interface SourceFixture<Input extends SourceInput> {
  readonly open: () => Promise<Input>
  /**
   * Why records may come in another order than that of `records`. Leave it out when they may not.
   */
  readonly unordered?: NotApplicable
  /**
   * Puts another input under the same name, with other records and of the same size if it has one:
   * as a new file that takes the name, or by rewriting the old one in place. Returns its records.
   */
  readonly replace: NotApplicable | ((input: Input, how: 'renamed' | 'in place') => Promise<readonly JsonObject[]>)
  /** Cuts the input off after some of its records. Returns those that are left. */
  readonly truncate: NotApplicable | ((input: Input) => Promise<readonly JsonObject[]>)
  /** Adds records to the end of the input, and returns them. */
  readonly append: NotApplicable | ((input: Input) => Promise<readonly JsonObject[]>)
  /** Why `--follow` does not find appended records. Leave it out when it does. */
  readonly followless?: NotApplicable
  /**
   * Adds the beginning of a record to the end of the input. The function that it returns adds the
   * rest, and returns the whole record. For sources that follow an input while it is written.
   */
  readonly unfinished?: (input: Input) => Promise<() => Promise<JsonObject>>
  /** Makes the input unreadable: the next reading must fail. */
  readonly fail: NotApplicable | ((input: Input) => Promise<void>)
  /** Makes the input hold at least so many bytes of records. */
  readonly enlarge: NotApplicable | ((input: Input, bytes: number) => Promise<void>)
}

/** Memory that a source may hold beyond the chunk it has just yielded. */
const MAX_HELD = 32 << 20
const LARGE = 96 << 20
/** Time in which a source that follows its input has looked at it again. */
const FOLLOW_MS = 2500
/** Resuming is tried at no more positions than this, evenly spread over the input. */
const MAX_POSITIONS = 50

/**
 * Tries a source by the rules of `SourceDeclaration`: order, resuming after every position,
 * replaced and truncated inputs, aborts, memory, errors. The cases work on inputs of their own and
 * may run in any order, one at a time.
 */
export function sourceContract<Input extends SourceInput>(
  declaration: SourceDeclaration,
  fixture: SourceFixture<Input>,
): ContractCase[] {
  const on = (check: (bench: Bench<Input>) => Promise<void>) => async (): Promise<void> => {
    const input = await fixture.open()
    try {
      await check(new Bench(declaration, input))
    } finally {
      await input.close?.()
    }
  }
  const { unordered, followless, unfinished, replace, truncate, append, fail, enlarge } = fixture
  return [
    {
      name: `yields every record once${unordered === undefined ? ', in order' : ''}, in sound chunks`,
      run: on((bench) => readsAll(bench, unordered === undefined)),
    },
    { name: 'resumes after every position', run: on(resumesEverywhere) },
    { name: 'never changes memory that it has yielded', run: on(keepsYieldedMemory) },
    { name: 'reads the same input in two instances at once', run: on(readsTwice) },
    { name: 'ends when the signal aborts, at any moment', run: on((bench) => aborts(bench, false)) },
    { name: 'ends when the signal aborts while it follows its input', run: on((bench) => aborts(bench, true)) },
    ...casesWith(replace, (act) => [
      {
        name: 'skips no record of an input that replaced the one it has read',
        run: on((bench) => skipsNothing(bench, 'replaced', (input) => act(input, 'renamed'))),
      },
      {
        name: 'skips no record of an input that was rewritten in place',
        run: on((bench) => skipsNothing(bench, 'rewritten', (input) => act(input, 'in place'))),
      },
    ]),
    ...casesWith(truncate, (act) => [
      { name: 'notices that its input was truncated', run: on((bench) => skipsNothing(bench, 'truncated', act)) },
    ]),
    ...casesWith(append, (act) => [
      { name: 'reads appended records in the next run', run: on((bench) => readsAppended(bench, act)) },
      ...(followless === undefined
        ? [{ name: 'reads appended records while it follows', run: on((bench) => followsAppended(bench, act)) }]
        : []),
    ]),
    ...(unfinished === undefined
      ? []
      : [
          {
            name: 'waits for the end of an unfinished record while it follows',
            run: on((bench) => waitsForTheEnd(bench, unfinished)),
          },
        ]),
    ...casesWith(fail, (act) => [
      { name: 'reports an unreadable input as a SluiceError', run: on((bench) => reportsFailure(bench, act)) },
    ]),
    ...casesWith(enlarge, (act) => [
      {
        name: 'reads a large input in bounded memory, no faster than it is asked to',
        run: on((bench) => staysSmall(bench, act)),
      },
    ]),
    ...(declaration.rewind === undefined
      ? []
      : [{ name: 'rewinds a position to an earlier time', run: on((bench) => rewinds(bench, declaration)) }]),
    { name: 'ends its connection checks, and changes nothing by them', run: on(checksConnection) },
  ]
}

interface Reading {
  readonly chunks: Chunk[]
  /** Canonical JSON of the records of each chunk. */
  readonly records: string[][]
  error: unknown
}

interface ReadingOptions {
  readonly positions?: ReadonlyMap<string, Json>
  readonly follow?: boolean
  readonly signal?: AbortSignal
  onChunk?(reading: Reading): void | Promise<void>
}

/** A source under test, with its input. */
class Bench<Input extends SourceInput> {
  readonly declaration: SourceDeclaration
  readonly input: Input

  constructor(declaration: SourceDeclaration, input: Input) {
    this.declaration = declaration
    this.input = input
  }

  get expected(): string[] {
    return this.input.records.map(canonical)
  }

  async create(): Promise<Source> {
    const config = await configure(this.declaration, this.input.config)
    return this.declaration.create(config, contextOf(this.declaration))
  }

  /** Reads until the source ends or throws. */
  async read(options: ReadingOptions = {}): Promise<Reading> {
    return withoutHanging('reading', readAll(await this.create(), options))
  }

  /** Reads everything, and fails with the source. */
  async readWell(options: ReadingOptions = {}): Promise<Reading> {
    const reading = await this.read(options)
    if (reading.error !== undefined) throw reading.error
    return reading
  }
}

async function readAll(source: Source, options: ReadingOptions): Promise<Reading> {
  const reading: Reading = { chunks: [], records: [], error: undefined }
  try {
    for await (const chunk of source.read(readOptions(options))) {
      checkChunk(chunk)
      reading.chunks.push(chunk)
      reading.records.push(recordsOf(chunk))
      await options.onChunk?.(reading)
    }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    reading.error = error
  }
  return reading
}

function readOptions({ positions, follow = false, signal = NEVER }: ReadingOptions): ReadOptions {
  return {
    // As the state gives it back: through JSON, and not the object that was yielded.
    position: (partition = '') => jsonCopy(positions?.get(partition)),
    signal,
    follow,
    maxLine: 1 << 20,
    note: () => undefined,
  }
}

const NEVER = new AbortController().signal

function checkChunk(chunk: Chunk): void {
  const { bytes, records, position, partition, origin } = chunk
  assert.ok(bytes === undefined || records === undefined, 'a chunk has bytes or records, not both')
  assert.ok(bytes === undefined || Buffer.isBuffer(bytes), 'the bytes of a chunk are a Buffer')
  assert.ok(partition === undefined || typeof partition === 'string', 'a partition is named by text')
  if (origin !== undefined) {
    assert.ok(Number.isInteger(origin.line) && origin.line >= 1, 'lines of an origin are counted from 1')
  }
  if (position !== undefined) {
    assert.deepEqual(jsonCopy(position), position, 'a position is JSON, and the same after a round trip through it')
  }
}

function recordsOf({ bytes, records = [] }: Chunk): string[] {
  if (bytes === undefined) return records.map(canonical)
  const lines = bytes.toString().split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.filter((line) => line.trim() !== '').map((line) => canonical(JSON.parse(line)))
}

/** As the state gives it back. */
function jsonCopy(value: Json | undefined): Json | undefined {
  if (value === undefined) return undefined
  const copy: Json = JSON.parse(JSON.stringify(value))
  return copy
}

/** For messages: a number of chunks, and the position after them. */
function afterChunks(chunks: readonly Chunk[], count: number): string {
  const position = JSON.stringify(chunks[count - 1]?.position)
  const at = position === undefined ? '' : ` (position ${shorten([position])})`
  return `after ${count} ${count === 1 ? 'chunk' : 'chunks'}${at}`
}

/** The positions that are committed with a number of chunks. */
function positionsAfter(chunks: readonly Chunk[]): Map<string, Json> {
  const positions = new Map<string, Json>()
  for (const { partition = '', position } of chunks) if (position !== undefined) positions.set(partition, position)
  return positions
}

/** Numbers of chunks after which to resume: all of them, or a spread of them. */
function resumePoints(chunks: readonly Chunk[]): number[] {
  const points = Array.from({ length: chunks.length + 1 }, (_, count) => count)
  const step = Math.max(1, Math.ceil(points.length / MAX_POSITIONS))
  return points.filter((count) => count % step === 0 || count === chunks.length)
}

/**
 * Checks what a reading yielded. A source that repeats may yield more than the missing records,
 * never less.
 */
function checkYield(found: readonly string[], wanted: readonly string[], repeats: boolean, when: string): void {
  const seen = new Set(found)
  const missing = wanted.filter((record) => !seen.has(record))
  if (missing.length > 0) {
    assert.fail(`${missing.length} of ${wanted.length} records are missing ${when}: ${shorten(missing)}`)
  }
  if (repeats) return
  const known = new Set(wanted)
  const others = found.filter((record) => !known.has(record))
  if (others.length > 0) {
    assert.fail(`${others.length} records were yielded again, or are not in the input, ${when}: ${shorten(others)}`)
  }
  assert.equal(found.length, seen.size, `records are yielded twice ${when}`)
}

async function readsAll<Input extends SourceInput>(bench: Bench<Input>, inOrder: boolean): Promise<void> {
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

async function resumesEverywhere<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
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

async function keepsYieldedMemory<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
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

async function readsTwice<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const readings = await Promise.all([bench.readWell(), bench.readWell()])
  for (const { records } of readings) {
    checkYield(records.flat(), bench.expected, bench.declaration.repeats, 'when two instances read at once')
  }
}

async function aborts<Input extends SourceInput>(bench: Bench<Input>, follow: boolean): Promise<void> {
  const { chunks } = await bench.readWell()
  const before = openHandles()
  const yields = follow ? [chunks.length] : [0, 1, 2, chunks.length].filter((count) => count <= chunks.length)
  for (const count of new Set(yields)) {
    for (const wait of ABORT_AFTER) await abortOnce(bench, { count, wait, follow })
  }
  if (before !== undefined) await releases(before + ABORT_AFTER.length)
}

/** Fails unless the files and sockets of aborted readings are closed within a while. */
async function releases(limit: number): Promise<void> {
  const closed = async (): Promise<void> => {
    while ((openHandles() ?? 0) >= limit) await sleep(50)
  }
  await withoutHanging('closing the files and sockets of aborted readings', closed(), ABORT_MS)
}

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
async function skipsNothing<Input extends SourceInput>(
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

async function readsAppended<Input extends SourceInput>(
  bench: Bench<Input>,
  append: (input: Input) => Promise<readonly JsonObject[]>,
): Promise<void> {
  const before = await bench.readWell()
  const added = (await append(bench.input)).map(canonical)
  const { records } = await bench.readWell({ positions: positionsAfter(before.chunks) })
  checkYield(records.flat(), added, bench.declaration.repeats, 'in the run after records were appended')
}

async function followsAppended<Input extends SourceInput>(
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

async function waitsForTheEnd<Input extends SourceInput>(
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

async function reportsFailure<Input extends SourceInput>(
  bench: Bench<Input>,
  fail: (input: Input) => Promise<void>,
): Promise<void> {
  await fail(bench.input)
  const { error } = await bench.read()
  assert.notEqual(error, undefined, 'reading an input that cannot be read ended without an error')
  assert.ok(error instanceof SluiceError, `a source throws a SluiceError with a code, not ${nameOf(error)}`)
}

async function staysSmall<Input extends SourceInput>(
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

async function rewinds<Input extends SourceInput>(bench: Bench<Input>, declaration: SourceDeclaration): Promise<void> {
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

async function checksConnection<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
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
