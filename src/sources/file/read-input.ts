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
import { openStream, peek } from './chunks.ts'
import type { ChunkReader } from './chunks.ts'
import { fileError } from './file-error.ts'
import { DetectingSplitter } from './format.ts'
import type { Format } from './format.ts'
import { inflateAgain } from './inflate-again.ts'
import { fileKey } from './inputs.ts'
import type { Input } from './inputs.ts'
import { fingerprint, HEAD_BYTES, matchPosition } from './position.ts'
import type { FilePosition } from './position.ts'
import { splitContent } from './split-content.ts'

export interface InputOptions extends Pick<ReadOptions, 'maxLine' | 'signal' | 'note'> {
  readonly format: Format | 'auto'
  readonly reader: ChunkReader
  /**
   * The input may still be written: an end in the midst of something is no damage, and a last line counts only when it has its line feed.
   */
  readonly growing: boolean
  /** Size of each file that was read to its end, by partition, when that began. */
  readonly seen: Map<string, number>
  position(partition: string): Json | undefined
}

/** A regular file, from where an earlier run left it, if it is the same file. Its position is `done` in the last chunk. */
export async function* readFile({ name }: Input, options: InputOptions): AsyncGenerator<Chunk, void> {
  const file = await open(name).catch((error: unknown) => {
    throw fileError(error, name)
  })
  try {
    const { partition, bytes, head } = await look(file, name)
    const from = resume(options.position(partition), { name, bytes, head }, options)
    if (bytes === 0 || options.seen.get(partition) === bytes || (from?.bytes === bytes && from.done)) return
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

    const mark = fingerprint(head)
    const { splitter, format } = createSplitter(name, options, from)
    for await (const { run, last } of splitContent(content, splitter, { name, compression, ...options })) {
      const position: FilePosition = {
        ...mark,
        bytes: Math.max(bytes, sourceOffset),
        format: format(),
        ...run.boundary,
        done: last,
      }
      yield { ...chunkOf(run, partition, name), position, sourceBytes: Math.max(0, sourceOffset - reported) }
      reported = Math.max(reported, sourceOffset)
    }
    options.seen.set(partition, bytes)
  } finally {
    await file.close()
  }
}

/** Standard input or a pipe: from its start, and without positions. */
export async function* readStream({ name }: Input, options: InputOptions): AsyncGenerator<Chunk, void> {
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
    for await (const { run } of splitContent(content, splitter, { name, compression, ...options, growing: false })) {
      yield { ...chunkOf(run, name, name), sourceBytes }
      sourceBytes = 0
    }
  } finally {
    stream.destroy()
  }
}

function chunkOf(run: LineChunk, partition: string, name: string): Chunk {
  const { bytes, line, skipped } = run
  return {
    partition,
    origin: { name, line },
    ...(bytes.length > 0 && { bytes }),
    ...(skipped.length > 0 && { skipped }),
  }
}

async function look(file: FileHandle, name: string): Promise<{ partition: string; bytes: number; head: Buffer }> {
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
  if (position === undefined)
    note('another file stands where one was read before: reading it from its start', { file: name })
  else if (format === 'auto' || format === position.format) return position
  else note('the format is another one than before: reading the file from its start', { file: name, format })
  return undefined
}

function createSplitter(
  name: string,
  { format, maxLine }: InputOptions,
  from?: FilePosition,
): { splitter: Splitter; format: () => Format } {
  let known = from?.format ?? (format === 'auto' ? undefined : format)
  const create = (found: Format): Splitter => {
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

/** What Windows PowerShell writes by default: every line of it would be rejected. */
function refuseUtf16(head: Buffer, name: string): void {
  if (head.length < 2 || (head.readUInt16BE() !== 0xfffe && head.readUInt16BE() !== 0xfeff)) return
  throw new SluiceError('INPUT_CORRUPT', `"${name}" is UTF-16, and JSON is UTF-8`, {
    hint: 'convert it: iconv -f UTF-16 -t UTF-8, or Out-File -Encoding utf8 where it is written',
  })
}

async function* countBytes(chunks: AsyncIterable<Buffer>, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(chunk.length)
    yield chunk
  }
}
