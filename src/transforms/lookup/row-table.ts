import { plural } from '../../observe/report.ts'
import { parseCidr, readAddress } from './address.ts'
import { ExactKeysBuilder } from './exact-keys.ts'
import { textOf } from './format.ts'
import { Ranges } from './ranges.ts'
import type { Range } from './ranges.ts'
import { RowsBuilder } from './rows.ts'
import { NOT_AN_ADDRESS } from './table.ts'
import type { Table, TableOptions } from './table.ts'
import { TableProblem } from './table-problem.ts'

/**
 * Reads a CSV or NDJSON file into memory: the keys and the wanted values, not the file.
 * @throws TableProblem
 */
export async function readRowTable(bytes: Buffer, format: 'csv' | 'ndjson', options: TableOptions): Promise<Table> {
  if (options.by === undefined) throw keyNotNamed(format)
  const { readRows } = format === 'csv' ? await import('./read-csv.ts') : await import('./read-ndjson.ts')
  const rows = new RowsBuilder(options.columns.length)
  const keys = options.match === 'cidr' ? new RangeKeys() : new TextKeys(options.ignoreCase)
  let count = 0
  let keyless: { count: number; line: number } | undefined
  const unknown = await readRows(textOf(bytes), options, ({ line, key, values }) => {
    if (key === '') {
      keyless = { count: (keyless?.count ?? 0) + 1, line: keyless?.line ?? line }
      return
    }
    keys.add(key, line, count++)
    rows.add(values)
  })
  if (count === 0) throw new TableProblem(['file'], 'has no rows with a key', 'a table without rows finds nothing')
  const found = rows.finish()
  return {
    format,
    find: keys.finish(),
    valuesOf: (row) => found.of(row),
    about: plural(count, 'row'),
    keyless,
    unknown,
  }
}

function keyNotNamed(format: 'csv' | 'ndjson'): TableProblem {
  const what = format === 'csv' ? 'column' : 'member'
  return new TableProblem(
    ['file'],
    `needs \`by\`: the ${what} with the key`,
    `add by: the ${what} that key is compared with`,
  )
}

interface Keys {
  /** @param row Its number: they come in order. */
  add(key: string, line: number, row: number): void
  finish(): Table['find']
}

class TextKeys implements Keys {
  readonly #keys = new ExactKeysBuilder()
  readonly #ignoreCase: boolean

  constructor(ignoreCase: boolean) {
    this.#ignoreCase = ignoreCase
  }

  add(key: string, line: number): void {
    this.#keys.add(Buffer.from(this.#ignoreCase ? key.toLowerCase() : key), line)
  }

  finish(): Table['find'] {
    const keys = this.#keys.finish()
    return (bytes, start, end) => keys.find(bytes, start, end)
  }
}

class RangeKeys implements Keys {
  readonly #ranges: { readonly 4: Range[]; readonly 6: Range[] } = { 4: [], 6: [] }

  add(key: string, line: number, row: number): void {
    const range = parseCidr(key.trim())
    if (typeof range === 'string') {
      // Another column may hold anything.
      const shown = /^[0-9a-f.:/ ]{1,50}$/i.test(key) ? `"${key}" in line ${line}` : `the range in line ${line}`
      const hint = 'correct the line, or name the column that has the ranges'
      throw new TableProblem(['by'], `cannot be matched by CIDR: ${shown} ${range}`, hint)
    }
    this.#ranges[range.version].push({ ...range, row, line })
  }

  finish(): Table['find'] {
    const ipv4 = Ranges.of(this.#ranges[4], 4)
    const ipv6 = Ranges.of(this.#ranges[6], 6)
    const words = new Uint32Array(4)
    return (bytes, start, end) => {
      const version = readAddress(bytes, start, end, words)
      if (version === 0) return NOT_AN_ADDRESS
      return (version === 4 ? ipv4 : ipv6).find(words)
    }
  }
}
