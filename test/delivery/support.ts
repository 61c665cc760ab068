import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { TestContext } from 'node:test'
import zlib from 'node:zlib'
import { openCommit } from '../../src/delivery/open-commit.ts'
import type { CommitOptions, ObjectTarget } from '../../src/delivery/commit-options.ts'
import type { Commit } from '../../src/delivery/delivery.ts'
import type { Chunk } from '../../src/record/chunk.ts'
import type { Batch, End } from '../../src/record/batch.ts'
import { endBatch, openBatches } from '../../src/record/open-batches.ts'
import type { JsonObject } from '../../src/record/json/json.ts'
import { Paths } from '../../src/record/paths/path.ts'
import { defaultLimits } from '../../src/record/scan.ts'
import fileSink from '../../src/sinks/file.ts'
import dedup from '../../src/transforms/dedup.ts'
import { ONLY_SINK, REJECTS } from '../../src/delivery/state/rows.ts'
import { outbox, roll } from '../support/object-options.ts'

/** The real file sink, with the defaults of its fields. */
export async function fileTarget(path: string, changes: Partial<ObjectTarget> = {}): Promise<ObjectTarget> {
  const config = { path, access: 'owner', key: '{pipeline}', compression: 'gzip', roll, outbox } as const
  const sink = await fileSink.create(config, { pipeline: 'events', stage: 'file', folder: path })
  if ('write' in sink) throw new Error('the file sink delivers objects')
  return { name: ONLY_SINK, stage: 'file', type: 'file', sink, ...config, ...changes }
}

export const rollWith = (changes: Partial<typeof roll>): typeof roll => ({ ...roll, ...changes })

export interface Setup extends Partial<Omit<CommitOptions, 'rejects'>> {
  /** Holds the state and, in `out`, the objects. */
  readonly base: string
  readonly sink?: Partial<ObjectTarget>
  readonly rejects?: ObjectTarget
}

/** A commit for the pipeline `events`, with objects in `<base>/out`; closed when the test ends. */
export async function openEvents(test: TestContext, { base, sink, ...options }: Setup): Promise<Commit> {
  const commit = await openCommit({
    folder: join(base, 'state', 'events'),
    pipeline: 'events',
    keys: {},
    paths: new Paths(),
    note: () => undefined,
    drainTimeouts: { done: 2000, interrupted: 2000 },
    connectTimeout: 3000,
    sinks: [await fileTarget(join(base, 'out'), sink)],
    ...options,
    rejects: options.rejects && { ...options.rejects, name: REJECTS },
  })
  test.after(() => commit.close())
  return commit
}

/**
 * A stream of batches as the runtime makes it: chunks are numbered when they are ingested, and pass
 * a `dedup` stage.
 */
export interface StreamOptions {
  readonly commit: Commit
  readonly chunks: Iterable<Chunk> | AsyncIterable<Chunk>
  readonly end?: End
  readonly paths?: Paths
  /** Fields of the key; without them there is no `dedup`. */
  readonly dedupKey?: readonly string[]
  readonly dedupTime?: string
  /** Called for each batch, in place of further stages. */
  readonly stage?: (batch: Batch) => Batch | readonly Batch[]
}

export async function stream(options: StreamOptions): Promise<void> {
  const batches = Readable.from(batchesOf(options), { objectMode: true, highWaterMark: 1 })
  await pipeline(batches, options.commit.writable())
}

async function* batchesOf(options: StreamOptions): AsyncGenerator<Batch> {
  const { commit, chunks, end = { kind: 'done' }, paths = new Paths(), dedupKey, dedupTime, stage } = options
  const limits = defaultLimits
  const digester =
    dedupKey &&
    (await dedup.create(
      { key: [...dedupKey], missing: 'reject', memory: 0, ...(dedupTime !== undefined && { time: dedupTime }) },
      {
        pipeline: 'events',
        stage: 'dedup',
        folder: '.',
        paths,
        path: (text) => paths.add(text),
        hashKey: commit.hashKey,
      },
    ))
  const numbers = new Map<string, number>()
  for await (const chunk of chunks) {
    const partition = chunk.partition ?? ''
    const number = numbers.get(partition) ?? 0
    numbers.set(partition, number + 1)
    for (const batch of openBatches(chunk, { partition, number, paths, limits })) {
      if (digester && 'batch' in digester) await digester.batch(batch)
      yield* [stage?.(batch) ?? batch].flat()
    }
  }
  yield endBatch(end, { paths, limits })
}

export function lines(...records: readonly JsonObject[]): Buffer {
  return Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''))
}

/** Events with the ids from `from` (included) to `to` (excluded). */
export function events(from: number, to: number): JsonObject[] {
  return Array.from({ length: to - from }, (_, i) => ({ id: from + i, timestamp: '2024-03-04T18:01:26Z' }))
}

/** The text of each object below a folder, by name. */
export async function readObjects(folder: string): Promise<Map<string, string>> {
  const objects = new Map<string, string>()
  const names = await readdir(folder, { recursive: true }).catch((): string[] => [])
  for (const name of names.filter((found) => found.includes('.ndjson')).toSorted()) {
    const bytes = await readFile(join(folder, name))
    objects.set(name, unpack(name, bytes).toString())
  }
  return objects
}

function unpack(name: string, bytes: Buffer): Buffer {
  if (name.endsWith('.gz')) return zlib.gunzipSync(bytes)
  // Node.js 20 has no zstd, nor its types.
  const { zstdDecompressSync }: { zstdDecompressSync?: (bytes: Buffer) => Buffer } = zlib as object
  return name.endsWith('.zst') && zstdDecompressSync ? zstdDecompressSync(bytes) : bytes
}

/** All records below a folder, in the order of the objects' names. */
export async function readRecords(folder: string): Promise<JsonObject[]> {
  const texts = [...(await readObjects(folder)).values()]
  return texts.flatMap((text) => text.split('\n').filter(Boolean)).map((line): JsonObject => JSON.parse(line))
}

export async function readIds(folder: string): Promise<unknown[]> {
  return (await readRecords(folder)).map(({ id }) => id)
}
