import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Files, OpenFile } from './files.ts'

/** Rejects of one epoch that are kept in the state folder, as the state knows them. */
export interface KeptRow {
  readonly epoch: number
  readonly file: string
  readonly bytes: number
  readonly records: number
  readonly sha256: string
}

export interface KeptRejectsOptions {
  readonly folder: string
  readonly files: Files
  readonly rows: readonly KeptRow[]
  /** Bytes of all files; the oldest go when there are more. */
  readonly budget: number
}

/**
 * The rejects in the state folder: a plain NDJSON file for each epoch that has some. A file counts when its row is committed; files go when
 * their row has gone.
 */
export class KeptRejects {
  readonly #options: KeptRejectsOptions
  #rows: readonly KeptRow[]
  #open: OpenEpoch | undefined

  /** Deletes what no row names. */
  static async open(options: KeptRejectsOptions): Promise<KeptRejects> {
    const { folder, files, rows } = options
    await files.makeFolder(folder)
    const names = new Set(rows.map(({ file }) => file))
    for (const name of await files.readdir(folder)) if (!names.has(name)) await files.unlink(join(folder, name))
    return new KeptRejects(options)
  }

  constructor(options: KeptRejectsOptions) {
    this.#options = options
    this.#rows = options.rows
  }

  /** True when the epoch has so many that the budget should be looked at again. */
  get isFull(): boolean {
    return this.#open !== undefined && this.#open.bytes >= this.#options.budget / SHARES
  }

  async append(epoch: number, line: Buffer): Promise<void> {
    const open = (this.#open ??= newEpoch(epoch))
    open.lines.push(line)
    open.waiting += line.length
    open.bytes += line.length
    open.records++
    if (open.waiting >= BUFFER_BYTES) await this.#write(open)
  }

  /** Writes what waits and syncs the file. The folder is still to be synced. */
  async finish(): Promise<KeptRow | undefined> {
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
  excess(added: KeptRow | undefined): KeptRow[] {
    let bytes = (added?.bytes ?? 0) + this.#rows.reduce((sum, row) => sum + row.bytes, 0)
    const gone: KeptRow[] = []
    for (const row of this.#rows) {
      if (bytes <= this.#options.budget) break
      gone.push(row)
      bytes -= row.bytes
    }
    return gone
  }

  /** To be called when the state has the one row and has dropped the others. */
  async committed(added: KeptRow | undefined, gone: readonly KeptRow[]): Promise<void> {
    const { folder, files } = this.#options
    this.#rows = [...this.#rows.filter((row) => !gone.includes(row)), ...(added ? [added] : [])]
    for (const { file } of gone) await files.unlink(join(folder, file))
  }

  /** For a commit that is given up: the file stays for the next start to delete. */
  async abandon(): Promise<void> {
    await this.#open?.file?.close()
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
