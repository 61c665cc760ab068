/*
 * The transactional outbox: committed files on the local disk that wait for publishing.
 *
 * An epoch has one file per sink and key partition (`partitioner.ts`), named after epoch and file
 * number. All files of an epoch are written at the same time, because the records of a batch belong
 * to many key partitions. At most `roll.maxPartitions` files are open; further keys share the file
 * `__other`.
 *
 * Lines wait in memory until a key partition has enough to compress well (a block, 1 MiB). If all
 * partitions together exceed the buffer, the largest is compressed. Compression runs on the thread
 * pool, several blocks of a file at once, but a file's blocks are written in order. Large
 * files are synced now and then while they grow, so that the end of an epoch does not wait for all
 * of their bytes.
 *
 * A file becomes an object in two steps. The transaction of the epoch adds a row with everything
 * that the upload needs; a file without a row is deleted at the next start. Then the publisher
 * (`publisher.ts`) makes the object visible, moves the row to the append-only history, and deletes
 * the file.
 *
 * Publishing is an idempotent put. The object's name contains the epoch and a part of its content's
 * hash, and sinks never replace an object, so an attempt whose outcome is unknown is simply
 * repeated. A store that does not honour `If-None-Match: *` is detected with the first object
 * (conditional-put probe).
 */
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { ObjectSink } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import type { Batch } from '../../record/batch.ts'
import { BufferPool } from './buffer-pool.ts'
import { createCompressor, extensions } from '../../compression/compress.ts'
import type { ObjectCompression } from '../../compression/compress.ts'
import type { Compressor } from '../../compression/compressor.ts'
import type { Files, OpenFile } from '../../files.ts'
import type { CompiledKey, Partitioner } from './partitioner.ts'
import { REJECTS, sinkRowOf } from '../state/rows.ts'
import type { ObjectRow } from '../state/rows.ts'

/** Limits of an epoch and its objects. */
export interface Roll {
  /** Compressed bytes of one object. */
  readonly maxBytes: number
  /** Records of an epoch. */
  readonly maxRecords: number
  /** Age of an epoch in milliseconds. */
  readonly maxAge: number
  /** Files of an epoch. */
  readonly maxPartitions: number
}

export interface OutboxTarget {
  /** See `ObjectTarget`. */
  readonly name: string
  readonly type: string
  readonly sink: ObjectSink
  readonly key: CompiledKey
  /** The constant folders at the start of all keys. */
  readonly folder: string
  readonly compression: ObjectCompression
  readonly compressionLevel?: number
  readonly roll: Roll
}

export interface OutboxOptions {
  readonly folder: string
  readonly files: Files
  readonly pipeline: string
  readonly generation: string
  readonly targets: readonly OutboxTarget[]
  /** Limit for the bytes that wait in memory, over all key partitions. */
  readonly bufferBytes: number
}

/** How the files of an epoch, and the objects that they become, are named. */
export interface EpochNames {
  /** Number of the first file, from 0. */
  readonly firstPart: number
  /** Up to the number of the file. */
  readonly file: string
  /** Up to the number of the file, after the pipeline and the generation. The same content always has the same. */
  readonly object: string
}

/** The names of an epoch with this number. */
export function namesOf(epoch: number, firstPart = 0): EpochNames {
  const number = String(epoch).padStart(8, '0')
  return { firstPart, file: number, object: number }
}

/** The files of one epoch. Any failure is final. See the comment at the top. */
export class OutboxEpoch {
  readonly #options: OutboxOptions
  readonly #names: EpochNames
  readonly #targets: TargetFiles[]
  #parts: number
  /** Bytes that wait in memory. */
  #waiting = 0
  /** Bytes that are being compressed and written. */
  #busy = 0
  readonly #writes = new Set<Promise<void>>()
  readonly #lines = new BufferPool(LINES_BYTES)
  readonly #blocks = new BufferPool(2 * BLOCK_BYTES)

