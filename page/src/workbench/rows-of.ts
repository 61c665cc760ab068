import type { ShownRecord, Step, TryAnswer } from '../../../src/ui/workbench/api.ts'

/** A line of the list of effects. */
export type EffectRow =
  | { readonly kind: 'record'; readonly record: ShownRecord }
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'line'; readonly sign: ' ' | '+' | '-'; readonly text: string }
  | { readonly kind: 'gap'; readonly lines: number }
  | { readonly kind: 'title'; readonly text: string }

interface Chosen {
  /** Only what this stage does. */
  readonly stage: string | undefined
  /** Only this record, with all of its way. */
  readonly record: number | undefined
}

/** What is shown of an answer, as lines of equal height. */
export function rowsOf({ records }: Pick<TryAnswer, 'records'>, { stage, record }: Chosen): EffectRow[] {
  const shown = record === undefined ? records : records.filter(({ number }) => number === record)
  const isWhole = record !== undefined && stage === undefined
  return shown.flatMap((one) => {
    const steps = one.steps.filter((step) =>
      stage === undefined ? isWhole || step.effect !== 'same' : step.stage === stage,
    )
    // A record that was gone before the stage is not one of its own.
    if (stage !== undefined && steps.length === 0) return []
    return [
      { kind: 'record' as const, record: one },
      ...(isWhole ? linesOf('As it was read', one.before) : []),
      ...steps.flatMap(rowsOfStep),
      ...(isWhole ? one.after.flatMap(({ lines, to }) => linesOf(writtenTo(to), lines)) : []),
    ]
  })
}

function writtenTo(sinks: readonly string[]): string {
  return sinks.length === 0 ? 'Written' : `Written to ${sinks.join(', ')}`
}

function linesOf(title: string, lines: readonly string[] | undefined): EffectRow[] {
  if (lines === undefined) return []
  return [{ kind: 'title', text: title }, ...lines.map((text): EffectRow => ({ kind: 'line', sign: ' ', text }))]
}

function rowsOfStep(step: Step): EffectRow[] {
  const diff = (step.diff ?? []).map((line): EffectRow =>
    'lines' in line ? { kind: 'gap', ...line } : { kind: 'line', ...line },
  )
  return [{ kind: 'step', step }, ...diff]
}
