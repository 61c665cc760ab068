import type { JSX } from 'preact'
import { formatBytes, formatCount } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { useFew } from './few.tsx'
import { Ago } from './moment.tsx'
import { Panel, TableFrame } from './panel.tsx'
import { TableHead } from './table-head.tsx'

/** The last commits and their objects, the latest first. */
export function Epochs({ state }: { readonly state: PipelineState }): JSX.Element {
  const detail = state.detail.value
  const { shown, button } = useFew(detail?.lastEpochs ?? [], { name: 'epochs', few: 8 })
  return (
    <Panel id="epochs" title="Epochs" note={detail && `${formatCount(detail.epochs)} committed`}>
      {shown.length === 0 ? (
        <p class="faint">Nothing is committed yet.</p>
      ) : (
        <TableFrame label="Epochs">
          <table>
            <TableHead columns={COLUMNS} />
            <tbody>
              {shown.map(({ epoch, objects, records, bytes, waiting, publishedAt }) => (
                <tr key={epoch}>
                  <th scope="row">{formatCount(epoch)}</th>
                  <td class="number">{formatCount(objects)}</td>
                  <td class="number">{formatCount(records)}</td>
                  <td class="number">{formatBytes(bytes)}</td>
                  <td class="number">
                    {waiting === 0 ? (
                      <Ago at={publishedAt} />
                    ) : (
                      <span class="is-warning">{formatCount(waiting)} waiting</span>
                    )}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableFrame>
      )}
      {button}
    </Panel>
  )
}

const COLUMNS = ['Epoch', { number: 'Objects' }, { number: 'Records' }, { number: 'Size' }, { number: 'Published' }]
