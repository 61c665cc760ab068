import { ACCEPT_MASK } from './paths/automaton.ts'
import { LINE_FEED } from './json/ascii.ts'

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
export const Fault = {
  none: 0,
  notObject: 1,
  syntax: 2,
  depth: 3,
  length: 4,
  utf8: 5,
  /** Its keys meet more combinations of the paths than an index can number. */
  complex: 6,
} as const
export const FAULT_MASK = 0xff

/**
 * Flag: a path without wildcards matched twice in this record (duplicate keys). `Batch.hit` still finds what JSON.parse would; whoever
 * reads `columns` alone goes through `value` instead.
 */
export const DUPLICATE_KEYS = 0x100

export const RECORD_STRIDE = 4
export const HIT_STRIDE = 4

/**
 * Where everything is. Numbers are byte offsets into the scanned bytes.
 * - `records`: 4 numbers a record: start, end (from `{` to behind `}`; of a faulty line all of it but the line end), number of its first
 *   hit, flags; one sentinel record more at the end, so that a record's hits end where the next record's begin. Blank lines are no records.
 * - `hits`: 4 numbers a hit, in document order: accept set | kind << 16, start of the key (of the value in an array), start and end of the
 *   value. A value has one hit, however many paths match it. A faulty line has none.
 * - `columns`: `count * pathCount`: 1 + number of the (last) hit of that path in that record, 0 when there is none.
 */
export interface RecordIndex {
  count: number
  pathCount: number
  records: Uint32Array
  hits: Uint32Array
  columns: Uint32Array
  /** The paths (their `id`) of each accept set. Only grows; the same array as long as the numbers mean the same. */
  accepts: readonly (readonly number[])[]
  /** Bytes covered: less than given when the index was full, always at a line border. */
  scanned: number
  /** Line feeds in the bytes covered. */
  lines: number
  /** For each record how many lines are before it; undefined when each line is a record. */
  lineNumbers: Uint32Array | undefined
}

export interface ScanLimits {
  /** Deepest nesting of a record. */
  maxDepth: number
  /** Longest line in bytes, without carriage returns at its end. */
  maxLine: number
}

/** 64 levels and 1 MiB a line, as the documentation of `limits` says. */
export const defaultLimits: ScanLimits = { maxDepth: 64, maxLine: 1 << 20 }

/** What one index holds: enough for 1 MiB of ordinary events. A single record with more hits has an index of its own. */
export const MAX_RECORDS = 16_384
export const MAX_HITS = 65_536

/** What a scanner is given. */
export interface ScanTask {
  readonly bytes: Buffer
  readonly limits: ScanLimits
  /** All of the bytes are UTF-8; otherwise each line is looked at. */
  readonly utf8: boolean
  readonly maxRecords: number
  readonly maxHits: number
}

/** `lineNumbers` of records that are not at every line. */
export function numberLines(bytes: Buffer, { count, records }: Pick<RecordIndex, 'count' | 'records'>): Uint32Array {
  const numbers = new Uint32Array(count)
  let lines = 0
  let feed = bytes.indexOf(LINE_FEED)
  for (let record = 0; record < count; record++) {
    for (; feed < records[record * RECORD_STRIDE]; feed = bytes.indexOf(LINE_FEED, feed + 1)) lines++
    numbers[record] = lines
  }
  return numbers
}

/** Fills the columns from the hits, and flags duplicate keys. `plain`: 1 for the paths without wildcards. */
export function fillColumns(
  { count, pathCount, records, hits, columns, accepts }: RecordIndex,
  plain: Uint8Array,
): void {
  for (let record = 0; record < count; record++) {
    const column = record * pathCount
    const end = records[(record + 1) * RECORD_STRIDE + 2]
    for (let hit = records[record * RECORD_STRIDE + 2]; hit < end; hit++) {
      const paths = accepts[hits[hit * HIT_STRIDE] & ACCEPT_MASK]
      for (let i = 0; i < paths.length; i++) {
        const path = paths[i]
        if (columns[column + path] !== 0 && plain[path] === 1) records[record * RECORD_STRIDE + 3] |= DUPLICATE_KEYS
        columns[column + path] = hit + 1
      }
    }
  }
}
