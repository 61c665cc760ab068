import { COMMA, LINE_FEED, OPEN_OBJECT } from './json/ascii.ts'
import type { Batch } from './batch.ts'
import { Edit, FIRST_TOKEN } from './edits.ts'
import { skipSpace, skipSpaceBack } from './json/walk.ts'
import { LineFault, FAULT_MASK, HIT_STRIDE, MAX_HITS, MAX_RECORDS, RECORD_STRIDE, scan } from './scan.ts'
import type { RecordIndex } from './scan.ts'

/** The change that a stage makes to a record's line. Without fields: no change. */
export interface LineChange {
  /** A new line, without a line feed. */
  readonly bytes?: Buffer | undefined
  /**
   * JSON text of members (`"a":1,"b":2`) to append to the record. The record has none of these
   * keys.
   */
  readonly members?: string | undefined
}

/** A line that a stage made from a record. */
export interface NewLine extends LineChange {
  /**
   * Number of the record in the old batch. The batch's `count` for a line that was made from no
   * single record; it is deduplicated on its own.
   */
  readonly from: number
  /**
   * Number of the record whose digest the line takes, if not `from`; the batch's `count` for no
   * digest.
   */
  readonly digestOf?: number
  /**
   * True if the line gets its own dedup key: it is no sibling of other lines of `from`. Without
   * effect after `dedup`, where all lines of a record have its digest.
   */
  readonly isOwn?: boolean
}

/** Whole lines and their index. */
export interface ScannedLines {
  readonly bytes: Buffer
  readonly index: RecordIndex
}

/** The bytes of a new line. */
export function lineBytes(batch: Batch, { bytes, members, from }: NewLine): Buffer {
  const line = bytes ?? batch.line(from)
  return members === undefined ? line : appendMembers(line, members)
}

/** Appends members to a record's line. */
export function appendMembers(line: Buffer, members: string): Buffer {
  const at = endOfMembers(line, line.length)
  const text = line[at - 1] === OPEN_OBJECT ? members : `,${members}`
  const out = Buffer.allocUnsafeSlow(line.length + Buffer.byteLength(text))
  line.copy(out, 0, 0, at)
  line.copy(out, at + out.write(text, at), at)
  return out
}

/**
 * Builds new lines and their index from an old batch without scanning unchanged bytes again. It
 * scans only new content, all of it in one scan: lines that were changed, and members that were
 * appended.
 *
 * Each line is of one of three classes. An unchanged line: its bytes and index entries are copied,
 * with shifted offsets. An extended line: the appended members were scanned as a record of their
 * own, and their hits follow the hits of the old line. A changed line: it was scanned as a whole.
 * Neighbouring unchanged lines are copied together.
 *
 * This is possible only while both indexes mean the same: the same accept sets, the same number of
 * paths, one index that holds all lines. Otherwise it returns undefined, and the caller scans
 * everything. Edits are not transferred; see `copyEdits`.
 */
export function reuseLines(batch: Batch, lines: readonly NewLine[]): ScannedLines | undefined {
  const classes = classify(batch, lines)
  if (!classes.includes(UNCHANGED) && !classes.includes(EXTENDED)) return undefined
  const { bytes, changed, extended } = joinChanged(batch, lines, classes)
  const added = { bytes, index: scan(bytes, batch.paths, batch.limits) }
  const { index } = batch
  const { accepts, pathCount, scanned, count } = added.index
  if (accepts !== index.accepts || pathCount !== index.pathCount) return undefined
  if (scanned < bytes.length || count !== changed + extended) return undefined
  const size = measure(batch, lines, classes, added)
  if (lines.length > MAX_RECORDS || size.hits > MAX_HITS) return undefined

  const writer = new LineWriter(size, lines.length, index)
  let line = 0
  let object = changed
  for (let at = 0; at < lines.length; at++) {
    const { from } = lines[at]
    if (classes[at] === CHANGED) writer.copy(added, line, ++line)
    else if (classes[at] === EXTENDED) {
      if (faultOf(added.index, object) !== LineFault.none) return undefined
      writer.extend(batch, from, added, object++)
    } else {
      let to = from + 1
      while (classes[at + 1] === UNCHANGED && lines[at + 1].from === to && touches(index, to)) {
        to++
        at++
      }
      writer.copy(batch, from, to)
    }
  }
  return writer.finish()
}

/** Transfers the edits of unchanged lines from the old batch to the new one. */
export function copyEdits(batch: Batch, lines: readonly NewLine[], made: Batch): void {
  const { edits, index } = batch
  if (edits.every((edit) => edit === Edit.keep)) return
  for (const [record, { bytes, members, from }] of lines.entries()) {
    if (bytes !== undefined || members !== undefined) continue
    const first = index.records[RECORD_STRIDE * from + 2]
    const last = index.records[RECORD_STRIDE * (from + 1) + 2]
    const shift = made.index.records[RECORD_STRIDE * record + 2] - first
    for (let hit = first; hit < last; hit++) {
      const edit = edits[hit]
      if (edit !== Edit.keep) made.edits[hit + shift] = edit < FIRST_TOKEN ? edit : made.token(batch.raw(hit))
    }
  }
}

