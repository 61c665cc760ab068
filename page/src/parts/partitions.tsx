import type { JSX } from 'preact'
import { formatUtc, plural } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { useFew } from './few.tsx'
import { Age } from './moment.tsx'
import { Panel, TableFrame } from './panel.tsx'
import { TableHead } from './table-head.tsx'
import { Text } from './text.tsx'

/** Committed positions of the source, the one that is furthest behind first. */
export function Partitions({ state }: { readonly state: PipelineState }): JSX.Element {
  const partitions = state.detail.value?.partitions ?? []
  const sorted = partitions.toSorted((a, b) => (a.readUpToAt ?? Infinity) - (b.readUpToAt ?? Infinity))
  const { shown, button } = useFew(sorted, FEW)
  return (
    <Panel id="partitions" title="Freshness by source partition" note={plural(partitions.length, 'source partition')}>
      {partitions.length === 0 ? (
        <p class="faint">Nothing is committed yet.</p>
      ) : (
        <TableFrame label="Freshness by source partition">
          <table>
            <TableHead columns={['Source partition', { number: 'Behind' }, 'Committed up to']} />
            <tbody>
              {shown.map(({ partition, readUpToAt, detail }) => (
                <tr key={partition}>
                  <th scope="row" class="named">
                    <Text text={partition} />
                  </th>
                  <td class="number">
                    <Age at={readUpToAt} />
                  </td>
                  <td>
                    {readUpToAt !== undefined && <span class="no-wrap">{formatUtc(readUpToAt)}</span>}
                    {detail !== undefined && (
                      <span class="line faint">
                        <Text text={detail} />
                      </span>
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

const FEW = 10
