import { createHash } from 'node:crypto'
import type { Batch, Digests, Reject } from '../../record/batch.ts'
import { NO_DEDUP_BUCKET, RecordState } from '../../record/batch.ts'
import { NO_GROUP } from '../../record/rebuild.ts'
import { RECORD_STRIDE } from '../../record/scan.ts'
import { latenessOf } from './late-arrivals.ts'
import { DedupTable, ENTRY_WORDS, Found } from './dedup-table.ts'

/** The claims that are probed and made. An entry is 4 numbers of an array: 96 bits of key, 32 of content. */
export interface DedupKeys {
  /** Loads what a batch's probes need: the buckets of these days (`NO_BUCKET` among them), at this progress of the source. */
  prepare(days: Iterable<number>, lowWatermark: number | undefined): Promise<void>
  /** Says that an entry is about to be claimed: that is faster when all of a batch are known. */
  prefetch(entries: Uint32Array, at: number, day: number): void
  /** Claims the key unless it is claimed. Returns one of `Found`. */
  add(entries: Uint32Array, at: number, day: number): number
}

/** What becomes of a batch's records. */
export interface DedupResult {
  /** Live records to be written, in order. */
  readonly written: Uint32Array
  readonly rejects: readonly Reject[]
  readonly duplicate: number
  /** How many of the duplicates have another content than the record that was written. */
  readonly duplicateDiffers: number
  /** Late records among the written ones, see `latenessOf`. */
  readonly late: ReadonlyMap<string, number>
}

/**
 * Decides who was first, batch by batch in order of arrival. The first live record of a key claims it, later ones are duplicates; a claim is
 * never withdrawn, and dropped and rejected records make none. Records made from one settle together: a key that a sibling claimed is free to
 * the others. A rejection leaves a mark in place of a claim, so that the same record, read again, is a duplicate instead of a second reject.
 */
export class Deduplicator {
  readonly #claims: DedupKeys | undefined
  readonly #written = new Siblings()
  readonly #rejected = new Siblings()

  /** Without claims, and without a `dedup` among the stages, every record is written. */
  constructor(claims?: DedupKeys) {
    this.#claims = claims
  }

  async deduplicate(batch: Batch): Promise<DedupResult> {
    if (!this.#claims || !batch.digests) return untouched(batch)
    await this.#claims.prepare(daysOf(batch), batch.lowWatermark)
    const differs = { count: 0 }
    const written = this.#deduplicateLive(batch, this.#claims, differs)
    // Its mark is its own: refused again, it would pass for a copy of itself.
    const rejects = batch.replay ? batch.rejects : this.#deduplicateRejects(batch, this.#claims)
    if (!batch.continues) {
      this.#written.leave()
      this.#rejected.leave()
    }
    return {
      written,
      rejects,
      duplicate: batch.live - written.length + batch.rejects.length - rejects.length,
      duplicateDiffers: differs.count,
      late: latenessOf(batch, written),
    }
  }

  #deduplicateLive(batch: Batch, claims: DedupKeys, differs: { count: number }): Uint32Array {
    const { digests, states, count } = batch
    const written = new Uint32Array(batch.live)
    if (digests) {
      for (let record = 0; record < count; record++) {
        if (states[record] === RecordState.live)
          claims.prefetch(digests.keys, record * ENTRY_WORDS, digests.buckets[record])
      }
    }
    if (!batch.hasSiblings) this.#written.leave()
    let length = 0
    for (let record = 0; record < count; record++) {
      if (states[record] !== RecordState.live) continue
      const found = digests && hasDigest(digests, record) ? this.#claim(batch, digests, record, claims) : Found.new
      if (found === Found.new) written[length++] = record
      else if (found === Found.differs) differs.count++
    }
    return written.subarray(0, length)
  }

  #claim(batch: Batch, digests: Digests, record: number, claims: DedupKeys): number {
    const at = record * ENTRY_WORDS
    if (!batch.hasSiblings) return claims.add(digests.keys, at, digests.buckets[record])
    this.#written.enter(batch.groupOf(record))
    return this.#written.claim(claims, digests.keys, at, digests.buckets[record])
  }

  #deduplicateRejects(batch: Batch, claims: DedupKeys): Reject[] {
    return batch.rejects.filter((reject) => {
      this.#rejected.enter(reject.record < 0 ? undefined : batch.groupOf(reject.record))
      return this.#rejected.claim(claims, markOf(batch, reject), 0, bucketOf(batch, reject)) === Found.new
    })
  }
}

/** The claims of the records made from one, as long as they come one behind the other; a batch that was split does not part them. */
class Siblings {
  #group: number | undefined
  /** The first three words of each entry. */
  #keys = new Uint32Array(3 * 16)
  #length = 0

  /** Undefined: a record without siblings. */
  enter(group: number | undefined): void {
    if (group !== undefined && group !== NO_GROUP && group === this.#group) return
    this.#group = group
    this.#length = 0
  }

  leave(): void {
    this.enter(undefined)
  }

  claim(claims: DedupKeys, entries: Uint32Array, at: number, day: number): number {
    const found = claims.add(entries, at, day)
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

/** Claims that are kept nowhere: for tests, previews and sinks without a state. */
export function memoryDedupKeys(): DedupKeys {
  const table = new DedupTable()
  return {
    prepare: () => Promise.resolve(),
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

/** A record that has no key (`missing: pass`) has a digest of zeros. */
function hasDigest(digests: Digests, record: number): boolean {
  const at = record * ENTRY_WORDS
  return (digests.keys[at] | digests.keys[at + 1] | digests.keys[at + 2]) !== 0
}

function bucketOf(batch: Batch, { record }: Reject): number {
  return batch.digests && record >= 0 && hasDigest(batch.digests, record)
    ? batch.digests.buckets[record]
    : NO_DEDUP_BUCKET
}

/** The stage and the key where there is one, else the stage and the bytes as they were read. */
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
  // The same content for all: a mark that is found again is a plain duplicate.
  return Uint32Array.of(bytes.readUInt32LE(0) | 1, bytes.readUInt32LE(4), bytes.readUInt32LE(8), 0)
}
