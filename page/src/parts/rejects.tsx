import type { JSX } from 'preact'
import { formatCount } from '../format.ts'
import { pathOfRejects } from '../route.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Meter } from './meter.tsx'
import { Panel } from './panel.tsx'
import { TableHead } from './table-head.tsx'
import { Text } from './text.tsx'

/** Why records went to the dead-letter queue in this run. */
export function Rejects({ state }: { readonly state: PipelineState }): JSX.Element {
  const codes = Object.entries(state.snapshot.value?.rejects ?? {})
  const kept = state.detail.value?.row.rejects
  const most = codes.reduce((highest, [, count]) => Math.max(highest, count), 1)
  return (
    <Panel
      id="rejects"
      title="Rejects by code"
      note={
        kept === undefined ? undefined : (
          <a href={pathOfRejects(state.name)}>{formatCount(kept)} in the dead-letter queue</a>
        )
      }
    >
      {codes.length === 0 ? (
        <p class="faint">{state.snapshot.value ? 'None in this run.' : 'Known while the pipeline runs.'}</p>
      ) : (
        <table>
          <TableHead columns={['Code', { number: 'Records in this run' }]} />
          <tbody>
            {codes.map(([code, count]) => (
              <tr key={code}>
                <th scope="row">
                  <a href={pathOfRejects(state.name, { code })}>
                    <Text text={code} isCode />
                  </a>
                  <Meter share={count / most} tone="warning" />
                </th>
                <td class="number">{formatCount(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </Panel>
  )
}
