import { SluiceError } from '../errors.ts'
import { LINE_FEED } from './ascii.ts'
import { Batch, NO_BUCKET, State } from './batch.ts'
import type { Digests, Reject, Tallies } from './batch.ts'
import { rejectFaults } from './door.ts'
import { skipSpace } from './edits.ts'
import { scan } from './scan.ts'

/** A line (without its line feed) that a stage made of a record. */
export interface NewLine {
  readonly bytes: Buffer
  /** The record's number in the old batch; its `count` for a line that was made of no record in particular: it settles alone. */
  readonly from: number
  /** The record whose digest it has, where that is not `from`; the batch's `count` for none. */
  readonly digestOf?: number
}

/**
 * The batch with other lines: those given, ordered by `from`, in place of its live records, and its rejected records as they now stand.
 * Dropped records are gone (they have been counted). Line numbers, groups, digests, rejects and tallies come along. The first line of a
 * live record stands for it, every other line counts as added.
 *
 * Several batches where the index is full: `continues` is true on all but the last, and position, end and horizon ride the last.
 * A new line that is not a record within the limits is rejected in the name of `stage`.
 * @throws SluiceError LEDGER_MISMATCH when a live record has no line (drop or reject it first), or a line has no record.
 */
export function rebuild(batch: Batch, lines: readonly NewLine[], stage = 'transform'): Batch[] {
  const members = planMembers(batch, lines)
  const tallies = countMembers(batch, members)
  const rejects = new Map(batch.rejects.map((reject) => [reject.record, reject]))
  const bytes = joinLines(members)
  const pieces: Batch[] = []
  let at = 0
  let done = 0
  do {
    const index = scan(bytes.subarray(at), batch.paths, batch.limits)
    const end = at + index.scanned
    const last = end === bytes.length
    const own = members.slice(done, done + index.count)
    const piece = new Batch({
      partition: batch.partition,
      number: batch.number,
      continues: !last || batch.continues,
      position: last ? batch.position : undefined,
      origin: batch.origin,
      end: last ? batch.end : undefined,
      tallies: last ? tallies : takeTallies(tallies, own.length),
      rejects: own.flatMap((member, record) => moveReject(member, record, rejects)),
      digests: batch.digests && selectDigests(batch.digests, own),
      sourceBytes: last ? batch.sourceBytes : 0,
      horizon: last ? batch.horizon : undefined,
      paths: batch.paths,
      limits: batch.limits,
      bytes: bytes.subarray(at, end),
      index,
      states: Uint8Array.from(own, ({ rejected }) => (rejected ? State.rejected : State.live)),
      lineNumbers: Float64Array.from(own, ({ from }) => (from < batch.count ? batch.lineOf(from) : batch.origin.line)),
      groups: Uint32Array.from(own, ({ from }) => (from < batch.count ? batch.groupOf(from) : NO_GROUP)),
    })
    if (last) piece.rejects.push(...batch.rejects.filter(({ record }) => record < 0))
    rejectFaults(piece, stage)
    pieces.push(piece)
    done += index.count
    at = end
  } while (at < bytes.length)
  if (done !== members.length) throw new SluiceError('INTERNAL', `stage ${stage} made a line that holds a line feed`)
  return pieces
}

/** Of lines that were made of no record: they have no siblings. */
export const NO_GROUP = 0xffffffff

/** A line of the new batch. */
interface Member extends NewLine {
  readonly rejected: boolean
}

function planMembers(batch: Batch, lines: readonly NewLine[]): Member[] {
  const members: Member[] = []
  let next = 0
  for (let from = 0; from < batch.count; from++) {
    if (batch.states[from] === State.rejected) members.push({ bytes: batch.line(from), from, rejected: true })
    const before = next
    for (; next < lines.length && lines[next].from === from; next++) {
      members.push({ ...lines[next], rejected: false })
    }
    if (batch.states[from] === State.live && next === before) {
      throw new SluiceError('LEDGER_MISMATCH', `line ${batch.lineOf(from)} is live, and nothing was made of it`)
    }
  }
  for (; next < lines.length && lines[next].from === batch.count; next++) {
    members.push({ ...lines[next], rejected: false })
  }
  if (next < lines.length) {
    throw new SluiceError(
      'LEDGER_MISMATCH',
      `a line was made of record ${lines[next].from}, out of order or of none of ${batch.count}`,
    )
  }
  return members
}

function countMembers(batch: Batch, members: readonly Member[]): Tallies {
  const made = members.reduce((count, { rejected }) => count + (rejected ? 0 : 1), 0)
  return { ...batch.tallies, added: batch.tallies.added + made - batch.live }
}

/** A line that is blank would be no record, and a record would be missing. */
const NOTHING = Buffer.from('null')

function joinLines(members: readonly Member[]): Buffer {
  const lines = members.map(({ bytes }) => (skipSpace(bytes, 0) === bytes.length ? NOTHING : bytes))
  const out = Buffer.allocUnsafeSlow(lines.reduce((length, line) => length + line.length + 1, 0))
  let at = 0
  for (const line of lines) {
    at += line.copy(out, at)
    out[at++] = LINE_FEED
  }
  return out
}

/** The share of a piece of so many records: each was read or, beyond those, added. */
function takeTallies(tallies: Tallies, records: number): Tallies {
  const read = Math.min(records, tallies.read)
  tallies.read -= read
  tallies.added -= records - read
  return { read, added: records - read, dropped: new Map() }
}

function moveReject({ from, rejected }: Member, record: number, rejects: ReadonlyMap<number, Reject>): Reject[] {
  const reject = rejected ? rejects.get(from) : undefined
  return reject === undefined ? [] : [{ ...reject, record }]
}

function selectDigests({ stage, keys, buckets }: Digests, members: readonly Member[]): Digests {
  const selected = { stage, keys: new Uint32Array(4 * members.length), buckets: new Int32Array(members.length) }
  for (const [record, { from, digestOf = from }] of members.entries()) {
    selected.keys.set(keys.subarray(4 * digestOf, 4 * digestOf + 4), 4 * record)
    selected.buckets[record] = buckets[digestOf] ?? NO_BUCKET
  }
  return selected
}
