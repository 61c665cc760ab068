import type { Reread } from './chunk.ts'
import { ACCEPT_MASK } from './paths/automaton.ts'
import { BACKSLASH, LOWER_F, LOWER_N, LOWER_T, OPEN_ARRAY, OPEN_OBJECT, QUOTE } from './json/ascii.ts'
import { SluiceError } from '../errors.ts'
import { Edit, FIRST_TOKEN, growthOf, isChanged, writeEdited } from './edits.ts'
import type { Edited } from './edits.ts'
import { Inserts } from './inserts.ts'
import type { Json } from './json/json.ts'
import { readString } from './json/json-text.ts'
import { skipSpaceBack } from './json/walk.ts'
import { isPlainNumber } from './json/number.ts'
import type { Path, Paths } from './paths/path.ts'
import { detailOf, isRejectCode, NOT_A_CODE } from './reject-code.ts'
import { acquireBytes, release } from './chunk-memory.ts'
import { DUPLICATE_KEYS, FAULT_MASK, HIT_STRIDE, ValueKind, RECORD_STRIDE, scanWhole } from './scan.ts'
import type { RecordIndex, ScanLimits } from './scan.ts'
import { Tokens } from './tokens.ts'
import { visibleHits } from './visible-hits.ts'
import { findRanges, writeLines } from './write-lines.ts'

export { Edit } from './edits.ts'

/**
 * State of a record in a batch. Dropped and rejected records stay in place. Rejected records go
 * through the later stages too, so that redaction reaches them.
 */
export const RecordState = { live: 0, dropped: 1, rejected: 2 } as const

/** Where a batch's lines come from, for messages and rejects. */
export interface Origin {
  /** A file, or the request and page of an API. */
  readonly name: string
  /** Number of the first line, from 1. For an API: the element's number in the response. */
  readonly line: number
}

export interface Reject {
  /**
   * Number of the record in the batch; -1 if its bytes are not in the batch (a line over the length
   * limit).
   */
  record: number
  readonly code: string
  /** Name of the stage that rejected the record. */
  readonly stage: string
  /**
   * A schema pointer and rule, one of our error messages, or the author's own text. Never content
   * of a record.
   */
  readonly detail?: string
  readonly origin: string
  readonly line: number
  /** Length of the line in bytes, as it was read. */
  readonly length: number
  /** SHA-256 of the line as it was read, in hex. Only for lines that do not parse. */
  readonly digest?: string
}

/** How a source ended. The last, empty batch of a run carries it. */
export type End = ({ readonly kind: 'done' | 'interrupted' } | { readonly kind: 'failed'; readonly error: Error }) & {
  /** How many batch numbers each source partition has used: the last one may be missing, too. */
  readonly batches?: ReadonlyMap<string, number>
}

/** Asks for a commit of everything before it. It travels in an empty batch. */
export interface CommitRequest {
  /**
   * Called when everything before the request is committed. `published` resolves with true when all
   * committed objects are published, and with false if publishing stops before.
   */
  committed(published: Promise<boolean>): void
  /** Called by a delivery without a state. */
  refused(): void
}

export interface Tallies {
  /** Records that entered the pipeline, rejected lines included. */
  read: number
  /** Records that stages created, beyond those they received. */
  added: number
  /** Records dropped on purpose, by reason. */
  dropped: Map<string, number>
}

/**
 * The digests that `dedup` computed. The sink decides which record of a key is the first.
 *
 * `keys` has 4 numbers per record: 96 bits of the dedup key and 32 bits of the content; all zeros
 * if the record has no dedup key. `buckets` has the dedup bucket of each record: the day number of
 * its event time (days since 1970), or `NO_DEDUP_BUCKET`.
 */
export interface Digests {
  readonly keys: Uint32Array
  readonly buckets: Int32Array
  /** Path of the event time, if it is configured. */
  readonly time?: Path | undefined
}

/** The dedup bucket of records without a usable event time. */
export const NO_DEDUP_BUCKET = -0x80000000

/** The digests of one record. */
export interface DedupKey {
  readonly key: Uint32Array
  readonly bucket: number
}

