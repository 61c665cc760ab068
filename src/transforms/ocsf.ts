import { join } from 'node:path'
import { Type } from '../fields/typebox.ts'
import { defineTransform } from '../component.ts'
import type { Finding } from '../component.ts'
import { Choice, ExistingFile } from '../fields/fields.ts'
import { SluiceError } from '../errors.ts'
import { PACKAGE } from '../package.ts'
import { Edit, RecordState } from '../record/batch.ts'
import type { Batch } from '../record/batch.ts'
import { rebuild } from '../record/rebuild.ts'
import type { NewLine } from '../record/reuse-lines.ts'
import { RECORD_STRIDE } from '../record/scan.ts'
import { skipSpace } from '../record/json/walk.ts'
import { CLOSE_OBJECT } from '../record/json/ascii.ts'
import { compileMapping } from './ocsf/compile.ts'
import type { Event } from './ocsf/compile.ts'
import { readMapping } from './ocsf/read-mapping.ts'
import { effectOf, shapeOf } from './ocsf/effect.ts'

/**
 * Turns live records into events of OCSF, by a mapping file. What an event takes from its record word
 * for word is taken out of it, and the rest of the record goes to `unmapped` with its bytes.
 */
export default defineTransform({
  type: 'ocsf',
  summary: 'Turns events of JumpCloud, Okta, GitHub and CloudTrail into events of OCSF 1.8.0.',
  fields: {
    vendor: Type.Optional(
      Choice(['jumpcloud', 'okta', 'github', 'cloudtrail'], {
        description: 'Whose events the records are. The mapping of each vendor is a file in `ocsf/` of the package.',
      }),
    ),
    mapping: Type.Optional(
      ExistingFile({ description: 'A mapping file of your own, in place of `vendor`. See docs/ocsf.md.' }),
    ),
  },
  examples: [{ title: 'Events of Okta', config: { vendor: 'okta' } }],
  check: (config) => findings(config),
  effectOn: (config, targets) => ({ settings: effectOf(readMapping(fileOf(config)), targets) }),
  shape: (config) => (findings(config).length > 0 ? {} : shapeOf(readMapping(fileOf(config)))),
  reusesBuffers: true,
  create(config, { paths, stage }) {
    const write = compileMapping(readMapping(fileOf(config)), paths)
    const newest = paths.add('class_uid')
    return {
      rebuilds: true,
      batch(batch) {
        // A query for a new path makes the batch scan again, and changes the numbers of hits.
        if (batch.count > 0) batch.hit(0, newest)
        const lines: NewLine[] = []
        for (let record = 0; record < batch.count; record++) {
          if (batch.states[record] !== RecordState.live) continue
          const event = write(batch, record)
          if (event === undefined) {
            batch.reject(record, 'VALUE_MISSING', stage, 'no value for time')
            continue
          }
          const bytes = lineOf(batch, record, event)
          if (bytes.length <= batch.limits.maxLine) lines.push({ from: record, bytes })
          else
            batch.reject(
              record,
              'TOO_LONG',
              stage,
              'as an event of OCSF the record would be longer than limits.maxLine',
            )
        }
        return lines.length === 0 ? undefined : rebuild(batch, lines, stage)
      },
    }
  },
})

/** The event with what it does not have of the record. The record stays as it is. */
function lineOf(batch: Batch, record: number, { json, used }: Event): Buffer {
  const { records } = batch.index
  const first = records[RECORD_STRIDE * record + 2]
  const saved = batch.edits.slice(first, records[RECORD_STRIDE * (record + 1) + 2])
  for (const path of used) for (const copy of batch.hits(record, path)) batch.edit(copy, Edit.delete)
  const rest = batch.line(record)
  const isEmpty = rest[skipSpace(rest, 1)] === CLOSE_OBJECT
  const head = Buffer.from(isEmpty ? json : `${json},"unmapped":`)
  const line = Buffer.concat([head, isEmpty ? NOTHING : rest, END])
  batch.edits.set(saved, first)
  return line
}

const END = Buffer.from('}')
const NOTHING = Buffer.alloc(0)

interface OcsfConfig {
  readonly vendor?: string
  readonly mapping?: string
}

function fileOf({ vendor, mapping }: OcsfConfig): string {
  return mapping ?? join(PACKAGE, 'ocsf', `${vendor}.yaml`)
}

function findings(config: OcsfConfig): Finding[] {
  const { vendor, mapping } = config
  if (vendor === undefined && mapping === undefined) {
    return [
      {
        at: [],
        message: 'ocsf needs `vendor` or `mapping`',
        hint: 'add vendor: jumpcloud, okta, github or cloudtrail',
      },
    ]
  }
  if (vendor !== undefined && mapping !== undefined) {
    return [{ at: ['mapping'], message: 'ocsf has both `vendor` and `mapping`', hint: 'remove one of them' }]
  }
  try {
    readMapping(fileOf(config))
    return []
  } catch (error) {
    if (error instanceof SluiceError)
      return [{ at: [mapping === undefined ? 'vendor' : 'mapping'], message: error.message }]
    throw error
  }
}
