import { createHash } from 'node:crypto'
import type { Batch, Digests, Reject } from '../../record/batch.ts'
import { NO_DEDUP_BUCKET, RecordState } from '../../record/batch.ts'
import { NO_GROUP } from '../../record/rebuild.ts'
import { RECORD_STRIDE } from '../../record/scan.ts'
import { countLateArrivals } from './late-arrivals.ts'
import { DedupTable, ENTRY_WORDS, Found } from './dedup-table.ts'

/**
 * A set of dedup keys. An entry is four numbers of an array: 96 bits of key, 32 bits of content.
 */
export interface DedupKeys {
  /**
   * Loads the dedup buckets of these days (`NO_DEDUP_BUCKET` may be among them), at this progress
   * of the source.
   */
  prepare?(days: Iterable<number>, lowWatermark: number | undefined): Promise<void>
  /**
   * Announces an entry that will be added soon. Announcing a whole batch first makes adding faster.
   */
  prefetch(entries: Uint32Array, at: number, day: number): void
  /** Adds the entry if its key is new. Returns one of `Found`. */
  add(entries: Uint32Array, at: number, day: number): number
}

/** The outcome of a batch's records. */
export interface DedupResult {
  /** Live records that are written, in order. */
  readonly written: Uint32Array
  readonly rejects: readonly Reject[]
  readonly duplicate: number
  /** Duplicates whose content differs from the record that was written. */
  readonly duplicateDiffers: number
  /** Written records that arrived late, see `countLateArrivals`. */
  readonly late: ReadonlyMap<string, number>
}

/**
 * Deduplicates batch by batch, in order of arrival. The first live record of a key is written,
 * later ones are duplicates. Keys are never removed, and dropped and rejected records add none.
 * Records made from the same source record (siblings) may share a key: they are no duplicates of
 * each other. A reject adds a mark in place of its key, so that the same record, read again, is a
 * duplicate and not a second reject.
 */
export class Deduplicator {
  readonly #keys: DedupKeys | undefined
  readonly #marksRejects: boolean
  readonly #written = new Siblings()
  readonly #rejected = new Siblings()

  /** Without keys, or without a `dedup` among the stages, every live record is written. */
  constructor(keys?: DedupKeys, { marksRejects = true }: { readonly marksRejects?: boolean } = {}) {
    this.#keys = keys
    this.#marksRejects = marksRejects
  }

  async deduplicate(batch: Batch): Promise<DedupResult> {
    if (!this.#keys || !batch.digests) return untouched(batch)
    await this.#keys.prepare?.(daysOf(batch), batch.lowWatermark)
    const differs = { count: 0 }
    const written = this.#deduplicateLive(batch, this.#keys, differs)
    const rejects = this.#marksRejects ? this.#deduplicateRejects(batch, this.#keys) : batch.rejects
    if (!batch.continues) {
      this.#written.reset()
      this.#rejected.reset()
    }
    return {
      written,
      rejects,
      duplicate: batch.live - written.length + batch.rejects.length - rejects.length,
      duplicateDiffers: differs.count,
      late: countLateArrivals(batch, written),
    }
  }

  #deduplicateLive(batch: Batch, keys: DedupKeys, differs: { count: number }): Uint32Array {
    const { digests, states, count } = batch
    const written = new Uint32Array(batch.live)
    if (digests) {
      for (let record = 0; record < count; record++) {
        if (states[record] === RecordState.live)
          keys.prefetch(digests.keys, record * ENTRY_WORDS, digests.buckets[record])
      }
    }
    if (!batch.hasSiblings) this.#written.reset()
    let length = 0
    for (let record = 0; record < count; record++) {
      if (states[record] !== RecordState.live) continue
      const found = digests && hasDigest(digests, record) ? this.#add(batch, digests, record, keys) : Found.new
      if (found === Found.new) written[length++] = record
      else if (found === Found.differs) differs.count++
    }
    return written.subarray(0, length)
  }

  #add(batch: Batch, digests: Digests, record: number, keys: DedupKeys): number {
    const at = record * ENTRY_WORDS
    if (!batch.hasSiblings) return keys.add(digests.keys, at, digests.buckets[record])
    this.#written.enter(batch.groupOf(record))
    return this.#written.add(keys, digests.keys, at, digests.buckets[record])
  }

  #deduplicateRejects(batch: Batch, keys: DedupKeys): Reject[] {
    return batch.rejects.filter((reject) => {
      this.#rejected.enter(reject.record < 0 ? undefined : batch.groupOf(reject.record))
      return this.#rejected.add(keys, markOf(batch, reject), 0, bucketOf(batch, reject)) === Found.new
    })
  }
}

