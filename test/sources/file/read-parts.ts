import type { SourcePart } from '../../../src/component.ts'
import type { Chunk } from '../../../src/record/chunk.ts'
import type { Json } from '../../../src/record/json/json.ts'
import { readOptions } from '../../support/read-options.ts'
import { isFilePosition } from '../../../src/sources/file/position.ts'
import { createSource } from './read-file.ts'
import type { Reading, ReadingOptions } from './read-file.ts'
import { noteTo } from '../../support/notes.ts'

export interface PartsReading extends Reading {
  readonly parts: SourcePart[]
  /** Lines of the file before those that an origin counts. */
  readonly linesBefore: Map<string, number>
  /** The committed positions after all parts. */
  readonly positions: Map<string, Json>
}

interface PartsReadingOptions extends ReadingOptions {
  readonly partBytes: number
  /** Called between the plan and the reading. */
  readonly between?: () => Promise<unknown>
}

/** Plans the inputs, and reads the parts like a parallel backfill with one executor. */
export async function readParts(
  path: string | string[],
  { partBytes, between, ...options }: PartsReadingOptions,
): Promise<PartsReading> {
  const notes: string[] = []
  const parts: SourcePart[] = []
  const chunks: Chunk[] = []
  const positions = new Map<string, Json>(options.positions)
  const linesBefore = new Map<string, number>()
  const reading = { parts, chunks, notes, positions, linesBefore }
  try {
    for await (const part of plan(path, { partBytes, ...options }, notes)) parts.push(part)
    await between?.()
    const ends = new Map<SourcePart, Json | undefined>()
    let lines = 0
    for (const part of parts) {
      for await (const chunk of readPart(path, part, options, notes)) {
        chunks.push(chunk)
        if (chunk.origin?.name.includes(' from byte ')) linesBefore.set(chunk.origin.name, lines)
        if (chunk.position === undefined) continue
        if (chunk.partition === part.partition) ends.set(part, chunk.position)
        else positions.set(chunk.partition ?? '', chunk.position)
      }
      const end = ends.get(part)
      if (isFilePosition(end)) lines += end.line
    }
    const source = sourceOf(path, options)
    for (const partition of new Set(parts.map((part) => part.partition))) {
      const own = parts.filter((part) => part.partition === partition)
      const position = source.positionAfter?.(own.map((part) => ({ part, end: ends.get(part) })))
      if (position !== undefined) positions.set(partition, position)
    }
    return reading
  } catch (error) {
    return { ...reading, error }
  }
}

export function plan(
  path: string | string[],
  { partBytes, positions, ...options }: PartsReadingOptions,
  notes: string[] = [],
): AsyncIterable<SourcePart> {
  const { signal, maxLine, inputFailed } = readOptions(options)
  const found = sourceOf(path, options).parts?.({
    partBytes,
    signal,
    maxLine,
    inputFailed,
    final: options.final ?? false,
    position: (partition = '') => positions?.get(partition),
    note: noteTo(({ message }) => notes.push(message)),
  })
  if (found === undefined) throw new Error('the file source can be divided')
  return found
}

/** The part goes through JSON, as in a plan that is stored. */
export async function* readPart(
  path: string | string[],
  part: SourcePart,
  options: ReadingOptions = {},
  notes: string[] = [],
): AsyncGenerator<Chunk> {
  const stored: SourcePart = JSON.parse(JSON.stringify(part))
  const note = noteTo(({ message }) => notes.push(message))
  const found = sourceOf(path, options).readParts?.(
    [stored],
    readOptions({ ...options, position: () => undefined, follow: false, note }),
  )
  if (found === undefined) throw new Error('the file source can read a part')
  for await (const chunks of found) yield* chunks
}

function sourceOf(path: string | string[], { format, records, keyAs }: ReadingOptions) {
  return createSource(path, format, records, keyAs)
}
