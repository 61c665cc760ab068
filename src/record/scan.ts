import type { Paths } from './path.ts'

/** What a hit's value is. The order is part of the index format. */
export const Kind = {
  string: 1,
  /** A string with at least one backslash. */
  escaped: 2,
  object: 3,
  array: 4,
  true: 5,
  false: 6,
  null: 7,
  /** An integer or short decimal that JavaScript prints as it is spelled. */
  number: 8,
  /** Any other number: read its text, not its value. */
  unusual: 9,
} as const

/** The low byte of a record's flags: what is wrong with the line. */
export const Fault = { none: 0, notObject: 1, syntax: 2, depth: 3, length: 4, utf8: 5 } as const

/** Flag: a path without wildcards matched twice in this record (duplicate keys): reads go through `value`. */
export const DUPLICATE_KEYS = 0x100
/** Flag: the line holds a line feed or carriage return between its tokens' neighbours and needs no change. Reserved. */

export const RECORD_STRIDE = 4
export const HIT_STRIDE = 4

/**
 * Where everything is. Numbers are byte offsets into the scanned bytes.
 * - `records`: 4 numbers a record: start, end (without the line feed), number of its first hit, flags; one sentinel
 *   record more at the end, so that a record's hits end where the next record's begin.
 * - `hits`: 4 numbers a hit, in document order: accept set | kind << 16, start of the key (of the value in an array), start and end of the value.
 * - `columns`: `count * pathCount`: 1 + number of the (last) hit of that path in that record, 0 when there is none.
 */
export interface RecordIndex {
  count: number
  pathCount: number
  records: Uint32Array
  hits: Uint32Array
  columns: Uint32Array
  /** Bytes covered: less than given when the index was full, always at a line border. */
  scanned: number
}

export interface ScanLimits {
  /** Deepest nesting of a record. */
  maxDepth: number
  /** Longest line in bytes. */
  maxLine: number
}

/** 64 levels and 1 MiB a line, as the documentation of `limits` says. */
export const defaultLimits: ScanLimits = { maxDepth: 64, maxLine: 1 << 20 }

/** Scans whole NDJSON lines (each ends in a line feed). Pure: the bytes are not changed, the index is a copy of its own. */
export function scan(_bytes: Buffer, _paths: Paths, _limits: ScanLimits = defaultLimits): RecordIndex {
  throw new Error('unwritten')
}
