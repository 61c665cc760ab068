import { defineTransform } from '../component.ts'
import type { Finding } from '../component.ts'
import { Choice, ExistingFile } from '../fields/fields.ts'
import { SluiceError } from '../errors.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { rebuild } from '../record/rebuild.ts'
import type { NewLine } from '../record/reuse-lines.ts'
import { recordChange, recordView } from '../record/author/record-view.ts'
import { proofOf } from './validate/facts.ts'
import { createProver } from './validate/prover.ts'
import { loadSchema } from './validate/schema.ts'

/**
 * ajv is the one judge: it alone rejects and words the reason. It is asked about records that the facts of the schema, read from the index,
 * do not prove; about all of them where the schema has a keyword that cannot be proven.
 */
export default defineTransform({
  type: 'validate',
  summary: 'Checks records against a JSON schema.',
  fields: {
    schema: ExistingFile({
      description:
        'A JSON schema of draft-07 or 2020-12, as its `$schema` says; 2020-12 when it says nothing. Records are not changed by it: no defaults, no coercion. `sluice check` tells whether valid records are proven on their bytes, which is many times faster, or which keyword forbids it.',
    }),
    mode: Choice(['reject', 'tag'], {
      default: 'reject',
      description:
        '`reject` refuses records that do not fulfil the schema with SCHEMA_VIOLATION; `tag` lets them through with a member `_schema_violation` that says what is wrong.',
    }),
  },
  examples: [
    { title: 'Reject what is no event', config: { schema: '../schemas/jumpcloud-event.schema.json' } },
    { title: 'Let it through, marked', config: { schema: '../schemas/jumpcloud-event.schema.json', mode: 'tag' } },
  ],
  check: ({ schema }) => findings(schema),
  reusesBuffers: true,
  async create({ schema: file, mode }, { paths, stage }) {
    const schema = await loadSchema(file)
    const { facts } = proofOf(schema.root)
    const inDoubt = facts === undefined ? liveRecords : createProver(facts, paths)

    return {
      batch(batch) {
        const details = new Map<number, string>()
        for (const record of inDoubt(batch)) {
          const detail = schema.judge(batch.value(record))
          if (detail !== undefined) details.set(record, detail)
        }
        if (details.size === 0) return [batch]
        if (mode === 'tag') return tag(batch, details, stage)
        for (const [record, detail] of details) batch.reject(record, 'SCHEMA_VIOLATION', stage, detail)
        return [batch]
      },
    }
  },
})

const TAG = '_schema_violation'

function liveRecords(batch: Batch): number[] {
  const records: number[] = []
  for (let record = 0; record < batch.count; record++)
    if (batch.states[record] === RecordState.live) records.push(record)
  return records
}

function tag(batch: Batch, details: ReadonlyMap<number, string>, stage: string): Batch[] {
  const lines = liveRecords(batch).map((from): NewLine => {
    const detail = details.get(from)
    if (detail === undefined) return { from }
    return { ...recordChange(recordView(batch, from).set(TAG, detail), batch, from), from }
  })
  return rebuild(batch, lines, stage)
}

async function findings(file: string): Promise<Finding[]> {
  try {
    const { because } = proofOf((await loadSchema(file)).root)
    const message =
      because === undefined
        ? 'valid records are proven on their bytes'
        : `ajv judges every record: "${because}" of the schema cannot be proven on bytes`
    return [{ at: ['schema'], message, severity: 'note' }]
  } catch (error) {
    if (error instanceof SluiceError) return [{ at: ['schema'], message: error.message }]
    throw error
  }
}
