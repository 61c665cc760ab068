import { crc32 } from 'node:zlib'
import { join } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { NO_DEDUP_BUCKET } from '../../record/batch.ts'
import { DedupTable, ENTRY_BYTES, Found } from './dedup-table.ts'
import type { Files } from '../../files.ts'
import type { DedupKeys } from './deduplicate.ts'
import type { DedupBucketRow } from '../state/rows.ts'
import { DAY } from '../../time.ts'

export interface DedupIndexOptions {
  readonly folder: string
  readonly files: Files
  readonly rows: readonly DedupBucketRow[]
  /** Name of the stage, for messages. */
  readonly stage: string
  /** Budget in bytes. */
  readonly memory: number
  /** Milliseconds by which a claim outlives the oldest instant that can still be asked for; undefined: it stays for ever. */
  readonly within: number | undefined
}

/**
 * Who has claimed which key, in files of 16-byte entries: one for each day of event time (`d<day>`), and for records without a usable time one
 * for each day of the source's progress (`p<day>`; `p` while nothing can be forgotten), all of which are probed.
 *
 * Claims of the open epoch are in memory only, until `write` appends them behind the committed length. A bucket is loaded when it is first
 * asked for and leaves memory again, under pressure, when the open epoch has not asked for it: so a bucket is loaded at most once an epoch.
 */
export class DedupIndex implements DedupKeys {
  readonly #options: DedupIndexOptions
  readonly #buckets = new Map<string, Bucket>()
  readonly #days = new Map<number, Bucket>()
  #progress: Bucket | undefined
  #epoch = 0

  /**
   * Cuts what a crash left behind the committed lengths, and deletes files that no row names.
   * @throws SluiceError STATE_DAMAGED when a file is shorter than committed.
   */
  static async open(options: DedupIndexOptions): Promise<DedupIndex> {
    const { folder, files, rows } = options
    await files.makeFolder(folder)
    const names = new Set(rows.map((row) => row.name))
    for (const name of await files.readdir(folder)) {
      if (!names.has(name)) await files.unlink(join(folder, name))
    }
    for (const row of rows) await cutTail(join(folder, row.name), row, files)
    return new DedupIndex(options)
  }

  constructor(options: DedupIndexOptions) {
    this.#options = options
    for (const row of options.rows) this.#keep(row)
  }

  /** Memory in bytes. */
  get bytes(): number {
    let bytes = 0
    for (const { table } of this.#buckets.values()) bytes += table?.bytes ?? 0
    return bytes
  }

  async prepare(days: Iterable<number>, lowWatermark: number | undefined): Promise<void> {
    for (const day of days) {
      if (day === NO_DEDUP_BUCKET) await this.#prepareProgress(lowWatermark)
      else await this.#load(this.#bucket(`d${day}`))
    }
    this.#makeRoom(0)
  }

  prefetch(entries: Uint32Array, at: number, day: number): void {
    const bucket = day === NO_DEDUP_BUCKET ? this.#progress : this.#days.get(day)
    bucket?.table?.prefetch(entries, at)
  }

  add(entries: Uint32Array, at: number, day: number): number {
    const bucket = day === NO_DEDUP_BUCKET ? this.#progress : this.#days.get(day)
    if (!bucket?.table) throw new SluiceError('INTERNAL', `the bucket of day ${day} was not prepared`)
    if (day === NO_DEDUP_BUCKET) {
      const found = this.#findElsewhere(entries, at, bucket)
      if (found !== Found.new) return found
    }
    return bucket.table.add(entries, at)
  }

  /**
   * Appends the claims of the epoch and syncs them. They count when the rows returned are committed.
   * `created` tells that the folder has new names. With `keep` they are never forgotten.
   */
  async write({ keep }: { keep: boolean }): Promise<{ rows: DedupBucketRow[]; created: boolean }> {
    const rows: DedupBucketRow[] = []
    let created = false
    for (const bucket of this.#buckets.values()) {
      if (!bucket.table || pendingOf(bucket) === 0) continue
      const row = await append(bucket.table, bucket.row, this.#options)
      created ||= bucket.row.length === 0
      rows.push(keep ? { ...row, permanent: true } : row)
    }
    return { rows, created }
  }

  /**
   * Names of buckets that nothing can ask for any more, given the oldest event time that a partition can still yield; those with claims
   * of the open epoch are not among them.
   */
  expired(oldest: number): string[] {
    const { within } = this.#options
    if (within === undefined) return []
    return [...this.#buckets.values()]
      .filter((bucket) => !bucket.row.permanent && pendingOf(bucket) === 0 && endOf(bucket.row.name) + within <= oldest)
      .map(({ row }) => row.name)
  }

  /** To be called when the state has the rows of `write` and has dropped the expired ones. */
  async committed(rows: readonly DedupBucketRow[], expired: readonly string[]): Promise<void> {
    for (const row of rows) {
      const bucket = this.#bucket(row.name)
      bucket.row = row
      bucket.table?.commit()
    }
    for (const name of expired) {
      this.#buckets.delete(name)
      if (name.startsWith('d')) this.#days.delete(dayOf(name))
    }
    this.#epoch++
    for (const name of expired) await this.#options.files.unlink(join(this.#options.folder, name))
  }

  async #prepareProgress(lowWatermark: number | undefined): Promise<void> {
    const day =
      lowWatermark === undefined || this.#options.within === undefined ? '' : String(Math.floor(lowWatermark / DAY))
    this.#progress = this.#bucket(`p${day}`)
    for (const bucket of this.#buckets.values()) {
      if (bucket.row.name.startsWith('p')) await this.#load(bucket)
    }
  }

  #findElsewhere(entries: Uint32Array, at: number, except: Bucket): number {
    for (const bucket of this.#buckets.values()) {
      if (bucket === except || !bucket.row.name.startsWith('p') || !bucket.table) continue
      const found = bucket.table.has(entries, at)
      if (found !== Found.new) return found
    }
    return Found.new
  }

  #bucket(name: string): Bucket {
    return this.#buckets.get(name) ?? this.#keep({ name, length: 0, crc: 0 })
  }

