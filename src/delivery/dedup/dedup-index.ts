/*
 * The durable set of dedup keys.
 *
 * Records are deduplicated by the sink, in order of arrival: the first record of a key that is
 * *written* owns the key (`deduplicate.ts`). A dropped or rejected record does not own a key, so
 * the outcome does not depend on which copy came first, and no key is ever withdrawn. A rejected
 * record leaves a mark of its own, so that reading an overlap again does not reject the record
 * again.
 *
 * Entries have 16 bytes: 96 bits of key and 32 bits of content, which only serve to count
 * duplicates whose content differs. They are kept in append-only files, the dedup buckets: one per
 * day of event time (`d<day>`), and, for records without a usable time, one per day of source
 * progress (`p<day>`, or `p` while nothing can expire). A record with a time is looked up in the
 * bucket of its day only, a record without a time in every `p` bucket.
 *
 * In memory a bucket is a `DedupTable` of about 23 bytes a key. Keys of the open epoch exist in
 * memory only; `write` appends them after the committed length of the file, and they are valid when
 * the transaction has committed the new length and CRC-32. A bucket is loaded on first use. If the
 * budget is exceeded, buckets that the open epoch has not used are unloaded, so a bucket is loaded
 * at most once per epoch. If the buckets of the open epoch alone exceed it, the run stops with
 * DEDUP_MEMORY: no key is ever forgotten silently.
 *
 * A bucket expires when the low watermark of every source partition has passed its end by more than
 * `within`. The clock plays no part, so a collector that was down for a month still knows its
 * records. A source without low watermarks (an archive) makes the buckets permanent: an interrupted
 * backfill finds its own keys again, whatever has run in between.
 */
import { crc32 } from 'node:zlib'
import { join } from 'node:path'
import { SluiceError } from '../../errors.ts'
import { NO_DEDUP_BUCKET } from '../../record/batch.ts'
import { DedupTable, ENTRY_BYTES, ENTRY_WORDS, Found } from './dedup-table.ts'
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
  /**
   * Milliseconds that a key is kept after the low watermark of the sources has passed it.
   * Undefined: for ever.
   */
  readonly within: number | undefined
}

/** The dedup keys of a state folder. See the comment at the top. */
export class DedupIndex implements DedupKeys {
  readonly #options: DedupIndexOptions
  readonly #buckets = new Map<string, Bucket>()
  readonly #days = new Map<number, Bucket>()
  #progress: Bucket | undefined
  #epoch = 0

  /**
   * Truncates files to their committed length, and deletes files that no row names: a crash left
   * the rest.
   * @throws SluiceError STATE_DAMAGED if a file is shorter than its committed length.
   */
  static async open(options: DedupIndexOptions): Promise<DedupIndex> {
    const { folder, files, rows } = options
    await files.makeFolder(folder)
    const names = new Set(rows.map((row) => row.name))
    for (const name of await files.readdir(folder)) {
      if (!names.has(name)) await files.unlink(join(folder, name))
    }
    for (const row of rows) await truncateToCommitted(join(folder, row.name), row, files)
    return new DedupIndex(options)
  }

  constructor(options: DedupIndexOptions) {
    this.#options = options
    for (const row of options.rows) this.#addBucket(row)
  }

