import type { JSX } from 'preact'
import type { TryAnswer } from '../../../src/ui/workbench/api.ts'
import { formatCount, plural, safe } from '../format.ts'
import { Badge } from '../parts/badge.tsx'
import { TableFrame } from '../parts/panel.tsx'
import { TableHead } from '../parts/table-head.tsx'
import { Text } from '../parts/text.tsx'
import type { WorkbenchState } from '../state/workbench.ts'

type Stage = TryAnswer['stages'][number]

interface StageTableProps {
  readonly stages: readonly Stage[]
  readonly state: WorkbenchState
}

/** What each stage does with all samples. Choosing a stage shows what it does with each record. */
export function StageTable({ stages, state }: StageTableProps): JSX.Element {
  return (
    <TableFrame label="Stages">
      <table class="stages">
        <TableHead columns={['Stage', ...NUMBERS.map((number) => ({ number }))]} />
        <tbody>
          {stages.map((stage) => (
            <Row key={stage.stage} stage={stage} state={state} />
          ))}
        </tbody>
      </table>
    </TableFrame>
  )
}

const NUMBERS = ['Records in', 'Changed (shown)', 'Dropped', 'Duplicates', 'Rejected', 'Time']

function Row({
  stage,
  state: { effects, editor },
}: {
  readonly stage: Stage
  readonly state: WorkbenchState
}): JSX.Element {
  const { stage: name, type, line, milliseconds, recordsIn, changed, dropped, duplicate, rejected, rules } = stage
  const isChosen = effects.stage.value === name
  return (
    <tr class={isChosen ? 'is-chosen' : undefined}>
      <th scope="row">
        <span class="stage-name">
          <button
            type="button"
            class="link"
            aria-pressed={isChosen}
            title={isChosen ? 'Show all stages' : 'Show what this stage does'}
            onClick={() => effects.showStage(isChosen ? undefined : name)}
          >
            {safe(name)}
          </button>
          {type !== name && <span class="faint">{safe(type)}</span>}
          {line !== undefined && (
            <button type="button" class="link is-faint" onClick={() => editor.value?.jump(line)}>
              line {line}
            </button>
          )}
        </span>
        <Rules rules={rules} isWhole={isChosen} />
      </th>
      <td class="number">{formatCount(recordsIn)}</td>
      <Number count={changed} />
      <Number count={dropped} />
      <Number count={duplicate} />
      <Number count={rejected} tone="is-warning" />
      <td class="number">{formatMilliseconds(milliseconds)}</td>
    </tr>
  )
}

function Number({ count, tone = '' }: { readonly count: number; readonly tone?: string }): JSX.Element {
  return <td class={`number ${count === 0 ? 'faint' : tone}`}>{formatCount(count)}</td>
}

/** Those that matched nothing, and all of the stage that is chosen. */
function Rules({ rules, isWhole }: { readonly rules: Stage['rules']; readonly isWhole: boolean }): JSX.Element | null {
  const shown = isWhole ? rules : rules.filter(({ isUnused }) => isUnused)
  if (shown.length === 0) return null
  return (
    <ul class="rules">
      {shown.map(({ rule, matches, isUnused }) => (
        <li key={rule}>
          {isUnused ? (
            <Badge tone="warning" text="Matched nothing" />
          ) : (
            <span class="faint">{plural(matches, 'value')}</span>
          )}{' '}
          <Text text={rule} isCode />
        </li>
      ))}
    </ul>
  )
}

/** `0.4 ms`: fractions only where they count. */
function formatMilliseconds(milliseconds: number): string {
  return `${milliseconds < 10 ? milliseconds.toFixed(1) : formatCount(milliseconds)} ms`
}