  /** @param openedAt the time in object keys, in milliseconds since 1970 */
  constructor(options: OutboxOptions, names: EpochNames, openedAt: number) {
    this.#options = options
    this.#names = names
    this.#parts = names.firstPart
    this.#targets = options.targets.map((target) => ({
      target,
      partitioner: target.key.partitioner(openedAt),
      fallback: target.key.fallback(openedAt),
      blockBytes: Math.min(BLOCK_BYTES, target.roll.maxBytes),
      objects: new Map(),
      records: 0,
    }))
  }

  /**
   * Adds records of a batch, in their order, for the sink with this name. Resolves when the outbox can
   * take more.
   */
  async append(sink: string, batch: Batch, records: Uint32Array): Promise<void> {
    if (records.length === 0) return
    const target = this.#target(sink)
    for (const [key, members] of groupByKey(target.partitioner, batch, records)) {
      const object = await this.#object(target, key)
      this.#put(
        object,
        batch.assemble(members, (bytes) => this.#lines.acquire(bytes)),
        members.length,
      )
    }
    target.records += records.length
    await this.#makeRoom()
  }

  /** Adds the line of a reject. @param record -1 if the record's bytes are not in the batch. */
  async appendReject(batch: Batch, record: number, line: Buffer): Promise<void> {
    const target = this.#target(REJECTS)
    const object = await this.#object(target, target.partitioner(batch, record))
    this.#put(object, line, 1)
    target.records++
    if (object.waiting >= target.blockBytes || this.#waiting > this.#options.bufferBytes) await this.#makeRoom()
  }

  /** True if a file or the number of records has reached its limit. */
  get isFull(): boolean {
    if (this.isFullOfRecords) return true
    return this.#targets.some(({ target, objects }) =>
      [...objects.values()].some((object) => sizeOf(object) >= target.roll.maxBytes),
    )
  }

  /** True if the number of records has reached its limit. */
  get isFullOfRecords(): boolean {
    return this.#targets.some(({ target, records }) => records >= target.roll.maxRecords)
  }

  /** Uncompressed bytes of the largest file. */
  get plainBytes(): number {
    return this.#objects().reduce((most, { plain, unwritten }) => Math.max(most, plain + unwritten), 0)
  }

  /** Names of the files in the outbox. */
  get fileNames(): string[] {
    return this.#objects().map(({ name }) => name)
  }

  get hasRecords(): boolean {
    return this.#targets.some(({ records }) => records > 0)
  }

  /** Bytes of the files of a sink, estimated for lines that are not compressed yet. */
  bytes(sink: string): number {
    const found = this.#targets.find(({ target }) => target.name === sink)
    return [...(found?.objects.values() ?? [])].reduce((sum, object) => sum + sizeOf(object), 0)
  }

  /** Adds lines of rejects whose key partition is known. */
  async appendRejects(key: string, lines: Buffer, records: number): Promise<void> {
    const target = this.#target(REJECTS)
    this.#put(await this.#object(target, key), lines, records)
    target.records += records
    await this.#makeRoom()
  }

  /** Resolves when all blocks are written: the sizes of files are then exact, and not estimated. */
  async idle(): Promise<void> {
    await Promise.all(this.#writes)
  }

  /** Writes and syncs every file. Returns the rows to commit. Sync the folder first. */
  async finish(): Promise<Omit<ObjectRow, 'epoch'>[]> {
    const objects = this.#objects()
    for (const object of objects) {
      await this.#waitForThreads()
      this.#write(object)
      this.#append(object, object.compressor.end(), NOTHING)
    }
    await Promise.all(this.#writes)
    for (const object of objects) this.#watch(this.#sync(object))
    await Promise.all(this.#writes)
    for (const { file } of objects) await file.close()
    return objects.map(rowOf).toSorted((a, b) => a.part - b.part)
  }

  /** Closes the files without committing them. The next start deletes them. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#writes)
    await Promise.allSettled(this.#objects().map((object) => object.file.close()))
  }

  #objects(): OpenObject[] {
    return this.#targets.flatMap(({ objects }) => [...objects.values()])
  }

  #target(sink: string): TargetFiles {
    const found = this.#targets.find(({ target }) => target.name === sink)
    if (!found) throw new SluiceError('INTERNAL', `the outbox has no files for the sink ${sink}`)
    return found
  }

  /** The open object of a key, or of the fallback key if no more keys fit. */
  async #object(owner: TargetFiles, wanted: string): Promise<OpenObject> {
    const { objects, target, fallback } = owner
    const isPossible =
      objects.has(wanted) || (objects.size < target.roll.maxPartitions - 1 && this.#fits(target, wanted))
    const key = isPossible ? wanted : fallback
    return objects.get(key) ?? (await this.#open(owner, key))
  }

  async #open(owner: TargetFiles, key: string): Promise<OpenObject> {
    const { folder, files } = this.#options
    const { target } = owner
    if (!this.#fits(target, key)) {
      throw new SluiceError(
        'SINK_REFUSED',
        `the objects of ${target.type} would have keys of more than ${target.sink.maxKeyBytes} bytes, for example in ${key}: shorten \`key\``,
      )
    }
    const part = this.#parts++
    const name = `${this.#names.file}-${numberOf(part)}${extensions[target.compression]}`
    const object: OpenObject = {
      owner,
      part,
      prefix: this.#prefix(key, part),
      name,
      file: await files.open(join(folder, name), 'wx'),
      compressor: createCompressor(target.compression, target.compressionLevel),
      hash: createHash('sha256'),
      lines: [],
      waiting: 0,
      unwritten: 0,
      plain: 0,
      bytes: 0,
      records: 0,
      synced: 0,
      isSyncing: false,
      written: Promise.resolve(),
    }
    owner.objects.set(key, object)
    return object
  }

  /** The object's key up to its hash. */
  #prefix(key: string, part: number): string {
    const { pipeline, generation } = this.#options
    return `${key === '' ? '' : `${key}/`}${pipeline}-${generation}-${this.#names.object}-${numberOf(part)}-`
  }

  #fits({ sink, compression }: OutboxTarget, key: string): boolean {
    const length = Buffer.byteLength(this.#prefix(key, this.#parts)) + HASH_DIGITS + extensions[compression].length
    return length <= sink.maxKeyBytes
  }

  #put(object: OpenObject, lines: Buffer, records: number): void {
    object.lines.push(lines)
    object.waiting += lines.length
    object.unwritten += lines.length
    object.records += records
    this.#waiting += lines.length
  }

  /**
   * Writes objects with enough lines for a block, then the largest ones while the buffer is
   * exceeded.
   */
  async #makeRoom(): Promise<void> {
    const objects = this.#objects()
    for (const object of objects) {
      if (object.waiting < object.owner.blockBytes) continue
      await this.#waitForThreads()
      this.#write(object)
    }
    while (this.#waiting > this.#options.bufferBytes) {
      await this.#waitForThreads()
      this.#write(objects.reduce((largest, object) => (object.waiting > largest.waiting ? object : largest)))
    }
  }

  /** Resolves when the thread pool has capacity. Throws the error of a failed write. */
  async #waitForThreads(): Promise<void> {
    while (this.#busy >= BUSY_BYTES) await Promise.race(this.#writes)
  }

  /** Compresses the waiting lines as one block. */
  #write(object: OpenObject): void {
    const { lines, waiting, compressor } = object
    if (waiting === 0) return
    object.lines = []
    object.waiting = 0
    this.#waiting -= waiting
    this.#busy += waiting
    const block = this.#join(lines, waiting)
    this.#append(object, compressor.push(block), block)
  }

  #join(lines: readonly Buffer[], bytes: number): Buffer {
    if (lines.length === 1) return lines[0]
    const block = this.#blocks.acquire(bytes).subarray(0, bytes)
    let at = 0
    for (const part of lines) {
      at += part.copy(block, at)
      this.#lines.release(part)
    }
    return block
  }

  #append(object: OpenObject, compressed: Promise<Buffer>, plain: Buffer): void {
    object.written = this.#appendInOrder(object, compressed, plain)
    this.#watch(object.written)
  }

  /**
   * A failed write stays in the set, where the next wait for threads or the end of the epoch throws
   * it.
   */
  #watch(write: Promise<void>): void {
    this.#writes.add(write)
    write.then(() => this.#writes.delete(write)).catch(() => undefined)
  }

  async #sync(object: OpenObject): Promise<void> {
    object.isSyncing = true
    object.synced = object.bytes
    await object.file.fdatasync()
    object.isSyncing = false
  }

  async #appendInOrder(object: OpenObject, compressed: Promise<Buffer>, plain: Buffer): Promise<void> {
    const [bytes] = await Promise.all([compressed, object.written])
    object.hash.update(bytes)
    if (bytes.length > 0) await object.file.write(bytes, object.bytes)
    object.bytes += bytes.length
    object.plain += plain.length
    object.unwritten -= plain.length
    this.#busy -= plain.length
    // Without compression these are the written bytes themselves, so release them only now.
    this.#lines.release(plain)
    this.#blocks.release(plain)
    if (object.bytes - object.synced >= SYNC_BYTES && !object.isSyncing) this.#watch(this.#sync(object))
  }
}

