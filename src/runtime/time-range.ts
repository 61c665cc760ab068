import { defineTransform } from '../component.ts'
import type { TransformDeclaration } from '../component.ts'
import { findDedup } from '../config/pipeline.ts'
import type { CheckedComponent, CheckedPipeline } from '../config/pipeline.ts'
import { SluiceError } from '../errors.ts'
import { RecordState } from '../record/batch.ts'
import { parseInstantText } from '../record/json/instant.ts'

const STAGE = 'outside-time-limits'

/** Times as on the command line, in any spelling that is read in records. */
export interface TimeLimits {
  readonly since?: string | undefined
  readonly until?: string | undefined
}

/**
 * The pipeline with a transform before all others that drops records outside the limits.
 * @throws SluiceError USAGE if a limit is not a time, or the pipeline declares no time field
 */
export function withTimeLimits(pipeline: CheckedPipeline, { since, until }: TimeLimits): CheckedPipeline {
  if (since === undefined && until === undefined) return pipeline
  const time = findDedup(pipeline)?.settings.time
  if (time === undefined) {
    throw new SluiceError('USAGE', '--since and --until need a time field', {
      hint: "set `time` in the pipeline's dedup transform",
    })
  }
  const from = since === undefined ? -Infinity : parseMoment('--since', since)
  const to = until === undefined ? Infinity : parseMoment('--until', until)
  return { ...pipeline, transforms: [keepBetween(time, from, to), ...pipeline.transforms] }
}

/**
 * A transform that drops records whose time is not in [from, to), in milliseconds since 1970. A record
 * without a readable time is kept: the pipeline decides about it.
 */
function keepBetween(timePath: string, from: number, to: number): CheckedComponent<TransformDeclaration> {
  const declaration = defineTransform({
    type: STAGE,
    summary: 'Drops records outside the time limits of a backfill.',
    reusesBuffers: true,
    fields: {},
    create(_config, { paths }) {
      const path = paths.add(timePath)
      return {
        batch(batch) {
          for (let record = 0; record < batch.count; record++) {
            if (batch.states[record] !== RecordState.live) continue
            const hit = batch.hit(record, path)
            if (hit < 0) continue
            const time = parseInstantText(batch.text(hit))
            if (time < from || time >= to) batch.drop(record, STAGE)
          }
        },
      }
    },
  })
  return { declaration, config: {}, stage: STAGE }
}

/**
 * Parses a time of the command line, in any spelling that is read in records. A date means its first
 * instant in UTC.
 */
export function parseMoment(option: string, text: string): number {
  const moment = parseInstantText(text)
  if (!Number.isNaN(moment)) return moment
  throw new SluiceError('USAGE', `${option} ${JSON.stringify(text)} is not a time`, {
    hint: 'write 2026-03-04 or 2026-03-04T18:00:00Z',
  })
}
