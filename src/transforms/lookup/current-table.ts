import { basename } from 'node:path'
import type { TransformContext } from '../../component.ts'
import { loadTable } from './load-table.ts'
import { stampOf } from './table-file.ts'
import type { LoadedTable, Table, TableOptions } from './table.ts'
import { tableInvalid, TableProblem } from './table-problem.ts'
import { SluiceError } from '../../errors.ts'

/**
 * The table of a stage, as its file is now. The file is looked at between batches. A changed one is read
 * when it was the same at two looks in a row: it is not half-written then. If it cannot be used, the table
 * stays as it is.
 */
export class CurrentTable {
  readonly #options: TableOptions
  readonly #context: TransformContext
  /** Milliseconds between two looks; undefined: the table never changes. */
  readonly #every: number | undefined
  #loaded: LoadedTable
  #lookedAt = Date.now()
  /** What the last look has seen, if it is not the table in use. */
  #seen = ''
  /** What was refused. */
  #refused = ''

  private constructor(loaded: LoadedTable, options: TableOptions, context: TransformContext, every: number) {
    this.#loaded = loaded
    this.#options = options
    this.#context = context
    this.#every = context.files === undefined ? every : undefined
  }

  /** @throws SluiceError TABLE_INVALID; CONFIG_INVALID if a worker finds another table than the coordinator */
  static async open(options: TableOptions, context: TransformContext, every: number): Promise<CurrentTable> {
    const name = basename(options.file)
    try {
      const loaded = await loadTable(options)
      const expected = context.files?.get(options.file)
      if (expected === undefined || expected === loaded.digest) return new CurrentTable(loaded, options, context, every)
    } catch (error) {
      throw error instanceof TableProblem ? tableInvalid(name, error) : error
    }
    throw new SluiceError('CONFIG_INVALID', `the table ${name} has changed since the workers were started`, {
      hint: 'start the backfill again; let it read a copy of the table that is not updated meanwhile',
    })
  }

  get table(): Table {
    return this.#loaded.table
  }

  /** True if it is time to look at the file. */
  get isDue(): boolean {
    return this.#every !== undefined && Date.now() - this.#lookedAt >= this.#every
  }

  /** Looks at the file. @returns true if there is another table now */
  async look(): Promise<boolean> {
    this.#lookedAt = Date.now()
    const stamp = await stampOf(this.#options.file)
    const isStable = stamp === this.#seen
    this.#seen = stamp
    if (stamp === this.#loaded.stamp || stamp === this.#refused || !isStable) return false
    return this.#read(stamp)
  }

  async #read(stamp: string): Promise<boolean> {
    const { note, stage } = this.#context
    const table = basename(this.#options.file)
    try {
      const before = this.#loaded.digest
      this.#loaded = await loadTable(this.#options)
      this.#refused = ''
      if (this.#loaded.digest === before) return false
      note?.('lookup.reloaded', { stage, table, content: this.#loaded.table.about })
      return true
    } catch (error) {
      if (!(error instanceof TableProblem)) throw error
      this.#refused = stamp
      const reason = `${error.message}${error.hint === undefined ? '' : `; ${error.hint}`}`
      note?.('lookup.refused', { stage, table, reason })
      return false
    } finally {
      this.#lookedAt = Date.now()
    }
  }
}