  /** Committed keys, and marks of rejects. */
  get count(): number {
    let length = 0
    for (const { row } of this.#buckets.values()) length += row.length
    return length / ENTRY_BYTES
  }

  /** Budget of the memory in bytes. */
  get maxBytes(): number {
    return this.#options.memory
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
    if (!bucket?.table) throw new SluiceError('INTERNAL', `the dedup bucket of day ${day} was not prepared`)
    if (day === NO_DEDUP_BUCKET) {
      const found = this.#findInOtherProgressBuckets(entries, at, bucket)
      if (found !== Found.new) return found
    }
    return bucket.table.add(entries, at)
  }

  /**
   * Looks up all entries of a day. Calls `found` for each one whose key is known, with its place in
   * `entries` and the content of the known one.
   */
  async lookUp(entries: Uint32Array, day: number, found: (at: number, content: number) => void): Promise<void> {
    for (const bucket of this.#bucketsOf(day)) {
      await this.#load(bucket)
      const { table } = bucket
      if (table && table.count > 0) lookUpIn(table, entries, found)
    }
    this.#makeRoom(0)
  }

  /**
   * Buckets that were only looked into may be unloaded. Call this after `lookUp`, when the open epoch
   * has no keys.
   */
  endLookUp(): void {
    this.#epoch++
  }

  /** Adds entries of a day that `lookUp` has not found to the open epoch. Returns how many were new. */
  async addAll(entries: Uint32Array, day: number): Promise<number> {
    await this.prepare([day], undefined)
    const bucket = day === NO_DEDUP_BUCKET ? this.#progress : this.#days.get(day)
    return bucket?.table ? addTo(bucket.table, entries) : 0
  }

  /**
   * Appends the keys of the open epoch to their files and syncs these. The keys are valid when the
   * returned rows are committed. `created`: the folder has new names and must be synced first.
   * @param permanent the buckets never expire.
   */
  async write({ permanent }: { permanent: boolean }): Promise<{ rows: DedupBucketRow[]; created: boolean }> {
    const rows: DedupBucketRow[] = []
    let created = false
    for (const bucket of this.#buckets.values()) {
      if (!bucket.table || pendingOf(bucket) === 0) continue
      const row = await append(bucket.table, bucket.row, this.#options)
      created ||= bucket.row.length === 0
      rows.push(permanent ? { ...row, permanent } : row)
    }
    return { rows, created }
  }

  /**
   * Names of buckets that no record can need any more. A bucket with keys of the open epoch is not
   * expired.
   * @param oldest the oldest event time (milliseconds since 1970) that a source partition can still
   *   yield.
   */
  expired(oldest: number): string[] {
    const { within } = this.#options
    if (within === undefined) return []
    return [...this.#buckets.values()]
      .filter((bucket) => !bucket.row.permanent && pendingOf(bucket) === 0 && endOf(bucket.row.name) + within <= oldest)
      .map(({ row }) => row.name)
  }

  /**
   * Call this when the transaction with the rows of `write` and without the expired rows is
   * committed.
   */
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

  #findInOtherProgressBuckets(entries: Uint32Array, at: number, except: Bucket): number {
    for (const bucket of this.#buckets.values()) {
      if (bucket === except || !bucket.row.name.startsWith('p') || !bucket.table) continue
      const found = bucket.table.has(entries, at)
      if (found !== Found.new) return found
    }
    return Found.new
  }

  /** The buckets in which a record of a day is looked up. */
  #bucketsOf(day: number): Bucket[] {
    if (day === NO_DEDUP_BUCKET) return [...this.#buckets.values()].filter(({ row }) => row.name.startsWith('p'))
    const bucket = this.#days.get(day)
    return bucket ? [bucket] : []
  }

  #bucket(name: string): Bucket {
    return this.#buckets.get(name) ?? this.#addBucket({ name, length: 0, crc: 0 })
  }

  #addBucket(row: DedupBucketRow): Bucket {
    const bucket: Bucket = { row, table: undefined, lastUsed: -1 }
    this.#buckets.set(row.name, bucket)
    if (row.name.startsWith('d')) this.#days.set(dayOf(row.name), bucket)
    return bucket
  }

