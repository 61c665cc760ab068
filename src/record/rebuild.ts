import { SluiceError } from '../errors.ts'
import { Batch, NO_DEDUP_BUCKET, RecordState } from './batch.ts'
import type { Digests, Reject, Tallies } from './batch.ts'
import { endOfPart, rejectFaults } from './open-batches.ts'
import { scan } from './scan.ts'
import { copyEdits, joinLines, lineBytes, reuseLines } from './reuse-lines.ts'
import type { NewLine, ScannedLines } from './reuse-lines.ts'

/**
 * Rebuilds a batch from the lines that a stage made of its records. Custom code and `validate` in
 * `tag` mode need it: their new lines become a batch that has been scanned like any other, so later
 * stages see one form of a record and no edits at unknown positions.
 *
 * `lines` are ordered by `from` and replace the live records. Rejected records stay, with their
 * current edits. Dropped records disappear; they have been counted. Line numbers, groups, digests,
 * rejects and tallies move to the new batch. The first line made from a live record replaces that
 * record; every further line counts as added.
 *
 * Lines that did not change are not scanned again: `reuse-lines.ts` joins the new index from the
 * index entries of the old batch. If that is not possible, all lines are scanned.
 *
 * The result has several parts if one index cannot hold all lines: `continues` is true on all parts
 * but the last, and the last part carries position, end and low watermark. A new line that is not a
 * record within the limits is rejected, with `stage` as the rejecting stage.
 * @throws SluiceError LEDGER_MISMATCH if a live record has no line (drop or reject it first), or a
 * line has no record.
 */
export function rebuild(batch: Batch, lines: readonly NewLine[], stage = 'transform'): Batch[] {
  batch.writePuts()
  const ordered = orderLines(batch, lines)
  const tallies = countLines(batch, ordered)
  const rejects = new Map(batch.rejects.map((reject) => [reject.record, reject]))
  const reused = reuseLines(batch, ordered.newLines)
  const made = reused === undefined ? scanLines(batch, ordered.newLines) : [reused]
  const parts: Batch[] = []
  let done = 0
  for (const [number, { bytes, index }] of made.entries()) {
    const last = number === made.length - 1
    const states = ordered.states.slice(done, done + index.count)
    const newLines = ordered.newLines.slice(done, done + index.count)
    const part = new Batch({
      partition: batch.partition,
      number: batch.number,
      continues: !last || batch.continues,
      position: last ? batch.position : undefined,
      origin: batch.origin,
      end: last ? batch.end : undefined,
      tallies: last ? tallies : takeTallies(tallies, newLines.length),
      rejects: moveRejects(newLines, states, rejects),
      digests: batch.digests && selectDigests(batch.digests, newLines),
      sourceBytes: last ? batch.sourceBytes : 0,
      lowWatermark: last ? batch.lowWatermark : undefined,
      reread: batch.reread,
      paths: batch.paths,
      limits: batch.limits,
      bytes,
      index,
      states,
      ...originsOf(batch, newLines),
    })
    if (last) part.rejects.push(...batch.rejects.filter(({ record }) => record < 0))
    if (reused !== undefined) copyEdits(batch, newLines, part)
    rejectFaults(part, stage)
    parts.push(part)
    done += index.count
  }
  if (done !== ordered.newLines.length) {
    throw new SluiceError('INTERNAL', `stage ${stage} made a line that contains a line feed`)
  }
  return parts
}

/** Group of lines that are deduplicated on their own, for example because no record was their origin. */
export const NO_GROUP = 0xffffffff

/** Groups from here on are new: those of lines that were made from a record without a group. */
const FIRST_NEW_GROUP = 0x80000000
let newGroups = 0

/** The lines of the new batch in order, and the `RecordState` of each. */
interface OrderedLines {
  readonly newLines: readonly NewLine[]
  readonly states: Uint8Array
}

