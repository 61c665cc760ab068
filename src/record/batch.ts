import type { Reread } from './chunk.ts'
import { ACCEPT_MASK } from './paths/automaton.ts'
import { BACKSLASH, LOWER_F, LOWER_N, LOWER_T, OPEN_ARRAY, OPEN_OBJECT, QUOTE } from './json/ascii.ts'
import { Edit, FIRST_TOKEN, growthOf, isChanged, writeEdited } from './edits.ts'
import type { Edited } from './edits.ts'
import type { Json } from './json/json.ts'
import { readString } from './json/json-text.ts'
import { isPlainNumber } from './json/number.ts'
import type { Path, Paths } from './paths/path.ts'
import { release } from './chunk-memory.ts'
import { DUPLICATE_KEYS, FAULT_MASK, HIT_STRIDE, Kind, RECORD_STRIDE, scanWhole } from './scan.ts'
import type { RecordIndex, ScanLimits } from './scan.ts'
import { writeLines } from './write-lines.ts'

export { Edit } from './edits.ts'

/** What a record of a batch is at this moment. Dropped and rejected records stay in place; rejected ones travel on, so that redaction reaches them. */
export const RecordState = { live: 0, dropped: 1, rejected: 2 } as const

/** Where a batch's lines come from, for messages and rejects. */
export interface Origin {
  /** A file, or the request and page of an API. */
  readonly name: string
  /** Number of the first line, from 1. For an API: the element's number in the response. */
  readonly line: number
}

export interface Reject {
  /** The record's number in the batch; -1 when its bytes are not in the batch (a line beyond the limit). */
  record: number
  readonly code: string
  /** Name of the stage that refused it. */
  readonly stage: string
  /** Never a record's content: a schema pointer and rule, an error's message made by us, or the author's own words. */
  readonly detail?: string
  readonly origin: string
  readonly line: number
  /** Length of the line in bytes as it was read. */
  readonly length: number
  /** SHA-256 of the line as it was read, in hex; only for lines that do not parse. */
  readonly digest?: string
}

/** A reject that is kept: the epoch that refused it, and its number among the rejects of that epoch, from 0. */
export interface RejectId {
  readonly epoch: number
  readonly at: number
}

/** A reject that is on its way again. It is forgotten when what became of it is committed. */
export interface Replay {
  readonly id: RejectId
  /** Other records were made of the same one: a claim on its key may be theirs. */
  readonly part: boolean
}

/** How a source ended. It travels in the last, empty batch of a run. */
export type End = { readonly kind: 'done' | 'interrupted' } | { readonly kind: 'failed'; readonly error: Error }

export interface Tallies {
  /** Records counted at the source's door, rejected lines included. */
  read: number
  /** Records that stages made beyond the ones they got. */
  added: number
  /** Dropped on purpose, by reason. */
  dropped: Map<string, number>
}

/**
 * What `dedup` found: 4 numbers a record, 96 bits of key and 32 of content, and the bucket (day number of the record's time
 * since 1970, or `NO_BUCKET`). The sink settles who was first.
 */
export interface Digests {
  readonly keys: Uint32Array
  readonly buckets: Int32Array
  /** Where the event time is, if it is known. */
  readonly time?: Path | undefined
}

export const NO_DEDUP_BUCKET = -0x80000000

/** What `dedup` found for one record. */
export interface DedupKey {
  readonly key: Uint32Array
  readonly bucket: number
}

/** What a batch is made of. */
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
  readonly replay?: Replay | undefined
  readonly paths: Paths
  readonly limits: ScanLimits
  /** Whole lines, each with its line feed. */
  readonly bytes: Buffer
  readonly index: RecordIndex
  /** `State` of each record; default: all live. */
  readonly states?: Uint8Array
  /** Line number of each record at its origin; default: counted from the origin's line. */
  readonly lineNumbers?: Float64Array
  /** Group of each record; default: one for each. */
  readonly groups?: Uint32Array
}

/**
 * One stream chunk: whole NDJSON lines of one source partition in one Buffer, the index of its records, and all that must
 * commit with them. Stages change it in place and pass it on in order.
 *
 * Per batch `tallies.read + tallies.added = live + dropped + rejected` holds at every stage border.
 */
