import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { ReadOptions } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import { SluiceError } from '../../errors.ts'
import { detectCompression, MAGIC_BYTES } from '../../compression/detect.ts'
import { inflate } from '../../compression/inflate.ts'
import { ArraySplitter } from '../../record/lines/array-splitter.ts'
import { LineSplitter } from '../../record/lines/line-splitter.ts'
import type { Json } from '../../record/json/json.ts'
import type { Boundary, LineChunk, Splitter } from '../../record/lines/splitter.ts'
import { openStream, peek } from './chunk-reader.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { fileError } from './file-error.ts'
import { DetectingSplitter } from './detecting-splitter.ts'
import type { InputFormat } from './detecting-splitter.ts'
import { inflateAgain } from './inflate-again.ts'
import { fileKey } from './inputs.ts'
import type { FileInput } from './inputs.ts'
import { fingerprint, HEAD_BYTES, matchPosition } from './position.ts'
import type { FilePosition } from './position.ts'
import { splitContent } from './split-content.ts'

export interface InputOptions extends Pick<ReadOptions, 'maxLine' | 'signal' | 'note'> {
  readonly format: InputFormat | 'auto'
  readonly reader: ChunkReader
  /**
   * The input may still grow: an incomplete end is not an error, and a last line without a line
   * feed is left for later.
   */
  readonly growing: boolean
  /** Size of each file before it was last read to its end, by source partition. */
  readonly sizesRead: Map<string, number>
  position(partition: string): Json | undefined
}

/**
 * Reads a regular file from its committed position, if that belongs to the same file. The position
 * of the last chunk is `done`.
 */
export async function* readFile({ name }: FileInput, options: InputOptions): AsyncGenerator<Chunk, void> {
  const file = await open(name).catch((error: unknown) => {
    throw fileError(error, name)
  })
  try {
    const { partition, bytes, head } = await inspect(file, name)
    const from = resume(options.position(partition), { name, bytes, head }, options)
    if (bytes === 0 || options.sizesRead.get(partition) === bytes || (from?.bytes === bytes && from.done)) return
    refuseUtf16(head, name)

    const compression = detectCompression(head, name)
    let sourceOffset = 0
    const read = (start: number) => {
      sourceOffset = start
      return options.reader.read(file, start, (count) => {
        sourceOffset += count
      })
    }
    const start = from?.offset ?? 0
    const content = compression === undefined ? read(start) : inflateAgain(() => read(0), compression, start)
    let reported = compression === undefined ? start : 0

    const identity = fingerprint(head)
    const { splitter, format } = createSplitter(name, options, from)
    for await (const { lines, last } of splitContent(content, splitter, { name, compression, ...options })) {
      const position: FilePosition = {
        ...identity,
        bytes: Math.max(bytes, sourceOffset),
        format: format(),
        ...lines.boundary,
        done: last,
      }
      yield { ...chunkOf(lines, partition, name), position, sourceBytes: Math.max(0, sourceOffset - reported) }
      reported = Math.max(reported, sourceOffset)
    }
    options.sizesRead.set(partition, bytes)
  } finally {
    await file.close()
  }
}

/** Reads standard input or a pipe from its start, without positions. */
export async function* readStream({ name }: FileInput, options: InputOptions): AsyncGenerator<Chunk, void> {
  const stream = openStream(name, options.signal)
  try {
    const { head, chunks } = await peek(stream as AsyncIterable<Buffer>, MAGIC_BYTES).catch((error: unknown) => {
      throw fileError(error, name)
    })
    refuseUtf16(head, name)
    const compression = detectCompression(head, name)
    let sourceBytes = 0
    const counted = countBytes(chunks, (count) => {
      sourceBytes += count
    })
    const content = compression === undefined ? counted : inflate(counted, compression)
    const { splitter } = createSplitter(name, options)
    for await (const { lines } of splitContent(content, splitter, { name, compression, ...options, growing: false })) {
      yield { ...chunkOf(lines, name, name), sourceBytes }
      sourceBytes = 0
    }
  } finally {
    stream.destroy()
  }
}

function chunkOf(lines: LineChunk, partition: string, name: string): Chunk {
  const { bytes, line, skipped } = lines
  return {
    partition,
    origin: { name, line },
    ...(bytes.length > 0 && { bytes }),
    ...(skipped.length > 0 && { skipped }),
  }
}

async function inspect(file: FileHandle, name: string): Promise<{ partition: string; bytes: number; head: Buffer }> {
  try {
    const stats = await file.stat({ bigint: true })
    const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0)
    return { partition: fileKey(stats), bytes: Number(stats.size), head: buffer.subarray(0, bytesRead) }
  } catch (error) {
    throw fileError(error, name)
  }
}

function resume(
  saved: Json | undefined,
  { name, bytes, head }: { readonly name: string; readonly bytes: number; readonly head: Buffer },
  { format, note }: InputOptions,
): FilePosition | undefined {
  if (saved === undefined) return undefined
  const position = matchPosition(saved, head, bytes)
  if (position === undefined) note('the file was replaced or truncated: reading it from its start', { file: name })
  else if (format === 'auto' || format === position.format) return position
  else note('the format has changed: reading the file from its start', { file: name, format })
  return undefined
}

function createSplitter(
  name: string,
  { format, maxLine }: InputOptions,
  from?: FilePosition,
): { splitter: Splitter; format: () => InputFormat } {
  let known = from?.format ?? (format === 'auto' ? undefined : format)
  const create = (found: InputFormat): Splitter => {
    known = found
    const options: { name: string; maxLine: number; from?: Boundary } = {
      name: `"${name}"`,
      maxLine,
      ...(from && { from }),
    }
    return found === 'ndjson' ? new LineSplitter(options) : new ArraySplitter(options)
  }
  const splitter = known === undefined ? new DetectingSplitter(maxLine, create) : create(known)
  return { splitter, format: () => known ?? 'ndjson' }
}

/** Windows PowerShell writes UTF-16 by default. Every line of it would be rejected. */
function refuseUtf16(head: Buffer, name: string): void {
  if (head.length < 2 || (head.readUInt16BE() !== 0xfffe && head.readUInt16BE() !== 0xfeff)) return
  throw new SluiceError('INPUT_CORRUPT', `"${name}" is UTF-16, but JSON must be UTF-8`, {
    hint: 'convert it with iconv -f UTF-16 -t UTF-8, or write it with Out-File -Encoding utf8',
  })
}

async function* countBytes(chunks: AsyncIterable<Buffer>, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(chunk.length)
    yield chunk
  }
}
