import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import { Choice } from '../fields/fields.ts'
import { RecordState } from '../record/batch.ts'
import { reaches } from '../record/paths/reaches.ts'
import { putMembers, refusalOf } from '../record/put-members.ts'
import type { Put } from '../record/put-members.ts'
import { findingsOf } from './set/findings.ts'
import { MEMBER, sourcesOf } from './set/member.ts'
import { compileMember } from './set/values.ts'

/**
 * Gives members of live records a value. All values are read before the first one is set, so the
 * order of the list does not matter. Rejected records stay as they are.
 */
export default defineTransform({
  type: 'set',
  summary: 'Sets members of records to constants, copies of other members, texts or defaults.',
  fields: {
    members: Type.Array(MEMBER, {
      minItems: 1,
      description:
        'What to set; each with one of `value`, `from` and `template`, all read from the record as it comes in.',
    }),
    missing: Choice(['skip', 'reject'], {
      default: 'skip',
      description:
        'What to do if a value cannot be made: the member of `from` is absent; one in `template` is absent, null, an object, an array, or not a time. `skip` leaves the target as it is, `reject` rejects the record with VALUE_MISSING.',
    }),
  },
  examples: [
    {
      title: 'A constant, a copy, a text and a default',
      config: {
        members: [
          { path: 'labels.team', value: 'security' },
          { path: 'source_ip', from: 'client.ip' },
          { path: 'kind', template: '{record.service}-{record.event_type}' },
          { path: 'severity', value: 'low', ifAbsent: true },
        ],
      },
    },
  ],
  check: ({ members }) => findingsOf(members),
  effectOn({ members, missing }, targets) {
    const touching = members.filter(({ path }) => targets.some((target) => reaches(path, target)))
    return touching.length === 0 ? undefined : { settings: { members: touching, missing } }
  },
  shape: ({ members }) => ({ writes: members.map((member) => ({ path: member.path, from: sourcesOf(member) })) }),
  reusesBuffers: true,
  create({ members, missing }, { paths, stage, pipeline }) {
    const compiled = members.map((member) => compileMember(member, { paths, pipeline }))
    return {
      batch(batch) {
        /** One list for all records. */
        const puts: Put[] = []
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live) continue
          let count = 0
          for (let at = 0; at < compiled.length; at++) {
            const { path, ifAbsent, valueOf } = compiled[at]
            if (ifAbsent && batch.hit(record, path) >= 0) continue
            const put = valueOf(batch, record)
            if (put !== undefined) puts[count++] = put
            else if (missing === 'reject') batch.reject(record, 'VALUE_MISSING', stage, `no value for ${path.text}`)
          }
          if (puts.length !== count) puts.length = count
          const refusal = refusalOf(batch, record, puts)
          if (refusal !== undefined) batch.reject(record, refusal.code, stage, refusal.detail)
          if (batch.states[record] === RecordState.live) putMembers(batch, record, puts)
        }
      },
    }
  },
})
