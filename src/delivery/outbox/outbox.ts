import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { ObjectSink } from '../../component.ts'
import { SluiceError } from '../../errors.ts'
import type { Batch } from '../../record/batch.ts'
import { BufferPool } from './buffer-pool.ts'
import { createCompressor, endings } from '../../compression/compress.ts'
import type { Compression, Compressor } from '../../compression/compress.ts'
import type { Files, OpenFile } from '../../files.ts'
import type { CompiledKey, Partitioner } from './partitioner.ts'
import type { Role } from '../state/rows.ts'
import type { ObjectRow } from '../state/rows.ts'

export interface Roll {
  /** Compressed bytes of one object. */
  readonly maxBytes: number
  /** Records of an epoch. */
  readonly maxRecords: number
  /** Milliseconds. */
  readonly maxAge: number
  /** Files of an epoch. */
  readonly maxPartitions: number
}

export interface OutboxTarget {
  readonly role: Role
  readonly type: string
  readonly sink: ObjectSink
  readonly key: CompiledKey
  readonly compression: Compression
  readonly compressionLevel?: number
  readonly roll: Roll
}

export interface OutboxOptions {
  readonly folder: string
  readonly files: Files
  readonly pipeline: string
  readonly generation: string
  readonly targets: readonly OutboxTarget[]
  /** Bytes that wait in memory to be compressed, over all partitions. */
  readonly bufferBytes: number
}

/**
 * The files of one epoch: one for each key partition and sink, compressed. Lines wait in memory until a partition has enough for a good
 * gzip member; when all partitions together hold too much, the largest is written. Any failure is final.
 */
export class OutboxEpoch {
  readonly #options: OutboxOptions
  readonly #number: number
  readonly #drawers: Drawer[]
  #parts = 0
  /** Bytes that wait in memory to be compressed, and those that are being compressed and written. */
  #waiting = 0
  #busy = 0
  readonly #writes = new Set<Promise<void>>()
  readonly #lines = new BufferPool(LINES_BYTES)
  readonly #members = new BufferPool(2 * MEMBER_BYTES)

