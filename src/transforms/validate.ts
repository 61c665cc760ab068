import { defineTransform } from '../component.ts'
import type { Finding } from '../component.ts'
import { Choice, ExistingFile } from '../fields/fields.ts'
import { SluiceError } from '../errors.ts'
import { RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { unwrapHint } from '../record/lines/envelope.ts'
import { reaches } from '../record/paths/reaches.ts'
import { rebuild } from '../record/rebuild.ts'
import type { NewLine } from '../record/reuse-lines.ts'
import { recordChange, recordView } from '../record/author/record-view.ts'
import { analyzeSchema } from './validate/constraints.ts'
import { createFastPath } from './validate/fast-path.ts'
import { loadSchema } from './validate/schema.ts'
import type { CompiledSchema, Violation } from './validate/compile-schema.ts'

/**
 * Validates records against a JSON schema. Only ajv rejects a record and words the reason; but ajv
 * needs a parsed record, which costs more than all other work on it.
 *
 * So there is a fast path for valid records. `validate/constraints.ts` translates the schema into
 * constraints on single values: required, of these kinds, with these bytes. `validate/fast-path.ts`
 * checks them on the index and the bytes of a batch, without parsing. A record that fulfils all
 * constraints is valid. Any other record is undecided, not invalid: it is parsed and goes to ajv.
 *
 * If the schema has a keyword that no constraint expresses (`pattern`, for example), every record
 * goes to ajv. `sluice check` reports whether the schema has the fast path, and the keyword that
 * prevents it.
 *
 * Numbers are judged as they are spelled (`validate/exact-keywords.ts`). The work for one record is
 * counted and bounded (`validate/work.ts`).
 *
 * `mode: tag` adds a member to invalid records and rebuilds the batch; `mode: reject` changes no
 * bytes.
 */
export default defineTransform({
  type: 'validate',
  summary: 'Checks records against a JSON schema.',
  fields: {
    schema: ExistingFile({
      description:
        'A JSON schema of draft-07 or 2020-12, according to its `$schema`; without one, 2020-12. It does not change records: no defaults, no coercion. Numbers are judged as they are spelled, also those that JavaScript rounds. `sluice check` reports whether valid records are accepted without parsing, which is many times faster, or which keyword prevents it.',
    }),
    mode: Choice(['reject', 'tag'], {
      default: 'reject',
      description:
        '`reject` rejects records that violate the schema with SCHEMA_VIOLATION, and records that take too much work to check with VALIDATION_LIMIT. `tag` lets both pass and adds a member `_schema_violation` with the reason.',
    }),
  },
  examples: [
    { title: 'Reject records that are not events', config: { schema: '../schemas/jumpcloud-event.schema.json' } },
    {
      title: 'Tag invalid records and let them pass',
      config: { schema: '../schemas/jumpcloud-event.schema.json', mode: 'tag' },
    },
  ],
  check: ({ schema }) => findings(schema),
  async effectOn({ schema, mode }, paths) {
    if (mode !== 'tag' || !paths.some((path) => reaches(TAG, path))) return undefined
    return { settings: { mode, schema: (await loadSchema(schema)).root } }
  },
  reusesBuffers: true,
  async create({ schema: file, mode }, { paths, stage }) {
    const schema = await loadSchema(file)
    const { constraints } = analyzeSchema(schema.root, schema.spellings)
    const undecided = constraints === undefined ? liveRecords : createFastPath(constraints, paths)

    const apply = (batch: Batch, records: readonly number[], compiled: CompiledSchema): Batch[] => {
      const violations = new Map<number, Violation>()
      for (const record of records) {
        const violation = compiled.findViolation(batch.line(record).toString())
        if (violation !== undefined) violations.set(record, violation)
      }
      if (violations.size === 0) return [batch]
      if (mode === 'tag') return tag(batch, violations, stage)
      for (const [record, { code, detail }] of violations) {
        const hint = unwrapHint(batch.line(record))
        batch.reject(record, code, stage, hint === undefined ? detail : `${detail}; ${hint}`)
      }
      return [batch]
    }

    return {
      rebuilds: mode === 'tag',
      batch(batch) {
        const records = undecided(batch)
        if (records.length === 0) return [batch]
        const { compiled } = schema
        return compiled ? apply(batch, records, compiled) : schema.compile().then((now) => apply(batch, records, now))
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

function tag(batch: Batch, violations: ReadonlyMap<number, Violation>, stage: string): Batch[] {
  const lines = liveRecords(batch).map((from): NewLine => {
    const detail = violations.get(from)?.detail
    if (detail === undefined) return { from }
    return { ...recordChange(recordView(batch, from).set(TAG, detail), batch, from), from }
  })
  return rebuild(batch, lines, stage)
}

async function findings(file: string): Promise<Finding[]> {
  try {
    const { root, spellings } = await loadSchema(file)
    const { unsupported } = analyzeSchema(root, spellings)
    const message =
      unsupported === undefined
        ? 'valid records are accepted without parsing (fast path)'
        : `every record is parsed and checked by ajv: the schema keyword "${unsupported}" has no fast path`
    return [{ at: ['schema'], message, severity: 'note' }]
  } catch (error) {
    if (error instanceof SluiceError) return [{ at: ['schema'], message: error.message }]
    throw error
  }
}