  #keep(row: DedupBucketRow): Bucket {
    const bucket: Bucket = { row, table: undefined, touched: -1 }
    this.#buckets.set(row.name, bucket)
    if (row.name.startsWith('d')) this.#days.set(dayOf(row.name), bucket)
    return bucket
  }

  async #load(bucket: Bucket): Promise<void> {
    bucket.touched = this.#epoch
    if (bucket.table) return
    const expected = bucket.row.length / ENTRY_BYTES
    const table = new DedupTable(expected)
    this.#makeRoom(table.bytes)
    bucket.table = table
    if (expected > 0) await fill(table, join(this.#options.folder, bucket.row.name), bucket.row, this.#options.files)
  }

  /** @throws SluiceError DEDUP_MEMORY when the buckets of the open epoch alone are beyond the budget. */
  #makeRoom(more: number): void {
    const { memory, stage } = this.#options
    let bytes = this.bytes + more
    if (bytes <= memory) return
    const idle = [...this.#buckets.values()].filter((bucket) => bucket.table && bucket.touched !== this.#epoch)
    for (const bucket of idle.toSorted((a, b) => a.touched - b.touched)) {
      bytes -= bucket.table?.bytes ?? 0
      bucket.table = undefined
      if (bytes <= memory) return
    }
    throw new SluiceError(
      'DEDUP_MEMORY',
      `the index of ${stage} needs ${mebibytes(bytes)} MiB and may use ${mebibytes(memory)}: raise \`memory\` of ${stage}, or shorten its \`within\`; what is committed is safe`,
    )
  }
}

interface Bucket {
  row: DedupBucketRow
  /** Undefined while the bucket is not in memory. Behind the committed entries it has those of the open epoch. */
  table: DedupTable | undefined
  /** The last epoch, counted from the start of the process, that asked for it. */
  touched: number
}

/** Of a bucket that is loaded. */
const CHUNK = 8 << 20
const WRITE_BYTES = 1 << 20

function dayOf(name: string): number {
  return Number(name.slice(1))
}

/** The first instant behind the bucket; never for the bucket of records without a time. */
function endOf(name: string): number {
  return name === 'p' ? Infinity : (dayOf(name) + 1) * DAY
}

function mebibytes(bytes: number): string {
  return (bytes / (1 << 20)).toFixed(1)
}

/** Number of entries of the open epoch. */
function pendingOf({ table, row }: Bucket): number {
  return table === undefined ? 0 : table.count - row.length / ENTRY_BYTES
}

/** Appends what is not committed yet. Returns the row that commits it. */
async function append(
  table: DedupTable,
  row: DedupBucketRow,
  { folder, files }: DedupIndexOptions,
): Promise<DedupBucketRow> {
  let { length, crc } = row
  const file = await files.open(join(folder, row.name), length === 0 ? 'wx' : 'r+')
  try {
    for (const bytes of inChunks(table.pending())) {
      await file.write(bytes, length)
      length += bytes.length
      crc = crc32(bytes, crc)
    }
    await file.fdatasync()
  } finally {
    await file.close()
  }
  return { ...row, length, crc }
}

/** Many small chunks as few large ones. */
function* inChunks(chunks: Iterable<Uint32Array>): Generator<Buffer, void> {
  let chunk: Buffer[] = []
  let length = 0
  for (const { buffer, byteOffset, byteLength } of chunks) {
    chunk.push(Buffer.from(buffer, byteOffset, byteLength))
    length += byteLength
    if (length < WRITE_BYTES) continue
    yield Buffer.concat(chunk)
    chunk = []
    length = 0
  }
  if (length > 0) yield Buffer.concat(chunk)
}

async function cutTail(path: string, row: DedupBucketRow, files: Files): Promise<void> {
  const size = await files.size(path)
  if (size === row.length) return
  if (size === undefined || size < row.length) {
    throw new SluiceError(
      'STATE_DAMAGED',
      `${path} has ${size ?? 'no'} bytes of the ${row.length} that are committed: restore the state folder as a whole, or move it away to start anew`,
    )
  }
  const file = await files.open(path, 'r+')
  try {
    await file.truncate(row.length)
  } finally {
    await file.close()
  }
}

async function fill(table: DedupTable, path: string, row: DedupBucketRow, files: Files): Promise<void> {
  const file = await files.open(path, 'r')
  const words = new Uint32Array(Math.min(CHUNK, row.length) / 4)
  let crc = 0
  try {
    for (let position = 0; position < row.length;) {
      const bytes = new Uint8Array(words.buffer, 0, Math.min(CHUNK, row.length - position))
      const read = await file.read(bytes, position)
      if (read < bytes.length) break
      crc = crc32(bytes, crc)
      table.load(words, read / ENTRY_BYTES)
      position += read
    }
  } finally {
    await file.close()
  }
  if (crc !== row.crc) {
    throw new SluiceError(
      'STATE_DAMAGED',
      `${path} does not have the checksum that is committed: restore the state folder as a whole, or move it away to start anew`,
    )
  }
}
