import type { FileHandle } from 'node:fs/promises'
import type { ReadOptions } from '../../component.ts'
import type { Chunk } from '../../record/chunk.ts'
import { detectCompression, MAGIC_BYTES } from '../../compression/detect.ts'
import type { Compression } from '../../compression/detect.ts'
import { inflate } from '../../compression/inflate.ts'
import type { Json } from '../../record/json/json.ts'
import type { Boundary, StrayBytes } from '../../record/lines/splitter.ts'
import { createSplitter } from '../content/create-splitter.ts'
import type { SplitOptions } from '../content/create-splitter.ts'
import { startOf } from '../content/position.ts'
import type { ContentPosition } from '../content/position.ts'
import { chunkOf, noteStray, readContent } from '../content/read-content.ts'
import { checkStart } from '../content/refuse-foreign.ts'
import { splitContent } from '../content/split-content.ts'
import type { Ending } from '../content/split-content.ts'
import { openStream, peek } from './chunk-reader.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { fileError } from './file-error.ts'
import type { FileInput } from './inputs.ts'
import { fileChanged, checkHead, inspectFile, openFile, resume } from './opened-file.ts'
import { fingerprint } from './position.ts'
import type { FilePosition } from './position.ts'
import type { Note } from '../../observe/messages/table.ts'

export interface InputOptions extends SplitOptions, Pick<ReadOptions, 'signal'> {
  readonly note: Note
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
    const { partition, bytes, head, version } = await inspectFile(file, name)
    const from = resume(options.position(partition), { name, bytes, head }, options)
    if (bytes === 0 || options.versionsRead.get(partition) === version || (from?.bytes === bytes && from.done)) return

    const compression = detectCompression(head, name)
    const isChecked = startOf(from) === 0 && compression === undefined
    if (isChecked) await checkHead(file, head, options.ending, { name, compression, format: options.format })
    yield* readOpened({ file, name, partition, bytes, head, compression }, { from, isChecked }, options)
    options.versionsRead.set(partition, version)
  } finally {
    await file.close()
  }
}

interface OpenedFile {
  readonly file: FileHandle
  readonly name: string
  readonly partition: string
  readonly bytes: number
  /** Its first bytes. */
  readonly head: Buffer
  readonly compression: Compression | undefined
}

/** What is read of a file. */
interface Extent {
  /** Undefined: from the start. */
  readonly from: ContentPosition | undefined
  /** Bytes of the file before the end; default: the file's end when it is reached. */
  readonly end?: number
  /** Bytes before the place from which lines are counted. Default: 0. */
  readonly linesFrom?: number
  readonly isChecked: boolean
}

/** Reads an open file. The position of the last chunk is `done` if nothing is left in the file. */
export async function* readOpened(
  { file, name, partition, bytes, head, compression }: OpenedFile,
  { from, end, linesFrom = 0, isChecked }: Extent,
  options: Omit<InputOptions, 'position' | 'versionsRead'>,
): AsyncGenerator<Chunk, void> {
  let sourceOffset = 0
  const count = (read: number): void => {
    sourceOffset += read
  }
  const read = (start: number) => {
    sourceOffset = start
    return options.reader.read(file, start, count, end)
  }
  let reported = compression === undefined ? startOf(from) : 0

  // Bytes that were not read yet may change: a writer fills space that it reserved.
  const identity = fingerprint(head)
  const identityAt = (offset: number) =>
    compression !== undefined || offset >= head.length ? identity : fingerprint(head.subarray(0, offset))
  const origin = linesFrom === 0 ? name : `${name} from byte ${linesFrom}`
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
      done: last && (end === undefined || end === bytes),
    }
    if (unfinished) noteUnfinished(options.note, name, lines.boundary, linesFrom)
    yield {
      ...chunkOf(lines, partition, origin),
      ...(position && { position }),
      ...(unfinished && { unfinished }),
      sourceBytes: Math.max(0, sourceOffset - reported),
    }
    reported = Math.max(reported, sourceOffset)
  }
  if (end !== undefined && sourceOffset < end && !options.signal.aborted) throw fileChanged(name, 'it became shorter')
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

function noteUnfinished(note: Note, name: string, { offset, line }: Boundary, linesFrom: number): void {
  note('file.unfinished', { file: name, byte: offset, line: linesFrom === 0 ? line + 1 : undefined })
}

function noteStrayOnce(
  stray: StrayBytes,
  name: string,
  partition: string,
  options: Pick<InputOptions, 'note' | 'strayLogged'>,
): void {
  if ((stray.nulBytes === 0 && stray.orderMarks === 0) || options.strayLogged.has(partition)) return
  options.strayLogged.add(partition)
  noteStray(options.note, { file: name }, stray)
}

async function* countBytes(chunks: AsyncIterable<Buffer>, count: (bytes: number) => void): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    count(chunk.length)
    yield chunk
  }
}
