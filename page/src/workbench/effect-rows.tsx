import { useComputed } from '@preact/signals'
import type { JSX } from 'preact'
import type { ShownRecord, Step, TryAnswer } from '../../../src/ui/workbench/api.ts'
import { plural, safe } from '../format.ts'
import { Badge } from '../parts/badge.tsx'
import type { Tone } from '../parts/badge.tsx'
import { Rows } from '../parts/rows.tsx'
import type { Effects } from './effects.ts'
import { rowsOf } from './rows-of.ts'
import type { EffectRow } from './rows-of.ts'

interface EffectRowsProps {
  readonly answer: TryAnswer
  readonly effects: Effects
}

/** What the stages do with each record. */
export function EffectRows({ answer, effects }: EffectRowsProps): JSX.Element {
  const rows = useComputed(() =>
    rowsOf(effects.answer.value ?? answer, { stage: effects.stage.value, record: effects.record.value }),
  ).value
  if (rows.length === 0) return <p class="faint effect-none">No record that is shown comes to this stage.</p>
  return (
    <Rows
      rows={rows}
      height={ROW}
      label="Effects on the records"
      render={(row, at) => <Row key={at} row={row} effects={effects} />}
    />
  )
}

/** Pixels, as in workbench.css. */
const ROW = 22

function Row({ row, effects }: { readonly row: EffectRow; readonly effects: Effects }): JSX.Element {
  if (row.kind === 'record') return <RecordRow record={row.record} effects={effects} />
  if (row.kind === 'step') return <StepRow step={row.step} />
  if (row.kind === 'title') return <div class="effect-row is-title">{safe(row.text)}</div>
  if (row.kind === 'gap') return <div class="effect-row is-gap faint">{plural(row.lines, 'line')} without a change</div>
  const isChange = row.sign !== ' '
  return (
    <div class={`effect-row is-line code${isChange ? (row.sign === '+' ? ' is-added' : ' is-removed') : ''}`}>
      <span class="sign">{row.sign}</span>
      {safe(row.text)}
    </div>
  )
}

function RecordRow({ record, effects }: { readonly record: ShownRecord; readonly effects: Effects }): JSX.Element {
  const { number, line } = record
  const { tone, text } = outcomeOf(record)
  const isChosen = effects.record.value === number
  return (
    <div class="effect-row is-record">
      <button
        type="button"
        class="link"
        aria-pressed={isChosen}
        title={isChosen ? 'Show all records' : 'Show all of the way of this record'}
        onClick={() => effects.showRecord(isChosen ? undefined : number)}
      >
        Record {number + 1}
      </button>
      <span class="faint">line {line}</span>
      <Badge tone={tone} text={text} />
    </div>
  )
}

function outcomeOf({ steps, after }: ShownRecord): { readonly tone: Tone; readonly text: string } {
  const last = steps.at(-1)?.effect
  if (after.length === 0 && last !== undefined) {
    if (last === 'rejected') return { tone: 'error', text: 'Rejected' }
    if (last === 'duplicate') return { tone: 'plain', text: 'Duplicate' }
    return { tone: 'plain', text: 'Dropped' }
  }
  const sinks = [...new Set(after.flatMap(({ to }) => to))]
  const what = after.length > 1 ? `Written as ${after.length} records` : 'Written'
  return { tone: 'good', text: safe(sinks.length === 0 ? what : `${what} to ${sinks.join(', ')}`) }
}

function StepRow({ step: { stage, effect, detail } }: { readonly step: Step }): JSX.Element {
  const { tone, text } = EFFECTS[effect]
  return (
    <div class="effect-row is-step">
      <strong>{safe(stage)}</strong>
      <Badge tone={tone} text={text} />
      {/* The reason of a drop may be no more than its stage. */}
      {detail !== undefined && detail !== stage && <span>{safe(detail)}</span>}
    </div>
  )
}

const EFFECTS: { readonly [effect in Step['effect']]: { readonly tone: Tone; readonly text: string } } = {
  same: { tone: 'plain', text: 'no change' },
  changed: { tone: 'good', text: 'changed' },
  split: { tone: 'good', text: 'split' },
  dropped: { tone: 'plain', text: 'dropped' },
  duplicate: { tone: 'plain', text: 'duplicate' },
  rejected: { tone: 'error', text: 'rejected' },
}