export class Batch {
  readonly partition: string
  /** Numbers the batches of a partition from 0, without gaps; given at the source's door. Pieces that a stage made of one batch share its number. */
  readonly number: number
  /** True on all but the last chunk of a batch (or of a source's chunk) that was split. No epoch ends between chunks. */
  readonly continues: boolean
  /** Present only where reading can truly resume behind this batch. */
  readonly position: Json | undefined
  readonly origin: Origin
  readonly end: End | undefined
  readonly tallies: Tallies
  readonly rejects: Reject[]
  digests: Digests | undefined
  /** Source bytes that this batch stands for, for progress. */
  readonly sourceBytes: number
  /** The oldest event time (milliseconds since 1970) that the partition can still yield behind this batch; undefined when unknown. */
  readonly lowWatermark: number | undefined
  /** When the partition has yielded this time before, see `Piece`. */
  readonly reread: Reread | undefined
  /** The reject that the batch was made of. It has no other record. */
  readonly replay: Replay | undefined

  readonly paths: Paths
  readonly limits: ScanLimits
  readonly bytes: Buffer
  /** `State` of each record. Changed by `drop` and `reject` alone. */
  readonly states: Uint8Array

  #index: RecordIndex
  #edits: Uint32Array
  readonly #tokens: Buffer[] = []
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
    this.replay = parts.replay
    this.paths = parts.paths
    this.limits = parts.limits
    this.bytes = parts.bytes
    this.states = parts.states ?? new Uint8Array(parts.index.count)
    this.#index = parts.index
    this.#edits = new Uint32Array(parts.index.hits.length / HIT_STRIDE)
    this.#live = parts.states === undefined ? parts.index.count : countLive(parts.states)
    this.#lineNumbers = parts.lineNumbers
    this.#groups = parts.groups
  }

  /** Another index, and other hit numbers, after a question for a path that is newer than it. Ask for all paths when a stage is created. */
  get index(): RecordIndex {
    return this.#index
  }

  /**
   * `Edit` or token of each hit. May be written directly for hits that hold no other hits (strings, numbers, literals); for others use
   * `edit`, which shadows what is inside. Goes with `index`.
   */
  get edits(): Uint32Array {
    return this.#edits
  }

  /** Number of records in the batch, dead ones included. */
  get count(): number {
    return this.#index.count
  }

  get live(): number {
    return this.#live
  }

  /** Line number of a record at its origin. */
  lineOf(record: number): number {
    if (this.#lineNumbers !== undefined) return this.#lineNumbers[record]
    return this.origin.line + (this.#index.lineNumbers?.[record] ?? record)
  }

  /** False when no two records can have been made from one. */
  get hasSiblings(): boolean {
    return this.#groups !== undefined
  }

  /** Records made from one have the same group: they settle together. Means something among batches of the same number only. */
  groupOf(record: number): number {
    return this.#groups?.[record] ?? record
  }

  /** `Fault` of a line; only lines without one are ever live. */
  fault(record: number): number {
    return this.#index.records[RECORD_STRIDE * record + 3] & FAULT_MASK
  }

  /** Takes a live record out, on purpose; of others it is none. */
  drop(record: number, reason: string): void {
    if (this.states[record] !== RecordState.live) return
    this.states[record] = RecordState.dropped
    this.#live--
    const { dropped } = this.tallies
    dropped.set(reason, (dropped.get(reason) ?? 0) + 1)
  }

  /** Refuses a live record; of others it is none. `digest` is for lines that do not parse. */
  reject(record: number, code: string, stage: string, detail?: string, digest?: string): void {
    if (this.states[record] !== RecordState.live) return
    this.states[record] = RecordState.rejected
    this.#live--
    const { records } = this.#index
    this.rejects.push({
      record,
      code,
      stage,
      ...(detail === undefined ? {} : { detail }),
      origin: this.origin.name,
      line: this.lineOf(record),
      length: records[RECORD_STRIDE * record + 1] - records[RECORD_STRIDE * record],
      ...(digest === undefined ? {} : { digest }),
    })
  }

  /**
   * The hit of a plain path, or -1: absent, deleted or shadowed. Where keys stand twice, the one that JSON.parse would take, of those that
   * are left. Of a path with wildcards the last hit; `hits` gives them all. Scans again when the path is newer than the index.
   */
  hit(record: number, path: Path): number {
    if (path.id >= this.#index.pathCount) this.#scanAgain()
    const { pathCount, columns, records } = this.#index
    const hit = columns[record * pathCount + path.id] - 1
    if (hit < 0) return -1
    if ((records[RECORD_STRIDE * record + 3] & DUPLICATE_KEYS) !== 0) return this.#lastTwin(record, path)
    if (path.keys === undefined) return this.hits(record, path).at(-1) ?? -1
    return this.#isGone(hit) ? -1 : hit
  }

  /** All hits of a path in document order, twins of duplicate keys included, deleted and shadowed ones not. */
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

  /** True when the path is one of those that matched at this hit. */
  belongs(hit: number, path: Path): boolean {
    const { hits, accepts } = this.#index
    return accepts[hits[HIT_STRIDE * hit] & ACCEPT_MASK].includes(path.id)
  }

  /** Where a hit is in `bytes`: start of its key (of the value in an array), start and end of its value. Edits do not move it. */
  span(hit: number): { key: number; start: number; end: number } {
    const { hits } = this.#index
    return { key: hits[HIT_STRIDE * hit + 1], start: hits[HIT_STRIDE * hit + 2], end: hits[HIT_STRIDE * hit + 3] }
  }

  /** `Kind` of a hit's value as it now stands, edits included; 0 when it is deleted or shadowed. */
  kind(hit: number): number {
    const edit = this.#edits[hit]
    if (edit === Edit.keep) return this.#index.hits[HIT_STRIDE * hit] >>> 16
    return edit >= FIRST_TOKEN ? kindOf(this.#tokens[edit - FIRST_TOKEN]) : 0
  }

  /** A hit's value as JSON text, edits included (inside it, too); empty when it is deleted or shadowed. Valid until the next edit. */
  raw(hit: number): Buffer {
    const edit = this.#edits[hit]
    if (edit >= FIRST_TOKEN) return this.#tokens[edit - FIRST_TOKEN]
    const { hits } = this.#index
    const start = hits[HIT_STRIDE * hit + 2]
    if (edit !== Edit.keep) return this.bytes.subarray(start, start)
    const end = hits[HIT_STRIDE * hit + 3]
    const kind = hits[HIT_STRIDE * hit] >>> 16
    if (kind !== Kind.object && kind !== Kind.array) return this.bytes.subarray(start, end)
    return this.#render(start, end, hit + 1, this.#endOf(hit))
  }

  /** A hit's value as text: strings decoded, numbers as spelled, other values as JSON. Edits included. */
  text(hit: number): string {
    const kind = this.kind(hit)
    if (kind === Kind.string && this.#edits[hit] === Edit.keep) {
      const { hits } = this.#index
      return this.bytes.toString('utf8', hits[HIT_STRIDE * hit + 2] + 1, hits[HIT_STRIDE * hit + 3] - 1)
    }
    const raw = this.raw(hit)
    if (kind === Kind.string) return raw.toString('utf8', 1, raw.length - 1)
    return kind === Kind.escaped ? readString(raw.toString()) : raw.toString()
  }

  /** The whole record, parsed, edits included. The only door to JSON.parse. @throws SyntaxError for a line that does not parse. */
  value(record: number): unknown {
    return JSON.parse(this.line(record).toString())
  }

  /** A number for a replacement's JSON text, to be put into `edits`. The same number for the same Buffer twice in a row. */
  token(json: Buffer): number {
    if (this.#tokens.at(-1) !== json) this.#tokens.push(json)
    return FIRST_TOKEN + this.#tokens.length - 1
  }

  /** Replaces (a token's number) or deletes a hit; whatever lies inside it becomes shadowed. No effect on a hit that is shadowed itself. */
  edit(hit: number, edit: number): void {
    if (this.#edits[hit] === Edit.shadowed) return
    this.#edits[hit] = edit
    const end = this.#endOf(hit)
    for (let inside = hit + 1; inside < end; inside++) this.#edits[inside] = Edit.shadowed
  }

  /** True when anything in the record is edited. */
  isEdited(record: number): boolean {
    return isChanged(this.#edits, ...this.#hitsOf(record))
  }

  /** True when a hit's value, or anything inside it that is a hit, is edited. */
  isEditedAt(hit: number): boolean {
    return isChanged(this.#edits, hit, this.#endOf(hit))
  }

  /** The record's bytes as they now stand, without the line feed: a view into the batch when nothing is edited. */
  line(record: number): Buffer {
    const { records } = this.#index
    return this.#render(records[RECORD_STRIDE * record], records[RECORD_STRIDE * record + 1], ...this.#hitsOf(record))
  }

  /**
   * The live records (or those of a list, in its order) as they now stand, one line each, in one Buffer: the first bytes of the memory that
   * `allocate` gives, at least as much as it is asked for.
   */
  assemble(
    list?: ArrayLike<number>,
    allocate: (bytes: number) => Buffer = (bytes) => Buffer.allocUnsafeSlow(bytes),
  ): Buffer {
    return writeLines(this.#edited(), this.#index.records, list ?? this.#listLive(), allocate)
  }

  /** Says that nobody reads the batch any more, or anything that refers to its memory: a later one is made in it. */
  release(): void {
    release(this.#index.records)
    // The chunks of a batch that was split share their bytes.
    if (!this.continues) release(this.bytes)
  }

  #listLive(): number[] {
    const list: number[] = []
    for (let record = 0; record < this.count; record++) if (this.states[record] === RecordState.live) list.push(record)
    return list
  }

  #edited(): Edited {
    return { bytes: this.bytes, hits: this.#index.hits, edits: this.#edits, tokens: this.#tokens }
  }

  #hitsOf(record: number): readonly [number, number] {
    const { records } = this.#index
    return [records[RECORD_STRIDE * record + 2], records[RECORD_STRIDE * (record + 1) + 2]]
  }

  /** The number behind the last hit inside this one. */
  #endOf(hit: number): number {
    const { hits } = this.#index
    const end = hits[HIT_STRIDE * hit + 3]
    let next = hit + 1
    while (HIT_STRIDE * next < hits.length && hits[HIT_STRIDE * next + 2] < end) next++
    return next
  }

  #isGone(hit: number): boolean {
    const edit = this.#edits[hit]
    return edit === Edit.delete || edit === Edit.shadowed
  }

  #render(start: number, end: number, first: number, last: number): Buffer {
    if (!isChanged(this.#edits, first, last)) return this.bytes.subarray(start, end)
    const edited = this.#edited()
    const out = Buffer.allocUnsafeSlow(end - start + growthOf(edited, first, last))
    return out.subarray(0, writeEdited(edited, [start, end], [first, last], out, 0))
  }

  /** As JSON.parse reads duplicate keys: the last of them, and in it alone. */
  #lastTwin(record: number, path: Path): number {
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

  /** An index that knows all paths of today. The old hits are among the new ones, in the same order. */
  #scanAgain(): void {
    const old = this.#index
    const oldEdits = this.#edits
    this.#index = scanWhole(this.bytes, this.paths, this.limits)
    const { hits } = this.#index
    this.#edits = new Uint32Array(hits.length / HIT_STRIDE)
    let shadow = 0
    let known = 0
    for (let hit = 0; hit < this.#edits.length; hit++) {
      const start = hits[HIT_STRIDE * hit + 2]
      if (HIT_STRIDE * known < old.hits.length && old.hits[HIT_STRIDE * known + 2] === start) {
        this.#edits[hit] = oldEdits[known++]
      }
      if (start < shadow) this.#edits[hit] = Edit.shadowed
      else if (this.#edits[hit] !== Edit.keep) shadow = hits[HIT_STRIDE * hit + 3]
    }
  }
}

/** Kind of a JSON text. */
function kindOf(json: Buffer): number {
  const first = json[0]
  if (first === QUOTE) return json.includes(BACKSLASH) ? Kind.escaped : Kind.string
  if (first === OPEN_OBJECT) return Kind.object
  if (first === OPEN_ARRAY) return Kind.array
  if (first === LOWER_T) return Kind.true
  if (first === LOWER_F) return Kind.false
  if (first === LOWER_N) return Kind.null
  return isPlainNumber(json, 0, json.length) ? Kind.number : Kind.unusual
}

function countLive(states: Uint8Array): number {
  let live = 0
  for (const state of states) if (state === RecordState.live) live++
  return live
}
