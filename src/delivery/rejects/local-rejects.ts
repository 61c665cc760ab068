import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { RejectId } from '../../record/batch.ts'
import type { Files, OpenFile } from '../../files.ts'
import type { LocalRejectsChange, LocalRejectsRow } from '../state/rows.ts'

export interface LocalRejectsOptions {
  readonly folder: string
  readonly files: Files
  readonly rows: readonly LocalRejectsRow[]
  /** Bytes of all files; the oldest go when there are more. */
  readonly budget: number
}

/**
 * The rejects in the state folder: a plain NDJSON file for each epoch that has some. A file counts when its row is committed; files go when
 * their row has gone.
 */
export class LocalRejects {
  readonly #options: LocalRejectsOptions
  #rows: readonly LocalRejectsRow[]
  #open: OpenEpoch | undefined
  /** Numbers of rejects by epoch that are forgotten with the next commit. */
  readonly #replayed = new Map<number, Set<number>>()

  /** Deletes what no row names. */
  static async open(options: LocalRejectsOptions): Promise<LocalRejects> {
    const { folder, files, rows } = options
    await files.makeFolder(folder)
    const names = new Set(rows.map(({ file }) => file))
    for (const name of await files.readdir(folder)) if (!names.has(name)) await files.unlink(join(folder, name))
    return new LocalRejects(options)
  }

  constructor(options: LocalRejectsOptions) {
    this.#options = options
    this.#rows = options.rows
  }

  /** Committed ones, the oldest first. */
  get rows(): readonly LocalRejectsRow[] {
    return this.#rows
  }

  /** True when the epoch has so many that the budget should be looked at again. */
  get isFull(): boolean {
    return this.#open !== undefined && this.#open.bytes >= this.#options.budget / SHARES
  }

  /** How many the open epoch has: the number of the next. */
  get count(): number {
    return this.#open?.records ?? 0
  }

  async append(epoch: number, line: Buffer): Promise<void> {
    const open = (this.#open ??= newEpoch(epoch))
    open.lines.push(line)
    open.waiting += line.length
    open.bytes += line.length
    open.records++
    if (open.waiting >= BUFFER_BYTES) await this.#write(open)
  }

  /** Forgets a reject with the next commit. */
  forget({ epoch, at }: RejectId): void {
    const numbers = this.#replayed.get(epoch) ?? new Set()
    this.#replayed.set(epoch, numbers.add(at))
  }

  /** Writes what waits and syncs the file. The folder is still to be synced. */
  async finish(): Promise<LocalRejectsChange> {
    const added = await this.#close()
    const now = this.#rows.map((row) => {
      const numbers = this.#replayed.get(row.epoch)
      return numbers ? without(row, numbers) : row
    })
    const all = added ? [...now, added] : now
    const excess = this.#excess(
      all.filter((row) => remaining(row) > 0),
      added,
    )
    const gone = new Set([...all.filter((row) => remaining(row) === 0), ...excess])
    return {
      rows: all.filter((row) => !gone.has(row) && (row === added || this.#replayed.has(row.epoch))),
      gone: [...gone],
      evicted: excess.reduce((sum, row) => sum + remaining(row), 0),
      replayed: [...this.#replayed.values()].reduce((sum, { size }) => sum + size, 0),
      created: added !== undefined,
    }
  }

  /** To be called when the state has made the change. */
  async committed({ rows, gone }: LocalRejectsChange): Promise<void> {
    const { folder, files } = this.#options
    const changed = new Set([...rows, ...gone].map(({ epoch }) => epoch))
    this.#rows = [...this.#rows.filter(({ epoch }) => !changed.has(epoch)), ...rows].toSorted(
      (a, b) => a.epoch - b.epoch,
    )
    this.#replayed.clear()
    for (const { file } of gone) await files.unlink(join(folder, file))
  }

  /** For a commit that is given up: the file stays for the next start to delete. */
  async abandon(): Promise<void> {
    await this.#open?.file?.close()
  }

  async #close(): Promise<LocalRejectsRow | undefined> {
    const open = this.#open
    if (!open) return undefined
    await this.#write(open)
    await open.file?.fdatasync()
    await open.file?.close()
    this.#open = undefined
    const { epoch, records, bytes, hash } = open
    return { epoch, file: nameOf(epoch), bytes, records, sha256: hash.digest('hex') }
  }

  /** The oldest rows, whose files go when there is a new one. */
  #excess(rows: readonly LocalRejectsRow[], added: LocalRejectsRow | undefined): LocalRejectsRow[] {
    let bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
    const gone: LocalRejectsRow[] = []
    for (const row of rows) {
      if (bytes <= this.#options.budget || row === added) break
      gone.push(row)
      bytes -= row.bytes
    }
    return gone
  }

  async #write(open: OpenEpoch): Promise<void> {
    const { folder, files } = this.#options
    const bytes = Buffer.concat(open.lines)
    open.file ??= await files.open(join(folder, nameOf(open.epoch)), 'wx')
    await open.file.write(bytes, open.written)
    open.hash.update(bytes)
    open.written += bytes.length
    open.lines = []
    open.waiting = 0
  }
}

/** Where a pipeline's state keeps rejects. */
export function rejectsFolder(folder: string): string {
  return join(folder, 'rejects')
}

/** Of a row's records, how many are kept. */
export function remaining({ records, replayed }: LocalRejectsRow): number {
  return records - (replayed?.records ?? 0)
}

/** Tells of a line's number whether the reject is kept. */
export function isPending({ records, replayed }: LocalRejectsRow): (at: number) => boolean {
  const bits = Buffer.from(replayed?.bits ?? '', 'base64')
  return (at) => at < records && ((bits[at >> 3] ?? 0) & (1 << (at & 7))) === 0
}

interface OpenEpoch {
  readonly epoch: number
  readonly hash: ReturnType<typeof createHash>
  file: OpenFile | undefined
  lines: Buffer[]
  waiting: number
  written: number
  bytes: number
  records: number
}

const BUFFER_BYTES = 1 << 20
/** An epoch takes no more than this part of the budget, so that what goes is old and little. */
const SHARES = 8

function newEpoch(epoch: number): OpenEpoch {
  const hash = createHash('sha256')
  return { epoch, hash, file: undefined, lines: [], waiting: 0, written: 0, bytes: 0, records: 0 }
}

function nameOf(epoch: number): string {
  return `${String(epoch).padStart(8, '0')}.ndjson`
}

function without(row: LocalRejectsRow, numbers: ReadonlySet<number>): LocalRejectsRow {
  const bits = Buffer.alloc(Math.ceil(row.records / 8))
  bits.set(Buffer.from(row.replayed?.bits ?? '', 'base64'))
  for (const at of numbers) bits[at >> 3] |= 1 << (at & 7)
  const records = (row.replayed?.records ?? 0) + numbers.size
  return { ...row, replayed: { records, bits: bits.toString('base64') } }
}
