import { readFile } from 'node:fs/promises'
import * as zlib from 'node:zlib'
import type { ReadOptions } from '../../../src/component.ts'
import type { Chunk } from '../../../src/record/chunk.ts'
import type { Json } from '../../../src/record/json/json.ts'
import file from '../../../src/sources/file.ts'
import { fixture } from '../../support/paths.ts'
import { noteTo } from '../../support/notes.ts'
import { readOptions } from '../../support/read-options.ts'

export interface Reading {
  readonly chunks: Chunk[]
  readonly error?: unknown
  readonly notes: string[]
}

export interface ReadingOptions extends Partial<Pick<ReadOptions, 'final' | 'inputFailed' | 'maxLine' | 'signal'>> {
  readonly format?: 'auto' | 'ndjson' | 'array'
  readonly records?: string | string[]
  readonly keyAs?: string
  readonly positions?: ReadonlyMap<string, Json>
}

/** Reads all inputs, like a run. */
export async function read(path: string | string[], options: ReadingOptions = {}): Promise<Reading> {
  const chunks: Chunk[] = []
  const notes: string[] = []
  try {
    for await (const chunk of start(path, options, notes)) chunks.push(chunk)
    return { chunks, notes }
  } catch (error) {
    return { chunks, notes, error }
  }
}

export function start(
  path: string | string[],
  { format = 'auto', records = '$', keyAs, positions, ...options }: ReadingOptions = {},
  notes: string[] = [],
  follow = false,
): AsyncIterable<Chunk> {
  const position = (partition = '') => positions?.get(partition)
  const note = noteTo(({ message }) => notes.push(message))
  return createSource(path, format, records, keyAs).read(readOptions({ ...options, position, follow, note }))
}

export function createSource(
  path: string | string[],
  format: 'auto' | 'ndjson' | 'array' = 'auto',
  records: string | string[] = '$',
  keyAs?: string,
) {
  const source = file.create(
    { path, format, records, ...(keyAs !== undefined && { keyAs }) },
    { pipeline: 'test', stage: 'file', folder: '/' },
  )
  if (source instanceof Promise) throw new Error('the file source is made at once')
  return source
}

/** The last position of each source partition, as committed after these chunks. */
export function positionsOf(chunks: Iterable<Chunk>): Map<string, Json> {
  const positions = new Map<string, Json>()
  for (const { partition = '', position } of chunks) if (position !== undefined) positions.set(partition, position)
  return positions
}

/** The lines of all chunks, without their line feeds. */
export function linesOf(chunks: Iterable<Chunk>): string[] {
  const text = Buffer.concat([...chunks].map(({ bytes }) => bytes ?? Buffer.alloc(0))).toString()
  const lines = text.split('\n')
  if (lines.pop() !== '') throw new Error('the last chunk does not end in a line feed')
  return lines
}

/** One event of each documented kind, compact, in the order of the file. */
export async function sampleEvents(): Promise<string[]> {
  const text = await readFile(fixture('jumpcloud-events.ndjson'), 'utf8')
  return text.trimEnd().split('\n')
}

type Compress = (bytes: Buffer) => Buffer

const zstdCompressSync: Compress | undefined = Reflect.get(zlib, 'zstdCompressSync')

/** Compressions that this Node.js supports, by file ending. */
export const compressions: ReadonlyMap<string, Compress> = new Map<string, Compress>([
  ['', (bytes) => bytes],
  ['.gz', (bytes) => zlib.gzipSync(bytes)],
  ['.br', (bytes) => zlib.brotliCompressSync(bytes)],
  ...(zstdCompressSync === undefined ? [] : [['.zst', zstdCompressSync] as const]),
])
