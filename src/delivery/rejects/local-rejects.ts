/*
 * The local dead-letter queue: rejects in the state folder, under a budget.
 *
 * Each epoch with rejects has one plain NDJSON file in `<state folder>/rejects`, and one row in the
 * transaction of the epoch. A file without a committed row does not exist for readers and is
 * deleted at the next start. A file is deleted after its row. A `rejects` sink gets a copy of each
 * reject, which is published like any other object.
 *
 * Small files that follow each other are merged when there are many, in the transaction of an epoch
 * (`merge-rejects.ts`).
 *
 * When the files exceed the budget, whole files are deleted, the oldest first, and the deleted
 * records are counted. One epoch is committed early if its rejects take an eighth of the budget, so
 * that little is deleted at a time.
 *
 * A replay (`replay.ts`) sends rejects through the stages again. The row of a file has one bit for
 * each reject that was replayed. The bit is set in the transaction that commits the
 * records made from the reject, so a crash neither loses a reject nor replays it twice. When every
 * bit is set, row and file are deleted.
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { Files, OpenFile } from '../../files.ts'
import type { LocalRejectsChange, LocalRejectsRow } from '../state/rows.ts'
import { mergeRejects, planMerge } from './merge-rejects.ts'
import type { MergeLimits } from './merge-rejects.ts'
import type { RejectId } from './reject-id.ts'
import { markReplayed, remaining } from './reject-numbers.ts'
import { SluiceError } from '../../errors.ts'

export interface LocalRejectsOptions {
  readonly folder: string
  readonly files: Files
  readonly rows: readonly LocalRejectsRow[]
  /** Limit for the bytes of all files; the oldest files are deleted when it is exceeded. */
  readonly budget: number
  /** When to merge small files. Default: never, because their rows are being read. */
  readonly merge?: MergeLimits | undefined
}

/**
 * The rejects of a state folder: committed rows, and the open file of the current epoch. See the
 * comment at the top.
 */
export class LocalRejects {
  readonly #options: LocalRejectsOptions
  #rows: readonly LocalRejectsRow[]
  #open: OpenRejects | undefined
  /** Rejects to forget with the next commit: their numbers, by epoch. */
  readonly #replayed = new Map<number, Set<number>>()
  #merge: MergeLimits | undefined

  /** Deletes files that no row names. */
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
    this.#merge = options.merge
  }

  /** The committed rows, the oldest first. */
  get rows(): readonly LocalRejectsRow[] {
    return this.#rows
  }

  /** Limit for the bytes of all files; undefined without one. */
  get maxBytes(): number | undefined {
    const { budget } = this.#options
    return budget === Infinity ? undefined : budget
  }

  /** True if the open epoch should be committed, so that the budget is enforced. */
  get isFull(): boolean {
    return this.#open !== undefined && this.#open.bytes >= this.#options.budget / BUDGET_SHARES
  }

  /** Number of rejects in the open epoch, which is the number of the next reject. */
  get count(): number {
    return this.#open?.records ?? 0
  }

  async append(epoch: number, line: Buffer): Promise<void> {
    const open = (this.#open ??= openRejects(epoch))
    open.lines.push(line)
    open.waiting += line.length
    open.bytes += line.length
    open.records++
    if (open.waiting >= BUFFER_BYTES) await this.#write(open)
  }

  /** Marks a reject as replayed with the next commit. */
  forget({ epoch, at }: RejectId): void {
    const numbers = this.#replayed.get(epoch) ?? new Set()
    this.#replayed.set(epoch, numbers.add(at))
  }

  /**
   * Writes and syncs the open file, and returns the change to commit. If `created`, sync the folder
   * first.
   * @param committedAt of the open epoch, in milliseconds since 1970
   */
  async finish(committedAt: number): Promise<LocalRejectsChange> {
    const added = await this.#closeFile(committedAt)
    const current = this.#rows.map((row) => markReplayed(row, this.#replayed))
    const all = added ? [...current, added] : current
    const evicted = this.#beyondBudget(
      all.filter((row) => remaining(row) > 0),
      added,
    )
    const removed = new Set([...all.filter((row) => remaining(row) === 0), ...evicted])
    const { merged, sources } = await this.#mergeSmall(added ? current.filter((row) => !removed.has(row)) : [])
    for (const row of sources) removed.add(row)
    const changed = all.filter((row, at) => !removed.has(row) && (row === added || row !== this.#rows[at]))
    return {
      rows: [...changed, ...merged],
      removed: [...removed],
      evicted: evicted.reduce((sum, row) => sum + remaining(row), 0),
      replayed: [...this.#replayed.values()].reduce((sum, { size }) => sum + size, 0),
      created: added !== undefined,
    }
  }

  /** Call this when the change is committed. Deletes the files of removed rows. */
  async committed({ rows, removed }: LocalRejectsChange): Promise<void> {
    const { folder, files } = this.#options
    const changed = new Set([...rows, ...removed].map(({ epoch }) => epoch))
    this.#rows = [...this.#rows.filter(({ epoch }) => !changed.has(epoch)), ...rows].toSorted(
      (a, b) => a.epoch - b.epoch,
    )
    this.#replayed.clear()
    for (const { file } of removed) await files.unlink(join(folder, file))
  }

  /** Closes the open file without committing it. The next start deletes it. */
  async abandon(): Promise<void> {
    await this.#open?.file?.close()
  }

  async #closeFile(committedAt: number): Promise<LocalRejectsRow | undefined> {
    const open = this.#open
    if (!open) return undefined
    await this.#write(open)
    await open.file?.fdatasync()
    await open.file?.close()
    this.#open = undefined
    const { epoch, records, bytes, hash } = open
    return { epoch, file: nameOf(epoch), bytes, records, sha256: hash.digest('hex'), committedAt }
  }

  /** A file that is damaged stays as it is, for `verify` to find, and nothing else is merged. */
  async #mergeSmall(
    rows: readonly LocalRejectsRow[],
  ): Promise<{ readonly merged: readonly LocalRejectsRow[]; readonly sources: readonly LocalRejectsRow[] }> {
    const sources = this.#merge ? planMerge(rows, this.#merge) : []
    if (sources.length === 0) return { merged: [], sources: [] }
    try {
      return { merged: [await mergeRejects(sources, this.#options)], sources }
    } catch (error) {
      if (!(error instanceof SluiceError) || error.code !== 'STATE_DAMAGED') throw error
      this.#merge = undefined
      return { merged: [], sources: [] }
    }
  }

  /** The oldest rows, as many as the budget requires. The new row is never among them. */
  #beyondBudget(rows: readonly LocalRejectsRow[], added: LocalRejectsRow | undefined): LocalRejectsRow[] {
    let bytes = rows.reduce((sum, row) => sum + row.bytes, 0)
    const evicted: LocalRejectsRow[] = []
    for (const row of rows) {
      if (bytes <= this.#options.budget || row === added) break
      evicted.push(row)
      bytes -= row.bytes
    }
    return evicted
  }

  async #write(open: OpenRejects): Promise<void> {
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

/** The dead-letter queue in a pipeline's state folder. */
export function rejectsFolder(folder: string): string {
  return join(folder, 'rejects')
}

interface OpenRejects {
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
/** An epoch is committed when its rejects take one of these shares of the budget. */
const BUDGET_SHARES = 8

function openRejects(epoch: number): OpenRejects {
  const hash = createHash('sha256')
  return { epoch, hash, file: undefined, lines: [], waiting: 0, written: 0, bytes: 0, records: 0 }
}

function nameOf(epoch: number): string {
  return `${String(epoch).padStart(8, '0')}.ndjson`
}
