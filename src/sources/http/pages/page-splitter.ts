import { SluiceError } from '../../../errors.ts'
import type { LineChunk, Splitter } from '../../../record/lines/splitter.ts'
import { invalidResponse } from '../transport/response-error.ts'

/**
 * Splits one response into records, as NDJSON lines. Memory stays within one chunk and one record.
 * `end` throws SOURCE_UNAVAILABLE if the response is not complete.
 */
export interface PageSplitter extends Splitter {
  /** Number of records so far, including those that were too long. */
  readonly count: number
  /** JSON text of the requested values around the records, by their dotted keys. */
  readonly captured: ReadonlyMap<string, string>
}

/** The first character that is neither white space nor part of a byte order mark. */
export function firstCharacter(bytes: Buffer): string | undefined {
  return /[^\s\u00ef\u00bb\u00bf]/.exec(bytes.toString('latin1', 0, 4096))?.[0]
}

/** Makes corrupt input retryable: the next response may be intact. */
export function* asResponseErrors(chunks: Iterable<LineChunk>): Generator<LineChunk, void> {
  try {
    yield* chunks
  } catch (error) {
    throw error instanceof SluiceError ? invalidResponse(error.message, error, error.hint) : error
  }
}
