import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import type { ReadOptions } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import { SluiceError } from '../../errors.ts'
import { detectCompression, MAGIC_BYTES } from '../../compression/detect.ts'
import { inflate } from '../../compression/inflate.ts'
import type { Json } from '../../record/json/json.ts'
import type { Boundary, StrayBytes } from '../../record/lines/splitter.ts'
import { createSplitter } from '../content/create-splitter.ts'
import type { SplitOptions } from '../content/create-splitter.ts'
import { startOf, whyNotResumed } from '../content/position.ts'
import { chunkOf, noteStray, readContent } from '../content/read-content.ts'
import { checkStart, refuseForeign, SNIFF_BYTES } from '../content/refuse-foreign.ts'
import { splitContent } from '../content/split-content.ts'
import type { Ending } from '../content/split-content.ts'
import { openStream, peek } from './chunk-reader.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { fileError } from './file-error.ts'
import { fileKey } from './inputs.ts'
import type { FileInput } from './inputs.ts'
import { fingerprint, HEAD_BYTES, matchPosition } from './position.ts'
import type { FilePosition } from './position.ts'

export interface InputOptions extends SplitOptions, Pick<ReadOptions, 'signal' | 'note'> {
  readonly reader: ChunkReader
  /** Of plain files. Nothing is appended to a compressed file or a stream. */
  readonly ending: Ending
  /** Size and time of change of each file before it was last read to its end, by source partition. */
  readonly versionsRead: Map<string, string>
  /** Source partitions whose stray bytes were logged. */
  readonly strayLogged: Set<string>
  position(partition: string): Json | undefined
}

/**
 * Reads a regular file from its committed position, if that belongs to the same file. The position
 * of the last chunk is `done` if nothing is left.
 */
export async function* readFile({ name }: FileInput, options: InputOptions): AsyncGenerator<Chunk, void> {
  const file = await openFile(name)
  try {
    const { partition, bytes, head, version } = await inspect(file, name)
    const from = resume(options.position(partition), { name, bytes, head }, options)
    if (bytes === 0 || options.versionsRead.get(partition) === version || (from?.bytes === bytes && from.done)) return

    const compression = detectCompression(head, name)
    let sourceOffset = 0
    const read = (start: number) => {
      sourceOffset = start
      return options.reader.read(file, start, (count) => {
        sourceOffset += count
      })
    }
    const start = startOf(from)
    const isChecked = start === 0 && compression === undefined
    if (isChecked) await checkHead(file, head, options.ending, { name, compression, format: options.format })
    let reported = compression === undefined ? start : 0

    // Bytes that were not read yet may change: a writer fills space that it reserved.
    const identity = fingerprint(head)
    const identityAt = (offset: number) =>
      compression !== undefined || offset >= head.length ? identity : fingerprint(head.subarray(0, offset))
    const content = { name, compression, from, isChecked, ending: options.ending, read }
    const reading = {
      ...options,
      failure: (error: unknown) => fileError(error, name),
      onStray: (stray: StrayBytes) => noteStrayOnce(stray, name, partition, options),
    }
    for await (const { lines, position: found, last, unfinished = false } of readContent(content, reading)) {
      const position: FilePosition | undefined = found && {
        ...identityAt(lines.boundary.offset),
        bytes: Math.max(bytes, sourceOffset),
        ...found,
        done: last,
      }
      if (unfinished) noteUnfinished(options.note, name, lines.boundary)
      yield {
        ...chunkOf(lines, partition, name),
        ...(position && { position }),
        ...(unfinished && { unfinished }),
        sourceBytes: Math.max(0, sourceOffset - reported),
      }
      reported = Math.max(reported, sourceOffset)
    }
    options.versionsRead.set(partition, version)
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
    const compression = detectCompression(head, name)
    let sourceBytes = 0
    const counted = countBytes(chunks, (count) => {
      sourceBytes += count
    })
    const content = checkStart(compression === undefined ? counted : inflate(counted, compression), {
      name,
      compression,
      format: options.format,
    })
    const { splitter } = await createSplitter(name, options)
    try {
      for await (const { lines } of splitContent(content, splitter, {
        ...options,
        name,
        compression,
        ending: 'final',
        failure: (error) => fileError(error, name),
        idle: IDLE_MS,
      })) {
        yield { ...chunkOf(lines, name, name), sourceBytes }
        sourceBytes = 0
      }
    } finally {
      noteStrayOnce(splitter.stray, name, name, options)
    }
  } finally {
    stream.destroy()
  }
}

/** A writer that pauses for so long may write nothing for hours: its records are passed on. */
const IDLE_MS = 500

function noteUnfinished(note: ReadOptions['note'], name: string, { offset, line }: Boundary): void {
  note('the file ends within a record, which is left for the next run; if the file is complete, read it with --final', {
    file: name,
    byte: offset,
    line: line + 1,
  })
}

function noteStrayOnce(stray: StrayBytes, name: string, partition: string, options: InputOptions): void {
  if ((stray.nulBytes === 0 && stray.orderMarks === 0) || options.strayLogged.has(partition)) return
  options.strayLogged.add(partition)
  noteStray(options.note, { file: name }, stray)
}

/** Opens a regular file. A FIFO that took the name since it was found does not block. */
async function openFile(name: string): Promise<FileHandle> {
  const file = await open(name, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch((error: unknown) => {
    throw fileError(error, name)
  })
  if ((await file.stat()).isFile()) return file
  await file.close()
  throw new SluiceError('FILE_NOT_FOUND', `"${name}" is not a regular file any more`)
}

async function inspect(file: FileHandle, name: string) {
  try {
    const stats = await file.stat({ bigint: true })
    const head = await readHead(file, HEAD_BYTES)
    return { partition: fileKey(stats), bytes: Number(stats.size), head, version: `${stats.size} ${stats.mtimeNs}` }
  } catch (error) {
    throw fileError(error, name)
  }
}

async function readHead(file: FileHandle, bytes: number): Promise<Buffer> {
  const { bytesRead, buffer } = await file.read(Buffer.alloc(bytes), 0, bytes, 0)
  return buffer.subarray(0, bytesRead)
}

/** A file that is followed may begin with lines of text: it is refused for many of them only. */
async function checkHead(
  file: FileHandle,
  head: Buffer,
  ending: Ending,
  start: Parameters<typeof refuseForeign>[2],
): Promise<void> {
  const isWhole = (bytes: number, length: number): boolean => ending !== 'open' && length < bytes
  if (refuseForeign(head, isWhole(HEAD_BYTES, head.length), start) || head.length < HEAD_BYTES) return
  const more = await readHead(file, SNIFF_BYTES).catch((error: unknown) => {
    throw fileError(error, start.name)
  })
  refuseForeign(more, isWhole(SNIFF_BYTES, more.length), start)
}

function resume(
  saved: Json | undefined,
  { name, bytes, head }: { readonly name: string; readonly bytes: number; readonly head: Buffer },
  options: InputOptions,
): FilePosition | undefined {
  if (saved === undefined) return undefined
  const position = matchPosition(saved, head, bytes)
  const changed = position && whyNotResumed(position, options)
  if (position !== undefined && changed === undefined) return position
  const { what = 'the file was replaced or truncated', facts = {} } = changed ?? {}
  options.note(`${what}: reading ${changed === undefined ? 'it' : 'the file'} from its start`, { file: name, ...facts })
  return undefined
}

async function* countBytes(chunks: AsyncIterable<Buffer>, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(chunk.length)
    yield chunk
  }
}
