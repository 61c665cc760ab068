import type { JSX } from 'preact'
import { formatCount, plural } from '../format.ts'
import type { RejectsState } from '../state/rejects.ts'

/** How many rejects are chosen, and what can be done with them. */
export function Choice({ state }: { readonly state: RejectsState }): JSX.Element {
  const matching = state.page.value?.matching ?? 0
  const isAll = state.isAll.value
  const count = isAll ? matching : state.chosen.value.size
  const corrections = state.chosenCorrections.value
  const mistaken = corrections.filter(([, { mistake }]) => mistake !== undefined)
  const isBusy = state.isTrying.value || state.replay.value?.state === 'replaying'
  return (
    <div class="reject-choice" role="group" aria-label="Chosen rejects">
      <p>
        {isAll ? `All ${formatCount(count)} that match are chosen` : `${plural(count, 'reject')} chosen`}
        {corrections.length > 0 && `, ${formatCount(corrections.length)} corrected`}
        {mistaken.length > 0 && (
          <span class="is-error">: the correction of {mistaken.map(([id]) => id).join(', ')} is no record</span>
        )}
      </p>
      {!isAll && matching > 0 && (
        <button type="button" disabled={isBusy} onClick={() => state.chooseAll()}>
          Choose all {formatCount(matching)} that match
        </button>
      )}
      {(isAll || count > 0) && (
        <button type="button" disabled={isBusy} onClick={() => state.chooseNone()}>
          Choose none
        </button>
      )}
      <button
        type="button"
        class="primary"
        disabled={isBusy || count === 0 || mistaken.length > 0}
        onClick={() => void state.try()}
      >
        {state.isTrying.value ? 'Trying…' : 'What will happen'}
      </button>
    </div>
  )
}
