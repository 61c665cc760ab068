import type { Compression } from '../../compression/detect.ts'
import type { SluiceError } from '../../errors.ts'
import type { Chunk } from '../../record/chunk.ts'
import type { LineChunk, StrayBytes } from '../../record/lines/splitter.ts'
import { createSplitter } from './create-splitter.ts'
import type { SplitOptions } from './create-splitter.ts'
import { inflateAgain } from './inflate-again.ts'
import { contentPosition, startOf } from './position.ts'
import type { ContentPosition } from './position.ts'
import { checkStart } from './refuse-foreign.ts'
import { splitContent } from './split-content.ts'
import type { ContentChunk, Ending } from './split-content.ts'
import type { Note } from '../../observe/messages/table.ts'

/** The stored bytes of an input that can be read from any offset, repeatedly. */
export interface StoredContent {
  readonly name: string
  readonly compression: Compression | undefined
  /** Where reading resumes; undefined: at the start. */
  readonly from: ContentPosition | undefined
  /** True if the first bytes were checked for formats that are not JSON. */
  readonly isChecked?: boolean
  /** Of the content as it is stored. Nothing is appended to compressed content that has ended. */
  readonly ending: Ending
  /** Reads stored bytes from an offset. A chunk is valid until the next one is requested. */
  readonly read: (offset: number) => AsyncIterable<Buffer>
}

interface ContentReading extends SplitOptions {
  readonly signal: AbortSignal
  /** Converts an error of `read`. */
  readonly failure: (error: unknown) => SluiceError
  /** Called once at the end of the reading, if there were bytes that belong to no record. */
  readonly onStray: (stray: StrayBytes) => void
}

interface PositionedChunk extends ContentChunk {
  /** Undefined as long as a position would fix a format that is not detected yet. */
  readonly position: ContentPosition | undefined
}

/**
 * Decompresses and splits an input from a position.
 * @throws SluiceError INPUT_CORRUPT, or what `failure` returns, after everything before the damage.
 */
export async function* readContent(
  { name, compression, from, isChecked = false, ending, read }: StoredContent,
  { signal, failure, onStray, ...options }: ContentReading,
): AsyncGenerator<PositionedChunk, void> {
  const start = startOf(from)
  const stored = compression === undefined ? read(start) : inflateAgain(() => read(0), compression, start)
  const content = start === 0 && !isChecked ? checkStart(stored, { name, compression, format: options.format }) : stored
  const { splitter, format } = await createSplitter(name, options, from)
  const splitting = { name, compression, signal, failure, ending: endingOf(ending, compression) }
  try {
    for await (const chunk of splitContent(content, splitter, splitting)) {
      const { boundary } = chunk.lines
      const found = boundary.offset === 0 && !chunk.last ? undefined : format()
      yield { ...chunk, position: found && contentPosition(boundary, found, options) }
    }
  } finally {
    if (splitter.stray.nulBytes > 0 || splitter.stray.orderMarks > 0) onStray(splitter.stray)
  }
}

function endingOf(ending: Ending, compression: Compression | undefined): Ending {
  return compression === undefined || ending === 'open' ? ending : 'final'
}

/** The lines of a chunk, without a position. */
export function chunkOf({ bytes, line, skipped }: LineChunk, partition: string, name: string): Chunk {
  return {
    partition,
    origin: { name, line },
    ...(bytes.length > 0 && { bytes }),
    ...(skipped.length > 0 && { skipped }),
  }
}

/** @param input What the input is, with its name: `{ file: name }`. */
export function noteStray(
  note: Note,
  input: { readonly [kind: string]: string },
  { nulBytes, orderMarks }: StrayBytes,
): void {
  note('input.stray', { ...input, nulBytes, orderMarks })
}
