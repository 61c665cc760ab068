import type { JSX } from 'preact'
import { formatCount, safe } from '../format.ts'
import { useTyped } from '../parts/typed.ts'
import type { RejectsState } from '../state/rejects.ts'
import { FILTERS } from './filter.ts'

/** What is asked of the queue. It is in the address too. */
export function Filters({ state }: { readonly state: RejectsState }): JSX.Element {
  const { groups = [] } = state.page.value ?? {}
  const { code, stage, since, until } = state.shown.value
  const isFiltered = FILTERS.some((name) => state.shown.value[name] !== '')
  return (
    <search class="reject-filters">
      <Choose
        name="Code"
        value={code}
        counts={countsBy(groups, 'code')}
        take={(value) => state.show({ code: value })}
      />
      <Choose
        name="Stage"
        value={stage}
        counts={countsBy(groups, 'stage')}
        take={(value) => state.show({ stage: value })}
      />
      <Moment name="Since (UTC)" value={since} take={(value) => state.show({ since: value }, false)} />
      <Moment name="Before (UTC)" value={until} take={(value) => state.show({ until: value }, false)} />
      <TextSearch state={state} />
      {isFiltered && (
        <button type="button" onClick={() => state.show({ code: '', stage: '', text: '', since: '', until: '' })}>
          Clear the filter
        </button>
      )}
    </search>
  )
}

type Groups = readonly { readonly code: string; readonly stage: string; readonly count: number }[]

function countsBy(groups: Groups, member: 'code' | 'stage'): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const group of groups) counts.set(group[member], (counts.get(group[member]) ?? 0) + group.count)
  return counts
}

interface ChooseProps {
  readonly name: string
  readonly value: string
  readonly counts: ReadonlyMap<string, number>
  readonly take: (value: string) => void
}

function Choose({ name, value, counts, take }: ChooseProps): JSX.Element {
  // A link may name one of which there is none any more.
  const all = value === '' || counts.has(value) ? counts : new Map([...counts, [value, 0]])
  return (
    <label>
      {name}
      <select value={value} onChange={({ currentTarget }) => take(currentTarget.value)}>
        <option value="">All</option>
        {[...all].map(([one, count]) => (
          <option key={one} value={one}>
            {safe(one)} ({formatCount(count)})
          </option>
        ))}
      </select>
    </label>
  )
}

interface MomentProps {
  readonly name: string
  readonly value: string
  readonly take: (value: string) => void
}

function Moment({ name, value, take }: MomentProps): JSX.Element {
  return (
    <label>
      {name}
      <input type="datetime-local" value={value} onChange={({ currentTarget }) => take(currentTarget.value)} />
    </label>
  )
}

function TextSearch({ state }: { readonly state: RejectsState }): JSX.Element {
  const typed = useTyped(state.shown.value.text, (text) => state.show({ text }, false))
  return (
    <label class="reject-search">
      Text
      <input
        type="search"
        value={typed.value}
        maxLength={1000}
        placeholder="In the record, its origin or the reason"
        onInput={({ currentTarget }) => (typed.value = currentTarget.value)}
      />
    </label>
  )
}
