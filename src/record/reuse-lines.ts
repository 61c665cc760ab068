import { COMMA, LINE_FEED, OPEN_OBJECT } from './json/ascii.ts'
import type { Batch } from './batch.ts'
import { Edit, FIRST_TOKEN } from './edits.ts'
import { skipSpaceBack } from './json/walk.ts'
import { skipSpace } from './json/walk.ts'
import { Fault, FAULT_MASK, HIT_STRIDE, MAX_HITS, MAX_RECORDS, RECORD_STRIDE, scan } from './scan.ts'
import type { RecordIndex } from './scan.ts'

/** What became of a record's line; nothing: it stays as it now stands. */
export interface LineChange {
  /** Another line, without a line feed. */
  readonly bytes?: Buffer | undefined
  /** JSON text of members (`"a":1,"b":2`) that come behind the last one. The record has none of these keys. */
  readonly members?: string | undefined
}

/** A line that a stage made of a record. */
export interface NewLine extends LineChange {
  /** The record's number in the old batch; its `count` for a line that was made of no record in particular: it settles alone. */
  readonly from: number
  /** The record whose digest it has, where that is not `from`; the batch's `count` for none. */
  readonly digestOf?: number
}

/** Whole lines and what a scan of them gives. */
export interface Lines {
  readonly bytes: Buffer
  readonly index: RecordIndex
}

/** The bytes of a new line. */
export function spellLine(batch: Batch, { bytes, members, from }: NewLine): Buffer {
  const line = bytes ?? batch.line(from)
  return members === undefined ? line : appendMembers(line, members)
}

/** A record's line with members put behind its last one. */
export function appendMembers(line: Buffer, members: string): Buffer {
  const at = endOfMembers(line, line.length)
  const text = line[at - 1] === OPEN_OBJECT ? members : `,${members}`
  const out = Buffer.allocUnsafeSlow(line.length + Buffer.byteLength(text))
  line.copy(out, 0, 0, at)
  line.copy(out, at + out.write(text, at), at)
  return out
}

/**
 * New lines of a batch without scanning those again that it has already: only what is new is scanned, all of it at once. Edits do not come
 * along, see `copyEdits`. Undefined where that cannot be done: the index knows other paths, or would be too full.
 */
export function spliceLines(batch: Batch, lines: readonly NewLine[]): Lines | undefined {
  const plan = planLines(batch, lines)
  if (!plan.includes(KEPT) && !plan.includes(EXTENDED)) return undefined
  const { bytes, fresh, extended } = joinNew(batch, lines, plan)
  const added = { bytes, index: scan(bytes, batch.paths, batch.limits) }
  const { index } = batch
  const { accepts, pathCount, scanned, count } = added.index
  if (accepts !== index.accepts || pathCount !== index.pathCount) return undefined
  if (scanned < bytes.length || count !== fresh + extended) return undefined
  const room = measure(batch, lines, plan, added)
  if (lines.length > MAX_RECORDS || room.hits > MAX_HITS) return undefined

  const writer = new LineWriter(room, lines.length, index)
  let line = 0
  let object = fresh
  for (let at = 0; at < lines.length; at++) {
    const { from } = lines[at]
    if (plan[at] === FRESH) writer.copy(added, line, ++line)
    else if (plan[at] === EXTENDED) {
      if (faultOf(added.index, object) !== Fault.none) return undefined
      writer.extend(batch, from, added, object++)
    } else {
      let to = from + 1
      while (plan[at + 1] === KEPT && lines[at + 1].from === to && touches(index, to)) {
        to++
        at++
      }
      writer.copy(batch, from, to)
    }
  }
  return writer.finish()
}

/** Gives the lines that were spliced into a batch the edits that they had in the old one. */
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

/** How a line comes about: its record's own line as it is, the same with members behind it, or bytes that have to be scanned. */
const KEPT = 0
const EXTENDED = 1
const FRESH = 2

function planLines(batch: Batch, lines: readonly NewLine[]): Uint8Array {
  const { records } = batch.index
  const { maxLine } = batch.limits
  const plan = new Uint8Array(lines.length)
  for (let at = 0; at < lines.length; at++) {
    const { bytes, members, from } = lines[at]
    if (bytes !== undefined) plan[at] = FRESH
    else if (members !== undefined) {
      const length = records[RECORD_STRIDE * from + 1] - records[RECORD_STRIDE * from]
      // A character has at most three bytes for each of its units in a string; where it gets tight the scan judges.
      const fits = length + 3 * members.length < maxLine
      plan[at] = fits && !batch.isEdited(from) ? EXTENDED : FRESH
    }
  }
  return plan
}