  constructor(options: OutboxOptions, number: number, openedAt: number) {
    this.#options = options
    this.#number = number
    this.#drawers = options.targets.map((target) => ({
      target,
      partitioner: target.key.partitioner(openedAt),
      fallback: target.key.fallback(openedAt),
      memberBytes: Math.min(MEMBER_BYTES, target.roll.maxBytes),
      objects: new Map(),
      records: 0,
    }))
  }

  /** Writes records of a batch, in their order. Resolves when more is wanted. */
  async append(role: Role, batch: Batch, records: Uint32Array): Promise<void> {
    if (records.length === 0) return
    const drawer = this.#drawer(role)
    for (const [key, members] of partition(drawer.partitioner, batch, records)) {
      const object = await this.#object(drawer, key)
      this.#put(
        object,
        batch.assemble(members, (bytes) => this.#lines.take(bytes)),
        members.length,
      )
    }
    drawer.records += records.length
    await this.#makeRoom()
  }

  /** @param record -1 when its bytes are not in the batch. */
  async appendReject(batch: Batch, record: number, line: Buffer): Promise<void> {
    const drawer = this.#drawer('rejects')
    const object = await this.#object(drawer, drawer.partitioner(batch, record))
    this.#put(object, line, 1)
    drawer.records++
    if (object.waiting >= drawer.memberBytes || this.#waiting > this.#options.bufferBytes) await this.#makeRoom()
  }

  /** True when a file or the epoch is as large as it may become. */
  get isFull(): boolean {
    return this.#drawers.some(
      ({ target, objects, records }) =>
        records >= target.roll.maxRecords ||
        [...objects.values()].some((object) => sizeOf(object) >= target.roll.maxBytes),
    )
  }

  /** Bytes of a role's files as they stand, as far as they can be told. */
  bytes(role: Role): number {
    const drawer = this.#drawers.find(({ target }) => target.role === role)
    return [...(drawer?.objects.values() ?? [])].reduce((sum, object) => sum + sizeOf(object), 0)
  }

  /** Writes what waits and syncs every file. The rows may be committed once the folder is synced, too. */
  async finish(): Promise<ObjectRow[]> {
    const objects = this.#objects()
    for (const object of objects) {
      await this.#takeTurn()
      this.#write(object)
      this.#append(object, object.compressor.end(), NOTHING)
    }
    await Promise.all(this.#writes)
    for (const object of objects) this.#watch(this.#sync(object))
    await Promise.all(this.#writes)
    for (const { file } of objects) await file.close()
    return objects.map((object) => rowOf(object, this.#number)).toSorted((a, b) => a.part - b.part)
  }

  /** For a commit that is given up: the files stay for the next start to delete. */
  async abandon(): Promise<void> {
    await Promise.allSettled(this.#writes)
    await Promise.allSettled(this.#objects().map((object) => object.file.close()))
  }

  #objects(): OpenObject[] {
    return this.#drawers.flatMap(({ objects }) => [...objects.values()])
  }

  #drawer(role: Role): Drawer {
    const drawer = this.#drawers.find(({ target }) => target.role === role)
    if (!drawer) throw new SluiceError('INTERNAL', `the outbox has no target for ${role}`)
    return drawer
  }

  async #object(drawer: Drawer, wanted: string): Promise<OpenObject> {
    const { objects, target, fallback } = drawer
    const isTaken = objects.has(wanted) || (objects.size < target.roll.maxPartitions - 1 && this.#fits(target, wanted))
    const key = isTaken ? wanted : fallback
    return objects.get(key) ?? (await this.#open(drawer, key))
  }

  async #open(drawer: Drawer, key: string): Promise<OpenObject> {
    const { folder, files } = this.#options
    const { target } = drawer
    if (!this.#fits(target, key)) {
      throw new SluiceError(
        'SINK_REFUSED',
        `the objects of ${target.type} would have keys of more than ${target.sink.maxKeyBytes} bytes, for example in ${key}: shorten \`key\``,
      )
    }
    const part = this.#parts++
    const name = `${this.#numberOf(part)}${endings[target.compression]}`
    const object: OpenObject = {
      drawer,
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
    drawer.objects.set(key, object)
    return object
  }

  /** The object's key up to its hash. */
  #prefix(key: string, part: number): string {
    const { pipeline, generation } = this.#options
    return `${key === '' ? '' : `${key}/`}${pipeline}-${generation}-${this.#numberOf(part)}-`
  }

  #numberOf(part: number): string {
    return `${String(this.#number).padStart(8, '0')}-${String(part).padStart(3, '0')}`
  }

  #fits({ sink, compression }: OutboxTarget, key: string): boolean {
    const length = Buffer.byteLength(this.#prefix(key, this.#parts)) + HASH_DIGITS + endings[compression].length
    return length <= sink.maxKeyBytes
  }

  #put(object: OpenObject, lines: Buffer, records: number): void {
    object.lines.push(lines)
    object.waiting += lines.length
    object.unwritten += lines.length
    object.records += records
    this.#waiting += lines.length
  }

  /** Writes what is large enough, and the largest while too much waits. */
  async #makeRoom(): Promise<void> {
    const objects = this.#objects()
    for (const object of objects) {
      if (object.waiting < object.drawer.memberBytes) continue
      await this.#takeTurn()
      this.#write(object)
    }
    while (this.#waiting > this.#options.bufferBytes) {
      await this.#takeTurn()
      this.#write(objects.reduce((largest, object) => (object.waiting > largest.waiting ? object : largest)))
    }
  }

  /** Resolves when the thread pool wants more. Throws what a write failed with. */
  async #takeTurn(): Promise<void> {
    while (this.#busy >= BUSY_BYTES) await Promise.race(this.#writes)
  }

  /** Compresses what waits; several members of one file at once, but written in their order. */
  #write(object: OpenObject): void {
    const { lines, waiting, compressor } = object
    if (waiting === 0) return
    object.lines = []
    object.waiting = 0
    this.#waiting -= waiting
    this.#busy += waiting
    const member = this.#join(lines, waiting)
    this.#append(object, compressor.push(member), member)
  }

  #join(lines: readonly Buffer[], bytes: number): Buffer {
    if (lines.length === 1) return lines[0]
    const member = this.#members.take(bytes).subarray(0, bytes)
    let at = 0
    for (const part of lines) {
      at += part.copy(member, at)
      this.#lines.give(part)
    }
    return member
  }

  #append(object: OpenObject, compressed: Promise<Buffer>, plain: Buffer): void {
    object.written = this.#appendInTurn(object, compressed, plain)
    this.#watch(object.written)
  }

  /** A failure stays among the writes, where the next turn or the end of the epoch meets it. */
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

  async #appendInTurn(object: OpenObject, compressed: Promise<Buffer>, plain: Buffer): Promise<void> {
    const [bytes] = await Promise.all([compressed, object.written])
    object.hash.update(bytes)
    if (bytes.length > 0) await object.file.write(bytes, object.bytes)
    object.bytes += bytes.length
    object.plain += plain.length
    object.unwritten -= plain.length
    this.#busy -= plain.length
    // What was not compressed is written from where it stands.
    this.#lines.give(plain)
    this.#members.give(plain)
    if (object.bytes - object.synced >= SYNC_BYTES && !object.isSyncing) this.#watch(this.#sync(object))
  }
}