/**
 * Classes of lines: the old line, the old line with appended members, or bytes that have to be
 * scanned.
 */
const UNCHANGED = 0
const EXTENDED = 1
const CHANGED = 2

function classify(batch: Batch, lines: readonly NewLine[]): Uint8Array {
  const { records } = batch.index
  const { maxLine } = batch.limits
  const classes = new Uint8Array(lines.length)
  for (let at = 0; at < lines.length; at++) {
    const { bytes, members, from } = lines[at]
    if (bytes !== undefined) classes[at] = CHANGED
    else if (members !== undefined) {
      const length = records[RECORD_STRIDE * from + 1] - records[RECORD_STRIDE * from]
      // A UTF-16 unit takes at most three bytes of UTF-8. A line that may exceed the limit is
      // scanned, and the scan checks its length.
      const fits = length + 3 * members.length < maxLine
      classes[at] = fits && !batch.isEdited(from) ? EXTENDED : CHANGED
    }
  }
  return classes
}

/**
 * Joins everything that has to be scanned: first the changed lines, then the appended members, as a
 * record per line.
 */
function joinChanged(
  batch: Batch,
  lines: readonly NewLine[],
  classes: Uint8Array,
): { bytes: Buffer; changed: number; extended: number } {
  const changed: Buffer[] = []
  let objects = ''
  let extended = 0
  for (let at = 0; at < lines.length; at++) {
    if (classes[at] === CHANGED) changed.push(lineBytes(batch, lines[at]))
    else if (classes[at] === EXTENDED) {
      objects += `{${lines[at].members}}\n`
      extended++
    }
  }
  const bytes = Buffer.concat([joinLines(changed), Buffer.from(objects)])
  return { bytes, changed: changed.length, extended }
}

/** Replaces a blank line, which would not count as a record. It is rejected as NOT_AN_OBJECT. */
const NULL_LINE = Buffer.from('null')

/** Lines in one Buffer, each with its line feed. */
export function joinLines(lines: readonly Buffer[]): Buffer {
  let length = 0
  for (const line of lines) length += Math.max(line.length, NULL_LINE.length) + 1
  const out = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const line of lines) {
    const isBlank = skipSpace(line, 0) === line.length
    at += (isBlank ? NULL_LINE : line).copy(out, at)
    out[at++] = LINE_FEED
  }
  return out.subarray(0, at)
}

interface Size {
  readonly bytes: number
  readonly hits: number
}

/** An upper bound for the bytes of the new lines, and the exact number of hits. */
function measure(batch: Batch, lines: readonly NewLine[], classes: Uint8Array, added: ScannedLines): Size {
  const { records } = batch.index
  let bytes = added.bytes.length
  let hits = added.index.hits.length / HIT_STRIDE
  for (let at = 0; at < lines.length; at++) {
    if (classes[at] === CHANGED) continue
    const record = RECORD_STRIDE * lines[at].from
    bytes += records[record + 1] - records[record] + 1
    hits += records[record + RECORD_STRIDE + 2] - records[record + 2]
  }
  return { bytes, hits }
}

/** True if only a line feed separates this record from the previous one. */
function touches({ records }: RecordIndex, record: number): boolean {
  return records[RECORD_STRIDE * record] === records[RECORD_STRIDE * (record - 1) + 1] + 1
}

function faultOf({ records }: RecordIndex, record: number): number {
  return records[RECORD_STRIDE * record + 3] & FAULT_MASK
}

function endOfMembers(bytes: Buffer, end: number): number {
  return skipSpaceBack(bytes, end - 2) + 1
}

/** Up to this many bytes, a loop is faster than a call of Buffer.copy. */
const MAX_LOOP_BYTES = 32

/** Writes lines and their index, copied from other lines. */
class LineWriter {
  readonly #bytes: Buffer
  readonly #records: Uint32Array
  readonly #hits: Uint32Array
  readonly #columns: Uint32Array
  readonly #pathCount: number
  readonly #accepts: RecordIndex['accepts']
  #position = 0
  #record = 0
  #hit = 0

  constructor(size: Size, count: number, { pathCount, accepts }: RecordIndex) {
    this.#bytes = Buffer.allocUnsafeSlow(size.bytes)
    this.#records = new Uint32Array(RECORD_STRIDE * (count + 1))
    this.#hits = new Uint32Array(HIT_STRIDE * size.hits)
    this.#columns = new Uint32Array(count * pathCount)
    this.#pathCount = pathCount
    this.#accepts = accepts
  }

