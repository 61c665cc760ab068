import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { Choice, MemberPath, RecordPath } from '../fields/fields.ts'
import { Edit, RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import type { Path } from '../record/paths/path.ts'
import { reaches } from '../record/paths/reaches.ts'
import { putMembers, refusalOf } from '../record/put-members.ts'
import type { Put } from '../record/put-members.ts'
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
    const moves = members.map(({ from, to }) => ({ from: paths.add(from), to: paths.add(to) }))
    const matches = new Float64Array(moves.length)
    return {
      batch(batch) {
        // A query for a new path makes the batch scan again, and changes the numbers of hits.
        for (const { from, to } of moves) for (const path of [from, to]) if (batch.count > 0) batch.hit(0, path)
        const { records } = batch.index
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live || !moves.some(({ from }) => batch.hit(record, from) >= 0))
            continue
          const first = records[RECORD_STRIDE * record + 2]
          const saved = batch.edits.slice(first, records[RECORD_STRIDE * (record + 1) + 2])
          const puts = takeOut(batch, record, moves, matches)
          const why = refusal(batch, record, puts, existing)
          if (why === undefined) putMembers(batch, record, puts)
          else {
            // A reject is stored as the stage received it.
            batch.edits.set(saved, first)
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
  readonly to: Path
}

/** Deletes the members to move, the innermost ones first, and returns their values. */
function takeOut(batch: Batch, record: number, moves: readonly Move[], matches: Float64Array): Put[] {
  const found: { readonly hit: number; readonly at: number }[] = []
  for (let at = 0; at < moves.length; at++) {
    const hit = batch.hit(record, moves[at].from)
    if (hit >= 0) found.push({ hit, at })
  }
  const puts: { readonly at: number; readonly put: Put }[] = []
  for (const { hit, at } of found.toSorted((a, b) => b.hit - a.hit)) {
    const { from, to } = moves[at]
    matches[at]++
    puts.push({ at, put: { path: to, json: batch.raw(hit) } })
    for (const copy of batch.hits(record, from)) batch.edit(copy, Edit.delete)
  }
  return puts.toSorted((a, b) => a.at - b.at).map(({ put }) => put)
}

function refusal(batch: Batch, record: number, puts: readonly Put[], existing: 'reject' | 'replace') {
  const taken = existing === 'reject' ? puts.find(({ path }) => batch.hit(record, path) >= 0) : undefined
  if (taken !== undefined) return { code: 'KEY_EXISTS', detail: `${taken.path.text} exists` }
  return refusalOf(batch, record, puts, true)
}