/** What is to be scanned, one line each: first the fresh lines, then the members of the others, as records of their own. */
function joinNew(
  batch: Batch,
  lines: readonly NewLine[],
  plan: Uint8Array,
): { bytes: Buffer; fresh: number; extended: number } {
  const fresh: Buffer[] = []
  let objects = ''
  let extended = 0
  for (let at = 0; at < lines.length; at++) {
    if (plan[at] === FRESH) fresh.push(spellLine(batch, lines[at]))
    else if (plan[at] === EXTENDED) {
      objects += `{${lines[at].members}}\n`
      extended++
    }
  }
  const bytes = Buffer.concat([joinLines(fresh), Buffer.from(objects)])
  return { bytes, fresh: fresh.length, extended }
}

/** A line that is blank would be no record, and a record would be missing. */
const NOTHING = Buffer.from('null')

/** Lines in one Buffer, each with its line feed. */
export function joinLines(lines: readonly Buffer[]): Buffer {
  let length = 0
  for (const line of lines) length += Math.max(line.length, NOTHING.length) + 1
  const out = Buffer.allocUnsafeSlow(length)
  let at = 0
  for (const line of lines) {
    const isBlank = skipSpace(line, 0) === line.length
    at += (isBlank ? NOTHING : line).copy(out, at)
    out[at++] = LINE_FEED
  }
  return out.subarray(0, at)
}

interface Room {
  readonly bytes: number
  readonly hits: number
}

/** At least the bytes that it takes, and exactly the hits. */
function measure(batch: Batch, lines: readonly NewLine[], plan: Uint8Array, added: Lines): Room {
  const { records } = batch.index
  let bytes = added.bytes.length
  let hits = added.index.hits.length / HIT_STRIDE
  for (let at = 0; at < lines.length; at++) {
    if (plan[at] === FRESH) continue
    const record = RECORD_STRIDE * lines[at].from
    bytes += records[record + 1] - records[record] + 1
    hits += records[record + RECORD_STRIDE + 2] - records[record + 2]
  }
  return { bytes, hits }
}

/** Nothing but a line feed is between this record and the one before. */
function touches({ records }: RecordIndex, record: number): boolean {
  return records[RECORD_STRIDE * record] === records[RECORD_STRIDE * (record - 1) + 1] + 1
}

function faultOf({ records }: RecordIndex, record: number): number {
  return records[RECORD_STRIDE * record + 3] & FAULT_MASK
}

function endOfMembers(bytes: Buffer, end: number): number {
  return skipSpaceBack(bytes, end - 2) + 1
}

/** What a call of Buffer.copy costs at least, in bytes copied one by one. */
const WORTH_A_CALL = 32

/** Writes lines and their index, taken from others. */
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

  constructor(room: Room, count: number, { pathCount, accepts }: RecordIndex) {
    this.#bytes = Buffer.allocUnsafeSlow(room.bytes)
    this.#records = new Uint32Array(RECORD_STRIDE * (count + 1))
    this.#hits = new Uint32Array(HIT_STRIDE * room.hits)
    this.#columns = new Uint32Array(count * pathCount)
    this.#pathCount = pathCount
    this.#accepts = accepts
  }

  /** The records from `first` to before `last`, which touch one another. */
  copy(from: Lines, first: number, last: number): void {
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

  /** A record with the members of another one behind its last. */
  extend(from: Lines, record: number, added: Lines, members: number): void {
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
    const behind = added.index.records[RECORD_STRIDE * members + 1] - 1
    const addedShift = this.#hit - added.index.records[RECORD_STRIDE * members + 2]
    this.#copyHits(added.index, members, members + 1, this.#position - inside)
    this.#mergeColumns(added.index, members, addedShift)
    this.#copyBytes(added.bytes, inside, behind)
    this.#copyBytes(from.bytes, place, end)
    this.#records[entry + 1] = this.#position
    this.#endLine()
  }

  finish(): Lines {
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

  /** Of the records that were added last. */
  #copyColumns({ columns }: RecordIndex, first: number, last: number, shift: number): void {
    const count = this.#pathCount
    let at = (this.#record - (last - first)) * count
    for (let column = first * count; column < last * count; column++, at++) {
      const hit = columns[column]
      this.#columns[at] = hit === 0 ? 0 : hit + shift
    }
  }

  /** Into those of the last record: what stands further behind counts. */
  #mergeColumns({ columns }: RecordIndex, record: number, shift: number): void {
    const count = this.#pathCount
    for (let path = 0; path < count; path++) {
      const hit = columns[record * count + path]
      if (hit !== 0) this.#columns[(this.#record - 1) * count + path] = hit + shift
    }
  }

  #copyBytes(source: Buffer, start: number, end: number): void {
    if (end - start > WORTH_A_CALL) this.#position += source.copy(this.#bytes, this.#position, start, end)
    else for (let at = start; at < end; at++) this.#bytes[this.#position++] = source[at]
  }

  #endLine(): void {
    this.#bytes[this.#position++] = LINE_FEED
  }
}
