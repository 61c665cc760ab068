import type { SkippedLine } from '../chunk.ts'

/**
 * Splits an input that arrives in parts of any size into chunks of whole lines. It yields
 * everything before an error first: an error never takes good lines with it.
 */
export interface Splitter {
  /**
   * Takes the next part of the input, of any size. The caller may overwrite it as soon as it has
   * taken everything that this call yields.
   */
  push(input: Buffer): Iterable<LineChunk>
  /** The lines that are complete so far, if there are any. */
  flush(): Iterable<LineChunk>
  /** Ends the input. Always yields one last chunk, perhaps an empty one. */
  end(): Iterable<LineChunk>
}

/** A splitter for inputs that may be read again later, from a boundary. */
export interface ResumableSplitter extends Splitter {
  /**
   * Ends an input that may still grow. Like `end`, but an unfinished last record is left after the
   * last boundary, and is no error. A last line without its line feed is finished if it is JSON.
   */
  suspend(): Iterable<LineChunk>
  /** After `suspend`: what is left after the last boundary. */
  readonly left: Left
  readonly stray: StrayBytes
}

/** `padding` is NUL bytes: a writer may have reserved this space. */
export type Left = 'nothing' | 'padding' | 'record'

/**
 * Bytes that belong to no record and are skipped between records. Counted by the splitter.
 *
 * NUL bytes end a line as a line feed does, because no JSON contains them. They come from a log
 * that was truncated while it was written (copytruncate), from a crash of a machine, or from space
 * that is reserved for a log. Byte order marks come from files that were concatenated; the one at
 * the start of an input is not counted.
 */
export interface StrayBytes {
  nulBytes: number
  orderMarks: number
}

/** Consecutive whole lines. */
export interface LineChunk {
  /**
   * Each line with its line feed; a last line without one gets it. Not changed until a caller
   * passes these bytes to `release`.
   */
  readonly bytes: Buffer
  /** Number of the first line (or array element), from 1. */
  readonly line: number
  /** Lines after `bytes` that exceed the length limit. */
  readonly skipped: readonly SkippedLine[]
  /** The boundary after this chunk, from which splitting can resume. */
  readonly boundary: Boundary
}

/** A boundary between two lines (or array elements) of an input. */
export interface Boundary {
  /** Bytes before the boundary. */
  readonly offset: number
  /** Lines (or elements) before the boundary. */
  readonly line: number
  /**
   * For lines: the line before the boundary had no line feed. For elements: the boundary is inside
   * an array. For documents: it is inside one.
   */
  readonly open: boolean
  /**
   * Set inside a document that can only be read again from its start. `offset` is then a number of
   * bytes that were read, and no place to resume at.
   */
  readonly document?: DocumentStart
}

export interface DocumentStart {
  readonly offset: number
  /** Records of the document before the boundary. */
  readonly records: number
}

/** Where reading resumes after a boundary, in bytes. */
export function resumeOffset({ offset, document }: Boundary): number {
  return document?.offset ?? offset
}

/** The start of an input. */
export const START: Boundary = { offset: 0, line: 0, open: false }

/** The UTF-8 byte order mark. */
export const ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf])

export function noStrayBytes(): StrayBytes {
  return { nulBytes: 0, orderMarks: 0 }
}
