import assert from 'node:assert/strict'
import type { Chunk, ReadOptions, Source, SourceDeclaration } from '../component.ts'
import type { Json, JsonObject } from '../record/json/json.ts'
import { configure, contextOf } from './configure.ts'
import { canonical, shorten, withoutHanging } from './contract-case.ts'

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

/** Resuming is tried at no more positions than this, evenly spread over the input. */
const MAX_POSITIONS = 50

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
  readonly maxLine?: number
  readonly tenants?: ReadonlySet<string>
  onChunk?(reading: Reading): void | Promise<void>
}

/** A source under test, with its input. */
export class Bench<Input extends SourceInput> {
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

  /** The source partitions that the source can be divided by. */
  async tenants(): Promise<readonly string[]> {
    const config = await configure(this.declaration, this.input.config)
    return this.declaration.tenants?.(config) ?? []
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

export function readOptions({
  positions,
  follow = false,
  signal = NEVER,
  maxLine = 1 << 20,
  tenants,
}: ReadingOptions): ReadOptions {
  return {
    // As the state gives it back: through JSON, and not the object that was yielded.
    position: (partition = '') => jsonCopy(positions?.get(partition)),
    signal,
    follow,
    maxLine,
    tenants,
    note: () => undefined,
    inputFailed: ({ error }) => {
      throw error
    },
  }
}

const NEVER = new AbortController().signal

export function checkChunk(chunk: Chunk): void {
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

export function recordsOf({ bytes, records = [] }: Chunk): string[] {
  if (bytes === undefined) return records.map(canonical)
  const lines = bytes.toString().split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.filter((line) => line.trim() !== '').map((line) => canonical(JSON.parse(line)))
}

/** As the state gives it back. */
export function jsonCopy(value: Json | undefined): Json | undefined {
  if (value === undefined) return undefined
  const copy: Json = JSON.parse(JSON.stringify(value))
  return copy
}

/** For messages: a number of chunks, and the position after them. */
export function afterChunks(chunks: readonly Chunk[], count: number): string {
  const position = JSON.stringify(chunks[count - 1]?.position)
  const at = position === undefined ? '' : ` (position ${shorten([position])})`
  return `after ${count} ${count === 1 ? 'chunk' : 'chunks'}${at}`
}

/** The positions that are committed with a number of chunks. */
export function positionsAfter(chunks: readonly Chunk[]): Map<string, Json> {
  const positions = new Map<string, Json>()
  for (const { partition = '', position } of chunks) if (position !== undefined) positions.set(partition, position)
  return positions
}

/** Numbers of chunks after which to resume: all of them, or a spread of them. */
export function resumePoints(chunks: readonly Chunk[]): number[] {
  const points = Array.from({ length: chunks.length + 1 }, (_, count) => count)
  const step = Math.max(1, Math.ceil(points.length / MAX_POSITIONS))
  return points.filter((count) => count % step === 0 || count === chunks.length)
}

/**
 * Checks what a reading yielded. A source that repeats may yield more than the missing records,
 * never less.
 */
export function checkYield(found: readonly string[], wanted: readonly string[], repeats: boolean, when: string): void {
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
