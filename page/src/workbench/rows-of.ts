import type { DiffLine, ShownRecord, Step, TryAnswer } from '../../../src/ui/workbench/api.ts'

/** A line of the list of effects. */
export type EffectRow =
  | { readonly kind: 'record'; readonly record: ShownRecord }
  | { readonly kind: 'step'; readonly step: Step }
  | { readonly kind: 'line'; readonly sign: DiffLine['sign']; readonly text: string }
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
  return [{ kind: 'step', step }, ...withGaps(step.diff ?? [])]
}

/** Lines that stay the same are shown near a change only. */
function withGaps(diff: readonly DiffLine[]): EffectRow[] {
  const isNear = new Uint8Array(diff.length)
  for (const [at, { sign }] of diff.entries()) if (sign !== ' ') isNear.fill(1, Math.max(0, at - NEAR), at + NEAR + 1)
  const rows: EffectRow[] = []
  let hidden = 0
  for (const [at, { sign, text }] of diff.entries()) {
    if (isNear[at] === 0) {
      hidden++
      continue
    }
    if (hidden > 0) rows.push({ kind: 'gap', lines: hidden })
    hidden = 0
    rows.push({ kind: 'line', sign, text })
  }
  return hidden > 0 ? [...rows, { kind: 'gap', lines: hidden }] : rows
}

/** Lines of context, as in a diff. */
const NEAR = 3
