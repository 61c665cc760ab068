import type { JSX } from 'preact'
import { formatCount } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Panel } from './panel.tsx'
import { TableHead } from './table-head.tsx'

/** Where every record that was read has gone. Only what is committed counts. */
export function Ledger({ state }: { readonly state: PipelineState }): JSX.Element {
  const all = state.detail.value?.row.ledger
  const run = state.snapshot.value?.ledger
  return (
    <Panel id="ledger" title="Records committed">
      <table>
        <TableHead columns={['Records', { number: 'This run' }, { number: 'In all' }]} />
        <tbody>
          {LINES.map(({ name, text }) => (
            <tr key={name} class={name === 'written' ? 'is-sum' : undefined}>
              <th scope="row">{text}</th>
              <Count count={run?.[name]} isWarning={name === 'rejected'} />
              <Count count={all?.[name]} isWarning={name === 'rejected'} />
            </tr>
          ))}
        </tbody>
      </table>
      <p class="faint">read + added = written + dropped + duplicate + rejected</p>
    </Panel>
  )
}

const LINES = [
  { name: 'read', text: 'Read' },
  { name: 'added', text: 'Added by transforms' },
  { name: 'written', text: 'Written' },
  { name: 'dropped', text: 'Dropped' },
  { name: 'duplicate', text: 'Duplicate' },
  { name: 'rejected', text: 'Rejected' },
] as const

interface CountProps {
  readonly count: number | undefined
  readonly isWarning: boolean
}

function Count({ count, isWarning }: CountProps): JSX.Element {
  const tone = count === undefined || count === 0 ? ' faint' : isWarning ? ' is-warning' : ''
  return <td class={`number${tone}`}>{count === undefined ? '–' : formatCount(count)}</td>
}