function orderLines(batch: Batch, lines: readonly NewLine[]): OrderedLines {
  const newLines: NewLine[] = []
  const rejected: number[] = []
  let next = 0
  for (let from = 0; from < batch.count; from++) {
    if (batch.states[from] === RecordState.rejected) rejected.push(newLines.push({ from }) - 1)
    const before = next
    for (; next < lines.length && lines[next].from === from; next++) newLines.push(lines[next])
    if (batch.states[from] === RecordState.live && next === before) {
      throw new SluiceError(
        'LEDGER_MISMATCH',
        `line ${batch.lineOf(from)} is live, but the stage returned no line for it`,
      )
    }
  }
  for (; next < lines.length && lines[next].from === batch.count; next++) newLines.push(lines[next])
  if (next < lines.length) {
    throw new SluiceError(
      'LEDGER_MISMATCH',
      `a line refers to record ${lines[next].from}, out of order or beyond the ${batch.count} records`,
    )
  }
  const states = new Uint8Array(newLines.length).fill(RecordState.live)
  for (const record of rejected) states[record] = RecordState.rejected
  return { newLines, states }
}

function countLines(batch: Batch, { states }: OrderedLines): Tallies {
  let made = 0
  for (const state of states) if (state === RecordState.live) made++
  return { ...batch.tallies, added: batch.tallies.added + made - batch.live }
}

/** Scans all lines, in several parts if they are many. */
function scanLines(batch: Batch, newLines: readonly NewLine[]): ScannedLines[] {
  const bytes = joinLines(newLines.map((line) => lineBytes(batch, line)))
  const parts: ScannedLines[] = []
  let at = 0
  do {
    const index = scan(bytes.subarray(at, endOfPart(bytes, at)), batch.paths, batch.limits)
    parts.push({ bytes: bytes.subarray(at, at + index.scanned), index })
    at += index.scanned
  } while (at < bytes.length)
  return parts
}

/**
 * Takes the tallies of one part: as many of its records as possible were read, the others were
 * added.
 */
function takeTallies(tallies: Tallies, records: number): Tallies {
  const read = Math.min(records, tallies.read)
  tallies.read -= read
  tallies.added -= records - read
  return { read, added: records - read, dropped: new Map() }
}

function moveRejects(newLines: readonly NewLine[], states: Uint8Array, rejects: ReadonlyMap<number, Reject>): Reject[] {
  const moved: Reject[] = []
  for (const [record, { from }] of newLines.entries()) {
    const reject = states[record] === RecordState.rejected ? rejects.get(from) : undefined
    if (reject !== undefined) moved.push({ ...reject, record })
  }
  return moved
}

function selectDigests({ keys, buckets, time }: Digests, newLines: readonly NewLine[]): Digests {
  const selected = { keys: new Uint32Array(4 * newLines.length), buckets: new Int32Array(newLines.length), time }
  for (const [record, { from, digestOf = from }] of newLines.entries()) {
    for (let word = 0; word < 4; word++) selected.keys[4 * record + word] = keys[4 * digestOf + word] ?? 0
    selected.buckets[record] = buckets[digestOf] ?? NO_DEDUP_BUCKET
  }
  return selected
}

function originsOf(batch: Batch, newLines: readonly NewLine[]): { lineNumbers: Float64Array; groups: Uint32Array } {
  const lineNumbers = new Float64Array(newLines.length)
  const groups = new Uint32Array(newLines.length)
  for (const [record, { from, isOwn = false }] of newLines.entries()) {
    const known = from < batch.count
    lineNumbers[record] = known ? batch.lineOf(from) : batch.origin.line
    if (!known || (isOwn && batch.digests === undefined)) groups[record] = NO_GROUP
    else groups[record] = groupOf(batch, from, newLines[record - 1]?.from === from ? groups[record - 1] : undefined)
  }
  return { lineNumbers, groups }
}

/** @param sibling Group of the line before, if it was made from the same record. */
function groupOf(batch: Batch, from: number, sibling: number | undefined): number {
  const group = batch.groupOf(from)
  if (group !== NO_GROUP) return group
  return sibling ?? FIRST_NEW_GROUP + (newGroups++ % (NO_GROUP - FIRST_NEW_GROUP))
}
