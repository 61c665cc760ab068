import { basename } from 'node:path'
import { readTableFile, stampOf } from './table-file.ts'
import type { LoadedTable, Table, TableOptions } from './table.ts'

/**
 * Reads a table. Stages and runs of this process that need the same table share it.
 * @throws TableProblem
 */
export async function loadTable(options: TableOptions): Promise<LoadedTable> {
  const name = JSON.stringify(options)
  const known = loaded.get(name)?.deref()
  if (known?.stamp === (await stampOf(options.file))) return known
  const { stamp, digest, bytes } = await readTableFile(options.file, options.maxSize)
  const made: LoadedTable = { table: await parseTable(bytes, options), digest, stamp }
  loaded.set(name, new WeakRef(made))
  return made
}

/** By options. A run needs the table again that the check has read. */
const loaded = new Map<string, WeakRef<LoadedTable>>()

async function parseTable(bytes: Buffer, options: TableOptions): Promise<Table> {
  const { formatOf } = await import('./format.ts')
  const format = options.format ?? formatOf(basename(options.file), bytes)
  if (format === 'mmdb') return (await import('./mmdb-table.ts')).openMmdb(bytes, options)
  return (await import('./row-table.ts')).readRowTable(bytes, format, options)
}
