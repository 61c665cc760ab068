import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import type { Chunk, ReadOptions, Source, SourceDeclaration, SourcePart } from '../../../src/component.ts'
import { SluiceError } from '../../../src/errors.ts'
import type { Json } from '../../../src/record/json/json.ts'
import s3 from '../../../src/sources/s3.ts'
import { configure, contextOf } from '../../../src/testing/configure.ts'
import type { S3Server, S3ServerOptions } from '../../servers/s3.ts'
import { startBucketServer } from '../../support/bucket-server.ts'
import { readOptions } from '../../support/read-options.ts'
import { noteTo } from '../../support/notes.ts'

export const BUCKET = 'logs'

/** See `startBucketServer`. */
export function startBucket(test: TestContext, options?: S3ServerOptions): Promise<S3Server> {
  return startBucketServer(test, BUCKET, options)
}

/** Configuration as in a pipeline file. */
export interface BucketConfig {
  readonly path?: string | readonly string[]
  readonly [option: string]: unknown
}

export async function openSource(server: S3Server, config: BucketConfig = {}): Promise<Source> {
  const where = { endpoint: server.endpoint, region: server.region, forcePathStyle: true }
  const declaration: SourceDeclaration = s3
  const checked = await configure(s3, { path: `s3://${BUCKET}/`, ...where, ...config })
  return declaration.create(checked, contextOf(s3))
}

export interface Reading {
  readonly lines: string[]
  readonly notes: string[]
  /** Inputs that failed, with `keepGoing`. */
  readonly failures: string[]
  /** After the chunks that were read: for the next reading. */
  readonly positions: Map<string, Json>
  error: SluiceError | undefined
}

export interface ReadingOptions extends Partial<Pick<ReadOptions, 'signal' | 'follow' | 'maxLine'>> {
  readonly positions?: ReadonlyMap<string, Json>
  readonly keepGoing?: boolean
  readonly onLines?: (lines: readonly string[]) => void | Promise<void>
  readonly onChunk?: (chunk: Chunk, reading: Reading) => void | Promise<void>
}

/** Reads like a run: what was yielded is committed. Errors of other kinds are thrown. */
export async function readBucket(
  server: S3Server,
  config: BucketConfig = {},
  options: ReadingOptions = {},
): Promise<Reading> {
  const source = await openSource(server, config)
  return collect(options, async (own, take) => {
    for await (const chunk of source.read(own)) {
      const position = await take(chunk)
      if (position !== undefined) own.commit(chunk.partition, position)
    }
  })
}

/** The parts of a plan, as they are stored: after a round trip through JSON. */
export async function planBucket(
  server: S3Server,
  config: BucketConfig = {},
  { partBytes = 1 << 27, ...options }: ReadingOptions & { readonly partBytes?: number } = {},
): Promise<SourcePart[]> {
  const parts: SourcePart[] = []
  const source = await openSource(server, config)
  await collect(options, async (own) => {
    for await (const part of source.parts?.({ ...own, final: false, partBytes }) ?? []) parts.push(part)
  })
  return JSON.parse(JSON.stringify(parts))
}

/** Reads parts like an execution of a shard that has all of them, of one path. */
export async function readBucketParts(
  server: S3Server,
  parts: readonly SourcePart[],
  config: BucketConfig = {},
  options: ReadingOptions = {},
): Promise<Reading> {
  const source = await openSource(server, config)
  return collect(options, async (own, take) => {
    const ends: (Json | undefined)[] = []
    for await (const chunks of source.readParts?.(parts, { ...own, position: () => undefined }) ?? []) {
      const at = ends.push(undefined) - 1
      for await (const chunk of chunks) ends[at] = (await take(chunk)) ?? ends[at]
    }
    assert.equal(ends.length, parts.length)
    const after = source.positionAfter?.(parts.map((part, at) => ({ part, end: ends[at] })))
    if (after !== undefined) own.commit(parts[0]?.partition, after)
  })
}

/** @returns the position of the chunk */
type Take = (chunk: Chunk) => Promise<Json | undefined>
type OwnOptions = ReadOptions & { commit(partition: string | undefined, position: Json): void }

async function collect(
  { positions = new Map<string, Json>(), keepGoing = false, onLines, onChunk, ...options }: ReadingOptions,
  read: (options: OwnOptions, take: Take) => Promise<void>,
): Promise<Reading> {
  const reading: Reading = { lines: [], notes: [], failures: [], positions: new Map(positions), error: undefined }
  const own = {
    ...readOptions({
      ...options,
      position: (partition = '') => positions.get(partition),
      note: noteTo(({ message, facts }) => reading.notes.push(`${message} ${JSON.stringify(facts)}`)),
      inputFailed({ input, error }) {
        if (!keepGoing) throw error
        reading.failures.push(`${input}: ${error.code}`)
      },
    }),
    commit: (partition = '', position: Json) => void reading.positions.set(partition, copyOf(position)),
  }
  const take: Take = async (chunk) => {
    const { bytes, position } = chunk
    const text = bytes?.toString() ?? ''
    reading.lines.push(...text.split('\n').filter((line) => line !== ''))
    await onChunk?.(chunk, reading)
    if (bytes !== undefined) await onLines?.(reading.lines)
    return position
  }
  try {
    await read(own, take)
  } catch (error) {
    if (!(error instanceof SluiceError)) throw error
    reading.error = error
  }
  return reading
}

function copyOf(position: Json): Json {
  return JSON.parse(JSON.stringify(position))
}

/** Lines of NDJSON, each different from those of another name. */
export function ndjson(name: string, count = 1): string {
  return Array.from({ length: count }, (_, at) => `{"of":"${name}","n":${at}}\n`).join('')
}

/** Values of `of`, in the order of the lines, each named once. */
export function namesOf(lines: readonly string[]): string[] {
  return [
    ...new Set(
      lines.map((line) => {
        const { of }: { readonly of: string } = JSON.parse(line)
        return of
      }),
    ),
  ]
}

/** A URL parameter of the lists that were requested. */
export function listsOf(server: S3Server, parameter: string): (string | undefined)[] {
  return server.requests
    .filter(({ operation }) => operation === 'ListObjectsV2')
    .map(({ query }) => query.find(([name]) => name === parameter)?.[1])
}
