import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parse } from 'csv-parse'
import { suggest } from '../../fields/suggest.ts'
import { plural } from '../../observe/report.ts'
import type { ReadRows } from './read-rows.ts'
import type { TableOptions } from './table.ts'
import { TableProblem } from './table-problem.ts'

/** Reads the rows of a CSV file. Values are JSON strings; an empty cell is no value. */
export const readRows: ReadRows = async (text, options, take) => {
  const delimiter = options.delimiter ?? (/\.tsv$/i.test(options.file) ? '\t' : ',')
  let columns = options.header && columnsOf(options.header, options, delimiter)
  const takeRow = (cells: readonly string[], line: number): void => {
    if (columns === undefined) {
      columns = columnsOf(cells, options, delimiter)
      return
    }
    const { count, key, values } = columns
    if (cells.length !== count) throw ragged(line, cells.length, count)
    const valueOf = (column: number) => (cells[column] === '' ? undefined : Buffer.from(JSON.stringify(cells[column])))
    take({ line, key: cells[key] ?? '', values: values.map(valueOf) })
  }
  const parser = parse({
    delimiter,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: MAX_RECORD,
    // Without a result, nothing is buffered.
    on_record(cells: string[], { lines }) {
      takeRow(cells, lines)
      return null
    },
  })
  try {
    await pipeline(Readable.from(slicesOf(text)), parser.resume())
  } catch (error) {
    throw error instanceof TableProblem ? error : malformed(error)
  }
  return []
}

/** Bytes. A quote that is not closed would take the rest of the file. */
const MAX_RECORD = 1 << 20
const SLICE = 1 << 16

function* slicesOf(text: Buffer): Generator<Buffer> {
  for (let at = 0; at < text.length; at += SLICE) yield text.subarray(at, at + SLICE)
}

interface Columns {
  readonly count: number
  readonly key: number
  readonly values: readonly number[]
}

/** Finds the wanted columns. @throws TableProblem if one is not there */
function columnsOf(header: readonly string[], options: TableOptions, delimiter: string): Columns {
  const { by = '', columns } = options
  const find = (column: string, at: readonly (string | number)[]): number => {
    const index = header.indexOf(column)
    if (index < 0) throw unknownColumn(column, at, header, delimiter)
    if (header.lastIndexOf(column) !== index) throw new TableProblem(at, `has two columns ${JSON.stringify(column)}`)
    return index
  }
  return {
    count: header.length,
    key: find(by, ['by']),
    values: columns.map((column, index) => find(column, ['set', index, 'from'])),
  }
}

function unknownColumn(
  column: string,
  at: readonly (string | number)[],
  header: readonly string[],
  delimiter: string,
): TableProblem {
  const [first = ''] = header
  const other = header.length === 1 ? [';', '\t', '|', ','].find((one) => one !== delimiter && first.includes(one)) : ''
  const problem = `has no column ${JSON.stringify(column)}`
  if (other) {
    const hint = `its header row has one column with ${other === '\t' ? 'tabs' : other} in it: write delimiter: ${JSON.stringify(other)}`
    return new TableProblem(at, problem, hint)
  }
  return new TableProblem(at, problem, suggest(column, header, 'columns in its first row'))
}

function ragged(line: number, cells: number, columns: number): TableProblem {
  const hint = 'a cell with a delimiter, a quote or a line break in it is quoted: "a, b"'
  return new TableProblem(
    ['file'],
    `has ${plural(cells, 'cell')} in line ${line}, and ${plural(columns, 'column')}`,
    hint,
  )
}

/** The library's own messages quote the row. */
function malformed(error: unknown): TableProblem {
  if (!(error instanceof Error) || !('code' in error)) throw error
  const line = 'lines' in error && typeof error.lines === 'number' ? ` in line ${error.lines}` : ''
  const [problem, hint] = PROBLEMS[String(error.code)] ?? ['is not CSV', undefined]
  return new TableProblem(['file'], `${problem}${line}`, hint)
}

const QUOTE_HINT = 'inside a quoted cell, a quote is written twice: "a ""b"" c"'

const PROBLEMS: { readonly [code: string]: readonly [string, string] } = {
  CSV_QUOTE_NOT_CLOSED: ['has a quote that is not closed', QUOTE_HINT],
  CSV_MAX_RECORD_SIZE: ['has a row of more than 1 MiB', 'a quote may not be closed'],
  CSV_INVALID_CLOSING_QUOTE: ['has text after a closing quote', QUOTE_HINT],
  INVALID_OPENING_QUOTE: ['has a quote inside a cell that is not quoted', QUOTE_HINT],
}
