import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { compileExpression, Fault } from '../fields/expression/expression.ts'
import { Choice } from '../fields/fields.ts'
import { RecordState } from '../record/batch.ts'
import { writeJson } from '../record/json/json-text.ts'
import type { Paths } from '../record/paths/path.ts'
import { reaches } from '../record/paths/reaches.ts'
import { putMembers, refusalOf } from '../record/put-members.ts'
import type { Put } from '../record/put-members.ts'
import { defaultLimits } from '../record/scan.ts'
import { findingsOf } from './compute/findings.ts'
import { MEMBER } from './compute/member.ts'
import type { MemberConfig } from './compute/member.ts'

/**
 * Gives members of live records the values of expressions. All expressions are evaluated before the first
 * member is set, so the order of the list does not matter. Rejected records stay as they are.
 */
export default defineTransform({
  type: 'compute',
  summary: 'Gives members of records values that expressions compute (CEL).',
  fields: {
    members: Type.Array(MEMBER, {
      minItems: 1,
      description: 'What to compute. All expressions read the record as it comes in.',
    }),
    onError: Choice(['reject', 'skip'], {
      default: 'reject',
      description:
        'What to do if an expression without a `default` has no value for a record: a member that it reads is absent, or has another type. `reject` rejects the record with EXPRESSION_FAILED, `skip` leaves the member as it is.',
    }),
  },
  examples: [
    {
      title: 'A number, a text, a choice and a time',
      config: {
        members: [
          { path: 'kilobytes', value: 'record.bytes / 1024' },
          { path: 'user', value: 'record.user.name.lowerAscii() + "@" + record.user.domain', default: null },
          { path: 'severity', value: 'record.success ? "low" : "high"' },
          { path: 'hour', value: 'timestamp(record.timestamp).getHours()' },
        ],
      },
    },
    {
      title: 'Members that may be absent',
      config: {
        members: [
          { path: 'source_ip', value: 'record.?client.?ip' },
          { path: 'country', value: 'record.?geo.?country.orValue("unknown")' },
          { path: 'is_admin', value: 'has(record.roles) && record.roles.exists(role, role == "admin")' },
        ],
      },
    },
  ],
  check: ({ members }) => findingsOf(members),
  effectOn({ members, onError }, targets) {
    const touching = members.filter(({ path }) => targets.some((target) => reaches(path, target)))
    return touching.length === 0 ? undefined : { settings: { members: touching, onError } }
  },
  shape: ({ members }) => ({
    writes: members.map(({ path, value }) => ({ path, from: compileExpression(value).reads })),
  }),
  reusesBuffers: true,
  create({ members, onError }, { paths, stage }) {
    const compiled = members.map((member, at) => compileMember(member, { paths, at, onError }))
    return {
      batch(batch) {
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live) continue
          const puts: Put[] = []
          for (const { path, ifAbsent, name, valueOf } of compiled) {
            if (ifAbsent && batch.hit(record, path) >= 0) continue
            const json = valueOf(batch, record)
            if (json instanceof Fault) batch.reject(record, json.code, stage, `${name}: ${json.message}`)
            else if (json !== undefined) puts.push({ path, json })
          }
          const refusal = refusalOf(batch, record, puts)
          if (refusal !== undefined) batch.reject(record, refusal.code, stage, refusal.detail)
          if (batch.states[record] === RecordState.live) putMembers(batch, record, puts)
        }
      },
    }
  },
})

interface Place {
  readonly paths: Paths
  /** Index of the member. */
  readonly at: number
  readonly onError: 'reject' | 'skip'
}

function compileMember({ path, value, default: other, ifAbsent }: MemberConfig, { paths, at, onError }: Place) {
  const evaluate = compileExpression(value).value(paths)
  const instead = other === undefined ? undefined : writeJson(other, defaultLimits.maxDepth)
  const valueOf: typeof evaluate = (batch, record) => {
    const result = evaluate(batch, record)
    if (!(result instanceof Fault) || result.code === 'EXPRESSION_LIMIT') return result
    return instead ?? (onError === 'skip' ? undefined : result)
  }
  return { path: paths.add(path), ifAbsent, name: `members[${at}] ${path}`, valueOf }
}
