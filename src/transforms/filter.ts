import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import type { Finding } from '../component.ts'
import { RecordCondition } from '../fields/fields.ts'
import { RecordState } from '../record/batch.ts'
import { compileCondition } from '../record/author/condition.ts'
import type { Condition } from '../record/author/record.ts'

/** Drops records on purpose. They are counted as dropped under the name of the stage. */
export default defineTransform({
  type: 'filter',
  summary: 'Keeps or drops the records that match a condition.',
  fields: {
    keep: Type.Optional(
      RecordCondition({ description: 'Keeps the records that match all of these tests and drops all others.' }),
    ),
    drop: Type.Optional(
      RecordCondition({ description: 'Drops the records that match all of these tests and keeps all others.' }),
    ),
  },
  examples: [
    { title: 'Only failed sign-ins', config: { keep: { service: ['sso', 'radius', 'ldap'], success: false } } },
    { title: 'Without test accounts', config: { drop: { 'initiated_by.email': '/@test\\.example\\.com$/i' } } },
  ],
  check: ({ keep, drop }) => findings(keep, drop),
  effectOn: () => undefined,
  reusesBuffers: true,
  create({ keep, drop }, { paths, stage }) {
    const matches = compileCondition(keep ?? drop ?? {}, paths)
    const wanted = keep !== undefined
    return {
      batch(batch) {
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] === RecordState.live && matches(batch, record) !== wanted) batch.drop(record, stage)
        }
      },
    }
  },
})

function* findings(keep: Condition | undefined, drop: Condition | undefined): Generator<Finding> {
  if ((keep === undefined) === (drop === undefined)) {
    yield { at: keep === undefined ? [] : ['drop'], message: 'a filter needs either keep or drop' }
  }
  for (const [name, condition] of Object.entries({ keep, drop })) {
    if (condition !== undefined && Object.keys(condition).length === 0) {
      yield { at: [name], message: `${name} has no tests, so it would match every record` }
    }
  }
}
