import assert from 'node:assert/strict'
import type { Chunk, Source, SourcePart } from '../component.ts'
import { SluiceError } from '../errors.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import { ABORT_AFTER, ABORT_MS, canonical, isAbort, nameOf, turns, withoutHanging } from './contract-case.ts'
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

/** Wanted sizes of parts: as many parts as possible, some, one for each input. */
const PART_BYTES = [1, 100_000, 1 << 30]

/** A source whose input can be divided. */
type Divisible = Source & Required<Pick<Source, 'parts' | 'readParts'>>

/** Undefined if the source does not divide its input, which no source has to. */
async function divisible<Input extends SourceInput>(bench: Bench<Input>): Promise<Divisible | undefined> {
  const source = await bench.create()
  if (isDivisible(source)) return source
  const isWhole = source.parts === undefined && source.readParts === undefined && source.positionAfter === undefined
  assert.ok(isWhole, 'a source has both `parts` and `readParts`, or neither')
  return undefined
}

function isDivisible(source: Source): source is Divisible {
  return source.parts !== undefined && source.readParts !== undefined
}

interface PlanOptions {
  readonly partBytes: number
  readonly positions?: ReadonlyMap<string, Json>
  readonly signal?: AbortSignal
}

/** The parts as they are stored: after a round trip through JSON. */
async function planOf<Input extends SourceInput>(bench: Bench<Input>, options: PlanOptions): Promise<SourcePart[]> {
  const source = await divisible(bench)
  const found: SourcePart[] = []
  const seen = new Set<string>()
  for await (const part of source?.parts(partsOptions(options)) ?? []) {
    const { partition, input, bytes } = part
    const copy: SourcePart = JSON.parse(JSON.stringify(part))
    assert.deepEqual(copy, part, 'a part is JSON, and the same after a round trip through it')
    assert.ok(typeof partition === 'string' && typeof input === 'string', 'a part names its partition and its input')
    assert.ok(Number.isInteger(bytes) && bytes >= 0, `a part of ${bytes} bytes`)
    const isNew = found.at(-1)?.partition !== partition
    assert.ok(!isNew || !seen.has(partition), `parts of the source partition ${partition} are not together`)
    seen.add(partition)
    found.push(copy)
  }
  return found
}

function partsOptions({ partBytes, positions, signal }: PlanOptions) {
  const { position, inputFailed, ...options } = readOptions({
    ...(positions && { positions }),
    ...(signal && { signal }),
  })
  return {
    position,
    inputFailed,
    partBytes,
    final: false,
    signal: options.signal,
    note: options.note,
    maxLine: options.maxLine,
  }
}

interface PartReading {
  readonly records: readonly string[]
  readonly end: Json | undefined
  /** Positions of source partitions that are not the part's own. */
  readonly others: ReadonlyMap<string, Json>
  readonly error: unknown
}

/** Reads parts in one call, up to the first that fails. */
async function readTogether(source: Divisible, parts: readonly SourcePart[]): Promise<PartReading[]> {
  const readings: PartReading[] = []
  try {
    for await (const chunks of source.readParts(parts, readOptions({}))) {
      const part = parts.at(readings.length)
      assert.ok(part, `\`readParts\` yields more than the ${parts.length} parts that it was asked for`)
      const reading = await readOne(chunks, part)
      readings.push(reading)
      if (reading.error !== undefined) return readings
    }
  } catch (error) {
    if (error instanceof assert.AssertionError || readings.length === parts.length) throw error
    return [...readings, { records: [], end: undefined, others: new Map(), error }]
  }
  const { length } = readings
  assert.equal(
    length,
    parts.length,
    `\`readParts\` yields ${length} of the ${parts.length} parts that it was asked for`,
  )
  return readings
}

async function readOne(chunks: AsyncIterable<Chunk>, part: SourcePart): Promise<PartReading> {
  const records: string[] = []
  const others = new Map<string, Json>()
  let end: Json | undefined
  try {
    for await (const chunk of chunks) {
      checkChunk(chunk)
      const own = recordsOf(chunk)
      records.push(...own)
      const { partition = '', position } = chunk
      if (partition === part.partition) end = position ?? end
      else if (position !== undefined) others.set(partition, position)
      assert.ok(
        partition === part.partition || own.length === 0,
        `a part of ${part.partition} yields records of the source partition ${partition}`,
      )
    }
    return { records, end: jsonCopy(end), others, error: undefined }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return { records, end: jsonCopy(end), others, error }
  }
}

/**
 * Reads parts one at a time with an instance that has not planned, in any order. The results are in that
 * of the parts.
 */
