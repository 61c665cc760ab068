import type { JSX } from 'preact'
import { formatBytes, formatCount, plural, safe } from '../format.ts'
import { Meter } from '../parts/meter.tsx'
import type { PipelineState } from '../state/pipeline.ts'
import { BoxText } from './box-text.tsx'
import type { DrawnNode } from './plan.ts'
import { troubleOf } from './trouble.ts'

interface EndBoxProps {
  readonly node: DrawnNode
  readonly state: PipelineState
}

export function RouteBox({ node }: { readonly node: DrawnNode }): JSX.Element {
  return (
    <div class="box is-route" data-node={node.id}>
      <BoxText node={node} />
    </div>
  )
}

/** A sink and its outbox. What holds it up stands in words. */
export function SinkBox({ node, state }: EndBoxProps): JSX.Element {
  const sink = state.snapshot.value?.sinks.find((one) => one.sink === node.name)
  const trouble = sink && troubleOf(sink)
  const tone = trouble?.tone ?? 'plain'
  return (
    <div class={`box is-sink is-${tone}`} data-node={node.id}>
      <BoxText node={node} />
      {sink === undefined ? (
        <span class="box-line faint">–</span>
      ) : (
        <>
          <span class="box-line">
            {plural(sink.published.objects, 'object')} published, {formatBytes(sink.published.bytes)}
          </span>
          <span class="box-line">
            {formatBytes(sink.waiting.bytes)}
            {sink.maxBytes !== undefined && ` of ${formatBytes(sink.maxBytes)}`} waiting for upload
          </span>
        </>
      )}
      <Meter share={sink?.maxBytes === undefined ? 0 : sink.waiting.bytes / sink.maxBytes} tone={tone} />
      <span class={`box-line box-trouble is-${tone}`}>{trouble === undefined ? '\u00a0' : safe(trouble.text)}</span>
    </div>
  )
}

export function RejectsBox({ node, state }: EndBoxProps): JSX.Element {
  const snapshot = state.snapshot.value
  const kept = state.detail.value?.row.rejects
  const rejected = snapshot?.ledger.rejected ?? 0
  return (
    <div class="box is-rejects" data-node={node.id}>
      <BoxText node={node} />
      <span class={rejected > 0 ? 'box-line is-warning' : 'box-line'}>
        {snapshot === undefined ? '–' : `${plural(rejected, 'record')} in this run`}
      </span>
      <span class="box-line">{kept === undefined ? '–' : `${formatCount(kept)} in the state folder`}</span>
    </div>
  )
}
