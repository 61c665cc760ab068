import type { JSX } from 'preact'
import type { SinkStatus } from '../../../src/ui/api.ts'
import { troubleOf } from '../drawing/trouble.ts'
import { formatBytes, formatCount, plural } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Panel, TableFrame } from './panel.tsx'
import { TableHead } from './table-head.tsx'
import { Text } from './text.tsx'

/** Committed objects that wait for upload, by sink. */
export function Outbox({ state }: { readonly state: PipelineState }): JSX.Element {
  const sinks = state.snapshot.value?.sinks ?? []
  return (
    <Panel id="outbox" title="Outbox by sink">
      {sinks.length === 0 ? (
        <p class="faint">Known while the pipeline runs.</p>
      ) : (
        <TableFrame label="Outbox by sink">
          <table>
            <TableHead
              columns={[
                'Sink',
                { number: 'Records written' },
                { number: 'Published' },
                { number: 'Waiting for upload' },
              ]}
            />
            <tbody>
              {sinks.map((sink) => (
                <Sink key={sink.sink} sink={sink} />
              ))}
            </tbody>
          </table>
        </TableFrame>
      )}
    </Panel>
  )
}

function Sink({ sink }: { readonly sink: SinkStatus }): JSX.Element {
  const trouble = troubleOf(sink)
  const { waiting, published, maxBytes } = sink
  return (
    <tr>
      <th scope="row" class="named">
        <Text text={sink.sink === sink.type ? sink.sink : `${sink.sink} (${sink.type})`} />
        {trouble && (
          <span class={`line is-${trouble.tone}`}>
            <Text text={trouble.text} />
          </span>
        )}
      </th>
      <td class="number">{formatCount(sink.records)}</td>
      <td class="number">
        {plural(published.objects, 'object')}
        <span class="line">{formatBytes(published.bytes)}</span>
      </td>
      <td class="number">
        {plural(waiting.objects, 'object')}
        <span class="line">
          {formatBytes(waiting.bytes)}
          {maxBytes !== undefined && ` of ${formatBytes(maxBytes)}`}
        </span>
      </td>
    </tr>
  )
}
