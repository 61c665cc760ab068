import { ACCEPT_MASK } from './paths/automaton.ts'
import { LINE_FEED } from './json/ascii.ts'

/** The kind of a JSON value. The numbers are part of the index format. */
export const ValueKind = {
  string: 1,
  /** A string with at least one backslash. */
  escaped: 2,
  object: 3,
  array: 4,
  true: 5,
  false: 6,
  null: 7,
  /** An integer or short decimal that JavaScript prints exactly as it is spelled. */
  number: 8,
  /** Any other number: read its text, not its value. */
  unusual: 9,
} as const

/** The fault of a line, in the low byte of a record's flags. */
export const LineFault = {
  none: 0,
  notObject: 1,
  syntax: 2,
  depth: 3,
  length: 4,
  utf8: 5,
  /** The keys of the record match the paths in more combinations than the automaton can number. */
  complex: 6,
} as const
export const FAULT_MASK = 0xff

/**
 * Flag of a record: a path without wildcards matched twice (duplicate keys). `Batch.hit` still
 * finds the hit that JSON.parse would take. Code that reads `columns` directly must use
 * `Batch.value` for such a record.
 */
export const DUPLICATE_KEYS = 0x100

export const RECORD_STRIDE = 4
export const HIT_STRIDE = 4

/**
 * The result of a scan. All positions are byte offsets into the scanned bytes.
 * - `records`: 4 numbers per record: start, end (`{` to after `}`; for a faulty line, the whole
 *   line without its end), number of the first hit, flags. A sentinel record follows the last one,
 *   so that the hits of a record end where those of the next begin. Blank lines are not records.
 * - `hits`: 4 numbers per hit, in document order: accept set | kind << 16, start of the key (in
 *   an array, of the value), start and end of the value. A value has one hit, however many paths
 *   match it. A faulty line has no hits.
 * - `columns`: `count * pathCount` numbers: 1 + number of the (last) hit of that path in that
 *   record, 0 if there is no hit.
 */
export interface RecordIndex {
  count: number
  pathCount: number
  records: Uint32Array
  hits: Uint32Array
  columns: Uint32Array
  /**
   * The paths (by `id`) of each accept set. The array only grows; its identity changes when the
   * numbers change their meaning.
   */
  accepts: readonly (readonly number[])[]
  /** Bytes covered: fewer than given if the index was full, always up to a line border. */
  scanned: number
  /** Line feeds in the covered bytes. */
  lines: number
  /** Number of lines before each record; undefined if every line is a record. */
  lineNumbers: Uint32Array | undefined
}

export interface ScanLimits {
  /** Maximum nesting depth of a record. */
  maxDepth: number
  /** Maximum length of a line in bytes, without carriage returns at its end. */
  maxLine: number
}

/**
 * 64 levels and 1 MiB per line. The fields of `limits` in the configuration use the same values.
 */
export const defaultLimits: ScanLimits = { maxDepth: 64, maxLine: 1 << 20 }

/**
 * Capacity of one index, enough for 1 MiB of ordinary events. A single record with more hits gets
 * an index of its own.
 */
export const MAX_RECORDS = 16_384
export const MAX_HITS = 65_536

/** The input of a scanner. */
export interface ScanTask {
  readonly bytes: Buffer
  readonly limits: ScanLimits
  /** All bytes are valid UTF-8. If false, the scanner checks each line. */
  readonly utf8: boolean
  readonly maxRecords: number
  readonly maxHits: number
}

/** Computes `lineNumbers` for bytes with blank lines. */
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

/**
 * Fills the columns from the hits, and sets `DUPLICATE_KEYS`. `plain` is 1 for each path without
 * wildcards.
 */
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
