import { SluiceError } from '../errors.ts'
import { Batch, NO_DEDUP_BUCKET, RecordState } from './batch.ts'
import type { Digests, Reject, Tallies } from './batch.ts'
import { rejectFaults } from './open-batches.ts'
import { scan } from './scan.ts'
import { copyEdits, joinLines, spellLine, spliceLines } from './reuse-lines.ts'
import type { Lines, NewLine } from './reuse-lines.ts'

/**
 * The batch with other lines: those given, ordered by `from`, in place of its live records, and its rejected records as they now stand.
 * Dropped records are gone (they have been counted). Line numbers, groups, digests, rejects and tallies come along. The first line of a
 * live record stands for it, every other line counts as added.
 *
 * Several batches where the index is full: `continues` is true on all but the last, and position, end and low watermark ride the last.
 * A new line that is not a record within the limits is rejected in the name of `stage`.
 * @throws SluiceError LEDGER_MISMATCH when a live record has no line (drop or reject it first), or a line has no record.
 */
export function rebuild(batch: Batch, lines: readonly NewLine[], stage = 'transform'): Batch[] {
  const plan = planMembers(batch, lines)
  const tallies = countMembers(batch, plan)
  const rejects = new Map(batch.rejects.map((reject) => [reject.record, reject]))
  const spliced = spliceLines(batch, plan.members)
  const made = spliced === undefined ? scanAgain(batch, plan.members) : [spliced]
  const chunks: Batch[] = []
  let done = 0
  for (const [number, { bytes, index }] of made.entries()) {
    const last = number === made.length - 1
    const states = plan.states.slice(done, done + index.count)
    const members = plan.members.slice(done, done + index.count)
    const chunk = new Batch({
      partition: batch.partition,
      number: batch.number,
      continues: !last || batch.continues,
      position: last ? batch.position : undefined,
      origin: batch.origin,
      end: last ? batch.end : undefined,
      tallies: last ? tallies : takeTallies(tallies, members.length),
      rejects: moveRejects(members, states, rejects),
      digests: batch.digests && selectDigests(batch.digests, members),
      sourceBytes: last ? batch.sourceBytes : 0,
      lowWatermark: last ? batch.lowWatermark : undefined,
      reread: batch.reread,
      replay: batch.replay,
      paths: batch.paths,
      limits: batch.limits,
      bytes,
      index,
      states,
      ...placesOf(batch, members),
    })
    if (last) chunk.rejects.push(...batch.rejects.filter(({ record }) => record < 0))
    if (spliced !== undefined) copyEdits(batch, members, chunk)
    rejectFaults(chunk, stage)
    chunks.push(chunk)
    done += index.count
  }
  if (done !== plan.members.length) {
    throw new SluiceError('INTERNAL', `stage ${stage} made a line that holds a line feed`)
  }
  return chunks
}

/** Of lines that were made of no record: they have no siblings. */
export const NO_GROUP = 0xffffffff

/** The lines of the new batch, and the `State` of each. */
interface Plan {
  readonly members: readonly NewLine[]
  readonly states: Uint8Array
}

function planMembers(batch: Batch, lines: readonly NewLine[]): Plan {
  const members: NewLine[] = []
  const rejected: number[] = []
  let next = 0
  for (let from = 0; from < batch.count; from++) {
    if (batch.states[from] === RecordState.rejected) rejected.push(members.push({ from }) - 1)
    const before = next
    for (; next < lines.length && lines[next].from === from; next++) members.push(lines[next])
    if (batch.states[from] === RecordState.live && next === before) {
      throw new SluiceError('LEDGER_MISMATCH', `line ${batch.lineOf(from)} is live, and nothing was made of it`)
    }
  }
  for (; next < lines.length && lines[next].from === batch.count; next++) members.push(lines[next])
  if (next < lines.length) {
    throw new SluiceError(
      'LEDGER_MISMATCH',
      `a line was made of record ${lines[next].from}, out of order or of none of ${batch.count}`,
    )
  }
  const states = new Uint8Array(members.length).fill(RecordState.live)
  for (const member of rejected) states[member] = RecordState.rejected
  return { members, states }
}

function countMembers(batch: Batch, { states }: Plan): Tallies {
  let made = 0
  for (const state of states) if (state === RecordState.live) made++
  return { ...batch.tallies, added: batch.tallies.added + made - batch.live }
}

/** In chunks, where the index is full. */
function scanAgain(batch: Batch, members: readonly NewLine[]): Lines[] {
  const bytes = joinLines(members.map((member) => spellLine(batch, member)))
  const chunks: Lines[] = []
  let at = 0
  do {
    const index = scan(bytes.subarray(at), batch.paths, batch.limits)
    chunks.push({ bytes: bytes.subarray(at, at + index.scanned), index })
    at += index.scanned
  } while (at < bytes.length)
  return chunks
}

/** The share of a chunk of so many records: each was read or, beyond those, added. */
function takeTallies(tallies: Tallies, records: number): Tallies {
  const read = Math.min(records, tallies.read)
  tallies.read -= read
  tallies.added -= records - read
  return { read, added: records - read, dropped: new Map() }
}

function moveRejects(members: readonly NewLine[], states: Uint8Array, rejects: ReadonlyMap<number, Reject>): Reject[] {
  const moved: Reject[] = []
  for (const [record, { from }] of members.entries()) {
    const reject = states[record] === RecordState.rejected ? rejects.get(from) : undefined
    if (reject !== undefined) moved.push({ ...reject, record })
  }
  return moved
}

function selectDigests({ keys, buckets, time }: Digests, members: readonly NewLine[]): Digests {
  const selected = { keys: new Uint32Array(4 * members.length), buckets: new Int32Array(members.length), time }
  for (const [record, { from, digestOf = from }] of members.entries()) {
    for (let word = 0; word < 4; word++) selected.keys[4 * record + word] = keys[4 * digestOf + word] ?? 0
    selected.buckets[record] = buckets[digestOf] ?? NO_DEDUP_BUCKET
  }
  return selected
}

function placesOf(batch: Batch, members: readonly NewLine[]): { lineNumbers: Float64Array; groups: Uint32Array } {
  const lineNumbers = new Float64Array(members.length)
  const groups = new Uint32Array(members.length)
  for (const [record, { from }] of members.entries()) {
    const known = from < batch.count
    lineNumbers[record] = known ? batch.lineOf(from) : batch.origin.line
    groups[record] = known ? batch.groupOf(from) : NO_GROUP
  }
  return { lineNumbers, groups }
}
