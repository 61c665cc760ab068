import { isNode, isSeq, LineCounter, parseDocument } from 'yaml'
import { forgetCode } from '../../config/import-code.ts'
import { loadPipeline } from '../../config/load.ts'
import { traceRecords } from '../../inspect/trace-records.ts'
import type { TraceOptions } from '../../inspect/trace-records.ts'
import type { TryAnswer } from './api.ts'
import { shownProblem } from './check-text.ts'
import type { TextPlace } from '../load-text.ts'

interface TryOptions extends TextPlace, TraceOptions {
  /** NDJSON. */
  readonly bytes: Uint8Array
}

/**
 * What the transforms and routes of a pipeline file, or of a text in its place, do with samples. Mistakes in
 * its source and its sinks do not matter.
 */
export async function tryText({ root, name, text, bytes, ...options }: TryOptions): Promise<TryAnswer> {
  await forgetCode()
  const { pipeline, problems } = await loadPipeline(name, { root, text, mode: 'test', parts: ['transforms'] })
  const shown = problems.map(shownProblem)
  if (pipeline === undefined) return { problems: shown, stages: [], records: [], showsValues: options.values }
  const samples = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const { records, stages, rules, totals, failure } = await traceRecords(pipeline, samples, options)
  const lines = text === undefined ? [] : linesOfTransforms(text)
  return {
    problems: shown,
    ...(failure && {
      failure: {
        code: failure.code,
        message: failure.message,
        ...(failure.hint !== undefined && { hint: failure.hint }),
      },
    }),
    totals: { ...totals },
    stages: stages.map(({ stage, ...sums }, at) => ({
      stage,
      ...(lines[at] !== undefined && { line: lines[at] }),
      ...sums,
      changed: records.filter(({ steps }) => steps.some((step) => step.stage === stage && step.diff)).length,
      rules: rules
        .filter((rule) => rule.stage === stage)
        .map(({ rule, matches, searches }) => ({ rule, matches, isUnused: matches === 0 && searches !== true })),
    })),
    records,
    showsValues: options.values,
  }
}

/** The line at which each transform begins in the file, from 1. */
function linesOfTransforms(text: string): (number | undefined)[] {
  const counter = new LineCounter()
  const document = parseDocument(text, { lineCounter: counter })
  const transforms: unknown = document.get('transforms')
  const items: readonly unknown[] = isSeq(transforms) ? transforms.items : []
  return items.map((item) => (isNode(item) && item.range ? counter.linePos(item.range[0]).line : undefined))
}
