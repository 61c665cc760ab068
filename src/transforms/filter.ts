import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import type { BatchTransform, Finding } from '../component.ts'
import { Choice, ConditionExpression, RecordCondition } from '../fields/fields.ts'
import { RecordState } from '../record/batch.ts'
import { compileCondition } from '../record/author/condition.ts'
import type { Condition } from '../record/author/record.ts'
import type { Paths } from '../record/paths/path.ts'

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
    where: Type.Optional(
      ConditionExpression({
        description:
          'A CEL expression over `record`, see `docs/expressions.md`: keeps the records for which it is true and drops all others.',
      }),
    ),
    onError: Choice(['reject', 'keep', 'drop'], {
      default: 'reject',
      description:
        'What to do with a record for which `where` has no result: a member that it reads is absent, or has another type. `reject` rejects it with EXPRESSION_FAILED.',
    }),
  },
  examples: [
    { title: 'Only failed sign-ins', config: { keep: { service: ['sso', 'radius', 'ldap'], success: false } } },
    { title: 'Without test accounts', config: { drop: { 'initiated_by.email': '/@test\\.example\\.com$/i' } } },
    {
      title: 'An expression: failed sign-ins, and everything of administrators',
      config: { where: 'record.service == "sso" && record.success == false || record.?user.?admin.orValue(false)' },
    },
  ],
  check: (config) => findings(config),
  effectOn: () => undefined,
  reusesBuffers: true,
  async create({ keep, drop, where, onError }, { paths, stage }) {
    if (where !== undefined) return filterByExpression({ where, onError, paths, stage })
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

interface ByExpression {
  readonly where: string
  readonly onError: 'reject' | 'keep' | 'drop'
  readonly paths: Paths
  readonly stage: string
}

async function filterByExpression({ where, onError, paths, stage }: ByExpression): Promise<BatchTransform> {
  // Most pipelines have no expression.
  const { compileExpression } = await import('../fields/expression/expression.ts')
  const holds = compileExpression(where).condition(paths)
  return {
    batch(batch) {
      for (let record = 0; record < batch.count; record++) {
        if (batch.states[record] !== RecordState.live) continue
        const result = holds(batch, record)
        if (result === true) continue
        if (result === false) batch.drop(record, stage)
        else if (result.code === 'EXPRESSION_LIMIT' || onError === 'reject') {
          batch.reject(record, result.code, stage, `where: ${result.message}`)
        } else if (onError === 'drop') batch.drop(record, stage)
      }
    },
  }
}

interface Conditions {
  readonly keep?: Condition
  readonly drop?: Condition
  readonly where?: string
  readonly onError: string
}

function* findings({ keep, drop, where, onError }: Conditions): Generator<Finding> {
  const given = Object.entries({ keep, drop, where }).flatMap(([name, one]) => (one === undefined ? [] : name))
  if (given.length === 0) yield { at: [], message: 'a filter needs one of keep, drop and where' }
  if (given.length > 1) {
    const hint = 'put each into a filter stage of its own'
    yield { at: [given[1]], message: `a filter has ${given.join(' and ')}; it can have one of them`, hint }
  }
  if (where === undefined && onError !== 'reject') {
    yield { at: ['onError'], message: 'onError has no effect without where', hint: 'remove it', severity: 'warning' }
  }
  for (const [name, condition] of Object.entries({ keep, drop })) {
    if (condition !== undefined && Object.keys(condition).length === 0) {
      yield { at: [name], message: `${name} has no tests, so it would match every record` }
    }
  }
}
