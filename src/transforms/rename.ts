import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { Choice, MemberPath, RecordPath } from '../fields/fields.ts'
import { Edit, RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import type { Path } from '../record/paths/path.ts'
import { reaches } from '../record/paths/reaches.ts'
import { fillPut, putMembers, refusalOf, reusedPut } from '../record/put-members.ts'
import type { Put, ReusedPut } from '../record/put-members.ts'
import { RECORD_STRIDE } from '../record/scan.ts'
import { findingsOf } from './rename/findings.ts'

const MOVE = Type.Object({
  from: RecordPath({ description: 'The member to move, a path of keys. A record without it stays as it is.' }),
  to: MemberPath({
    description: 'Its new path, also in another object. Objects on the way that are missing, or null, are made.',
  }),
})

/**
 * Moves members of live records, with their bytes. All members are taken out before the first one is
 * put in, so names can be swapped. Rejected records stay as they are.
 */
export default defineTransform({
  type: 'rename',
  summary: 'Renames members of records, and moves them into other objects.',
  fields: {
    members: Type.Array(MOVE, {
      minItems: 1,
      description: 'What to move. Moved members come last in their new object.',
    }),
    existing: Choice(['reject', 'replace'], {
      default: 'reject',
      description:
        'What to do with a record that already has a member at the new path: `reject` it with KEY_EXISTS, or `replace` its value.',
    }),
  },
  examples: [
    {
      title: 'Other names, and another object',
      config: {
        members: [
          { from: 'client_ip', to: 'source.ip' },
          { from: 'initiated_by.email', to: 'user.email' },
        ],
      },
    },
    {
      title: 'Swap two members',
      config: {
        members: [
          { from: 'source', to: 'target' },
          { from: 'target', to: 'source' },
        ],
      },
    },
  ],
  check: ({ members }) => findingsOf(members),
  effectOn({ members, existing }, targets) {
    const touching = members.filter(({ from, to }) => targets.some((one) => reaches(from, one) || reaches(to, one)))
    return touching.length === 0 ? undefined : { settings: { members: touching, existing } }
  },
  shape: ({ members }) => ({
    removes: members.map(({ from }) => from),
    writes: members.map(({ from, to }) => ({ path: to, from: [from] })),
  }),
  reusesBuffers: true,
  create({ members, existing }, { paths, stage }) {
    const moves = members.map(({ from, to }) => ({ from: paths.add(from), put: reusedPut(paths.add(to)) }))
    const matches = new Float64Array(moves.length)
    /** A member that is taken out of another one that is moved comes first. */
    const order = [...moves.keys()].toSorted((a, b) => depthOf(moves[b]) - depthOf(moves[a]))
    return {
      batch(batch) {
        // A query for a new path makes the batch scan again, and changes the numbers of hits.
        for (const { from, put } of moves) for (const path of [from, put.path]) if (batch.count > 0) batch.hit(0, path)
        const { records } = batch.index
        const { edits } = batch
        /** No array per record: this loop runs for each of them. */
        const found: number[] = moves.map(() => NONE)
        const puts: ReusedPut[] = []
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live || !findAll(batch, record, moves, found)) continue
          const first = records[RECORD_STRIDE * record + 2]
          const last = records[RECORD_STRIDE * (record + 1) + 2]
          for (let hit = first; hit < last; hit++) saved[hit - first] = edits[hit]
          takeOut(batch, record, { moves, order, found }, puts)
          const why = refusal(batch, record, puts, existing)
          if (why === undefined) {
            putMembers(batch, record, puts)
            for (let at = 0; at < found.length; at++) if (found[at] !== NONE) matches[at]++
          } else {
            // A reject is stored as the stage received it.
            for (let hit = first; hit < last; hit++) edits[hit] = saved[hit - first]
            batch.reject(record, why.code, stage, why.detail)
          }
        }
      },
      ruleMatches: () => members.map(({ from }, at) => ({ rule: `members[${at}] ${from}`, matches: matches[at] })),
    }
  },
})

interface Move {
  readonly from: Path
  /** The value of the record that is moved now, and its new path. */
  readonly put: ReusedPut
}

const NONE = -1
/** Reused: the edits of a record as the stage received it. */
const saved: number[] = []

function depthOf({ from }: Move): number {
  return from.keys?.length ?? 0
}

/** Finds the members to move. False if the record has none of them. */
function findAll(batch: Batch, record: number, moves: readonly Move[], found: number[]): boolean {
  let hasOne = false
  for (let at = 0; at < moves.length; at++) {
    found[at] = batch.hit(record, moves[at].from)
    if (found[at] >= 0) hasOne = true
  }
  return hasOne
}

interface Finds {
  readonly moves: readonly Move[]
  /** The numbers of the moves, the innermost members first. */
  readonly order: readonly number[]
  /** The hit of each move. */
  readonly found: readonly number[]
}

/** Deletes the members to move. `puts` becomes the list of their values, in the order of the moves. */
function takeOut(batch: Batch, record: number, { moves, order, found }: Finds, puts: ReusedPut[]): void {
  const hasDuplicates = batch.hasDuplicates(record)
  for (let next = 0; next < order.length; next++) {
    const { from, put } = moves[order[next]]
    const hit = found[order[next]]
    if (hit === NONE) continue
    fillPut(put, batch, hit)
    if (!hasDuplicates) batch.edit(hit, Edit.delete)
    else for (const copy of batch.hits(record, from)) batch.edit(copy, Edit.delete)
  }
  let count = 0
  for (let at = 0; at < moves.length; at++) if (found[at] !== NONE) puts[count++] = moves[at].put
  if (puts.length !== count) puts.length = count
}

function refusal(batch: Batch, record: number, puts: readonly Put[], existing: 'reject' | 'replace') {
  const taken = existing === 'replace' ? undefined : firstTaken(batch, record, puts)
  if (taken !== undefined) return { code: 'KEY_EXISTS', detail: `${taken.text} exists` }
  return refusalOf(batch, record, puts, true)
}

function firstTaken(batch: Batch, record: number, puts: readonly Put[]): Path | undefined {
  for (let at = 0; at < puts.length; at++) if (batch.hit(record, puts[at].path) >= 0) return puts[at].path
  return undefined
}
