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
   * an array.
   */
  readonly open: boolean
}

/** The start of an input. */
export const START: Boundary = { offset: 0, line: 0, open: false }
