import type { RowValues } from './rows.ts'
import type { Table, TableOptions } from './table.ts'

/** A row of a file, with the wanted columns. */
interface FileRow {
  /** From 1. */
  readonly line: number
  /** Empty: the row has no key, and is not used. */
  readonly key: string
  readonly values: RowValues
}

/** Called for each row in order. */
export type TakeRow = (row: FileRow) => void

/** Reads the rows of a file. @returns wanted columns that no row has */
export type ReadRows = (text: Buffer, options: TableOptions, take: TakeRow) => Promise<Table['unknown']>