async function readParts<Input extends SourceInput>(
  bench: Bench<Input>,
  parts: readonly SourcePart[],
  order = parts.map((_part, at) => at),
): Promise<PartReading[]> {
  const source = await divisible(bench)
  const readings: PartReading[] = []
  if (source === undefined) return readings
  for (const at of order) {
    const reading = withoutHanging('reading a part', readTogether(source, [parts[at]]))
    ;[readings[at]] = await reading
  }
  return readings
}

/** Compares parts that are read in one call with those that are read one at a time. */
async function checkTogether<Input extends SourceInput>(
  bench: Bench<Input>,
  parts: readonly SourcePart[],
  single: readonly PartReading[],
): Promise<void> {
  const source = await divisible(bench)
  if (source === undefined || parts.length === 0) return
  const together = await withoutHanging('reading all parts', readTogether(source, parts))
  const failed = single.findIndex(({ error }) => error !== undefined)
  const expected = failed < 0 ? single : single.slice(0, failed + 1)
  for (const [at, { records, end, error }] of expected.entries()) {
    const found = together.at(at)
    const what = `part ${at} of ${parts.length} that are read in one call`
    assert.ok(found, `${what} is not read: the failure of a later part is thrown before its turn`)
    assert.deepEqual(found.records, records, `${what} yields other records than read alone`)
    assert.deepEqual(found.end, end, `${what} ends at another position than read alone`)
    assert.equal(found.error !== undefined, error !== undefined, `${what} fails, or does not, unlike read alone`)
  }
}

/** The committed positions after all parts. */
async function positionsAfterParts<Input extends SourceInput>(
  bench: Bench<Input>,
  parts: readonly SourcePart[],
  readings: readonly PartReading[],
  before: ReadonlyMap<string, Json> = new Map(),
): Promise<Map<string, Json>> {
  const source = await bench.create()
  const positions = new Map(before)
  for (const partition of new Set(parts.map((part) => part.partition))) {
    const own = parts.flatMap((part, at) => (part.partition === partition ? [at] : []))
    const read = own.map((at) => ({ part: parts[at], end: readings[at].end }))
    // As the state gives them: once, one after the other.
    const after = source.positionAfter === undefined ? read.at(-1)?.end : source.positionAfter(read.values())
    if (after === undefined) continue
    assert.deepEqual(jsonCopy(after), after, 'a position is JSON, and the same after a round trip through it')
    positions.set(partition, after)
  }
  for (const { others } of readings) for (const [partition, position] of others) positions.set(partition, position)
  return positions
}

/** Sizes of parts with which the case is tried; none for a source that does not divide its input. */
async function sizes<Input extends SourceInput>(bench: Bench<Input>): Promise<readonly number[]> {
  return (await divisible(bench)) === undefined ? [] : PART_BYTES
}

function inPartsOf(partBytes: number): string {
  return `in parts of about ${partBytes} bytes`
}

/** The parts hold the records of one reading, in their order, however often and in which order they are read. */
export async function dividesAll<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  for (const partBytes of await sizes(bench)) {
    const parts = await planOf(bench, { partBytes })
    const readings = await readParts(bench, parts)
    failOn(readings)
    const { repeats } = bench.declaration
    const found = readings.flatMap(({ records }) => records)
    checkYield(found, bench.expected, repeats, inPartsOf(partBytes))
    const { records } = await bench.readWell()
    if (!repeats) assert.deepEqual(found, records.flat(), `another order than in one reading, ${inPartsOf(partBytes)}`)
    const order = parts.map((_part, at) => at)
    const again = await readParts(bench, parts, [...order.toReversed(), ...order])
    assert.deepEqual(again, readings, 'parts yield something else when read again')
    await checkTogether(bench, parts, readings)
  }
}

function failOn(readings: readonly PartReading[]): void {
  for (const { error } of readings) if (error !== undefined) throw error
}

/** After all parts, a later reading finds nothing, and a later plan too. */
export async function continuesAfterParts<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const { repeats } = bench.declaration
  for (const partBytes of await sizes(bench)) {
    const parts = await planOf(bench, { partBytes })
    const readings = await readParts(bench, parts)
    const positions = await positionsAfterParts(bench, parts, readings)
    const { records } = await bench.readWell({ positions })
    checkYield(records.flat(), [], repeats, `by a reading after all parts, ${inPartsOf(partBytes)}`)
    const rest = await readParts(bench, await planOf(bench, { partBytes, positions }))
    const found = rest.flatMap((reading) => reading.records)
    checkYield(found, [], repeats, `by the parts of a plan after all parts, ${inPartsOf(partBytes)}`)
  }
}