/** The fields of a new batch; see `Batch` for their meaning. */
export interface BatchParts {
  readonly partition: string
  readonly number: number
  readonly continues: boolean
  readonly position: Json | undefined
  readonly origin: Origin
  readonly end: End | undefined
  readonly tallies: Tallies
  readonly rejects: Reject[]
  readonly digests?: Digests | undefined
  readonly sourceBytes: number
  readonly lowWatermark: number | undefined
  readonly reread?: Reread | undefined
  readonly paths: Paths
  readonly limits: ScanLimits
  /** Whole lines, each with its line feed. */
  readonly bytes: Buffer
  readonly index: RecordIndex
  /** `RecordState` of each record. Default: all live. */
  readonly states?: Uint8Array
  /** Line number of each record at its origin. Default: counted from the origin's line. */
  readonly lineNumbers?: Float64Array
  /** Group of each record, see `groupOf`. Default: a group per record. */
  readonly groups?: Uint32Array
}

/**
 * A batch is the unit that flows through a pipeline: whole NDJSON lines of one source partition in
 * one Buffer, the index of its records, and everything that must commit with them (position,
 * digests, rejects, tallies). No stage has to coordinate with another.
 *
 * A record is its bytes plus one edit per hit. A hit is a value that a path of the pipeline
 * matches. The edit keeps the value, deletes it, or replaces it by a token (a JSON text of the
 * batch). Stages change `states` and `edits` in place; they never change `bytes`. The output is
 * written once, at the end, by `assemble`. So bytes that no stage edits leave exactly as they came,
 * and no record becomes a JavaScript object unless custom code or the schema validator asks for one
 * (`value`).
 *
 * Records with duplicate keys are flagged. Reads then return the value that JSON.parse would take;
 * `hits` returns every match, so redaction reaches all of them.
 *
 * New members (`append`) are pending edits too, but no hits: no stage sees them, or a value that
 * `put` replaces, before `writePuts` has written them into the bytes. The runtime calls it before a
 * stage that may ask for such a member. Most members that a stage adds are only written out, and cost
 * no more than an edit.
 *
 * A path that is newer than the index causes one more scan of the batch, which keeps the edits.
 *
 * Memory: the sink calls `release` after it has written the batch, and a later batch then
 * overwrites the bytes and the index. A built-in stage keeps no reference to them. The memory is
 * reused only if every transform of the pipeline declares `reusesBuffers`.
 *
 * Invariant at every stage border: `tallies.read + tallies.added = live + dropped + rejected`.
 */
export class Batch {
  readonly partition: string
  /**
   * Number of the batch within its source partition, from 0, without gaps. The parts of a batch
   * that was split share its number.
   */
  readonly number: number
  /**
   * True on all parts but the last of a batch (or source chunk) that was split. No epoch ends
   * between the parts.
   */
  readonly continues: boolean
  /** The source position after this batch; present only if reading can resume there. */
  readonly position: Json | undefined
  readonly origin: Origin
  readonly end: End | undefined
  readonly tallies: Tallies
  readonly rejects: Reject[]
  digests: Digests | undefined
  /** Set in an empty batch only. */
  commit: CommitRequest | undefined
  /** Source bytes that this batch accounts for, for progress. */
  readonly sourceBytes: number
  /**
   * The oldest event time (milliseconds since 1970) that the source partition can still yield after
   * this batch; undefined if unknown.
   */
  readonly lowWatermark: number | undefined
  /** Set if this time range has been read before, see `Chunk.reread`. */
  readonly reread: Reread | undefined

  readonly paths: Paths
  readonly limits: ScanLimits
  /** `RecordState` of each record. Only `drop` and `reject` change it. */
  readonly states: Uint8Array
  /** Texts of edits. A stage may write one in parts, and register it with `FIRST_TOKEN` + its number. */
  readonly tokens = new Tokens()

  #bytes: Buffer
  #index: RecordIndex
  #edits: Uint32Array
  #inserts: Inserts | undefined
  /** By record: 1 if it has members that are not in the bytes yet. */
  #puts: Uint8Array | undefined
  /** The bytes that came with the batch, once it has other ones. */
  #received: Buffer | undefined
  #live: number
  readonly #lineNumbers: Float64Array | undefined
  readonly #groups: Uint32Array | undefined

