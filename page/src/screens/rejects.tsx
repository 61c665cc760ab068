import type { JSX } from 'preact'
import { formatCount, plural, safe } from '../format.ts'
import { Failure, Loading } from '../parts/failure.tsx'
import { Choice } from '../rejects/choice.tsx'
import { Detail } from '../rejects/detail.tsx'
import { Filters } from '../rejects/filters.tsx'
import { List } from '../rejects/list.tsx'
import { Outcome } from '../rejects/outcome.tsx'
import { pathOfPipeline } from '../route.ts'
import type { RejectsState } from '../state/rejects.ts'

/** The dead-letter queue of a pipeline: look at rejects, correct them, and replay them. */
export function Rejects({ state }: { readonly state: RejectsState }): JSX.Element {
  const page = state.page.value
  const failure = state.failure.value
  return (
    <>
      <div class="screen-head">
        <h1 tabIndex={-1} class="wraps">
          Rejects of <a href={pathOfPipeline(state.name)}>{safe(state.name)}</a>
        </h1>
        {page && (
          <p class="faint">
            {formatCount(page.total)} in the dead-letter queue
            {page.evicted > 0 && `, ${plural(page.evicted, 'older reject')} deleted to stay within its budget`}
          </p>
        )}
      </div>
      {failure !== undefined && <Failure failure={failure} />}
      {page === undefined && failure === undefined && <Loading what="the rejects" />}
      {page !== undefined && failure === undefined && <Known state={state} />}
    </>
  )
}

function Known({ state }: { readonly state: RejectsState }): JSX.Element {
  const isEmpty = state.page.value?.total === 0
  return (
    <>
      {isEmpty && <Outcome state={state} />}
      {isEmpty ? (
        <div class="notice">
          <p>
            <strong>The dead-letter queue is empty.</strong>
          </p>
          <p class="faint">Records that a stage rejects appear here by themselves.</p>
        </div>
      ) : (
        <>
          <Filters state={state} />
          <Choice state={state} />
          <Outcome state={state} />
          <div class={state.shown.value.id === '' ? 'rejects' : 'rejects has-detail'}>
            <List state={state} />
            <Detail state={state} />
          </div>
        </>
      )}
    </>
  )
}
