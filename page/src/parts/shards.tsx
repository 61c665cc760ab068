import type { JSX } from 'preact'
import type { StatusSnapshot } from '../../../src/ui/api.ts'
import { formatBytes, formatCount, formatShare, formatSpan, safe } from '../format.ts'
import type { PipelineState } from '../state/pipeline.ts'
import { Meter } from './meter.tsx'
import { Panel, TableFrame } from './panel.tsx'
import { TableHead } from './table-head.tsx'

/** How far a parallel backfill is. */
export function Shards({ state }: { readonly state: PipelineState }): JSX.Element | null {
  const shards = state.snapshot.value?.shards
  if (shards === undefined) return null
  const { bytes, doneBytes, partialBytes, bytesPerSecond, secondsLeft, done, executing, waiting, failed } = shards
  const share = bytes === 0 ? 0 : (doneBytes + partialBytes) / bytes
  const left = secondsLeft === undefined ? '' : `, ${formatSpan(secondsLeft * 1000)} left`
  return (
    <Panel id="shards" title="Shards" isWide note={`${formatBytes(bytesPerSecond)}/s${left}`}>
      <p class="shard-sum">
        {formatCount(done)} of {formatCount(shards.shards)} done, {executing} executing, {formatCount(waiting)} waiting
        {failed > 0 && <span class="is-error">, {failed} failed</span>}
        <span class="faint">
          {' '}
          · {formatShare(share)} of {formatBytes(bytes)}
        </span>
      </p>
      <Meter share={share} tone={failed > 0 ? 'error' : 'plain'} />
      <Executions executions={shards.executions} />
    </Panel>
  )
}

type Executions = NonNullable<StatusSnapshot['shards']>['executions']

function Executions({ executions }: { readonly executions: Executions }): JSX.Element | null {
  if (executions.length === 0) return null
  return (
    <TableFrame label="Shards that are executed now">
      <table>
        <TableHead columns={[{ number: 'Shard' }, 'Worker', { number: 'Records' }, { number: 'Read' }]} />
        <tbody>
          {executions
            .toSorted((a, b) => a.shard - b.shard)
            .map(({ shard, worker, records, bytes }) => (
              <tr key={shard}>
                <th scope="row" class="number">
                  {shard}
                </th>
                <td>{safe(worker)}</td>
                <td class="number">{formatCount(records)}</td>
                <td class="number">{formatBytes(bytes)}</td>
              </tr>
            ))}
        </tbody>
      </table>
    </TableFrame>
  )
}