  constructor(parts: BatchParts) {
    this.partition = parts.partition
    this.number = parts.number
    this.continues = parts.continues
    this.position = parts.position
    this.origin = parts.origin
    this.end = parts.end
    this.tallies = parts.tallies
    this.rejects = parts.rejects
    this.digests = parts.digests
    this.sourceBytes = parts.sourceBytes
    this.lowWatermark = parts.lowWatermark
    this.reread = parts.reread
    this.paths = parts.paths
    this.limits = parts.limits
    this.#bytes = parts.bytes
    this.states = parts.states ?? new Uint8Array(parts.index.count)
    this.#index = parts.index
    this.#edits = new Uint32Array(parts.index.hits.length / HIT_STRIDE)
    this.#live = parts.states === undefined ? parts.index.count : countLive(parts.states)
    this.#lineNumbers = parts.lineNumbers
    this.#groups = parts.groups
  }

  /** Whole lines, each with its line feed. Only `writePuts` replaces them. */
  get bytes(): Buffer {
    return this.#bytes
  }

  /**
   * The index. A query for a path that is newer than the index replaces it, and hit numbers change.
   * So add all paths when a stage is created.
   */
  get index(): RecordIndex {
    return this.#index
  }

  /**
   * The `Edit` or token of each hit of `index`. A stage may write it directly for hits that contain
   * no other hits (strings, numbers, literals). For objects and arrays use `edit`, which also marks
   * the hits inside as shadowed.
   */
  get edits(): Uint32Array {
    return this.#edits
  }

  /** Number of records in the batch, including dropped and rejected ones. */
  get count(): number {
    return this.#index.count
  }

  /** Number of live records. */
  get live(): number {
    return this.#live
  }