  /** Copies the records in `[first, last)`, which touch one another. */
  copy(from: ScannedLines, first: number, last: number): void {
    const { records } = from.index
    const start = records[RECORD_STRIDE * first]
    const end = records[RECORD_STRIDE * (last - 1) + 1]
    const shift = this.#position - start
    const hitShift = this.#hit - records[RECORD_STRIDE * first + 2]
    for (let at = RECORD_STRIDE * first; at < RECORD_STRIDE * last; at += RECORD_STRIDE) {
      this.#addRecord(records[at] + shift, records[at + 1] + shift, records[at + 2] + hitShift, records[at + 3])
    }
    this.#copyHits(from.index, first, last, shift)
    this.#copyColumns(from.index, first, last, hitShift)
    this.#copyBytes(from.bytes, start, end)
    this.#endLine()
  }

  /** Copies a record and appends the members of another record. */
  extend(from: ScannedLines, record: number, added: ScannedLines, members: number): void {
    const { records } = from.index
    const start = records[RECORD_STRIDE * record]
    const end = records[RECORD_STRIDE * record + 1]
    const first = records[RECORD_STRIDE * record + 2]
    const place = endOfMembers(from.bytes, end)
    const shift = this.#position - start
    const hitShift = this.#hit - first
    const entry = RECORD_STRIDE * this.#record
    this.#addRecord(this.#position, 0, this.#hit, records[RECORD_STRIDE * record + 3])
    this.#copyHits(from.index, record, record + 1, shift)
    this.#copyColumns(from.index, record, record + 1, hitShift)
    this.#copyBytes(from.bytes, start, place)
    if (from.bytes[place - 1] !== OPEN_OBJECT) this.#bytes[this.#position++] = COMMA

    const inside = added.index.records[RECORD_STRIDE * members] + 1
    const membersEnd = added.index.records[RECORD_STRIDE * members + 1] - 1
    const addedShift = this.#hit - added.index.records[RECORD_STRIDE * members + 2]
    this.#copyHits(added.index, members, members + 1, this.#position - inside)
    this.#mergeColumns(added.index, members, addedShift)
    this.#copyBytes(added.bytes, inside, membersEnd)
    this.#copyBytes(from.bytes, place, end)
    this.#records[entry + 1] = this.#position
    this.#endLine()
  }

  finish(): ScannedLines {
    const count = this.#record
    this.#records.set([this.#position, this.#position, this.#hit, 0], RECORD_STRIDE * count)
    return {
      bytes: this.#bytes.subarray(0, this.#position),
      index: {
        count,
        pathCount: this.#pathCount,
        records: this.#records,
        hits: this.#hits,
        columns: this.#columns,
        accepts: this.#accepts,
        scanned: this.#position,
        lines: count,
        lineNumbers: undefined,
      },
    }
  }

  #addRecord(start: number, end: number, hit: number, flags: number): void {
    const at = RECORD_STRIDE * this.#record++
    this.#records[at] = start
    this.#records[at + 1] = end
    this.#records[at + 2] = hit
    this.#records[at + 3] = flags
  }

  #copyHits({ records, hits }: RecordIndex, first: number, last: number, shift: number): void {
    const from = HIT_STRIDE * records[RECORD_STRIDE * first + 2]
    const to = HIT_STRIDE * records[RECORD_STRIDE * last + 2]
    let at = HIT_STRIDE * this.#hit
    for (let hit = from; hit < to; hit += HIT_STRIDE, at += HIT_STRIDE) {
      this.#hits[at] = hits[hit]
      this.#hits[at + 1] = hits[hit + 1] + shift
      this.#hits[at + 2] = hits[hit + 2] + shift
      this.#hits[at + 3] = hits[hit + 3] + shift
    }
    this.#hit += (to - from) / HIT_STRIDE
  }

  /** Copies the columns of the records that were added last. */
  #copyColumns({ columns }: RecordIndex, first: number, last: number, shift: number): void {
    const count = this.#pathCount
    let at = (this.#record - (last - first)) * count
    for (let column = first * count; column < last * count; column++, at++) {
      const hit = columns[column]
      this.#columns[at] = hit === 0 ? 0 : hit + shift
    }
  }

  /** Merges columns into those of the last record. The later hit of a path counts. */
  #mergeColumns({ columns }: RecordIndex, record: number, shift: number): void {
    const count = this.#pathCount
    for (let path = 0; path < count; path++) {
      const hit = columns[record * count + path]
      if (hit !== 0) this.#columns[(this.#record - 1) * count + path] = hit + shift
    }
  }

  #copyBytes(source: Buffer, start: number, end: number): void {
    if (end - start > MAX_LOOP_BYTES) this.#position += source.copy(this.#bytes, this.#position, start, end)
    else for (let at = start; at < end; at++) this.#bytes[this.#position++] = source[at]
  }

  #endLine(): void {
    this.#bytes[this.#position++] = LINE_FEED
  }
}