/** What an epoch has for one target. */
interface Drawer {
  readonly target: OutboxTarget
  readonly partitioner: Partitioner
  readonly fallback: string
  readonly memberBytes: number
  readonly objects: Map<string, OpenObject>
  records: number
}

interface OpenObject {
  readonly drawer: Drawer
  readonly part: number
  /** The object's key up to its hash. */
  readonly prefix: string
  /** Of the file in the outbox. */
  readonly name: string
  readonly file: OpenFile
  readonly compressor: Compressor
  readonly hash: ReturnType<typeof createHash>
  lines: Buffer[]
  /** Bytes of `lines`; `unwritten` are those and the ones that are being compressed, `plain` those that are in the file. */
  waiting: number
  unwritten: number
  plain: number
  /** Bytes of the file. */
  bytes: number
  /** Bytes that were there when the last sync began. */
  synced: number
  isSyncing: boolean
  records: number
  written: Promise<void>
}

/** Lines of one gzip member: 1 MiB costs 2 % of the ratio that a whole file has. */
const MEMBER_BYTES = 1 << 20
/** Lines of one batch: half a MiB, and what edits add. */
const LINES_BYTES = 768 * 1024
const NOTHING = Buffer.alloc(0)
/** Bytes that are compressed at once: the thread pool has four threads. */
const BUSY_BYTES = 4 * MEMBER_BYTES
/** The disk gets so much at a time while more is made: so the end of an epoch does not wait for all of a large file. */
const SYNC_BYTES = 32 << 20
/** Digits of the content's SHA-256 in an object's name. */
const HASH_DIGITS = 16

/** What is not compressed yet is taken to shrink as the rest of the file did. */
function sizeOf({ bytes, plain, unwritten, drawer }: OpenObject): number {
  if (drawer.target.compression === 'none') return bytes + unwritten
  return plain === 0 ? 0 : bytes + unwritten * (bytes / plain)
}

function partition(partitioner: Partitioner, batch: Batch, records: Uint32Array): Iterable<[string, Uint32Array]> {
  const parts = new Map<string, number[]>()
  let lastKey: string | undefined
  let last: number[] = []
  for (const record of records) {
    const key = partitioner(batch, record)
    if (key !== lastKey) {
      lastKey = key
      last = parts.get(key) ?? []
      parts.set(key, last)
    }
    last.push(record)
  }
  if (parts.size === 1) return [[lastKey ?? '', records]]
  return [...parts].map(([key, members]) => [key, Uint32Array.from(members)])
}

function rowOf({ drawer, part, prefix, name, hash, bytes, records }: OpenObject, epoch: number): ObjectRow {
  const { role, type, sink, compression } = drawer.target
  const sha256 = hash.digest('hex')
  const key = `${prefix}${sha256.slice(0, HASH_DIGITS)}${endings[compression]}`
  return {
    epoch,
    part,
    role,
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
