import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { useEffect } from 'preact/hooks'
import { formatBytes, formatCount, plural } from '../format.ts'
import { Text } from '../parts/text.tsx'
import { query } from '../route.ts'
import type { WorkbenchState } from '../state/workbench.ts'
import { EffectRows } from './effect-rows.tsx'
import { AT_ONCE } from './effects.ts'
import { RequestFailure } from './request-failure.tsx'
import { SampleDialog } from './sample-dialog.tsx'
import { StageTable } from './stage-table.tsx'
import { TestForm } from './test-form.tsx'

/** Samples, and what the stages do with them. */
export function EffectsView({ state }: { readonly state: WorkbenchState }): JSX.Element {
  const isChoosing = useSignal(false)
  const sample = state.effects.sample.value
  const failure = state.effects.failure.value
  useEffect(() => void state.effects.look(), [state, query.value])
  return (
    <>
      {sample === undefined ? (
        <div class="effect-none">
          <p>Choose sample records to see what each stage does with them. Nothing is written.</p>
          <button type="button" class="primary" onClick={() => (isChoosing.value = true)}>
            Choose samples
          </button>
        </div>
      ) : (
        <div class="toolbar">
          <p>
            <strong>{plural(sample.records, 'record')}</strong>, {formatBytes(sample.bytes)}{' '}
            <span class="faint">
              from <Text text={sample.from} />
              {sample.isCut && ', which has more'}
            </span>
          </p>
          <button type="button" onClick={() => (isChoosing.value = true)}>
            Choose others
          </button>
          <ValuesToggle state={state} />
        </div>
      )}
      <SampleDialog state={state} isOpen={isChoosing} />
      {failure !== undefined && <RequestFailure title="The samples could not be tried:" failure={failure} />}
      {sample !== undefined && <Answer state={state} />}
    </>
  )
}

function ValuesToggle({ state: { effects } }: { readonly state: WorkbenchState }): JSX.Element {
  return (
    <label class="toggle">
      <input
        type="checkbox"
        checked={effects.showsValues.value}
        onChange={({ currentTarget }) => effects.setValues(currentTarget.checked)}
      />
      Show values before redaction
    </label>
  )
}

function Answer({ state }: { readonly state: WorkbenchState }): JSX.Element {
  const { effects } = state
  const answer = effects.answer.value
  const failure = effects.failure.value
  const isOld = effects.isOld.value
  return (
    <>
      {(effects.showsValues.value || answer?.showsValues) && (
        <p class="values-banner">
          <strong>Values are shown as they were before redaction.</strong> They stay on this page.
        </p>
      )}
      {answer?.failure !== undefined && (
        <RequestFailure
          title="A transform has failed. What is shown is of the records before it."
          failure={answer.failure}
        />
      )}
      {answer === undefined ? (
        failure === undefined && (
          <p class="faint" aria-busy="true">
            Trying the samples…
          </p>
        )
      ) : (
        <div class={isOld ? 'answer is-old' : 'answer'} aria-busy={isOld}>
          <Totals totals={answer.totals} isOld={isOld} hasErrors={state.hasErrors.value} />
          {answer.stages.length > 0 && <StageTable stages={answer.stages} state={state} />}
          {answer.records.length > 0 && (
            <>
              <Paging state={state} />
              <EffectRows answer={answer} effects={effects} />
            </>
          )}
        </div>
      )}
    </>
  )
}

interface TotalsProps {
  readonly totals: NonNullable<WorkbenchState['effects']['answer']['value']>['totals']
  readonly isOld: boolean
  readonly hasErrors: boolean
}

function Totals({ totals, isOld, hasErrors }: TotalsProps): JSX.Element {
  return (
    <p class="totals">
      {totals === undefined ? (
        <span>Nothing is tried while the transforms of the file have errors.</span>
      ) : (
        TOTALS.map(({ key, title }) => (
          <span key={key} class={totals[key] === 0 ? 'faint' : undefined}>
            <strong>{formatCount(totals[key])}</strong> {title}
          </span>
        ))
      )}
      {isOld && <span class="faint">{hasErrors ? 'Of the text before.' : 'Trying the text…'}</span>}
    </p>
  )
}

const TOTALS = [
  { key: 'written', title: 'written' },
  { key: 'dropped', title: 'dropped' },
  { key: 'duplicate', title: 'duplicate' },
  { key: 'rejected', title: 'rejected' },
] as const

function Paging({ state }: { readonly state: WorkbenchState }): JSX.Element {
  const { effects } = state
  const total = effects.sample.value?.records ?? 0
  const from = effects.from.value
  const end = from + (effects.answer.value?.records.length ?? 0)
  const record = effects.record.value
  if (record !== undefined)
    return (
      <div class="toolbar" role="group" aria-label="The record that is shown">
        <strong>
          Record {formatCount(record + 1)} of {formatCount(total)}
        </strong>
        <Step text="Previous record" isOff={record <= from} go={() => effects.showRecord(record - 1)} />
        <Step text="Next record" isOff={record + 1 >= end} go={() => effects.showRecord(record + 1)} />
        <button type="button" onClick={() => effects.showRecord(undefined)}>
          Show all records
        </button>
        {state.canEdit.value && <TestForm key={record} state={state} record={record} />}
      </div>
    )
  return (
    <div class="toolbar" role="group" aria-label="The records that are shown">
      <strong>
        Records {formatCount(Math.min(total, from + 1))} to {formatCount(end)} of {formatCount(total)}
      </strong>
      {total > end - from && (
        <>
          <Step text="Previous records" isOff={from === 0} go={() => effects.page(Math.max(0, from - AT_ONCE))} />
          <Step text="Next records" isOff={end >= total} go={() => effects.page(end)} />
        </>
      )}
      {effects.stage.value !== undefined && (
        <button type="button" onClick={() => effects.showStage(undefined)}>
          Show all stages
        </button>
      )}
    </div>
  )
}

interface StepProps {
  readonly text: string
  readonly isOff: boolean
  readonly go: () => void
}

function Step({ text, isOff, go }: StepProps): JSX.Element {
  return (
    <button type="button" disabled={isOff} onClick={go}>
      {text}
    </button>
  )
}