/** A plan leaves out what earlier runs have read. */
export async function dividesTheRest<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const whole = await bench.readWell()
  const points = resumePoints(whole.chunks)
  for (const partBytes of await sizes(bench)) {
    for (const count of points.filter((_point, at) => at % Math.ceil(points.length / MAX_PLANS) === 0)) {
      const positions = positionsAfter(whole.chunks.slice(0, count))
      const { records } = await bench.readWell({ positions })
      const readings = await readParts(bench, await planOf(bench, { partBytes, positions }))
      failOn(readings)
      const found = readings.flatMap((reading) => reading.records)
      const when = `${inPartsOf(partBytes)}, planned ${afterChunks(whole.chunks, count)}`
      checkYield(found, records.flat(), bench.declaration.repeats, when)
    }
  }
}

const MAX_PLANS = 8

/** A part ends where it was planned; what came later is left for a later reading. */
export async function dividesBeforeAppended<Input extends SourceInput>(
  bench: Bench<Input>,
  append: (input: Input) => Promise<readonly JsonObject[]>,
): Promise<void> {
  const { repeats } = bench.declaration
  const [partBytes] = await sizes(bench)
  if (partBytes === undefined) return
  const parts = await planOf(bench, { partBytes })
  const added = (await append(bench.input)).map(canonical)
  const readings = await readParts(bench, parts)
  failOn(readings)
  const found = readings.flatMap((reading) => reading.records)
  checkYield(found, bench.expected, repeats, 'in parts of an input that has grown since they were planned')
  const positions = await positionsAfterParts(bench, parts, readings)
  const { records } = await bench.readWell({ positions })
  checkYield(records.flat(), added, repeats, 'by a reading after the parts of an input that has grown')
}

/** A part of an input that is another one now fails. It never yields other records than were planned. */
export async function noticesChanges<Input extends SourceInput>(
  bench: Bench<Input>,
  how: string,
  change: (input: Input) => Promise<unknown>,
): Promise<void> {
  const plans = await Promise.all((await sizes(bench)).map((partBytes) => planOf(bench, { partBytes })))
  const planned = await Promise.all(plans.map((parts) => readParts(bench, parts)))
  await change(bench.input)
  for (const [number, parts] of plans.entries()) {
    const readings = await readParts(bench, parts)
    await checkTogether(bench, parts, readings)
    for (const [at, { records, error }] of readings.entries()) {
      const wanted = new Set(planned[number]?.[at]?.records)
      const others = records.filter((record) => !wanted.has(record))
      assert.deepEqual(others, [], `part ${at} of an input that was ${how} yields records that were not planned`)
      if (error === undefined) {
        assert.equal(
          records.length,
          wanted.size,
          `part ${at} of an input that was ${how} lacks records, without an error`,
        )
      } else {
        const what = `reading a part of an input that was ${how} threw ${nameOf(error)}`
        assert.ok(error instanceof SluiceError, `${what}, which is not a SluiceError`)
        assert.ok(!error.retryable, `${what}, which is retried without end`)
      }
    }
  }
}

/** Planning and reading of parts end when the signal aborts. */
export async function abortsParts<Input extends SourceInput>(bench: Bench<Input>): Promise<void> {
  const [partBytes] = await sizes(bench)
  if (partBytes === undefined) return
  const parts = await planOf(bench, { partBytes: 1 << 30 })
  if (parts.length === 0) return
  for (const wait of ABORT_AFTER) {
    const reading = (signal: AbortSignal, source: Divisible) => chunksOf(source, parts, signal)
    await abortOnce(bench, wait, 'reading parts', reading)
    await abortOnce(bench, wait, 'planning', (signal, source) => source.parts(partsOptions({ partBytes, signal })))
  }
}

async function* chunksOf(source: Divisible, parts: readonly SourcePart[], signal: AbortSignal): AsyncGenerator<Chunk> {
  for await (const chunks of source.readParts(parts, readOptions({ signal }))) {
    yield* chunks
    if (signal.aborted) return
  }
}

async function abortOnce<Input extends SourceInput>(
  bench: Bench<Input>,
  wait: number,
  what: string,
  start: (signal: AbortSignal, source: Divisible) => AsyncIterable<unknown>,
): Promise<void> {
  const stop = new AbortController()
  const source = await divisible(bench)
  if (source === undefined) return
  const end = untilEnd(start(stop.signal, source))
  await turns(wait)
  stop.abort(new Error('the run ends'))
  const when = `${what} that was aborted after ${wait} turns of the event loop`
  const error = await withoutHanging(when, end, ABORT_MS)
  if (error === undefined || isAbort(error, stop.signal)) return
  assert.fail(`${when} threw ${nameOf(error)}, which is neither the reason nor an AbortError`)
}

async function untilEnd(items: AsyncIterable<unknown>): Promise<unknown> {
  try {
    for await (const _item of items);
    return undefined
  } catch (error) {
    return error
  }
}
