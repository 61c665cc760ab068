import { useSignal } from '@preact/signals'
import type { JSX } from 'preact'
import { formatUtc, plural } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Age } from './moment.tsx'
import { Panel, TableFrame } from './panel.tsx'
import { Text } from './text.tsx'

/** Committed positions of the source, the one that is furthest behind first. */
export function Partitions({ state }: { readonly state: PipelineState }): JSX.Element {
  const partitions = state.detail.value?.partitions ?? []
  const isWhole = useSignal(false)
  const sorted = partitions.toSorted((a, b) => (a.readUpToAt ?? Infinity) - (b.readUpToAt ?? Infinity))
  const shown = isWhole.value ? sorted : sorted.slice(0, FEW)
  return (
    <Panel id="partitions" title="Freshness by source partition" note={plural(partitions.length, 'source partition')}>
      {partitions.length === 0 ? (
        <p class="faint">Nothing is committed yet.</p>
      ) : (
        <TableFrame label="Freshness by source partition">
          <table>
            <thead>
              <tr>
                <th scope="col">Source partition</th>
                <th scope="col" class="number">
                  Behind
                </th>
                <th scope="col">Committed up to</th>
              </tr>
            </thead>
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
      {sorted.length > FEW && (
        <button type="button" onClick={() => (isWhole.value = !isWhole.value)}>
          {isWhole.value ? 'Show fewer' : `Show all ${sorted.length}`}
        </button>
      )}
    </Panel>
  )
}

const FEW = 10
