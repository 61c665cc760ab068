import type { JSX } from 'preact'
import type { RejectRow } from '../../../src/ui/rejects/api.ts'
import { formatCount, plural, safe } from '../format.ts'
import { Moment } from '../parts/moment.tsx'
import { Panel, TableFrame } from '../parts/panel.tsx'
import { Text } from '../parts/text.tsx'
import type { RejectsState } from '../state/rejects.ts'

/** One page of the rejects that match. */
export function List({ state }: { readonly state: RejectsState }): JSX.Element {
  const { matching = 0, total = 0, withoutTime = 0, rejects = [], previous, next } = state.page.value ?? {}
  const { after, before, since, until } = state.shown.value
  const hasTime = since !== '' || until !== ''
  return (
    <Panel
      id="reject-list"
      title="Rejects"
      note={
        <span aria-live="polite">
          {state.isLoading.value ? 'Searching… ' : ''}
          {matching === total ? `${formatCount(total)}, newest first` : `${formatCount(matching)} match`}
        </span>
      }
    >
      {hasTime && withoutTime > 0 && (
        <p class="faint">
          {plural(withoutTime, 'reject')} of an older version of Sluice {withoutTime === 1 ? 'has' : 'have'} no time: a
          filter by time leaves them out.
        </p>
      )}
      {rejects.length === 0 ? (
        <p class="faint">No reject matches.</p>
      ) : (
        <TableFrame label="Rejects">
          <Table state={state} rejects={rejects} />
        </TableFrame>
      )}
      <div class="reject-pages">
        {(after !== '' || before !== '') && (
          <button type="button" onClick={() => state.show({ after: '' })}>
            Newest
          </button>
        )}
        {previous !== undefined && (
          <button type="button" onClick={() => state.show({ before: previous })}>
            Newer
          </button>
        )}
        {next !== undefined && (
          <button type="button" onClick={() => state.show({ after: next })}>
            Older
          </button>
        )}
      </div>
    </Panel>
  )
}

interface TableProps {
  readonly state: RejectsState
  readonly rejects: readonly RejectRow[]
}

function Table({ state, rejects }: TableProps): JSX.Element {
  const ids = rejects.map(({ id }) => id)
  const isAll = state.isAll.value
  const isWhole = isAll || ids.every((id) => state.chosen.value.has(id))
  return (
    <table class="reject-table">
      <thead>
        <tr>
          <th scope="col">
            <input
              type="checkbox"
              aria-label="Choose all of this page"
              checked={isWhole}
              disabled={isAll}
              onChange={({ currentTarget }) => state.choose(ids, currentTarget.checked)}
            />
          </th>
          {['Reject, time', 'Code, stage', 'Reason, record', 'Origin'].map((title) => (
            <th key={title} scope="col">
              {title}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rejects.map((reject) => (
          <Row
            key={reject.id}
            reject={reject}
            state={state}
            isChosen={isAll || state.chosen.value.has(reject.id)}
            isFixed={isAll}
            isOpen={state.shown.value.id === reject.id}
            isCorrected={state.corrections.value.has(reject.id)}
          />
        ))}
      </tbody>
    </table>
  )
}

interface RowProps {
  readonly state: RejectsState
  readonly reject: RejectRow
  readonly isChosen: boolean
  /** It is chosen with all others. */
  readonly isFixed: boolean
  readonly isOpen: boolean
  readonly isCorrected: boolean
}

function Row({ state, reject, isChosen, isFixed, isOpen, isCorrected }: RowProps): JSX.Element {
  const { id, code, stage, reason, origin, line, rejectedAt, excerpt } = reject
  return (
    <tr class={isOpen ? 'is-open' : undefined}>
      <td>
        <input
          type="checkbox"
          aria-label={`Choose ${id}`}
          checked={isChosen}
          disabled={isFixed}
          onChange={({ currentTarget }) => state.choose([id], currentTarget.checked)}
        />
      </td>
      <th scope="row" class="no-wrap">
        <button
          type="button"
          id={buttonOf(id)}
          aria-expanded={isOpen}
          onClick={() => state.show({ id: isOpen ? '' : id })}
        >
          {id}
        </button>
        {isCorrected && <span class="reject-corrected">corrected</span>}
        <span class="line">{rejectedAt === undefined ? 'time unknown' : <Moment at={rejectedAt} />}</span>
      </th>
      <td class="reject-code">
        <Text text={code} isCode />
        <span class="line">
          <Text text={stage} />
        </span>
      </td>
      <td class="reject-reason">
        {reason !== undefined && (
          <span class="two-lines" title={safe(reason)}>
            {safe(reason)}
          </span>
        )}
        {excerpt !== undefined && (
          <span class="line code two-lines" title={safe(excerpt)}>
            {safe(excerpt)}
          </span>
        )}
      </td>
      <td class="reject-origin">
        <Text text={`${origin}:${line}`} />
      </td>
    </tr>
  )
}

/** The element that opens a reject, which gets the focus when it is closed. */
export function buttonOf(id: string): string {
  return `reject-${id}`
}