  async #load(bucket: Bucket): Promise<void> {
    bucket.lastUsed = this.#epoch
    if (bucket.table) return
    const expected = bucket.row.length / ENTRY_BYTES
    const table = new DedupTable(expected)
    this.#makeRoom(table.bytes)
    bucket.table = table
    if (expected > 0) await fill(table, join(this.#options.folder, bucket.row.name), bucket.row, this.#options.files)
  }

  /**
   * Unloads buckets that the open epoch has not used, the least recently used first, until `more`
   * bytes fit.
   * @throws SluiceError DEDUP_MEMORY if the buckets of the open epoch alone exceed the budget.
   */
  #makeRoom(more: number): void {
    const { memory, stage } = this.#options
    let bytes = this.bytes + more
    if (bytes <= memory) return
    const idle = [...this.#buckets.values()].filter((bucket) => bucket.table && bucket.lastUsed !== this.#epoch)
    for (const bucket of idle.toSorted((a, b) => a.lastUsed - b.lastUsed)) {
      bytes -= bucket.table?.bytes ?? 0
      bucket.table = undefined
      if (bytes <= memory) return
    }
    throw new SluiceError(
      'DEDUP_MEMORY',
      `the dedup index of ${stage} needs ${mebibytes(bytes)} MiB, its limit is ${mebibytes(memory)} MiB: raise \`memory\` of ${stage}, or shorten its \`within\`; committed records are safe`,
    )
  }
}

/** Prefetches, so that the reads of memory overlap. */
function lookUpIn(table: DedupTable, entries: Uint32Array, found: (at: number, content: number) => void): void {
  let ahead = 0
  for (let at = 0; at < entries.length; at += ENTRY_WORDS) {
    for (const end = Math.min(entries.length, at + AHEAD); ahead < end; ahead += ENTRY_WORDS) {
      table.prefetch(entries, ahead)
    }
    const content = table.find(entries, at)
    if (content >= 0) found(at, content)
  }
}

function addTo(table: DedupTable, entries: Uint32Array): number {
  let added = 0
  let ahead = 0
  for (let at = 0; at < entries.length; at += ENTRY_WORDS) {
    for (const end = Math.min(entries.length, at + AHEAD); ahead < end; ahead += ENTRY_WORDS) {
      table.prefetch(entries, ahead)
    }
    if (table.add(entries, at) === Found.new) added++
  }
  return added
}

/** Words of the entries that are prefetched before they are used. */
const AHEAD = 32 * ENTRY_WORDS

interface Bucket {
  row: DedupBucketRow
  /**
   * Undefined while the bucket is not loaded. Has the committed entries, then those of the open
   * epoch.
   */
  table: DedupTable | undefined
  /** The last epoch that used the bucket, counted from the start of the process; -1: none. */
  lastUsed: number
}

/** Bytes of one read while a bucket is loaded. */
const READ_BYTES = 8 << 20
/** Bytes of one write, if there are as many. */
const WRITE_BYTES = 1 << 20

/** The dedup index in a pipeline's state folder. */
export function dedupFolder(folder: string): string {
  return join(folder, 'dedup')
}

function dayOf(name: string): number {
  return Number(name.slice(1))
}

/** End of the bucket, exclusive, in milliseconds since 1970. The bucket `p` has no end. */
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

/**
 * Adds the entries of an export that are new to a bucket, without the index: it loads one bucket only.
 * They are valid when the returned row is committed. Undefined if there are none.
 */
export async function addToBucket(
  row: DedupBucketRow,
  entries: AsyncIterable<Uint32Array>,
  options: Pick<DedupIndexOptions, 'folder' | 'files'>,
): Promise<DedupBucketRow | undefined> {
  const table = new DedupTable(row.length / ENTRY_BYTES)
  if (row.length > 0) await fill(table, join(options.folder, row.name), row, options.files)
  for await (const words of entries) for (let at = 0; at < words.length; at += ENTRY_WORDS) table.add(words, at)
  return table.count === row.length / ENTRY_BYTES ? undefined : append(table, row, options)
}

/** Appends the entries of the open epoch. Returns the row that commits them. */
async function append(
  table: DedupTable,
  row: DedupBucketRow,
  { folder, files }: Pick<DedupIndexOptions, 'folder' | 'files'>,
): Promise<DedupBucketRow> {
  let { length, crc } = row
  const file = await files.open(join(folder, row.name), length === 0 ? 'wx' : 'r+')
  try {
    for (const bytes of combine(table.pending())) {
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

/** Combines many small parts into a few large ones. */
function* combine(parts: Iterable<Uint32Array>): Generator<Buffer, void> {
  let waiting: Buffer[] = []
  let length = 0
  for (const { buffer, byteOffset, byteLength } of parts) {
    waiting.push(Buffer.from(buffer, byteOffset, byteLength))
    length += byteLength
    if (length < WRITE_BYTES) continue
    yield Buffer.concat(waiting)
    waiting = []
    length = 0
  }
  if (length > 0) yield Buffer.concat(waiting)
}

async function truncateToCommitted(path: string, row: DedupBucketRow, files: Files): Promise<void> {
  const size = await files.size(path)
  if (size === row.length) return
  if (size === undefined || size < row.length) {
    throw new SluiceError(
      'STATE_DAMAGED',
      `${path} has ${size ?? 'no'} bytes, ${row.length} are committed: restore the whole state folder, or move it away to start over`,
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
  const words = new Uint32Array(Math.min(READ_BYTES, row.length) / 4)
  let crc = 0
  try {
    for (let position = 0; position < row.length;) {
      const bytes = new Uint8Array(words.buffer, 0, Math.min(READ_BYTES, row.length - position))
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
      `${path} does not have its committed checksum: restore the whole state folder, or move it away to start over`,
    )
  }
}