/** The open objects of one target in the epoch. */
interface TargetFiles {
  readonly target: OutboxTarget
  readonly partitioner: Partitioner
  readonly fallback: string
  readonly blockBytes: number
  readonly objects: Map<string, OpenObject>
  records: number
}

interface OpenObject {
  readonly owner: TargetFiles
  readonly part: number
  /** The object's key up to its hash. */
  readonly prefix: string
  /** Name of the file in the outbox. */
  readonly name: string
  readonly file: OpenFile
  readonly compressor: Compressor
  readonly hash: ReturnType<typeof createHash>
  lines: Buffer[]
  /** Bytes of `lines`. */
  waiting: number
  /**
   * Uncompressed bytes that are not in the file yet: `waiting`, and those that are being
   * compressed.
   */
  unwritten: number
  /** Uncompressed bytes that are in the file. */
  plain: number
  /** Bytes of the file. */
  bytes: number
  /** Bytes of the file when the last sync started. */
  synced: number
  isSyncing: boolean
  records: number
  written: Promise<void>
}

/** Bytes of lines that are compressed on their own. With 1 MiB a file is 2 % larger than in one go. */
const BLOCK_BYTES = 1 << 20
/** The lines of one batch: half a MiB, and the bytes that edits add. */
const LINES_BYTES = 768 * 1024
const NOTHING = Buffer.alloc(0)
/** Limit for the bytes that are compressed at the same time: the thread pool has four threads. */
const BUSY_BYTES = 4 * BLOCK_BYTES
/** A growing file is synced each time it has this many new bytes. */
const SYNC_BYTES = 32 << 20
/** Digits of the content's SHA-256 in an object's name. */
const HASH_DIGITS = 16