/**
 * The keys of consecutive records that were made from the same source record, also across the
 * chunks of a split batch.
 */
class Siblings {
  #group: number | undefined
  /** The first three words of each entry. */
  #keys = new Uint32Array(3 * 16)
  #length = 0

  /** Call this before `add` of each record. Undefined: the record has no siblings. */
  enter(group: number | undefined): void {
    if (group !== undefined && group !== NO_GROUP && group === this.#group) return
    this.#group = group
    this.#length = 0
  }

  reset(): void {
    this.enter(undefined)
  }

  /** Adds an entry. Returns `Found.new` also if a sibling has added its key. */
  add(keys: DedupKeys, entries: Uint32Array, at: number, day: number): number {
    const found = keys.add(entries, at, day)
    if (found !== Found.new) return this.#has(entries, at) ? Found.new : found
    if (this.#length === this.#keys.length) {
      const larger = new Uint32Array(2 * this.#length)
      larger.set(this.#keys)
      this.#keys = larger
    }
    for (let word = 0; word < 3; word++) this.#keys[this.#length++] = entries[at + word]
    return found
  }

  #has(entries: Uint32Array, at: number): boolean {
    const keys = this.#keys
    for (let i = 0; i < this.#length; i += 3) {
      if (keys[i] === entries[at] && keys[i + 1] === entries[at + 1] && keys[i + 2] === entries[at + 2]) return true
    }
    return false
  }
}

/** Keys in memory only: for tests, previews and sinks without a state. */
export function memoryDedupKeys(): DedupKeys {
  const table = new DedupTable()
  return {
    prefetch: (entries, at) => table.prefetch(entries, at),
    add: (entries, at) => table.add(entries, at),
  }
}

function untouched(batch: Batch): DedupResult {
  const written = new Uint32Array(batch.live)
  let length = 0
  for (let record = 0; record < batch.count; record++)
    if (batch.states[record] === RecordState.live) written[length++] = record
  return { written, rejects: batch.rejects, duplicate: 0, duplicateDiffers: 0, late: new Map() }
}

function daysOf(batch: Batch): Set<number> {
  const days = new Set<number>()
  let last: number | undefined
  for (let record = 0; record < batch.count; record++) {
    if (!batch.digests || batch.states[record] !== RecordState.live || !hasDigest(batch.digests, record)) continue
    const day = batch.digests.buckets[record]
    if (day !== last) days.add(day)
    last = day
  }
  for (const reject of batch.rejects) days.add(bucketOf(batch, reject))
  return days
}

/** A record without a key (`missing: pass`) has a digest of zeros. */
function hasDigest(digests: Digests, record: number): boolean {
  const at = record * ENTRY_WORDS
  return (digests.keys[at] | digests.keys[at + 1] | digests.keys[at + 2]) !== 0
}

function bucketOf(batch: Batch, { record }: Reject): number {
  return batch.digests && record >= 0 && hasDigest(batch.digests, record)
    ? batch.digests.buckets[record]
    : NO_DEDUP_BUCKET
}

/**
 * The mark of a reject: a digest of the stage and the key, or, without a key, of the stage and the
 * bytes as they were read.
 */
function markOf(batch: Batch, { stage, record, digest }: Reject): Uint32Array {
  const hash = createHash('sha256').update(stage).update('\0')
  if (batch.digests && record >= 0 && hasDigest(batch.digests, record)) {
    const { keys } = batch.digests
    const at = record * ENTRY_WORDS
    hash.update('key').update(new Uint8Array(keys.buffer, keys.byteOffset + at * 4, 12))
  } else if (record >= 0) {
    const { records } = batch.index
    const at = record * RECORD_STRIDE
    hash.update('bytes').update(batch.bytes.subarray(records[at], records[at + 1]))
  } else {
    hash.update('digest').update(digest ?? '')
  }
  const bytes = hash.digest()
  // All marks have the same content: a repeated mark never counts as a duplicate with other
  // content.
  return Uint32Array.of(bytes.readUInt32LE(0) | 1, bytes.readUInt32LE(4), bytes.readUInt32LE(8), 0)
}
