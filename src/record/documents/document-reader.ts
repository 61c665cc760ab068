import type { RejectCode } from '../../errors.ts'
import type { SeenKeys } from './seen-keys.ts'

/**
 * Reads the records of documents, one document after the other, and adds them to the chunk builder
 * that it was made with.
 */
export interface DocumentReader {
  /** The input so far ends within a document. */
  readonly isOpen: boolean
  /**
   * Begins or continues a document. A document begins with a bracket.
   * @param offset Bytes of the whole input before `bytes`.
   * @returns the end of the document, or of `bytes` if the document continues after them.
   * @throws DocumentFault; SluiceError INPUT_CORRUPT for a damaged array
   */
  read(bytes: Buffer, offset: number): number
  /** Forgets the rest of the document, which is damaged. */
  abandon(): void
}

export type Container = 'array' | 'object'

/** Why a document, or the rest of it, cannot be read. */
export class DocumentFault extends Error {
  readonly code: RejectCode
  readonly seen: SeenKeys | undefined
  /** What is in the place of the records. Undefined for a scalar, and for other faults. */
  readonly found: Container | undefined

  /** @param message Continues the name of the input: `is not JSON`. Never content of a record. */
  constructor(message: string, code: RejectCode = 'INVALID_JSON', seen?: SeenKeys, found?: Container) {
    super(message)
    this.code = code
    this.seen = seen
    this.found = found
  }
}

/** The document ended, and no value was at the path. */
export function nothingAt(records: string, seen: SeenKeys): DocumentFault {
  return new DocumentFault(`has nothing at "${records}" (records)`, 'NO_RECORDS', seen)
}

/** The value at the path holds no records. */
export function wrongTypeAt(records: string, expected: Container, found: Container | undefined): DocumentFault {
  return new DocumentFault(`has no ${expected} at "${records}" (records)`, 'NO_RECORDS', undefined, found)
}

export function notJson(offset: number): DocumentFault {
  return new DocumentFault(`is not JSON: it is damaged at byte ${offset}`)
}

/** Nesting around the records. The records themselves are checked when they are scanned. */
export const MAX_OUTER_DEPTH = 1000

/** Longest key or number around the records, in bytes. */
export const MAX_TOKEN = 4096