/** Bytes of the finished file, if the remaining lines compress as well as the lines before them. */
function sizeOf({ bytes, plain, unwritten, owner }: OpenObject): number {
  if (owner.target.compression === 'none') return bytes + unwritten
  return plain === 0 ? 0 : bytes + unwritten * (bytes / plain)
}

function numberOf(part: number): string {
  return String(part).padStart(3, '0')
}

function groupByKey(partitioner: Partitioner, batch: Batch, records: Uint32Array): Iterable<[string, Uint32Array]> {
  const groups = new Map<string, number[]>()
  let lastKey: string | undefined
  let last: number[] = []
  for (const record of records) {
    const key = partitioner(batch, record)
    if (key !== lastKey) {
      lastKey = key
      last = groups.get(key) ?? []
      groups.set(key, last)
    }
    last.push(record)
  }
  if (groups.size === 1) return [[lastKey ?? '', records]]
  return [...groups].map(([key, members]) => [key, Uint32Array.from(members)])
}

function rowOf({ owner, part, prefix, name, hash, bytes, records }: OpenObject): Omit<ObjectRow, 'epoch'> {
  const { name: sinkName, type, sink, compression } = owner.target
  const sha256 = hash.digest('hex')
  const key = `${prefix}${sha256.slice(0, HASH_DIGITS)}${extensions[compression]}`
  return {
    part,
    ...sinkRowOf(sinkName),
    type,
    file: name,
    key,
    destination: sink.destination(key),
    bytes,
    records,
    sha256,
    compression,
  }
}
