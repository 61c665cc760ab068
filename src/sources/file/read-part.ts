import type { FileHandle } from 'node:fs/promises'
import type { ReadOptions, ReadPart, SourcePart } from '../../component.ts'
import { detectCompression } from '../../compression/detect.ts'
import type { Compression } from '../../compression/detect.ts'
import { Damage, inflate } from '../../compression/inflate.ts'
import type { Chunk } from '../../record/chunk.ts'
import type { SplitOptions } from '../content/create-splitter.ts'
import type { Ending } from '../content/split-content.ts'
import type { Json } from '../../record/json/json.ts'
import type { ContentPosition } from '../content/position.ts'
import { startOf } from '../content/position.ts'
import { ChunkReader } from './chunk-reader.ts'
import { fileError } from './file-error.ts'
import { fileChanged, checkHead, inspectFile, openFile } from './opened-file.ts'
import { detailOf, isRange, tailDigest } from './part-detail.ts'
import type { PartDetail } from './part-detail.ts'
import { fingerprint, isFilePosition } from './position.ts'
import type { FilePosition } from './position.ts'
import { readOpened } from './read-input.ts'
import { readOrFail } from './read-or-fail.ts'
import { findRenamed } from './rotated-files.ts'

interface PartOptions extends Pick<SplitOptions, 'format' | 'records'> {
  readonly reader: ChunkReader
  /** Source partitions whose stray bytes were logged. */
  readonly strayLogged: Set<string>
}

/**
 * Reads a part of a file as the serial reading would. Damage in a whole file is reported as there; of
 * a range it is thrown, because a position can leave out nothing in the middle of a file.
 */
export async function* readFilePart(
  part: SourcePart,
  content: PartOptions,
  options: ReadOptions,
): AsyncGenerator<Chunk, void> {
  const detail = detailOf(part)
  const read = () => readPlanned(part, detail, content, options)
  if (isRange(detail)) {
    yield* read()
    return
  }
  const { signal, inputFailed: fail } = options
  const input = { key: part.partition, name: part.input, kind: 'file', bytes: detail.size } as const
  yield* readOrFail(input, read, { position: () => detail.from, signal, fail })
}

async function* readPlanned(
  { partition, input }: SourcePart,
  detail: PartDetail,
  content: PartOptions,
  options: ReadOptions,
): AsyncGenerator<Chunk, void> {
  const { from, start = startOf(from) } = detail
  const { file, name, key, head, bytes, compression } = await openPlanned(partition, input, detail)
  // What was added to a compressed file that was cut short repairs it.
  const isRepaired =
    compression !== undefined &&
    !isRange(detail) &&
    bytes > detail.size &&
    !(await isComplete(file, detail.size, compression))
  const { size, end } = isRepaired ? { size: bytes, end: bytes } : detail
  try {
    const isLast = end === size
    const ending: Ending = !isLast || options.final === true ? 'final' : 'unknown'
    const { final = false, maxLine, note, signal } = options
    if (final && isLast && compression === undefined && (await file.stat()).size > size)
      throw fileChanged(name, 'it has grown although --final says that it is complete', isRange(detail))
    const isChecked = start > 0 || compression === undefined
    if (start === 0 && isChecked) await checkHead(file, head, ending, { name, compression, format: content.format })
    const place: ContentPosition | undefined = detail.start === undefined ? from : lineStart(start)
    const extent = { from: place, end, linesFrom: from === undefined ? start : 0, isChecked }
    const reading = { ...content, ending, maxLine, note, signal }
    let position: Json | undefined
    for await (const chunk of readOpened({ file, name, partition, bytes: size, head, compression }, extent, reading)) {
      position = chunk.position ?? position
      yield chunk
    }
    // A copy took the place of the file: the next run looks for the position under its own identity.
    if (key !== partition && position !== undefined && !isRange(detail))
      yield { partition: key, position, sourceBytes: 0 }
  } finally {
    await file.close()
  }
}

/** Whether the first bytes of a file are complete compressed data. */
async function isComplete(file: FileHandle, bytes: number, compression: Compression): Promise<boolean> {
  try {
    for await (const _ of inflate(
      new ChunkReader().read(file, 0, () => {}, bytes),
      compression,
    ));
    return true
  } catch (error) {
    if (error instanceof Damage) return false
    throw error
  }
}

function lineStart(offset: number): ContentPosition {
  return { format: 'ndjson', offset, line: 0, open: false }
}

interface PlannedFile {
  readonly file: FileHandle
  readonly name: string
  /** See `fileKey`. */
  readonly key: string
  /** Its size now. */
  readonly bytes: number
  /** Its first bytes, as many as the plan knows. */
  readonly head: Buffer
  readonly compression: Compression | undefined
}

/** Opens the file of a part, also if a log rotation has renamed it. */
async function openPlanned(partition: string, input: string, detail: PartDetail): Promise<PlannedFile> {
  try {
    return await openAs(input, detail)
  } catch (error) {
    const renamed = await findRenamed({ key: partition, name: input })
    if (renamed === undefined || renamed.name === input) throw error
    return openAs(renamed.name, detail)
  }
}

async function openAs(name: string, detail: PartDetail): Promise<PlannedFile> {
  const file = await openFile(name)
  try {
    const { partition: key, bytes, head: now } = await inspectFile(file, name)
    const head = now.subarray(0, detail.headBytes)
    if (bytes < detail.size) throw fileChanged(name, `it had ${detail.size} bytes, and has ${bytes}`, isRange(detail))
    if (fingerprint(head).head !== detail.head || (await tailDigest(file, detail.end)) !== detail.tail)
      throw fileChanged(name, 'it has other content', isRange(detail))
    return { file, name, key, bytes, head, compression: detectCompression(head, name) }
  } catch (error) {
    await file.close()
    throw fileError(error, name)
  }
}

/**
 * The position of a file after its parts. Lines of a range are counted from its start, so their
 * numbers are added up.
 */
export function positionAfterParts(parts: Iterable<ReadPart>): FilePosition | undefined {
  let position: FilePosition | undefined
  for (const { end } of parts) {
    if (!isFilePosition(end)) break
    position = { ...end, line: (position?.line ?? 0) + end.line }
  }
  return position
}
