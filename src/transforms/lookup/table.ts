import type { RowValues } from './rows.ts'

/** What a table is made of. */
export interface TableOptions {
  /** Absolute path. */
  readonly file: string
  readonly format: Format | undefined
  /** Undefined: as the format has it. */
  readonly match: 'exact' | 'cidr' | undefined
  /** The column, or the member of a line, with the key; undefined in a MaxMind database. */
  readonly by: string | undefined
  /** The wanted columns, members or paths into the records of a MaxMind database, in this order. */
  readonly columns: readonly string[]
  /** Keys are compared in lower case. */
  readonly ignoreCase: boolean
  readonly delimiter: string | undefined
  /** Names of the columns of a CSV file without a header row. */
  readonly header: readonly string[] | undefined
  /** Bytes. */
  readonly maxSize: number
}

export type Format = 'csv' | 'ndjson' | 'mmdb'

/** Results of `find` that are no rows. */
export const NOT_FOUND = -1
/** The key is no IP address. */
export const NOT_AN_ADDRESS = -2

/** A table in memory. It does not change. */
export interface Table {
  readonly format: Format
  /**
   * The row for the key in `[start, end)`, the UTF-8 of its text; or NOT_FOUND, NOT_AN_ADDRESS.
   * @throws SluiceError TABLE_INVALID if the table is damaged there
   */
  find(bytes: Uint8Array, start: number, end: number): number
  /** @throws as `find` */
  valuesOf(row: number): RowValues
  /** For messages: `1,204 rows`, `GeoLite2-City of 2026-11-24`. */
  readonly about: string
  /** Rows that are not used, since they have no key. */
  readonly keyless: { readonly count: number; readonly line: number } | undefined
  /** Wanted columns that no row, or no sampled record, has: with what may be meant. */
  readonly unknown: readonly { readonly column: string; readonly hint: string }[]
}

/** A table, and the file that it was read from. */
export interface LoadedTable {
  readonly table: Table
  /** SHA-256 of the file, in hex. */
  readonly digest: string
  /** Differs when the file has been changed or replaced. */
  readonly stamp: string
}