  /** Line number of a record at its origin. */
  lineOf(record: number): number {
    if (this.#lineNumbers !== undefined) return this.#lineNumbers[record]
    return this.origin.line + (this.#index.lineNumbers?.[record] ?? record)
  }

  /** False if no two records of the batch can come from the same source record. */
  get hasSiblings(): boolean {
    return this.#groups !== undefined
  }

  /**
   * Records that stages made from one source record share a group, and are deduplicated together.
   * Groups compare only between batches of the same number.
   */
  groupOf(record: number): number {
    return this.#groups?.[record] ?? record
  }

  /** `LineFault` of a line. Only lines without a fault are live. */
  fault(record: number): number {
    return this.#index.records[RECORD_STRIDE * record + 3] & FAULT_MASK
  }

  /** Drops a live record. No-op if it is already dropped or rejected. */
  drop(record: number, reason: string): void {
    if (this.states[record] !== RecordState.live) return
    this.states[record] = RecordState.dropped
    this.#live--
    const { dropped } = this.tallies
    dropped.set(reason, (dropped.get(reason) ?? 0) + 1)
  }

  /**
   * Rejects a live record. No-op if it is already dropped or rejected. Pass `digest` for lines that
   * do not parse. A code that is not written like one becomes TRANSFORM_FAILED: it may be content.
   */
  reject(record: number, code: string, stage: string, detail?: string, digest?: string): void {
    if (this.states[record] !== RecordState.live) return
    if (!isRejectCode(code)) return this.reject(record, 'TRANSFORM_FAILED', stage, NOT_A_CODE)
    this.states[record] = RecordState.rejected
    this.#live--
    const { records } = this.#index
    this.rejects.push({
      record,
      code,
      stage,
      ...(detail === undefined ? {} : { detail: detailOf(detail) }),
      origin: this.origin.name,
      line: this.lineOf(record),
      length: records[RECORD_STRIDE * record + 1] - records[RECORD_STRIDE * record],
      ...(digest === undefined ? {} : { digest }),
    })
  }

  /**
   * The hit of a plain path; -1 if the value is absent, deleted or shadowed. For duplicate keys,
   * the hit that JSON.parse would take among those that remain. For a path with wildcards, the last
   * of `visible`. Scans again if the path is newer than the index.
   */
  hit(record: number, path: Path): number {
    if (path.id >= this.#index.pathCount) this.#scanAgain()
    const { pathCount, columns, records } = this.#index
    const hit = columns[record * pathCount + path.id] - 1
    if (hit < 0) return -1
    if (path.keys === undefined) return this.visible(record, path).at(-1) ?? -1
    if ((records[RECORD_STRIDE * record + 3] & DUPLICATE_KEYS) !== 0) return this.#lastDuplicate(record, path)
    return this.#isGone(hit) ? -1 : hit
  }

  /**
   * All hits of a path in document order, including duplicate keys, excluding deleted and shadowed
   * hits.
   */
  hits(record: number, path: Path): number[] {
    if (path.id >= this.#index.pathCount) this.#scanAgain()
    const { pathCount, columns, records } = this.#index
    const last = columns[record * pathCount + path.id]
    if (last === 0) return []
    if (path.keys !== undefined && (records[RECORD_STRIDE * record + 3] & DUPLICATE_KEYS) === 0) {
      return this.#isGone(last - 1) ? [] : [last - 1]
    }
    const found: number[] = []
    for (let hit = records[RECORD_STRIDE * record + 2]; hit < last; hit++) {
      if (!this.#isGone(hit) && this.belongs(hit, path)) found.push(hit)
    }
    return found
  }

  /**
   * The hits of a path that a reader of the record sees: those that JSON.parse would keep of
   * duplicate keys. Decisions about a record use them; redaction uses `hits`.
   */
  visible(record: number, path: Path): readonly number[] {
    if (path.keys === undefined) return this.visibleOf(record, this.hits(record, path))
    const hit = this.hit(record, path)
    return hit < 0 ? NO_HITS : [hit]
  }

  /** Those of a record's hits that JSON.parse would keep of duplicate keys. */
  visibleOf(record: number, found: readonly number[]): readonly number[] {
    if (found.length === 0) return found
    const { hits, records } = this.#index
    const start = records[RECORD_STRIDE * record]
    return visibleHits({ bytes: this.#bytes, start, hits, isDeleted: (at) => this.#isDeletedAt(record, at) }, found)
  }

  /** True if this path matched at this hit. */
  belongs(hit: number, path: Path): boolean {
    const { hits, accepts } = this.#index
    return accepts[hits[HIT_STRIDE * hit] & ACCEPT_MASK].includes(path.id)
  }

  /**
   * Offsets of a hit in `bytes`: start of the key (in an array, of the value), start and end of the
   * value. Edits do not change them.
   */
  span(hit: number): { key: number; start: number; end: number } {
    const { hits } = this.#index
    return { key: hits[HIT_STRIDE * hit + 1], start: hits[HIT_STRIDE * hit + 2], end: hits[HIT_STRIDE * hit + 3] }
  }

  /** The number after the last hit inside this hit. */
  endOf(hit: number): number {
    const { hits } = this.#index
    const end = hits[HIT_STRIDE * hit + 3]
    let next = hit + 1
    while (HIT_STRIDE * next < hits.length && hits[HIT_STRIDE * next + 2] < end) next++
    return next
  }

  /** `ValueKind` of a hit's current value, edits included; 0 if it is deleted or shadowed. */
  kind(hit: number): number {
    const edit = this.#edits[hit]
    if (edit === Edit.keep) return this.#index.hits[HIT_STRIDE * hit] >>> 16
    return edit >= FIRST_TOKEN ? kindOf(this.tokens.text(edit - FIRST_TOKEN)) : 0
  }

  /**
   * A hit's current value as JSON text, with edits of and inside the value; empty if it is deleted
   * or shadowed. Valid until the next edit.
   */
  raw(hit: number): Buffer {
    const edit = this.#edits[hit]
    if (edit >= FIRST_TOKEN) return this.tokens.text(edit - FIRST_TOKEN)
    const { hits } = this.#index
    const start = hits[HIT_STRIDE * hit + 2]
    if (edit !== Edit.keep) return this.#bytes.subarray(start, start)
    const end = hits[HIT_STRIDE * hit + 3]
    const kind = hits[HIT_STRIDE * hit] >>> 16
    if (kind !== ValueKind.object && kind !== ValueKind.array) return this.#bytes.subarray(start, end)
    return this.#render(this.#inserts === undefined ? 0 : this.#recordAt(start), start, end, hit + 1, this.endOf(hit))
  }

  /** A hit's current value as text: strings decoded, numbers as spelled, other values as JSON. */
  text(hit: number): string {
    const kind = this.kind(hit)
    if (kind === ValueKind.string && this.#edits[hit] === Edit.keep) {
      const { hits } = this.#index
      return this.#bytes.toString('utf8', hits[HIT_STRIDE * hit + 2] + 1, hits[HIT_STRIDE * hit + 3] - 1)
    }
    const raw = this.raw(hit)
    if (kind === ValueKind.string) return raw.toString('utf8', 1, raw.length - 1)
    return kind === ValueKind.escaped ? readString(raw.toString()) : raw.toString()
  }

  /**
   * The whole current record, parsed with JSON.parse.
   * @throws SyntaxError for a line that does not parse.
   */
  value(record: number): unknown {
    return JSON.parse(this.line(record).toString())
  }

  /**
   * Registers the JSON text of a replacement and returns its token for `edits`. The same Buffer
   * twice in a row gives the same token.
   */
  token(json: Buffer): number {
    return FIRST_TOKEN + this.tokens.add(json)
  }

  /**
   * Replaces (`edit` is a token) or deletes a hit, and shadows all hits inside it. No effect on a
   * shadowed hit.
   */
  edit(hit: number, edit: number): void {
    if (this.#edits[hit] === Edit.shadowed) return
    this.#edits[hit] = edit
    const end = this.endOf(hit)
    for (let inside = hit + 1; inside < end; inside++) this.#edits[inside] = Edit.shadowed
  }

  /** Replaces a hit by a token, as `edit`. The next stages see the new value like one that was read. */
  put(record: number, hit: number, token: number): void {
    this.edit(hit, token)
    this.#putsOf()[record] = 1
  }

  /**
   * Appends the members in a token (`"a":1,"b":2`) to the object at a hit, or to the record itself
   * (-1). The object has none of these keys.
   */
  append(record: number, hit: number, token: number): void {
    const { hits, records } = this.#index
    const end = hit < 0 ? records[RECORD_STRIDE * record + 1] : hits[HIT_STRIDE * hit + 3]
    this.#inserts ??= new Inserts(this.count)
    this.#inserts.add(record, skipSpaceBack(this.#bytes, end - 2) + 1, token)
    this.#putsOf()[record] = 1
  }

  /** True if members were put into a record that are not in the bytes yet. */
  get hasPuts(): boolean {
    return this.#puts !== undefined
  }

  /**
   * Writes the records that got members, with all their edits, and scans the batch again: then the
   * members are hits. Hit numbers and positions change. The other records keep their edits: how a
   * record continues does not depend on the records beside it.
   */
  writePuts(): void {
    const puts = this.#puts
    if (puts === undefined) return
    const edits = this.#edits.slice()
    for (let record = 0; record < this.count; record++)
      if (puts[record] === 0) edits.fill(Edit.keep, ...this.#hitsOf(record))
    const all = Uint32Array.from(puts, (_, record) => record)
    const edited = { ...this.#edited(), edits }
    const bytes = writeLines(edited, this.#index.records, all, acquireBytes, this.#inserts)
    // Stages may still read the old bytes: they made lines of them.
    this.#received ??= this.#bytes
    this.#inserts = undefined
    this.#puts = undefined
    this.#replaceIndex(bytes, puts)
  }

  /** An upper bound for the length of the record's line. */
  longest(record: number): number {
    const { records } = this.#index
    let length = records[RECORD_STRIDE * record + 1] - records[RECORD_STRIDE * record]
    if (this.tokens.count > 0) {
      const last = records[RECORD_STRIDE * (record + 1) + 2]
      for (let hit = records[RECORD_STRIDE * record + 2]; hit < last; hit++) {
        const edit = this.#edits[hit]
        if (edit >= FIRST_TOKEN) length += this.tokens.lengthOf(edit - FIRST_TOKEN)
      }
    }
    return this.#inserts === undefined ? length : length + this.#inserts.growthOf(record, this.tokens)
  }

  /** True if the scanner found a path of keys twice in the record. */
  hasDuplicates(record: number): boolean {
    return (this.#index.records[RECORD_STRIDE * record + 3] & DUPLICATE_KEYS) !== 0
  }

  /** True if any hit of the record is edited, or it has new members. */
  isEdited(record: number): boolean {
    return this.#inserts?.has(record) === true || isChanged(this.#edits, ...this.#hitsOf(record))
  }

  /** The record's current bytes without the line feed: a view of the batch if nothing is edited. */
  line(record: number): Buffer {
    const { records } = this.#index
    const start = records[RECORD_STRIDE * record]
    return this.#render(record, start, records[RECORD_STRIDE * record + 1], ...this.#hitsOf(record))
  }

  /**
   * Writes the live records (or the records in `list`, in that order) with their edits, one line
   * each, and returns the lines as one Buffer. `allocate` provides the memory, at least as many
   * bytes as requested; the result is a view of it.
   */
  assemble(
    list?: ArrayLike<number>,
    allocate: (bytes: number) => Buffer = (bytes) => Buffer.allocUnsafeSlow(bytes),
  ): Buffer {
    return writeLines(this.#edited(), this.#index.records, list ?? this.#listLive(), allocate, this.#inserts)
  }

  /**
   * Returns the memory to the pool. Call it when nothing reads this batch, or a view of it, any
   * more: a later batch overwrites the memory.
   */
  release(): void {
    release(this.#index.records)
    this.tokens.release()
    if (this.#received !== undefined) release(this.#bytes)
    // The parts of a split batch share their bytes: the last part releases them.
    if (!this.continues) release(this.#received ?? this.#bytes)
  }

  #listLive(): number[] {
    const list: number[] = []
    for (let record = 0; record < this.count; record++) if (this.states[record] === RecordState.live) list.push(record)
    return list
  }

  #edited(): Edited {
    return { bytes: this.#bytes, hits: this.#index.hits, edits: this.#edits, tokens: this.tokens }
  }

  #putsOf(): Uint8Array {
    return (this.#puts ??= new Uint8Array(this.count))
  }

  #hitsOf(record: number): readonly [number, number] {
    const { records } = this.#index
    return [records[RECORD_STRIDE * record + 2], records[RECORD_STRIDE * (record + 1) + 2]]
  }

  #isGone(hit: number): boolean {
    const edit = this.#edits[hit]
    return edit === Edit.delete || edit === Edit.shadowed
  }

  #isDeletedAt(record: number, start: number): boolean {
    const { hits } = this.#index
    let [first, last] = this.#hitsOf(record)
    while (first < last) {
      const middle = (first + last) >>> 1
      if (hits[HIT_STRIDE * middle + 2] < start) first = middle + 1
      else last = middle
    }
    return hits[HIT_STRIDE * first + 2] === start && this.#edits[first] === Edit.delete
  }

  #render(record: number, start: number, end: number, first: number, last: number): Buffer {
    if (this.#inserts?.has(record) === true) return this.#renderWith(this.#inserts, record, start, end)
    if (!isChanged(this.#edits, first, last)) return this.#bytes.subarray(start, end)
    return renderEdited(this.#edited(), start, end, first, last)
  }

  #renderWith(inserts: Inserts, record: number, start: number, end: number): Buffer {
    const { records } = this.#index
    const { edited } = inserts.merge(this.#edited(), findRanges(records, [record]), records, [record])
    const { hits } = edited
    let first = 0
    // A value begins with a byte that is no part of the hits inside it.
    while (HIT_STRIDE * first < hits.length && hits[HIT_STRIDE * first + 2] <= start) first++
    let last = first
    while (HIT_STRIDE * last < hits.length && hits[HIT_STRIDE * last + 2] < end) last++
    return renderEdited(edited, start, end, first, last)
  }

  /** The record that has this position. */
  #recordAt(position: number): number {
    const { records } = this.#index
    let first = 0
    let last = this.count
    while (last - first > 1) {
      const middle = (first + last) >>> 1
      if (records[RECORD_STRIDE * middle] <= position) first = middle
      else last = middle
    }
    return first
  }

  /**
   * The hit that JSON.parse would take: the last of the duplicate keys, at every level of the path.
   */
  #lastDuplicate(record: number, path: Path): number {
    let from = 0
    let to = Infinity
    const { hits } = this.#index
    if (path.parent !== undefined) {
      const parent = this.hit(record, path.parent)
      if (parent < 0) return -1
      from = hits[HIT_STRIDE * parent + 2]
      to = hits[HIT_STRIDE * parent + 3]
    }
    const inside = (hit: number): boolean => hits[HIT_STRIDE * hit + 2] >= from && hits[HIT_STRIDE * hit + 2] < to
    return this.hits(record, path).findLast(inside) ?? -1
  }

  #scanAgain(): void {
    if (this.hasPuts) this.writePuts()
    else this.#replaceIndex(this.#bytes)
  }

  /**
   * Scans bytes with the same records, for all current paths, and transfers the edits. The old hits of
   * a record are a subsequence of the new ones.
   * @param written 1 for records that were written with their edits
   */
  #replaceIndex(bytes: Buffer, written?: Uint8Array): void {
    const old = this.#index
    const oldEdits = this.#edits
    // A line may have grown since its length was checked.
    const index = scanWhole(bytes, this.paths, { ...this.limits, maxLine: Infinity })
    if (index.count !== old.count) throw new SluiceError('INTERNAL', 'a stage has put a line feed into a line')
    index.lineNumbers = old.lineNumbers
    const { hits, records } = index
    const edits = new Uint32Array(hits.length / HIT_STRIDE)
    for (let record = 0; record < index.count; record++) {
      const flags = old.records[RECORD_STRIDE * record + 3]
      if ((flags & FAULT_MASK) !== 0) hideRecord(index, record, flags)
      else if ((records[RECORD_STRIDE * record + 3] & FAULT_MASK) !== 0) {
        throw new SluiceError('INTERNAL', 'a stage has made a record that does not parse')
      }
      if (written?.[record] === 1) continue
      const shift = records[RECORD_STRIDE * record] - old.records[RECORD_STRIDE * record]
      const end = records[RECORD_STRIDE * (record + 1) + 2]
      const knownEnd = old.records[RECORD_STRIDE * (record + 1) + 2]
      let known = old.records[RECORD_STRIDE * record + 2]
      let shadow = 0
      for (let hit = records[RECORD_STRIDE * record + 2]; hit < end; hit++) {
        const start = hits[HIT_STRIDE * hit + 2]
        if (known < knownEnd && old.hits[HIT_STRIDE * known + 2] + shift === start) edits[hit] = oldEdits[known++]
        if (start < shadow) edits[hit] = Edit.shadowed
        else if (edits[hit] !== Edit.keep) shadow = hits[HIT_STRIDE * hit + 3]
      }
    }
    this.#bytes = bytes
    this.#index = index
    this.#edits = edits
  }
}

/** A line that was rejected when it was read stays without hits. */
function hideRecord({ records, hits, columns, pathCount }: RecordIndex, record: number, flags: number): void {
  records[RECORD_STRIDE * record + 3] = flags
  columns.fill(0, record * pathCount, (record + 1) * pathCount)
  const last = records[RECORD_STRIDE * (record + 1) + 2]
  for (let hit = records[RECORD_STRIDE * record + 2]; hit < last; hit++) hits[HIT_STRIDE * hit] &= ~ACCEPT_MASK
}

function renderEdited(edited: Edited, start: number, end: number, first: number, last: number): Buffer {
  const out = Buffer.allocUnsafeSlow(end - start + growthOf(edited, first, last))
  return out.subarray(0, writeEdited(edited, [start, end], [first, last], out, 0))
}

const NO_HITS: readonly number[] = []

/** `ValueKind` of a JSON text. */
function kindOf(json: Buffer): number {
  const first = json[0]
  if (first === QUOTE) return json.includes(BACKSLASH) ? ValueKind.escaped : ValueKind.string
  if (first === OPEN_OBJECT) return ValueKind.object
  if (first === OPEN_ARRAY) return ValueKind.array
  if (first === LOWER_T) return ValueKind.true
  if (first === LOWER_F) return ValueKind.false
  if (first === LOWER_N) return ValueKind.null
  return isPlainNumber(json, 0, json.length) ? ValueKind.number : ValueKind.unusual
}

function countLive(states: Uint8Array): number {
  let live = 0
  for (const state of states) if (state === RecordState.live) live++
  return live
}
